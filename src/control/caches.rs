//! Caches that give their memory back as soon as a transfer waits for some.
//!
//! A cache borrows from the memory limit of its `B2Api` only what is free (`Memory::try_borrow`).
//! When a transfer has to wait for memory, all caches are asked to drop what they hold, and none
//! borrows anything until the transfer has its memory. So a cache can delay a transfer by no more
//! than the time of dropping its content.
//!
//! | moment | caches | the transfer |
//! | --- | --- | --- |
//! | memory is free | borrow it | |
//! | a transfer asks for more than is free | are emptied, on the transfer's thread | waits in the queue |
//! | it waits | borrow nothing; what they read is not kept | |
//! | it has its memory, or is cancelled | may borrow again | goes on |

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// A cache whose content can be dropped at any time.
pub(crate) trait Reclaim: Send + Sync {
    /// Drops what is cached. It is called from the thread of a transfer, and must not wait for
    /// memory.
    fn reclaim(&self);
}

/// The caches that borrow from one `Memory`.
#[derive(Default)]
pub(crate) struct Caches {
    /// The caches, which others own. Those that were dropped are removed when one is added.
    all: Mutex<Vec<Weak<dyn Reclaim>>>,
    /// The number of transfers that wait for memory.
    waiting: AtomicUsize,
}

/// A transfer that waits for memory. Caches may borrow again when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Caches);

impl Caches {
    /// Registers a cache. It is forgotten when its owner drops it.
    pub(crate) fn add(&self, cache: &Arc<dyn Reclaim>) {
        let mut all = self.all.lock();
        all.retain(|cache| cache.strong_count() > 0);
        all.push(Arc::downgrade(cache));
    }

    /// Whether a transfer waits for memory, so that nothing may be cached.
    pub(crate) fn are_unwelcome(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Notes that a transfer begins to wait, and makes all caches drop their content. Nothing is
    /// cached until the returned value is dropped.
    pub(crate) fn give_way(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(self);
        let all: Vec<_> = self.all.lock().iter().filter_map(Weak::upgrade).collect();
        for cache in all {
            cache.reclaim();
        }
        waiting
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::Reclaim;
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::control::memory::{Loan, Memory};
    use crate::error::Error;

    #[derive(Default)]
    struct Cache(Mutex<Vec<Loan>>);

    impl Reclaim for Cache {
        fn reclaim(&self) {
            self.0.lock().clear();
        }
    }

    #[test]
    fn a_cache_takes_what_is_free_and_gives_it_to_who_waits() {
        let memory = Memory::new(Some(10));
        let cache = Arc::new(Cache::default());
        memory
            .caches()
            .add(&(Arc::clone(&cache) as Arc<dyn Reclaim>));
        let fill = || cache.0.lock().extend(memory.try_borrow(4));
        (0..3).for_each(|_| fill());
        assert_eq!((cache.0.lock().len(), memory.lent()), (2, 8));
        let loan = memory.borrow(10, &Control::default()).unwrap();
        assert_eq!(memory.lent(), 10);
        fill();
        assert_eq!(cache.0.lock().len(), 0);
        drop(loan);
        fill();
        assert_eq!(cache.0.lock().len(), 1);
    }

    #[test]
    fn nothing_is_cached_while_a_transfer_waits() {
        let memory = Memory::new(Some(10));
        let held = memory.borrow(5, &Control::default()).unwrap();
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let (control, memory) = (Control::new(Some(&token)), &memory);
            let waiting = scope.spawn(move || memory.borrow(10, &control).map(|_| ()));
            while memory.try_borrow(1).is_some() {
                std::thread::yield_now();
            }
            token.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        });
        assert!(memory.try_borrow(5).is_some());
        drop(held);
    }
}
