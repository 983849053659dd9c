//! The store of a fleet on a Redis server (feature `redis`).
//!
//! Every method is one script (`redis/scripts.rs`, which has the layout), sent over a connection of
//! `redis/server.rs`. The memory of `cached.rs` is in front of it.

mod scripts;
mod server;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::server::{Password, Server, Settings};
use self::store::RedisStore;
use crate::account_info::sealing::Sealing;
use crate::account_info::{Cached, UploadUrl, forward_account_info};
use crate::control::clock::Clock;
use crate::error::{Error, Result};

/// An account-info store on a Redis server, which all processes on all machines of a fleet share.
///
/// One process authorizes for all, and upload URLs that one machine does not need serve another. Valkey
/// and other servers that run Redis' scripts work as well.
///
/// The server may be restarted, emptied, or away for a while: what can be had from B2 is then asked
/// there, and a program that has credentials goes on. Nothing in the store is precious, so it needs no
/// persistence.
///
/// By default the application key is not stored, and the token and the upload URLs are in clear text.
/// See [`RedisAccountInfoBuilder::seal_with`].
///
/// ```no_run
/// use b2sdk::B2Api;
/// use b2sdk::account_info::RedisAccountInfo;
/// use b2sdk::credentials::EnvironmentCredentials;
///
/// let b2_api = B2Api::new(RedisAccountInfo::open("redis://redis.internal")?);
/// b2_api.authorize_with(EnvironmentCredentials::new())?;
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct RedisAccountInfo {
    store: Cached<RedisStore>,
}

impl RedisAccountInfo {
    /// Opens the account info named `default` on a server. The URL has the form
    /// `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS.
    ///
    /// No connection is made before the first call, so a server that is away is no error here.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the URL has another form.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder().open(url)
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> RedisAccountInfoBuilder {
        RedisAccountInfoBuilder::default()
    }

    /// Returns the host and the port of the server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.store.store().server().name()
    }
}

forward_account_info!(RedisAccountInfo);

/// A builder for [`RedisAccountInfo`].
///
/// ```
/// use b2sdk::account_info::RedisAccountInfo;
///
/// let store = RedisAccountInfo::builder()
///     .account("uploads")
///     .seal_with("a random secret that all machines share")
///     .open("redis://redis.internal")?;
/// assert_eq!(store.server(), "redis.internal:6379");
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing happens before it is opened"]
pub struct RedisAccountInfoBuilder {
    account: String,
    settings: Settings,
    staleness: Duration,
    pool_size: usize,
    secret: Option<Vec<u8>>,
    stores_application_key: bool,
    clock: Clock,
}

impl Default for RedisAccountInfoBuilder {
    fn default() -> Self {
        Self {
            account: "default".to_owned(),
            settings: Settings {
                timeout: Duration::from_secs(2),
                tls_roots: None,
                password: None,
            },
            staleness: Duration::from_secs(1),
            pool_size: 10 * UploadUrl::POOL_SIZE,
            secret: None,
            stores_application_key: false,
            clock: Clock::default(),
        }
    }
}

impl fmt::Debug for RedisAccountInfoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccountInfoBuilder")
            .field("account", &self.account)
            .field("timeout", &self.settings.timeout)
            .field("staleness", &self.staleness)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

impl RedisAccountInfoBuilder {
    /// Names the account info, so that one server can hold several. The default is `default`. A name has
    /// 1 to 64 of the characters `a-z A-Z 0-9 _ -`.
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.account = name.into();
        self
    }

    /// Sets how long one attempt to connect, to send or to receive takes at most. The default is two
    /// seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Trusts these certificate authorities (PEM) instead of the system's, for a URL `rediss://`.
    pub fn tls_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.tls_roots = Some(pem.into());
        self
    }

    /// Asks this function for the password whenever a connection is made, instead of taking it from the
    /// URL: the password may then change while the program runs.
    pub fn password_with<E>(
        mut self,
        password: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let password: Password = Arc::new(move || password().map_err(E::into));
        self.settings.password = Some(password);
        self
    }

    /// Sets how old an answer from memory may be. The default is one second. A logout and another
    /// account are noticed so much later; zero asks the server before every request to B2.
    pub fn staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// Sets how many upload URLs are kept for one bucket or large file. The default is 1,000; fewer than
    /// [`UploadUrl::POOL_SIZE`] count as that.
    pub fn pool_size(mut self, urls: usize) -> Self {
        self.pool_size = urls.max(UploadUrl::POOL_SIZE);
        self
    }

    /// Stores the application key too. By default it stays with the machines: each needs it from a
    /// [credential provider](crate::credentials) or by hand, and an authorization in the store is used by
    /// whoever has the key of that id.
    pub fn store_application_key(mut self, store: bool) -> Self {
        self.stores_application_key = store;
        self
    }

    /// Encrypts tokens, upload URLs' tokens and the application key under this secret
    /// (XChaCha20-Poly1305). Every machine needs the same one, of at least 16 random bytes; the names of
    /// buckets and the ids of account and key stay in clear text.
    pub fn seal_with(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Reads the time from this clock (feature `test-util`).
    #[cfg(any(test, feature = "test-util"))]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Opens the account info on a server. No connection is made before the first call.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the URL, the name or the secret cannot be used.
    pub fn open(self, url: &str) -> Result<RedisAccountInfo> {
        check_name(&self.account)?;
        let mut sealing = Sealing::default();
        sealing.stores_application_key = self.stores_application_key;
        if let Some(secret) = &self.secret {
            sealing.seal_with(secret)?;
        }
        let server = Server::new(url, self.settings)?;
        let store = RedisStore::new(
            server,
            &self.account,
            sealing,
            self.pool_size,
            self.clock.clone(),
        );
        Ok(RedisAccountInfo {
            store: Cached::reading(store, self.staleness, self.clock),
        })
    }
}

/// A name becomes part of keys.
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
