//! One exchange with a host: the head of a request goes out, then its body, if necessary after the
//! host agreed to receive it, and an answer comes back.
//!
//! The body may be sent only in part when the host refuses or the connection breaks. The result
//! therefore tells how much of it was handed over, besides the answer.
//!
//! How much of the body had left (`Sent`) decides whether a request can have taken effect:
//!
//! | what happened | `sent` |
//! | --- | --- |
//! | no connection could be made | nothing was sent, whatever the request |
//! | the host refused after `Expect: 100-continue` | `Nothing`: the body was never asked for |
//! | the connection broke within the body | `Partial` |
//! | the connection broke after the body | `All`: an answer was lost |
//! | the request has no body | `None`, which counts as all |
//!
//! The limits of one exchange: silence for `idle` (or `slow_idle` for copies and for finishing a
//! large file) ends it; the head of the answer may take twice that; the wait for the host's consent
//! is `await_continue`, and at most half of the idle limit.

use std::time::Duration;

use ureq::Agent;
use ureq::http as types;

use crate::control::Control;
use crate::error::Sent;
use crate::http::body::{ExactReader, Source};
use crate::http::config::Timeouts;
use crate::http::connector::NotConnected;
use crate::http::expect_continue::ExpectContinue;
use crate::http::{Http, RequestBody};
use crate::model::operation::Operation;

/// What came back.
pub(super) enum Answer {
    /// An HTTP response with any status.
    Response(types::Response<ureq::Body>),
    /// Nothing: no connection could be made, and nothing was sent.
    NotConnected(NotConnected),
    /// Nothing usable: the connection broke, or what came over it is not HTTP.
    Broken(ureq::Error),
}

/// A failure that the connector marked (`NotConnected`) is recognized here, because the mark is
/// lost once the error is turned into one of the crate's.
impl From<Result<types::Response<ureq::Body>, ureq::Error>> for Answer {
    fn from(outcome: Result<types::Response<ureq::Body>, ureq::Error>) -> Self {
        match outcome {
            Ok(response) => Self::Response(response),
            Err(ureq::Error::Other(other)) => match other.downcast() {
                Ok(failure) => Self::NotConnected(*failure),
                Err(other) => Self::Broken(ureq::Error::Other(other)),
            },
            Err(error) => Self::Broken(error),
        }
    }
}

/// How an exchange ended.
pub(super) struct Exchanged {
    /// What came back, if anything did.
    pub(super) answer: Answer,
    /// How much of the body was handed over; `None` if the request has no body.
    pub(super) sent: Option<Sent>,
    /// The time from the beginning to the head of the answer, or to the failure.
    pub(super) took: Duration,
    /// The time since the host was ready for the body, if there is one: without that of connecting.
    pub(super) waited: Duration,
}

/// A request that lacks only its body.
pub(super) struct Message<'a> {
    /// The endpoint, for time limits and errors.
    pub(super) operation: Operation,
    /// The host, which has been checked.
    pub(super) host: &'a str,
    /// The connections to use.
    pub(super) agent: Agent,
    /// Method, URL and headers.
    pub(super) head: types::Request<()>,
}

impl Http {
    /// Sends a message with its body and waits for the head of the answer.
    ///
    /// It never fails: what went wrong is in `answer`, beside how much was handed over. The rate
    /// limit for uploads applies to a body from a reader only.
    pub(super) fn exchange(
        &self,
        message: Message<'_>,
        body: RequestBody<'_>,
        control: &Control,
    ) -> Exchanged {
        let clock = &self.0.clock;
        let started = clock.elapsed();
        let (answer, sent, ready) = match body {
            RequestBody::None => (self.run(message, ()), None, None),
            RequestBody::Bytes(bytes) => {
                let length = bytes.len() as u64;
                let source = Source::Bytes(bytes);
                self.send_body(message, ExactReader::new(source, length, control, clock))
            }
            RequestBody::Reader(reader, length) => {
                let source = Source::Reader(reader, &self.0.bandwidth.up);
                self.send_body(message, ExactReader::new(source, length, control, clock))
            }
        };
        let ended = clock.elapsed();
        Exchanged {
            answer,
            sent,
            took: ended.saturating_sub(started),
            waited: ended.saturating_sub(ready.unwrap_or(started)),
        }
    }

    /// Sends a message with a body of known length. A large body first asks the host with `Expect:
    /// 100-continue`, and how the host reacts is noted.
    ///
    /// The header `Content-Length` is set here from the reader's own length, so that the two cannot
    /// differ. The result tells besides when the body was first read.
    fn send_body(
        &self,
        mut message: Message<'_>,
        mut reader: ExactReader<'_>,
    ) -> (Answer, Option<Sent>, Option<Duration>) {
        let (operation, host) = (message.operation, message.host);
        let headers = message.head.headers_mut();
        headers.insert(types::header::CONTENT_LENGTH, reader.length().into());
        let expectations = &self.0.expectations;
        let asks =
            reader.length() >= self.0.config.expect_continue_from && expectations.may_ask(host);
        if asks {
            let leave = types::HeaderValue::from_static("100-continue");
            message
                .head
                .headers_mut()
                .insert(types::header::EXPECT, leave);
        }
        let started = self.0.clock.elapsed();
        let answer = self.run(message, ureq::SendBody::from_reader(&mut reader));
        reader.settle();
        if asks {
            let asked = ExpectContinue {
                host,
                waited: reader.first_read().map(|at| at.saturating_sub(started)),
                limit: self.0.config.timeouts.limits_of(operation).consent,
            };
            expectations.note(&asked, &answer);
        }
        (answer, Some(reader.sent()), reader.first_read())
    }

    /// Runs the request with the time limits of its operation. Those of most operations are the pool's;
    /// limits of a request's own cost a copy of the whole configuration.
    fn run(&self, message: Message<'_>, body: impl ureq::AsSendBody) -> Answer {
        let Message {
            operation,
            agent,
            head,
            ..
        } = message;
        let request = head.map(|()| body);
        if Timeouts::are_usual_for(operation) {
            return agent.run(request).into();
        }
        let limits = self.0.config.timeouts.limits_of(operation);
        let request = agent
            .configure_request(request)
            .timeout_per_read(Some(limits.idle))
            .timeout_per_write(Some(limits.idle))
            .timeout_recv_response(Some(limits.head))
            .timeout_await_100(Some(limits.consent))
            .build();
        agent.run(request).into()
    }
}
