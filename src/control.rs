//! What steers a running call: its clock, its cancellation, its progress reports, and the limits on
//! threads, memory, bandwidth and requests that all calls of one `B2Api` share.
//!
//! Every layer above passes a [`Control`] down and obeys it: each loop that moves, hashes or waits
//! checks it. This layer knows none of the others. Nothing here sends a request or touches a file.

pub(crate) mod adaptive;
pub(crate) mod ahead;
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
pub(crate) mod tuner;
pub(crate) mod workers;

use std::sync::Arc;
use std::time::Duration;

use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, TransferId};
use crate::error::{Error, Result};
use crate::model::auth::Identity;

/// What steers one call. Cheap to clone; a transfer hands a clone to each of its threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// The token that the caller may cancel, or a child of it that a failure cancels. It is `None`
    /// for a call that was given no token.
    pub(crate) cancel: Option<CancelToken>,
    /// The token that is cancelled when the `B2Api` shuts down. It is separate from `cancel`,
    /// because the calls under a caller's token have connections of their own.
    pub(crate) closing: Option<CancelToken>,
    /// The receiver of progress reports, if there is one.
    pub(crate) progress: Option<Arc<dyn Progress>>,
    /// The id that distinguishes the reports of this call from those of others.
    pub(crate) transfer: TransferId,
    /// The identity that the call is for; `None` for whichever the store holds.
    pub(crate) owner: Option<Arc<Identity>>,
    /// The name of the bucket that the call is about, for errors and for the log.
    pub(crate) bucket: Option<Arc<str>>,
    /// What is logged of the call stands in this span, on whichever thread.
    pub(crate) span: Option<tracing::Span>,
}

impl Control {
    /// Creates the control of a call that this token cancels, or that nobody can cancel.
    pub(crate) fn new(cancel: Option<&CancelToken>) -> Self {
        Self {
            cancel: cancel.cloned(),
            ..Self::default()
        }
    }

    /// Sets the receiver of the call's progress reports.
    pub(crate) fn watched_by(mut self, progress: Option<&Arc<dyn Progress>>) -> Self {
        self.progress = progress.map(Arc::clone);
        self
    }

    /// Sets the id of the transfer.
    pub(crate) fn numbered(mut self, number: u64) -> Self {
        self.transfer = TransferId(number);
        self
    }

    /// Restricts the call to this identity.
    pub(crate) fn owned_by(mut self, owner: &Arc<Identity>) -> Self {
        self.owner = Some(Arc::clone(owner));
        self
    }

    /// Names the bucket that the call is about.
    pub(crate) fn about(mut self, bucket: &Arc<str>) -> Self {
        self.bucket = Some(Arc::clone(bucket));
        self
    }

    /// Names the call, and the file that it is about, for the log.
    pub(crate) fn calling(mut self, call: &'static str, file_name: Option<&str>) -> Self {
        let bucket = self.bucket.as_deref();
        self.span = Some(tracing::info_span!("b2sdk", call, bucket, file_name));
        self
    }

    /// Does something so that what is logged of it stands in the span of the call.
    pub(crate) fn in_span<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.span {
            Some(span) => span.in_scope(act),
            None => act(),
        }
    }

    /// Sets the token that a shutdown cancels.
    pub(crate) fn closed_by(mut self, closing: &CancelToken) -> Self {
        self.closing = Some(closing.clone());
        self
    }

    /// Fails with `Cancelled` once the call is cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Whether one of the call's tokens is cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.tokens().any(CancelToken::is_cancelled)
    }

    /// The tokens that cancel this call.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &CancelToken> {
        self.cancel.iter().chain(&self.closing)
    }

    /// Sleeps by this clock. Returns early with `Cancelled` if the call is cancelled.
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
