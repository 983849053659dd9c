//! The simulator as a process of its own, and a client that costs next to nothing: a socket, heads
//! written by hand, bodies that are one buffer again and again.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A running `b2-simulator`, killed when dropped.
pub(crate) struct Program {
    child: Child,
    address: String,
    basic: String,
}

impl Program {
    pub(crate) fn start(arguments: &[&OsStr]) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_b2-simulator"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut setting = || -> Result<String> {
            let line = lines.next().context("it did not start")??;
            Ok(line.split_once('=').context("no setting")?.1.to_owned())
        };
        let url = setting()?;
        let pair = format!("{}:{}", setting()?, setting()?);
        Ok(Self {
            child,
            address: url.trim_start_matches("http://").to_owned(),
            basic: format!("Basic {}", BASE64_STANDARD.encode(pair)),
        })
    }

    /// The memory that is resident, and the most that ever was, in MiB.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            Ok(kib.context("no such figure")?.parse::<f64>()? / 1024.0)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }

    pub(crate) fn session(&self) -> Result<Session> {
        let mut session = Session {
            stream: TcpStream::connect(&self.address)?,
            address: self.address.clone(),
            token: self.basic.clone(),
            account_id: String::new(),
        };
        session.stream.set_nodelay(true)?;
        let answer = session.call("b2_authorize_account", &json!({}))?;
        session.token = text(&answer, "authorizationToken")?;
        session.account_id = text(&answer, "accountId")?;
        Ok(session)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(value: &Value, member: &str) -> Result<String> {
    let text = value[member].as_str();
    Ok(text
        .with_context(|| format!("no {member} in {value}"))?
        .to_owned())
}

/// An authorized connection.
pub(crate) struct Session {
    stream: TcpStream,
    address: String,
    token: String,
    pub(crate) account_id: String,
}

/// Where to upload to.
#[derive(Clone)]
pub(crate) struct Target {
    path: String,
    token: String,
}

impl Session {
    /// Another connection with the same token.
    pub(crate) fn another(&self) -> Result<Self> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address: self.address.clone(),
            token: self.token.clone(),
            account_id: self.account_id.clone(),
        })
    }

    pub(crate) fn call(&mut self, name: &str, body: &Value) -> Result<Value> {
        let answer = self.call_raw(name, body)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The answer unread, so that parsing it is not measured.
    pub(crate) fn call_raw(&mut self, name: &str, body: &Value) -> Result<Vec<u8>> {
        let body = body.to_string();
        let head = format!(
            "POST /b2api/v4/{name} HTTP/1.1\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        let (length, mut answer) = self.head()?;
        let have = answer.len();
        answer.resize(length, 0);
        self.stream.read_exact(&mut answer[have..])?;
        Ok(answer)
    }

    pub(crate) fn create_bucket(&mut self, name: &str) -> Result<String> {
        let body =
            json!({ "accountId": self.account_id, "bucketName": name, "bucketType": "allPrivate" });
        text(&self.call("b2_create_bucket", &body)?, "bucketId")
    }

    pub(crate) fn target(&mut self, call: &str, body: &Value) -> Result<Target> {
        let answer = self.call(call, body)?;
        let url = text(&answer, "uploadUrl")?;
        let path = url
            .strip_prefix("http://")
            .and_then(|url| url.split_once('/'));
        Ok(Target {
            path: format!("/{}", path.context("no path")?.1),
            token: text(&answer, "authorizationToken")?,
        })
    }

    /// Uploads this many bytes; `header` names the file or the part.
    pub(crate) fn upload(
        &mut self,
        target: &Target,
        header: &str,
        piece: &[u8],
        length: u64,
    ) -> Result<Value> {
        let head = format!(
            "POST {} HTTP/1.1\r\nauthorization: {}\r\n{header}\r\ncontent-type: a/b\r\n\
             x-bz-content-sha1: do_not_verify\r\ncontent-length: {length}\r\n\r\n",
            target.path, target.token
        );
        self.stream.write_all(head.as_bytes())?;
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left.min(piece.len() as u64))?;
            self.stream.write_all(&piece[..count])?;
            left -= count as u64;
        }
        let (length, mut answer) = self.head()?;
        let have = answer.len();
        answer.resize(length, 0);
        self.stream.read_exact(&mut answer[have..])?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Downloads a file by name and drops it; returns its length.
    pub(crate) fn download(&mut self, path: &str, buffer: &mut [u8]) -> Result<u64> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nauthorization: {}\r\n\r\n",
            self.token
        );
        self.stream.write_all(head.as_bytes())?;
        let (length, begun) = self.head()?;
        let mut left = length - begun.len();
        while left > 0 {
            let wanted = left.min(buffer.len());
            let count = self.stream.read(&mut buffer[..wanted])?;
            ensure!(count > 0, "the download ended early");
            left -= count;
        }
        Ok(length as u64)
    }

    /// The length of the body, and what of it has come.
    fn head(&mut self) -> Result<(usize, Vec<u8>)> {
        let mut read = Vec::new();
        let mut chunk = [0; 16 * 1024];
        let end = loop {
            let count = self.stream.read(&mut chunk)?;
            ensure!(count > 0, "no answer");
            read.extend_from_slice(&chunk[..count]);
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let body = read.split_off(end);
        let head = String::from_utf8(read)?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        Ok((length.context("no length")?.parse()?, body))
    }
}
