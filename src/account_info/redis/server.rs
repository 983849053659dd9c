//! The connections to a Redis server, and what its failures mean to the user.
//!
//! A connection serves one thread at a time and goes back to the idle ones after an answer, also a refusal.
//! After anything else it is dropped, because a late answer would be taken for another's. What failed on
//! an idle connection, which the server may have closed, is tried once more on a new one if it may be
//! repeated. After a server could not be reached it is left alone for a moment, so that many calls do not
//! each wait for the time-out.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{
    Client, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisError, TlsCertificates,
};

use crate::account_info::fleet::{Password, Pause};
use crate::error::{Error, Result, StoreError};

/// How many idle connections are kept.
const IDLE: usize = 32;

/// What a server is reached with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) tls_roots: Option<Vec<u8>>,
    pub(super) password: Option<Password>,
}

/// Whether a request may be sent again although it may have taken effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Yes,
    No,
}

pub(super) struct Server {
    info: ConnectionInfo,
    settings: Settings,
    name: String,
    idle: Mutex<Idle>,
    pause: Pause,
}

struct Idle {
    /// A forked process must not use its parent's connections.
    process: u32,
    connections: Vec<Connection>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(url: &str, settings: Settings) -> Result<Self> {
        // The parser's own words may quote the password.
        let info = url.into_connection_info().map_err(|_| {
            Error::invalid_input(
                "Redis URL",
                "it is not of the form redis://[user[:password]@]host[:port][/database], or rediss:// \
                 for TLS",
            )
        })?;
        let name = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            other => other.to_string(),
        };
        Ok(Self {
            info,
            settings,
            name,
            idle: Mutex::new(Idle {
                process: std::process::id(),
                connections: Vec::new(),
            }),
            pause: Pause::default(),
        })
    }

    /// The host and the port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes one request.
    pub(super) fn request<T>(
        &self,
        repeat: Repeat,
        mut work: impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        self.pause.check()?;
        if let Some(mut connection) = self.take_idle() {
            match work(&mut connection) {
                Err(error) if is_of_connection(&error) => {
                    // Others from before are no better.
                    self.idle.lock().connections.clear();
                    if repeat == Repeat::No || error.is_timeout() {
                        return Err(self.explain(&error));
                    }
                }
                outcome => return self.finish(connection, outcome),
            }
        }
        let mut connection = self.connect()?;
        let outcome = work(&mut connection);
        self.finish(connection, outcome)
    }

    fn finish<T>(
        &self,
        connection: Connection,
        outcome: Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        match outcome {
            Err(error) if is_of_connection(&error) => Err(self.explain(&error)),
            outcome => {
                self.put_idle(connection);
                outcome.map_err(|error| self.explain(&error))
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        if idle.process != std::process::id() {
            // Not even closed: that would end them for the parent, too.
            std::mem::forget(std::mem::take(&mut idle.connections));
            idle.process = std::process::id();
        }
        idle.connections.pop()
    }

    fn put_idle(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.connections.len() < IDLE {
            idle.connections.push(connection);
        }
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let mut info = self.info.clone();
        if let Some(password) = &self.settings.password {
            let password = password().map_err(|error| {
                StoreError::new(error).context(format!(
                    "asking for the password of the Redis server {}",
                    self.name
                ))
            })?;
            let login = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(login);
        }
        let client = match &self.settings.tls_roots {
            Some(roots) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(roots.clone()),
                },
            ),
            None => Client::open(info),
        };
        let timeout = self.settings.timeout;
        let connected = client.and_then(|client| {
            let connection = client.get_connection_with_timeout(timeout)?;
            connection.set_read_timeout(Some(timeout))?;
            connection.set_write_timeout(Some(timeout))?;
            Ok(connection)
        });
        connected.map_err(|error| self.explain(&error))
    }

    /// The failure as the user meets it. The driver's and the server's own words may quote a password or
    /// a token, so only codes are passed on.
    fn explain(&self, error: &RedisError) -> StoreError {
        let name = &self.name;
        let code = error.code().unwrap_or_default();
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed;
        let text = match code {
            _ if is_refused || matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM") => {
                return StoreError::new(format!(
                    "the Redis server {name} refused the login or a command; check the user, the \
                     password and the user's rights"
                ));
            }
            "READONLY" => {
                format!(
                    "the Redis server {name} is a replica and cannot be written; name the primary"
                )
            }
            "OOM" => format!(
                "the Redis server {name} is full; raise its maxmemory, or choose a volatile-* eviction \
                 policy"
            ),
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" => {
                format!("the Redis server {name} is not ready ({code})")
            }
            _ if is_of_connection(error) => {
                let text = format!(
                    "the Redis server {name} cannot be reached ({}); check that it runs and the address",
                    error.category()
                );
                self.pause.begin(&text);
                text
            }
            _ => {
                return StoreError::new(format!(
                    "the Redis server {name} answered with an error ({})",
                    if code.is_empty() {
                        error.category()
                    } else {
                        code
                    }
                ));
            }
        };
        StoreError::unavailable(text)
    }
}

/// Whether the connection is of no use any more.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}
