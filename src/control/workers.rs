//! Permits for the threads that move data, and the memory that these may hold.
//!
//! There is no pool: a transfer takes a permit, starts a scoped thread for one part, and the permit
//! is given back when that part ends. So there are never more such threads than permits, however
//! many transfers run, and their parts take turns in the order in which they asked. Who holds a
//! permit never waits for another one, hence nothing can lock up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::control::Control;
use crate::control::memory::Memory;
use crate::error::Result;

/// How often one who waits looks whether its call was cancelled.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The permits of one `B2Api`.
#[derive(Debug)]
pub(crate) struct Workers {
    limit: AtomicUsize,
    memory: Memory,
    queue: Mutex<Queue>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    taken: usize,
    waiting: VecDeque<u64>,
    next: u64,
}

/// The right to run one thread; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Workers);

impl Workers {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit.max(1)),
            memory: Memory::new(None),
            queue: Mutex::default(),
            turn: Condvar::new(),
        }
    }

    /// The same with this much memory.
    pub(crate) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::SeqCst)
    }

    /// Sets another limit. Who has a permit keeps it.
    pub(crate) fn set_limit(&self, limit: usize) {
        // Under the lock, so that nobody looks just before and waits just after.
        let _queue = self.lock();
        self.limit.store(limit.max(1), Ordering::SeqCst);
        self.turn.notify_all();
    }

    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Waits for its turn.
    pub(crate) fn take(&self, control: &Control) -> Result<Permit<'_>> {
        let mut queue = self.lock();
        let own = queue.next;
        queue.next += 1;
        queue.waiting.push_back(own);
        while queue.taken >= self.limit() || queue.waiting.front() != Some(&own) {
            self.turn.wait_for(&mut queue, LOOK_UP);
            if let Err(cancelled) = control.check() {
                queue.waiting.retain(|waiting| *waiting != own);
                self.turn.notify_all();
                return Err(cancelled);
            }
        }
        queue.waiting.pop_front();
        queue.taken += 1;
        self.turn.notify_all();
        Ok(Permit(self))
    }

    /// Takes a permit if there is one now and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Permit<'_>> {
        let mut queue = self.lock();
        if queue.taken >= self.limit() || !queue.waiting.is_empty() {
            return None;
        }
        queue.taken += 1;
        Some(Permit(self))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.turn.notify_all();
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
        drop(held);
        workers.take(&Control::default()).unwrap();
    }
}
