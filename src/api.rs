//! The entrance: an account, and how its calls are made.

pub(crate) mod buckets;
pub(crate) mod files;
pub(crate) mod keys;
mod raw;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::account_info::AccountInfo;
use crate::client::Client;
use crate::control::bandwidth::Bandwidth;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::memory::Memory;
use crate::control::meter::{RequestBudget, RequestCounts};
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::http::config::{HttpConfig, ProxyChoice, TestMode, Timeouts};
use crate::model::auth::Allowed;
use crate::model::id::{AccountId, ApplicationKeyId};
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::session::Session;
use crate::session::credentials::{CredentialProvider, Credentials};
use crate::session::retry::RetryPolicy;

/// An account at Backblaze B2.
///
/// Cheap to clone; clones share connections, the authorization and the counts, and all of them may
/// be used from many threads at once.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let (realm, key_id, key) = (service.url(), service.application_key_id(), service.application_key());
/// use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_account(realm, key_id, key)?; // realm: "production" for the real service
/// let bucket = b2_api.create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
/// bucket.upload_bytes(b"hello", "hello.txt")?;
/// assert_eq!(bucket.download_file_by_name("hello.txt")?.read_to_vec()?, b"hello");
/// # }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct B2Api {
    client: Client,
}

impl B2Api {
    /// An account whose authorization, bucket names and upload URLs are kept in `info`. Nothing is
    /// sent yet; what the store already holds is used.
    #[must_use]
    pub fn new(info: impl AccountInfo + 'static) -> Self {
        Self::builder(info)
            .build()
            .expect("the default configuration has nothing that can be wrong")
    }

    /// The same with other settings.
    #[must_use]
    pub fn builder(info: impl AccountInfo + 'static) -> B2ApiBuilder {
        B2ApiBuilder {
            info: Box::new(info),
            http: HttpConfig::default(),
            retry: RetryPolicy::default(),
            workers: 10,
            memory: None,
            clock: Clock::default(),
        }
    }

    /// Authorizes an application key, once: if the account info already holds an authorization of
    /// the same realm, key id and key, it is used and nothing is sent. Should its token turn out to
    /// be too old, it is replaced at the first call that meets that.
    ///
    /// `realm` is `"production"`, or the URL of another service. From here on this `B2Api` serves
    /// only this identity: if somebody authorizes another one in the same account info, its calls
    /// fail with [`Error::AccountChanged`](crate::Error::AccountChanged).
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a realm to which credentials must not
    /// be sent; [`Error::InvalidCredentials`](crate::Error::InvalidCredentials);
    /// [`Error::Busy`](crate::Error::Busy) and [`Error::Connection`](crate::Error::Connection) when
    /// all attempts failed; the errors of the store.
    pub fn authorize_account(
        &self,
        realm: impl Into<Realm>,
        application_key_id: impl Into<ApplicationKeyId>,
        application_key: impl Into<ApplicationKey>,
    ) -> Result<()> {
        let credentials = Credentials::new(application_key_id, application_key);
        let control = self.client.control(None);
        self.client
            .session
            .authorize(credentials.realm(realm), &control)
    }

    /// Authorizes the key that a provider names: an environment's
    /// ([`EnvironmentCredentials`](crate::credentials::EnvironmentCredentials)), a command's
    /// ([`CommandCredentials`](crate::credentials::CommandCredentials)), or one that the caller's own code looks up. As
    /// with [`authorize_account`](Self::authorize_account) nothing is sent if the account info already
    /// holds its authorization.
    ///
    /// From now on the provider is asked whenever a token no longer works, until a key is authorized by
    /// hand. So a key that was revoked and replaced is picked up by a running program, with one request,
    /// also by its [`Bucket`](crate::Bucket)s, listings and transfers, if the new key is of the same
    /// account at the same realm; another account's fails with
    /// [`Error::AccountChanged`](crate::Error::AccountChanged) and is not stored. A key that was refused
    /// is not sent again for a minute, so that its calls fail without asking for a token each.
    ///
    /// The key is kept in the account info, as with `authorize_account`: in memory with
    /// [`InMemoryAccountInfo`](crate::InMemoryAccountInfo), **in its file, in clear,** with
    /// `SqliteAccountInfo`, as b2sdk does.
    ///
    /// # Errors
    /// [`Error::Credentials`](crate::Error::Credentials) if the provider fails; otherwise as
    /// `authorize_account`. What was authorized before stays so.
    pub fn authorize_with(&self, provider: impl CredentialProvider + 'static) -> Result<()> {
        let control = self.client.control(None);
        self.client
            .session
            .authorize_with(Arc::new(provider), &control)
    }

    /// Asks for a new token in any case, with the credentials of the provider, or without one those in
    /// the account info.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized) if there are none; otherwise as
    /// [`authorize_account`](Self::authorize_account).
    pub fn reauthorize(&self) -> Result<()> {
        self.client.session.reauthorize(&self.client.control(None))
    }

    /// The authorized account.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized),
    /// [`Error::AccountChanged`](crate::Error::AccountChanged), the errors of the store.
    pub fn account_id(&self) -> Result<AccountId> {
        Ok(self
            .client
            .session
            .current(&self.client.control(None))?
            .auth()
            .account_id
            .clone())
    }

    /// What the application key may do.
    ///
    /// # Errors
    /// As [`account_id`](Self::account_id).
    pub fn allowed(&self) -> Result<Allowed> {
        Ok(self
            .client
            .session
            .current(&self.client.control(None))?
            .auth()
            .allowed
            .clone())
    }

    /// The same account, whose calls are cancelled by this token, unless they are given one of their
    /// own; so are those of the buckets that it hands out.
    ///
    /// Connections are not shared with calls under other tokens, so that cancelling breaks only its own.
    ///
    /// ```
    /// use b2sdk::{B2Api, CancelToken, Error, InMemoryAccountInfo};
    ///
    /// let token = CancelToken::new();
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new()).with_cancel(&token);
    /// token.cancel();
    /// let outcome = b2_api.authorize_account("http://127.0.0.1:1", "id", "key");
    /// assert!(matches!(outcome, Err(Error::Cancelled)));
    /// ```
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> Self {
        let mut api = self.clone();
        api.client.cancel = Some(token.clone());
        api
    }

    /// Where all of this is kept.
    #[must_use]
    pub fn account_info(&self) -> &dyn AccountInfo {
        self.client.session.account_info()
    }

    /// How many requests this `B2Api` and its clones have sent so far.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.client.session.http().meter().read()
    }

    /// How many requests may be sent since this `B2Api` was made, see [`RequestBudget`]; holds from now on, for
    /// calls that run, too.
    pub fn set_request_budget(&self, budget: RequestBudget) {
        self.client.session.http().meter().set_budget(budget);
    }

    /// How many requests may be sent.
    #[must_use]
    pub fn request_budget(&self) -> RequestBudget {
        self.client.session.http().meter().budget()
    }

    /// How many threads may move data at the same time from now on, at least 1; see
    /// [`workers`](B2ApiBuilder::workers). Parts that are on their way go on; a reader that is being uploaded
    /// has as many buffers as there were workers when that began.
    ///
    /// ```
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// b2_api.set_workers(2);
    /// assert_eq!(b2_api.clone().workers(), 2);
    /// ```
    pub fn set_workers(&self, threads: usize) {
        self.client.workers.set_limit(threads);
    }

    /// How many threads may move data at the same time.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.client.workers.limit()
    }

    /// How many bytes of content this `B2Api` and its clones hold in memory at the moment; see
    /// [`memory_limit`](B2ApiBuilder::memory_limit).
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.client.workers.memory().lent()
    }

    /// How many bytes of file content a second all uploads of this `B2Api` and its clones together may
    /// send from now on, those that run included; `None` for no limit.
    ///
    /// ```
    /// use std::num::NonZeroU64;
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// b2_api.set_upload_limit(NonZeroU64::new(500_000));
    /// assert_eq!(b2_api.upload_limit().map(NonZeroU64::get), Some(500_000));
    /// b2_api.set_upload_limit(None);
    /// ```
    pub fn set_upload_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bandwidth().up.set_limit(bytes_per_second);
    }

    /// The limit on uploads, in bytes a second.
    #[must_use]
    pub fn upload_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().up.limit()
    }

    /// The same as [`set_upload_limit`](Self::set_upload_limit) for what downloads receive.
    pub fn set_download_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bandwidth().down.set_limit(bytes_per_second);
    }

    /// The limit on downloads, in bytes a second.
    #[must_use]
    pub fn download_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().down.limit()
    }

    fn bandwidth(&self) -> &Bandwidth {
        self.client.session.http().bandwidth()
    }

    /// Breaks all connections, for good, for a process that wants to end while threads are busy: calls
    /// that run or come later fail with [`Error::Cancelled`], also those that wait: between two
    /// attempts, for a worker, for memory or for bandwidth. Nothing can be cleared up any more: large
    /// files that were being uploaded stay unfinished.
    pub fn shutdown(&self) {
        self.client.session.http().shutdown();
    }
}

impl fmt::Debug for B2Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("B2Api")
            .field("account_info", self.client.session.account_info())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`B2Api`].
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
    workers: usize,
    memory: Option<u64>,
    clock: Clock,
}

impl B2ApiBuilder {
    /// How your program calls itself: `name/version`. The crate's own name follows it.
    #[must_use]
    pub fn user_agent(mut self, product: &str) -> Self {
        let own = HttpConfig::default().user_agent;
        self.http.user_agent = format!("{product} {own}");
        self
    }

    /// How long and how often to try.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many threads may move data at the same time, for all transfers of this `B2Api` and its
    /// clones together. Default 10, at least 1. [`B2Api::set_workers`] changes it later; as many
    /// connections are kept open between requests as are said here.
    #[must_use]
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads.max(1);
        self.http.connections = self.http.connections.max(self.workers);
        self
    }

    /// The most bytes of content that all transfers of this `B2Api` and its clones may hold in memory
    /// together. No limit if this is not called.
    ///
    /// Only uploads of what can be read just once hold any: of readers and streams, a part for each
    /// request, which are as small as the limit asks for where no
    /// [`part_size`](crate::UploadOptions::part_size) is given. Uploads that find no memory left wait
    /// until others give some back; a part that would never fit is an error. Beside that each thread
    /// that moves data has buffers of less than 1 MiB.
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

    /// How long to wait for what.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.http.timeouts = timeouts.that_end();
        self
    }

    /// An HTTP proxy's URL, instead of the ones in `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY`;
    /// `None` for no proxy whatever the environment says. This machine itself is never reached
    /// through a proxy.
    #[must_use]
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.http.proxy = url.map_or(ProxyChoice::None, |url| ProxyChoice::Url(url.to_owned()));
        self
    }

    /// Root certificates in PEM form to trust instead of Mozilla's.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.roots = Some(pem.into());
        self
    }

    /// Also talks plain `http://` to realms that are not this machine. Credentials and data then
    /// travel readable for anybody on the way: for trusted networks only.
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.http.allow_http = allow;
        self
    }

    /// Also calls this host with the account's tokens, if the service names it: a gateway in front of
    /// it. Without this only hosts of the realm are called.
    #[must_use]
    pub fn trust_host(mut self, host: &str) -> Self {
        self.http.trusted_hosts.push(host.to_owned());
        self
    }

    /// From how many bytes on an upload asks for leave (`Expect: 100-continue`), so that a refusal
    /// costs no data. Default 1 MiB; `u64::MAX` for never.
    #[must_use]
    pub fn expect_continue_from(mut self, bytes: u64) -> Self {
        self.http.expect_continue_from = bytes;
        self
    }

    /// Asks the service to let something go wrong now and then, so that a program can be tried
    /// against it. Not for use with anything of value.
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

    /// The clock to go by (feature `test-util`).
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// The account with these settings.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a proxy that is no URL of an HTTP
    /// proxy, a user agent that is no header value, and root certificates that are none.
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
        Ok(B2Api {
            client: Client {
                session: Arc::new(Session::new(info, http, retry)),
                workers: Arc::new(Workers::new(workers).with_memory(Memory::new(memory))),
                calls: Arc::default(),
                cancel: None,
            },
        })
    }
}
