//! A week of requests by the simulator's own clock, and the memory that the program has at its end.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Read, Write};

use serde_json::{Value, json};

use super::program::Program;

const HOURS: u64 = 7 * 24;
/// In each hour, so many upload URLs and as many download authorizations.
const TOKENS: usize = 12;
/// In each hour, so many requests that the log has to keep a lot of: over the week, 75 MB.
const LONG_REQUESTS: usize = 36;
const MOST_GROWTH: u64 = 64 * 1024 * 1024;

/// Memory that is resident, in bytes.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// Sends requests one behind the other without waiting, the last of which ends the connection; returns
/// all answers.
fn pipelined(program: &Program, requests: &str) -> String {
    let mut stream = program.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let reading = std::thread::spawn(move || {
        let mut answers = String::new();
        reader.read_to_string(&mut answers).unwrap();
        answers
    });
    stream.write_all(requests.as_bytes()).unwrap();
    reading.join().unwrap()
}

fn call(name: &str, token: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST /b2api/v4/{name} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Each request is as large in the log and among the tokens as a client can make it.
#[test]
fn a_week_of_requests_takes_no_more_than_64_mib() {
    let program = Program::start(&[]);
    let bucket = program.authorize().create_bucket("my-bucket");
    let before = resident(program.id());
    let long = "x".repeat(4000);
    let unknown = format!(
        "GET /{long} HTTP/1.1\r\nhost: x\r\nx-bz-file-name: {long}\r\nrange: {long}\r\n\r\n"
    );
    let mut refused = 0;
    for _ in 0..HOURS {
        let token = program.authorize().token;
        let wanted = json!({ "bucketId": bucket });
        let shared = json!({ "bucketId": bucket, "fileNamePrefix": "x".repeat(1000),
            "validDurationInSeconds": 1 });
        let mut requests = String::new();
        for _ in 0..TOKENS {
            requests += &call("b2_get_upload_url", &token, &wanted);
            requests += &call("b2_get_download_authorization", &token, &shared);
        }
        requests += &unknown.repeat(LONG_REQUESTS);
        let advance = "advance=3600";
        let _ = write!(
            requests,
            "POST /.simulator/clock HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{advance}",
            advance.len()
        );
        let answers = pipelined(&program, &requests);
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2 * TOKENS + 1);
        refused += answers.matches("HTTP/1.1 404").count();
    }
    assert_eq!(refused as u64, HOURS * LONG_REQUESTS as u64);
    let after = resident(program.id());
    assert!(
        after < before + MOST_GROWTH,
        "{} KiB more",
        (after - before) / 1024
    );
}
