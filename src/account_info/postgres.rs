//! The store of a fleet on a PostgreSQL server (feature `postgres`).
//!
//! Every method is one statement or one transaction (`postgres/statements.rs`; the tables are in
//! `postgres/schema.rs`), which goes to a thread of the store's own (`postgres/server.rs`). The memory of
//! `cached.rs` is in front of it.
//!
//! | call | what the server does |
//! | --- | --- |
//! | a request to B2, the authorization read less than `staleness` ago | nothing |
//! | a request to B2 otherwise | one statement, which returns no secret while nothing has changed |
//! | a small upload through a URL in constant use | nothing |
//! | any other taking or putting of an upload URL | one statement; putting over a connection that was not used for a second, one more, which is empty |
//! | `begin_refresh`, `renew_lease`, `abandon_refresh`, bucket lookups | one statement |
//! | `save_auth`, `clear`, changes of buckets | one transaction of five to eight round trips |

mod columns;
mod failure;
mod request;
mod schema;
mod server;
mod statements;
mod store;
mod tls;
mod worker;

use std::fmt;
use std::time::Duration;

use self::server::{Server, Settings};
use self::store::PostgresStore;
use crate::account_info::fleet::{FleetSettings, fleet_setters};
use crate::account_info::{Cached, forward_account_info};
use crate::error::Result;

/// An account-info store on a PostgreSQL server, which all processes on all machines of a fleet
/// share.
///
/// One process authorizes for all, and upload URLs that one machine does not need serve another.
///
/// The server may be restarted, fail over, or be unavailable for a while. The client then asks B2
/// for what it needs, and a program that has credentials continues. Upload URLs are in an unlogged
/// table, which is empty after a crash.
///
/// The store needs three tables. [`migrate`](PostgresAccountInfoBuilder::migrate) creates them, or
/// an administrator does with [`TABLES`](Self::TABLES).
///
/// The store has a thread of its own, on which the connections are. It can be called from any
/// thread, also from one of an async runtime, which it blocks for as long as the server needs.
///
/// By default the application key is not stored, and the token and the upload URLs are in clear
/// text. See [`PostgresAccountInfoBuilder::seal_with`].
///
/// # Consequences
/// Whoever can read the tables can upload, download and delete with the token for up to a day,
/// unless the store is sealed. The connection may be in clear text unless the URL says
/// `sslmode=require`; see [`connect`](Self::connect). Backups of the database contain what the tables do. After a failover
/// to a replica, upload URLs are requested again, because unlogged tables are not replicated.
///
/// ```no_run
/// use b2sdk::B2Api;
/// use b2sdk::account_info::PostgresAccountInfo;
/// use b2sdk::credentials::EnvironmentCredentials;
///
/// let b2_api = B2Api::new(PostgresAccountInfo::connect("postgres://fleet@db.internal/b2?sslmode=require")?);
/// b2_api.authorize_with(EnvironmentCredentials::new())?;
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct PostgresAccountInfo {
    store: Cached<PostgresStore>,
}

impl PostgresAccountInfo {
    /// The statements that create the tables, for an administrator to run. A program's user then needs
    /// `SELECT`, `INSERT`, `UPDATE` and `DELETE` on them. Running them again changes nothing.
    ///
    /// The tables are `b2_account`, `b2_bucket` and `b2_upload_url`; all account infos of a
    /// database share them.
    pub const TABLES: &str = schema::TABLES;

    /// Opens the account info named `default` on a server. The URL has the form
    /// `postgres://[user[:password]@]host[:port][/database][?options]`, as PostgreSQL's own programs take
    /// it; several hosts separated by commas are tried in turn until one can be written.
    ///
    /// # Encryption on the way
    /// **Without `sslmode=require` in the URL, the connection may be in clear text.** TLS is then used
    /// only if the server offers it, and whoever controls the network between the two can hide that
    /// offer, read the password, the token and the upload URLs, and change them. So write
    /// `postgres://user@host/database?sslmode=require` for every server on another machine: a
    /// connection without TLS then fails. With TLS the certificate is always verified, by the system's
    /// roots or by [`tls_roots`](PostgresAccountInfoBuilder::tls_roots); `sslmode=verify-ca` and
    /// `sslmode=verify-full` mean no more than `require`. `sslmode=disable` never uses TLS.
    ///
    /// A store that is opened without it logs one warning, unless the URL names only this machine
    /// (`localhost`, a loopback address or a socket in the file system).
    ///
    /// No connection is made before the first call, so a server that is away is no error here.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if the URL has another form.
    pub fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url)
    }

    /// Returns a builder with the default settings, for another name, another time-out, encryption,
    /// TLS roots or a password that changes.
    pub fn builder() -> PostgresAccountInfoBuilder {
        PostgresAccountInfoBuilder::default()
    }

    /// Returns the host and the port of the server, or of each server that the URL names.
    ///
    /// The text contains neither the user nor the password.
    #[must_use]
    pub fn server(&self) -> &str {
        self.store.store().server().name()
    }
}

forward_account_info! {
    impl[] PostgresAccountInfo, |this| Ok(&this.store);
    fn max_staleness(&self) -> Duration {
        self.store.max_staleness()
    }
    fn pool_size(&self) -> usize {
        self.store.pool_size()
    }
}

/// A builder for [`PostgresAccountInfo`].
///
/// ```
/// use b2sdk::account_info::PostgresAccountInfo;
///
/// let store = PostgresAccountInfo::builder()
///     .account("uploads")
///     .migrate(true)
///     .seal_with("a random secret that all machines share")
///     .connect("postgres://fleet@db.internal/b2?sslmode=require")?;
/// assert_eq!(store.server(), "db.internal:5432");
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing happens before it is connected"]
pub struct PostgresAccountInfoBuilder {
    /// What the stores on servers have in common.
    fleet: FleetSettings,
    /// How the server is reached.
    settings: Settings,
}

impl Default for PostgresAccountInfoBuilder {
    fn default() -> Self {
        Self {
            fleet: FleetSettings::default(),
            settings: Settings {
                timeout: Duration::from_secs(2),
                connections: 2,
                tls_roots: None,
                password: None,
                migrate: false,
            },
        }
    }
}

impl fmt::Debug for PostgresAccountInfoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAccountInfoBuilder")
            .field("account", &self.fleet.account)
            .field("timeout", &self.settings.timeout)
            .field("connections", &self.settings.connections)
            .field("migrate", &self.settings.migrate)
            .field("staleness", &self.fleet.staleness)
            .field("pool_size", &self.fleet.pool_size)
            .finish_non_exhaustive()
    }
}

impl PostgresAccountInfoBuilder {
    fleet_setters!();

    /// Sets how long a call of the server takes at most, connecting and asking for the password
    /// included. The default is two seconds. The server itself ends a statement after that time, and one
    /// that waits for a lock after half of it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many connections this store has at most. The default is 2. They are made when they are
    /// needed, and closed after a minute without use. A server has 100 for all programs by default.
    ///
    /// Calls beyond it wait for a free one within their time-out. With the defaults a process
    /// rarely needs the second: most calls are answered from memory.
    pub fn connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Creates the tables if a call finds that they are missing. Off by default: the user then needs the
    /// right to create tables in its schema.
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.settings.migrate = migrate;
        self
    }

    /// Opens the account info on a server. No connection is made before the first call. The form of the
    /// URL, and why a server on another machine needs `sslmode=require` in it, is described at
    /// [`PostgresAccountInfo::connect`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if the URL, the name, the secret or the TLS
    /// roots cannot be used.
    pub fn connect(self, url: &str) -> Result<PostgresAccountInfo> {
        let sealing = self.fleet.sealing()?;
        let FleetSettings {
            account,
            staleness,
            pool_size,
            clock,
            ..
        } = self.fleet;
        let server = Server::new(url, self.settings, clock.clone())?;
        let store = PostgresStore::new(server, account, sealing, pool_size, clock.clone());
        Ok(PostgresAccountInfo {
            store: Cached::reading(store, staleness, clock),
        })
    }
}
