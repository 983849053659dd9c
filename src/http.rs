//! One request in, one response out. The only module that names `ureq`, and the one that knows its
//! traps (`docs/architecture.md` lists them): no status is an error before we read its body, no
//! redirect is followed, no body is decoded, bodies have a known length and never end early, and
//! nothing is repeated here.

pub(crate) mod body;
pub(crate) mod config;
mod error;
mod guard;
mod names;
mod probes;
mod service_clock;

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use ureq::Agent;
use ureq::http as types;

pub(crate) use ureq::http::{HeaderMap, Method};

use crate::control::Control;
use crate::control::bandwidth::Bandwidth;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::meter::Meter;
use crate::error::service::Subject;
use crate::error::{Error, Result, Sent};
use crate::http::body::{ExactReader, ResponseBody, Source};
use crate::http::config::{Agents, HttpConfig};
use crate::http::names::Names;
use crate::http::service_clock::ServiceClock;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

pub(crate) use self::service_clock::Beginning;

/// After how many requests in a row a host is no longer asked for leave.
const MOST_UNANSWERED: u32 = 2;

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
                (&Clock::default(), &Arc::default()),
            ),
        }
    }
}

type Outcome = std::result::Result<types::Response<ureq::Body>, ureq::Error>;

/// The connections of one token, which are the next one's after it, unless it broke them.
#[derive(Debug)]
struct OfToken {
    agents: Agents,
    broken: AtomicBool,
    /// Held, so that no other can come to stand at its address while the token lives.
    owner: Http,
}

impl OfToken {
    fn interrupt(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.agents.shutdown();
    }
}

impl Drop for OfToken {
    fn drop(&mut self) {
        let mut spare = self.owner.spare();
        let is_fit = !self.broken.load(Ordering::SeqCst) && !self.owner.is_closed();
        if is_fit && spare.len() < self.owner.0.config.connections {
            spare.push(self.agents.clone());
        }
    }
}

/// Sends requests. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: HttpConfig,
    agents: Agents,
    names: Names,
    clock: Clock,
    meter: Meter,
    bandwidth: Arc<Bandwidth>,
    /// How often in a row a host did not answer `Expect: 100-continue` as ureq needs it.
    unanswered: Mutex<HashMap<String, u32>>,
    /// No more requests.
    closing: CancelToken,
    /// The connections of tokens that are still around.
    of_tokens: Mutex<Vec<Weak<OfToken>>>,
    /// The connections of tokens that are gone.
    spare: Mutex<Vec<Agents>>,
    service_clock: ServiceClock,
}

impl Http {
    pub(crate) fn new(config: HttpConfig, clock: Clock) -> Result<Self> {
        let names = Names::new(&clock);
        Ok(Self(Arc::new(Inner {
            agents: Agents::new(&config, &names)?,
            names,
            config,
            clock,
            meter: Meter::default(),
            bandwidth: Arc::default(),
            unanswered: Mutex::default(),
            closing: CancelToken::new(),
            of_tokens: Mutex::default(),
            spare: Mutex::default(),
            service_clock: ServiceClock::default(),
        })))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
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
        let of_tokens = self.0.of_tokens.lock();
        for own in of_tokens.iter().filter_map(Weak::upgrade) {
            own.interrupt();
        }
        for agents in self.spare().drain(..) {
            agents.shutdown();
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Agents>> {
        self.0.spare.lock()
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
            method,
            url,
            realm,
            authorization,
            headers,
            body,
            subject,
        } = request;
        let host = guard::check(realm, url, &self.0.config, operation)?;
        let agent = self.agent_for(host, control)?;
        let mut builder = types::Request::builder()
            .method(method)
            .uri(url)
            .header("Authorization", authorization);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if let Some(mode) = self.0.config.test_mode {
            builder = builder.header("X-Bz-Test-Mode", mode.header());
        }
        self.0.meter.count(operation)?;
        let started = self.0.clock.elapsed();
        let (outcome, sent) = match body {
            RequestBody::None => (self.exchange(&agent, operation, builder, ()), None),
            RequestBody::Bytes(bytes) => {
                let mut reader = ExactReader::new(
                    Source::Bytes(bytes),
                    bytes.len() as u64,
                    control,
                    &self.0.clock,
                );
                self.exchange_body(&agent, operation, builder, host, &mut reader)
            }
            RequestBody::Reader(reader, length) => {
                let source = Source::Reader(reader, &self.0.bandwidth.up);
                let mut reader = ExactReader::new(source, length, control, &self.0.clock);
                self.exchange_body(&agent, operation, builder, host, &mut reader)
            }
        };
        let millis = self.0.clock.elapsed().saturating_sub(started).as_millis();
        let response = match outcome {
            Ok(response) => response,
            Err(_) if control.is_cancelled() || self.is_closed() => return Err(Error::Cancelled),
            Err(error) => {
                tracing::debug!(%operation, millis, "no answer");
                return Err(error::from_ureq(operation, host, error, sent));
            }
        };
        let status = response.status().as_u16();
        tracing::debug!(%operation, status, millis, "answered");
        self.note_date(response.headers());
        let (parts, body) = response.into_parts();
        let pacing = (&self.0.clock, &self.0.bandwidth);
        let body = ResponseBody::new(operation, body, control.clone(), pacing);
        let response = Response {
            operation,
            status,
            headers: parts.headers,
            body,
        };
        match status {
            200..=299 => Ok(response),
            _ => Err(error::from_refusal(
                response,
                url,
                authorization,
                subject,
                &self.0.clock,
            )),
        }
    }

    fn exchange_body(
        &self,
        agent: &Agent,
        operation: Operation,
        builder: types::request::Builder,
        host: &str,
        reader: &mut ExactReader<'_>,
    ) -> (Outcome, Option<Sent>) {
        let mut builder = builder.header("Content-Length", reader.length());
        let expects =
            reader.length() >= self.0.config.expect_continue_from && self.may_expect(host);
        if expects {
            builder = builder.header("Expect", "100-continue");
        }
        let started = self.0.clock.elapsed();
        let outcome = self.exchange(
            agent,
            operation,
            builder,
            ureq::SendBody::from_reader(reader),
        );
        if expects {
            let waited = reader.first_read().map(|at| at.saturating_sub(started));
            self.note_expectation(host, waited, self.await_limit(operation), &outcome);
        }
        (outcome, Some(reader.sent()))
    }

    fn exchange(
        &self,
        agent: &Agent,
        operation: Operation,
        builder: types::request::Builder,
        body: impl ureq::AsSendBody,
    ) -> Outcome {
        let idle = self.0.config.timeouts.idle_for(operation);
        let request = agent
            .configure_request(builder.body(body)?)
            .timeout_per_read(Some(idle))
            .timeout_per_write(Some(idle))
            .timeout_await_100(Some(self.await_limit(operation)))
            .build();
        agent.run(request)
    }

    /// The connections to use: this call's token's own, so that cancelling breaks only them.
    fn agent_for(&self, host: &str, control: &Control) -> Result<Agent> {
        let Some(token) = &control.cancel else {
            return self.0.agents.for_host(host);
        };
        let own = token.resource(
            Arc::as_ptr(&self.0) as usize,
            || {
                let agents = match self.spare().pop() {
                    Some(agents) => agents,
                    None => Agents::new(&self.0.config, &self.0.names)?,
                };
                Ok(OfToken {
                    agents,
                    broken: AtomicBool::new(false),
                    owner: self.clone(),
                })
            },
            OfToken::interrupt,
        )?;
        self.note_token(&own);
        own.agents.for_host(host)
    }

    fn note_token(&self, own: &Arc<OfToken>) {
        let mut known = self.0.of_tokens.lock();
        if !known.iter().any(|weak| weak.as_ptr() == Arc::as_ptr(own)) {
            known.retain(|weak| weak.strong_count() > 0);
            known.push(Arc::downgrade(own));
        }
    }

    /// Below the idle limit, which would fail the upload.
    fn await_limit(&self, operation: Operation) -> Duration {
        let timeouts = &self.0.config.timeouts;
        timeouts
            .await_continue
            .min(timeouts.idle_for(operation) / 2)
    }

    fn may_expect(&self, host: &str) -> bool {
        let unanswered = self.0.unanswered.lock();
        unanswered
            .get(host)
            .is_none_or(|times| *times < MOST_UNANSWERED)
    }

    /// A host that lets us wait for its `100 Continue`, or sends one that ureq cannot read, is not
    /// asked for ever: each such wait costs its time. Once may have been a slow connecting; but a
    /// `100 Continue` that carries a header makes ureq wait on, to the idle limit, with the body unsent.
    fn note_expectation(
        &self,
        host: &str,
        waited: Option<Duration>,
        limit: Duration,
        outcome: &Outcome,
    ) {
        let is_misread = waited.is_none()
            && matches!(
                outcome,
                Err(ureq::Error::Protocol(_) | ureq::Error::Timeout(_))
            );
        let mut unanswered = self.0.unanswered.lock();
        if is_misread {
            unanswered.insert(host.to_owned(), MOST_UNANSWERED);
        } else if waited.is_some_and(|waited| waited >= limit) {
            *unanswered.entry(host.to_owned()).or_default() += 1;
        } else {
            unanswered.remove(host);
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
