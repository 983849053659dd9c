//! The store of a fleet on a Redis server (feature `redis`).
//!
//! Every method is one script (`redis/scripts.rs`, which has the layout), sent over a connection of
//! `redis/server.rs`. The memory of `cached.rs` is in front of it.
//!
//! | command | round trips |
//! | --- | --- |
//! | a request to B2, the authorization read less than `staleness` ago | none |
//! | a request to B2 otherwise | one; the server answers with a few bytes while nothing has changed |
//! | a small upload through a URL in constant use | none |
//! | any other taking or putting of an upload URL | one; putting over a connection that was not used for a second, two |
//! | a new connection | one more, for the server's run |
//! | the first use of a script after the server was restarted | one more, to load it |

mod address;
mod methods;
mod scripts;
mod server;
mod store;

use std::fmt;
use std::time::Duration;

use self::server::{Server, Settings};
use self::store::RedisStore;
use crate::account_info::fleet::{FleetSettings, fleet_setters};
use crate::account_info::{Cached, forward_account_info};
use crate::error::Result;

/// An account-info store on a Redis server, which all processes on all machines of a fleet share.
///
/// One process authorizes for all, and upload URLs that one machine does not need serve another.
/// Valkey and other servers that run Redis' scripts work as well.
///
/// The server may be restarted, emptied, or unavailable for a while. The client then asks B2 for
/// what it needs, and a program that has credentials continues. Everything in the store can be
/// requested from B2 again, so the server needs no persistence.
///
/// By default the application key is not stored, and the token and the upload URLs are in clear
/// text. See [`RedisAccountInfoBuilder::seal_with`].
///
/// Besides logging in, the server's user needs `EVALSHA`, `SCRIPT LOAD` and `INFO`, and the
/// commands that the scripts use (`HGET`, `HSET`, `ZADD` and the like) on keys that begin with
/// `b2:`.
///
/// # Consequences
/// Whoever can read the server can upload, download and delete with the token for up to a day,
/// unless the store is sealed. A server that evicts keys when it is full should use a `volatile-*`
/// policy: the authorization has no expiry, and each loss of it costs an authorization.
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
    /// `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. With
    /// `redis+sentinel://[user[:password]@]host[:port],host[:port]/service[/database]` (or
    /// `rediss+sentinel://`) the hosts are Sentinels, which are asked for the primary of the service
    /// whenever a connection is made. In a cluster, any node leads to the one that holds the account info.
    ///
    /// With `redis://` everything is sent in clear text, the password and the token included. Write
    /// `rediss://` for every server on another machine.
    ///
    /// No connection is made before the first call, so a server that is away is no error here.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if the URL has another form.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder().open(url)
    }

    /// Returns a builder with the default settings, for another name, another time-out, encryption,
    /// TLS roots or a password that changes.
    pub fn builder() -> RedisAccountInfoBuilder {
        RedisAccountInfoBuilder::default()
    }

    /// Returns the host and the port of the server.
    ///
    /// With Sentinel it is the name of the service and the addresses of the Sentinels.
    #[must_use]
    pub fn server(&self) -> &str {
        self.store.store().server().name()
    }
}

forward_account_info! {
    impl[] RedisAccountInfo, |this| Ok(&this.store);
    fn max_staleness(&self) -> Duration {
        self.store.max_staleness()
    }
    fn pool_size(&self) -> usize {
        self.store.pool_size()
    }
}

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
    /// What the stores on servers have in common.
    fleet: FleetSettings,
    /// How the server is reached.
    settings: Settings,
}

impl Default for RedisAccountInfoBuilder {
    fn default() -> Self {
        Self {
            fleet: FleetSettings::default(),
            settings: Settings {
                timeout: Duration::from_secs(2),
                tls_roots: None,
                password: None,
            },
        }
    }
}

impl fmt::Debug for RedisAccountInfoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccountInfoBuilder")
            .field("account", &self.fleet.account)
            .field("timeout", &self.settings.timeout)
            .field("staleness", &self.fleet.staleness)
            .field("pool_size", &self.fleet.pool_size)
            .finish_non_exhaustive()
    }
}

impl RedisAccountInfoBuilder {
    fleet_setters!();

    /// Sets how long one attempt to connect, to send or to receive takes at most. The default is two
    /// seconds.
    ///
    /// A call may take twice as long, if an idle connection turns out to be broken and another one
    /// is made. It does not wait for a server that could not be reached within the last second, but
    /// fails at once.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Opens the account info on a server. No connection is made before the first call.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if the URL, the name or the secret cannot be used.
    pub fn open(self, url: &str) -> Result<RedisAccountInfo> {
        let sealing = self.fleet.sealing()?;
        let FleetSettings {
            account,
            staleness,
            pool_size,
            clock,
            ..
        } = self.fleet;
        let server = Server::new(url, self.settings, clock.clone())?;
        let store = RedisStore::new(server, &account, sealing, pool_size, clock.clone());
        Ok(RedisAccountInfo {
            store: Cached::reading(store, staleness, clock),
        })
    }
}
