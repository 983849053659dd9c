//! What can be set in Rust, by option and by admin call: the table of `docs/simulator.md` and all three
//! must agree.

use std::collections::BTreeSet;
use std::process::Command;

use b2sdk::simulator::Simulator;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/simulator.md");
const BUILDER: &str = include_str!("../../src/simulator/builder.rs");

/// The rows of the table: method, option, parameter.
fn rows() -> Vec<[&'static str; 3]> {
    let (_, table) = DOCUMENT
        .split_once("| In Rust | Option | Parameter |")
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'));
        [(); 3].map(|()| cells.next().unwrap())
    })
    .collect()
}

/// All texts between these two.
fn all_between<'t>(text: &'t str, start: &str, end: &str) -> BTreeSet<&'t str> {
    let parts = text.split(start).skip(1);
    parts
        .filter_map(|part| part.split_once(end))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_setter_of_the_builder_is_in_the_table() {
    let setters: BTreeSet<&str> = all_between(BUILDER, "    pub fn ", "(mut self");
    let named: BTreeSet<&str> = rows().iter().map(|row| row[0]).collect();
    assert!(setters.len() > 15, "{setters:?}");
    assert_eq!(setters, named);
}

#[test]
fn every_setting_has_an_option_and_a_parameter_unless_it_belongs_to_the_start() {
    let printed = Command::new(env!("CARGO_BIN_EXE_b2-simulator"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(printed.stdout).unwrap();
    // These make the process and its socket what they are.
    let of_the_start = [
        "listen",
        "port",
        "data_dir",
        "admin",
        "tls",
        "public_url",
        "trust_forwarded_headers",
        "start_time",
        "max_connections",
        "on_request",
    ];
    for [method, option, parameter] in rows() {
        match option {
            "always" => assert_eq!(method, "on_request"),
            option => assert!(help.contains(&format!("\n  {option} ")), "{option}"),
        }
        let is_of_the_start = of_the_start.contains(&method);
        assert_eq!(
            parameter == "at the start only",
            is_of_the_start,
            "{method}: {parameter}"
        );
    }
}

#[test]
fn the_admin_endpoint_shows_the_parameters_of_the_table_and_no_others() {
    let simulator = Simulator::start().unwrap();
    let answer = settings_of(&simulator);
    let shown: BTreeSet<String> = answer.as_object().unwrap().keys().cloned().collect();
    let camel = |name: &str| {
        let mut parts = name.split('-');
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |all, part| {
            all + &part[..1].to_uppercase() + &part[1..]
        })
    };
    let named: BTreeSet<String> = rows()
        .iter()
        .filter(|row| row[2] != "at the start only")
        .map(|row| camel(row[2]))
        .collect();
    assert_eq!(shown, named);
}

fn settings_of(simulator: &Simulator) -> Value {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(simulator.local_addr()).unwrap();
    stream
        .write_all(
            b"GET /.simulator/settings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
