//! Permits for the threads that move data, and the memory limit that goes with them.
//!
//! There is no pool of threads. A transfer takes a permit, starts a scoped thread for one part, and
//! returns the permit when that part ends. So there are never more such threads than permits,
//! however many transfers run, and their parts take turns in the order in which they asked for
//! permits.
//!
//! There is no deadlock, because a thread that holds a permit never waits for another one. A
//! transfer that needs memory, too, borrows the memory first.
//!
//! The thread that takes the permits is the caller's own. It makes the parts one after the other, and
//! blocks in [`Workers::take`] while all permits are in use. So a transfer of ten thousand parts never
//! has more than one of them prepared beyond those that are being sent.
//!
//! | who | takes | while |
//! | --- | --- | --- |
//! | an upload or copy in one request | none: the caller's own thread sends it | |
//! | each part of a large file | memory if it is read into memory, then a permit | it is sent |
//! | each range of a parallel download | a permit | it is received |
//! | a deletion of `delete_many` | a permit | the request is sent |
//! | a listing, a description, reading ahead | none; reading ahead takes what is free | |

use std::sync::Arc;

use crate::control::Control;
use crate::control::adaptive;
use crate::control::memory::Memory;
use crate::control::progress::is_reporting;
use crate::control::semaphore::Semaphore;
use crate::control::tuner::Tuner;
use crate::error::{Error, Result};

/// How many parts of a stream are sent at a time at most, where the number of workers is adaptive.
const MOST_ADAPTIVE_PARTS: usize = 16;

/// The permits and the memory of one `B2Api`.
#[derive(Debug)]
pub(crate) struct Workers {
    /// The permits.
    permits: Semaphore,
    /// The memory limit.
    memory: Memory,
    /// Changes the number of permits, if it is adaptive.
    tuner: Arc<Tuner>,
}

/// The right to run one thread, returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Workers);

impl Workers {
    /// Creates this many permits, at least one, without a limit on memory.
    pub(crate) fn new(limit: impl Into<adaptive::Workers>) -> Self {
        let limit = limit.into();
        let permits = Semaphore::new(limit.first() as u64);
        Self {
            tuner: Arc::new(Tuner::new(&permits, limit)),
            permits,
            memory: Memory::new(None),
        }
    }

    /// Sets the memory limit.
    pub(crate) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// The number of permits now.
    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.permits.limit()).unwrap_or(usize::MAX)
    }

    /// Changes the number of permits. Those that are taken stay valid.
    pub(crate) fn set_limit(&self, limit: adaptive::Workers) {
        self.tuner.set(limit);
    }

    /// The number of permits that there may be at most: more than there are, if it is adaptive.
    pub(crate) fn most(&self) -> usize {
        self.tuner.most()
    }

    /// How many parts of a stream may be in memory at a time: one for each worker, and the one that is being read.
    ///
    /// An adaptive number grows without anybody having thought of the memory, so it counts up to a limit.
    pub(crate) fn parts_in_memory(&self) -> usize {
        let limit = self.limit();
        let side_by_side = if self.tuner.is_on() {
            limit.min(MOST_ADAPTIVE_PARTS)
        } else {
            limit
        };
        side_by_side + 1
    }

    /// What changes the number, if it is adaptive.
    pub(crate) const fn tuner(&self) -> &Arc<Tuner> {
        &self.tuner
    }

    /// The memory limit.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Waits for a permit.
    ///
    /// Fails with `Cancelled` if the call is cancelled. Fails with `InvalidInput` if a progress
    /// receiver starts a transfer while no permit is free: it could wait for the transfer whose
    /// report it handles.
    pub(crate) fn take(&self, control: &Control) -> Result<Permit<'_>> {
        if is_reporting() && self.permits.taken() >= self.permits.limit() {
            let reason = "a receiver must not start transfers, which may wait for the one that it is told of";
            return Err(Error::invalid_input("progress", reason));
        }
        if self.permits.try_acquire(1) {
            return Ok(Permit(self));
        }
        self.tuner.wanted();
        self.permits.acquire(1, control.tokens())?;
        self.tuner.wanted();
        Ok(Permit(self))
    }

    /// Takes a permit if one is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Permit<'_>> {
        self.permits.try_acquire(1).then(|| Permit(self))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.permits.release(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::Workers;
    use crate::control::cancel::CancelToken;
    use crate::control::{Control, adaptive};
    use crate::error::Error;

    #[test]
    fn there_are_never_more_permits_than_the_limit() {
        let workers = Workers::new(3);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let _permit = workers.take(&Control::default()).unwrap();
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[test]
    fn an_adaptive_number_takes_the_memory_of_sixteen_workers_at_most() {
        let workers = Workers::new(adaptive::Workers::Auto);
        assert_eq!(workers.parts_in_memory(), 9);
        workers.tuner().waited(Duration::from_millis(100));
        assert_eq!((workers.limit(), workers.parts_in_memory()), (64, 17));
        workers.set_limit(adaptive::Workers::Fixed(40));
        assert_eq!(workers.parts_in_memory(), 41);
    }

    #[test]
    fn who_is_cancelled_while_waiting_leaves_the_queue() {
        let workers = Workers::new(1);
        let held = workers.take(&Control::default()).unwrap();
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let control = Control::new(Some(&token));
            let workers = &workers;
            let waiting = scope.spawn(move || workers.take(&control).map(|_| ()));
            token.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        });
        assert_eq!(workers.permits.waiting(), 0);
        drop(held);
        workers.take(&Control::default()).unwrap();
    }
}
