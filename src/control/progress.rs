//! Reports how far a transfer is.
//!
//! Reports carry absolute counts, because an attempt that is repeated starts again lower. They come
//! at most about ten times a second for each transfer, from the thread that moves the data. Three
//! kinds always come: the beginning of another stage, a repeated attempt, and the end.
//!
//! A receiver that panics gets no more reports, and the transfer continues, because its purpose is
//! to move data and not to be watched. A receiver runs without any lock of the transfer, so several
//! threads may call it at the same time.
//!
//! | event | report |
//! | --- | --- |
//! | the transfer begins | one, with 0 bytes |
//! | content moves | at most one in 100 ms |
//! | an attempt failed and is repeated | one; `bytes` is lower by what the failed attempt had counted |
//! | another stage begins | one |
//! | the transfer succeeds | one, with `Done` |
//! | the transfer fails or is cancelled | none: the call returns the error |

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::control::Control;
use crate::control::clock::Clock;

/// The id of a transfer, in its progress reports. Each call of a `B2Api` or one of its clones has
/// its own, so one receiver can tell several transfers apart. Ids are not kept across processes and
/// have no meaning to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TransferId(pub(crate) u64);

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The stage of a transfer. A transfer enters the stages in this order, and may skip the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TransferStage {
    /// Content is read from the disk to compute its SHA-1: that of a source, or of what an earlier
    /// download has left. No content is being moved.
    Hashing,
    /// Content is being sent or received.
    #[default]
    Transferring,
    /// All content has arrived. The service assembles the parts of an upload or copy; a download to
    /// a path is being verified, flushed to disk and renamed.
    Finishing,
    /// The transfer has succeeded. This is its last report.
    Done,
}

/// A report of how far a transfer is. The counts are totals, not differences to the report before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// The id of the transfer, for receivers of several transfers.
    pub id: TransferId,
    /// The name of the file in its bucket, also for a download.
    pub file_name: Arc<str>,
    /// The number of bytes of content moved so far. It decreases when a failed attempt is repeated. In the stage
    /// [`Hashing`](TransferStage::Hashing) it is the number of bytes read, and starts again at 0 after it.
    pub bytes: u64,
    /// The total number of bytes, if it is known. It is not known for a stream whose length nobody
    /// has told.
    pub total: Option<u64>,
    /// What the transfer is doing. The meaning of `bytes` depends on it.
    pub stage: TransferStage,
    /// The number of parts, or ranges of a download, that are complete, including those that a
    /// resumed transfer has found. It is 1 in the end if the transfer was a single request.
    pub parts: u32,
    /// The number of times that content was sent or requested again because an attempt failed or
    /// its connection broke.
    pub retries: u32,
}

/// A receiver of progress reports. Closures implement it.
///
/// It is called from the threads that move data, at most about ten times a second for each
/// transfer. It should return soon, because the data waits for it, and it must not start transfers
/// on the same `B2Api`: if no permit is free, such a call fails with
/// [`Error::InvalidInput`](crate::Error::InvalidInput) instead of waiting for the transfer that it
/// was called from. If it panics, the transfer continues without further reports, unless the
/// program is built to abort on panics. The panic hook of the program is called before that; the default
/// hook writes the message of the panic to standard error, and a hook that ends the process does so.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use b2sdk::UploadOptions;
/// use b2sdk::progress::TransferProgress;
///
/// let sent = Arc::new(AtomicU64::new(0));
/// let shown = Arc::clone(&sent);
/// let options = UploadOptions::new().progress(move |report: &TransferProgress| {
///     shown.store(report.bytes, Ordering::Relaxed);
/// });
/// # let _ = options;
/// ```
pub trait Progress: Send + Sync {
    /// Receives a report.
    ///
    /// The receiver may cancel the transfer through a [`CancelToken`](crate::CancelToken). It
    /// cannot pause it other than by not returning, which holds up that thread's data.
    fn update(&self, progress: &TransferProgress);
}

impl<F: Fn(&TransferProgress) + Send + Sync> Progress for F {
    fn update(&self, progress: &TransferProgress) {
        self(progress);
    }
}

/// Lets several transfers share a receiver, which distinguishes them by [`TransferProgress::id`].
impl<P: Progress + ?Sized> Progress for Arc<P> {
    fn update(&self, progress: &TransferProgress) {
        (**self).update(progress);
    }
}

impl fmt::Debug for dyn Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

thread_local! {
    /// Whether this thread is running the code of a receiver.
    static IS_REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as running the code of a receiver until it is dropped.
struct Reporting {
    was: bool,
}

impl Reporting {
    /// Marks the thread.
    fn begin() -> Self {
        Self {
            was: IS_REPORTING.replace(true),
        }
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        IS_REPORTING.set(self.was);
    }
}

/// Whether the calling code is part of a receiver, which must not wait for transfers because it
/// delays one.
pub(crate) fn is_reporting() -> bool {
    IS_REPORTING.get()
}

/// The least time between two reports of moved bytes.
const INTERVAL: Duration = Duration::from_millis(100);

/// Counts the bytes of one transfer from all its threads, and reports them.
pub(crate) struct ProgressCounter {
    /// Who receives the reports, if anybody does.
    receiver: Option<Arc<dyn Progress>>,
    /// Whether the receiver has panicked.
    is_mute: AtomicBool,
    clock: Clock,
    /// The bytes that attempts have moved, including failed attempts.
    moved: AtomicU64,
    /// What the next report says.
    state: Mutex<State>,
}

/// What the next report says, and when the last one was made.
struct State {
    /// The next report.
    progress: TransferProgress,
    /// When the last report was made, by the clock's `elapsed`.
    reported: Duration,
}

impl ProgressCounter {
    /// Creates a counter, and reports the beginning.
    pub(crate) fn new(
        control: &Control,
        file_name: &str,
        clock: &Clock,
        total: Option<u64>,
    ) -> Self {
        Self::at(TransferStage::default(), control, file_name, clock, total)
    }

    /// Creates a counter of a transfer that begins with this stage, and reports the beginning.
    pub(crate) fn at(
        stage: TransferStage,
        control: &Control,
        file_name: &str,
        clock: &Clock,
        total: Option<u64>,
    ) -> Self {
        let progress = TransferProgress {
            id: control.transfer,
            file_name: file_name.into(),
            bytes: 0,
            total,
            stage,
            parts: 0,
            retries: 0,
        };
        let tally = Self {
            receiver: control.progress.as_ref().map(Arc::clone),
            is_mute: AtomicBool::new(false),
            clock: clock.clone(),
            moved: AtomicU64::new(0),
            state: Mutex::new(State {
                progress,
                reported: clock.elapsed(),
            }),
        };
        tally.report(tally.lock());
        tally
    }

    /// Adds bytes that were moved, and reports them if the last report is old enough.
    pub(crate) fn add(&self, bytes: u64) {
        if self.receiver.is_none() {
            return;
        }
        let mut state = self.lock();
        state.progress.bytes = state.progress.bytes.saturating_add(bytes);
        let since = self.clock.elapsed().saturating_sub(state.reported);
        if since >= INTERVAL {
            self.report(state);
        }
    }

    /// Notes that another part is complete. The next report says so.
    pub(crate) fn part_arrived(&self) {
        self.lock().progress.parts += 1;
    }

    /// Notes that an attempt begins. `again` says whether there was one before, and is set.
    pub(crate) fn attempt(&self, again: &mut bool) {
        if std::mem::replace(again, true) {
            self.retried(1);
        }
    }

    /// Reports that this many attempts failed and are repeated.
    pub(crate) fn retried(&self, times: u32) {
        if times > 0 {
            let mut state = self.lock();
            state.progress.retries = state.progress.retries.saturating_add(times);
            self.report(state);
        }
    }

    /// Adds bytes that have arrived and stay, even if the connection breaks.
    pub(crate) fn arrived(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.add(bytes);
    }

    /// Enters another stage, and reports it.
    pub(crate) fn enter(&self, stage: TransferStage) {
        let mut state = self.lock();
        if state.progress.stage != stage {
            // The bytes that are hashed are counted by themselves.
            if [state.progress.stage, stage].contains(&TransferStage::Hashing) {
                state.progress.bytes = 0;
            }
            state.progress.stage = stage;
            self.report(state);
        }
    }

    /// Makes the last report.
    pub(crate) fn finish(&self) {
        self.enter(TransferStage::Done);
    }

    /// The number of attempts that were repeated.
    pub(crate) fn retries(&self) -> u32 {
        self.lock().progress.retries
    }

    /// The number of bytes that attempts have moved, including failed attempts.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Subtracts bytes that were counted and have to be moved again. The next report shows it.
    pub(crate) fn take_back(&self, bytes: u64) {
        let mut state = self.lock();
        state.progress.bytes = state.progress.bytes.saturating_sub(bytes);
    }

    /// Counts the bytes and parts that have arrived from zero again. The next report shows it.
    pub(crate) fn begin_again(&self) {
        let mut state = self.lock();
        state.progress.bytes = 0;
        state.progress.parts = 0;
    }

    /// Calls the receiver with the present state, after releasing the lock.
    fn report(&self, mut state: MutexGuard<'_, State>) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        if self.is_mute.load(Ordering::Relaxed) {
            return;
        }
        state.reported = self.clock.elapsed();
        let progress = state.progress.clone();
        // The receiver may take its time, and other threads need not wait for that.
        drop(state);
        // The receiver is not called again, so nobody sees the state that the panic left.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _reporting = Reporting::begin();
            receiver.update(&progress);
        }));
        if outcome.is_err() && !self.is_mute.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the progress receiver panicked; it gets no more reports of this transfer"
            );
        }
    }

    /// Locks the state of the next report.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl fmt::Debug for ProgressCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressCounter")
            .field("progress", &self.lock().progress)
            .finish_non_exhaustive()
    }
}

/// A reader whose bytes count towards a transfer. They are subtracted again if it is dropped before
/// [`keep`](Self::keep) is called, that is, if the attempt fails.
pub(crate) struct CountingReader<'a, R> {
    /// What is read.
    content: R,
    tally: &'a ProgressCounter,
    /// The bytes that count towards the transfer as long as the attempt may still fail.
    counted: u64,
}

impl<'a, R: Read> CountingReader<'a, R> {
    /// Counts what is read from `content`.
    pub(crate) const fn new(content: R, tally: &'a ProgressCounter) -> Self {
        Self {
            content,
            tally,
            counted: 0,
        }
    }

    /// Keeps the counted bytes, because the attempt has succeeded.
    pub(crate) fn keep(&mut self) {
        self.counted = 0;
    }
}

impl<R: Read> Read for CountingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.counted += read as u64;
        self.tally.moved.fetch_add(read as u64, Ordering::Relaxed);
        self.tally.add(read as u64);
        Ok(read)
    }
}

impl<R> Drop for CountingReader<'_, R> {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.tally.take_back(self.counted);
        }
    }
}
