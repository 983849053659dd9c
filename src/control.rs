//! What steers one running call: its clock, its cancellation, its progress. Every layer above knows
//! it; it knows none of them.

pub(crate) mod bandwidth;
pub(crate) mod cancel;
pub(crate) mod clock;
pub(crate) mod memory;
pub(crate) mod meter;
pub(crate) mod progress;
pub(crate) mod workers;

use std::sync::Arc;
use std::time::Duration;

use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::error::{Error, Result};
use crate::model::auth::Identity;

/// The steering of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    /// Whose account the call is for; whoever the store holds, if none.
    pub(crate) owner: Option<Arc<Identity>>,
}

impl Control {
    /// A call that nobody can cancel, or this token can.
    pub(crate) fn new(cancel: Option<&CancelToken>) -> Self {
        Self {
            cancel: cancel.cloned(),
            progress: None,
            owner: None,
        }
    }

    /// The same call, watched.
    pub(crate) fn watched_by(mut self, progress: Option<&Arc<dyn Progress>>) -> Self {
        self.progress = progress.map(Arc::clone);
        self
    }

    /// The same call, for this account only.
    pub(crate) fn owned_by(mut self, owner: &Arc<Identity>) -> Self {
        self.owner = Some(Arc::clone(owner));
        self
    }

    /// Fails once the call is cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// Sleeps by this clock; fails at once when the call is cancelled meanwhile.
    pub(crate) fn sleep(&self, clock: &clock::Clock, duration: Duration) -> Result<()> {
        clock.sleep(duration, self.cancel.as_ref());
        self.check()
    }
}
