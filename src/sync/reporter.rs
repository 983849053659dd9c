//! Reporting progress from wherever the calling thread spends its time: listing, reading
//! directories, hashing, waiting for transfers. Each of these calls [`Reporter::tick`] at least ten
//! times a second, which reports when a report is due, so that an observer hears from a run as long
//! as it lives. Observers are called from that thread alone.
//!
//! | number | grows when | may shrink |
//! |---|---|---|
//! | files of both sides | the planner decides about a name | no |
//! | steps and bytes planned | a step is planned | no |
//! | steps made | its outcome has come | no |
//! | bytes moved | a transfer reports, or its step is made | when a transfer fails, as its bytes are taken back |

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::control::clock::Clock;
use crate::control::progress::{Progress, TransferProgress};
use crate::sync::observe::{SyncObserver, SyncProgress};
use crate::sync::problem::Problem;

/// How often progress is reported at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// Counts what has happened, and reports it, not too often.
///
/// Shared by the planner, the run and, for the counts alone, the transfers. Without an observer, a
/// tick costs one comparison.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    /// Called on the calling thread alone.
    observer: Option<Arc<dyn SyncObserver>>,
    clock: Clock,
    /// When the last report was, if there was one, in milliseconds and one more.
    reported: AtomicU64,
    pub(super) source_files: Count,
    pub(super) destination_files: Count,
    pub(super) scan_ended: AtomicBool,
    pub(super) steps_planned: Count,
    pub(super) steps_made: Count,
    /// Bytes of transfers; removals have none.
    pub(super) bytes_planned: Count,
    /// The bytes of the steps that were made.
    pub(super) bytes_made: Count,
    /// Problems that make the run incomplete.
    pub(super) failures: Count,
    /// What running transfers have moved.
    pub(super) moved: Arc<Moved>,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds to the number.
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// The number as it is now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Reporter {
    /// Creates a reporter whose counts are 0. The first tick reports at once.
    pub(super) fn new(observer: Option<&Arc<dyn SyncObserver>>, clock: &Clock) -> Self {
        Self {
            observer: observer.cloned(),
            clock: clock.clone(),
            ..Self::default()
        }
    }

    /// Reports if enough time has passed since the last report.
    pub(super) fn tick(&self) {
        if self.observer.is_none() {
            return;
        }
        let elapsed = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        let reported = self.reported.load(Ordering::Relaxed);
        let due = reported.saturating_add(INTERVAL.as_millis() as u64);
        if reported == 0 || elapsed >= due.saturating_sub(1) {
            self.reported
                .store(elapsed.saturating_add(1), Ordering::Relaxed);
            self.report();
        }
    }

    /// Reports how far the run is.
    pub(super) fn report(&self) {
        if let Some(observer) = &self.observer {
            observer.progress(&self.now());
        }
    }

    /// Tells the observer of a problem.
    pub(super) fn problem(&self, problem: &Problem) {
        self.failures.add(u64::from(problem.kind.is_failure()));
        if let Some(observer) = &self.observer {
            observer.problem(problem);
        }
    }

    /// All counts. They are read one by one, so that they may be of slightly different moments.
    fn now(&self) -> SyncProgress {
        SyncProgress {
            source_files: self.source_files.get(),
            destination_files: self.destination_files.get(),
            scan_ended: self.scan_ended.load(Ordering::Relaxed),
            steps_planned: self.steps_planned.get(),
            steps_made: self.steps_made.get(),
            bytes_planned: self.bytes_planned.get(),
            bytes_moved: self.bytes_made.get().saturating_add(self.moved.bytes()),
            failures: self.failures.get(),
        }
    }
}

/// Bytes that running transfers have moved, from all threads.
#[derive(Debug, Default)]
pub(super) struct Moved(AtomicI64);

impl Moved {
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn add(&self, bytes: i64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Counts the bytes of one transfer, and passes its reports on.
///
/// One is made for each attempt at a step and dropped with its options, which takes its bytes back
/// from the running ones.
pub(super) struct TransferWatch {
    moved: Arc<Moved>,
    last: AtomicU64,
    also: Option<Arc<dyn Progress>>,
}

impl TransferWatch {
    pub(super) fn new(moved: &Arc<Moved>, also: Option<&Arc<dyn Progress>>) -> Self {
        Self {
            moved: Arc::clone(moved),
            last: AtomicU64::new(0),
            also: also.cloned(),
        }
    }
}

impl Progress for TransferWatch {
    fn update(&self, progress: &TransferProgress) {
        let last = self.last.swap(progress.bytes, Ordering::Relaxed);
        let difference = i128::from(progress.bytes) - i128::from(last);
        self.moved.add(i64::try_from(difference).unwrap_or(0));
        if let Some(also) = &self.also {
            also.update(progress);
        }
    }
}

impl Drop for TransferWatch {
    /// The step itself counts from now on, if it is made.
    fn drop(&mut self) {
        let last = self.last.load(Ordering::Relaxed);
        self.moved.add(-i64::try_from(last).unwrap_or(0));
    }
}
