//! How many connections the program serves at a time.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::program::{Program, run};

const CONNECTIONS: usize = 100;

/// Threads of a process.
fn threads(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Threads:"));
    let count = line.unwrap().split_whitespace().nth(1).unwrap();
    count.parse().unwrap()
}

/// Sends a request that needs no token, and returns the status.
fn status_of_a_request(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // Errors end with a brace, and their texts have no other one.
    while answer.last() != Some(&b'}') {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..count]);
    }
    let answer = String::from_utf8(answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn as_many_connections_are_served_as_the_option_says_and_idle_ones_take_no_thread() {
    let option = format!("--max-connections={CONNECTIONS}");
    let program = Program::start(&[&option]);
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| program.connect()).collect();
    for stream in &mut streams {
        assert_eq!(status_of_a_request(stream), "404");
    }
    assert!(
        threads(program.id()) < CONNECTIONS / 2,
        "{} threads",
        threads(program.id())
    );
    assert_eq!(status_of_a_request(&mut program.connect()), "503");
    assert_eq!(status_of_a_request(&mut streams[0]), "404");
    assert_eq!(run(&["--max-connections=many"]).0, Some(2));
}
