//! The floor: a bare blocking program that only moves and hashes the same bytes over as many
//! connections, and hashes them as often. It authorizes nobody, starts and finishes no large file,
//! retries nothing, and sends nothing but the requests that carry content. Of a listing it decodes the names alone,
//! or all members where that is asked for.

mod listing;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::ours::each;
use crate::server::{BUCKET, large_name, small_folder, small_name};
use crate::task::{Direction, Task};
use crate::tls::Stream;

const BUFFER: usize = 256 * 1024;

/// The parts of the crate's defaults: the service's recommendation up, shared out among the workers.
pub(crate) fn up_part(length: u64, workers: usize) -> u64 {
    let (count, workers) = (length.div_ceil(100_000_000), workers as u64);
    let shares = match count / workers {
        0 => (length / 16_000_000).clamp(count, workers),
        rounds => rounds * workers,
    };
    length.div_ceil(shares.max(1))
}

/// At most 50 MB down, and one for each worker if they are not too small.
fn down_part(length: u64, workers: usize) -> u64 {
    length
        .div_ceil(workers as u64)
        .clamp(10_000_000, 50_000_000)
}

pub(crate) fn run(task: &Task, realm: &str, directory: &Path) -> Result<()> {
    match task {
        Task::Large {
            direction: Direction::Up,
            workers,
            whole_sha1,
            length,
            part,
        } => {
            let part = match part {
                0 => up_part(*length, *workers),
                part => *part,
            };
            upload_large(realm, directory, (*workers, *length, part), *whole_sha1)
        }
        Task::Large {
            workers,
            length,
            part,
            ..
        } => {
            let part = match part {
                0 => down_part(*length, *workers),
                part => *part,
            };
            download_large(realm, directory, (*workers, *length, part))
        }
        Task::List { names, page, how } => listing::list(realm, *names, *page, *how),
        Task::Small {
            direction,
            files,
            threads,
            ..
        } => small(realm, directory, *direction, (*files, *threads)),
        Task::Many { .. } => anyhow::bail!("the floor has no such task"),
        Task::Start => {
            let content = std::fs::read(directory.join(small_name("up", 0)))?;
            upload_small(&mut Client::connect(realm)?, "up/one", content)
        }
    }
}

fn upload_large(
    realm: &str,
    directory: &Path,
    (workers, length, part): (usize, u64, u64),
    whole_sha1: bool,
) -> Result<()> {
    let file = File::open(directory.join(large_name("large", length)))?;
    if whole_sha1 {
        hash(&file, length)?;
    }
    each_part(realm, (length, part), workers, |client, n, (start, end)| {
        client.send_part("/b2api/v4/b2_upload_part/u/f", &file, n, (start, end))
    })
}

/// The SHA-1 of a file.
pub(crate) fn hash(file: &File, length: u64) -> Result<String> {
    let mut hasher = Sha1::new();
    read_range(file, (0, length), |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hex::encode(hasher.finalize()))
}

/// Ranges side by side, each written where it belongs; one more thread hashes what is complete.
fn download_large(
    realm: &str,
    directory: &Path,
    (workers, length, part): (usize, u64, u64),
) -> Result<()> {
    let name = &large_name("down", length);
    let file = &File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(directory.join("copy"))?;
    let (length, expected) = head(realm, name)?;
    let (complete, completed) = mpsc::channel();
    thread::scope(|scope| {
        let hashing = scope.spawn(move || hash_behind(file, (length, part), &completed));
        each_part(realm, (length, part), workers, |client, n, (start, end)| {
            let range = format!("Range: bytes={start}-{}\r\n", end - 1);
            client.get(name, &range)?;
            let mut position = start;
            client.read_answer(|bytes| {
                file.write_all_at(bytes, position)?;
                position += bytes.len() as u64;
                Ok(())
            })?;
            Ok(complete.send(n)?)
        })?;
        drop(complete);
        let actual = hashing.join().ok().context("a thread panicked")??;
        ensure!(actual == expected, "{actual} instead of {expected}");
        Ok(file.sync_all()?)
    })
}

fn hash_behind(
    file: &File,
    (length, part): (u64, u64),
    completed: &mpsc::Receiver<usize>,
) -> Result<String> {
    let mut hasher = Sha1::new();
    let mut done = vec![false; usize::try_from(length.div_ceil(part))?];
    let mut next = 0;
    while next < done.len() {
        done[completed.recv()?] = true;
        while done.get(next) == Some(&true) {
            let start = next as u64 * part;
            read_range(file, (start, length.min(start + part)), |bytes| {
                hasher.update(bytes);
                Ok(())
            })?;
            next += 1;
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

fn small(
    realm: &str,
    directory: &Path,
    direction: Direction,
    (files, threads): (usize, usize),
) -> Result<()> {
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || -> Result<()> {
                    let mut client = Client::connect(realm)?;
                    for n in (thread..files).step_by(threads) {
                        match direction {
                            Direction::Up => {
                                let name = small_name("up", n);
                                let content = std::fs::read(directory.join(&name))?;
                                upload_small(&mut client, &name, content)?;
                            }
                            Direction::Down => download_small(&mut client, directory, (n, files))?,
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in started {
            thread.join().ok().context("a thread panicked")??;
        }
        Ok(())
    })
}

fn upload_small(client: &mut Client, name: &str, content: Vec<u8>) -> Result<()> {
    let head = format!(
        "POST /b2api/v4/b2_upload_file/u/b HTTP/1.1\r\nHost: b2\r\nX-Bz-File-Name: {name}\r\n\
         Content-Type: b2/x-auto\r\nX-Bz-Content-Sha1: hex_digits_at_end\r\nContent-Length: {}\r\n\r\n",
        content.len() + 40
    );
    let sha1 = hex::encode(Sha1::digest(&content));
    let request = [head.as_bytes(), &content, sha1.as_bytes()].concat();
    client.stream.write_all(&request)?;
    client.read_answer(|_| Ok(()))
}

fn download_small(client: &mut Client, directory: &Path, (n, files): (usize, usize)) -> Result<()> {
    client.get(&small_name(&small_folder(files), n), "")?;
    let mut content = Vec::new();
    client.read_answer(|bytes| {
        content.extend_from_slice(bytes);
        Ok(())
    })?;
    let sha1 = hex::encode(Sha1::digest(&content));
    ensure!(
        client.head.contains(&sha1),
        "the SHA-1 is not the announced one"
    );
    Ok(std::fs::write(
        directory.join(small_name("copies", n)),
        content,
    )?)
}

/// Length and SHA-1 of the large file.
fn head(realm: &str, name: &str) -> Result<(u64, String)> {
    let mut client = Client::connect(realm)?;
    let request = format!("HEAD /file/{BUCKET}/{name} HTTP/1.1\r\nHost: b2\r\n\r\n");
    client.stream.write_all(request.as_bytes())?;
    client.read_head()?;
    let sha1 = client.header("x-bz-info-large_file_sha1:")?.to_owned();
    Ok((client.header("content-length:")?.parse()?, sha1))
}

/// Does `work` for each part, on so many threads with a connection each.
pub(crate) fn each_part(
    realm: &str,
    (length, size): (u64, u64),
    workers: usize,
    work: impl Fn(&mut Client, usize, (u64, u64)) -> Result<()> + Sync,
) -> Result<()> {
    let parts = usize::try_from(length.div_ceil(size))?;
    let idle = std::sync::Mutex::new(Vec::new());
    each(parts, workers, |n| {
        let kept = idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut client = kept.map_or_else(|| Client::connect(realm), Ok)?;
        let start = n as u64 * size;
        work(&mut client, n, (start, length.min(start + size)))?;
        if let Ok(mut idle) = idle.lock() {
            idle.push(client);
        }
        Ok(())
    })
}

fn read_range(
    file: &File,
    (start, end): (u64, u64),
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut position = start;
    while position < end {
        let room = usize::try_from(end - position)?.min(BUFFER);
        let read = file.read_at(&mut buffer[..room], position)?;
        ensure!(read > 0, "the file became shorter");
        take(&buffer[..read])?;
        position += read as u64;
    }
    Ok(())
}

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    host: String,
    buffer: Vec<u8>,
    /// The head of the last answer, and where in the buffer what follows it ends.
    head: String,
    rest: std::ops::Range<usize>,
}

impl Client {
    pub(crate) fn connect(realm: &str) -> Result<Self> {
        Ok(Self {
            stream: Stream::connect(realm)?,
            host: realm.rsplit('/').next().unwrap_or_default().to_owned(),
            buffer: vec![0; BUFFER],
            head: String::new(),
            rest: 0..0,
        })
    }

    fn get(&mut self, name: &str, headers: &str) -> Result<()> {
        let request = format!("GET /file/{BUCKET}/{name} HTTP/1.1\r\nHost: b2\r\n{headers}\r\n");
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Calls an operation that takes JSON; what it answers.
    pub(crate) fn call(&mut self, operation: &str, request: &Value) -> Result<Vec<u8>> {
        let body = request.to_string();
        let head = format!(
            "POST /b2api/v4/{operation} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        self.read_answer(|bytes| {
            answer.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(answer)
    }

    /// Uploads a part of a file to this path, and hashes it while it is sent.
    pub(crate) fn send_part(
        &mut self,
        path: &str,
        file: &File,
        n: usize,
        (start, end): (u64, u64),
    ) -> Result<()> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: b2\r\nX-Bz-Part-Number: {}\r\n\
             X-Bz-Content-Sha1: hex_digits_at_end\r\nContent-Length: {}\r\n\r\n",
            n + 1,
            end - start + 40
        );
        self.stream.write_all(head.as_bytes())?;
        let mut hasher = Sha1::new();
        read_range(file, (start, end), |bytes| {
            hasher.update(bytes);
            Ok(self.stream.write_all(bytes)?)
        })?;
        self.stream
            .write_all(hex::encode(hasher.finalize()).as_bytes())?;
        self.read_answer(|_| Ok(()))
    }

    fn read_head(&mut self) -> Result<()> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            ensure!(read > 0, "the connection was closed");
            filled += read;
            let received = &self.buffer[..filled];
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                self.head = String::from_utf8_lossy(&received[..end]).into_owned();
                self.rest = end + 4..filled;
                ensure!(self.head.starts_with("HTTP/1.1 20"), "{}", self.head);
                return Ok(());
            }
        }
    }

    /// The value of a header; the name is in lower case, with its colon.
    fn header(&self, name: &str) -> Result<&str> {
        let found = self.head.lines().find_map(|line| {
            let (start, value) = line.split_at_checked(name.len())?;
            start.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        found.with_context(|| format!("no {name}"))
    }

    fn read_answer(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.read_head()?;
        let mut left: usize = self.header("content-length:")?.parse()?;
        let rest = self.rest.clone();
        left -= rest.len();
        take(&self.buffer[rest])?;
        while left > 0 {
            let room = left.min(BUFFER);
            let read = self.stream.read(&mut self.buffer[..room])?;
            ensure!(read > 0, "the connection was closed");
            take(&self.buffer[..read])?;
            left -= read;
        }
        Ok(())
    }
}
