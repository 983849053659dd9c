//! How connections are made: time limits, proxy, roots, user agent.

use std::time::Duration;

use crate::model::operation::Operation;

/// A limit that is never reached.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long to wait for what. There is no limit on the whole of a transfer: a slow connection may
/// take its time as long as bytes move.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::Timeouts;
///
/// let timeouts = Timeouts::default().connect(Duration::from_secs(120));
/// assert_eq!(timeouts.idle, Duration::from_secs(128));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timeouts {
    /// Looking up a host name. Default 30 s.
    pub resolve: Duration,
    /// Connecting, TLS included. Default 60 s.
    pub connect: Duration,
    /// No byte moves in either direction, the wait for an answer included. Default 128 s.
    pub idle: Duration,
    /// The same for calls during which the service works for long: server-side copies and
    /// finishing a large file. Default 1200 s.
    pub slow_idle: Duration,
    /// Waiting for leave to send a body, after which it is sent without. Default 2 s; at most half
    /// of `idle` is used.
    pub await_continue: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(30),
            connect: Duration::from_secs(60),
            idle: Duration::from_secs(128),
            slow_idle: Duration::from_secs(1200),
            await_continue: Duration::from_secs(2),
        }
    }
}

impl Timeouts {
    /// Looking up a host name.
    #[must_use]
    pub const fn resolve(mut self, limit: Duration) -> Self {
        self.resolve = limit;
        self
    }

    /// Connecting, TLS included.
    #[must_use]
    pub const fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// No byte moves.
    #[must_use]
    pub const fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// No byte moves while the service works for long.
    #[must_use]
    pub const fn slow_idle(mut self, limit: Duration) -> Self {
        self.slow_idle = limit;
        self
    }

    /// Waiting for leave to send a body.
    #[must_use]
    pub const fn await_continue(mut self, limit: Duration) -> Self {
        self.await_continue = limit;
        self
    }

    /// The same with limits that can be added to the present, which ureq does.
    pub(crate) fn that_end(self) -> Self {
        let Self {
            resolve,
            connect,
            idle,
            slow_idle,
            await_continue,
        } = self;
        Self {
            resolve: resolve.min(ENDLESS),
            connect: connect.min(ENDLESS),
            idle: idle.min(ENDLESS),
            slow_idle: slow_idle.min(ENDLESS),
            await_continue: await_continue.min(ENDLESS),
        }
    }

    pub(super) const fn idle_for(&self, operation: Operation) -> Duration {
        match operation {
            Operation::CopyFile | Operation::CopyPart | Operation::FinishLargeFile => {
                self.slow_idle
            }
            _ => self.idle,
        }
    }
}

/// What the service is asked to let go wrong, so that a program can be tried against it (header
/// `X-Bz-Test-Mode`). See [`B2ApiBuilder::test_mode`](crate::B2ApiBuilder::test_mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TestMode {
    /// Some uploads fail, and succeed when they are tried again.
    FailSomeUploads,
    /// Some account tokens expire before their day is over.
    ExpireSomeAccountAuthorizationTokens,
    /// Calls exceed a cap: [`Error::CapExceeded`](crate::Error::CapExceeded).
    ForceCapExceeded,
}

impl TestMode {
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::FailSomeUploads => "fail_some_uploads",
            Self::ExpireSomeAccountAuthorizationTokens => {
                "expire_some_account_authorization_tokens"
            }
            Self::ForceCapExceeded => "force_cap_exceeded",
        }
    }
}

/// What the builder of a `B2Api` collects for us.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    pub(crate) user_agent: String,
    pub(crate) timeouts: Timeouts,
    /// A proxy's URL; it may carry credentials.
    pub(crate) proxy: ProxyChoice,
    /// PEM certificates to trust besides the compiled-in ones.
    pub(crate) extra_roots: Option<Vec<u8>>,
    pub(crate) ipv4_only: bool,
    pub(crate) allow_http: bool,
    /// Hosts beyond the realm's own that may be called.
    pub(crate) trusted_hosts: Vec<String>,
    /// Bodies from this size on ask for leave first.
    pub(crate) expect_continue_from: u64,
    pub(crate) connections: usize,
    pub(crate) test_mode: Option<TestMode>,
}

#[derive(Clone)]
pub(crate) enum ProxyChoice {
    Environment,
    None,
    Url(String),
}

impl std::fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::Url(_) => "Url(***)",
        })
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("b2sdk-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            proxy: ProxyChoice::Environment,
            extra_roots: None,
            ipv4_only: false,
            allow_http: false,
            trusted_hosts: Vec::new(),
            expect_continue_from: 1 << 20,
            connections: 16,
            test_mode: None,
        }
    }
}
