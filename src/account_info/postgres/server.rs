//! A PostgreSQL server as the store asks it: each request goes to a thread of the store's own, which keeps
//! the connections (`worker.rs`), and the caller waits for the answer.
//!
//! The driver needs an async runtime, and no runtime can be started on a thread that belongs to another
//! one. The thread makes the store usable everywhere, and gives each request a deadline even if the
//! server does not answer at all. A forked process starts a thread of its own.
//!
//! A call takes these steps:
//!
//! 1. If the server could not be reached within the last second, the call fails with that reason.
//! 2. The request goes to the thread. If there is none, or it belongs to the parent of a fork, one
//!    is started.
//! 3. The thread takes a connection, sends the statements, and returns rows or a failure within the
//!    time-out.
//! 4. A failure is explained (`failure.rs`). One of the connection begins a pause.
//!
//! | what happens | what the caller gets |
//! | --- | --- |
//! | the thread cannot be started | `unavailable` |
//! | the thread ends before it has answered | `unavailable`; the next call starts another one |
//! | the time-out passes on a new connection | `unavailable`, and a pause of a second for all calls |
//! | the time-out passes otherwise | `unavailable` |
//! | the process forks | the child starts a thread and connections of its own |
//! | the store is dropped | the thread ends, and with it the connections |
//!
//! What the URL does not say is set here: several hosts are tried until one can be written, the
//! application is called `b2sdk`, and the server itself ends a statement after the time-out, a wait
//! for a lock after half of it, and an idle transaction after twice of it. So a request whose
//! caller has given up does not go on for long.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_postgres::Row;
use tokio_postgres::config::{Config, Host, TargetSessionAttrs};

use super::failure::{Explained, Failure};
use super::request::Request;
use super::tls;
use super::worker::{self, Job, Setup};
use crate::account_info::fleet::{Password, Pause};
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};

/// What a server is reached with.
#[derive(Clone)]
pub(super) struct Settings {
    /// The limit of one request, connecting included.
    pub(super) timeout: Duration,
    /// The largest number of connections.
    pub(super) connections: usize,
    /// Certificate authorities in PEM form that replace the system's.
    pub(super) tls_roots: Option<Vec<u8>>,
    /// Returns the password at each connection, in place of that in the URL.
    pub(super) password: Option<Password>,
    /// Whether missing tables are created.
    pub(super) migrate: bool,
}

/// A server, as callers of any thread ask it.
pub(super) struct Server {
    /// Its name in messages.
    name: String,
    /// What the thread makes connections with.
    setup: Arc<Setup>,
    /// The thread, once a call has needed it.
    worker: Mutex<Option<Worker>>,
    /// Leaves the server alone after it could not be reached.
    pause: Pause,
}

/// The thread of this process.
struct Worker {
    /// The process that started the thread. In a forked one the thread does not exist.
    process: u32,
    /// Where requests go. The thread ends when this is dropped.
    jobs: UnboundedSender<Job>,
}

/// Shows the name only: the settings contain a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Reads the URL and the certificate authorities, without connecting. Fails with `InvalidInput`
    /// if either has another form.
    pub(super) fn new(url: &str, settings: Settings, clock: Clock) -> Result<Self> {
        let config = config(url, settings.timeout).ok_or_else(|| {
            // The parser's own words may quote the password.
            Error::invalid_input(
                "PostgreSQL URL",
                "it is not of the form postgres://[user[:password]@]host[:port][/database][?sslmode=require]",
            )
        })?;
        let name = name(&config);
        let tls = tls::connector(&config, settings.tls_roots.as_deref())?;
        if tls::may_be_overheard(&config) {
            tracing::warn!(
                server = name,
                "the connection to PostgreSQL may be in clear text; add sslmode=require to its URL"
            );
        }
        Ok(Self {
            name,
            setup: Arc::new(Setup {
                config,
                tls,
                timeout: settings.timeout,
                connections: settings.connections,
                password: settings.password,
                migrate: settings.migrate,
                clock,
            }),
            worker: Mutex::default(),
            pause: Pause::default(),
        })
    }

    /// The hosts and the ports.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes one request, and returns the rows of its last statement.
    ///
    /// The caller is blocked for the time-out at the most, and holds no lock.
    ///
    /// Fails with `superseded` if a check found no row, `unavailable` if the server is busy or
    /// away, and otherwise with a lasting error that says what has to be done.
    pub(super) fn request(&self, request: Request) -> Result<Vec<Row>, StoreError> {
        self.pause.check()?;
        let (sender, answer) = sync_channel(1);
        let job = Job {
            request,
            answer: sender,
        };
        self.send(job)?;
        // The thread keeps the deadline.
        let outcome = answer.recv().unwrap_or(Err(Failure::NoThread));
        outcome.map_err(|failure| match failure.explain(&self.name) {
            Explained::Superseded => StoreError::superseded(),
            Explained::Broken(error) => error,
            Explained::Refused(text) => StoreError::new(text),
            Explained::Busy(text) => StoreError::unavailable(text),
            Explained::Away(text) => {
                self.pause.begin(&text);
                StoreError::unavailable(text)
            }
        })
    }

    /// Gives a job to the thread, which is started if there is none.
    ///
    /// The lock is held for as long as it takes to hand the job over, or to start the thread.
    /// Nothing waits for an answer under it.
    fn send(&self, job: Job) -> Result<(), StoreError> {
        let mut worker = self.worker.lock();
        let process = std::process::id();
        if worker
            .as_ref()
            .is_some_and(|worker| worker.process != process)
        {
            // Not even closed: that would wake the parent's thread.
            std::mem::forget(worker.take());
        }
        let job = match &*worker {
            Some(running) => match running.jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(refused) => refused.0,
            },
            None => job,
        };
        let (jobs, receiver) = unbounded_channel();
        worker::start(Arc::clone(&self.setup), receiver)
            .map_err(|error| StoreError::unavailable(error).context("starting a thread"))?;
        // The receiver is there.
        let _ = jobs.send(job);
        *worker = Some(Worker { process, jobs });
        Ok(())
    }
}

/// The driver's settings for a URL, unless it is of another form.
///
/// `verify-full` and `verify-ca` are not known to the driver and mean no more than `require` here.
/// A URL without a host is of another form.
fn config(url: &str, timeout: Duration) -> Option<Config> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return None;
    }
    // A certificate is always verified, so the driver's one mode stands for all three.
    let url = url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = url.parse().ok()?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return None;
    }
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("b2sdk");
    }
    let millis = timeout.as_millis().max(1);
    let limits = format!(
        "-c statement_timeout={millis} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        (millis / 2).max(1),
        millis * 2
    );
    let options = match config.get_options() {
        // What the URL says counts.
        Some(own) => format!("{limits} {own}"),
        None => limits,
    };
    config
        .options(options)
        .connect_timeout(timeout)
        .tcp_user_timeout(timeout.saturating_mul(2));
    Some(config)
}

/// The hosts with their ports, separated by commas.
///
/// A host without a port of its own has the first one of the URL, or 5432.
fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or_else(|| ports.first()).unwrap_or(&5432);
        match host {
            Host::Tcp(host) => format!("{host}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}/.s.PGSQL.{port}", path.display()),
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}
