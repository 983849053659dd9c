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
//! new one too (`KeyHistory`). A key that was refused is not sent again for [`MEMORY`], so that a
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
mod provided;

use std::error::Error as StdError;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::id::ApplicationKeyId;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;

pub use self::command::CommandCredentials;
pub(super) use self::provided::{Adoption, ProviderState};

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
