//! Where an application key comes from (the environment, a command, or the caller's own code), and
//! what happens when the key of a running program is replaced.
//!
//! A program that was given a provider asks it
//!
//! 1. when it authorizes. If the store holds an authorization of the same key, that is used, and
//!    nothing is sent;
//! 2. when its token no longer works, because it has expired or its key was deleted. The key that
//!    the provider then names is the one that is authorized, so a deleted key that was replaced
//!    costs one request;
//! 3. when the store turns out to hold another key of the same account, because another process may
//!    have noticed the replacement first.
//!
//! One thread asks, and the others share its outcome. The new key must belong to the same account
//! at the same realm. Buckets and sessions that were created with the old key then stand for the
//! new one too ([`KeyHistory`]). A key that was refused is not sent again for [`MEMORY`], so that a
//! program whose key was deleted does not ask the service once for each of its calls.
//!
//! If the provider fails, a token that has merely expired is replaced with the key in the store. If
//! that is refused as well, the call fails with the provider's error.
//!
//! | the provider | what follows |
//! | --- | --- |
//! | names the same key | a new token for it |
//! | names another key of the account | that key is authorized, and bucket handles of the old one stay valid |
//! | names a key of another account or realm | `AccountChanged`, nothing is stored |
//! | names a malformed key | `InvalidInput` when authorizing; nothing is sent |
//! | fails or panics | `Credentials` when authorizing; the key in the store is tried when a token expired |
//! | does not answer | the call waits until it is cancelled, because the crate cannot know how long a vault may take |

mod command;

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::account_info::{AuthSnapshot, Generation};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::ApplicationKeyId;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::session::Session;

pub use self::command::CommandCredentials;

/// How long a key that was refused is not sent again, and for how long a provider is not asked
/// again about a key in the store that it did not name.
const MEMORY: Duration = Duration::from_secs(60);

/// An application key, and the realm that it belongs to. `Debug` does not show the secret half.
///
/// ```
/// use b2sdk::credentials::Credentials;
///
/// let credentials = Credentials::new("0027c41f09d3be8000000000c", "secret").realm("http://127.0.0.1:8180");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The realm to authorize at. The default is `production`.
    pub realm: Realm,
    /// The public half of the key: its id.
    pub application_key_id: ApplicationKeyId,
    /// The secret half of the key, which the service shows only once.
    pub application_key: ApplicationKey,
}

impl Credentials {
    /// Creates credentials for `production`. Their form is checked when they are used: a value that
    /// is empty, or contains white space, quotes or characters outside of ASCII, fails with
    /// [`Error::InvalidInput`](crate::Error::InvalidInput).
    #[must_use]
    pub fn new(
        application_key_id: impl Into<ApplicationKeyId>,
        application_key: impl Into<ApplicationKey>,
    ) -> Self {
        Self {
            realm: Realm::production(),
            application_key_id: application_key_id.into(),
            application_key: application_key.into(),
        }
    }

    /// Sets the realm: `production`, or the URL of another service, such as a simulator's.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Realm>) -> Self {
        self.realm = realm.into();
        self
    }

    /// The credentials that an authorization was made with. The secret is empty if the store keeps
    /// none.
    pub(super) fn of(auth: &AccountAuth) -> Self {
        Self::new(
            auth.application_key_id.clone(),
            auth.application_key.clone(),
        )
        .realm(auth.realm.as_str())
    }

    /// Checks the form of both halves before they are sent. The error never shows them, because the
    /// caller may have exchanged them.
    pub(super) fn check(&self) -> Result<()> {
        let (id, key) = (
            self.application_key_id.as_str(),
            self.application_key.expose(),
        );
        for (what, text) in [("application key id", id), ("application key", key)] {
            let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '`');
            let reason = if text.is_empty() {
                "it is empty"
            } else if text.ends_with(['\n', '\r']) {
                "it ends with a line break, as files do; remove it"
            } else if text.contains(is_odd) {
                "it contains white space, quotes or characters that are not ASCII"
            } else {
                continue;
            };
            return Err(Error::invalid_input(what, reason));
        }
        if id.contains(':') {
            return Err(Error::invalid_input(
                "application key id",
                "it contains a colon",
            ));
        }
        if is_key_id(key) && !is_key_id(id) {
            let reason = "it and the application key seem to be in each other's place";
            return Err(Error::invalid_input("application key id", reason));
        }
        Ok(())
    }

    /// Whether this authorization was made with these credentials.
    pub(super) fn made(&self, auth: &AccountAuth) -> bool {
        let stored = Self::of(auth);
        if auth.application_key.expose().is_empty() {
            // A store that keeps no keys: the service decides about this one when the token ends.
            return self.realm == stored.realm
                && self.application_key_id == stored.application_key_id;
        }
        *self == stored
    }
}

/// Whether a text has the form of a key id. A master key's id is the account id, 12 hexadecimal
/// digits; that of another key has 25.
fn is_key_id(text: &str) -> bool {
    matches!(text.len(), 12 | 25)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The error of a provider. It must not contain the key, because it becomes the source of an
/// [`Error`] and may be logged.
pub type CredentialError = Box<dyn StdError + Send + Sync>;

/// A source of the application key, asked whenever the key is needed. Closures that return
/// [`Credentials`] implement it.
///
/// A provider is asked when a program authorizes, and when a token no longer works, which is about
/// once a day. Two threads never ask at the same time for the same reason. It is asked on a thread
/// of its own, and a call that is cancelled does not wait for its answer. It should read the key
/// again each time, because an answer from its own memory would keep a program on a deleted key. It
/// must not call the `B2Api` that asks. If it panics, that counts as a failure.
///
/// The key may change while a program runs, as long as it belongs to the same account at the same
/// realm; otherwise calls fail with [`Error::AccountChanged`](crate::Error::AccountChanged).
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let secrets = tempfile::tempdir().unwrap();
/// # std::fs::write(secrets.path().join("b2"), format!("{} {}", service.application_key_id(), service.application_key())).unwrap();
/// # let realm = service.url().to_owned();
/// use b2sdk::credentials::Credentials;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let path = secrets.path().join("b2"); // a mounted secret: "key id, space, key"
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_with(move || -> Result<_, std::io::Error> {
///     let secret = std::fs::read_to_string(&path)?;
///     let (id, key) = secret.split_once(' ').ok_or(std::io::ErrorKind::InvalidData)?;
///     Ok(Credentials::new(id, key.trim_end()).realm(realm.as_str()))
/// })?;
/// # assert!(b2_api.list_buckets()?.is_empty());
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
pub trait CredentialProvider: Send + Sync {
    /// Returns the key to use now.
    ///
    /// # Errors
    /// Any error means that the key could not be determined. Authorizing then fails with
    /// [`Error::Credentials`](crate::Error::Credentials). A token that has merely expired is
    /// replaced with the key in the account info instead.
    fn credentials(&self) -> Result<Credentials, CredentialError>;
}

impl<F, E> CredentialProvider for F
where
    F: Fn() -> Result<Credentials, E> + Send + Sync,
    E: Into<CredentialError>,
{
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        self().map_err(E::into)
    }
}

/// A credential provider that reads the environment variables of the `b2` command-line tool:
/// `B2_APPLICATION_KEY_ID`, `B2_APPLICATION_KEY`, and `B2_ENVIRONMENT` for the realm, which is
/// `production` if the variable is not set or empty. Line breaks at the end of a value are ignored.
///
/// The environment of a running program does not change, so a key that is replaced takes effect
/// after a restart.
///
/// ```no_run
/// use b2sdk::credentials::EnvironmentCredentials;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_with(EnvironmentCredentials::new())?;
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct EnvironmentCredentials;

impl EnvironmentCredentials {
    /// Creates a provider that reads the environment of this process each time it is asked.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl CredentialProvider for EnvironmentCredentials {
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        from_variables(|name| std::env::var(name).ok())
    }
}

/// Reads the credentials through `variable`. Fails if the key or its id is not set or empty.
fn from_variables(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, CredentialError> {
    // A value that was read from a file may end with a line break.
    let trimmed = |name: &str| Some(variable(name)?.trim_end_matches(['\r', '\n']).to_owned());
    let set = |name: &str| trimmed(name).filter(|value| !value.is_empty());
    let needed =
        |name: &str| set(name).ok_or(format!("the environment variable {name} is not set"));
    let credentials = Credentials::new(
        needed("B2_APPLICATION_KEY_ID")?,
        needed("B2_APPLICATION_KEY")?,
    );
    Ok(match set("B2_ENVIRONMENT") {
        Some(realm) => credentials.realm(realm),
        None => credentials,
    })
}

/// What a session knows about its credential provider.
#[derive(Default)]
pub(super) struct ProviderState {
    /// The provider, if there is one.
    provider: Mutex<Option<Arc<dyn CredentialProvider>>>,
    /// What is remembered about the keys that it named.
    state: Mutex<State>,
}

/// What a session makes of an authorization in the store that is of another key than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adoption {
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
    pub(super) fn is_set(&self) -> bool {
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
    pub(super) fn continues(&self, old: &Identity, new: &Identity) -> bool {
        let State { history, .. } = &*self.state();
        history.holds(old) && history.holds(new)
    }

    /// Forgets the provider and its keys, because the caller passed a key directly.
    pub(super) fn forget(&self) {
        self.set(None);
        *self.state() = State::default();
    }

    /// Forgets the refused key, so that it is sent once more.
    pub(super) fn forget_refusal(&self) {
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
    pub(super) fn provided_credentials(&self, control: &Control) -> Result<Option<Credentials>> {
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
    pub(super) fn credentials_for(
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
    pub(super) fn note_successor(&self, stale: &Identity, credentials: &Credentials) {
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
    pub(super) fn note_refused(&self, credentials: Credentials, error: &Error) {
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
    pub(super) fn adopts(
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

#[cfg(test)]
mod tests {
    use super::{Credentials, from_variables};

    #[test]
    fn what_cannot_be_a_key_is_refused_without_being_shown() {
        let hint = |id: &str, key: &str| match Credentials::new(id, key).check() {
            Ok(()) => "fine".to_owned(),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains("K0027") && !text.contains("7c41f"), "{text}");
                text
            }
        };
        let (id, key) = (
            "0027c41f09d3be8000000000c",
            "K0027p/Rx0Q+cb9ZJ7a4aJ3kB1T5wPs",
        );
        assert_eq!(hint(id, key), "fine");
        assert_eq!(hint("id", "key"), "fine");
        assert_eq!(hint("7c41f09d3be8", "7c41f09d3be8"), "fine");
        assert!(hint(key, id).contains("each other's place"));
        assert!(hint(id, &format!("{key}\n")).contains("line break"));
        assert!(hint(&format!("{id}\r\n"), key).contains("application key id"));
        for odd in [
            "",
            " ",
            "K0027 x",
            "\"K0027\"",
            "'K0027'",
            "K0027\u{e9}",
            "K0027\t",
            "K0027\0",
        ] {
            assert_ne!(hint(id, odd), "fine", "{odd:?}");
            assert_ne!(hint(odd, key), "fine", "{odd:?}");
        }
        assert_ne!(hint("a:b", key), "fine");
    }

    #[test]
    fn the_environment_is_read_as_the_b2_tool_reads_it() {
        let read = |variables: &[(&str, &str)]| {
            from_variables(|name| {
                let found = variables.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let (id, key) = (
            ("B2_APPLICATION_KEY_ID", "id"),
            ("B2_APPLICATION_KEY", "secret"),
        );
        assert_eq!(read(&[id, key]).unwrap(), Credentials::new("id", "secret"));
        assert_eq!(
            read(&[id, key, ("B2_ENVIRONMENT", "")]).unwrap(),
            Credentials::new("id", "secret")
        );
        assert_eq!(
            read(&[id, key, ("B2_ENVIRONMENT", "http://localhost")]).unwrap(),
            Credentials::new("id", "secret").realm("http://localhost")
        );
        let from_file = ("B2_APPLICATION_KEY", "secret\r\n");
        assert_eq!(
            read(&[id, from_file]).unwrap(),
            Credentials::new("id", "secret")
        );
        for variables in [&[id][..], &[key], &[id, ("B2_APPLICATION_KEY", "")]] {
            let error = read(variables).unwrap_err().to_string();
            assert!(error.contains("is not set") && !error.contains("secret"));
        }
    }
}
