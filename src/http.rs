//! One request in, one response out. The only module that names `ureq`, and the one that knows its
//! traps (`docs/architecture.md` lists them): no status is an error before we read its body, no
//! redirect is followed, no body is decoded, bodies have a known length and never end early, and
//! nothing is repeated here.

mod agents;
pub(crate) mod body;
pub(crate) mod config;
mod connector;
mod dns_cache;
mod error;
mod exchange;
mod expect_continue;
mod guard;
mod pool_check;
mod proxy;
mod retry_after;
mod service_clock;
mod token_connections;

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use ureq::Agent;
use ureq::http as types;

pub(crate) use ureq::http::{HeaderMap, Method};

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::rate_limit::Bandwidth;
use crate::control::request_counts::RequestCounter;
use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::agents::{Agents, Blueprint};
use crate::http::body::ResponseBody;
use crate::http::config::HttpConfig;
use crate::http::connector::Shared;
use crate::http::dns_cache::DnsCache;
use crate::http::exchange::{Answer, Exchanged, Message};
use crate::http::expect_continue::Expectations;
use crate::http::service_clock::ServiceClock;
use crate::http::token_connections::TokenConnections;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

pub(crate) use self::service_clock::Beginning;

/// How a request's body is given.
pub(crate) enum RequestBody<'a> {
    None,
    Bytes(&'a [u8]),
    /// Exactly this many bytes from the reader.
    Reader(&'a mut dyn Read, u64),
}

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    /// Whose hosts may be called.
    pub(crate) realm: &'a Realm,
    pub(crate) authorization: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: RequestBody<'a>,
    pub(crate) subject: Subject<'a>,
}

/// A successful response whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) operation: Operation,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length that a download announces. The service always tells it; without it a cut body would
    /// look complete.
    pub(crate) fn content_length(&self) -> Result<u64> {
        let length = self
            .header("content-length")
            .and_then(|length| length.parse().ok());
        length.ok_or_else(|| length_mismatch(self.operation))
    }
}

#[cfg(test)]
impl Response {
    /// An answer with these headers and no body, for those who read headers.
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
            ),
        }
    }
}

/// Sends requests. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: HttpConfig,
    blueprint: Arc<Blueprint>,
    agents: Agents,
    clock: Clock,
    request_counter: RequestCounter,
    bandwidth: Arc<Bandwidth>,
    expectations: Expectations,
    /// No more requests.
    closing: CancelToken,
    token_connections: Arc<TokenConnections>,
    service_clock: ServiceClock,
}

impl Http {
    pub(crate) fn new(config: HttpConfig, clock: Clock) -> Result<Self> {
        let shared = Shared::new(DnsCache::new(&clock));
        let blueprint = Arc::new(Blueprint::new(&config, shared)?);
        Ok(Self(Arc::new(Inner {
            agents: Agents::new(&config, &blueprint),
            token_connections: Arc::new(TokenConnections::new(config.connections)),
            blueprint,
            config,
            clock,
            request_counter: RequestCounter::default(),
            bandwidth: Arc::default(),
            expectations: Expectations::default(),
            closing: CancelToken::new(),
            service_clock: ServiceClock::default(),
        })))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn request_counter(&self) -> &RequestCounter {
        &self.0.request_counter
    }

    pub(crate) fn bandwidth(&self) -> &Bandwidth {
        &self.0.bandwidth
    }

    /// Takes note of when something begins.
    pub(crate) fn begin(&self) -> Beginning {
        self.0.service_clock.begin(&self.0.clock)
    }

    /// What time it was at the service when something began, rather too early than too late; `None` before
    /// its first answer.
    pub(crate) fn service_time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.0.service_clock.time_of(beginning)
    }

    /// The later estimate of the same time.
    pub(crate) fn latest_service_time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.0.service_clock.latest_time_of(beginning)
    }

    /// Cancelled by `shutdown`.
    pub(crate) fn closing(&self) -> &CancelToken {
        &self.0.closing
    }

    fn is_closed(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// Whether credentials may be sent to this realm at all.
    pub(crate) fn check_realm(&self, realm: &Realm) -> Result<()> {
        guard::check_realm(realm, self.0.config.allow_http)
    }

    /// Whether a URL that the service named belongs to the realm.
    pub(crate) fn check_url(&self, realm: &Realm, url: &str, operation: Operation) -> Result<()> {
        guard::check(realm, url, &self.0.config, operation).map(|_| ())
    }

    /// Breaks every connection, for good.
    pub(crate) fn shutdown(&self) {
        self.0.closing.cancel();
        self.0.agents.shutdown();
        self.0.token_connections.shutdown();
    }

    /// Sends a request and reads the answer's headers. An answer that is no success becomes the
    /// error that it means.
    pub(crate) fn send(&self, request: Request<'_>, control: &Control) -> Result<Response> {
        control.check()?;
        if self.is_closed() {
            return Err(Error::Cancelled);
        }
        let Request {
            operation,
            url,
            realm,
            authorization,
            subject,
            ..
        } = request;
        let host = guard::check(realm, url, &self.0.config, operation)?;
        let agent = self.agent_for(url, host, control)?;
        self.0.request_counter.count(operation)?;
        let message = Message {
            operation,
            host,
            agent,
            head: self.head(&request),
        };
        let exchanged = self.exchange(message, request.body, control);
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

    /// Method, URL and headers.
    fn head(&self, request: &Request<'_>) -> types::request::Builder {
        let mut head = types::Request::builder()
            .method(request.method.clone())
            .uri(request.url)
            .header("Authorization", request.authorization);
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        match self.0.config.test_mode {
            Some(mode) => head.header("X-Bz-Test-Mode", mode.header()),
            None => head,
        }
    }

    /// The response, whatever its status, or what kept it from coming.
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
        self.note_date(response.headers());
        let (parts, body) = response.into_parts();
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
            ),
        })
    }

    /// The connections to use: this call's token's own, so that cancelling breaks only them.
    fn agent_for(&self, url: &str, host: &str, control: &Control) -> Result<Agent> {
        let make = || Ok(Agents::new(&self.0.config, &self.0.blueprint));
        match &control.cancel {
            Some(token) => {
                let agents = self.0.token_connections.of(token, make)?;
                agents.for_url(url, host)
            }
            None => self.0.agents.for_url(url, host),
        }
    }

    fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
            self.0.service_clock.note(date, &self.0.clock);
        }
    }
}

/// A download whose length is not announced, or not kept although the connection did not break. With
/// ureq's decoders in the build, the length of an encoded body is taken away or changes.
pub(crate) fn length_mismatch(operation: Operation) -> Error {
    Error::UnexpectedReply {
        operation,
        source: "its length is not what Content-Length says, or is not said: either a proxy changed it, or a feature \
                 of the ureq crate that decodes bodies (gzip, brotli, charset) is switched on in this build and must \
                 be switched off"
            .into(),
    }
}

/// The path of a URL: what a message may show of it.
pub(crate) fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest
        .find('/')
        .and_then(|start| rest.get(start..))
        .unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or("/").to_owned()
}
