//! The connections of calls that run under cancel tokens.
//!
//! Each token has connections of its own, so that cancelling breaks only what runs under it. They
//! belong to the `B2Api`, and the token holds no more than the right to break them: whichever of the two
//! is dropped first, nothing stays open. The connections of a token that is gone pass to the next one,
//! unless it broke them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::control::cancel::{Attachment, CancelToken};
use crate::error::Result;
use crate::http::agents::Agents;

/// Those of one `B2Api`.
#[derive(Debug)]
pub(super) struct TokenConnections {
    state: Mutex<State>,
    /// How many unused ones are kept.
    most_spare: usize,
}

#[derive(Debug, Default)]
struct State {
    in_use: HashMap<u64, Agents>,
    spare: Vec<Agents>,
    next: u64,
    is_closed: bool,
}

impl TokenConnections {
    pub(super) fn new(most_spare: usize) -> Self {
        Self {
            state: Mutex::default(),
            most_spare,
        }
    }

    /// The connections of this token, made at its first call.
    pub(super) fn of(
        self: &Arc<Self>,
        token: &CancelToken,
        make: impl FnOnce() -> Result<Agents>,
    ) -> Result<Agents> {
        let lease = token.attach(Arc::as_ptr(self) as usize, || {
            let spare = self.state.lock().spare.pop();
            let agents = match spare {
                Some(agents) => agents,
                None => make()?,
            };
            let mut state = self.state.lock();
            let number = state.next;
            state.next += 1;
            state.in_use.insert(number, agents);
            Ok(Lease {
                owner: Arc::downgrade(self),
                number,
                is_broken: AtomicBool::new(false),
            })
        })?;
        let known = self.state.lock().in_use.get(&lease.number).cloned();
        // Its lease lives, so they are there.
        known.map_or_else(|| Err(crate::error::Error::Cancelled), Ok)
    }

    /// Breaks all of them, for good.
    pub(super) fn shutdown(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let spare = std::mem::take(&mut state.spare);
        for agents in state.in_use.values().chain(&spare) {
            agents.shutdown();
        }
    }
}

/// What a token holds: the right to break some connections.
#[derive(Debug)]
struct Lease {
    owner: Weak<TokenConnections>,
    number: u64,
    is_broken: AtomicBool,
}

impl Attachment for Lease {
    fn interrupt(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
        let Some(owner) = self.owner.upgrade() else {
            return;
        };
        let agents = owner.state.lock().in_use.get(&self.number).cloned();
        if let Some(agents) = agents {
            agents.shutdown();
        }
    }

    fn is_abandoned(&self) -> bool {
        self.owner.strong_count() == 0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(owner) = self.owner.upgrade() else {
            return;
        };
        let mut state = owner.state.lock();
        let agents = state.in_use.remove(&self.number);
        let is_fit = !self.is_broken.load(Ordering::SeqCst)
            && !state.is_closed
            && state.spare.len() < owner.most_spare;
        state.spare.extend(agents.filter(|_| is_fit));
    }
}
