//! The provider of a session: which key it names, and which authorizations in the store belong to
//! the keys that it named.
//!
//! One thread asks the provider, and the others share its outcome. What the steps are, and what
//! follows from each answer, stands in `credentials`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::{CredentialProvider, Credentials, MEMORY};
use crate::account_info::{AuthSnapshot, Generation};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::auth::Identity;
use crate::session::Session;

/// What a session knows about its credential provider.
#[derive(Default)]
pub(in crate::session) struct ProviderState {
    /// The provider, if there is one.
    provider: Mutex<Option<Arc<dyn CredentialProvider>>>,
    /// What is remembered about the keys that it named.
    state: Mutex<State>,
}

/// What a session makes of an authorization in the store that is of another key than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Adoption {
    /// It may be used: the provider named its key, too.
    Adopted,
    /// It was replaced by one of the newest key. The store is to be read again.
    Replaced,
    /// It is somebody else's.
    Foreign,
}

/// What is remembered about the keys that a provider named.
#[derive(Default)]
struct State {
    /// The identities that belong to the session.
    history: KeyHistory,
    /// The key that the service refused last, when that was, and the refusal.
    refused: Option<(Credentials, Duration, Error)>,
    /// An authorization in the store whose key the provider did not name, and when it was asked.
    foreign: Option<(Generation, Duration)>,
}

/// The identities that one provider named, each replaced by the next. All belong to one account at
/// one realm.
///
/// An identity that is in it may act for every other one in it. So nothing is added before the
/// provider has named the key, and everything is dropped when a key is passed in directly or
/// another provider begins with another identity.
#[derive(Default)]
struct KeyHistory(Vec<Identity>);

impl KeyHistory {
    fn holds(&self, identity: &Identity) -> bool {
        self.0.contains(identity)
    }

    fn add(&mut self, identity: &Identity) {
        if !self.holds(identity) {
            self.0.push(identity.clone());
        }
    }
}

impl fmt::Debug for ProviderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderState").finish_non_exhaustive()
    }
}

impl ProviderState {
    /// Whether there is a provider to ask.
    pub(in crate::session) fn is_set(&self) -> bool {
        self.provider.lock().is_some()
    }

    fn provider(&self) -> Option<Arc<dyn CredentialProvider>> {
        self.provider.lock().clone()
    }

    fn set(&self, provider: Option<Arc<dyn CredentialProvider>>) {
        *self.provider.lock() = provider;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Whether data that belongs to the identity `old` may be used under `new`: both are keys that
    /// the provider named, one after the other.
    pub(in crate::session) fn continues(&self, old: &Identity, new: &Identity) -> bool {
        let State { history, .. } = &*self.state();
        history.holds(old) && history.holds(new)
    }

    /// Forgets the provider and its keys, because the caller passed a key directly.
    pub(in crate::session) fn forget(&self) {
        self.set(None);
        *self.state() = State::default();
    }

    /// Forgets the refused key, so that it is sent once more.
    pub(in crate::session) fn forget_refusal(&self) {
        self.state().refused = None;
    }
}

impl Session {
    /// Authorizes the key that the provider names, and asks the provider from now on. On failure
    /// the session keeps the provider that it had.
    pub(crate) fn authorize_with(
        &self,
        provider: Arc<dyn CredentialProvider>,
        control: &Control,
    ) -> Result<()> {
        control.check()?;
        self.authorize_credentials(&ask(&provider, control)?, control)?;
        let pinned = self.pinned();
        let mut state = self.provided.state();
        if let Some(identity) = pinned {
            if !state.history.holds(&identity) {
                *state = State::default();
            }
            state.history.add(&identity);
        }
        state.refused = None;
        drop(state);
        self.provided.set(Some(provider));
        Ok(())
    }

    /// The credentials that the provider names now, or `None` without a provider.
    pub(in crate::session) fn provided_credentials(
        &self,
        control: &Control,
    ) -> Result<Option<Credentials>> {
        let provider = self.provided.provider();
        provider.map(|provider| ask(&provider, control)).transpose()
    }

    /// Returns the credentials that replace the authorization `stale`: those of the provider, or if
    /// there is none or it fails, those of the authorization. In the latter case the provider's
    /// error is returned as well, because it explains a refusal that may follow.
    ///
    /// Fails with `NotAuthorized` if neither the store nor the caller's last login has the secret,
    /// with `AccountChanged` if the provider names another realm, and with the last refusal if the
    /// same key was refused a short time ago.
    pub(in crate::session) fn credentials_for(
        &self,
        stale: &AuthSnapshot,
        control: &Control,
    ) -> Result<(Credentials, Option<Error>)> {
        let mut stored = Credentials::of(stale.auth());
        if stored.application_key.expose().is_empty()
            && let Some(own) = &*self.by_hand.lock()
            && own.made(stale.auth())
        {
            stored = own.clone();
        }
        let Some(provider) = self.provided.provider() else {
            if stored.application_key.expose().is_empty() {
                return Err(Error::NotAuthorized);
            }
            return Ok((stored, None));
        };
        let (credentials, failure) = match ask(&provider, control) {
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Ok(credentials) if credentials.realm != stored.realm => {
                return Err(Error::AccountChanged);
            }
            Ok(credentials) => (credentials, None),
            // Without a key there is nothing to send.
            Err(error) if stored.application_key.expose().is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(
                    "the credential provider failed; the key in the account info is used"
                );
                (stored, Some(error))
            }
        };
        let now = self.clock().elapsed();
        match &self.provided.state().refused {
            Some((refused, since, error))
                if *refused == credentials && now.saturating_sub(*since) < MEMORY =>
            {
                Err(failure
                    .or_else(|| error.duplicate())
                    .unwrap_or(Error::NotAuthorized))
            }
            _ => Ok((credentials, failure)),
        }
    }

    /// Notes that the provider named another key in place of `stale`. This happens before the new
    /// authorization is stored, so that no thread finds it in the store without knowing it.
    pub(in crate::session) fn note_successor(&self, stale: &Identity, credentials: &Credentials) {
        let new = Identity {
            account_id: stale.account_id.clone(),
            application_key_id: credentials.application_key_id.clone(),
            realm: credentials.realm.as_str().to_owned(),
        };
        let mut state = self.provided.state();
        // Only those that the provider named have successors.
        if *stale != new && state.history.holds(stale) {
            state.history.add(&new);
            tracing::info!(application_key_id = %new.application_key_id, "the credential provider names another application key");
        }
    }

    /// Notes that a key was refused, so that it is not sent again for a while.
    pub(in crate::session) fn note_refused(&self, credentials: Credentials, error: &Error) {
        if self.provided.provider().is_none() {
            return;
        }
        if let Some(error) = error.duplicate()
            && matches!(error, Error::InvalidCredentials(_) | Error::AccountChanged)
        {
            let now = self.clock().elapsed();
            self.provided.state().refused = Some((credentials, now, error));
        }
    }

    /// Whether the authorization `held` in the store is of a key that the provider names now, for
    /// the same account as `wanted`. Then another process noticed the replacement first, and this
    /// session uses its authorization.
    ///
    /// If the provider names a key that is new to this session instead, the key was replaced once
    /// more since then: that newest key is authorized in place of `held`, after which the caller
    /// reads the store again.
    ///
    /// The provider is asked at most once in [`MEMORY`] about each authorization that it does not
    /// name.
    pub(in crate::session) fn adopts(
        &self,
        wanted: &Identity,
        held: &AuthSnapshot,
        control: &Control,
    ) -> Result<Adoption> {
        let Some(provider) = self.provided.provider() else {
            return Ok(Adoption::Foreign);
        };
        let is_successor =
            |new: &Identity| wanted.account_id == new.account_id && wanted.realm == new.realm;
        if !is_successor(held.identity()) || !self.provided.state().history.holds(wanted) {
            return Ok(Adoption::Foreign);
        }
        if self.provided.continues(wanted, held.identity()) {
            return Ok(Adoption::Adopted);
        }
        let mut replaced = false;
        self.adopting.run(control.tokens(), held.generation(), || {
            let now = self.clock().elapsed();
            let known = {
                let state = self.provided.state();
                // This process may see the new key later than another one.
                let is_foreign = state.foreign.is_some_and(|(generation, asked)| {
                    generation == held.generation() && now.saturating_sub(asked) < MEMORY
                });
                state.history.holds(held.identity()) || is_foreign
            };
            if known {
                return Ok(());
            }
            let stored = self.info().auth()?;
            if stored.is_none_or(|stored| stored.generation() != held.generation()) {
                replaced = true;
                return Ok(());
            }
            let named = ask(&provider, control)?;
            if named.made(held.auth()) {
                self.provided.state().history.add(held.identity());
                return Ok(());
            }
            if self.is_new_successor(wanted, &named) {
                self.note_successor(wanted, &named);
                match self.replace_by(held, &named, control) {
                    Err(Error::InvalidCredentials(_) | Error::AccountChanged) => {}
                    outcome => {
                        replaced = outcome.map(|_| true)?;
                        return Ok(());
                    }
                }
            }
            self.provided.state().foreign = Some((held.generation(), now));
            Ok(())
        })?;
        Ok(if replaced {
            Adoption::Replaced
        } else if self.provided.continues(wanted, held.identity()) {
            Adoption::Adopted
        } else {
            Adoption::Foreign
        })
    }

    /// Whether this key may be a successor of `wanted` that the session has not used yet.
    fn is_new_successor(&self, wanted: &Identity, named: &Credentials) -> bool {
        let realm = named.realm.as_str();
        let is_known = self.provided.state().history.0.iter().any(|known| {
            known.application_key_id == named.application_key_id && known.realm == realm
        });
        wanted.realm == realm && !is_known
    }
}

/// Asks the provider on a thread of its own, because it may take its time and a call that is
/// cancelled must not wait for it. Its answer then goes nowhere. If no thread can be created, the
/// calling thread asks.
fn ask(provider: &Arc<dyn CredentialProvider>, control: &Control) -> Result<Credentials> {
    let (sender, receiver) = channel();
    let wakers: Vec<_> = control
        .tokens()
        .map(|token| {
            let sender = sender.clone();
            // The receiver is gone once there is an answer.
            token.on_cancel(move || _ = sender.send(None))
        })
        .collect();
    control.check()?;
    let asked = Arc::clone(provider);
    let asking = thread::Builder::new().spawn(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| asked.credentials()));
        let answer = answer.unwrap_or_else(|_| Err("it panicked".into()));
        let _given_up = sender.send(Some(answer));
    });
    let answer = match asking {
        Ok(_asking) => match receiver.recv() {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => return Err(Error::Cancelled),
        },
        Err(_) => provider.credentials(),
    };
    drop(wakers);
    let credentials = answer.map_err(|source| Error::Credentials { source })?;
    credentials.check()?;
    Ok(credentials)
}
