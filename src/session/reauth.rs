//! Authorizing, and replacing a token that no longer works: once, however many threads and
//! processes meet it.
//!
//! Among threads the first one that reports a dead token goes ahead and the others wait for its
//! outcome, good or bad. Among processes the store's lease decides (`account_info`). No lock of a
//! store is held while the service is asked.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::account_info::{AuthSnapshot, Generation, Refresh};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::id::ApplicationKeyId;
use crate::model::operation::Operation;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::raw;
use crate::session::{Session, remember};

/// How long one process may take to authorize before another one tries.
const LEASE: Duration = Duration::from_secs(30);
/// How often to look whether another process is done.
const POLL: Duration = Duration::from_millis(20);

/// What it takes to authorize.
struct Credentials<'a> {
    realm: Realm,
    key_id: &'a ApplicationKeyId,
    key: &'a ApplicationKey,
}

impl<'a> Credentials<'a> {
    fn of(auth: &'a AccountAuth) -> Self {
        let AccountAuth {
            realm,
            application_key_id,
            application_key,
            ..
        } = auth;
        Self {
            realm: Realm::from(realm.as_str()),
            key_id: application_key_id,
            key: application_key,
        }
    }

    /// What tells one set of credentials from another.
    fn subject(&self) -> (Realm, ApplicationKeyId, ApplicationKey) {
        (self.realm.clone(), self.key_id.clone(), self.key.clone())
    }

    fn made(&self, auth: &AccountAuth) -> bool {
        auth.realm == self.realm.as_str()
            && auth.application_key_id == *self.key_id
            && auth.application_key == *self.key
    }
}

impl Session {
    /// Authorizes this key, unless the store holds its authorization already; from now on this
    /// session serves only its identity.
    pub(crate) fn authorize(
        &self,
        realm: Realm,
        key_id: &ApplicationKeyId,
        key: &ApplicationKey,
    ) -> Result<()> {
        self.http.check_realm(&realm)?;
        let credentials = Credentials { realm, key_id, key };
        let control = Control::default();
        let subject = Credentials::subject(&credentials);
        self.authorizing.run(&control, subject, || {
            self.authorize_now(&credentials, &control)
        })
    }

    fn authorize_now(&self, credentials: &Credentials<'_>, control: &Control) -> Result<()> {
        loop {
            let stored = self.info.auth()?;
            if let Some(snapshot) = stored
                .as_ref()
                .filter(|snapshot| credentials.made(snapshot.auth()))
            {
                self.pin(snapshot);
                return Ok(());
            }
            if let Some(snapshot) = self.replace(
                stored.as_deref().map(AuthSnapshot::generation),
                credentials,
                control,
            )? {
                self.pin(&snapshot);
                return Ok(());
            }
        }
    }

    /// Asks for a new token with the credentials in the store, whatever the old one is worth.
    pub(crate) fn reauthorize(&self) -> Result<()> {
        let control = Control::default();
        let snapshot = self.current(&control)?;
        self.refresh(&snapshot, &control)
    }

    /// Sees to it that the store no longer holds this authorization but a newer one.
    pub(super) fn refresh(&self, stale: &AuthSnapshot, control: &Control) -> Result<()> {
        self.flight.run(control, stale.generation(), || {
            let replaced = self
                .info
                .auth()?
                .is_none_or(|current| current.generation() != stale.generation());
            if !replaced {
                self.replace(
                    Some(stale.generation()),
                    &Credentials::of(stale.auth()),
                    control,
                )?;
            }
            Ok(())
        })
    }

    fn pin(&self, snapshot: &AuthSnapshot) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(snapshot.identity().clone());
    }

    /// Authorizes if the lease is ours; `None` if somebody else replaced the authorization, or
    /// removed it.
    fn replace(
        &self,
        stale: Option<Generation>,
        credentials: &Credentials<'_>,
        control: &Control,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        loop {
            match self.info.begin_refresh(stale, LEASE)? {
                Refresh::Newer(_) => return Ok(None),
                Refresh::Busy => control.sleep(self.clock(), POLL)?,
                // Whoever logged out meanwhile is not logged in again by a token that expired.
                Refresh::Lease(ticket) if stale.is_some() && ticket.identity().is_none() => {
                    remember("abandoned lease", self.info.abandon_refresh(ticket));
                    return Ok(None);
                }
                Refresh::Lease(ticket) => match self.ask(credentials, control) {
                    Ok(auth) => return Ok(Some(self.info.save_auth(auth, Some(ticket))?)),
                    Err(error) => {
                        remember("abandoned lease", self.info.abandon_refresh(ticket));
                        return Err(error);
                    }
                },
            }
        }
    }

    fn ask(&self, credentials: &Credentials<'_>, control: &Control) -> Result<AccountAuth> {
        let Credentials { realm, key_id, key } = credentials;
        let auth = self
            .attempts(Operation::AuthorizeAccount, control)
            .run(|_| raw::authorize(&self.http, control, realm, key_id, key))?;
        for url in [&auth.api_url, &auth.download_url] {
            self.http
                .check_url(realm, url, Operation::AuthorizeAccount)?;
        }
        Ok(auth)
    }
}

/// Lets one thread act and those that want the same have its outcome.
#[derive(Debug)]
pub(super) struct SingleFlight<S> {
    state: Mutex<Flight<S>>,
    landed: Condvar,
}

#[derive(Debug)]
struct Flight<S> {
    /// What the thread that acts is about.
    subject: Option<S>,
    /// Counts landings, so that a waiter recognizes the one it waited for.
    landings: u64,
    /// How the last one ended, if it ended badly, and what it was about.
    failure: Option<(S, Error)>,
}

impl<S> Default for SingleFlight<S> {
    fn default() -> Self {
        let flight = Flight {
            subject: None,
            landings: 0,
            failure: None,
        };
        Self {
            state: Mutex::new(flight),
            landed: Condvar::new(),
        }
    }
}

impl<S: PartialEq + Clone> SingleFlight<S> {
    fn run(&self, control: &Control, subject: S, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut flight = self.lock();
        while flight.subject.is_some() {
            let awaited = flight.landings;
            while flight.subject.is_some() && flight.landings == awaited {
                // A waiter looks up now and then, because its own call may be cancelled.
                flight = self
                    .landed
                    .wait_timeout(flight, POLL)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                control.check()?;
            }
            let failure = flight
                .failure
                .as_ref()
                .filter(|(about, _)| *about == subject);
            if let Some(failure) = failure.and_then(|(_, error)| error.duplicate()) {
                return Err(failure);
            }
        }
        flight.subject = Some(subject);
        drop(flight);
        let mut landing = Landing {
            of: self,
            failure: None,
        };
        let outcome = act();
        landing.failure = outcome.as_ref().err().and_then(Error::duplicate);
        outcome
    }
}

impl<S> SingleFlight<S> {
    fn lock(&self) -> MutexGuard<'_, Flight<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the flight also when the acting thread panics.
struct Landing<'a, S> {
    of: &'a SingleFlight<S>,
    failure: Option<Error>,
}

impl<S> Drop for Landing<'_, S> {
    fn drop(&mut self) {
        let mut flight = self.of.lock();
        flight.failure = flight.subject.take().zip(self.failure.take());
        flight.landings += 1;
        self.of.landed.notify_all();
    }
}
