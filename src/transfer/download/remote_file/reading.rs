//! Brings the blocks of a file into memory, for one handle or several.
//!
//! 1. A read takes what is cached. It waits for a block that another thread is fetching. Blocks
//!    that nobody is fetching are fetched on its own thread, with one request.
//! 2. What is worth reading ahead is cut into ranges, which are fetched at the same time on threads
//!    of their own. Each takes a worker's permit if one is free, and memory that nobody waits for. A
//!    sequential read that finds its block missing requests a range of that size itself, so the
//!    number of requests does not depend on which of them is faster.
//! 3. A thread in the background does not report its failure. The read that needs the block
//!    requests it again, and gets an error of its own.
//!
//! Nobody waits for memory here, because a reader may be the source of an upload that holds some.
//! If there is none, a read requests its own bytes, and nothing is cached. If a transfer waits for
//! memory, the cache drops what it has.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | two threads read the same block | one fetches it, and the other waits for it |
//! | the thread that fetches a block fails | the waiting one fetches it itself |
//! | reading ahead fails | it stops until a read has succeeded |
//! | the call is cancelled | waiting readers wake up and fail with `Cancelled` |
//! | the version is deleted | what is cached can still be read; other reads fail with `FileNotFound` |
//! | the cache is too small for a block | the handle keeps the block for itself, or reads only its own bytes |

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::blocks::{Block, Blocks};
use super::pattern::{Ahead, Pattern};
use crate::control::Control;
use crate::control::caches::Reclaim;
use crate::control::cancel::{CancelToken, Subscription};
use crate::control::memory::Loan;
use crate::control::progress::ProgressCounter;
use crate::control::workers::Workers;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::session::Session;
use crate::transfer::Transfer;
use crate::transfer::download::stream::{ByteStream, PinnedVersion};
use crate::transfer::parallel;

/// The size of a block, in bytes.
const BLOCK: u64 = 256 * 1024;
/// The size of a block if the cache is small, in bytes.
const MIN_BLOCK: u64 = 64 * 1024;
/// The number of missing bytes from which on a read bypasses the cache: they are fetched in several
/// ranges at a time, directly into the caller's buffer.
const DIRECT: u64 = 4 * 1024 * 1024;
/// The smallest size of such a range, in bytes.
const MIN_RANGE: usize = 1024 * 1024;

/// What the handles of one file share. Dropping it ends its threads.
///
/// Dropping it cancels its threads and waits for them. That takes no longer than breaking their
/// connections.
pub(super) struct Reading {
    file: Arc<File>,
    /// Cancels the threads that read ahead.
    stop: CancelToken,
    /// Wake readers that wait for another thread's block when their call is cancelled.
    _wakers: Vec<Subscription>,
    /// The threads that read ahead.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads of one file share.
struct File {
    session: Arc<Session>,
    workers: Arc<Workers>,
    control: Control,
    version: FileVersion,
    pinned: PinnedVersion,
    tally: Arc<ProgressCounter>,
    /// The size of its blocks.
    block: u64,
    /// The largest number of bytes that are read ahead.
    most_ahead: u64,
    blocks: Mutex<Blocks>,
    /// Wakes readers when a block has arrived, or will not.
    arrived: Condvar,
    pattern: Mutex<Pattern>,
    /// Whether the last reading ahead failed. It starts again after a read has succeeded.
    is_failing: AtomicBool,
}

/// A block that a handle keeps for itself because the cache has no room.
#[derive(Debug, Clone)]
pub(super) struct KeptBlock {
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
}

/// How a file is read.
pub(super) struct Settings {
    pub(super) cache_size: u64,
    pub(super) read_ahead: bool,
}

impl Reading {
    /// Prepares reading a version. Sends nothing, and starts no thread.
    pub(super) fn new(
        transfer: Transfer<'_>,
        version: FileVersion,
        pinned: PinnedVersion,
        settings: &Settings,
    ) -> Self {
        let Transfer {
            session,
            workers,
            control,
        } = transfer;
        let parent = control.cancel.as_ref();
        let stop = parent.map_or_else(CancelToken::new, CancelToken::child);
        let control = Control {
            cancel: Some(stop.clone()),
            ..control.clone()
        };
        let tally = transfer
            .under(&control)
            .tally(&version.file_name, Some(pinned.length));
        let cache_size = match workers.memory().limit() {
            Some(limit) => settings.cache_size.min(limit),
            None => settings.cache_size,
        };
        let file = Arc::new(File {
            session: Arc::clone(session),
            workers: Arc::clone(workers),
            control,
            version,
            pinned,
            tally: Arc::new(tally),
            block: (cache_size / 4).clamp(MIN_BLOCK, BLOCK),
            most_ahead: if settings.read_ahead {
                cache_size / 2
            } else {
                0
            },
            blocks: Mutex::new(Blocks::new(cache_size)),
            arrived: Condvar::new(),
            pattern: Mutex::default(),
            is_failing: AtomicBool::new(false),
        });
        let reclaim: Arc<dyn Reclaim> = Arc::clone(&file) as _;
        workers.memory().caches().add(&reclaim);
        let wakers = file.control.tokens().map(|token| {
            let file = Arc::downgrade(&file);
            token.on_cancel(move || {
                if let Some(file) = file.upgrade() {
                    // Under the lock: a reader either waits already or has yet to ask the token.
                    let _blocks = file.blocks.lock();
                    file.arrived.notify_all();
                }
            })
        });
        Self {
            _wakers: wakers.collect(),
            file: Arc::clone(&file),
            stop,
            threads: Mutex::default(),
        }
    }

    pub(super) fn version(&self) -> &FileVersion {
        &self.file.version
    }

    pub(super) fn length(&self) -> u64 {
        self.file.pinned.length
    }

    pub(super) fn tally(&self) -> &ProgressCounter {
        &self.file.tally
    }

    /// Drops what is cached, because some of it is wrong.
    pub(super) fn forget(&self) {
        self.file.blocks.lock().clear();
    }

    /// Reads some bytes at `offset`; returns 0 at the end. A block that cannot be cached is stored
    /// in `kept`, if there is such a place.
    pub(super) fn read_at(
        &self,
        buffer: &mut [u8],
        offset: u64,
        kept: Option<&mut Option<KeptBlock>>,
    ) -> Result<usize> {
        let file = &self.file;
        file.control.check()?;
        let end = offset
            .saturating_add(buffer.len() as u64)
            .min(self.length());
        if offset >= end {
            return Ok(0);
        }
        let wanted = offset..end;
        let ahead = file
            .pattern
            .lock()
            .note(&wanted, file.block, file.most_ahead);
        if file.is_in_flight(offset) {
            // What follows is requested before this thread waits.
            self.read_ahead(end, ahead);
        }
        match file.look(&wanted, buffer, ahead)? {
            Found::Cached(read) => {
                self.read_ahead(end, ahead);
                Ok(read)
            }
            Found::Missing(flight) => {
                self.read_ahead(end, ahead);
                let read = file.fetch_into(flight, &wanted, buffer)?;
                file.is_failing.store(false, Ordering::Relaxed);
                Ok(read)
            }
            Found::Large(bytes) => {
                let part = buffer.get_mut(..bytes).unwrap_or_default();
                file.fetch_side_by_side(part, offset)?;
                Ok(bytes)
            }
            Found::NoRoom => file.fetch_uncached(&wanted, buffer, kept),
        }
    }

    /// Starts threads for what is missing of the bytes to read ahead, which begin at `start`, as far
    /// as there are permits and memory.
    fn read_ahead(&self, start: u64, ahead: Ahead) {
        let window = start..start.saturating_add(ahead.bytes).min(self.length());
        while !window.is_empty() && !self.file.is_failing.load(Ordering::Relaxed) {
            let Some(flight) = File::plan(&self.file, &window, ahead) else {
                return;
            };
            let thread = thread::Builder::new().spawn(move || flight.fetch_in_background());
            let mut threads = self.threads.lock();
            threads.retain(|thread| !thread.is_finished());
            match thread {
                Ok(thread) => threads.push(thread),
                // The system refuses a thread, so the range is fetched when it is read.
                Err(_) => return,
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.lock().drain(..) {
            let _ended = thread.join();
        }
    }
}

/// What there is of the bytes of a read.
enum Found {
    /// This many bytes were cached, and are copied.
    Cached(usize),
    /// These blocks have to be fetched first.
    Missing(BlockFetch),
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
    fn is_in_flight(&self, offset: u64) -> bool {
        self.blocks.lock().is_in_flight(offset / self.block)
    }

    /// The number of blocks of the file.
    const fn block_count(&self) -> u64 {
        self.pinned.length.div_ceil(self.block)
    }

    /// The bytes of these blocks.
    fn bytes(&self, indices: &Range<u64>) -> Range<u64> {
        let end = (indices.end * self.block).min(self.pinned.length);
        indices.start * self.block..end
    }

    /// Copies what is cached at the beginning of a read. Waits for it if another thread is fetching
    /// it. If it is not cached, decides how it is fetched.
    fn look(
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
        let flight = BlockFetch::begin_fetch(self, &mut blocks, span);
        drop(blocks);
        Ok(match flight {
            Some(flight) if flight.covers(indices.start) => Found::Missing(flight),
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
    fn plan(self: &Arc<Self>, window: &Range<u64>, ahead: Ahead) -> Option<BlockFetch> {
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
        BlockFetch::begin_fetch(self, &mut blocks, first..first + count.min(size))
    }

    /// A stream of these bytes of the version.
    fn stream(&self, range: Range<u64>, control: &Control) -> ByteStream {
        let steering = (control.clone(), &self.tally);
        ByteStream::new(&self.session, steering, self.pinned.clone(), range, None)
    }

    /// Fetches blocks, and copies what they have of a read.
    fn fetch_into(
        &self,
        flight: BlockFetch,
        wanted: &Range<u64>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let mut read = 0;
        flight.fetch(|index, block| read += self.copy(index, block, wanted, buffer))?;
        Ok(read)
    }

    /// Fetches only the bytes of a read, or its block if the handle keeps that.
    fn fetch_uncached(
        &self,
        wanted: &Range<u64>,
        buffer: &mut [u8],
        kept: Option<&mut Option<KeptBlock>>,
    ) -> Result<usize> {
        let Some(kept) = kept else {
            let length = wanted.end - wanted.start;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let buffer = buffer.get_mut(..length).unwrap_or_default();
            self.stream(wanted.clone(), &self.control).fill(buffer)?;
            return Ok(length);
        };
        let index = wanted.start / self.block;
        let bytes = self.bytes(&(index..index + 1));
        let mut content = room_for(&bytes);
        self.stream(bytes.clone(), &self.control)
            .fill(&mut content)?;
        let block = Block::new(content, None);
        let read = self.copy(index, &block, wanted, buffer);
        *kept = Some(KeptBlock {
            start: bytes.start,
            bytes: block.bytes,
        });
        Ok(read)
    }

    /// Fills a large buffer in several ranges at a time.
    fn fetch_side_by_side(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
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
        .map(|_: Vec<()>| ())
    }
}

impl Reclaim for File {
    fn reclaim(&self) {
        self.blocks.lock().clear();
    }
}

/// A buffer for these bytes.
fn room_for(bytes: &Range<u64>) -> Vec<u8> {
    let length = usize::try_from(bytes.end - bytes.start);
    vec![0; length.unwrap_or_default()]
}

/// Consecutive blocks that this thread is about to fetch. Those that have not arrived when it is
/// dropped no longer count as in flight.
struct BlockFetch {
    file: Arc<File>,
    /// The index of each block, and the memory for it.
    waiting: VecDeque<(u64, Loan)>,
}

impl BlockFetch {
    /// Marks blocks as in flight, from the first one on, as far as there is room.
    fn begin_fetch(file: &Arc<File>, blocks: &mut Blocks, indices: Range<u64>) -> Option<Self> {
        let mut waiting = VecDeque::new();
        for index in indices {
            let bytes = file.bytes(&(index..index + 1));
            let length = bytes.end - bytes.start;
            let Some(loan) = file.workers.memory().try_borrow(length) else {
                break;
            };
            if !blocks.begin_fetch(index, length) {
                break;
            }
            waiting.push_back((index, loan));
        }
        (!waiting.is_empty()).then(|| Self {
            file: Arc::clone(file),
            waiting,
        })
    }

    /// Whether this block is one of them.
    fn covers(&self, index: u64) -> bool {
        self.waiting.iter().any(|(own, _)| *own == index)
    }

    /// Fetches the blocks with one request, or more if a connection breaks. `arrived` is called
    /// with each block.
    fn fetch(mut self, mut arrived: impl FnMut(u64, &Block)) -> Result<()> {
        let file = Arc::clone(&self.file);
        let (Some((first, _)), Some((last, _))) = (self.waiting.front(), self.waiting.back())
        else {
            return Ok(());
        };
        let bytes = file.bytes(&(*first..last + 1));
        let mut stream = file.stream(bytes, &file.control);
        while let Some((index, _)) = self.waiting.front() {
            let index = *index;
            let mut content = room_for(&file.bytes(&(index..index + 1)));
            stream.fill_next(&mut content)?;
            let Some((_, loan)) = self.waiting.pop_front() else {
                break;
            };
            let block = Arc::new(Block::new(content, Some(loan)));
            arrived(index, &block);
            let mut blocks = file.blocks.lock();
            // A transfer that waits for memory asked the caches before this block arrived.
            if file.workers.memory().caches().are_unwelcome() {
                blocks.give_up(index);
            } else {
                blocks.arrive(index, &block);
            }
            drop(blocks);
            file.arrived.notify_all();
        }
        stream.drain()
    }

    /// Fetches the blocks on a thread of its own, if there still is a permit.
    fn fetch_in_background(self) {
        let file = Arc::clone(&self.file);
        let Some(_permit) = file.workers.try_take() else {
            return;
        };
        if let Err(error) = self.fetch(|_, _| ()) {
            tracing::debug!(%error, "reading ahead failed");
            file.is_failing.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for BlockFetch {
    fn drop(&mut self) {
        let mut blocks = self.file.blocks.lock();
        for (index, _) in self.waiting.drain(..) {
            blocks.give_up(index);
        }
        drop(blocks);
        self.file.arrived.notify_all();
    }
}
