//! The two checksums of a body while it is stored. On processors with SHA instructions, MD5 takes
//! three times as long as SHA-1, so for a large body it runs on its own thread.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use md5::Md5;
use sha1::{Digest, Sha1};

use super::read_some;
use crate::simulator::protocol::reply::Refusal;

const BUFFER: usize = 64 * 1024;
/// From this length on, a body is worth a thread.
const LARGE: u64 = 1024 * 1024;
const LARGE_BUFFER: usize = 256 * 1024;
/// How many buffers may wait for MD5.
const AHEAD: usize = 4;

/// Copies exactly that many bytes; returns their SHA-1 and MD5.
pub(super) fn copy_hashed(
    from: &mut dyn Read,
    to: &mut dyn Write,
    length: u64,
) -> Result<([u8; 20], [u8; 16]), Refusal> {
    if length < LARGE {
        let mut md5 = Md5::new();
        let sha1 = copy(from, to, length, vec![0; BUFFER], |buffer, count| {
            md5.update(&buffer[..count]);
            buffer
        })?;
        return Ok((sha1, md5.finalize().into()));
    }
    thread::scope(|scope| {
        let (sender, full) = sync_channel(AHEAD);
        let (used, empty) = channel();
        let md5 = thread::Builder::new().spawn_scoped(scope, move || md5_of(&full, &used))?;
        let beside = Beside { sender, empty };
        let sha1 = copy(from, to, length, vec![0; LARGE_BUFFER], |buffer, count| {
            beside.exchange(buffer, count)
        });
        // The thread ends when the channel is closed.
        drop(beside);
        let md5 = md5.join();
        let md5 = md5.map_err(|_| Refusal::new(500, "internal_error", "MD5 panicked"))?;
        Ok((sha1?, md5))
    })
}

/// Copies and returns the SHA-1. `pass` takes each buffer with its length and returns one for the
/// next read.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    length: u64,
    mut buffer: Vec<u8>,
    mut pass: impl FnMut(Vec<u8>, usize) -> Vec<u8>,
) -> Result<[u8; 20], Refusal> {
    let mut sha1 = Sha1::new();
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = read_some(from, &mut buffer[..wanted])?;
        to.write_all(&buffer[..count])?;
        sha1.update(&buffer[..count]);
        left -= count as u64;
        buffer = pass(buffer, count);
    }
    Ok(sha1.finalize().into())
}

/// The handle to the thread that computes the MD5.
struct Beside {
    sender: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
}

impl Beside {
    fn exchange(&self, buffer: Vec<u8>, count: usize) -> Vec<u8> {
        // The thread receives until this handle is dropped.
        let _ = self.sender.send((buffer, count));
        self.empty
            .try_recv()
            .unwrap_or_else(|_| vec![0; LARGE_BUFFER])
    }
}

fn md5_of(full: &Receiver<(Vec<u8>, usize)>, used: &Sender<Vec<u8>>) -> [u8; 16] {
    let mut md5 = Md5::new();
    for (buffer, count) in full {
        md5.update(&buffer[..count]);
        let _ = used.send(buffer);
    }
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn both_ways_give_the_sums_of_what_was_copied() {
        let data: Vec<u8> = (0..3_000_001_u32).map(|at| (at * 31 / 7) as u8).collect();
        for length in [0, 1, 65_536, 1_048_575, 1_048_576, 3_000_000] {
            let mut stored = Vec::new();
            let sums = copy_hashed(&mut &*data, &mut stored, length as u64).unwrap();
            let expected = &data[..length];
            assert!(stored == expected);
            let expected = (Sha1::digest(expected).into(), Md5::digest(expected).into());
            assert_eq!(sums, expected);
        }
    }

    #[test]
    fn a_body_that_ends_early_ends_both() {
        for length in [10_u64, 5_000_000] {
            let mut short = io::repeat(b'x').take(length - 1);
            let refusal = copy_hashed(&mut short, &mut io::sink(), length).unwrap_err();
            assert_eq!(refusal.status, 400);
        }
    }
}
