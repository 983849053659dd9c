//! Caches, whose memory is given up as soon as a transfer waits for memory.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// A cache that holds memory which nobody needs.
pub(crate) trait Reclaim: Send + Sync {
    /// Drops what is cached. It must not wait for memory.
    fn reclaim(&self);
}

/// The caches that borrow from one `Memory`.
#[derive(Default)]
pub(crate) struct Caches {
    all: Mutex<Vec<Weak<dyn Reclaim>>>,
    /// How many transfers wait for memory.
    waiting: AtomicUsize,
}

/// A transfer that waits for memory.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Caches);

impl Caches {
    pub(crate) fn add(&self, cache: &Arc<dyn Reclaim>) {
        let mut all = self.all.lock();
        all.retain(|cache| cache.strong_count() > 0);
        all.push(Arc::downgrade(cache));
    }

    /// Whether a transfer waits for memory, so that nothing more may be cached.
    pub(crate) fn are_unwelcome(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A transfer begins to wait. From now on nothing is cached, and what is cached already is dropped.
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
