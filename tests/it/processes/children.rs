//! Child processes: this program again, spoken with through pipes, line by line.
//!
//! A line of a child that begins with `@` is for its parent; the rest is the test harness talking.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long to look away between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// How many looks in vain mean that something hangs: after four minutes.
const PATIENCE: usize = 120_000;

/// One child. It is killed when it is dropped.
pub(super) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Worker {
    /// Starts a child in a role of `roles.rs`, which finds these variables in its environment.
    pub(super) fn start(role: &str, environment: Vec<(&str, String)>) -> Self {
        Self::start_by(
            Command::new(std::env::current_exe().unwrap()),
            role,
            environment,
        )
    }

    /// As [`start`](Self::start), by a command that runs this program with the arguments it is given.
    pub(super) fn start_by(
        mut command: Command,
        role: &str,
        environment: Vec<(&str, String)>,
    ) -> Self {
        command
            .args(["--exact", super::roles::TEST, "--nocapture"])
            .env(super::roles::ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, value) in environment {
            command.env(super::roles::variable(name), value);
        }
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || forward(stdout, &sender));
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
        }
    }

    pub(super) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    /// The next line.
    pub(super) fn hear(&self) -> String {
        match self.lines.recv_timeout(LOOK * PATIENCE as u32) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("a child process hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("a child process ended too early"),
        }
    }

    /// Waits until it is so, while the child goes on.
    pub(super) fn wait_until(&self, is_so: impl Fn() -> bool) {
        let heard = self.hear_unless(is_so);
        assert_eq!(heard, None, "the child was faster");
    }

    /// Waits until it is so, or the child says something.
    pub(super) fn hear_unless(&self, is_so: impl Fn() -> bool) -> Option<String> {
        for _ in 0..PATIENCE {
            if is_so() {
                return None;
            }
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Some(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("a child process ended too early"),
            }
        }
        panic!("it never was so");
    }

    /// Kills it as nobody can prevent; the lines that it got out before.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }

    /// Waits until it ends; whether all went well.
    pub(super) fn ends_well(mut self) -> bool {
        drop(self.stdin.take());
        while self.lines.recv_timeout(LOOK * PATIENCE as u32).is_ok() {}
        self.child.wait().unwrap().success()
    }

    /// Hears the rest, looking around meanwhile, and checks that all went well.
    fn finish(mut self, look: &impl Fn()) -> Vec<String> {
        drop(self.stdin.take());
        let mut heard = Vec::new();
        for _ in 0..PATIENCE {
            look();
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => heard.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    assert!(self.child.wait().unwrap().success(), "a child failed");
                    return heard;
                }
            }
        }
        panic!("a child process hangs");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stdout: impl std::io::Read, sender: &Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(line) = line.strip_prefix('@')
            && sender.send(line.to_owned()).is_err()
        {
            return;
        }
    }
}

/// Several children in one role. The first thing each says is that it is ready.
pub(super) struct Children(Vec<Worker>);

impl Children {
    pub(super) fn of<'a>(
        size: usize,
        role: &str,
        environment: impl Fn(usize) -> Vec<(&'a str, String)>,
    ) -> Self {
        Self(
            (0..size)
                .map(|number| Worker::start(role, environment(number)))
                .collect(),
        )
    }

    pub(super) fn wait_until_ready(&self) {
        for answer in self.hear_all() {
            assert_eq!(answer, "ready");
        }
    }

    /// Waits until all are ready, and then lets all go.
    pub(super) fn start_together(&mut self) {
        self.wait_until_ready();
        self.say("go");
    }

    pub(super) fn say(&mut self, line: &str) {
        for worker in &mut self.0 {
            worker.say(line);
        }
    }

    /// One line of each.
    pub(super) fn hear_all(&self) -> Vec<String> {
        self.0.iter().map(Worker::hear).collect()
    }

    /// Waits until all have ended well, looking around meanwhile; what they said last.
    pub(super) fn finish(self, look: impl Fn()) -> Vec<String> {
        self.0
            .into_iter()
            .map(|worker| worker.finish(&look).pop().unwrap_or_default())
            .collect()
    }
}
