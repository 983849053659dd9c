//! What a `B2Api` and its `Bucket`s share: the session and the permits for threads that move data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::workers::Workers;
use crate::session::Session;
use crate::transfer::Transfer;

/// The handle that a `B2Api` and each `Bucket` hold. It is cheap to clone; clones share everything
/// but the cancel token.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) workers: Arc<Workers>,
    /// The number of calls so far, which numbers their progress reports.
    pub(crate) calls: Arc<AtomicU64>,
    /// The token of the calls that were given none of their own.
    pub(crate) cancel: Option<CancelToken>,
}

impl Client {
    /// The control of a call of this name that was given this token, or none. The log shows the name: the
    /// public method's, or what several of them have in common, such as `upload`.
    pub(crate) fn control(&self, call: &'static str, cancel: Option<&CancelToken>) -> Control {
        self.unnamed_control(cancel).calling(call, None)
    }

    /// The control of a call that gets its name later, together with what it is about.
    pub(crate) fn unnamed_control(&self, cancel: Option<&CancelToken>) -> Control {
        Control::new(cancel.or(self.cancel.as_ref()))
            .closed_by(self.session.http().closing())
            .numbered(self.calls.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// What a transfer under this control needs.
    pub(crate) const fn transfer<'a>(&'a self, control: &'a Control) -> Transfer<'a> {
        Transfer {
            session: &self.session,
            workers: &self.workers,
            control,
        }
    }
}
