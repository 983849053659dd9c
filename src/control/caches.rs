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
