//! What a `B2Api` and every `Bucket` of it share: the session and the permits for worker threads.

use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::workers::Workers;
use crate::session::Session;

/// Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) workers: Arc<Workers>,
    /// What all calls run under.
    pub(crate) cancel: Option<CancelToken>,
}

impl Client {
    /// The same, whose calls this token cancels too.
    pub(crate) fn with_cancel(&self, token: &CancelToken) -> Self {
        Self {
            cancel: self.under(Some(token)),
            ..self.clone()
        }
    }

    /// The steering of a call that may have a token of its own.
    pub(crate) fn control(&self, cancel: Option<&CancelToken>) -> Control {
        Control::new(self.under(cancel).as_ref()).closed_by(self.session.http().closing())
    }

    fn under(&self, token: Option<&CancelToken>) -> Option<CancelToken> {
        match (&self.cancel, token) {
            (Some(own), Some(token)) => Some(CancelToken::either(own, token)),
            (own, token) => own.as_ref().or(token).cloned(),
        }
    }
}
