//! Authorizes the account, and replaces a token that no longer works: once, however many threads
//! and processes notice it.
//!
//! Among the threads of a process, the first one that reports an expired token replaces it, and the
//! others wait and share its outcome, whether it succeeded or failed. Among processes the store's
//! lease decides who asks the service (`account_info`). No lock of a store is held while the
//! service is asked.
//!
//! The order of steps:
//!
//! 1. The store is read. If it holds a newer authorization, that is used and nothing is sent.
//! 2. A credential provider, if there is one, names the key (`credentials`).
//! 3. The lease is taken. A process that finds it taken waits and looks again, with growing pauses.
//! 4. `b2_authorize_account` is sent. While it is repeated, the lease is renewed.
//! 5. The new token is stored, which ends the lease. If a process dies before that, its lease
//!    lapses after 30 seconds and another process takes over. If the request is refused or
//!    cancelled, the lease is given up at once, so that nobody waits for it.
//!
//! What happens when something goes wrong:
//!
//! | what goes wrong | what the caller gets | what is left |
//! | --- | --- | --- |
//! | the service refuses the key | `InvalidCredentials`, or the provider's own error if there is one | the old authorization; the lease is given up |
//! | the service cannot be reached for as long as the policy allows | the last error of the retry loop | the old authorization; the lease is given up |
//! | the answer to `b2_authorize_account` is lost | the request is repeated: a token that nobody uses does no harm | |
//! | the call is cancelled | `Cancelled`; the next waiting thread takes its place | the lease is given up |
//! | the process is killed | | the lease lapses, and another process takes over |
//! | the store is away when it is asked for the lease | it is asked once more after a pause, because it may only be too busy; then the session authorizes without a lease | two processes may authorize at the same time |
//! | the store is broken | the session authorizes without a lease | the same |
//! | the store does not accept the new token | nothing: the token is kept in this process (`store`) | the store's old authorization |
//! | the lease lapsed, and another process stored a token first | that token is used | one authorization more than necessary |
//! | somebody logged out in between | `NotAuthorized` | no authorization: a token that expired must not log in again |
//! | the new authorization belongs to another account | `AccountChanged` | the old authorization |
//!
//! What one expired token costs, however many threads and processes hold it: one
//! `b2_authorize_account` (class C), and for each waiting process a look at the store every 20 ms
//! at first and every second or so later. A process without the lease sends nothing to the service.

use std::sync::Arc;
use std::time::Duration;

use crate::account_info::{AccountInfo as _, AuthSnapshot, Generation, Refresh, RefreshTicket};
use crate::control::Control;
use crate::control::clock::jitter;
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::AccountId;
use crate::model::operation::Operation;
use crate::raw;
use crate::session::credentials::Credentials;
use crate::session::retry::Step;
use crate::session::store::LeaseAnswer;
use crate::session::{Session, log_store_failure};

/// How long a process may take to authorize before another one may try. Each repeated request
/// extends the time.
const LEASE: Duration = Duration::from_secs(30);
/// The first pause before another look whether the process that holds the lease is done. The pauses
/// double up to [`LONGEST_POLL`] and are spread at random, so that the processes of a fleet do not
/// ask their store at the same moment.
const FIRST_POLL: Duration = Duration::from_millis(20);
/// The longest pause between two looks.
const LONGEST_POLL: Duration = Duration::from_secs(1);
/// The pause before a store that was away is asked for the lease once more, to which as much is added
/// at random. It is as long as a store on a server leaves its server alone after a failure, so that
/// the second look asks the server again.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How long credentials that the service refused are not sent again to restore a lost
/// authorization.
const REFUSAL_MEMORY: Duration = Duration::from_secs(60);

impl Session {
    /// Authorizes this key, unless the store already holds its authorization, which costs no
    /// request. From then on the session serves only this key's identity, and no credential
    /// provider is asked.
    ///
    /// After an error the session keeps the identity, the provider and the key that it had.
    pub(crate) fn authorize(&self, credentials: Credentials, control: &Control) -> Result<()> {
        self.authorize_credentials(&credentials, control)?;
        self.provided.forget();
        *self.by_hand.lock() = Some(credentials);
        Ok(())
    }

    /// Authorizes these credentials, whoever named them. Checks their form and the realm before
    /// anything is sent. Threads that authorize the same credentials at the same time share one
    /// outcome.
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

    /// Authorizes until the store holds an authorization of these credentials. A store that cannot
    /// be reached does not prevent it: the token is then kept in memory (`store`).
    ///
    /// The loop goes round when somebody else stored an authorization, or logged out, in between:
    /// the store is then read again, and what it holds is replaced unless it is this key's.
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

    /// Replaces the token even if it still works, with the key that the provider names, or with the
    /// one in the store.
    ///
    /// One request of class C. A refusal that was remembered is forgotten first, so that a key that
    /// was repaired in the meantime is tried.
    pub(crate) fn reauthorize(&self, control: &Control) -> Result<()> {
        let snapshot = self.current(control)?;
        self.provided.forget_refusal();
        self.refresh(&snapshot, control)
    }

    /// Ensures that the store no longer holds the authorization `stale` but a newer one.
    ///
    /// If the key is refused and there is a provider, the provider is asked once more: the key may
    /// have been replaced between its answer and the request. On failure the store still holds
    /// `stale`.
    ///
    /// Threads that come while it runs wait for it and share its outcome, an error included. If a
    /// thread is cancelled, the next one begins instead of sharing that.
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

    /// Replaces the authorization `stale` by one of these credentials, which must belong to the
    /// same account. Returns `None` if somebody else replaced it first.
    pub(super) fn replace_by(
        &self,
        stale: &AuthSnapshot,
        credentials: &Credentials,
        control: &Control,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        self.note_successor(stale.identity(), credentials);
        let account = Some(&stale.auth().account_id);
        self.replace(Some(stale.generation()), credentials, account, control)
    }

    /// Authorizes again after the store has lost the authorization of this session, because its
    /// file was deleted or its server was emptied.
    ///
    /// Fails with `NotAuthorized` after a logout, and in a session that only uses what others
    /// authorized, and with `AccountChanged` if the provider names a key of another account.
    /// Credentials that were refused here are not sent again for [`REFUSAL_MEMORY`].
    pub(super) fn restore(&self, control: &Control) -> Result<Arc<AuthSnapshot>> {
        let by_hand = self.by_hand.lock().clone();
        let Some(lost) = self
            .pinned()
            .filter(|_| by_hand.is_some() || self.provided.is_set())
        else {
            return Err(Error::NotAuthorized);
        };
        match self.store.is_logged_out() {
            Ok(false) => {}
            Ok(true) => return Err(Error::NotAuthorized),
            // The store went away just now: what was read before may still serve.
            Err(error) if error.is_unavailable() => {
                return self.store.auth()?.ok_or_else(|| error.into());
            }
            Err(error) => return Err(error.into()),
        }
        let credentials = match self.provided_credentials(control)? {
            Some(credentials) => credentials,
            None => by_hand.ok_or(Error::NotAuthorized)?,
        };
        if credentials.realm.as_str() != lost.realm {
            return Err(Error::AccountChanged);
        }
        let now = self.clock().elapsed();
        if let Some((refused, since, refusal)) = &*self.unrestorable.lock()
            && *refused == credentials
            && now.saturating_sub(*since) < REFUSAL_MEMORY
            && let Some(refusal) = refusal.duplicate()
        {
            return Err(refusal);
        }
        tracing::warn!("the account-info store has lost its authorization; authorizing again");
        if let Err(error) = self.replace_lost(&lost, &credentials, control) {
            if matches!(error, Error::InvalidCredentials(_)) {
                let refusal = error.duplicate().map(|refusal| (credentials, now, refusal));
                *self.unrestorable.lock() = refusal;
            }
            return Err(error);
        }
        *self.unrestorable.lock() = None;
        self.store.auth()?.ok_or(Error::NotAuthorized)
    }

    /// Authorizes in place of the authorization `lost`, unless the store holds one by now. That one may be
    /// of another key, about which the caller decides.
    ///
    /// Threads that find the loss at the same time share one outcome, as they do for a login.
    fn replace_lost(
        &self,
        lost: &Identity,
        credentials: &Credentials,
        control: &Control,
    ) -> Result<()> {
        self.authorizing
            .run(control.tokens(), credentials.clone(), || {
                self.note_successor(lost, credentials);
                let account = Some(&lost.account_id);
                if let Some(snapshot) = self.replace(None, credentials, account, control)? {
                    self.pin(&snapshot);
                }
                Ok(())
            })
    }

    /// Binds the session to the identity of this authorization.
    fn pin(&self, snapshot: &AuthSnapshot) {
        *self.pinned.lock() = Some(snapshot.identity().clone());
    }

    /// Authorizes under the store's lease and stores the result.
    ///
    /// Returns `None` if somebody else replaced the authorization `stale`, or logged out. With
    /// `account`, an authorization of another account is not stored, and the call fails with
    /// `AccountChanged`. If the request fails, the lease is given up.
    ///
    /// The wait for another process has no limit of its own. It ends because a lease lapses unless
    /// its holder renews it, and because a cancelled call stops waiting. A store that does not answer
    /// twice in a row is no longer waited for.
    ///
    /// When the token of a fleet expires, a thousand processes ask the store at the same time, and
    /// some of them may get no answer in time. Without the second look each of these would authorize
    /// by itself, although another process holds the lease.
    fn replace(
        &self,
        stale: Option<Generation>,
        credentials: &Credentials,
        account: Option<&AccountId>,
        control: &Control,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        let mut wait = FIRST_POLL;
        let mut may_look_again = true;
        loop {
            let refresh = match self.store.ask_for_lease(stale, LEASE)? {
                LeaseAnswer::Away(_) if may_look_again => {
                    may_look_again = false;
                    control.sleep(self.clock(), SECOND_LOOK + jitter(SECOND_LOOK))?;
                    continue;
                }
                LeaseAnswer::Away(ticket) | LeaseAnswer::Broken(ticket) => Refresh::Lease(ticket),
                LeaseAnswer::Given(refresh) => {
                    may_look_again = true;
                    refresh
                }
            };
            match refresh {
                Refresh::Newer(_) => return Ok(None),
                Refresh::Busy => {
                    control.sleep(self.clock(), wait + jitter(wait / 2))?;
                    wait = LONGEST_POLL.min(wait * 2);
                }
                // Somebody logged out in between; replacing the expired token would log in again.
                Refresh::Lease(ticket) if stale.is_some() && ticket.identity().is_none() => {
                    log_store_failure("abandoned lease", self.store.abandon_refresh(ticket));
                    return Ok(None);
                }
                Refresh::Lease(ticket) => match self.ask(credentials, account, &ticket, control) {
                    Ok(auth) => return self.save(auth, ticket, account.is_some()),
                    Err(error) => {
                        log_store_failure("abandoned lease", self.store.abandon_refresh(ticket));
                        return Err(error);
                    }
                },
            }
        }
    }

    /// Stores an authorization and ends the lease. Returns `None` if another process took the lease
    /// over and stored one first: if it is of this identity, it is as good, and perhaps newer.
    ///
    /// One of another identity is a failure for whoever logs in. A call that only replaces its
    /// token (`is_for_a_call`) next reads the store, and decides there whether it may use it.
    fn save(
        &self,
        auth: AccountAuth,
        ticket: RefreshTicket,
        is_for_a_call: bool,
    ) -> Result<Option<Arc<AuthSnapshot>>> {
        let error = match self.store.save_auth(auth.clone(), Some(ticket)) {
            Err(error) if error.is_superseded() => error,
            saved => return Ok(Some(saved?)),
        };
        match self.store.auth()? {
            Some(stored) if is_for_a_call || auth.belongs_to(stored.identity()) => Ok(None),
            // The store has lost everything since the lease was taken, unless somebody logged out.
            None => match self.store.is_logged_out() {
                Ok(true) => Err(error.into()),
                Err(failure) if !failure.is_unavailable() => Err(failure.into()),
                _ => Ok(Some(self.store.save_auth(auth, None)?)),
            },
            Some(_) => Err(error.into()),
        }
    }

    /// Asks the service for a token, with repeated requests as the policy allows. The lease is
    /// renewed before each repeated request.
    ///
    /// Fails with `AccountChanged`, before anything is stored, if the key turns out to belong to
    /// another account.
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
                // A slow service is no reason for other processes to begin, too.
                if step != Step::First {
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
