//! Cancelling calls from another thread.
//!
//! A token is asked before each request, at every read of a body and inside every back-off; and it
//! interrupts what hangs on it: the HTTP layer attaches the connections of the calls that run
//! under it, so that `cancel` breaks blocked input and output at once. A name lookup and the
//! connecting that follows it cannot be interrupted; they are bounded by their own limits.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::Result;

/// Cancels the calls that were given it. Clones cancel the same calls.
///
/// ```
/// use b2sdk::CancelToken;
///
/// let token = CancelToken::new();
/// let part = token.child();
/// part.cancel();
/// assert!(part.is_cancelled() && !token.is_cancelled());
/// token.cancel();
/// assert!(token.child().is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
    /// Keeps the parents alive, so that their cancelling reaches us.
    _parents: Vec<Arc<Inner>>,
}

#[derive(Default)]
struct State {
    children: Vec<Weak<Inner>>,
    attached: Vec<Attached>,
}

struct Attached {
    owner: usize,
    resource: Arc<dyn Any + Send + Sync>,
    interrupt: Arc<dyn Fn() + Send + Sync>,
}

impl CancelToken {
    /// A token of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled without it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::under(&[self])
    }

    /// A token that is cancelled with the first of these.
    pub(crate) fn either(one: &Self, other: &Self) -> Self {
        Self::under(&[one, other])
    }

    fn under(parents: &[&Self]) -> Self {
        let child = Arc::new(Inner {
            _parents: parents.iter().map(|parent| Arc::clone(&parent.0)).collect(),
            ..Inner::default()
        });
        for parent in parents {
            {
                let mut state = parent.0.lock();
                state.children.retain(|weak| weak.strong_count() > 0);
                state.children.push(Arc::downgrade(&child));
            }
            if parent.is_cancelled() {
                child.cancel();
            }
        }
        Self(child)
    }

    /// Cancels the calls under this token and its children, for good.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits for this long, or until it is cancelled.
    pub(crate) fn wait(&self, duration: Duration) {
        let mut state = self.0.lock();
        self.0
            .wake
            .wait_while_for(&mut state, |_| !self.is_cancelled(), duration);
    }

    /// What `owner` keeps with this token: made at the first call, interrupted by `cancel`, dropped
    /// with the token.
    pub(crate) fn resource<T: Any + Send + Sync>(
        &self,
        owner: usize,
        make: impl FnOnce() -> Result<T>,
        interrupt: impl Fn(&T) + Send + Sync + 'static,
    ) -> Result<Arc<T>> {
        let mut state = self.0.lock();
        let known = state
            .attached
            .iter()
            .find(|attached| attached.owner == owner);
        if let Some(known) =
            known.and_then(|attached| Arc::clone(&attached.resource).downcast::<T>().ok())
        {
            return Ok(known);
        }
        let resource = Arc::new(make()?);
        let held = Arc::clone(&resource);
        let interrupt = Arc::new(move || interrupt(&held));
        if self.is_cancelled() {
            interrupt();
        }
        let any = Arc::clone(&resource) as Arc<dyn Any + Send + Sync>;
        state.attached.push(Attached {
            owner,
            resource: any,
            interrupt,
        });
        Ok(resource)
    }
}

impl Inner {
    fn cancel(&self) {
        let (interrupts, children) = {
            // Set under the lock, so that nobody starts to wait between our setting and our waking.
            let state = self.lock();
            if self.cancelled.swap(true, Ordering::SeqCst) {
                return;
            }
            self.wake.notify_all();
            let interrupts: Vec<_> = state
                .attached
                .iter()
                .map(|attached| Arc::clone(&attached.interrupt))
                .collect();
            (interrupts, state.children.clone())
        };
        for interrupt in interrupts {
            interrupt();
        }
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::CancelToken;

    #[test]
    fn cancelling_wakes_a_waiter() {
        let token = CancelToken::new();
        let waiter = token.child();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || waiter.wait(Duration::from_secs(3600)));
            token.cancel();
            waiting.join().unwrap();
        });
    }

    #[test]
    fn either_of_two_cancels_what_is_under_both() {
        for nth in 0..2 {
            let parents = [CancelToken::new(), CancelToken::new()];
            let [one, other] = &parents;
            let before = CancelToken::either(one, other);
            assert!(!before.is_cancelled());
            parents[nth].cancel();
            assert!(before.is_cancelled());
            assert!(CancelToken::either(one, other).is_cancelled());
            assert!(!parents[1 - nth].is_cancelled());
        }
    }

    #[test]
    fn what_is_attached_is_made_once_and_interrupted_once() {
        let token = CancelToken::new();
        let interrupted = Arc::new(AtomicU32::new(0));
        let attach = |owner: usize| {
            let interrupted = Arc::clone(&interrupted);
            token
                .resource(
                    owner,
                    || Ok(owner),
                    move |_| _ = interrupted.fetch_add(1, Ordering::SeqCst),
                )
                .unwrap()
        };
        assert!(Arc::ptr_eq(&attach(1), &attach(1)));
        assert_eq!(*attach(2), 2);
        token.cancel();
        token.cancel();
        assert_eq!(interrupted.load(Ordering::SeqCst), 2);
        let _late = attach(3);
        assert_eq!(
            interrupted.load(Ordering::SeqCst),
            3,
            "attached to a cancelled token"
        );
    }
}
