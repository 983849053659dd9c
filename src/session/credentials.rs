//! Where an application key comes from: the environment, a command, or the caller's own code; and what
//! happens when a running program's key is replaced.
//!
//! A program that was given a provider asks it
//!
//! 1. when it authorizes: an authorization of the same key in the store is used, and nothing is sent;
//! 2. when its token no longer works - it is too old, or the key was revoked: the key that the provider
//!    then names is the one that is authorized. So a revoked key that was replaced costs one request;
//! 3. when the store turns out to hold another key of the same account: another process may have met
//!    the replacement first.
//!
//! One thread asks, and the others have its outcome. The new key must be of the same account at the
//! same realm: buckets and pins that were made with the old one then stand for it too
//! ([`Lineage`]). A key that was refused is not sent again for [`MEMORY`], so that a program whose key
//! is gone does not ask the service once for each of its calls.

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

/// How long a key that was refused is not sent again, and a provider is not asked again about somebody
/// else's key.
const MEMORY: Duration = Duration::from_secs(60);

/// An application key, and where it belongs.
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
    /// Where to authorize; `production` if not given.
    pub realm: Realm,
    /// The key's public half.
    pub application_key_id: ApplicationKeyId,
    /// Its secret half.
    pub application_key: ApplicationKey,
}

impl Credentials {
    /// A key for production.
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

    /// A key for another realm.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Realm>) -> Self {
        self.realm = realm.into();
        self
    }

    pub(super) fn of(auth: &AccountAuth) -> Self {
        Self::new(
            auth.application_key_id.clone(),
            auth.application_key.clone(),
        )
        .realm(auth.realm.as_str())
    }

    /// Fails if they cannot be what they should be. The values are never shown: they may be in each
    /// other's place.
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

    /// Whether that authorization was made with these.
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

/// Whether this has the form of an id of the service: an account's, which is also its master key's, or
/// that of another key.
fn is_key_id(text: &str) -> bool {
    matches!(text.len(), 12 | 25)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a provider fails with. It must not say anything of the key: it becomes the source of an
/// [`Error`], and may end in a log.
pub type CredentialError = Box<dyn StdError + Send + Sync>;

/// Tells the application key that is to be used now. Closures that return [`Credentials`] are
/// providers.
///
/// It is asked when a program authorizes, and when a token no longer works, which is about once a day;
/// never by two threads at once for the same reason. It is asked on a thread of its own, and a call that is
/// cancelled meanwhile does not wait for it. It should read the key anew each time: an answer
/// from its own memory would keep a program on a revoked key. It must not call the `B2Api` that asks.
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
    /// The key to use now.
    ///
    /// # Errors
    /// Whatever keeps it from telling. A token that is merely too old is then replaced with the key in
    /// the account info.
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

/// The key in the environment variables that the `b2` tool reads: `B2_APPLICATION_KEY_ID`,
/// `B2_APPLICATION_KEY`, and `B2_ENVIRONMENT` for the realm, `production` if that is not set or empty.
///
/// The environment of a running program does not change: a key that is replaced is found after a
/// restart.
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
    /// The environment of this process.
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

fn from_variables(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, CredentialError> {
    // A value that was read from a file ends as its last line does.
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

/// What a session knows of its provider.
#[derive(Default)]
pub(super) struct Provided {
    provider: Mutex<Option<Arc<dyn CredentialProvider>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lineage: Lineage,
    /// What the service refused last, and when.
    refused: Option<(Credentials, Duration, Error)>,
    /// An authorization in the store that was not the provider's, and when it was asked about that.
    foreign: Option<(Generation, Duration)>,
}

/// The identities that one provider named, each replaced by the next: all of one account at one realm.
#[derive(Default)]
struct Lineage(Vec<Identity>);

impl Lineage {
    fn holds(&self, identity: &Identity) -> bool {
        self.0.contains(identity)
    }

    fn add(&mut self, identity: &Identity) {
        if !self.holds(identity) {
            self.0.push(identity.clone());
        }
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").finish_non_exhaustive()
    }
}

impl Provided {
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

    pub(super) fn is_there(&self) -> bool {
        self.provider.lock().is_some()
    }

    /// Whether what belongs to the one identity may be done under the other.
    pub(super) fn continues(&self, old: &Identity, new: &Identity) -> bool {
        let State { lineage, .. } = &*self.state();
        lineage.holds(old) && lineage.holds(new)
    }

    /// Forgets the provider: a key was given by hand.
    pub(super) fn forget(&self) {
        self.set(None);
        *self.state() = State::default();
    }

    pub(super) fn forget_refusal(&self) {
        self.state().refused = None;
    }
}

impl Session {
    /// Authorizes the provider's key, and asks the provider from now on.
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
            if !state.lineage.holds(&identity) {
                *state = State::default();
            }
            state.lineage.add(&identity);
        }
        state.refused = None;
        drop(state);
        self.provided.set(Some(provider));
        Ok(())
    }

    /// The credentials that the provider names now, if there is a provider.
    pub(super) fn provided_credentials(&self, control: &Control) -> Result<Option<Credentials>> {
        let provider = self.provided.provider();
        provider.map(|provider| ask(&provider, control)).transpose()
    }

    /// The credentials to replace an authorization with: the provider's, or if there is none, or it
    /// fails, those of the authorization; then also why it failed.
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

    /// Takes note of a key that the provider named in the place of another one: before it is stored,
    /// so that no thread meets it in the store and wonders whose it is.
    pub(super) fn note_successor(&self, stale: &Identity, credentials: &Credentials) {
        let new = Identity {
            account_id: stale.account_id.clone(),
            application_key_id: credentials.application_key_id.clone(),
            realm: credentials.realm.as_str().to_owned(),
        };
        let mut state = self.provided.state();
        // Only those that the provider named have successors.
        if *stale != new && state.lineage.holds(stale) {
            state.lineage.add(&new);
            tracing::info!(application_key_id = %new.application_key_id, "the credential provider names another application key");
        }
    }

    /// Takes note of a key that was refused.
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

    /// Whether what the store holds is the key that the provider names now, of the same account: then
    /// another process met the replacement first, and this one goes on with it.
    pub(super) fn adopts(
        &self,
        wanted: &Identity,
        held: &AuthSnapshot,
        control: &Control,
    ) -> Result<bool> {
        let Some(provider) = self.provided.provider() else {
            return Ok(false);
        };
        let is_successor =
            |new: &Identity| wanted.account_id == new.account_id && wanted.realm == new.realm;
        if !is_successor(held.identity()) || !self.provided.state().lineage.holds(wanted) {
            return Ok(false);
        }
        self.adopting.run(control.tokens(), held.generation(), || {
            let now = self.clock().elapsed();
            let known = {
                let state = self.provided.state();
                // A provider may learn of a replacement later than another process's.
                let is_foreign = state.foreign.is_some_and(|(generation, asked)| {
                    generation == held.generation() && now.saturating_sub(asked) < MEMORY
                });
                state.lineage.holds(held.identity()) || is_foreign
            };
            if known {
                return Ok(());
            }
            let is_named = ask(&provider, control)?.made(held.auth());
            let mut state = self.provided.state();
            if is_named {
                state.lineage.add(held.identity());
            } else {
                state.foreign = Some((held.generation(), now));
            }
            Ok(())
        })?;
        Ok(self.provided.continues(wanted, held.identity()))
    }
}

/// Asks the provider, on a thread of its own: it may take its time, and a call that is cancelled does not
/// wait for it.
fn ask(provider: &Arc<dyn CredentialProvider>, control: &Control) -> Result<Credentials> {
    let (sender, receiver) = channel();
    let wakers: Vec<_> = control
        .tokens()
        .map(|token| {
            let sender = sender.clone();
            // Whoever asked may have its answer already.
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
