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
        let _one_at_a_time = self
            .authorizing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
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
                &credentials,
                &control,
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
        self.flight.run(control, || {
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

/// Lets one thread act and the others have its outcome.
#[derive(Debug, Default)]
pub(super) struct SingleFlight {
    state: Mutex<Flight>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct Flight {
    in_the_air: bool,
    /// Counts landings, so that a waiter recognizes the one it waited for.
    landings: u64,
    failure: Option<Error>,
}

impl SingleFlight {
    fn run(&self, control: &Control, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut flight = self.lock();
        while flight.in_the_air {
            let awaited = flight.landings;
            while flight.in_the_air && flight.landings == awaited {
                // A waiter looks up now and then, because its own call may be cancelled.
                flight = self
                    .landed
                    .wait_timeout(flight, POLL)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                control.check()?;
            }
            if let Some(failure) = flight.failure.as_ref().and_then(Error::duplicate) {
                return Err(failure);
            }
        }
        flight.in_the_air = true;
        drop(flight);
        let landing = Landing(self, None);
        let outcome = act();
        landing.with(&outcome);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Flight> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the flight also when the acting thread panics.
struct Landing<'a>(&'a SingleFlight, Option<Error>);

impl Landing<'_> {
    fn with(mut self, outcome: &Result<()>) {
        self.1 = outcome.as_ref().err().and_then(Error::duplicate);
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flight = self.0.lock();
        flight.in_the_air = false;
        flight.landings += 1;
        flight.failure = self.1.take();
        self.0.landed.notify_all();
    }
}
