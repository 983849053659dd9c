//! The recipes of `docs/simulator.md`: every block in bash and Python is run as it stands there, and
//! the one in Rust is `tests/it/simulator_recipe.rs`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::support::{Home, in_venv, run, run_to_failure};

const DOCUMENT: &str = include_str!("../../docs/simulator.md");
const START: &str = "Starting it from a shell";

/// Heading, language and text of each block.
fn blocks() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut found = Vec::new();
    for section in DOCUMENT.split("\n## ").flat_map(|it| it.split("\n### ")) {
        let (heading, text) = section.split_once('\n').unwrap();
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, block) = block.split_once('\n').unwrap();
            found.push((heading, language, block));
        }
    }
    found
}

fn block(heading: &str, language: &str) -> &'static str {
    let found = blocks().into_iter().find(|it| it.0 == heading).unwrap();
    assert_eq!(found.1, language, "{heading}");
    found.2
}

/// A program that finds the simulator and all clients on its path.
fn command(home: &Home, program: &str) -> Command {
    let simulator = Path::new(env!("CARGO_BIN_EXE_b2-simulator"));
    let b2 = in_venv("b2");
    let mut path = vec![
        simulator.parent().unwrap().to_owned(),
        b2.parent().unwrap().to_owned(),
    ];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let mut command = home.command(program);
    command
        .env("PATH", env::join_paths(path).unwrap())
        .env_remove("B2_ACCOUNT_INFO");
    command
}

/// What a recipe in bash writes, and the simulator's log of it.
fn bash(heading: &str) -> (String, String) {
    let home = Home::new();
    let start = block(START, "bash");
    let script = format!("{start}\n{}", block(heading, "bash"));
    let script = home.write("recipe", script.as_bytes());
    let out = run(command(&home, "bash").arg(script));
    let log = fs::read_to_string(home.path("simulator.log")).unwrap();
    (out, log)
}

#[test]
fn no_recipe_is_left_out() {
    let runs = |language: &str| ["bash", "python", "rust"].contains(&language);
    let blocks = blocks().into_iter().filter(|it| runs(it.1));
    let headings: Vec<&str> = blocks.map(|it| it.0).collect();
    let expected = [
        START,
        "The `b2` command line",
        "Python",
        "rclone",
        "curl",
        "Faults, clock and caps",
        "Rust",
        "Faults",
        "Admin endpoint",
    ];
    assert_eq!(headings, expected);
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn the_recipe_for_b2_works() {
    let (out, log) = bash("The `b2` command line");
    assert!(out.ends_with("greetings/hello.txt\nhello\n"), "{out}");
    assert!(log.contains("b2_upload_file 200"), "{log}");
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn the_recipe_for_rclone_works() {
    let (out, log) = bash("rclone");
    assert_eq!(out, "2026/hello.txt\nhello\n");
    assert!(log.contains("b2_upload_file 200"), "{log}");
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn the_recipe_for_curl_works() {
    let (out, log) = bash("curl");
    assert!(out.ends_with("}\nhello"), "{out}");
    assert!(log.contains("b2_upload_file 200"), "{log}");
}

#[test]
#[ignore = "needs b2, rclone and curl: tests/scripts/install-clients.sh"]
fn the_recipe_for_faults_clock_and_caps_works() {
    let (out, log) = bash("Faults, clock and caps");
    assert!(out.contains("storage cap exceeded"), "{out}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.starts_with("hello-v"), "{out}");
    for seen in [
        "b2_upload_file 503",
        "b2_upload_file 200",
        "b2_get_upload_url 401",
        "b2_upload_file 403",
    ] {
        assert!(log.contains(seen), "{seen} is not in {log}");
    }
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn the_recipe_for_python_works() {
    let home = Home::new();
    let script = home.write("recipe.py", block("Python", "python").as_bytes());
    run(command(&home, "python").arg(script));
    assert_eq!(fs::read(home.path("copy.txt")).unwrap(), b"hello");
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn the_orders_to_the_admin_endpoint_are_obeyed() {
    let (out, log) = bash("Admin endpoint");
    for answer in ["\"ids\": [", "\"aheadMillis\": 86400000", "\"faults\": []"] {
        assert!(out.contains(answer), "{out}");
    }
    assert_eq!(log, "", "orders are no requests");
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn the_command_with_a_fault_starts_a_simulator_that_has_it() {
    let home = Home::new();
    let mut child = command(&home, "bash")
        .args(["-c", block("Faults", "bash")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    let url = lines[0].strip_prefix("B2_ENVIRONMENT=").unwrap();
    let faults = format!("{url}/.simulator/faults");
    let curl = || {
        let mut curl = command(&home, "curl");
        curl.args(["-sSf", &faults]);
        curl
    };
    let shown = run(&mut curl());
    // Bash has become the one program that it was to run.
    child.kill().unwrap();
    child.wait().unwrap();
    run_to_failure(&mut curl());
    let fault = "b2_authorize_account:2 times=1 status=503";
    assert!(shown.contains(fault), "{shown}");
}
