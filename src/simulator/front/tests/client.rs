//! An HTTP client that hides nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

pub(super) struct Client {
    stream: TcpStream,
    /// Read from the socket, not yet used.
    buffer: Vec<u8>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
    /// It did not, within the watchdog's time.
    Silent,
}

impl Client {
    pub(super) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends what it can: a server may close while we send.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(super) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// `None` when nothing more fits into the buffers between us and the server.
    pub(super) fn send_what_fits(&mut self, bytes: &[u8]) -> Option<u64> {
        self.stream.set_nonblocking(true).unwrap();
        let sent = self.stream.write(bytes);
        self.stream.set_nonblocking(false).unwrap();
        match sent {
            Ok(sent) => Some(sent as u64),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn request(&mut self, method: &str, path: &str, body: &[u8]) {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat());
    }

    pub(super) fn call(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.request(method, path, body);
        let mut answer = self.head()?;
        if method != "HEAD" {
            self.body(&mut answer)?;
        }
        Ok(answer)
    }

    pub(super) fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        self.body(&mut answer)?;
        Ok(answer)
    }

    /// A head, as much of its body as comes, and what ended it.
    pub(super) fn broken_answer(&mut self) -> (Answer, End) {
        let mut answer = self.head().unwrap();
        let end = self.end();
        answer.body = std::mem::take(&mut self.buffer);
        (answer, end)
    }

    pub(super) fn head_and(&mut self, bytes: usize) -> Answer {
        let mut answer = self.head().unwrap();
        self.fill(bytes).unwrap();
        answer.body = self.buffer.drain(..bytes).collect();
        answer
    }

    /// The next bytes, whatever they are.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        self.fill(bytes).unwrap();
        self.buffer.drain(..bytes).collect()
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Reads until the connection ends; what comes stays in the buffer.
    pub(super) fn end(&mut self) -> End {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(error) => match error.kind() {
                    ErrorKind::UnexpectedEof => return End::Closed,
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return End::Reset,
                    _ => return End::Silent,
                },
            }
        }
    }

    pub(super) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn head(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap();
        Ok(Answer {
            status,
            head,
            body: Vec::new(),
        })
    }

    fn body(&mut self, answer: &mut Answer) -> io::Result<()> {
        let length = answer
            .header("Content-Length")
            .map_or(0, |length| length.parse().unwrap());
        self.fill(length)?;
        answer.body = self.buffer.drain(..length).collect();
        Ok(())
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 65536];
        match self.stream.read(&mut chunk)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(&chunk[..read]);
                Ok(())
            }
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}
