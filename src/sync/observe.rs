//! What a run tells its caller, and how the caller steers it.
//!
//! 1. The calling thread asks `approve` for a step, then calls `step`, and hands the step to a
//!    thread.
//! 2. `problem` is called when the outcome of a step, or a scan, shows a problem: for a step that
//!    fails, after `step`.
//! 3. `progress` is called between these, at most about ten times a second.
//! 4. A last `progress` comes when nothing is running any more, before the call returns.
//!
//! Threads that transfer never call an observer, so that it needs no lock of its own. The
//! `Progress` of upload and download options is called from them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::control::cancel::CancelToken;
use crate::setters::setters;
use crate::sync::problem::Problem;
use crate::sync::step::SyncStep;

/// How far a run is, for [`SyncObserver::progress`]. All counts begin at 0 with the run, and only
/// [`bytes_moved`](Self::bytes_moved) can decrease, when a transfer fails and is repeated.
///
/// Until [`scan_ended`](Self::scan_ended), more steps may be found, so a percentage of
/// `bytes_planned` means little before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct SyncProgress {
    /// The number of files found at the source so far, after filtering.
    pub source_files: u64,
    /// The number of files found at the destination so far, after filtering.
    pub destination_files: u64,
    /// Whether both sides are scanned to their end, so that no more steps are planned.
    pub scan_ended: bool,
    /// The number of steps planned so far, transfers and removals.
    pub steps_planned: u64,
    /// The number of steps made so far.
    pub steps_made: u64,
    /// The bytes of content that the steps planned so far transfer or copy.
    pub bytes_planned: u64,
    /// The bytes of content transferred or copied so far, including those of transfers that are
    /// running.
    pub bytes_moved: u64,
    /// The number of problems so far that make the run incomplete.
    pub failures: u64,
}

/// A receiver of what a run does, which can also decline steps. Every method does nothing unless it
/// is implemented, and [`approve`](Self::approve) then approves.
///
/// All methods are called from the thread that runs the synchronization, one at a time. The run
/// waits for them, so they should return soon; a question to a person may take its time, while
/// running transfers continue.
///
/// ```
/// use b2sdk::sync::{Problem, SyncObserver, SyncRun, SyncStep};
///
/// struct NoRemovals;
/// impl SyncObserver for NoRemovals {
///     fn approve(&self, step: &SyncStep) -> bool {
///         !step.is_removal()
///     }
///     fn problem(&self, problem: &Problem) {
///         eprintln!("{problem}");
///     }
/// }
/// let run = SyncRun::new().observer(NoRemovals);
/// # let _ = run;
/// ```
///
/// | what happens in a method | what follows |
/// |---|---|
/// | it takes long | no new step is handed out; running transfers continue |
/// | it panics | steps that were handed out are still made; then the panic reaches the caller |
/// | it cancels the token of the run | the run ends as if it were cancelled from elsewhere |
pub trait SyncObserver: Send + Sync {
    /// Decides whether a step is made. A step that is declined is counted
    /// ([`SyncReport::declined`](crate::sync::SyncReport)), and does not make the run incomplete.
    ///
    /// It is asked once for each step, shortly before the step is made, and not for the second
    /// attempt at a file that changed while it was read. If it declines a transfer, removals of the
    /// same name are not made either. Removals of other names are not withheld for that.
    fn approve(&self, step: &SyncStep) -> bool {
        let _ = step;
        true
    }

    /// Receives a step that is about to be made, after it was approved.
    ///
    /// Some steps come to nothing after that: their failure is a [`problem`](Self::problem). An
    /// upload whose file changes while it is read is tried a second time without another call of
    /// this method.
    fn step(&self, step: &SyncStep) {
        let _ = step;
    }

    /// Receives a problem when it is found, also those that are not kept in the report.
    ///
    /// [`ProblemKind::is_failure`](crate::sync::ProblemKind::is_failure) says whether it makes the
    /// run incomplete. An error that ends the whole run is no problem of a name, and is only in
    /// [`SyncReport::fatal`](crate::sync::SyncReport).
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }

    /// Receives how far the run or the plan is: at most about ten times a second, at least once a
    /// second, also while a bucket is listed, a directory is read or a file is hashed, and once at
    /// the end.
    fn progress(&self, progress: &SyncProgress) {
        let _ = progress;
    }
}

impl fmt::Debug for dyn SyncObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncObserver")
    }
}

/// Settings for one run or plan of a [`Synchronizer`](crate::sync::Synchronizer): who observes it,
/// and what ends it early. What is synchronized, and how, is in
/// [`SyncOptions`](crate::sync::SyncOptions).
///
/// ```
/// use b2sdk::sync::SyncRun;
/// use std::time::Duration;
///
/// let token = b2sdk::CancelToken::new();
/// let run = SyncRun::new().cancel(&token).stop_after(Duration::from_secs(3600));
/// assert!(run.cancel.is_some());
/// ```
///
/// | what ends a run | transfers that are running | removals | the report has |
/// |---|---|---|---|
/// | the token | are broken off | none | `fatal`: cancelled |
/// | `stop_after`, `stop_after_bytes` | are finished | none | `stopped` |
/// | a failure that concerns every file | are finished, unless there is no connection | none | `fatal`: the failure |
///
/// The limits hold back transfers. Once the transfers are made and removals have begun, only the
/// token ends the run early.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyncRun {
    /// Receives what the run does.
    /// Without one, nothing is reported before the call returns.
    pub observer: Option<Arc<dyn SyncObserver>>,
    /// Cancels the run. Scans stop at the next file, transfers at the next read, and nothing is
    /// removed.
    ///
    /// The run ends with [`SyncError::Incomplete`](crate::sync::SyncError::Incomplete). The run
    /// uses a child of this token, so it never cancels the token itself.
    pub cancel: Option<CancelToken>,
    /// The time after which no transfer starts any more, counted from the beginning of the run.
    ///
    /// Transfers that are running are finished, nothing is removed, and the run is incomplete if
    /// something was left. The next run continues. The limit is looked at whenever another transfer
    /// would start. A file that changed while it was read is still tried once more.
    pub stop_after: Option<Duration>,
    /// The number of bytes after which no transfer starts any more, counted over the transfers that
    /// were started.
    ///
    /// As for [`stop_after`](Self::stop_after), what runs is finished and nothing is removed. The
    /// transfer that reaches the limit is still made in full, whatever its size. Copies within the
    /// service count with the size of the file.
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
    ///
    /// Called on the calling thread, once for each step, before the step is handed out.
    pub(super) fn approves(&self, step: &SyncStep) -> bool {
        match &self.observer {
            Some(observer) => observer.approve(step),
            None => true,
        }
    }

    /// Tells the observer of a step that is handed out now. Only steps that were approved come
    /// here.
    pub(super) fn step(&self, step: &SyncStep) {
        if let Some(observer) = &self.observer {
            observer.step(step);
        }
    }
}
