//! Bodies of uploads and downloads. An upload is hashed and stored while it is received, and its
//! checksum is judged at the end (docs/protocol.md, section 5). A download reads stretches of
//! stored bodies.

mod hashing;

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::simulator::account::records::Chunk;
use crate::simulator::account::world::World;
use crate::simulator::protocol::reply::Refusal;
use hashing::copy_hashed;

const TRAILER: u64 = 40;

/// What `X-Bz-Content-Sha1` promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Promise {
    Sha1(String),
    AtEnd,
    Unverified,
}

impl Promise {
    pub(crate) fn parse(value: Option<&str>) -> Result<Self, Refusal> {
        match value {
            None => Err(Refusal::bad_request("Missing header: X-Bz-Content-Sha1")),
            Some("hex_digits_at_end") => Ok(Self::AtEnd),
            Some("do_not_verify") => Ok(Self::Unverified),
            Some(hex) if is_sha1(hex) => Ok(Self::Sha1(hex.to_ascii_lowercase())),
            Some(other) => Err(Refusal::bad_request(format!(
                "Invalid X-Bz-Content-Sha1: {other}"
            ))),
        }
    }

    /// The length of the content in a body of this length.
    pub(crate) fn content_length(&self, body_length: u64) -> Result<u64, Refusal> {
        if *self != Self::AtEnd {
            return Ok(body_length);
        }
        body_length.checked_sub(TRAILER).ok_or_else(|| {
            Refusal::bad_request("Content-Length is too short for hex_digits_at_end")
        })
    }
}

pub(crate) fn is_sha1(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A stored stretch of bytes with its checksums.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) length: u64,
    pub(crate) sha1: [u8; 20],
    pub(crate) md5: [u8; 16],
    pub(crate) content: Box<[Chunk]>,
}

/// Reads a body of this content length, stores it and compares it with the promise. If it is
/// refused, nothing stays stored.
pub(crate) fn receive(
    world: &World,
    body: &mut dyn Read,
    length: u64,
    promise: &Promise,
) -> Result<Received, Refusal> {
    let received = store(world, body, length)?;
    let promised = match promise {
        Promise::Sha1(sha1) => sha1.clone(),
        Promise::AtEnd => read_trailer(body)?,
        Promise::Unverified => return Ok(received),
    };
    if promised != hex::encode(received.sha1) {
        return Err(Refusal::bad_request("Sha1 did not match data received"));
    }
    Ok(received)
}

fn store(world: &World, body: &mut dyn Read, length: u64) -> Result<Received, Refusal> {
    if length == 0 {
        let mut nothing = io::sink();
        let (sha1, md5) = copy_hashed(&mut io::empty(), &mut nothing, 0)?;
        return Ok(Received {
            length,
            sha1,
            md5,
            content: Box::default(),
        });
    }
    let mut writer = world.storage().create_blob()?;
    let (sha1, md5) = copy_hashed(body, &mut writer, length)?;
    let content = Box::new([Chunk::whole(writer.finish()?, length)]);
    Ok(Received {
        length,
        sha1,
        md5,
        content,
    })
}

/// Stores these bytes.
pub(crate) fn keep(world: &World, mut bytes: &[u8]) -> Result<Received, Refusal> {
    let length = bytes.len() as u64;
    store(world, &mut bytes, length)
}

/// The checksums of content that is stored already.
pub(crate) fn hash(content: &[Chunk], length: u64) -> Result<Received, Refusal> {
    check_readable(content)?;
    let mut reader = ChunkReader::new(content);
    let (sha1, md5) = copy_hashed(&mut reader, &mut io::sink(), length)?;
    Ok(Received {
        length,
        sha1,
        md5,
        content: content.into(),
    })
}

fn read_some(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, Refusal> {
    loop {
        match from.read(buffer) {
            Ok(0) => return Err(ended_early()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(ended_early()),
        }
    }
}

/// Checks that the whole content exists, without reading it. In a data directory, another program
/// may have removed or truncated it.
pub(crate) fn check_readable(content: &[Chunk]) -> Result<(), Refusal> {
    for chunk in content {
        let end = chunk.offset.saturating_add(chunk.length);
        if chunk.blob.length().map_or(true, |length| length < end) {
            return Err(lost());
        }
    }
    Ok(())
}

fn lost() -> Refusal {
    Refusal::new(500, "internal_error", "The content of the file is lost")
}

fn read_trailer(body: &mut dyn Read) -> Result<String, Refusal> {
    let mut digits = [0; 40];
    body.read_exact(&mut digits).map_err(|_| ended_early())?;
    let text = std::str::from_utf8(&digits).unwrap_or_default();
    if !is_sha1(text) {
        return Err(Refusal::bad_request(
            "Invalid hex digits at the end of the data",
        ));
    }
    Ok(text.to_ascii_lowercase())
}

fn ended_early() -> Refusal {
    Refusal::bad_request("The request ended early")
}

/// Stores a copy of the content in another account.
pub(crate) fn duplicate(
    world: &World,
    content: &[Chunk],
    length: u64,
) -> Result<Box<[Chunk]>, Refusal> {
    check_readable(content)?;
    store(world, &mut ChunkReader::new(content), length).map(|stored| stored.content)
}

/// The stretch from the first to the last of these bytes, both inclusive.
pub(crate) fn slice(content: &[Chunk], first: u64, last: u64) -> Vec<Chunk> {
    let mut begin = 0;
    let mut wanted = Vec::new();
    for chunk in content {
        let end = begin + chunk.length;
        let (from, to) = (first.max(begin), (last + 1).min(end));
        if from < to {
            wanted.push(Chunk {
                offset: chunk.offset + (from - begin),
                length: to - from,
                ..chunk.clone()
            });
        }
        begin = end;
    }
    wanted
}

/// Reads chunks one after the other. It holds their bodies, so they stay readable even if the
/// version is deleted. It opens each body when its turn comes.
pub(crate) struct ChunkReader {
    waiting: VecDeque<Chunk>,
    current: Option<io::Take<Box<dyn Read + Send>>>,
}

impl ChunkReader {
    pub(crate) fn new(content: &[Chunk]) -> Self {
        Self {
            waiting: content.iter().cloned().collect(),
            current: None,
        }
    }

    fn open_next(&mut self) -> io::Result<bool> {
        let Some(chunk) = self.waiting.front() else {
            return Ok(false);
        };
        self.current = Some(chunk.blob.open(chunk.offset)?.take(chunk.length));
        Ok(true)
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(current) = &mut self.current else {
                if self.open_next()? {
                    continue;
                }
                return Ok(0);
            };
            let count = current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if current.limit() > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.current = None;
            self.waiting.pop_front();
        }
    }
}
