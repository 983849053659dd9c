//! Authorizing, and replacing a token that no longer works: once, however many threads and
//! processes meet it.
//!
//! Among threads the first one that reports a dead token goes ahead and the others wait for its
//! outcome, good or bad. Among processes the store's lease decides (`account_info`). No lock of a
//! store is held while the service is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::account_info::{AuthSnapshot, Generation, Refresh};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::id::AccountId;
use crate::model::operation::Operation;
use crate::raw;
use crate::session::credentials::Credentials;
use crate::session::{Session, log_store_failure};

/// How long one process may take to authorize before another one tries.
const LEASE: Duration = Duration::from_secs(30);
/// How often to look whether another process is done.
const POLL: Duration = Duration::from_millis(20);

impl Session {
    /// Authorizes this key, unless the store holds its authorization already; from now on this
    /// session serves only its identity.
    pub(crate) fn authorize(&self, credentials: Credentials, control: &Control) -> Result<()> {
        self.authorize_credentials(&credentials, control)?;
        self.provided.forget();
        Ok(())
    }

    /// The same, whoever named the key.
    pub(super) fn authorize_credentials(
        &self,
        credentials: &Credentials,
        control: &Control,
    ) -> Result<()> {
        self.http.check_realm(&credentials.realm)?;
        self.authorizing
            .run(control.tokens(), credentials.clone(), || {
                self.authorize_now(credentials, control)
            })
    }

    fn authorize_now(&self, credentials: &Credentials, control: &Control) -> Result<()> {
        loop {
            let stored = self.info.auth()?;
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
                .info
                .auth()?
                .is_none_or(|current| current.generation() != stale.generation());
            if replaced {
                return Ok(());
            }
            let (credentials, failure) = self.credentials_for(stale)?;
            self.note_successor(stale.identity(), &credentials);
            let account = Some(&stale.auth().account_id);
            match self.replace(Some(stale.generation()), &credentials, account, control) {
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
        loop {
            match self.info.begin_refresh(stale, LEASE)? {
                Refresh::Newer(_) => return Ok(None),
                Refresh::Busy => control.sleep(self.clock(), POLL)?,
                // Whoever logged out meanwhile is not logged in again by a token that expired.
                Refresh::Lease(ticket) if stale.is_some() && ticket.identity().is_none() => {
                    log_store_failure("abandoned lease", self.info.abandon_refresh(ticket));
                    return Ok(None);
                }
                Refresh::Lease(ticket) => match self.ask(credentials, account, control) {
                    Ok(auth) => return Ok(Some(self.info.save_auth(auth, Some(ticket))?)),
                    Err(error) => {
                        log_store_failure("abandoned lease", self.info.abandon_refresh(ticket));
                        return Err(error);
                    }
                },
            }
        }
    }

    fn ask(
        &self,
        credentials: &Credentials,
        account: Option<&AccountId>,
        control: &Control,
    ) -> Result<AccountAuth> {
        let Credentials {
            realm,
            application_key_id,
            application_key,
        } = credentials;
        let auth = self
            .attempts(Operation::AuthorizeAccount, control)
            .run(|_| {
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
        Ok(auth)
    }
}
