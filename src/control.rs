//! What steers one running call: its clock, its cancellation, its progress. Every layer above knows
//! it; it knows none of them.

pub(crate) mod caches;
pub(crate) mod cancel;
pub(crate) mod clock;
pub(crate) mod memory;
pub(crate) mod progress;
pub(crate) mod rate_limit;
pub(crate) mod request_counts;
pub(crate) mod semaphore;
pub(crate) mod single_flight;
pub(crate) mod sync;
pub(crate) mod workers;

use std::sync::Arc;
use std::time::Duration;

use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, TransferId};
use crate::error::{Error, Result};
use crate::model::auth::Identity;

/// The steering of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    pub(crate) cancel: Option<CancelToken>,
    /// Cancelled when the `B2Api` shuts down. Apart from `cancel`, whose calls have connections of
    /// their own.
    pub(crate) closing: Option<CancelToken>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    /// Tells its reports from those of other calls.
    pub(crate) transfer: TransferId,
    /// Whose account the call is for; whoever the store holds, if none.
    pub(crate) owner: Option<Arc<Identity>>,
}

impl Control {
    /// A call that nobody can cancel, or this token can.
    pub(crate) fn new(cancel: Option<&CancelToken>) -> Self {
        Self {
            cancel: cancel.cloned(),
            ..Self::default()
        }
    }

    /// The same call, watched.
    pub(crate) fn watched_by(mut self, progress: Option<&Arc<dyn Progress>>) -> Self {
        self.progress = progress.map(Arc::clone);
        self
    }

    /// The same call under this number.
    pub(crate) fn numbered(mut self, number: u64) -> Self {
        self.transfer = TransferId(number);
        self
    }

    /// The same call, for this account only.
    pub(crate) fn owned_by(mut self, owner: &Arc<Identity>) -> Self {
        self.owner = Some(Arc::clone(owner));
        self
    }

    /// The same call, which a shutdown ends too.
    pub(crate) fn closed_by(mut self, closing: &CancelToken) -> Self {
        self.closing = Some(closing.clone());
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
        self.tokens().any(CancelToken::is_cancelled)
    }

    /// The tokens that end this call.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &CancelToken> {
        self.cancel.iter().chain(&self.closing)
    }

    /// Sleeps by this clock; fails at once when the call is cancelled meanwhile.
    pub(crate) fn sleep(&self, clock: &clock::Clock, duration: Duration) -> Result<()> {
        let both = match (&self.cancel, &self.closing) {
            (Some(cancel), Some(closing)) => Some(CancelToken::either(cancel, closing)),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        clock.sleep(duration, both.as_ref());
        self.check()
    }
}

#[cfg(test)]
pub(crate) mod interleavings;
#[cfg(test)]
mod tests;
