//! What a `B2Api` and every `Bucket` of it share: the session and the permits for worker threads.

use std::sync::Arc;

use crate::control::workers::Workers;
use crate::session::Session;

/// Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    pub(crate) workers: Arc<Workers>,
}
