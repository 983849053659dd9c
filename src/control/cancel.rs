//! Cancelling calls from another thread.
//!
//! A token is asked before each request, at every read of a body and inside every back-off; and it
//! interrupts what hangs on it: the HTTP layer attaches the connections of the calls that run
//! under it, so that `cancel` breaks blocked input and output at once. A name lookup and the
//! connecting that follows it cannot be interrupted; they are bounded by their own limits.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering};
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
    callbacks: BTreeMap<u64, Callback>,
    next_callback: u64,
}

type Callback = Arc<dyn Fn() + Send + Sync>;

/// What somebody keeps with a token.
pub(crate) trait Attachment: Any + Send + Sync {
    /// The token is cancelled.
    fn interrupt(&self);

    /// Whether nobody but the token knows it any more.
    fn is_abandoned(&self) -> bool;
}

struct Attached {
    owner: usize,
    attachment: Arc<dyn Attachment>,
}

/// A callback that `cancel` runs; removed when dropped.
pub(crate) struct Subscription {
    token: Arc<Inner>,
    number: u64,
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

    /// Runs `callback` when the token is cancelled, on the thread that cancels it and without any lock
    /// of the token, until the subscription is dropped. A token that is cancelled already does not run
    /// it: whoever subscribes asks the token afterwards.
    pub(crate) fn on_cancel(&self, callback: impl Fn() + Send + Sync + 'static) -> Subscription {
        let mut state = self.0.lock();
        let number = state.next_callback;
        state.next_callback += 1;
        state.callbacks.insert(number, Arc::new(callback));
        Subscription {
            token: Arc::clone(&self.0),
            number,
        }
    }

    /// What `owner` keeps with this token: made at the first call, interrupted by `cancel`, dropped
    /// with the token or once it is abandoned.
    pub(crate) fn attach<T: Attachment>(
        &self,
        owner: usize,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut state = self.0.lock();
        let known = state.attached.iter().find(|known| known.owner == owner);
        if let Some(known) = known {
            let any: Arc<dyn Any + Send + Sync> = Arc::<dyn Attachment>::clone(&known.attachment);
            if let Ok(known) = any.downcast() {
                return Ok(known);
            }
        }
        state
            .attached
            .retain(|known| !known.attachment.is_abandoned());
        let attachment = Arc::new(make()?);
        if self.is_cancelled() {
            attachment.interrupt();
        }
        state.attached.push(Attached {
            owner,
            attachment: Arc::<T>::clone(&attachment),
        });
        Ok(attachment)
    }
}

impl Inner {
    fn cancel(&self) {
        let (attached, callbacks, children) = {
            // Set under the lock, so that nobody starts to wait between our setting and our waking.
            let state = self.lock();
            if self.cancelled.swap(true, Ordering::SeqCst) {
                return;
            }
            self.wake.notify_all();
            let attached = state.attached.iter();
            let attached: Vec<_> = attached
                .map(|known| Arc::clone(&known.attachment))
                .collect();
            let callbacks: Vec<_> = state.callbacks.values().map(Arc::clone).collect();
            (attached, callbacks, state.children.clone())
        };
        for attachment in attached {
            attachment.interrupt();
        }
        for callback in callbacks {
            callback();
        }
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let removed = self.token.lock().callbacks.remove(&self.number);
        // Without the lock: what the callback owns may own this token.
        drop(removed);
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
