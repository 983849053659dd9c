//! The server's process, as the comparing one sees it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::tls;

/// The server's process, ended with us.
pub(crate) struct Server {
    process: Child,
    /// Without TLS, and with it.
    plain_port: u16,
    tls_port: u16,
    /// The file with the certificate authority.
    pub(crate) authority: String,
}

#[derive(Deserialize)]
pub(crate) struct Counts {
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) uploaded: u64,
}

impl Server {
    /// Its certificates lie in this directory.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let authority = tls::make_certificates(directory)?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ports = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut ports)?;
        let (plain, with_tls) = ports.trim().split_once(' ').context("no ports")?;
        Ok(Self {
            process,
            plain_port: plain.parse()?,
            tls_port: with_tls.parse()?,
            authority,
        })
    }

    pub(crate) const fn port(&self, has_tls: bool) -> u16 {
        if has_tls {
            self.tls_port
        } else {
            self.plain_port
        }
    }

    pub(crate) fn counts(&self) -> Result<Counts> {
        Ok(serde_json::from_str(&self.ask("/bench/counts")?)?)
    }

    /// Asks for something that is no part of the service.
    pub(crate) fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.plain_port))?;
        let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").context("no answer")?.1;
        Ok(body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
