//! Brings the blocks of a file into memory, for one handle or several.
//!
//! 1. A read takes what is cached. It waits for a block that another thread is fetching. Blocks
//!    that nobody is fetching are fetched on its own thread, with one request.
//! 2. What is worth reading ahead is cut into ranges, which are fetched at the same time on threads
//!    of their own, under a token of their run. Each takes a worker's permit if one is free, and memory that nobody waits for. A
//!    sequential read that finds its block missing requests a range of that size itself, so the
//!    number of requests does not depend on which of them is faster.
//! 3. A thread in the background does not report its failure. The read that needs the block
//!    requests it again, and gets an error of its own.
//!
//! Each block, or run of blocks, that is fetched is one request of class B, whether a read needed it or it
//! was read ahead. Bytes that were read ahead and never used are billed as well.
//!
//! Nobody waits for memory here, because a reader may be the source of an upload that holds some.
//! If there is none, a read requests its own bytes, and nothing is cached. If a transfer waits for
//! memory, the cache drops what it has.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | two threads read the same block | one fetches it, and the other waits for it |
//! | a handle reads elsewhere, or is dropped | what is on its way ahead of it is cut off, unless the handle now reads in what was requested for it, or another handle reads in the same run |
//! | the thread that fetches a block fails | the waiting one fetches it itself |
//! | reading ahead fails | it stops until a read has fetched what it requested |
//! | a read has some of its bytes, and a later block of its request fails | it returns them; the read that needs that block requests it again, and nothing is read ahead before |
//! | the call is cancelled | waiting readers wake up and fail with `Cancelled` |
//! | the version is deleted | what is cached can still be read; other reads fail with `FileNotFound` |
//! | the cache is too small for a block | the handle keeps a response open and reads on from it; `read_at` receives only its own bytes |

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::blocks::Blocks;
use super::pattern::{Ahead, Habit, MAX_REQUEST, RunId};
use super::shared::{BlockFetch, File, Found};
use crate::control::Control;
use crate::control::caches::Reclaim;
use crate::control::cancel::{CancelToken, Subscription};
use crate::control::progress::ProgressCounter;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::transfer::Transfer;
use crate::transfer::download::stream::{ByteStream, PinnedVersion};

/// The size of a block, in bytes. In a small cache blocks are smaller, so that four of them fit and one
/// reader does not push out what it reads next.
const BLOCK: u64 = 256 * 1024;
/// The size of a block if the cache is small, in bytes.
const MIN_BLOCK: u64 = 64 * 1024;

/// What the handles of one file share.
///
/// Dropping it cancels its threads and does not wait for them. Usually they end within milliseconds.
/// One that looks up a name or connects, which cannot be interrupted, ends after the time limit of
/// that, and sends nothing. It keeps its permit and its memory until then.
pub(super) struct Reading {
    file: Arc<File>,
    /// Cancels the threads that read ahead.
    stop: CancelToken,
    /// Wake readers that wait for another thread's block when their call is cancelled.
    _wakers: Vec<Subscription>,
    /// The threads that read ahead, and the run that each of them does it for.
    threads: Mutex<Vec<(RunId, JoinHandle<()>)>>,
}

/// What a handle that reads at its own position keeps from one read to the next.
#[derive(Default)]
pub(super) struct Reader {
    /// Where it has read, which decides what is read ahead.
    habit: Habit,
    /// A response that it keeps because the cache had no room.
    kept: Option<ByteStream>,
}

impl Reader {
    /// Gives up the response that is kept, because its bytes may be wrong.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Reads from the response that is kept, if it has the bytes from `offset` on. Returns 0 if it
    /// does not.
    fn read_kept(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let fits = |kept: &ByteStream| kept.position() == offset && !kept.is_at_end();
        let Some(mut kept) = self.kept.take().filter(fits) else {
            return Ok(0);
        };
        let read = kept.next(buffer)?;
        if kept.is_at_end() {
            kept.drain()?;
        } else {
            kept.rest();
            self.kept = Some(kept);
        }
        Ok(read)
    }
}

/// How a file is read.
pub(super) struct Settings {
    /// The largest number of bytes in the cache; 0 for none. A smaller memory limit counts instead.
    pub(super) cache_size: u64,
    /// Whether sequential reads request what follows.
    pub(super) read_ahead: bool,
}

impl Reading {
    /// Prepares reading a version. Sends nothing, and starts no thread.
    ///
    /// The cache is announced to the memory limit, which empties it when a transfer waits. Half of the
    /// cache may be used for reading ahead, so that blocks that were read are not all pushed out.
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
        let counter = transfer
            .under(&control)
            .counter(&version.file_name, Some(pinned.length));
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
            counter: Arc::new(counter),
            block: (cache_size / 4).clamp(MIN_BLOCK, BLOCK),
            most_ahead: if settings.read_ahead {
                cache_size / 2
            } else {
                0
            },
            most_kept: if settings.read_ahead { MAX_REQUEST } else { 0 },
            blocks: Mutex::new(Blocks::new(cache_size)),
            parked: Default::default(),
            arrived: Condvar::new(),
            pattern: Mutex::default(),
            is_failing: AtomicBool::new(false),
        });
        let reclaim: Arc<dyn Reclaim> = Arc::clone(&file) as _;
        workers.memory().caches().add(&reclaim);
        Self {
            _wakers: wake_when_cancelled(&file),
            file,
            stop,
            threads: Mutex::default(),
        }
    }

    /// The version that is read.
    pub(super) fn version(&self) -> &FileVersion {
        &self.file.version
    }

    /// The length of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.file.pinned.length
    }

    /// What counts the bytes and the repeated requests of all handles.
    pub(super) fn counter(&self) -> &ProgressCounter {
        &self.file.counter
    }

    /// Drops what is cached, because some of it is wrong.
    pub(super) fn forget(&self) {
        self.file.blocks.lock().clear();
        self.file.parked.drop_all();
    }

    /// Reads some bytes at `offset`, for `reader` if a handle reads at its own position; returns 0 at
    /// the end.
    ///
    /// Fewer bytes than the buffer takes are no sign of the end: a read returns what is cached without
    /// waiting for the rest. What follows is requested before this thread waits for its own bytes.
    pub(super) fn read_at(
        &self,
        buffer: &mut [u8],
        offset: u64,
        mut reader: Option<&mut Reader>,
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
        let ahead = self.note(&wanted, reader.as_deref_mut());
        if let Some(reader) = reader.as_deref_mut() {
            match reader.read_kept(buffer, offset)? {
                0 => {}
                read => return Ok(read),
            }
        }
        if file.is_in_flight(offset) {
            // What follows is requested before this thread waits.
            self.read_ahead(end, ahead);
        }
        match file.look(&wanted, buffer, ahead)? {
            Found::Cached(read) => {
                self.read_ahead(end, ahead);
                Ok(read)
            }
            Found::Missing(fetch) => {
                file.note_requested(&fetch);
                self.read_ahead(end, ahead);
                file.fetch_into(*fetch, &wanted, buffer)
            }
            Found::Large(bytes) => {
                let part = buffer.get_mut(..bytes).unwrap_or_default();
                file.fetch_side_by_side(part, offset)?;
                Ok(bytes)
            }
            Found::NoRoom => match reader {
                Some(reader) => {
                    reader.kept = Some(file.kept_stream(offset, ahead));
                    reader.read_kept(buffer, offset)
                }
                None => file.fetch_uncached(&wanted, buffer),
            },
        }
    }

    /// Notes a read, and returns what is worth reading ahead of it. If the handle has jumped to another
    /// run, what was read ahead of the place that it left is given up.
    fn note(&self, wanted: &Range<u64>, reader: Option<&mut Reader>) -> Ahead {
        let file = &self.file;
        let habit = reader.map(|reader| &mut reader.habit);
        let former = habit.as_ref().and_then(|habit| habit.run);
        let mut pattern = file.pattern.lock();
        let ahead = pattern.note(wanted, file.block, file.most_ahead, habit);
        drop(pattern);
        if let Some(former) = former.filter(|former| *former != ahead.run) {
            self.leave(former);
        }
        ahead
    }

    /// Ends what a handle does with the file when it is dropped.
    pub(super) fn close(&self, reader: &mut Reader) {
        reader.kept = None;
        if let Some(run) = reader.habit.run.take() {
            self.leave(run);
        }
    }

    /// Notes that a handle no longer reads in a run, and gives up what is on its way ahead of it.
    fn leave(&self, run: RunId) {
        let file = &self.file;
        let (has_ended, stop) = file.pattern.lock().leave(run);
        if !has_ended {
            return;
        }
        file.parked.drop_run(run);
        // A token that is cancelled breaks its connections, also those that are idle.
        let runs = |(own, thread): &(RunId, JoinHandle<()>)| *own == run && !thread.is_finished();
        if let Some(stop) = stop.filter(|_| self.threads.lock().iter().any(runs)) {
            stop.cancel();
        }
    }

    /// Starts threads for what is missing of the bytes to read ahead, which begin at `start`, as far
    /// as there are permits and memory. It never waits, and never fails a read.
    fn read_ahead(&self, start: u64, ahead: Ahead) {
        let window = start..start.saturating_add(ahead.bytes).min(self.length());
        while !window.is_empty() && !self.file.is_failing.load(Ordering::Relaxed) {
            let Some(fetch) = self.plan(&window, ahead) else {
                return;
            };
            let thread = thread::Builder::new().spawn(move || fetch.fetch_in_background());
            let mut threads = self.threads.lock();
            threads.retain(|(_, thread)| !thread.is_finished());
            match thread {
                Ok(thread) => threads.push((ahead.run, thread)),
                // The system refuses a thread, so the range is fetched when it is read.
                Err(_) => return,
            }
        }
    }

    /// The next range to read ahead, if there is one. It is fetched under the token of its run.
    fn plan(&self, window: &Range<u64>, ahead: Ahead) -> Option<BlockFetch> {
        let file = &self.file;
        let stop = file
            .pattern
            .lock()
            .stop_of(ahead.run, || self.stop.child())?;
        let control = Control {
            cancel: Some(stop),
            ..file.control.clone()
        };
        let fetch = file.plan(window, ahead, &control)?;
        file.note_requested(&fetch);
        Some(fetch)
    }
}

/// Wakes the readers of a file when their call is cancelled, or everything is shut down.
fn wake_when_cancelled(file: &Arc<File>) -> Vec<Subscription> {
    let wakers = file.control.tokens().map(|token| {
        let file = Arc::downgrade(file);
        token.on_cancel(move || {
            if let Some(file) = file.upgrade() {
                // Under the lock: a reader either waits already or has yet to ask the token.
                let _blocks = file.blocks.lock();
                file.arrived.notify_all();
            }
        })
    });
    wakers.collect()
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.cancel();
        self.file.parked.drop_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::{Ahead, Found, Reading, Settings};
    use crate::account_info::memory::InMemoryAccountInfo;
    use crate::control::Control;
    use crate::control::memory::Memory;
    use crate::control::workers::Workers;
    use crate::http::Http;
    use crate::model::file::FileVersion;
    use crate::raw::DownloadRequest;
    use crate::session::Session;
    use crate::transfer::Transfer;
    use crate::transfer::download::stream::PinnedVersion;

    /// A file of 1 MB, of which nothing is requested.
    fn reading() -> Reading {
        let json = r#"{"action":"upload","fileId":"i","fileName":"x","uploadTimestamp":500,"contentLength":1000000}"#;
        let version: FileVersion = serde_json::from_str(json).unwrap();
        let http = Http::new(Default::default(), Default::default()).unwrap();
        let info = Box::new(InMemoryAccountInfo::new());
        let session = Session::new(info, http, Default::default());
        let transfer = Transfer {
            session: &Arc::new(session),
            workers: &Arc::new(Workers::new(1).with_memory(Memory::new(Some(10_000_000)))),
            control: &Control::default(),
        };
        let pinned = PinnedVersion {
            request: DownloadRequest::by_id(version.file_id.clone()),
            file_id: version.file_id.clone(),
            length: version.content_length,
        };
        let settings = Settings {
            cache_size: 4_000_000,
            read_ahead: true,
        };
        Reading::new(transfer, version, pinned, &settings)
    }

    #[test]
    fn a_fetch_that_comes_to_wait_after_a_transfer_asked_for_memory_is_dropped() {
        let reading = reading();
        let file = &reading.file;
        let memory = file.workers.memory();
        for is_waiting in [false, true] {
            let found = file.look(&(0..10), &mut [0; 10], Ahead::default());
            let Found::Missing(fetch) = found.unwrap() else {
                panic!("the block is missing, and there is memory for it");
            };
            assert_ne!(memory.lent(), 0);
            let waiting = is_waiting.then(|| memory.caches().give_way());
            file.parked.add(*fetch, memory.caches());
            assert_eq!(memory.lent() == 0, is_waiting);
            drop(waiting);
            file.parked.drop_all();
        }
    }

    #[test]
    fn dropping_it_does_not_wait_for_a_thread_that_connects() {
        let (connect, connected) = channel();
        let (gave_up, outcome) = channel();
        let reading = reading();
        let connecting = thread::spawn(move || {
            let waited = connected.recv_timeout(Duration::from_secs(20));
            gave_up
                .send(waited == Err(RecvTimeoutError::Timeout))
                .unwrap();
        });
        reading.threads.lock().push((1, connecting));
        let stop = reading.stop.clone();
        drop(reading);
        assert!(stop.is_cancelled());
        connect.send(()).unwrap();
        assert!(!outcome.recv().unwrap(), "the drop waited for the thread");
    }
}
