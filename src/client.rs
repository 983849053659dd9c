//! What a `B2Api` and every `Bucket` of it share: the session and the permits for worker threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::workers::Workers;
use crate::session::Session;
use crate::transfer::Transfer;

/// Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) workers: Arc<Workers>,
    /// How many calls there were so far.
    pub(crate) calls: Arc<AtomicU64>,
    /// Cancels the calls that were given no token of their own.
    pub(crate) cancel: Option<CancelToken>,
}

impl Client {
    /// The steering of a call that was given this token, or none.
    pub(crate) fn control(&self, cancel: Option<&CancelToken>) -> Control {
        Control::new(cancel.or(self.cancel.as_ref()))
            .closed_by(self.session.http().closing())
            .numbered(self.calls.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A transfer under this control.
    pub(crate) const fn transfer<'a>(&'a self, control: &'a Control) -> Transfer<'a> {
        Transfer {
            session: &self.session,
            workers: &self.workers,
            control,
        }
    }
}
