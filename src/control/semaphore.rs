//! A fair semaphore: a number of units (permits, buffers, bytes) that callers share, first come,
//! first served.
//!
//! Only the caller at the head of the queue may take units, so a large request is never overtaken by
//! small ones until it starves. Each caller in the queue has a condition variable of its own, and
//! three events wake the head: units come back, the limit changes, or the caller before it leaves. A
//! cancelled token wakes the callers that wait under it, wherever they stand. Nobody polls.
//!
//! | event | who is woken |
//! | --- | --- |
//! | units are released | the head of the queue |
//! | the limit is raised | the head of the queue |
//! | the head takes its units, and some are left | the next caller, who is the head now |
//! | a waiting caller is cancelled | that caller; then the head, which may be another one now |
//!
//! A caller that waits holds no lock. The interleavings of these events are checked by a model
//! checker (`interleavings`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::sync::{Condvar, Mutex};
use crate::error::{Error, Result};

/// A number of units that clones share.
///
/// Units are not returned by themselves: whoever acquires them wraps them in a value that releases
/// them when dropped, such as `workers::Permit` and `memory::Loan`.
#[derive(Debug, Clone)]
pub(crate) struct Semaphore(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The number of units that may be in use.
    limit: u64,
    /// The number of units in use. It may exceed a limit that was lowered.
    taken: u64,
    /// The callers that wait, in the order of their arrival.
    queue: VecDeque<Arc<Condvar>>,
}

impl Semaphore {
    /// Creates this many units, all free.
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            limit,
            taken: 0,
            queue: VecDeque::new(),
        })))
    }

    /// The number of units that may be in use.
    pub(crate) fn limit(&self) -> u64 {
        self.0.lock().limit
    }

    /// The number of units in use.
    pub(crate) fn taken(&self) -> u64 {
        self.0.lock().taken
    }

    /// The number of callers in the queue.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// Changes the limit. Units beyond it stay in use until they are released.
    pub(crate) fn set_limit(&self, limit: u64) {
        let mut state = self.0.lock();
        state.limit = limit;
        state.wake_head();
    }

    /// Takes `units` as soon as they are free and all callers that came before have left the queue.
    ///
    /// Fails with `Cancelled`, without taking any, if one of the tokens is cancelled while it
    /// waits. More units than the limit are never available, so the caller checks that first.
    pub(crate) fn acquire<'t>(
        &self,
        units: u64,
        tokens: impl IntoIterator<Item = &'t CancelToken>,
    ) -> Result<()> {
        let mut state = self.0.lock();
        if state.try_take(units) {
            return Ok(());
        }
        let turn = Arc::new(Condvar::new());
        state.queue.push_back(Arc::clone(&turn));
        let tokens: Vec<_> = tokens.into_iter().collect();
        let wakers: Vec<_> = tokens
            .iter()
            .map(|token| {
                let (shared, turn) = (Arc::clone(&self.0), Arc::clone(&turn));
                token.on_cancel(move || {
                    // Under the lock: the caller either waits already or has yet to ask the token.
                    let _state = shared.lock();
                    turn.notify_one();
                })
            })
            .collect();
        let outcome = loop {
            if state.is_head(&turn) && state.has_room_for(units) {
                state.taken += units;
                break Ok(());
            }
            if tokens.iter().any(|token| token.is_cancelled()) {
                break Err(Error::Cancelled);
            }
            turn.wait(&mut state);
        };
        state.queue.retain(|waiting| !Arc::ptr_eq(waiting, &turn));
        // The next caller may have room too, or wait for less than the one that gave up.
        state.wake_head();
        drop(state);
        drop(wakers);
        outcome
    }

    /// Takes `units` if they are free and nobody waits. Returns whether it did.
    pub(super) fn try_acquire(&self, units: u64) -> bool {
        self.0.lock().try_take(units)
    }

    /// Returns units that were acquired.
    pub(crate) fn release(&self, units: u64) {
        let mut state = self.0.lock();
        state.taken -= units;
        state.wake_head();
    }
}

impl State {
    /// Whether that many units are free.
    fn has_room_for(&self, units: u64) -> bool {
        self.limit.saturating_sub(self.taken) >= units
    }

    /// Takes units if they are free and the queue is empty.
    fn try_take(&mut self, units: u64) -> bool {
        let is_free = self.queue.is_empty() && self.has_room_for(units);
        if is_free {
            self.taken += units;
        }
        is_free
    }

    /// Whether this caller is the first in the queue.
    fn is_head(&self, turn: &Arc<Condvar>) -> bool {
        self.queue
            .front()
            .is_some_and(|head| Arc::ptr_eq(head, turn))
    }

    /// Wakes the first caller in the queue, which then checks whether there is room for it.
    fn wake_head(&self) {
        if let Some(head) = self.queue.front() {
            head.notify_one();
        }
    }
}
