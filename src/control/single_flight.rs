//! Lets one thread act, and those that want the same done share its outcome.
//!
//! Whoever finds nobody acting acts. Whoever finds somebody acting waits until that ends: a failure
//! about the same subject is theirs too, and after anything else they look again, one at a time. A
//! cancelled token ends only the waiting of its own caller; when the one who acts is cancelled or
//! panics, the next one takes its place.

use std::sync::Arc;

use super::cancel::{CancelToken, Subscription};
use super::sync::{Condvar, Mutex};
use crate::error::{Error, Result};

/// What callers of one kind are doing about a subject `S`.
#[derive(Debug)]
pub(crate) struct SingleFlight<S>(Arc<Shared<S>>);

#[derive(Debug)]
struct Shared<S> {
    state: Mutex<State<S>>,
    landed: Condvar,
}

#[derive(Debug)]
struct State<S> {
    /// What the thread that acts is about.
    subject: Option<S>,
    /// Counts landings, so that a waiter recognizes the one it waited for.
    landings: u64,
    /// How the last flight failed, if it did, and what it was about.
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
    /// Runs `act` unless a call about the same subject fails while this one waits for it; then that
    /// failure is returned. `act` has to look first whether what it is about was done already.
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

    /// Waits until nobody acts, and takes the place of whoever does.
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

    fn wake_by(&self, token: &CancelToken) -> Subscription {
        let shared = Arc::clone(&self.0);
        token.on_cancel(move || {
            // Under the lock: a caller either waits already or has yet to ask its token.
            let _state = shared.state.lock();
            shared.landed.notify_all();
        })
    }
}

/// Ends the flight, also when the acting thread panics.
struct Landing<'a, S> {
    shared: &'a Shared<S>,
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
