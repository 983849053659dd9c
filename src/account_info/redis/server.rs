//! The connections to a Redis server, and what its failures mean to the user.
//!
//! A connection serves one thread at a time and goes back to the idle ones after an answer, also a
//! refusal. After anything else it is dropped, because a late answer would be taken for another's.
//!
//! The server, or a proxy before it, may have closed an idle connection. That says nothing about
//! the server. So a request that fails on one is sent once more on a new connection if it may be
//! repeated; one that may not is sent only on a connection that was in use a moment ago, or that
//! has just answered a question. Only a new connection that fails begins the pause, in which the
//! server is left alone so that many calls do not each wait for the time-out.
//!
//! | the server answers, or the connection does | what follows |
//! | --- | --- |
//! | an idle connection breaks | all idle ones are dropped; a new one is tried if the request may be repeated, otherwise `unavailable` |
//! | an idle connection stays silent longer than the time-out | all idle ones are dropped; `unavailable`, no second attempt |
//! | a new connection is refused, breaks or stays silent | `unavailable`, and a pause of a second for all calls |
//! | `READONLY` (a failover), `MOVED` (a cluster) | the primary, or the node, is looked up and asked once |
//! | `NOAUTH`, `WRONGPASS`, `NOPERM` | a lasting error that names the login |
//! | `OOM`, `LOADING`, `BUSY`, `CLUSTERDOWN`, `MASTERDOWN` | `unavailable`, with what can be done |
//! | any other error of a script | a lasting error with its code |
//!
//! What a request costs: one round trip on an idle connection, and one more for `INFO` if it may not
//! be repeated and the connection was not used within the last second. A new connection costs one
//! more for `INFO`, those of TLS and of the login, and with Sentinels a connection to one of them. At most
//! 32 idle connections are kept; a busier program makes more and closes them after use.
//!
//! The time-out applies to each step: connecting, sending, receiving. It is not a limit on the
//! whole call, which may take several of them if an address has to be looked up.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{ConnectionInfo, ErrorKind, InfoDict, RedisError};

use super::address::{self, Address, Means};
use crate::account_info::fleet::{Password, Pause, RECENTLY};
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};

/// How many idle connections are kept.
const IDLE: usize = 32;

/// What a server is reached with.
#[derive(Clone)]
pub(super) struct Settings {
    /// The limit of connecting, and of each sending and receiving.
    pub(super) timeout: Duration,
    /// Certificate authorities in PEM form that replace the system's.
    pub(super) tls_roots: Option<Vec<u8>>,
    /// Returns the password at each connection, in place of that in the URL.
    pub(super) password: Option<Password>,
}

/// Whether a request may be sent again although it may have taken effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second time it has no further effect, or finds its own.
    Yes,
    /// A second time would do harm, so a broken connection is an error.
    No,
}

/// A server with its idle connections.
pub(super) struct Server {
    /// Where it is.
    address: Address,
    /// The node of a cluster that holds the account, if it is not the one at the address.
    redirect: Mutex<Option<ConnectionInfo>>,
    /// Time-out, certificates and password.
    settings: Settings,
    /// Its name in messages.
    name: String,
    /// Connections that nobody uses.
    idle: Mutex<Idle>,
    /// By which connections become idle. Tests move it.
    clock: Clock,
    /// Leaves the server alone after it could not be reached.
    pause: Pause,
}

/// A connection, and which run of which server it leads to.
pub(super) struct Connection {
    /// The driver's connection, with its time-outs set.
    pub(super) connection: redis::Connection,
    /// The server's `run_id`, which changes when it restarts. It is empty if the server does not
    /// tell.
    pub(super) run: String,
    /// When the server last answered on it, by the clock's `elapsed`.
    answered: Duration,
}

/// Connections that nobody uses, and the process that made them.
struct Idle {
    /// A forked process must not use its parent's connections.
    process: u32,
    /// The one that was used last is at the end.
    connections: Vec<Connection>,
}

/// Shows the name only: the settings may contain a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Reads the URL, without connecting. Fails with `InvalidInput` if it has another form.
    pub(super) fn new(url: &str, settings: Settings, clock: Clock) -> Result<Self> {
        let address = Address::parse(url).ok_or_else(|| {
            Error::invalid_input(
                "Redis URL",
                "it is not of the form redis://[user[:password]@]host[:port][/database], or rediss:// \
                 for TLS, or redis+sentinel://[user[:password]@]host[:port],.../service[/database]",
            )
        })?;
        Ok(Self {
            name: address.name(),
            address,
            redirect: Mutex::default(),
            settings,
            idle: Mutex::new(Idle {
                process: std::process::id(),
                connections: Vec::new(),
            }),
            clock,
            pause: Pause::default(),
        })
    }

    /// The host and the port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes one request.
    ///
    /// 1. A server that could not be reached a moment ago is left alone: the call fails at once.
    /// 2. The connection that was used last is used again, if there is one. A request that may not
    ///    be repeated takes it only if the server is certain to have it open.
    /// 3. If it is broken and the request may be repeated, a new one is made. If another server is
    ///    to be asked, that one is connected to.
    /// 4. After an answer the connection goes back; after anything else it is dropped.
    ///
    /// `work` runs once, twice if a connection or an address had to be replaced, or three times if
    /// both did. No lock is held while it runs.
    ///
    /// Fails with `unavailable` if the server cannot be reached, is not ready or is a replica, and
    /// otherwise with a lasting error that says what has to be done.
    pub(super) fn request<T>(
        &self,
        repeat: Repeat,
        mut work: impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        self.pause.check()?;
        if let Some(mut connection) = self.take_open(repeat)? {
            match work(&mut connection) {
                Err(error) if self.is_elsewhere(&error) => {}
                Err(error) if is_of_connection(&error) => {
                    // Others from before are no better.
                    self.idle.lock().connections.clear();
                    if repeat == Repeat::No || error.is_timeout() {
                        return Err(self.explain(&error).into());
                    }
                }
                outcome => return self.finish(connection, outcome),
            }
        }
        let mut connection = self.connect()?;
        match work(&mut connection) {
            Err(error) if self.is_elsewhere(&error) && self.redirect.lock().is_some() => {
                connection = self.connect()?;
                let outcome = work(&mut connection);
                self.finish(connection, outcome)
            }
            outcome => self.finish(connection, outcome),
        }
    }

    /// Whether the server did nothing because another one is to be asked: the primary, after a
    /// failover, or the node of a cluster that holds the account. If so, the new address is noted
    /// and idle connections are dropped.
    ///
    /// A replica gives no address, so the next connection is made to where the URL or a Sentinel
    /// says.
    fn is_elsewhere(&self, error: &RedisError) -> bool {
        let is_elsewhere = matches!(error.code(), Some("READONLY" | "MOVED"));
        if is_elsewhere {
            let node = error.redirect_node();
            *self.redirect.lock() = node.and_then(|(node, _)| self.address.redirected(node));
            self.idle.lock().connections.clear();
        }
        is_elsewhere
    }

    /// Keeps the connection if it is still of use, and explains a failure. That of a new connection
    /// begins the pause; on an idle one, this is not called after a failure of the connection.
    ///
    /// An error that the server itself answered leaves the connection usable.
    fn finish<T>(
        &self,
        connection: Connection,
        outcome: Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        match outcome {
            Err(error) if is_of_connection(&error) || self.is_elsewhere(&error) => {
                Err(self.give_up(&error))
            }
            outcome => {
                self.put_idle(connection);
                outcome.map_err(|error| self.give_up(&error))
            }
        }
    }

    /// An idle connection on which the request may be sent, if there is one.
    ///
    /// A request that may be repeated takes any. For another one, a connection that was not used
    /// recently is asked for the server's run first: whether it is still open is known only once
    /// something was sent on it. If it is broken, the caller makes a new one.
    fn take_open(&self, repeat: Repeat) -> Result<Option<Connection>, StoreError> {
        let Some(mut connection) = self.take_idle() else {
            return Ok(None);
        };
        let idle = self.clock.elapsed().saturating_sub(connection.answered);
        if repeat == Repeat::Yes || idle < RECENTLY {
            return Ok(Some(connection));
        }
        match run_of(&mut connection.connection) {
            Ok(run) => {
                connection.run = run;
                Ok(Some(connection))
            }
            Err(error) => {
                self.idle.lock().connections.clear();
                if error.is_timeout() {
                    return Err(self.explain(&error).into());
                }
                Ok(None)
            }
        }
    }

    /// A connection that nobody uses, the one that was used last.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        if idle.process != std::process::id() {
            // Not even closed: that would end them for the parent, too.
            std::mem::forget(std::mem::take(&mut idle.connections));
            idle.process = std::process::id();
        }
        idle.connections.pop()
    }

    /// Keeps a connection on which the server has answered for the next request, up to 32 of them.
    fn put_idle(&self, mut connection: Connection) {
        connection.answered = self.clock.elapsed();
        let mut idle = self.idle.lock();
        if idle.connections.len() < IDLE {
            idle.connections.push(connection);
        }
    }

    /// Makes a connection, after asking for the password if there is a function for it.
    ///
    /// A failure forgets the node of the cluster, so that the next attempt begins at the address of
    /// the URL. The password is asked for at each new connection, on the caller's thread.
    fn connect(&self) -> Result<Connection, StoreError> {
        let password = self.settings.password.as_ref().map(|password| password());
        let password = password.transpose().map_err(|error| {
            let doing = format!("asking for the password of the Redis server {}", self.name);
            StoreError::new(error).context(doing)
        })?;
        self.connect_with(password).map_err(|error| {
            *self.redirect.lock() = None;
            self.give_up(&error)
        })
    }

    /// Makes a connection to where the account info is now, and asks which run of the server it
    /// leads to: the scripts about upload URLs take URLs of this run only.
    ///
    /// One request, `INFO server`, is sent on the new connection.
    fn connect_with(&self, password: Option<String>) -> Result<Connection, RedisError> {
        let means = Means {
            timeout: self.settings.timeout,
            tls_roots: self.settings.tls_roots.as_deref(),
        };
        let redirect = self.redirect.lock().clone();
        let mut info = match redirect {
            Some(info) => info,
            None => self.address.locate(&means)?,
        };
        if let Some(password) = password {
            let login = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(login);
        }
        let mut connection = address::connect(info, &means)?;
        let run = run_of(&mut connection)?;
        let answered = self.clock.elapsed();
        Ok(Connection {
            connection,
            run,
            answered,
        })
    }

    /// Explains a failure. One of a new connection also begins the pause.
    fn give_up(&self, error: &RedisError) -> StoreError {
        let explained = self.explain(error);
        if let Explained::Away(text) = &explained {
            self.pause.begin(text);
        }
        explained.into()
    }

    /// The failure as the user meets it: which server, what happened, what to do. The driver's and
    /// the server's own words may quote a password or a token, so only codes are passed on.
    fn explain(&self, error: &RedisError) -> Explained {
        use Explained::{Away, NotReady, Refused};
        let name = &self.name;
        let code = error.code().unwrap_or_default();
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed;
        match code {
            _ if is_refused || matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM") => {
                Refused(format!(
                    "the Redis server {name} refused the login or a command; check the user, the \
                     password and the user's rights"
                ))
            }
            "READONLY" => NotReady(format!(
                "the Redis server {name} is a replica and cannot be written; name the primary, or its \
                 Sentinels"
            )),
            "OOM" => NotReady(format!(
                "the Redis server {name} is full; raise its maxmemory, or choose a volatile-* eviction \
                 policy"
            )),
            "MOVED" | "CROSSSLOT" => NotReady(format!(
                "the Redis server {name} is a node of a cluster that does not hold the account info"
            )),
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" => {
                NotReady(format!("the Redis server {name} is not ready ({code})"))
            }
            _ if is_of_connection(error) => Away(format!(
                "the Redis server {name} cannot be reached ({}); check that it runs and the address",
                error.category()
            )),
            "" => Refused(format!(
                "the Redis server {name} answered with an error ({})",
                error.category()
            )),
            code => Refused(format!(
                "the Redis server {name} answered with an error ({code})"
            )),
        }
    }
}

/// A failure as the user meets it.
enum Explained {
    /// It stays so until somebody does something.
    Refused(String),
    /// It passes by itself. The server answered, so asking it again costs no time-out.
    NotReady(String),
    /// The server cannot be reached.
    Away(String),
}

impl From<Explained> for StoreError {
    fn from(explained: Explained) -> Self {
        match explained {
            Explained::Refused(text) => Self::new(text),
            Explained::NotReady(text) | Explained::Away(text) => Self::unavailable(text),
        }
    }
}

/// Asks a server for its `run_id`; empty if it does not tell.
fn run_of(connection: &mut redis::Connection) -> Result<String, RedisError> {
    let server: InfoDict = redis::cmd("INFO").arg("server").query(connection)?;
    Ok(server.get("run_id").unwrap_or_default())
}

/// Whether the connection is of no use any more: what comes over it next may be the answer to this
/// request.
///
/// A time-out counts: the answer may still be on its way.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}
