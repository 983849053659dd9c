//! A worker of the fleet: this program again, in a process of its own, which runs the example
//! `fleet_worker` with a clock that is ahead or not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use b2sdk::B2Api;
use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;

use crate::server;

#[expect(dead_code, reason = "the program of the example")]
#[path = "../../examples/fleet_worker.rs"]
mod fleet_worker;

const ROLE: &str = "B2SDK_TEST_FLEET";
const TEST: &str = "worker::in_a_process_of_the_fleet";

/// A worker that is authorized and waits for names of files.
pub(crate) struct Worker {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Starts a worker.
pub(crate) fn start(url: &str, service: &Simulator, ahead: u64) -> Worker {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(ROLE, url)
        .env("B2SDK_TEST_AHEAD", ahead.to_string())
        .env("B2_APPLICATION_KEY_ID", service.application_key_id())
        .env("B2_APPLICATION_KEY", service.application_key())
        .env("B2_ENVIRONMENT", service.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    Worker { child, output }
}

impl Worker {
    /// Waits until it has authorized.
    pub(crate) fn wait_until_ready(&mut self) {
        let mut line = String::new();
        while line.trim() != "ready" {
            line.clear();
            let length = self.output.read_line(&mut line).unwrap();
            assert!(length > 0, "a worker ended too early");
        }
    }
}

/// Gives a worker its lines and waits for it; what it printed about each.
pub(crate) fn finish(worker: Worker, lines: &[String]) -> Vec<String> {
    let Worker { mut child, output } = worker;
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for line in lines {
                writeln!(stdin, "{line}").unwrap();
            }
        });
        let told = output
            .lines()
            .map(Result::unwrap)
            .filter(|line| line.starts_with("ok ") || line.starts_with("failed "))
            .collect();
        child.wait().unwrap();
        told
    })
}

#[test]
fn in_a_process_of_the_fleet() {
    let Ok(url) = std::env::var(ROLE) else { return };
    let ahead = std::env::var("B2SDK_TEST_AHEAD").unwrap().parse().unwrap();
    let clock = Clock::ahead(Duration::from_secs(ahead));
    let store = server::open(&url, Duration::from_secs(1), &clock);
    let api = B2Api::builder(store).clock(&clock).build().unwrap();
    api.authorize_with(EnvironmentCredentials::new()).unwrap();
    let bucket = api.get_bucket_by_name(crate::fleet::BUCKET).unwrap();
    let input = BufReader::new(std::io::stdin());
    // The harness may have begun a line.
    println!("\nready");
    fleet_worker::upload_lines(&bucket, 2, input, std::io::stdout()).unwrap();
}
