//! How connections are made: time limits, proxy, root certificates, user agent.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | user agent | `b2sdk-rust/<version>` | the service asks clients to name themselves; a program can add its own name |
//! | proxy | as the environment says | what curl and most programs do |
//! | idle connections | 16 for each host, 4 s | as many as there are workers; the service closes idle connections after a few seconds |
//! | `Expect: 100-continue` | from 1 MiB on | a refusal then arrives before the body is sent; for less, the question costs more than it saves |
//! | IPv4 only | no | both families are tried, with little patience for a silent one |
//! | plain HTTP | only to this machine | a token in clear text can be read on the way |

use std::time::Duration;

use crate::model::operation::Operation;
use crate::setters::setters;

/// A limit of ten years, which is never reached. Longer ones overflow when `ureq` adds them to the
/// present time.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The time limits of single steps. There is no limit on a whole transfer: a slow connection may
/// take as long as it needs while bytes move.
///
/// A step that exceeds its limit fails like a broken connection, and is repeated as the
/// [`RetryPolicy`](crate::RetryPolicy) says. Limits of more than ten years are cut to ten years.
///
/// | what is wanted | limit to change |
/// | --- | --- |
/// | a dead connection is noticed sooner | lower `idle`, but not below the time in which the service answers under load, which may be many seconds |
/// | server-side copies and finishing a large file are given more time | raise `slow_idle` |
/// | a proxy that holds back the service's consent delays each large upload less | lower `await_continue` |
/// | a machine without a network fails sooner | lower `resolve` and `connect`, and the attempts of the `RetryPolicy` |
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
    /// The limit on looking up the name of a host. A lookup that takes longer is given up, and the
    /// request is tried again like one whose connection failed. The default is 30 seconds.
    pub resolve: Duration,
    /// The limit on connecting to all addresses of a host together, including the TLS handshake.
    /// Nothing of the request was sent then, so it is always repeated. The default is 60 seconds.
    pub connect: Duration,
    /// The limit on the time in which no byte moves in either direction. The wait for an answer
    /// counts, so it must be longer than the service needs to answer. An upload or download may
    /// take any time while bytes move; the head of an answer may take twice this time, and an answer that is not
    /// the content of a file ten times. The default is 128 seconds.
    pub idle: Duration,
    /// The limit that replaces `idle` for calls during which the service works for a long time:
    /// server-side copies, and finishing a large file. The default is 1,200 seconds.
    pub slow_idle: Duration,
    /// How long to wait for the service's consent before a large body is sent (`Expect:
    /// 100-continue`). After that time the body is sent without it. The default is 2 seconds; at
    /// most half of `idle` is used.
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

setters! {
    Timeouts {
        resolve: Duration,
        connect: Duration,
        idle: Duration,
        slow_idle: Duration,
        await_continue: Duration,
    }
}

impl Timeouts {
    /// Caps each limit at ten years, so that it can be added to the present time.
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

    /// Whether the limits of an operation are those of most operations.
    pub(super) const fn are_usual_for(operation: Operation) -> bool {
        !matches!(
            operation,
            Operation::CopyFile | Operation::CopyPart | Operation::FinishLargeFile
        )
    }

    /// The idle limit of an operation: copies and finishing a large file answer only when the
    /// service has done the work, which takes minutes for large ones.
    pub(super) const fn idle_for(&self, operation: Operation) -> Duration {
        if Self::are_usual_for(operation) {
            self.idle
        } else {
            self.slow_idle
        }
    }

    /// The limits of one exchange of this operation.
    pub(super) fn limits_of(&self, operation: Operation) -> Limits {
        Limits::of(self.idle_for(operation), self.await_continue)
    }

    /// The limits of one exchange of most operations.
    pub(super) fn usual_limits(&self) -> Limits {
        Limits::of(self.idle, self.await_continue)
    }

    /// The limit on the whole body of an answer that is not the content of a file.
    pub(super) fn longest_answer(&self, operation: Operation) -> Duration {
        self.idle_for(operation).saturating_mul(10)
    }
}

/// The time limits of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest silence.
    pub(super) idle: Duration,
    /// The limit on the whole head of an answer: a server that sends a byte now and then does not hold a
    /// call for longer.
    pub(super) head: Duration,
    /// How long to wait for the host's consent to a body. It is at most half of the idle limit, which would
    /// otherwise end the upload.
    pub(super) consent: Duration,
}

impl Limits {
    fn of(idle: Duration, await_continue: Duration) -> Self {
        Self {
            idle,
            head: idle.saturating_mul(2),
            consent: await_continue.min(idle / 2),
        }
    }
}

/// A failure that the service is asked to simulate, so that a program can be tested against it. It
/// is sent with every request, in the header `X-Bz-Test-Mode`. See
/// [`B2ApiBuilder::test_mode`](crate::B2ApiBuilder::test_mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TestMode {
    /// Some uploads fail. They succeed when they are repeated, so a program notices no more than a
    /// delay.
    FailSomeUploads,
    /// Some account tokens expire early, and are replaced.
    ExpireSomeAccountAuthorizationTokens,
    /// Calls fail with [`Error::CapExceeded`](crate::Error::CapExceeded), as if a cap of the
    /// account were reached.
    ForceCapExceeded,
}

impl TestMode {
    /// The value of the header.
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

/// The settings that the builder of a `B2Api` collects for this layer.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// The value of the header `User-Agent`.
    pub(crate) user_agent: String,
    /// The limits of single steps.
    pub(crate) timeouts: Timeouts,
    /// Which proxy to use. Its URL may contain a password.
    pub(crate) proxy: ProxyChoice,
    /// Certificates in PEM form that are trusted in addition to the compiled-in ones.
    pub(crate) extra_roots: Option<Vec<u8>>,
    /// Whether the root certificates of the system are trusted besides.
    #[cfg(feature = "system-roots")]
    pub(crate) system_roots: bool,
    /// Whether IPv6 addresses are left out.
    pub(crate) ipv4_only: bool,
    /// How long a connection that nothing uses is kept open.
    pub(crate) idle_age: Duration,
    /// Whether credentials may be sent without TLS to hosts other than this machine.
    pub(crate) allow_http: bool,
    /// Hosts that may be called although they do not belong to the realm.
    pub(crate) trusted_hosts: Vec<String>,
    /// The size in bytes from which on a body is sent only after the service agreed, or did not
    /// answer in time.
    pub(crate) expect_continue_from: u64,
    /// The number of idle connections that are kept for each host.
    pub(crate) connections: usize,
    /// The failure that the service is asked to simulate.
    pub(crate) test_mode: Option<TestMode>,
}

/// Which proxy to use. `Debug` does not show the URL.
#[derive(Clone)]
pub(crate) enum ProxyChoice {
    /// The one that the environment variables name.
    Environment,
    /// None, whatever the environment says.
    None,
    /// This one, for all hosts but this machine.
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
            #[cfg(feature = "system-roots")]
            system_roots: false,
            ipv4_only: false,
            // Below the service's keep-alive, or the first request after a pause meets a closed connection.
            idle_age: Duration::from_secs(4),
            allow_http: false,
            trusted_hosts: Vec::new(),
            expect_continue_from: 1 << 20,
            connections: 16,
            test_mode: None,
        }
    }
}
