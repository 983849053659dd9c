//! The program running, and a client for it that is nothing but a socket: no retry, no pool, so that
//! a test knows what was acknowledged.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_b2-simulator");

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A running `b2-simulator`, killed when dropped.
pub(crate) struct Program {
    child: Child,
    log: tempfile::NamedTempFile,
    url: String,
    key_id: String,
    pub(crate) key: String,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut setting = |name: &str| {
            let line = lines.next().expect("it did not start").unwrap();
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('='));
            value.expect("a setting of that name").to_owned()
        };
        Self {
            url: setting("B2_ENVIRONMENT"),
            key_id: setting("B2_APPLICATION_KEY_ID"),
            key: setting("B2_APPLICATION_KEY"),
            child,
            log,
        }
    }

    /// The number of its process.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits: exit code and what was written to standard error.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        // The shell's own: not every system has a program of that name.
        let kill = format!("kill -s {signal} {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(asked.success());
        let code = self.child.wait().unwrap().code();
        (code, fs::read_to_string(self.log.path()).unwrap())
    }

    /// Ends it with `SIGKILL`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(&self.url).unwrap()
    }

    pub(crate) fn authorize(&self) -> User {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", self.key_id, self.key));
        let user = self.user(&format!("Basic {pair}"));
        let answer = user.call("b2_authorize_account", json!({})).unwrap();
        let token = answer["authorizationToken"].as_str().unwrap();
        User {
            account_id: answer["accountId"].as_str().unwrap().to_owned(),
            ..self.user(token)
        }
    }

    /// Somebody with a token of before.
    pub(crate) fn user(&self, token: &str) -> User {
        User {
            url: self.url.clone(),
            token: token.to_owned(),
            account_id: String::new(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Too late for a test that failed; there is nothing to do for one that stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(url: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    // A watchdog: no test waits for it.
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Somebody with a token. An error is an answer that did not come; an answer that refuses is a
/// failed test.
#[derive(Debug, Clone)]
pub(crate) struct User {
    url: String,
    pub(crate) token: String,
    pub(crate) account_id: String,
}

/// An upload URL.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    path: String,
    token: String,
}

impl Target {
    fn of(user: &User, answer: &Value) -> Self {
        let url = answer["uploadUrl"].as_str().unwrap();
        Self {
            path: url.strip_prefix(&user.url).unwrap().to_owned(),
            token: answer["authorizationToken"].as_str().unwrap().to_owned(),
        }
    }

    /// The head of an upload.
    pub(crate) fn head(&self, name: &str, length: usize, more: &str) -> String {
        format!(
            "POST {} HTTP/1.1\r\nauthorization: {}\r\nx-bz-file-name: {}\r\ncontent-type: text/plain\r\n\
             x-bz-content-sha1: do_not_verify\r\ncontent-length: {length}\r\n{more}\r\n",
            self.path,
            self.token,
            encoded(name)
        )
    }
}

impl User {
    pub(crate) fn call(&self, name: &str, body: Value) -> io::Result<Value> {
        let body = body.to_string();
        let head = format!(
            "POST /b2api/v4/{name} HTTP/1.1\r\nauthorization: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        self.json(&head, body.as_bytes())
    }

    fn json(&self, head: &str, body: &[u8]) -> io::Result<Value> {
        let (status, answer) = self.send(head, body)?;
        let answer: Value = serde_json::from_slice(&answer)?;
        assert_eq!(status, 200, "{answer} to {head}");
        Ok(answer)
    }

    /// The body of an answer, whatever its status.
    pub(crate) fn get(&self, path: &str) -> io::Result<Vec<u8>> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nauthorization: {}\r\nconnection: close\r\n\r\n",
            self.token
        );
        self.send(&head, b"").map(|(_, body)| body)
    }

    /// One request on a connection of its own; fails unless the whole answer comes.
    fn send(&self, head: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = connect(&self.url)?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let body = answer.split_off(end.ok_or_else(cut)? + 4);
        let head = String::from_utf8(answer).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if length.unwrap().parse() != Ok(body.len()) {
            return Err(cut());
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok((status, body))
    }

    pub(crate) fn create_bucket(&self, name: &str) -> String {
        let body =
            json!({ "accountId": self.account_id, "bucketName": name, "bucketType": "allPrivate" });
        let answer = self.call("b2_create_bucket", body).unwrap();
        answer["bucketId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn upload_target(&self, bucket_id: &str) -> io::Result<Target> {
        let answer = self.call("b2_get_upload_url", json!({ "bucketId": bucket_id }))?;
        Ok(Target::of(self, &answer))
    }

    pub(crate) fn upload(&self, bucket_id: &str, name: &str, data: &[u8]) -> io::Result<Value> {
        let target = self.upload_target(bucket_id)?;
        self.json(
            &target.head(name, data.len(), "connection: close\r\n"),
            data,
        )
    }

    pub(crate) fn upload_part(
        &self,
        file_id: &str,
        number: usize,
        data: &[u8],
    ) -> io::Result<Value> {
        let answer = self.call("b2_get_upload_part_url", json!({ "fileId": file_id }))?;
        let more = format!("x-bz-part-number: {number}\r\nconnection: close\r\n");
        let target = Target::of(self, &answer);
        self.json(&target.head("", data.len(), &more), data)
    }
}

fn encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(encode).collect()
}
