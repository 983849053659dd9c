//! Permits for the threads that move data, and the memory that these may hold.
//!
//! There is no pool: a transfer takes a permit, starts a scoped thread for one part, and the permit
//! is given back when that part ends. So there are never more such threads than permits, however
//! many transfers run, and their parts take turns in the order in which they asked. Who holds a
//! permit never waits for another one, hence nothing can lock up.

use crate::control::Control;
use crate::control::memory::Memory;
use crate::control::progress::is_reporting;
use crate::control::semaphore::Semaphore;
use crate::error::{Error, Result};

/// The permits of one `B2Api`.
#[derive(Debug)]
pub(crate) struct Workers {
    permits: Semaphore,
    memory: Memory,
}

/// The right to run one thread; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Workers);

impl Workers {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            permits: Semaphore::new(limit.max(1) as u64),
            memory: Memory::new(None),
        }
    }

    /// Gives these workers this much memory.
    pub(crate) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.permits.limit()).unwrap_or(usize::MAX)
    }

    /// Sets another limit. Permits that are taken stay valid.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.permits.set_limit(limit.max(1) as u64);
    }

    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Waits for its turn.
    pub(crate) fn take(&self, control: &Control) -> Result<Permit<'_>> {
        if is_reporting() && self.permits.taken() >= self.permits.limit() {
            let reason = "a receiver must not start transfers, which may wait for the one that it is told of";
            return Err(Error::invalid_input("progress", reason));
        }
        self.permits.acquire(1, control.tokens())?;
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

    use super::Workers;
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
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
