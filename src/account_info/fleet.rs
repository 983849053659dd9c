//! What the stores on a server have in common: their settings, the name of an account info, the numbers
//! that they draw, and how a server that failed is left alone.
//!
//! | setting | default | what it does |
//! | --- | --- | --- |
//! | `account` | `default` | which of several account infos on one server is used |
//! | `staleness` | 1 s | how old an answer from this process's memory may be |
//! | `pool_size` | 1,000 | upload URLs kept for one target, for all machines together |
//! | `seal_with` | none | encrypts tokens and the key |
//! | `store_application_key` | `false` | whether the key is stored at all |

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::account_info::UploadUrl;
use crate::account_info::sealing::Sealing;
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};

/// How recently a connection must have been in use to be taken for open.
///
/// Nothing closes a connection as soon as that: proxies and servers wait for tens of seconds.
pub(super) const RECENTLY: Duration = Duration::from_secs(1);

/// Returns the password when a connection is made.
pub(super) type Password =
    Arc<dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// How a store is used, whatever its server is. The two builders share it, so that a setting has
/// one meaning, one default and one check.
#[derive(Clone)]
pub(super) struct FleetSettings {
    /// The name of the account info, which becomes part of keys and rows.
    pub(super) account: String,
    /// How old an answer from memory may be.
    pub(super) staleness: Duration,
    /// The largest number of upload URLs of one target.
    pub(super) pool_size: usize,
    /// The secret that texts are encrypted under, if they are.
    pub(super) secret: Option<Vec<u8>>,
    /// Whether the application key is stored.
    pub(super) stores_application_key: bool,
    /// The time, which tests can move. Leases use the server's time, moved on by as much.
    pub(super) clock: Clock,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            account: "default".to_owned(),
            staleness: Duration::from_secs(1),
            pool_size: 10 * UploadUrl::POOL_SIZE,
            secret: None,
            stores_application_key: false,
            clock: Clock::default(),
        }
    }
}

impl FleetSettings {
    /// How secrets are stored, once the name and the secret are found to be usable. Fails with
    /// `InvalidInput` otherwise, before anything is sent.
    pub(super) fn sealing(&self) -> Result<Sealing> {
        check_name(&self.account)?;
        let mut sealing = Sealing::default();
        sealing.stores_application_key = self.stores_application_key;
        if let Some(secret) = &self.secret {
            sealing.seal_with(secret)?;
        }
        Ok(sealing)
    }
}

/// Fails with `InvalidInput` unless the name has 1 to 64 of the allowed characters. It becomes part
/// of keys on the server, where other characters would have a meaning of their own.
fn check_name(name: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(Error::invalid_input(
        "account info name",
        "it has 1 to 64 of the characters a-z, A-Z, 0-9, _ and -",
    ))
}

/// A number that nobody else draws, for tickets and epochs: 64 bits from the randomness of the
/// standard library's hash keys. It need not be secret; it must only not occur twice.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Leaves a server alone for a moment after it could not be reached over a new connection, so that
/// many calls do not each wait for the time-out.
///
/// During the pause calls fail at once with the reason of the first failure, and the client goes on
/// without the store. The first call after it asks the server again; if that fails, the next pause
/// begins.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// The time that passes for a server is the system's.
    clock: Clock,
    until: Mutex<Option<(Duration, String)>>,
}

impl Pause {
    /// How long a server is left alone.
    const LENGTH: Duration = Duration::from_secs(1);

    /// Refuses a call during the pause, with the reason for it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.until.lock() {
            Some((until, reason)) if *until > self.clock.elapsed() => {
                Err(StoreError::unavailable(reason.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// Begins a pause. Calls within it fail with this reason.
    pub(super) fn begin(&self, reason: &str) {
        *self.until.lock() = Some((self.clock.elapsed() + Self::LENGTH, reason.to_owned()));
    }
}

/// The methods that the builders have in common. A builder has [`FleetSettings`] as its field `fleet`, and
/// the settings of its server, with `tls_roots` and `password`, as its field `settings`.
macro_rules! fleet_setters {
    () => {
        /// Names the account info, so that one server can hold several. The default is `default`. A name
        /// has 1 to 64 of the characters `a-z A-Z 0-9 _ -`.
        ///
        /// Stores with different names share nothing: neither the login nor upload URLs.
        pub fn account(mut self, name: impl Into<String>) -> Self {
            self.fleet.account = name.into();
            self
        }

        /// Sets how old an answer from memory may be. The default is one second. A logout, or a login to
        /// another account, is noticed with that delay. If it is zero, the server is asked before every
        /// request to B2.
        ///
        /// An old token or an old bucket is corrected by the service at the cost of one refused
        /// request.
        pub fn staleness(mut self, staleness: std::time::Duration) -> Self {
            self.fleet.staleness = staleness;
            self
        }

        /// Sets the largest number of upload URLs that are kept for one bucket or large file. The default
        /// is 1,000. It is never less than
        /// [`UploadUrl::POOL_SIZE`](crate::account_info::UploadUrl::POOL_SIZE).
        pub fn pool_size(mut self, urls: usize) -> Self {
            self.fleet.pool_size = urls.max($crate::account_info::UploadUrl::POOL_SIZE);
            self
        }

        /// Sets whether the application key is stored as well. By default it is not: each machine gets it
        /// from a [credential provider](crate::credentials) or passes it in, and uses the authorization in
        /// the store if that belongs to its key.
        ///
        /// With it, a machine needs no credentials of its own once another one has logged in, and
        /// whoever can read the server has the key.
        pub fn store_application_key(mut self, store: bool) -> Self {
            self.fleet.stores_application_key = store;
            self
        }

        /// Encrypts tokens, upload URLs' tokens and the application key under this secret
        /// (XChaCha20-Poly1305). Every machine needs the same one, of at least 16 random bytes; the names
        /// of buckets and the ids of account and key stay in clear text.
        ///
        /// A shorter secret is refused when the store is opened. A machine with another secret, or
        /// none, cannot read what is stored; its calls log a warning that says so, and it
        /// authorizes by itself.
        pub fn seal_with(mut self, secret: impl Into<Vec<u8>>) -> Self {
            self.fleet.secret = Some(secret.into());
            self
        }

        /// Trusts these certificate authorities (PEM) instead of the system's when it connects with TLS.
        pub fn tls_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.settings.tls_roots = Some(pem.into());
            self
        }

        /// Asks this function for the password whenever a connection is made, instead of taking it from
        /// the URL: the password may then change while the program runs.
        pub fn password_with<E>(
            mut self,
            password: impl Fn() -> Result<String, E> + Send + Sync + 'static,
        ) -> Self
        where
            E: Into<Box<dyn std::error::Error + Send + Sync>>,
        {
            self.settings.password = Some(std::sync::Arc::new(move || password().map_err(E::into)));
            self
        }

        /// Reads the time from this clock (feature `test-util`).
        #[cfg(any(test, feature = "test-util"))]
        pub fn clock(mut self, clock: &$crate::control::clock::Clock) -> Self {
            self.fleet.clock = clock.clone();
            self
        }
    };
}

pub(in crate::account_info) use fleet_setters;
