//! Building a [`B2Api`]: connections, retries, limits.

use std::sync::Arc;
use std::time::Duration;

use crate::account_info::AccountInfo;
use crate::api::B2Api;
use crate::client::Client;
use crate::control::adaptive::Workers;
use crate::control::clock::Clock;
use crate::control::memory::Memory;
use crate::control::workers::Workers as Permits;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::http::config::{HttpConfig, ProxyChoice, TestMode, Timeouts};
use crate::session::Session;
use crate::session::retry::RetryPolicy;

/// Builds a [`B2Api`] whose settings differ from the defaults. [`B2Api::builder`] creates it.
///
/// A setting that is set twice has the second value, except for [`trust_host`](Self::trust_host), which adds
/// a host. Mistakes are reported by [`build`](Self::build).
///
/// ```
/// use std::time::Duration;
/// use b2sdk::{B2Api, InMemoryAccountInfo, RetryPolicy, Timeouts};
///
/// let b2_api = B2Api::builder(InMemoryAccountInfo::new())
///     .user_agent("backup-tool/1.2")
///     .retry(RetryPolicy::default().max_attempts(20))
///     .timeouts(Timeouts::default().connect(Duration::from_secs(120)))
///     .build()?;
/// # let _ = b2_api;
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct B2ApiBuilder {
    info: Box<dyn AccountInfo>,
    http: HttpConfig,
    retry: RetryPolicy,
    workers: Workers,
    memory: Option<u64>,
    clock: Clock,
}

impl B2ApiBuilder {
    pub(super) fn new(info: Box<dyn AccountInfo>) -> Self {
        Self {
            info,
            http: HttpConfig::default(),
            retry: RetryPolicy::default(),
            workers: Workers::Fixed(10),
            memory: None,
            clock: Clock::default(),
        }
    }

    /// Sets what the program calls itself in the `User-Agent` header, as `name/version`. The crate's own
    /// name and version follow it, as in `backup-tool/1.2 b2sdk-rust/0.1.0`. By default only the latter are
    /// sent. Backblaze's support finds a program's requests by this header.
    #[must_use]
    pub fn user_agent(mut self, product: &str) -> Self {
        let own = HttpConfig::default().user_agent;
        self.http.user_agent = format!("{product} {own}");
        self
    }

    /// Sets how often, and for how long, requests are repeated that fail for a passing reason. The default is
    /// 8 attempts within 15 minutes; see [`RetryPolicy`] for the pauses, and [`RetryPolicy::none`] for a
    /// program that repeats by itself.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many threads may move data at the same time, for all transfers of this `B2Api` and its
    /// clones together. The default is 10, the least is 1: 0 counts as 1. With [`Workers::Auto`], the number
    /// follows the throughput.
    ///
    /// More workers help over long distances, where one connection is slow. Each holds a part in memory if
    /// it uploads from a reader, and a file descriptor for its connection.
    ///
    /// [`B2Api::set_workers`] changes the number later. The largest number that is set here is also how many
    /// connections are kept open between requests, which are at least 16.
    ///
    /// A number that is parsed from text needs its type, because the argument may be of several types.
    ///
    /// ```
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::builder(InMemoryAccountInfo::new()).workers("4".parse::<usize>()?).build()?;
    /// # let _ = b2_api;
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.workers = workers.into();
        self.http.connections = self.http.connections.max(self.workers.most());
        self
    }

    /// Limits the bytes of content that all transfers of this `B2Api` and its clones hold in memory
    /// together. There is no limit by default.
    ///
    /// The limit applies to content of three kinds. Uploads from readers, streams and writers hold one part
    /// for each request, because their content can be read only once. The cache of an open file holds up to
    /// its [`cache_size`](crate::streams::OpenFileOptions::cache_size), and
    /// [`Download::write_to`](crate::Download::write_to) up to 64 MiB of ranges that it has received ahead of
    /// the writer; both take only what is free, and release it as soon as a transfer waits for memory.
    ///
    /// Where no [`part_size`](crate::UploadOptions::part_size) is set, parts are as small as the limit
    /// requires. An upload that finds no memory left waits until another one releases some; a part that can
    /// never fit is an error. In addition, each thread that moves data has buffers of less than 1 MiB, and
    /// what a download returns as a `Vec` does not count.
    ///
    /// ```
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::builder(InMemoryAccountInfo::new()).memory_limit(64_000_000).build()?;
    /// # let _ = b2_api;
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Sets how long to wait for connections and for answers. No limit applies to a whole transfer: it may
    /// take any time as long as bytes move. [`Timeouts`] names the defaults.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.http.timeouts = timeouts.that_end();
        self
    }

    /// Sets the URL of an HTTP proxy, or `None` for no proxy whatever the environment says.
    ///
    /// By default the environment decides, as it does for curl: `HTTPS_PROXY` (for plain `http://` realms
    /// `HTTP_PROXY`), then `ALL_PROXY`, each in lower case first; `NO_PROXY` lists hosts, `*.domains`,
    /// `host:port` and `network/bits` that are reached directly. Calls fail with
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) and send nothing if the variable that counts does not name an HTTP proxy
    /// (SOCKS is not supported), or if the proxy does not accept the user name and password in its URL.
    /// Connections to this machine itself never go through a proxy.
    #[must_use]
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.http.proxy = url.map_or(ProxyChoice::None, |url| ProxyChoice::Url(url.to_owned()));
        self
    }

    /// Adds root certificates in PEM form, which are trusted besides Mozilla's, such as those of a
    /// company's own proxy. [`build`](Self::build) fails if one of them is not a certificate.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.extra_roots = Some(pem.into());
        self
    }

    /// Trusts the root certificates of the operating system besides Mozilla's, as the programs of a
    /// company do whose administrators have added its own. They are read once, when the `B2Api` is built;
    /// on Unix, `SSL_CERT_FILE` and `SSL_CERT_DIR` name other ones. [`build`](Self::build) fails if the system
    /// has none that can be read. This needs the feature `system-roots`.
    #[cfg(feature = "system-roots")]
    #[must_use]
    pub fn system_roots(mut self) -> Self {
        self.http.system_roots = true;
        self
    }

    /// Sets how long a connection that nothing uses is kept open for the next request. The default is 4
    /// seconds; zero keeps none.
    ///
    /// A program that sends something every ten seconds saves a connection, which costs two or three round
    /// trips, for each of them with a longer time. A connection that the service has closed is noticed
    /// before it is used, without a round trip. Only one whose end is still on its way is used: then the
    /// request is repeated over another one, and after an upload the service is asked first, with one request
    /// of class C, whether it arrived. How long the service itself keeps connections is not documented, so a
    /// much longer time only causes such repetitions.
    #[must_use]
    pub fn idle_connections_for(mut self, time: Duration) -> Self {
        self.http.idle_age = time;
        self
    }

    /// Connects to IPv4 addresses only, for networks that announce IPv6 but do not carry it. By default
    /// both are tried, and the address that answered is remembered. A proxy makes its own choice when it
    /// connects to the service.
    #[must_use]
    pub const fn ipv4_only(mut self, only: bool) -> Self {
        self.http.ipv4_only = only;
        self
    }

    /// Allows `http://` URLs for realms that are not on this machine. Credentials and data then travel
    /// unencrypted, so use this in trusted networks only. Without it, authorizing at such a realm fails with
    /// [`Error::InvalidInput`], and nothing is sent. `http://` URLs of this machine are always allowed.
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.http.allow_http = allow;
        self
    }

    /// Trusts a host outside the realm with the account's tokens, if the service names it: a gateway in
    /// front of the service, for example. It can be called for several hosts; each is a host name without
    /// scheme and port.
    ///
    /// By default only hosts of the realm are called: for `production` those below `backblazeb2.com` and
    /// `backblaze.com`, for another realm the host of its URL. If the service names a URL elsewhere, the call
    /// fails with [`Error::UnexpectedReply`], and no token is sent there.
    #[must_use]
    pub fn trust_host(mut self, host: &str) -> Self {
        self.http.trusted_hosts.push(host.to_owned());
        self
    }

    /// Sets from how many bytes on an upload sends `Expect: 100-continue` and waits for the service to
    /// agree, so that a refused upload sends no content. The default is 1 MiB; `u64::MAX` turns it off.
    ///
    /// A service that does not reply is waited for as long as
    /// [`Timeouts::await_continue`](crate::Timeouts::await_continue) says. The content is then sent all the
    /// same, and that host is not asked again.
    #[must_use]
    pub fn expect_continue_from(mut self, bytes: u64) -> Self {
        self.http.expect_continue_from = bytes;
        self
    }

    /// Asks the service to let some requests fail, to test how a program copes with it. Every request then
    /// carries the header `X-Bz-Test-Mode`. Do not use this with data that matters.
    ///
    /// The real service and the simulator know three such modes; the faults of the simulator
    /// (feature `simulator`) reach further and need no account.
    ///
    /// ```
    /// use b2sdk::testing::TestMode;
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let api = B2Api::builder(InMemoryAccountInfo::new())
    ///     .test_mode(TestMode::FailSomeUploads)
    ///     .build()?;
    /// # Ok::<(), b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn test_mode(mut self, mode: TestMode) -> Self {
        self.http.test_mode = Some(mode);
        self
    }

    /// Sets the clock that pauses, leases and the age of upload URLs go by, instead of the system's. A test
    /// moves it forward and need not wait. Limits on the network, such as time-outs, go by real time.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Builds the `B2Api`. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the proxy is not the URL of an HTTP proxy, if the user agent is not
    /// printable ASCII, or if the root certificates cannot be read.
    pub fn build(self) -> Result<B2Api> {
        let Self {
            info,
            http,
            retry,
            workers,
            memory,
            clock,
        } = self;
        if !http
            .user_agent
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte))
        {
            return Err(Error::invalid_input(
                "user agent",
                "it is not printable ASCII",
            ));
        }
        let http = Http::new(http, clock)?;
        let workers = Permits::new(workers).with_memory(Memory::new(memory));
        http.bandwidth().report_to(workers.tuner());
        Ok(B2Api {
            client: Client {
                session: Arc::new(Session::new(info, http, retry)),
                workers: Arc::new(workers),
                calls: Arc::default(),
                cancel: None,
            },
        })
    }
}
