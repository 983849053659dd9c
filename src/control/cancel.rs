//! Cancels calls from another thread.
//!
//! A token is checked before each request, at every read of a body and during every pause. It also
//! interrupts what is attached to it: the HTTP layer attaches the connections of the calls that run
//! under a token, so that [`CancelToken::cancel`] ends blocked input and output at once. A name
//! lookup and the connecting after it cannot be interrupted; they end with their own time limits
//! ([`Timeouts`](crate::Timeouts)).
//!
//! Cancelling happens in this order: the flag is set and waiting threads are woken, connections are
//! interrupted, callbacks run, children are cancelled. It happens once, and there is no way back.
//!
//! Locks: one mutex for each token. Cancelling does not hold it while it interrupts attachments, runs
//! callbacks or cancels children, because these may lock the same token. A parent holds its children
//! weakly and a child holds its parents strongly, so a token that nobody uses is freed although its
//! parent lives on.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering};
use crate::error::Result;

/// Cancels the calls that it was given to. A clone is the same token and cancels the same calls.
///
/// A cancelled call fails with [`Error::Cancelled`](crate::Error::Cancelled), usually within
/// milliseconds. A request that was already sent may still take effect at the service, so an upload
/// that is cancelled at its very end may have stored a version. A download to a path that is
/// cancelled leaves the file that was there before as it was.
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
///
/// | what is running | what it leaves when it is cancelled |
/// | --- | --- |
/// | an upload in one request | nothing, or the complete version if all of it was sent already |
/// | an upload in parts | the large file is cancelled too, unless it is to be resumed |
/// | a download to a path | the file that was there before; with `resume`, a partial file beside it |
/// | a listing, a deletion of many | what was done so far |
/// | a pause between attempts, a wait for a permit or for memory | ends at once |
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

/// What the clones of a token share.
#[derive(Default)]
struct Inner {
    /// Whether the token is cancelled. Set under the lock of `state`, read without it.
    cancelled: AtomicBool,
    /// Who has to be told when the token is cancelled.
    state: Mutex<State>,
    /// Wakes the threads that sleep under this token.
    wake: Condvar,
    /// Keeps the parents alive, so that cancelling them reaches this token.
    _parents: Vec<Arc<Inner>>,
}

/// Who has to be told when a token is cancelled.
#[derive(Default)]
struct State {
    /// The tokens that are cancelled with this one, as long as somebody uses them.
    children: Vec<Weak<Inner>>,
    /// What is interrupted, at most one for each owner.
    attached: Vec<Attached>,
    /// What is called, by the number of its subscription, in the order of subscribing.
    callbacks: BTreeMap<u64, Callback>,
    /// The number of the next subscription.
    next_callback: u64,
}

/// What a subscription runs.
type Callback = Arc<dyn Fn() + Send + Sync>;

/// Something that is kept with a token and interrupted when the token is cancelled, such as the
/// connections of a `B2Api`.
pub(crate) trait Attachment: Any + Send + Sync {
    /// Ends whatever is blocked. Called on the thread that cancels the token.
    fn interrupt(&self);

    /// Whether nobody but the token holds it any more, so that the token can drop it.
    fn is_abandoned(&self) -> bool;
}

/// An attachment, and the address of the object that owns it.
struct Attached {
    /// The address of the owner, which is unique as long as the attachment lives.
    owner: usize,
    /// What is interrupted.
    attachment: Arc<dyn Attachment>,
}

/// A callback that runs when the token is cancelled. Dropping it removes the callback.
pub(crate) struct Subscription {
    /// The token that it belongs to.
    token: Arc<Inner>,
    /// Its key among the callbacks.
    number: u64,
}

impl CancelToken {
    /// Creates a token that nothing but its own `cancel` cancels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a token that is cancelled together with this one, and can also be cancelled alone.
    ///
    /// A child of a token that is already cancelled is cancelled from the beginning.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::under(&[self])
    }

    /// Creates a token that is cancelled when one of two others is.
    pub(crate) fn either(one: &Self, other: &Self) -> Self {
        Self::under(&[one, other])
    }

    /// Creates a token below these parents. A parent that is cancelled in between is not missed,
    /// because it is checked again after the child is registered.
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

    /// Cancels the calls that run under this token and its children. It cannot be undone: a call
    /// that is given the token later fails at once. Calling it again has no effect.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::{CancelToken, Error, UploadOptions};
    ///
    /// let token = CancelToken::new();
    /// let options = UploadOptions::new().cancel(&token);
    /// std::thread::scope(|scope| {
    ///     let upload = scope.spawn(|| bucket.upload_stream_with(std::io::repeat(0), "endless", &options));
    ///     token.cancel();
    ///     assert!(matches!(upload.join().unwrap(), Err(Error::Cancelled)));
    /// });
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Returns whether the token, or one of its ancestors, is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits for this time, or until the token is cancelled.
    pub(crate) fn wait(&self, duration: Duration) {
        let mut state = self.0.lock();
        self.0
            .wake
            .wait_while_for(&mut state, |_| !self.is_cancelled(), duration);
    }

    /// Runs `callback` when the token is cancelled, on the thread that cancels it and without a
    /// lock of the token, until the subscription is dropped.
    ///
    /// The callback of a token that is already cancelled does not run. Therefore subscribe first,
    /// then check the token.
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

    /// Returns what `owner` keeps with this token. The first call creates it with `make`. It is
    /// interrupted when the token is cancelled, and dropped with the token or once it is abandoned.
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
    /// Cancels this token, then everything below it. Locks are not held while others are called,
    /// since what they do may use this token.
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

    /// Locks the lists of this token.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let removed = self.token.lock().callbacks.remove(&self.number);
        // The lock must be free here, because the callback may own this token.
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
