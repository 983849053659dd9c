//! Lets one thread act while others that want the same result wait for it.
//!
//! A caller that finds nobody acting acts itself. A caller that finds somebody acting waits until
//! that one is done. If it failed, and was about the same subject, the waiting caller fails with
//! the same error; otherwise it starts again, and its own action first looks whether there is
//! anything left to do. Waiting callers are served one at a time.
//!
//! A cancelled token ends only the wait of its own caller. If the acting thread is cancelled or
//! panics, the next caller takes its place.
//!
//! | the acting caller | the waiting callers |
//! | --- | --- |
//! | succeeds | start again one at a time; their own action finds that nothing is left to do |
//! | fails, and they want the same subject | fail with a copy of its error |
//! | fails, and they want another subject | start again one at a time |
//! | is cancelled | start again: `Cancelled` is its own affair and is not copied |
//! | panics | start again |

use std::sync::Arc;

use super::cancel::{CancelToken, Subscription};
use super::sync::{Condvar, Mutex};
use crate::error::{Error, Result};

/// The callers that do one kind of thing about subjects of type `S`, such as expired tokens.
#[derive(Debug)]
pub(crate) struct SingleFlight<S>(Arc<Shared<S>>);

/// What the callers share, also with the callbacks of their tokens.
#[derive(Debug)]
struct Shared<S> {
    state: Mutex<State<S>>,
    /// Wakes waiting callers when the acting one is done.
    landed: Condvar,
}

/// Who acts at the moment, and how the last one fared.
#[derive(Debug)]
struct State<S> {
    /// The subject of the thread that acts; `None` if nobody acts.
    subject: Option<S>,
    /// The number of actions that ended, by which a waiting caller recognizes the end of the one
    /// that it waits for.
    landings: u64,
    /// The subject and the error of the last action, if it failed.
    failure: Option<(S, Error)>,
}

impl<S> Default for SingleFlight<S> {
    fn default() -> Self {
        let state = Mutex::new(State {
            subject: None,
            landings: 0,
            failure: None,
        });
        Self(Arc::new(Shared {
            state,
            landed: Condvar::new(),
        }))
    }
}

impl<S: PartialEq + Send + 'static> SingleFlight<S> {
    /// Runs `act`, unless an action about the same subject fails while this caller waits for it;
    /// then that error is returned.
    ///
    /// `act` must first check whether its work was already done, because another caller may have
    /// done it. Fails with `Cancelled` if a token is cancelled while the caller waits.
    pub(crate) fn run<'t>(
        &self,
        tokens: impl IntoIterator<Item = &'t CancelToken>,
        subject: S,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let tokens: Vec<_> = tokens.into_iter().collect();
        self.take_off(&tokens, subject)?;
        let mut landing = Landing {
            shared: &self.0,
            failure: None,
        };
        let outcome = act();
        landing.failure = outcome.as_ref().err().and_then(Error::duplicate);
        outcome
    }

    /// Waits until nobody acts, and registers this caller as the one that does.
    fn take_off(&self, tokens: &[&CancelToken], subject: S) -> Result<()> {
        let mut state = self.0.state.lock();
        let mut wakers = Vec::new();
        while state.subject.is_some() {
            if wakers.is_empty() {
                wakers.extend(tokens.iter().map(|token| self.wake_by(token)));
            }
            let awaited = state.landings;
            while state.subject.is_some() && state.landings == awaited {
                if tokens.iter().any(|token| token.is_cancelled()) {
                    return Err(Error::Cancelled);
                }
                self.0.landed.wait(&mut state);
            }
            let failure = state.failure.as_ref();
            let shared = failure.filter(|(about, _)| *about == subject);
            if let Some(failure) = shared.and_then(|(_, error)| error.duplicate()) {
                return Err(failure);
            }
        }
        state.subject = Some(subject);
        Ok(())
    }

    /// Makes a cancelled token wake its caller.
    fn wake_by(&self, token: &CancelToken) -> Subscription {
        let shared = Arc::clone(&self.0);
        token.on_cancel(move || {
            // The lock ensures that a caller either waits already or has yet to check its token.
            let _state = shared.state.lock();
            shared.landed.notify_all();
        })
    }
}

/// Ends the action when dropped, also if the acting thread panics.
struct Landing<'a, S> {
    /// Where the outcome goes.
    shared: &'a Shared<S>,
    /// How the action failed, if it did.
    failure: Option<Error>,
}

impl<S> Drop for Landing<'_, S> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.failure = state.subject.take().zip(self.failure.take());
        state.landings += 1;
        self.shared.landed.notify_all();
    }
}
