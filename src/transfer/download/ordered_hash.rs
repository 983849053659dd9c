//! Hashes a file in order while several threads write it.
//!
//! One thread hashes. What arrives at the position that it has reached is handed to it in memory,
//! after it was written. What was written further ahead is noted, and read back from the file, from
//! the page cache as a rule, once everything before it is hashed. When little is left to be read
//! back of the part that is being written, its thread hands over memory again.
//!
//! | who | does | waits for |
//! | --- | --- | --- |
//! | a writer at the position | queues its buffer, and takes a used one | room in the queue, if it is full |
//! | a writer further ahead | notes how far it has written | nothing |
//! | the hashing thread | hashes the queue, otherwise reads back what is written | bytes at its position |
//!
//! A writer waits only for a thread that has work: the queue is full only while the hashing thread
//! hashes, or reads back at most [`READ_BACK`] bytes. It ends when the call is cancelled, and nobody
//! waits for it after that. Where no thread hashes, everything is read back in the end.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | reading back fails | the download fails with `LocalFile` |
//! | another program shortens the file | the download fails with `ChecksumMismatch`, because fewer bytes are hashed |
//! | a writer fails | the hash is closed, and the hashing thread ends without a result |
//! | the hashing thread ends early | writers queue nothing more, and never wait |
//!
//! Ranges cannot be hashed each by itself, because the SHA-1 of the whole cannot be made of those of its
//! parts. Reading the file when it is complete would be a second pass over the disk, for which the
//! download would wait after its last byte. At most a few buffers of 256 KiB are in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::control::Control;
use crate::control::clock::Clock;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Hasher;
use crate::transfer::download::connections::{Pace, PartQueue};
use crate::transfer::download::handle::RangeReader;
use crate::transfer::hash::hash_to_end;
use crate::transfer::parts::EqualParts;

/// The number of bytes in a buffer.
pub(super) const BUFFER: usize = 256 * 1024;
/// The number of buffers that may be queued. A few are enough to bridge the moments in which a writer
/// waits for its connection; more would only let the hash fall behind.
const QUEUED: usize = 4;
/// The largest number of bytes that are read back at a time. It is small, so that the thread soon comes
/// back to the writer at its position, whose bytes need not be read back.
const READ_BACK: u64 = 4 * 1024 * 1024;

/// The hash of a file that is being written. The hashing thread and all writers share it.
pub(super) struct OrderedHash {
    /// The parts in which the file is written.
    parts: EqualParts,
    /// Never held while bytes are hashed, read or written.
    state: Mutex<State>,
    /// Wakes the hashing thread when there is something to hash, and writers when there is room.
    changed: Condvar,
}

/// How far the file is written and hashed.
struct State {
    /// The bytes that follow one another and end at `taken`, with the number in each buffer.
    queue: VecDeque<(Vec<u8>, usize)>,
    /// Buffers that were used.
    spare: Vec<Vec<u8>>,
    /// The position up to which bytes were hashed, queued, or are being read back.
    taken: u64,
    /// The position up to which each part is in the file.
    written: Vec<u64>,
    /// Whether there is a thread that hashes.
    is_attended: bool,
    /// Whether nothing more will be written.
    is_closed: bool,
}

/// What the hashing thread does next.
enum Work {
    /// It hashes bytes in memory.
    Queued(Vec<u8>, usize),
    /// It reads these bytes back.
    Written(std::ops::Range<u64>),
    /// It has waited for a while, and looks at its pace.
    Nothing,
    /// It ends: everything is hashed, or nothing more will come.
    End,
}

/// A buffer of [`BUFFER`] bytes.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

impl OrderedHash {
    /// The hash of a file of these parts, of which nothing is written.
    pub(super) fn new(parts: &EqualParts) -> Self {
        let written = parts.iter().map(|range| range.start).collect();
        Self {
            parts: *parts,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                spare: Vec::new(),
                taken: 0,
                written,
                is_attended: false,
                is_closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Notes that a part is in the file up to this position, as an earlier download left it. It is read
    /// back when the hash comes to it.
    pub(super) fn is_written(&self, part: u64, until: u64) {
        let mut state = self.lock();
        state.note(part, until);
        drop(state);
        self.changed.notify_all();
    }

    /// Notes bytes that were written at `position` of the file, and returns a buffer for the next
    /// ones. Waits while the hashing thread is behind with bytes in memory.
    ///
    /// The bytes must be in the file already: whether they are hashed from memory or read back is
    /// decided here. The buffer that is returned has the length [`BUFFER`] and any content.
    pub(super) fn hand_over(
        &self,
        part: u64,
        position: u64,
        (buffer, length): (Vec<u8>, usize),
    ) -> Vec<u8> {
        let end = position + length as u64;
        let mut state = self.lock();
        while state.can_queue(position) && state.queue.len() >= QUEUED {
            self.changed.wait(&mut state);
        }
        state.note(part, end);
        if !state.can_queue(position) {
            drop(state);
            self.changed.notify_all();
            return buffer;
        }
        state.queue.push_back((buffer, length));
        state.taken = end;
        let spare = state.spare.pop();
        drop(state);
        self.changed.notify_all();
        spare.unwrap_or_else(self::buffer)
    }

    /// Hashes everything in order, while it is written or after that. Allows more connections when
    /// it waits for bytes, by the system's clock, because it measures this machine and the network.
    ///
    /// The result is of use only if everything was written. Fails with `Cancelled` if the call is
    /// cancelled. `failed` makes the error of reading back.
    pub(super) fn hash(
        &self,
        file: &File,
        failed: impl Fn(io::Error) -> Error,
        queue: &PartQueue,
        control: &Control,
    ) -> Result<Sha1Hasher> {
        self.lock().is_attended = true;
        let _ended = Ended(self);
        let (mut hasher, mut pace) = (Sha1Hasher::default(), Pace::new());
        let clock = Clock::default();
        let mut now = clock.elapsed();
        loop {
            control.check()?;
            let work = self.next(&pace, &clock);
            let before = std::mem::replace(&mut now, clock.elapsed());
            pace.waited(now - before);
            let bytes = match work {
                Work::Queued(buffer, length) => {
                    hasher.update(buffer.get(..length).unwrap_or_default());
                    self.lock().spare.push(buffer);
                    length as u64
                }
                Work::Written(range) => {
                    let bytes = range.end - range.start;
                    let reader = RangeReader::new(file, range);
                    hash_to_end(&mut hasher, reader, control, &failed)?;
                    bytes
                }
                Work::Nothing => 0,
                Work::End => return Ok(hasher),
            };
            let before = std::mem::replace(&mut now, clock.elapsed());
            pace.worked(bytes, now - before);
            if let Some(worthwhile) = pace.judge(queue.allowed()) {
                queue.allow(worthwhile);
            }
        }
    }

    /// Waits for something to hash, until the present measurement is over.
    ///
    /// Memory comes first, because a writer may be waiting for room. The position is moved before the
    /// bytes are read back, so no writer queues bytes that are being read.
    fn next(&self, pace: &Pace, clock: &Clock) -> Work {
        let until = clock.elapsed() + pace.left();
        let mut state = self.lock();
        loop {
            if let Some((buffer, length)) = state.queue.pop_front() {
                drop(state);
                self.changed.notify_all();
                return Work::Queued(buffer, length);
            }
            if state.taken >= self.parts.length() {
                return Work::End;
            }
            if let Some(range) = state.take_written(&self.parts) {
                return Work::Written(range);
            }
            if state.is_closed {
                return Work::End;
            }
            let left = until.saturating_sub(clock.elapsed());
            if self.changed.wait_for(&mut state, left).timed_out() {
                return Work::Nothing;
            }
        }
    }

    /// Notes that nothing more will be written. What is written already is still hashed, up to the
    /// first gap.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Notes that a part is written up to this position. Each part has one writer, so the position only
    /// grows.
    fn note(&mut self, part: u64, until: u64) {
        let part = usize::try_from(part).ok();
        if let Some(written) = part.and_then(|part| self.written.get_mut(part)) {
            *written = until;
        }
    }

    /// Whether bytes at this position follow those that are queued, and somebody hashes them.
    const fn can_queue(&self, position: u64) -> bool {
        self.is_attended && self.taken == position
    }

    /// Takes the bytes at the position that are in the file and not in the queue.
    fn take_written(&mut self, parts: &EqualParts) -> Option<std::ops::Range<u64>> {
        let start = self.taken;
        let part = usize::try_from(parts.index_of(start)).ok()?;
        let written = self.written.get(part)?;
        let end = (*written).min(start + READ_BACK);
        if end <= start {
            return None;
        }
        self.taken = end;
        Some(start..end)
    }
}

/// Notes that nobody hashes any more, however the hashing ended.
struct Ended<'a>(&'a OrderedHash);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().is_attended = false;
        self.0.changed.notify_all();
    }
}

/// Closes the hash when dropped, also if a range panics, so that the hashing thread ends.
pub(super) struct CloseOnDrop<'a>(pub(super) &'a OrderedHash);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, proptest};

    use super::{CloseOnDrop, OrderedHash, buffer};
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::error::Error;
    use crate::model::sha1::Sha1Digest;
    use crate::transfer::download::connections::PartQueue;
    use crate::transfer::download::handle::write_at;
    use crate::transfer::parts::EqualParts;

    /// A file that several threads are about to write.
    struct Trial {
        content: Vec<u8>,
        parts: EqualParts,
        file: std::fs::File,
        hash: OrderedHash,
        queue: PartQueue,
    }

    impl Trial {
        fn new(length: usize, part_size: u64) -> Self {
            let parts = EqualParts::new(length as u64, part_size);
            Self {
                content: (0..length).map(|n| (n * n / 7 % 253) as u8).collect(),
                parts,
                file: tempfile::tempfile().unwrap(),
                hash: OrderedHash::new(&parts),
                queue: PartQueue::new(parts.count(), 1),
            }
        }

        /// Writes a part in pieces of this size.
        fn write(&self, part: u64, piece: usize) {
            let range = self.parts.range(part);
            let mut position = usize::try_from(range.start).unwrap();
            let end = usize::try_from(range.end).unwrap();
            let mut buffer = buffer();
            while position < end {
                let length = piece.min(end - position);
                let bytes = &self.content[position..position + length];
                buffer[..length].copy_from_slice(bytes);
                write_at(&self.file, bytes, position as u64).unwrap();
                buffer = self.hash.hand_over(part, position as u64, (buffer, length));
                position += length;
            }
        }

        fn hash(&self, control: &Control) -> Result<Sha1Digest, Error> {
            let failed = |error| Error::local_file("read", std::path::Path::new("x"), error);
            let hasher = self.hash.hash(&self.file, failed, &self.queue, control)?;
            Ok(hasher.finish())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn whatever_the_order_of_writing_the_hash_is_that_of_the_whole(
            length in 0..200_000_usize,
            part_size in 10_000..200_000_u64,
            pieces in prop::collection::vec(1_000..20_000_usize, 20),
            threads in 1..4_usize,
            comes_late in prop::bool::ANY,
        ) {
            let trial = Trial::new(length, part_size);
            let hashed = std::thread::scope(|scope| {
                let hash = || trial.hash(&Control::default()).unwrap();
                let hashing = (!comes_late).then(|| scope.spawn(hash));
                let next = std::sync::atomic::AtomicU64::new(0);
                std::thread::scope(|scope| {
                    for piece in pieces.iter().take(threads) {
                        scope.spawn(|| loop {
                            let part = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            if part >= trial.parts.count() {
                                return;
                            }
                            trial.write(part, *piece);
                        });
                    }
                });
                drop(CloseOnDrop(&trial.hash));
                hashing.map_or_else(hash, |thread| thread.join().unwrap())
            });
            assert_eq!(hashed, Sha1Digest::of(&trial.content));
        }
    }

    #[test]
    fn nobody_waits_for_a_thread_that_hashes_no_more() {
        let trial = Trial::new(3_000_000, 3_000_000);
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let control = Control::new(Some(&token));
            let hashing = scope.spawn({
                let trial = &trial;
                move || trial.hash(&control)
            });
            token.cancel();
            trial.write(0, 100_000);
            trial.hash.close();
            let cancelled = hashing.join().unwrap();
            // It may have hashed everything before it saw that.
            assert!(matches!(cancelled, Ok(_) | Err(Error::Cancelled)));
        });
    }
}
