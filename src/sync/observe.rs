//! What a run tells its caller, and how the caller steers it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::control::cancel::CancelToken;
use crate::setters::setters;
use crate::sync::problem::Problem;
use crate::sync::step::SyncStep;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Files found at the source so far, after filtering.
    pub source_files: u64,
    /// Files found at the destination so far, after filtering.
    pub destination_files: u64,
    /// Whether both sides are scanned, so that what is planned is all that there will be.
    pub scan_ended: bool,
    /// Steps planned so far.
    pub steps_planned: u64,
    /// Steps made so far.
    pub steps_made: u64,
    /// Bytes of content in the steps planned so far.
    pub bytes_planned: u64,
    /// Bytes of content moved so far, those of running transfers included.
    pub bytes_moved: u64,
    /// Problems so far that make the run incomplete.
    pub failures: u64,
}

/// Receives what a run does. All methods are called from the thread that runs the synchronization, and
/// should return soon.
pub trait SyncObserver: Send + Sync {
    /// Decides whether a step is made. A step that is declined is counted, and does not make the run
    /// incomplete.
    fn approve(&self, step: &SyncStep) -> bool {
        let _ = step;
        true
    }

    /// A step is about to be made.
    fn step(&self, step: &SyncStep) {
        let _ = step;
    }

    /// Something went wrong, or is worth saying.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }

    /// The run or the plan is this far. It is called at most about ten times a second and at least once a
    /// second, also while a bucket is listed, a directory is read or a file is hashed, and once at the end.
    fn progress(&self, progress: &SyncProgress) {
        let _ = progress;
    }
}

impl fmt::Debug for dyn SyncObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncObserver")
    }
}

/// Options for one run.
///
/// ```
/// use b2sdk::sync::SyncRun;
/// use std::time::Duration;
///
/// let token = b2sdk::CancelToken::new();
/// let run = SyncRun::new().cancel(&token).stop_after(Duration::from_secs(3600));
/// assert!(run.cancel.is_some());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyncRun {
    /// Receives what the run does.
    pub observer: Option<Arc<dyn SyncObserver>>,
    /// Cancels the run. Scans stop at the next file, transfers at the next read, and nothing is removed.
    pub cancel: Option<CancelToken>,
    /// No transfer starts later than this after the run began. Those that run are finished, nothing is
    /// removed, and the run is incomplete if something was left.
    pub stop_after: Option<Duration>,
    /// No transfer starts once those that were started have this many bytes. Otherwise as
    /// [`stop_after`](Self::stop_after).
    pub stop_after_bytes: Option<u64>,
}

setters! {
    new SyncRun {
        stop_after: Duration,
        stop_after_bytes: u64,
    }
    shared {
        cancel: CancelToken,
    }
}

impl SyncRun {
    /// Sets [`observer`](#structfield.observer).
    #[must_use]
    pub fn observer(mut self, observer: impl SyncObserver + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Whether the step is made.
    pub(super) fn approves(&self, step: &SyncStep) -> bool {
        match &self.observer {
            Some(observer) => observer.approve(step),
            None => true,
        }
    }

    pub(super) fn step(&self, step: &SyncStep) {
        if let Some(observer) = &self.observer {
            observer.step(step);
        }
    }
}
