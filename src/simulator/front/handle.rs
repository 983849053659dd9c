//! The handle with which an exchange ends its connection in a particular way, or sends bytes that
//! belong to no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::simulator::faults::Ending;

/// What an answer that is too long has too much.
pub(super) const SURPLUS: &[u8] = &[b'x'; 4096];

/// What an exchange may ask of its connection.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    pub(crate) number: u64,
    /// Whether the client is on this machine.
    pub(crate) is_local: bool,
    endings: mpsc::UnboundedSender<Ending>,
    surplus: Arc<AtomicU64>,
}

/// The other end of the handle, which the connection holds.
pub(super) struct Requests {
    pub(super) endings: mpsc::UnboundedReceiver<Ending>,
    pub(super) surplus: Arc<AtomicU64>,
}

impl ConnectionHandle {
    /// A handle to connection `number`, which comes from this machine or from elsewhere.
    pub(super) fn new(number: u64, is_local: bool) -> (Self, Requests) {
        let (endings, received) = mpsc::unbounded_channel();
        let surplus = Arc::<AtomicU64>::default();
        let requests = Requests {
            endings: received,
            surplus: Arc::clone(&surplus),
        };
        let handle = Self {
            number,
            is_local,
            endings,
            surplus,
        };
        (handle, requests)
    }

    /// Ends the connection in this way, after everything written so far is sent.
    pub(crate) fn end(&self, ending: Ending) {
        // The receiver is gone if the connection has already ended.
        let _ = self.endings.send(ending);
    }

    /// Sends this many bytes that belong to no answer, after everything written so far is sent.
    pub(crate) fn add_surplus(&self, bytes: u64) {
        self.surplus.fetch_add(bytes, Ordering::Relaxed);
    }
}
