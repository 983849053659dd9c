//! What a run tells its caller, and how the caller steers it.

use std::fmt;
use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::setters::setters;
use crate::sync::report::Problem;
use crate::sync::step::SyncStep;

/// Receives what a run does. All methods are called from the thread that runs the synchronization.
pub trait SyncObserver: Send + Sync {
    /// A step is about to be made.
    fn step(&self, step: &SyncStep) {
        let _ = step;
    }

    /// Something went wrong, or is worth saying.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
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
///
/// let token = b2sdk::CancelToken::new();
/// let run = SyncRun::new().cancel(&token);
/// assert!(run.cancel.is_some());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyncRun {
    /// Receives what the run does.
    pub observer: Option<Arc<dyn SyncObserver>>,
    /// Cancels the run. Scans stop at the next file, transfers at the next read, and nothing is removed.
    pub cancel: Option<CancelToken>,
}

setters! {
    new SyncRun {}
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

    pub(super) fn step(&self, step: &SyncStep) {
        if let Some(observer) = &self.observer {
            observer.step(step);
        }
    }

    pub(super) fn problem(&self, problem: &Problem) {
        if let Some(observer) = &self.observer {
            observer.problem(problem);
        }
    }
}
