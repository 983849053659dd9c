//! How much memory all transfers of one `B2Api` together may hold for content.
//!
//! A transfer borrows the size of a buffer before it allocates it, and gives it back with the buffer;
//! others wait, in the order in which they came. Nobody waits for memory while holding a worker's
//! permit, nor for a second buffer while holding one that is not being sent: whoever holds memory gives
//! it back without anybody else's help, so there is no deadlock. Caches hold memory that nobody needs;
//! they never wait for it, and give it back as soon as a transfer waits (`caches`).

use std::sync::Arc;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::caches::Caches;
use crate::control::semaphore::Semaphore;
use crate::error::{Error, Result};

/// The memory of one `B2Api`. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    limit: Option<u64>,
    bytes: Semaphore,
    caches: Arc<Caches>,
    /// The bytes that open writers keep room for.
    reserved: Arc<Mutex<u64>>,
}

/// Memory that was borrowed; given back when dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    memory: Memory,
    bytes: u64,
}

/// Room for what a writer borrows for as long as its caller likes.
///
/// A writer holds a buffer that its caller has not filled yet, and a program may write into several of them
/// in turn: if all of these buffers did not fit at the same time, the program would wait for itself.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            bytes: Semaphore::new(limit.unwrap_or(u64::MAX)),
            caches: Arc::default(),
            reserved: Arc::default(),
        }
    }

    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// How much is lent at the moment, in bytes.
    pub(crate) fn lent(&self) -> u64 {
        self.bytes.taken()
    }

    /// Fails if `bytes` exceeds the limit, so that no waiting would help.
    pub(crate) fn check(&self, bytes: u64) -> Result<()> {
        match self.limit {
            Some(limit) if bytes > limit => {
                let reason = format!("{bytes} bytes are needed at once, and {limit} is the limit");
                Err(Error::invalid_input("memory_limit", reason))
            }
            _ => Ok(()),
        }
    }

    /// Borrows that many bytes, as soon as they are there.
    pub(crate) fn borrow(&self, bytes: u64, control: &Control) -> Result<Loan> {
        self.check(bytes)?;
        if !self.bytes.try_acquire(bytes) {
            let _waiting = self.caches.give_way();
            self.bytes.acquire(bytes, control.tokens())?;
        }
        Ok(self.lend(bytes))
    }

    /// Borrows that many bytes for a cache, if they are free and no transfer waits for memory.
    pub(crate) fn try_borrow(&self, bytes: u64) -> Option<Loan> {
        let is_free = !self.caches.are_unwelcome() && self.bytes.try_acquire(bytes);
        is_free.then(|| self.lend(bytes))
    }

    /// Keeps room for that many bytes; fails if open writers leave too little. Nothing is borrowed.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let mut reserved = self.reserved.lock();
        let wanted = reserved.saturating_add(bytes);
        if let Some(limit) = self.limit.filter(|limit| wanted > *limit) {
            let reason = format!(
                "{bytes} bytes are needed for this writer, and those that are open need {reserved} of {limit}"
            );
            return Err(Error::invalid_input("memory_limit", reason));
        }
        *reserved = wanted;
        Ok(Reservation {
            memory: self.clone(),
            bytes,
        })
    }

    /// The caches that borrow from it.
    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// A loan of bytes that were acquired.
    fn lend(&self, bytes: u64) -> Loan {
        Loan {
            memory: self.clone(),
            bytes,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.memory.reserved.lock() -= self.bytes;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.memory.bytes.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Memory;
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::error::Error;

    proptest! {
        #[test]
        fn never_more_is_lent_than_there_is(
            limit in 1..1000_u64,
            wishes in prop::collection::vec((any::<u64>(), any::<bool>()), 1..50),
        ) {
            let memory = Memory::new(Some(limit));
            let (mut loans, mut lent) = (Vec::new(), 0);
            for (wish, give_back) in wishes {
                if give_back {
                    lent -= loans.pop().map_or(0, |(bytes, _)| bytes);
                }
                // A wish that would have to wait is not for a single thread.
                let bytes = wish % (limit - lent + 1);
                loans.push((bytes, memory.borrow(bytes, &Control::default()).unwrap()));
                lent += bytes;
                assert_eq!(memory.lent(), lent);
            }
            drop(loans);
            assert_eq!(memory.lent(), 0);
        }
    }

    #[test]
    fn many_threads_stay_below_the_limit_and_all_get_their_turn() {
        let memory = Memory::new(Some(10));
        std::thread::scope(|scope| {
            for n in 0..50 {
                let memory = &memory;
                scope.spawn(move || {
                    let loan = memory.borrow(n % 10 + 1, &Control::default()).unwrap();
                    assert!(memory.lent() <= 10);
                    std::thread::yield_now();
                    drop(loan);
                });
            }
        });
        assert_eq!(memory.lent(), 0);
    }

    #[test]
    fn more_than_there_ever_is_is_an_error_at_once() {
        let error = Memory::new(Some(10)).borrow(11, &Control::default());
        assert!(matches!(
            error,
            Err(Error::InvalidInput {
                what: "memory_limit",
                ..
            })
        ));
        assert!(
            Memory::new(None)
                .borrow(u64::MAX, &Control::default())
                .is_ok()
        );
    }

    #[test]
    fn who_is_cancelled_while_waiting_leaves_the_queue() {
        let memory = Memory::new(Some(10));
        let held = memory.borrow(10, &Control::default()).unwrap();
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let control = Control::new(Some(&token));
            let memory = &memory;
            let waiting = scope.spawn(move || memory.borrow(1, &control).map(|_| ()));
            token.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        });
        drop(held);
        memory.borrow(10, &Control::default()).unwrap();
    }
}
