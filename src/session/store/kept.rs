//! The token that a store did not accept, and the authorization that was read last: what a session goes
//! on with while its store is away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{GRACE, OFFER_PAUSE, Store};
use crate::account_info::{AuthSnapshot, Generation};
use crate::error::StoreError;

/// A token that the store did not accept.
#[derive(Debug)]
pub(super) struct KeptToken {
    /// The authorization that is used in place of the stored one.
    pub(super) snapshot: Arc<AuthSnapshot>,
    /// What the store held when the token was kept; as long as it holds that, the token is newer.
    pub(super) replaces: Replaced,
    /// When the token was last offered to the store, by the clock's `elapsed`.
    pub(super) offered: Duration,
}

impl KeptToken {
    /// Whether this authorization is still what the token replaces.
    ///
    /// Of two tokens of unknown order the stored one wins, because it was written by somebody who
    /// could reach the store.
    pub(super) fn is_newer_than(&self, stored: &AuthSnapshot) -> bool {
        match &self.replaces {
            Replaced::Known(generation) => Some(stored.generation()) == *generation,
            // A stored token of the same identity may be newer; one of another identity was there
            // before and was replaced on purpose.
            Replaced::Unknown => stored.identity() != self.snapshot.identity(),
        }
    }
}

/// What was in the store when a token was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// The authorization of this generation, or none.
    Known(Option<Generation>),
    /// The store could not be read, and nothing was read from it before.
    Unknown,
}

/// What the session remembers for the time when its store fails.
impl Store {
    /// Returns what the store holds, or the kept token if that is newer. Offers the kept token to
    /// the store if it was not offered recently, and drops it once the store has it or has
    /// something newer.
    ///
    /// Called for every reading of the authorization. Without a kept token it costs one atomic
    /// load. With one it may cost a question whether somebody logged out, and every 10 seconds an
    /// attempt to store the token; other threads that read at that moment wait for both.
    pub(super) fn merge(
        &self,
        stored: Option<Arc<AuthSnapshot>>,
    ) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        if !self.keeps.load(Ordering::Acquire) {
            return Ok(stored);
        }
        let mut kept = self.kept.lock();
        let Some(own) = &mut *kept else {
            return Ok(stored);
        };
        let is_behind = match &stored {
            None => match self.info.is_logged_out() {
                // It went away just now. Until it answers, the token serves.
                Err(error) if error.is_unavailable() => return Ok(Some(Arc::clone(&own.snapshot))),
                logged_out => !logged_out?,
            },
            Some(stored) => own.is_newer_than(stored),
        };
        if !is_behind {
            self.forget_kept(&mut kept);
            return Ok(stored);
        }
        let snapshot = Arc::clone(&own.snapshot);
        let now = self.clock.elapsed();
        if now.saturating_sub(own.offered) >= OFFER_PAUSE {
            own.offered = now;
            if self.info.save_auth(snapshot.auth().clone(), None).is_ok() {
                self.forget_kept(&mut kept);
            }
        }
        Ok(Some(snapshot))
    }

    /// Whether the store holds what the kept token replaces. Then it refuses a ticket that names the
    /// kept token's identity, although nobody else has replaced anything.
    ///
    /// Without a kept token, or if the store cannot be read, the refusal is taken as it is.
    pub(super) fn is_behind_kept(&self) -> bool {
        let kept = self.kept.lock();
        let stored = self.info.auth().ok().flatten();
        let both = kept.as_ref().zip(stored);
        both.is_some_and(|(kept, stored)| kept.is_newer_than(&stored))
    }

    /// Drops the kept token.
    ///
    /// The caller holds the lock and passes what it protects, so that the flag and the token change
    /// together for all who take the lock.
    pub(super) fn forget_kept(&self, kept: &mut Option<KeptToken>) {
        *kept = None;
        self.keeps.store(false, Ordering::Release);
    }

    /// The kept token, if there is one.
    ///
    /// Nothing is asked of the store.
    pub(super) fn kept_snapshot(&self) -> Option<Arc<AuthSnapshot>> {
        if !self.keeps.load(Ordering::Acquire) {
            return None;
        }
        let kept = self.kept.lock();
        kept.as_ref().map(|kept| Arc::clone(&kept.snapshot))
    }

    /// Keeps a token that the store did not accept, in place of one that may be kept already.
    ///
    /// What the store holds is read once more here, because the token counts only as long as the
    /// store still holds that. If it cannot be read, what was read last is assumed.
    pub(super) fn keep(&self, snapshot: &Arc<AuthSnapshot>) {
        let mut kept = self.kept.lock();
        let replaces = match kept.take() {
            // What the store holds is older than both.
            Some(older) => older.replaces,
            None => match self.info.auth() {
                Ok(stored) => Replaced::Known(stored.map(|stored| stored.generation())),
                Err(_) => match &*self.last.lock() {
                    Some((last, _)) => Replaced::Known(Some(last.generation())),
                    None => Replaced::Unknown,
                },
            },
        };
        *kept = Some(KeptToken {
            snapshot: Arc::clone(snapshot),
            replaces,
            offered: self.clock.elapsed(),
        });
        self.keeps.store(true, Ordering::Release);
    }

    /// Remembers the authorization that was read, for when the store cannot be read.
    ///
    /// `None` makes the session forget, so that a logout is not outlived by what was read before.
    pub(super) fn note_read(&self, stored: Option<&Arc<AuthSnapshot>>) {
        let now = self.clock.elapsed();
        *self.last.lock() = stored.map(|stored| (Arc::clone(stored), now));
    }

    /// The authorization that was read last, unless that was longer ago than [`GRACE`].
    pub(super) fn last_snapshot(&self) -> Option<Arc<AuthSnapshot>> {
        let last = self.last.lock();
        let (snapshot, read) = last.as_ref()?;
        let is_recent = self.clock.elapsed().saturating_sub(*read) < GRACE;
        is_recent.then(|| Arc::clone(snapshot))
    }
}
