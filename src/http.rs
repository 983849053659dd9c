//! Sends one request and receives one response. Nothing is repeated here.
//!
//! This is the only module that names `ureq`, and the one that knows its traps, which
//! `docs/architecture.md` lists: a status is no error before its body was read, redirects are not
//! followed, bodies are not decoded, and a body has a known length and never ends early.
//!
//! The steps of [`Http::send`], and how each one fails:
//!
//! 1. The URL must belong to the realm (`guard`); otherwise nothing is sent and no credentials
//!    leave the process. A header that HTTP cannot carry is an error as well.
//! 2. The connections for the host are chosen: those of the call's token, direct or through a proxy
//!    (`agents`, `token_connections`). A proxy variable that cannot be used is an error.
//! 3. The request is counted. One beyond the budget is not sent.
//! 4. The name is looked up and a connection made, or one from the pool is used (`connector`,
//!    `dns_cache`). What fails here is marked as not sent.
//! 5. Head and body are sent (`exchange`). Large bodies first ask whether they are welcome
//!    (`expect_continue`). If the connection breaks, the error says how much of the body had left.
//! 6. The head of the answer is read. A status other than 2xx becomes the error that it means
//!    (`error`). The body of a success is read by the caller, and breaks off with an error of its
//!    own.
//!
//! Every step ends at once when the call is cancelled, except a name lookup and the connecting
//! after it, which have time limits.
//!
//! Which failures can be told apart by what had been sent, and what that means for repeating:
//!
//! | step | `Sent` | may be repeated |
//! | --- | --- | --- |
//! | 1 to 3 | nothing left the process | not at all: the same would happen again |
//! | 4 | `Nothing` | always |
//! | 5, before the last byte of the body | `Nothing` or `Partial` | always: an incomplete request has no effect |
//! | 5, after it; 6 | `All` | only if a second time does no harm, or after a look at the service |
//!
//! A host's connections are pooled (16 idle ones for each host by default, for 4 seconds). A
//! connection goes back to its pool when the body of its answer was read to the end, and is closed
//! otherwise.
//!
//! Three costs are fixed for each request: it counts against the budget of its billing class as
//! soon as it is about to be sent, also if the connection then breaks; it takes one connection for
//! itself; and the success of an upload or download is reported to the tuner of the number of
//! workers, as is a 429 or 503 to any request.
//!
//! What this layer leaves behind: open connections in the pools, the addresses of hosts for a few
//! seconds, and what it learned of each host's reaction to `Expect: 100-continue`. None of it
//! outlives the `B2Api`.

mod agents;
pub(crate) mod body;
mod checked_url;
pub(crate) mod config;
mod connector;
mod dns_cache;
mod early_answer;
mod error;
mod exchange;
mod expect_continue;
mod guard;
pub(crate) mod headers;
mod joined_writes;
mod known_urls;
mod pool_check;
mod proxy;
mod retry_after;
mod service_clock;
mod socket;
mod socket_buffers;
mod token_connections;

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use ureq::Agent;
use ureq::http as types;

pub(crate) use ureq::http::header;
pub(crate) use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::rate_limit::Bandwidth;
use crate::control::request_counts::RequestCounter;
use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::agents::{AgentSettings, Agents};
use crate::http::body::ResponseBody;
use crate::http::checked_url::CheckedUrl;
use crate::http::config::HttpConfig;
use crate::http::connector::Shared;
use crate::http::dns_cache::DnsCache;
use crate::http::exchange::{Answer, Exchanged, Message};
use crate::http::expect_continue::Expectations;
use crate::http::headers::Headers;
use crate::http::known_urls::KnownUrls;
use crate::http::pool_check::Shortage;
use crate::http::service_clock::ServiceClock;
use crate::http::token_connections::TokenConnections;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

pub(crate) use self::service_clock::Beginning;

/// The body of a request.
pub(crate) enum RequestBody<'a> {
    /// No body, as in GET and HEAD requests.
    None,
    /// JSON that is in memory. The bandwidth limit does not apply to it.
    Bytes(&'a [u8]),
    /// Exactly this many bytes from a reader: the content of a file, under the bandwidth limit. A
    /// reader that ends early makes the request fail.
    Reader(&'a mut dyn Read, u64),
}

/// One request.
pub(crate) struct Request<'a> {
    /// The endpoint: for errors, counts and time limits.
    pub(crate) operation: Operation,
    /// GET, HEAD or POST.
    pub(crate) method: Method,
    /// The whole URL. It comes from a store or from the service, so it is checked before anything
    /// is sent.
    pub(crate) url: &'a str,
    /// The realm whose hosts may receive the credentials.
    pub(crate) realm: &'a Realm,
    /// The value of the `Authorization` header. It never appears in an error or a log.
    pub(crate) authorization: &'a str,
    /// Further headers.
    pub(crate) headers: Headers,
    /// What is sent after the headers.
    pub(crate) body: RequestBody<'a>,
    /// What the request is about, for the error that a refusal becomes.
    pub(crate) subject: Subject<'a>,
}

/// A successful response whose body has not been read yet.
#[derive(Debug)]
pub(crate) struct Response {
    /// The endpoint that answered, for errors.
    pub(crate) operation: Operation,
    /// The status, from 200 to 299.
    pub(crate) status: u16,
    /// All headers of the answer.
    pub(crate) headers: HeaderMap,
    /// The body, which is read by the caller.
    pub(crate) body: ResponseBody,
}

impl Response {
    /// The value of a header, if it is there and is text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length of a download. The service always announces it; if it is missing, the call fails,
    /// because a body that was cut off would look complete.
    pub(crate) fn content_length(&self) -> Result<u64> {
        let length = self
            .header("content-length")
            .and_then(|length| length.parse().ok());
        length.ok_or_else(|| length_mismatch(self.operation))
    }
}

#[cfg(test)]
impl Response {
    /// A response with these headers and no body, for tests.
    pub(crate) fn of_headers<'a>(
        operation: Operation,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let headers = headers.into_iter().map(|(name, value)| {
            let name: types::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let body = ureq::Body::builder().data(Vec::new());
        Self {
            operation,
            status,
            headers: headers.collect(),
            body: ResponseBody::new(
                operation,
                body,
                Control::default(),
                &Clock::default(),
                &Arc::default(),
                None,
            ),
        }
    }
}

/// Sends requests. A clone shares everything with the original; all threads of a `B2Api` use one.
///
/// No lock is held while a request is sent or an answer is read. Requests of different threads only
/// share the pools, from which each takes a connection for itself.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Inner>);

/// What the clones share.
#[derive(Debug)]
struct Inner {
    /// The settings of the builder. They never change.
    config: HttpConfig,
    /// What the connection pools are made from.
    agent_settings: Arc<AgentSettings>,
    /// The connections of calls that run under no token.
    agents: Agents,
    /// The URLs that were checked.
    known_urls: KnownUrls,
    /// Measures how long requests take and how old addresses are. A test can move it.
    clock: Clock,
    /// Counts what is sent, by endpoint, and holds the budgets.
    request_counter: RequestCounter,
    /// The limits on upload and download rates, and the way to the tuner of the workers.
    bandwidth: Arc<Bandwidth>,
    /// Whether the system ran out of file descriptors within the last half minute.
    shortage: Shortage,
    /// The hosts that do not answer `Expect: 100-continue`.
    expectations: Expectations,
    /// Cancelled by `shutdown`. After that no request is sent.
    closing: CancelToken,
    /// The connections of calls that run under a token.
    token_connections: Arc<TokenConnections>,
    /// The time at the service, from the `Date` headers of its answers.
    service_clock: ServiceClock,
}

/// Logs a warning if the logger of the program takes what the HTTP library writes at the level TRACE: each
/// request with all its headers, and so keys and tokens.
///
/// The logger itself is asked, because the level alone may be that of other crates.
fn warn_of_logged_headers() {
    if log::log_enabled!(target: "ureq_proto::util", log::Level::Trace) {
        tracing::warn!(
            "the logger takes the level TRACE of ureq_proto, which writes application keys and tokens; turn it \
             off for ureq and ureq_proto"
        );
    }
}

impl Http {
    /// Checks the configuration and prepares the pools. Opens no connection. Fails with
    /// `InvalidInput` if the proxy or a root certificate cannot be used. Logs a warning if the program
    /// would log tokens.
    pub(crate) fn new(config: HttpConfig, clock: Clock) -> Result<Self> {
        warn_of_logged_headers();
        let shortage = Shortage::default();
        let shared = Shared::new(DnsCache::new(&clock)).short_of(&shortage);
        let agent_settings = Arc::new(AgentSettings::new(&config, shared)?);
        Ok(Self(Arc::new(Inner {
            agents: Agents::new(&config, &agent_settings),
            token_connections: Arc::new(TokenConnections::new(config.connections)),
            agent_settings,
            known_urls: KnownUrls::default(),
            config,
            clock,
            request_counter: RequestCounter::default(),
            bandwidth: Arc::default(),
            shortage,
            expectations: Expectations::default(),
            closing: CancelToken::new(),
            service_clock: ServiceClock::default(),
        })))
    }

    /// The clock of this client.
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The counter of requests, with the budgets.
    pub(crate) fn request_counter(&self) -> &RequestCounter {
        &self.0.request_counter
    }

    /// The limits on bandwidth.
    pub(crate) fn bandwidth(&self) -> &Bandwidth {
        &self.0.bandwidth
    }

    /// Notes that the system has no file descriptor left: for a while there are fewer workers, and no
    /// connection waits for its next request. Returns whether other workers run, which will return theirs.
    pub(crate) fn out_of_descriptors(&self) -> bool {
        self.0.shortage.note(&self.0.clock);
        self.0.bandwidth.out_of_descriptors(&self.0.clock)
    }

    /// Notes the present moment, to compare times of the service with it later.
    ///
    /// A caller that may have to search for a version after a lost answer calls this before it
    /// sends the request. Nothing is sent.
    pub(crate) fn begin(&self) -> Beginning {
        self.0.service_clock.begin(&self.0.clock)
    }

    /// The time at the service at the moment of `beginning`, rather too early than too late; `None`
    /// before the service's first answer.
    pub(crate) fn service_time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.0.service_clock.time_of(beginning)
    }

    /// The later of the two estimates of what time it was at the service when something began.
    pub(crate) fn latest_service_time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.0.service_clock.latest_time_of(beginning)
    }

    /// The token that `shutdown` cancels.
    pub(crate) fn closing(&self) -> &CancelToken {
        &self.0.closing
    }

    /// Whether `shutdown` was called.
    fn is_closed(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// Fails with `InvalidInput` if credentials must not be sent to this realm.
    pub(crate) fn check_realm(&self, realm: &Realm) -> Result<()> {
        guard::check_realm(realm, self.0.config.allow_http)
    }

    /// Fails if a URL that the service named does not belong to the realm.
    ///
    /// The error is `UnexpectedReply` and names `operation`; nothing is sent. A caller uses this
    /// before it keeps a URL, so that one that could not be called never enters a store.
    pub(crate) fn check_url(&self, realm: &Realm, url: &str, operation: Operation) -> Result<()> {
        let config = &self.0.config;
        let checked = self.0.known_urls.check(realm, url, config, operation);
        checked.map(|_| ())
    }

    /// Fails if HTTP cannot carry a token that the service named.
    ///
    /// The error is `UnexpectedReply` and names `operation`. A caller uses this before it keeps a
    /// token, because sending one that cannot be sent is `InvalidInput`, which blames the caller.
    pub(crate) fn check_token(token: &str, operation: Operation) -> Result<()> {
        match HeaderValue::from_str(token) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::UnexpectedReply {
                operation,
                source: "its token contains characters that HTTP does not allow".into(),
            }),
        }
    }

    /// Closes every connection for good. Calls that are running fail with `Cancelled`, and so does
    /// every later one.
    ///
    /// It does not wait for those calls. Calling it again has no further effect.
    pub(crate) fn shutdown(&self) {
        self.0.closing.cancel();
        self.0.agents.shutdown();
        self.0.token_connections.shutdown();
    }

    /// Sends a request and reads the head of the answer. An answer that is no success becomes the
    /// error that it means.
    ///
    /// The call returns when the head has arrived: the body of a download may take hours after
    /// that. It fails with `Cancelled` if the call is cancelled or the client was shut down, also
    /// if the connection failed for another reason at that moment, because cancelling breaks
    /// connections.
    ///
    /// Besides `Cancelled` it fails with `UnexpectedReply` if the URL does not belong to the realm,
    /// `InvalidInput` if a header or the proxy variable is unusable, `BudgetExceeded` if the request
    /// is one too many, `Connection` if no answer arrived, the error of the body's source if that failed, and
    /// otherwise with the error that the refusal means. Nothing was sent in the first three of
    /// these cases.
    pub(crate) fn send(&self, request: Request<'_>, control: &Control) -> Result<Response> {
        control.check()?;
        if self.is_closed() {
            return Err(Error::Cancelled);
        }
        let Request {
            operation,
            method,
            url,
            realm,
            authorization,
            headers,
            body,
            subject,
        } = request;
        let checked = self.checked(realm, url, &method, operation)?;
        let head = self.head(method, &checked, authorization, headers)?;
        let agent = self.agent_for(&checked, control)?;
        self.0.request_counter.count(operation)?;
        let host = &*checked.host;
        let message = Message {
            operation,
            host,
            agent,
            head,
        };
        let exchanged = self.exchange(message, body, control);
        let response = self.receive(exchanged, operation, host, control)?;
        match response.status {
            200..=299 => Ok(response),
            _ => {
                let clock = &self.0.clock;
                Err(error::from_refusal(
                    response,
                    url,
                    authorization,
                    subject,
                    clock,
                ))
            }
        }
    }

    /// Checks the URL of a request. Those of POST requests are used again and again, and their checks are
    /// remembered.
    fn checked(
        &self,
        realm: &Realm,
        url: &str,
        method: &Method,
        operation: Operation,
    ) -> Result<Arc<CheckedUrl>> {
        let config = &self.0.config;
        match *method {
            Method::POST => self.0.known_urls.check(realm, url, config, operation),
            _ => guard::check(realm, url, config, operation).map(Arc::new),
        }
    }

    /// The method, the URL and the headers of a request. Fails with `InvalidInput` if HTTP cannot
    /// carry the authorization.
    fn head(
        &self,
        method: Method,
        url: &CheckedUrl,
        authorization: &str,
        mut headers: Headers,
    ) -> Result<types::Request<()>> {
        headers.add(header::AUTHORIZATION, authorization)?;
        if let Some(mode) = self.0.config.test_mode {
            headers.add(TEST_MODE, mode.header())?;
        }
        let mut head = types::Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = url.uri.clone();
        *head.headers_mut() = headers.into_map();
        Ok(head)
    }

    /// Turns the end of an exchange into a response, whatever its status, or into an error. A
    /// failure of a call that was cancelled is `Cancelled`, since cancelling breaks connections.
    fn receive(
        &self,
        exchanged: Exchanged,
        operation: Operation,
        host: &str,
        control: &Control,
    ) -> Result<Response> {
        let millis = exchanged.took.as_millis();
        let response = match exchanged.answer {
            Answer::Response(response) => response,
            _ if control.is_cancelled() || self.is_closed() => return Err(Error::Cancelled),
            Answer::NotConnected(failure) => {
                tracing::debug!(%operation, millis, "not connected");
                return Err(error::from_connecting(operation, host, failure));
            }
            Answer::Broken(failure) => {
                tracing::debug!(%operation, millis, "no answer");
                return Err(error::from_ureq(operation, host, failure, exchanged.sent));
            }
        };
        let status = response.status().as_u16();
        tracing::debug!(%operation, status, millis, "answered");
        let is_content = moves_content(operation) && status < 300;
        let is_refused = matches!(status, 429 | 503);
        self.0
            .bandwidth
            .answered(&self.0.clock, is_content, is_refused);
        // The first request is also one for a connection, and the check of a key takes its time.
        if status < 300 && operation != Operation::AuthorizeAccount {
            self.0.bandwidth.waited(exchanged.waited);
        }
        self.note_date(response.headers());
        let (parts, body) = response.into_parts();
        let is_file = is_content && operation.only_reads();
        let limit = (!is_file).then(|| self.0.config.timeouts.longest_answer(operation));
        Ok(Response {
            operation,
            status,
            headers: parts.headers,
            body: ResponseBody::new(
                operation,
                body,
                control.clone(),
                &self.0.clock,
                &self.0.bandwidth,
                limit,
            ),
        })
    }

    /// The connections for a URL: those of the call's token, so that cancelling it breaks no
    /// others, or the common ones.
    fn agent_for(&self, url: &CheckedUrl, control: &Control) -> Result<Agent> {
        let make = || Ok(Agents::new(&self.0.config, &self.0.agent_settings));
        match &control.cancel {
            Some(token) => self.0.token_connections.of(token, make)?.for_url(url),
            None => self.0.agents.for_url(url),
        }
    }

    /// Notes the time that an answer's `Date` header tells.
    ///
    /// An answer without the header, or with one that cannot be read, changes nothing.
    fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
            self.0.service_clock.note(date, &self.0.clock);
        }
    }
}

/// The header that asks the service to fail, for tests of a program.
const TEST_MODE: HeaderName = HeaderName::from_static("x-bz-test-mode");

/// Whether requests of an operation carry the content of files, in either direction.
const fn moves_content(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::UploadFile
            | Operation::UploadPart
            | Operation::DownloadFileById
            | Operation::DownloadFileByName
    )
}

/// The error of a download whose length is not announced, or differs from the announced one
/// although the connection did not break. Decoders of ureq that are compiled in take the length of
/// an encoded body away or change it.
pub(crate) fn length_mismatch(operation: Operation) -> Error {
    Error::UnexpectedReply {
        operation,
        source: "its length is not what Content-Length says, or is not said: either a proxy changed it, or a feature \
                 of the ureq crate that decodes bodies (gzip, brotli, charset) is switched on in this build and must \
                 be switched off"
            .into(),
    }
}

/// The path of a URL, without its host and query: as much as a message may show of it.
pub(crate) fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest
        .find('/')
        .and_then(|start| rest.get(start..))
        .unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or("/").to_owned()
}
