//! A Redis server of a test's own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::{self, Server};

/// A server on a free port, which is killed when this is dropped.
pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// `redis-server`, or another one that the variable names, such as Valkey's.
fn program() -> OsString {
    std::env::var_os("B2SDK_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// Starts the program, and waits for a line with these words.
fn spawn(command: &mut Command, words: &str) -> Child {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is needed: install Debian's package redis-server");
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        let length = output.read_line(&mut line).unwrap();
        assert!(length > 0, "redis-server ended at once");
    }
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut output, &mut std::io::sink());
    });
    child
}

fn command(port: u16, words: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{words}\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    // A replica that is promoted drops its clients.
    let _ = stream.read_to_string(&mut answer);
    answer
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self {
            child: None,
            port: free_port(),
            directory: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        server.launch();
        server
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Runs one command, and tells the answer as the server wrote it.
    pub(crate) fn command(&self, words: &str) -> String {
        command(self.port, words)
    }
}

impl Server for RedisServer {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn launch(&mut self) {
        let mut command = Command::new(program());
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--daemonize", "no", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments);
        let child = spawn(&mut command, "eady to accept connections");
        self.child = Some(child);
    }

    fn kill(&mut self) {
        server::kill(self.child.take());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            child.wait().unwrap();
        }
    }

    fn freeze(&self) {
        self.signal("STOP");
    }

    fn thaw(&self) {
        self.signal("CONT");
    }

    fn empty(&self) {
        self.command("FLUSHALL");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A primary with a replica, and a Sentinel that promotes the replica when the primary is away.
pub(crate) struct RedisGroup {
    primary: RedisServer,
    replica: RedisServer,
    sentinel: Child,
    port: u16,
    _directory: TempDir,
}

impl RedisGroup {
    pub(crate) fn start() -> Self {
        let primary = RedisServer::start();
        let of = format!("127.0.0.1 {}", primary.port());
        let replica = RedisServer::start_with(&["--replicaof", &of]);
        while !replica
            .command("INFO replication")
            .contains("link_status:up")
        {}
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let settings = directory.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor fleet {of} 1\n\
             sentinel down-after-milliseconds fleet 300\nsentinel failover-timeout fleet 1000\n"
        );
        std::fs::write(&settings, text).unwrap();
        let mut command = Command::new(program());
        command.arg(settings).arg("--sentinel");
        let sentinel = spawn(&mut command, "+monitor");
        let group = Self {
            primary,
            replica,
            sentinel,
            port,
            _directory: directory,
        };
        while !group.asks("SENTINEL REPLICAS fleet").contains("slave") {}
        group
    }

    fn asks(&self, words: &str) -> String {
        command(self.port, words)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/fleet", self.port)
    }

    pub(crate) fn replica_command(&self, words: &str) -> String {
        self.replica.command(words)
    }

    /// Kills the primary after the replica has missed what happened for a while, and waits until the
    /// replica has taken over.
    pub(crate) fn fail_over(&mut self, missed: impl FnOnce()) {
        self.replica.freeze();
        missed();
        self.primary.kill();
        self.replica.thaw();
        while !self
            .replica
            .command("INFO replication")
            .contains("role:master")
        {}
    }
}

impl Drop for RedisGroup {
    fn drop(&mut self) {
        let _ = self.sentinel.kill();
        let _ = self.sentinel.wait();
    }
}
