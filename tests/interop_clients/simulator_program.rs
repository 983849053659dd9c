//! The program `b2-simulator`, for people who test in other languages: what it says on standard
//! output is all that they need, and a directory keeps everything.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Home, in_venv, lines, run};

const BUCKET: &str = "program-bucket-1";

/// A running `b2-simulator`, ended when dropped.
struct Program {
    child: Child,
    /// Names and values of its standard output.
    settings: Vec<(String, String)>,
}

impl Program {
    fn start(home: &Home, data: &Path, log: &Path) -> Self {
        let mut command = home.command(env!("CARGO_BIN_EXE_b2-simulator"));
        command.arg("--data-dir").arg(data);
        command.stdout(Stdio::piped());
        command.stderr(File::create(log).unwrap());
        let mut child = command.spawn().unwrap();
        // It says three things, the last of them when it is ready.
        let settings = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .take(3)
            .map(|line| {
                let line = line.unwrap();
                let (name, value) = line.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { child, settings }
    }

    /// `b2`, told of the simulator by the settings alone.
    fn b2(&self, home: &Home, arguments: &[&str]) -> String {
        let mut command = home.command(in_venv("b2"));
        let settings = self.settings.iter();
        command
            .envs(settings.map(|(name, value)| (name, value)))
            .args(arguments);
        run(&mut command)
    }

    /// Asks it to stop, as a service manager would.
    fn stop(mut self) {
        // The shell's own: not every system has a program of that name.
        let kill = format!("kill {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Too late for a test that failed, and for one that stopped it there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn the_program_keeps_files_keys_and_port_across_a_restart() {
    let home = Home::new();
    let (data, log) = (home.path("data"), home.path("log"));
    home.write("hello.txt", b"hello");

    let first = Program::start(&home, &data, &log);
    let names: Vec<_> = first
        .settings
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let expected = [
        "B2_ENVIRONMENT",
        "B2_APPLICATION_KEY_ID",
        "B2_APPLICATION_KEY",
    ];
    assert_eq!(names, expected);
    first.b2(&home, &["account", "authorize"]);
    first.b2(&home, &["bucket", "create", BUCKET, "allPrivate"]);
    first.b2(&home, &["file", "upload", BUCKET, "hello.txt", "hello.txt"]);
    let settings = first.settings.clone();
    first.stop();
    let log_text = fs::read_to_string(&log).unwrap();
    assert!(log_text.contains("b2_upload_file 200"), "{log_text}");

    let second = Program::start(&home, &data, &log);
    assert_eq!(second.settings, settings);
    let hello = format!("b2://{BUCKET}/hello.txt");
    assert_eq!(second.b2(&home, &["file", "cat", &hello]), "hello");
    let listing = second.b2(&home, &["ls", &format!("b2://{BUCKET}")]);
    assert_eq!(lines(&listing), ["hello.txt"]);
    second.stop();
    let log_text = fs::read_to_string(&log).unwrap();
    // The token of before is still good.
    assert!(!log_text.contains("b2_authorize_account"), "{log_text}");
}
