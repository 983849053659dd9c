//! A large download to a writer: in order, with ranges ahead of the writer in memory.
//!
//! 1. The response that is open is read, hashed and written by the calling thread, because a writer
//!    may not be given to another one.
//! 2. If that thread waits for the network (`connections`), or if the caller chose the size of the
//!    ranges, ranges further ahead are requested at the same time, each by a thread of its own into
//!    a buffer of its own.
//! 3. The calling thread writes the buffers in order. Where there is none at its position, it reads
//!    a response itself.
//!
//! A range ahead takes a worker's permit that is free, and memory that nobody waits for, because the
//! writer may be the source of an upload that holds some. All buffers together have at most
//! [`MOST_AHEAD`] bytes. They are dropped when a transfer waits for memory, which may be the writer
//! itself; what they had is requested again. For the same reason the memory of the one that is being
//! written is no longer borrowed.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | there is no permit, no memory, or no thread | the calling thread reads on by itself |
//! | a transfer waits for memory | it gets that of the buffers, and nothing is requested ahead until it has it |
//! | a connection breaks | its range continues over another one |
//! | a range fails for good | what came before it is written; the others stop; the download fails |
//! | the writer fails or panics | the ranges ahead stop; what was written before stays with the writer |
//! | the hash is wrong | the download fails before the last bytes are written |

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::caches::Reclaim;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::memory::Loan;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::transfer::download::connections::Pace;
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::download::stream::ByteStream;

/// The size of a range ahead if the caller does not choose one, in bytes.
const RANGE: u64 = 4 * 1024 * 1024;
/// The largest number of bytes that are held in memory.
const MOST_AHEAD: u64 = 64 * 1024 * 1024;
/// The largest range that is held in memory, in bytes. If the caller chose larger ones, there is
/// one response.
const MAX_RANGE: u64 = MOST_AHEAD / 2;
/// The number of bytes that are read and written at a time.
const BUFFER: usize = 128 * 1024;
/// The time in which this machine receives a MiB from a connection that is fast enough. It does not
/// count as waiting.
const RECEIVING: Duration = Duration::from_millis(1);

/// Writes everything to `writer` in order, and flushes it. Returns the number of ranges: the
/// response that was open, and those that were requested ahead of it. `failed` makes the error of a
/// writer that fails.
///
/// The hash, if one is recorded, is compared before the last bytes are written, so that a writer which
/// has all bytes has the right ones. All threads have ended when this returns. `part_size` is the
/// caller's, and `u64::MAX` stands for a single response.
pub(super) fn copy(
    reader: &mut DownloadReader,
    writer: &mut impl Write,
    (workers, part_size): (&Workers, Option<u64>),
    failed: impl Fn(io::Error) -> Error,
) -> Result<u64> {
    let size = part_size.unwrap_or(RANGE);
    let most = match size {
        0..=MAX_RANGE => (MOST_AHEAD / size.max(1)).min(workers.most() as u64),
        _ => 0,
    };
    let buffers = Arc::new(Buffers::default());
    let reclaim: Arc<dyn Reclaim> = Arc::clone(&buffers) as _;
    workers.memory().caches().add(&reclaim);
    let control = reader.control().clone();
    thread::scope(|scope| {
        let guard = StopOnDrop(control.cancel.clone());
        let mut copying = Copying {
            reader,
            size,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            connections: if part_size.is_some() { usize::MAX } else { 1 },
            pace: Pace::new(),
            clock: Clock::default(),
            ahead: VecDeque::new(),
            ranges: 1,
            buffers,
            buffer: vec![0; BUFFER],
        };
        while !copying.reader.stream().is_at_end() {
            copying.request_ahead(scope, workers, &control);
            copying.write_some(writer, &failed)?;
        }
        // An empty file has no bytes that complete it.
        copying.reader.take_in(&[])?;
        writer.flush().map_err(&failed)?;
        guard.disarm();
        Ok(copying.ranges)
    })
}

/// A download that is being written.
struct Copying<'r, 'scope> {
    reader: &'r mut DownloadReader,
    /// The size of a range.
    size: u64,
    /// The largest number of ranges ahead.
    most: usize,
    /// The number of connections that are worthwhile, the calling thread's own included.
    connections: usize,
    /// How much of its time the calling thread waits for the network.
    pace: Pace,
    /// The system's, because this machine and the network are measured.
    clock: Clock,
    /// The ranges that were requested, in order and without gaps.
    ahead: VecDeque<Ahead<'scope>>,
    /// The number of ranges so far, that of the open response included.
    ranges: u64,
    /// What has arrived of them.
    buffers: Arc<Buffers>,
    /// What the calling thread reads into when it reads a response itself.
    buffer: Vec<u8>,
}

/// The ranges that have arrived and were not written, by the position of their first byte, with the
/// memory that was borrowed for them.
#[derive(Default)]
struct Buffers(Mutex<BTreeMap<u64, (Vec<u8>, Loan)>>);

impl Reclaim for Buffers {
    fn reclaim(&self) {
        self.0.lock().clear();
    }
}

/// A range that another thread receives.
struct Ahead<'scope> {
    /// The bytes of the file.
    range: Range<u64>,
    /// The thread, which ends when the range is in its buffer.
    receiving: ScopedJoinHandle<'scope, Result<()>>,
}

impl<'scope> Copying<'_, 'scope> {
    /// Requests ranges ahead, as many as are worthwhile and as there are permits and memory for.
    fn request_ahead<'env>(
        &mut self,
        scope: &'scope thread::Scope<'scope, 'env>,
        workers: &'env Workers,
        control: &Control,
    ) {
        let stream = self.reader.stream();
        let (position, end) = (stream.position(), stream.range().end);
        while self.ahead.len() < self.most.min(self.connections.saturating_sub(1)) {
            // What is open is read for as long as a range takes.
            let start = match self.ahead.back() {
                Some(last) => last.range.end,
                None if self.reader.stream().is_open() => position.saturating_add(self.size),
                None => position,
            };
            let range = start..start.saturating_add(self.size).min(end);
            if range.is_empty() {
                return;
            }
            let length = range.end - range.start;
            let Some(loan) = workers.memory().try_borrow(length) else {
                return;
            };
            let Some(permit) = workers.try_take() else {
                return;
            };
            let stream = self.reader.stream();
            let steering = (control.clone(), &Arc::clone(stream.counter()));
            let content = stream.content().clone();
            let stream = ByteStream::new(stream.session(), steering, content, range.clone(), None);
            let buffers = Arc::clone(&self.buffers);
            let receive = move || {
                let _permit = permit;
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
                stream.fill(&mut bytes)?;
                let mut buffers = buffers.0.lock();
                // A transfer that waits asked for the buffers before this one was there.
                if !workers.memory().caches().are_unwelcome() {
                    buffers.insert(start, (bytes, loan));
                }
                Ok(())
            };
            let Ok(receiving) = thread::Builder::new().spawn_scoped(scope, receive) else {
                return;
            };
            self.ahead.push_back(Ahead { range, receiving });
            self.ranges += 1;
        }
    }

    /// Writes the next range, or the next bytes of the response that this thread reads.
    fn write_some(
        &mut self,
        writer: &mut impl Write,
        failed: &impl Fn(io::Error) -> Error,
    ) -> Result<()> {
        let position = self.reader.stream().position();
        if self
            .ahead
            .front()
            .is_some_and(|next| next.range.start == position)
        {
            return self.write_next(writer, failed);
        }
        let end = self.ahead.front().map_or(u64::MAX, |next| next.range.start);
        let room = usize::try_from(end - position).unwrap_or(usize::MAX);
        let room = room.min(self.buffer.len());
        let room = self.buffer.get_mut(..room).unwrap_or_default();
        let began = self.clock.elapsed();
        let read = self.reader.stream().next(room)?;
        let waited = self.clock.elapsed().saturating_sub(began);
        let bytes = room.get(..read).unwrap_or_default();
        self.reader.take_in(bytes)?;
        writer.write_all(bytes).map_err(failed)?;
        let passed = self.clock.elapsed().saturating_sub(began);
        self.judge(read as u64, waited, passed);
        Ok(())
    }

    /// Writes the range that comes next, if its buffer was not dropped. The thread that receives it is
    /// waited for, and its failure ends the download. A buffer that was dropped leaves the position where
    /// it is, and the bytes are read from a response of this thread.
    fn write_next(
        &mut self,
        writer: &mut impl Write,
        failed: &impl Fn(io::Error) -> Error,
    ) -> Result<()> {
        let Some(Ahead { range, receiving }) = self.ahead.pop_front() else {
            return Ok(());
        };
        let received = receiving.join();
        received.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let Some((bytes, loan)) = self.buffers.0.lock().remove(&range.start) else {
            // It arrives once more.
            self.reader.counter().take_back(range.end - range.start);
            return Ok(());
        };
        drop(loan);
        self.reader.stream().skip_to(range.end);
        self.reader.take_in(&bytes)?;
        writer.write_all(&bytes).map_err(failed)
    }

    /// Decides whether more connections are worthwhile, after so many bytes took this time to be
    /// received and this time in all.
    fn judge(&mut self, bytes: u64, waited: Duration, passed: Duration) {
        let receiving = RECEIVING.mul_f64(bytes as f64 / f64::from(1 << 20));
        let waited = waited.saturating_sub(receiving);
        self.pace.waited(waited);
        self.pace.worked(bytes, passed.saturating_sub(waited));
        if let Some(worthwhile) = self.pace.judge(self.connections) {
            self.connections = self.connections.max(worthwhile);
        }
    }
}

/// Stops the ranges ahead if the download fails or panics.
struct StopOnDrop(Option<CancelToken>);

impl StopOnDrop {
    /// Lets a download that is complete end without cancelling its token.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}
