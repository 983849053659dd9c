//! Authorizing, and replacing a token that no longer works: once, however many threads and
//! processes meet it.
//!
//! Among threads the first one that reports a dead token goes ahead and the others wait for its
//! outcome, good or bad. Among processes the store's lease decides (`account_info`). No lock of a
//! store is held while the service is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::account_info::{AccountInfo as _, AuthSnapshot, Generation, Refresh, RefreshTicket};
use crate::control::Control;
use crate::control::clock::jitter;
use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::id::AccountId;
use crate::model::operation::Operation;
use crate::raw;
use crate::session::credentials::Credentials;
use crate::session::retry::Step;
use crate::session::{Session, log_store_failure};

/// How long one process may take to authorize before another one tries.
const LEASE: Duration = Duration::from_secs(30);
/// How long to wait at first before looking whether another process is done; twice as long each time,
/// up to the longest wait, and spread, so that a fleet does not ask its store all at once.
const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_secs(1);
/// How long a key that was refused is not sent again.
const REFUSAL_MEMORY: Duration = Duration::from_secs(60);

impl Session {
    /// Authorizes this key, unless the store holds its authorization already; from now on this
    /// session serves only its identity.
    pub(crate) fn authorize(&self, credentials: Credentials, control: &Control) -> Result<()> {
        self.authorize_credentials(&credentials, control)?;
        self.provided.forget();
        *self.by_hand.lock() = Some(credentials);
        Ok(())
    }

    /// The same, whoever named the key.
    pub(super) fn authorize_credentials(
        &self,
        credentials: &Credentials,
        control: &Control,
    ) -> Result<()> {
        self.http.check_realm(&credentials.realm)?;
        credentials.check()?;
        self.authorizing
            .run(control.tokens(), credentials.clone(), || {
                self.authorize_now(credentials, control)
            })
    }

    fn authorize_now(&self, credentials: &Credentials, control: &Control) -> Result<()> {
        loop {
            let stored = match self.store.auth() {
                // The token is then kept in memory.
                Err(error) if error.is_unavailable() => None,
                stored => stored?,
            };
            if let Some(snapshot) = stored
                .as_ref()
                .filter(|snapshot| credentials.made(snapshot.auth()))
            {
                self.pin(snapshot);
                return Ok(());
            }
            let stale = stored.as_deref().map(AuthSnapshot::generation);
            if let Some(snapshot) = self.replace(stale, credentials, None, control)? {
                self.pin(&snapshot);
                return Ok(());
            }
        }
    }

    /// Asks for a new token with the credentials of the provider, or those in the store, whatever the
    /// old one is worth.
    pub(crate) fn reauthorize(&self, control: &Control) -> Result<()> {
        let snapshot = self.current(control)?;
        self.provided.forget_refusal();
        self.refresh(&snapshot, control)
    }

    /// Sees to it that the store no longer holds this authorization but a newer one.
    pub(super) fn refresh(&self, stale: &AuthSnapshot, control: &Control) -> Result<()> {
        self.flight.run(control.tokens(), stale.generation(), || {
            let replaced = self
                .store
                .auth()?
                .is_none_or(|current| current.generation() != stale.generation());
            if replaced {
                return Ok(());
            }
            let (mut credentials, mut failure) = self.credentials_for(stale, control)?;
            let mut outcome = self.replace_by(stale, &credentials, control);
            if matches!(outcome, Err(Error::InvalidCredentials(_))) && self.provided.is_set() {
                // The key may have been replaced, and the old one deleted, since the provider was asked.
                let (named_now, why) = self.credentials_for(stale, control)?;
                if named_now != credentials {
                    (credentials, failure) = (named_now, why);
                    outcome = self.replace_by(stale, &credentials, control);
                }
            }
            match outcome {
                Ok(Some(_)) => self.provided.forget_refusal(),
                Ok(None) => {}
                Err(error) => {
                    self.note_refused(credentials, &error);
                    let is_refused = matches!(error, Error::InvalidCredentials(_));
                    return Err(failure.filter(|_| is_refused).unwrap_or(error));
                }
            }
            Ok(())
        })
    }

    /// Replaces an authorization by one of these credentials, if it still stands.
    fn replace_by(
        &self,
        stale: &AuthSnapshot,
        credentials: &Credentials,
        control: &Control,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        self.note_successor(stale.identity(), credentials);
        let account = Some(&stale.auth().account_id);
        self.replace(Some(stale.generation()), credentials, account, control)
    }

    /// Authorizes again if the store has lost the authorization of this session: its file was deleted,
    /// its server was emptied. Nothing of the kind happens after a logout, nor to a session that only
    /// uses what others authorized.
    pub(super) fn restore(&self, control: &Control) -> Result<Arc<AuthSnapshot>> {
        let by_hand = self.by_hand.lock().clone();
        if by_hand.is_none() && !self.provided.is_there() {
            return Err(Error::NotAuthorized);
        }
        if self.store.is_logged_out()? {
            return Err(Error::NotAuthorized);
        }
        let credentials = match self.provided_credentials(control)? {
            Some(credentials) => credentials,
            None => by_hand.ok_or(Error::NotAuthorized)?,
        };
        let now = self.clock().elapsed();
        if let Some((refused, since, refusal)) = &*self.unrestorable.lock()
            && *refused == credentials
            && now.saturating_sub(*since) < REFUSAL_MEMORY
            && let Some(refusal) = refusal.duplicate()
        {
            return Err(refusal);
        }
        tracing::warn!("the account-info store has lost its authorization; authorizing again");
        if let Err(error) = self.authorize_credentials(&credentials, control) {
            if matches!(error, Error::InvalidCredentials(_)) {
                let refusal = error.duplicate().map(|refusal| (credentials, now, refusal));
                *self.unrestorable.lock() = refusal;
            }
            return Err(error);
        }
        *self.unrestorable.lock() = None;
        self.store.auth()?.ok_or(Error::NotAuthorized)
    }

    fn pin(&self, snapshot: &AuthSnapshot) {
        *self.pinned.lock() = Some(snapshot.identity().clone());
    }

    /// Authorizes if the lease is ours; `None` if somebody else replaced the authorization, or
    /// removed it. If it has to be of a certain account, no other one is stored.
    fn replace(
        &self,
        stale: Option<Generation>,
        credentials: &Credentials,
        account: Option<&AccountId>,
        control: &Control,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        let mut wait = FIRST_POLL;
        loop {
            match self.store.begin_refresh(stale, LEASE)? {
                Refresh::Newer(_) => return Ok(None),
                Refresh::Busy => {
                    control.sleep(self.clock(), wait + jitter(wait / 2))?;
                    wait = LONGEST_POLL.min(wait * 2);
                }
                // Whoever logged out meanwhile is not logged in again by a token that expired.
                Refresh::Lease(ticket) if stale.is_some() && ticket.identity().is_none() => {
                    log_store_failure("abandoned lease", self.store.abandon_refresh(ticket));
                    return Ok(None);
                }
                Refresh::Lease(ticket) => match self.ask(credentials, account, &ticket, control) {
                    Ok(auth) => return self.save(auth, ticket),
                    Err(error) => {
                        log_store_failure("abandoned lease", self.store.abandon_refresh(ticket));
                        return Err(error);
                    }
                },
            }
        }
    }

    /// Stores an authorization; `None` if another process stored one of this identity first, because
    /// it took the lease over: that one is as good, and perhaps newer.
    fn save(&self, auth: AccountAuth, ticket: RefreshTicket) -> Result<Option<Arc<AuthSnapshot>>> {
        let error = match self.store.save_auth(auth.clone(), Some(ticket)) {
            Err(error) if error.is_superseded() => error,
            saved => return Ok(Some(saved?)),
        };
        match self.store.auth()? {
            Some(stored) if auth.belongs_to(stored.identity()) => Ok(None),
            // The store has lost everything since the lease was drawn.
            None if !self.store.is_logged_out()? => Ok(Some(self.store.save_auth(auth, None)?)),
            _ => Err(error.into()),
        }
    }

    fn ask(
        &self,
        credentials: &Credentials,
        account: Option<&AccountId>,
        ticket: &RefreshTicket,
        control: &Control,
    ) -> Result<AccountAuth> {
        let Credentials {
            realm,
            application_key_id,
            application_key,
        } = credentials;
        let auth = self
            .attempts(Operation::AuthorizeAccount, control)
            .run(|step| {
                if step != Step::First {
                    // The service is slow: others need not begin because of that.
                    log_store_failure("renewed lease", self.store.renew_lease(ticket, LEASE));
                }
                raw::authorize(
                    &self.http,
                    control,
                    realm,
                    application_key_id,
                    application_key,
                )
            })?;
        if account.is_some_and(|account| *account != auth.account_id) {
            return Err(Error::AccountChanged);
        }
        tracing::info!(account_id = %auth.account_id, %application_key_id, "authorized");
        Ok(auth)
    }
}
