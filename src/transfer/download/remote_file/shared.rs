//! What the threads that read one file share: its blocks, and how each of them is fetched.
//!
//! A read finds its bytes in the cache, waits for the thread that fetches them, or fetches them
//! itself. In the last case it depends on how much is missing and how much memory there is:
//!
//! | what is missing | how it is fetched |
//! | --- | --- |
//! | at least 4 MiB of one read | in ranges side by side, directly into the caller's buffer, and nothing is cached |
//! | less, and there is memory for it | as blocks that stay in the cache, with one request, of which the read receives what it needs |
//! | less, and there is none | only the bytes of the read; a handle that reads at its own position keeps the response open for its next reads |
//!
//! The lock on the blocks is never held during a request.

mod block_fetch;
mod parked;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

pub(super) use self::block_fetch::BlockFetch;
use self::parked::Parked;
use super::blocks::{Block, Blocks};
use super::pattern::{Ahead, Pattern};
use crate::control::Control;
use crate::control::caches::Reclaim;
use crate::control::progress::ProgressCounter;
use crate::control::workers::Workers;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::session::Session;
use crate::transfer::download::stream::{ByteStream, PinnedVersion};
use crate::transfer::parallel;

/// The number of missing bytes from which on a read bypasses the cache: they are fetched in several
/// ranges at a time, directly into the caller's buffer.
const DIRECT: u64 = 4 * 1024 * 1024;
/// The smallest size of such a range, in bytes.
const MIN_RANGE: usize = 1024 * 1024;

/// What the threads of one file share.
pub(super) struct File {
    /// What requests the blocks.
    pub(super) session: Arc<Session>,
    /// The permits of the threads that read ahead, and the memory for blocks.
    pub(super) workers: Arc<Workers>,
    /// Ends all reads of the file when the last handle is dropped, or the caller cancels.
    pub(super) control: Control,
    /// The version that is read, as a listing or its headers described it.
    pub(super) version: FileVersion,
    /// The version that every response must belong to.
    pub(super) pinned: PinnedVersion,
    /// The bytes and the repeated requests of all handles together.
    pub(super) counter: Arc<ProgressCounter>,
    /// The size of its blocks.
    pub(super) block: u64,
    /// The largest number of bytes that are read ahead.
    pub(super) most_ahead: u64,
    /// The largest number of bytes of a response that a handle keeps open because there is no memory.
    pub(super) most_kept: u64,
    /// What is in memory, and what is on its way.
    pub(super) blocks: Mutex<Blocks>,
    /// Fetches that wait for their reader. They hold the file, so whoever owns it drops them.
    pub(super) parked: Parked,
    /// Wakes readers when a block has arrived, or will not.
    pub(super) arrived: Condvar,
    /// The runs of sequential reads, of all handles together.
    pub(super) pattern: Mutex<Pattern>,
    /// Whether the last request failed. Reading ahead starts again after a read has received what
    /// it requested.
    pub(super) is_failing: AtomicBool,
}

/// What there is of the bytes of a read.
pub(super) enum Found {
    /// This many bytes were cached, and are copied.
    Cached(usize),
    /// These blocks have to be fetched first, or received from a response that is open.
    Missing(Box<BlockFetch>),
    /// This many bytes are missing, which are too many to be cached.
    Large(usize),
    /// There is no room for the block.
    NoRoom,
}

impl File {
    /// The blocks that contain these bytes.
    fn indices(&self, bytes: &Range<u64>) -> Range<u64> {
        bytes.start / self.block..bytes.end.div_ceil(self.block)
    }

    /// Whether another thread is fetching the block of this byte.
    pub(super) fn is_in_flight(&self, offset: u64) -> bool {
        self.blocks.lock().is_in_flight(offset / self.block)
    }

    /// The number of blocks of the file.
    const fn block_count(&self) -> u64 {
        self.pinned.length.div_ceil(self.block)
    }

    /// The bytes of these blocks.
    pub(super) fn bytes(&self, indices: &Range<u64>) -> Range<u64> {
        let end = (indices.end * self.block).min(self.pinned.length);
        indices.start * self.block..end
    }

    /// Copies what is cached at the beginning of a read. Waits for it if another thread is fetching
    /// it. If it is not cached, decides how it is fetched.
    ///
    /// The read may get fewer bytes than it wants, up to the first one that is missing. A thread that
    /// was woken and does not find its block fetches it by itself, so a cache in which blocks push each
    /// other out costs requests, and never an endless wait.
    ///
    /// Where there is no room, what waits for its readers is given up first.
    pub(super) fn look(
        self: &Arc<Self>,
        wanted: &Range<u64>,
        buffer: &mut [u8],
        ahead: Ahead,
    ) -> Result<Found> {
        match self.look_once(wanted, buffer, ahead)? {
            Found::NoRoom if self.parked.drop_all() => self.look_once(wanted, buffer, ahead),
            found => Ok(found),
        }
    }

    /// Looks for the bytes of a read, with the room that there is.
    fn look_once(
        self: &Arc<Self>,
        wanted: &Range<u64>,
        buffer: &mut [u8],
        ahead: Ahead,
    ) -> Result<Found> {
        let indices = self.indices(wanted);
        let mut blocks = self.blocks.lock();
        // A block that others push out before this thread finds it is fetched here in the end.
        for _ in 0..2 {
            while blocks.is_in_flight(indices.start) {
                self.control.check()?;
                if let Some(fetch) = self.parked.take(indices.start) {
                    return Ok(Found::Missing(Box::new(fetch)));
                }
                self.arrived.wait(&mut blocks);
            }
            let read = self.copy_cached(&mut blocks, wanted, buffer, ahead.bytes > 0);
            if read > 0 {
                return Ok(Found::Cached(read));
            }
            if !blocks.is_in_flight(indices.start) {
                break;
            }
        }
        let count = blocks.missing(indices.clone());
        if count == 0 {
            return Ok(Found::NoRoom);
        }
        let end = self.bytes(&(indices.start..indices.start + count)).end;
        let missing = end.min(wanted.end).saturating_sub(wanted.start);
        if missing >= DIRECT {
            return Ok(Found::Large(usize::try_from(missing).unwrap_or(usize::MAX)));
        }
        let mut span = indices.start..indices.start + count;
        // A reader that is faster than what is read ahead asks for as much at once.
        let size = ahead.request_size(indices.start, self.block);
        let most = indices.start + size.max(count);
        span.end += blocks.missing(span.end..most.min(self.block_count()));
        // The last block may be short, and what is before it is often read next.
        let is_short = self.bytes(&span).end - self.bytes(&span).start < self.block;
        if is_short && span.start > 0 && blocks.missing(span.start - 1..span.start) == 1 {
            span.start -= 1;
        }
        let who = (ahead.run, &self.control);
        let fetch = BlockFetch::begin_fetch(self, &mut blocks, span, who);
        drop(blocks);
        Ok(match fetch {
            Some(fetch) if fetch.covers(indices.start) => Found::Missing(Box::new(fetch)),
            _ => Found::NoRoom,
        })
    }

    /// Copies the cached bytes at the beginning of a read. With `passes`, blocks that were read to
    /// their end count as no longer needed.
    fn copy_cached(
        &self,
        blocks: &mut Blocks,
        wanted: &Range<u64>,
        buffer: &mut [u8],
        passes: bool,
    ) -> usize {
        let mut read = 0;
        for index in self.indices(wanted) {
            let Some(block) = blocks.get(index) else {
                break;
            };
            read += self.copy(index, &block, wanted, buffer);
            if passes && self.bytes(&(index..index + 1)).end <= wanted.end {
                blocks.pass(index);
            }
        }
        read
    }

    /// Copies what a block has of a read to its place in the buffer.
    fn copy(&self, index: u64, block: &Block, wanted: &Range<u64>, buffer: &mut [u8]) -> usize {
        let start = index * self.block;
        let from = wanted.start.max(start);
        let to = wanted.end.min(start + block.bytes.len() as u64);
        let place = |from: u64, to: u64| {
            let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
            (from < to).then_some(from..to)
        };
        let source = place(from.saturating_sub(start), to.saturating_sub(start))
            .and_then(|range| block.bytes.get(range));
        let target = place(from - wanted.start, to.saturating_sub(wanted.start))
            .and_then(|range| buffer.get_mut(range));
        match (source, target) {
            (Some(source), Some(target)) => {
                target.copy_from_slice(source);
                source.len()
            }
            _ => 0,
        }
    }

    /// The next range of the window to read ahead, if there is one.
    ///
    /// There is none if no permit is free, if there is no memory, or if the window ends before a
    /// whole range: half of one would cost another request for the rest. The permit that was found free
    /// is not held; the thread that fetches takes its own.
    pub(super) fn plan(
        self: &Arc<Self>,
        window: &Range<u64>,
        ahead: Ahead,
        control: &Control,
    ) -> Option<BlockFetch> {
        // If no permit is free, the next read tries again.
        self.workers.try_take()?;
        let is_last = window.end == self.pinned.length;
        let window = self.indices(window);
        let mut blocks = self.blocks.lock();
        let mut first = window.start;
        while first < window.end && blocks.missing(first..first + 1) == 0 {
            first += 1;
        }
        let size = ahead.request_size(first, self.block);
        let count = blocks.missing(first..window.end);
        let is_cut_off = first + count == window.end && !is_last;
        if count == 0 || (count < size && is_cut_off) {
            // A whole range is asked for when the window has moved on.
            return None;
        }
        let who = (ahead.run, control);
        BlockFetch::begin_fetch(self, &mut blocks, first..first + count.min(size), who)
    }

    /// Notes what is requested with a fetch, so that a jump into that is known for what it is.
    pub(super) fn note_requested(&self, fetch: &BlockFetch) {
        let end = self.bytes(fetch.indices()).end;
        self.pattern.lock().requested(fetch.run, end);
    }

    /// A stream of these bytes of the version, which sends its request at the first read. It counts
    /// in the numbers that the handles report.
    pub(super) fn stream(&self, range: Range<u64>, control: &Control) -> ByteStream {
        let steering = (control.clone(), &self.counter);
        ByteStream::new(&self.session, steering, self.pinned.clone(), range, None)
    }

    /// Receives blocks up to the end of a read, and copies what they have of it. What is left of the
    /// fetch waits for the next read. Returns the number of bytes, which may be less than the read
    /// wants if there was no room for all of its blocks, or if a later block failed. Such a failure
    /// stops reading ahead, and the read that needs the block requests it again.
    pub(super) fn fetch_into(
        &self,
        mut fetch: BlockFetch,
        wanted: &Range<u64>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let mut read = 0;
        let end = self.indices(wanted).end;
        let outcome = fetch.receive(end, |index, block| {
            read += self.copy(index, block, wanted, buffer);
        });
        self.is_failing.store(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                self.park(fetch);
                Ok(read)
            }
            Err(error) if read > 0 => {
                tracing::debug!(%error, "a block after those that were read failed");
                Ok(read)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a fetch for the next read, unless it is complete or a transfer waits for its memory.
    fn park(&self, mut fetch: BlockFetch) {
        if fetch.is_complete() {
            return;
        }
        fetch.rest();
        self.parked.add(fetch, self.workers.memory().caches());
        // Under the lock: a reader that waits for one of its blocks either waits already or has yet
        // to look here.
        drop(self.blocks.lock());
        self.arrived.notify_all();
    }

    /// Receives only the bytes of a read, for which there is no memory.
    pub(super) fn fetch_uncached(&self, wanted: &Range<u64>, buffer: &mut [u8]) -> Result<usize> {
        let length = wanted.end - wanted.start;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        self.stream(wanted.clone(), &self.control).fill(buffer)?;
        self.is_failing.store(false, Ordering::Relaxed);
        Ok(length)
    }

    /// A response that a handle keeps for its next reads, because there is no memory for blocks. It
    /// begins at `start` and ends with a block; the longer the run, the later.
    pub(super) fn kept_stream(&self, start: u64, ahead: Ahead) -> ByteStream {
        let first = start / self.block;
        let blocks = ahead.size_up_to(self.most_kept, first, self.block);
        let end = self.bytes(&(first..first + blocks)).end;
        self.stream(start..end, &self.control)
    }

    /// Fills a large buffer in several ranges at a time. The first range that fails stops the others,
    /// and the content of the buffer is then unspecified.
    pub(super) fn fetch_side_by_side(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let size = buffer.len().div_ceil(self.workers.limit()).max(MIN_RANGE);
        parallel::run(&self.workers, &self.control, |_| {
            let offsets = (offset..).step_by(size);
            let ranges = offsets.zip(buffer.chunks_mut(size));
            Box::new(ranges.map(|(start, part)| {
                Ok(move |control: &Control| {
                    let range = start..start + part.len() as u64;
                    self.stream(range, control).fill(part)
                })
            }))
        })
        .map(|_: Vec<()>| self.is_failing.store(false, Ordering::Relaxed))
    }
}

impl Reclaim for File {
    fn reclaim(&self) {
        self.blocks.lock().clear();
        self.parked.drop_all();
    }
}

/// A buffer for these bytes.
fn room_for(bytes: &Range<u64>) -> Vec<u8> {
    let length = usize::try_from(bytes.end - bytes.start);
    vec![0; length.unwrap_or_default()]
}
