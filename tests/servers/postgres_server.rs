//! A PostgreSQL server of a test's own.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::redis_server::free_port;
use crate::server::{self, Server};

/// Root may not run a server: nobody does.
const NOBODY: u32 = 65534;

/// A server on a free port, which is killed when this is dropped.
pub(crate) struct PostgresServer {
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

/// A program of the server, which Debian does not put where programs are searched.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives a file or directory to the user that the server runs as, who alone may read it.
pub(crate) fn give(path: &Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with further settings, such as `max_connections=20`.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        give(directory.path());
        let output = unprivileged(&program("initdb"))
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(directory.path().join("data"))
            .output()
            .expect("a PostgreSQL server is needed: install Debian's package postgresql");
        assert!(output.status.success(), "{output:?}");
        let mut server = Self {
            child: None,
            port: free_port(),
            directory,
            arguments: settings
                .iter()
                .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()])
                .collect(),
        };
        server.launch();
        server
    }

    /// A second server that repeats everything this one does, and can take over.
    pub(crate) fn standby(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        give(directory.path());
        let output = unprivileged(&program("pg_basebackup"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--username=postgres", "--host=127.0.0.1"])
            .args(["--port", &self.port.to_string(), "--pgdata"])
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut server = Self {
            child: None,
            port: free_port(),
            directory,
            arguments: Vec::new(),
        };
        server.launch();
        server
    }

    /// Where its socket is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the server keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn try_launch(&self) -> Option<Child> {
        let mut child = unprivileged(&program("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.directory.path())
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(&self.arguments)
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a PostgreSQL server is needed: install Debian's package postgresql");
        let mut output = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready to accept") {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                child.wait().unwrap();
                return None;
            }
        }
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
        Some(child)
    }

    /// Signals it and every process that it has begun.
    fn signal_all(&self, signal: &str) {
        let parent = self.child.as_ref().unwrap().id();
        let mut processes = vec![parent.to_string()];
        let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        processes.extend(list.unwrap().split_whitespace().map(str::to_owned));
        // Some of them may have ended by now.
        let _ = Command::new("kill")
            .args(["-s", signal])
            .args(processes)
            .stderr(Stdio::null())
            .status();
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    fn psql(&self, statements: &str) -> Command {
        let mut command = Command::new(program("psql"));
        command
            .args(["--no-psqlrc", "--tuples-only", "--no-align"])
            .args(["-U", "postgres", "-h"])
            .arg(self.directory.path())
            .args(["-p", &self.port.to_string(), "-c", statements, "postgres"]);
        command
    }

    /// Runs statements, and returns what they print.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let output = self.psql(statements).output().unwrap();
        assert!(output.status.success(), "{statements}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Changes a setting, also of the sessions that are there.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {name} = {value}"));
        self.sql("SELECT pg_reload_conf()");
        // A session that begins after the signal to the others has the new value.
        while self.sql(&format!("SHOW {name}")).trim() != value {}
    }

    /// A connection that has run this in a transaction, which it keeps open until it is dropped.
    pub(crate) fn hold(&self, statement: &str) -> Held {
        let mut child = self
            .psql("\\conninfo")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("BEGIN; {statement}; \\echo held\n");
        child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while line.trim() != "held" {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "{statement} failed"
            );
        }
        Held(child)
    }
}

/// A connection that does nothing more.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Server for PostgresServer {
    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn launch(&mut self) {
        // What was killed may still hold its memory for a moment.
        for _ in 0..100 {
            if let Some(child) = self.try_launch() {
                self.child = Some(child);
                return;
            }
        }
        panic!("the PostgreSQL server does not start");
    }

    fn kill(&mut self) {
        server::kill(self.child.take());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Without waiting for its clients.
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            child.wait().unwrap();
        }
    }

    fn freeze(&self) {
        self.signal_all("STOP");
    }

    fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn empty(&self) {
        self.sql(
            "DO 'BEGIN TRUNCATE b2_account, b2_bucket, b2_upload_url; \
                  EXCEPTION WHEN undefined_table THEN NULL; END'",
        );
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.thaw();
        }
        self.kill();
    }
}
