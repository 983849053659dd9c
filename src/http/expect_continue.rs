//! Decides which hosts are asked before a large body is sent (`Expect: 100-continue`).
//!
//! Asking makes a refusal cheap: it arrives before the body is sent, and is not lost when the host
//! closes the connection. It costs one round trip. A host that does not answer the question,
//! answers in a form that `ureq` cannot read, or refuses it (417) is not asked again, because each
//! such question costs time.
//!
//! | the host's reaction | counts as | asked again |
//! | --- | --- | --- |
//! | `100 Continue`, or a final status, within the limit | an answer | yes |
//! | silence until the limit, then the body was sent | unanswered | yes, until the second in a row |
//! | 417 | does not know it | no |
//! | `ureq` reports a protocol error or a time-out before the body | unreadable | no |
//! | no connection, or one that breaks before the body | nothing | yes |
//!
//! Nothing is remembered beyond the `B2Api`, so a host that was mended is asked again by the next
//! process.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::http::Answer;

/// The number of questions in a row without an answer after which a host is no longer asked. A
/// single one may be due to a slow connection.
const MOST_UNANSWERED: u32 = 2;

/// The number of unanswered questions in a row, by host.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<String, u32>>);

/// What happened to a request that asked.
pub(super) struct ExpectContinue<'a> {
    pub(super) host: &'a str,
    /// The time from the request to the first byte of its body; `None` if none was sent.
    pub(super) waited: Option<Duration>,
    /// How long an answer was waited for.
    pub(super) limit: Duration,
}

impl Expectations {
    /// Whether this host is still asked.
    pub(super) fn may_ask(&self, host: &str) -> bool {
        let unanswered = self.0.lock();
        unanswered
            .get(host)
            .is_none_or(|times| *times < MOST_UNANSWERED)
    }

    /// Notes how a host reacted.
    pub(super) fn note(&self, asked: &ExpectContinue<'_>, answer: &Answer) {
        let is_unknown_there =
            matches!(answer, Answer::Response(response) if response.status().as_u16() == 417);
        // `ureq` takes a `100 Continue` with headers for no answer, and waits until the idle limit
        // with the body unsent.
        let is_misread = asked.waited.is_none()
            && matches!(
                answer,
                Answer::Broken(ureq::Error::Protocol(_) | ureq::Error::Timeout(_))
            );
        let mut unanswered = self.0.lock();
        if is_unknown_there || is_misread {
            unanswered.insert(asked.host.to_owned(), MOST_UNANSWERED);
        } else if asked.waited.is_some_and(|waited| waited >= asked.limit) {
            *unanswered.entry(asked.host.to_owned()).or_default() += 1;
        } else if asked.waited.is_some() || matches!(answer, Answer::Response(_)) {
            unanswered.remove(asked.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use ureq::http::Response;

    use super::{ExpectContinue, Expectations};
    use crate::http::Answer;
    use crate::http::connector::NotConnected;

    const LIMIT: Duration = Duration::from_secs(1);

    /// What a host may do: after how long the body was sent, and how the request ended.
    type Reaction = (Option<Duration>, fn() -> Answer);

    const LEAVE: Reaction = (Some(Duration::ZERO), || status(200));
    const LEAVE_AND_GONE: Reaction = (Some(Duration::ZERO), broken);
    const REFUSAL: Reaction = (None, || status(503));
    const SILENCE: Reaction = (Some(LIMIT), || status(200));
    const UNKNOWN: Reaction = (None, || status(417));
    const UNREADABLE: Reaction = (None, || {
        Answer::Broken(ureq::Error::Timeout(ureq::Timeout::PerRead))
    });
    /// The body was sent, and then no answer came, or none that can be read.
    const LEAVE_AND_STALL: Reaction = (Some(Duration::ZERO), || {
        Answer::Broken(ureq::Error::Timeout(ureq::Timeout::PerRead))
    });
    const SILENCE_AND_STALL: Reaction = (Some(LIMIT), || {
        Answer::Broken(ureq::Error::Timeout(ureq::Timeout::PerRead))
    });
    const GONE: Reaction = (None, broken);
    const UNREACHABLE: Reaction = (None, || {
        Answer::NotConnected(NotConnected {
            error: ureq::Error::HostNotFound,
            proxy: None,
        })
    });

    fn status(status: u16) -> Answer {
        let body = ureq::Body::builder().data(Vec::new());
        Answer::Response(Response::builder().status(status).body(body).unwrap())
    }

    fn broken() -> Answer {
        Answer::Broken(ureq::Error::Io(io::ErrorKind::ConnectionReset.into()))
    }

    #[test]
    fn a_host_is_asked_until_it_shows_that_asking_is_no_use() {
        for (reactions, asks) in [
            (&[LEAVE, LEAVE][..], true),
            (&[REFUSAL], true),
            (&[SILENCE], true),
            (&[SILENCE, SILENCE], false),
            (&[SILENCE, LEAVE, SILENCE], true),
            (&[SILENCE, LEAVE_AND_GONE, SILENCE], true),
            (&[SILENCE, REFUSAL, SILENCE], true),
            (&[SILENCE, GONE, SILENCE], false),
            (&[SILENCE, UNREACHABLE, SILENCE], false),
            (&[UNREACHABLE, UNREACHABLE, GONE, GONE], true),
            (&[UNKNOWN], false),
            (&[UNREADABLE], false),
            (&[LEAVE_AND_STALL, LEAVE_AND_STALL], true),
            (&[SILENCE, LEAVE_AND_STALL, SILENCE], true),
            (&[SILENCE_AND_STALL], true),
            (&[SILENCE_AND_STALL, SILENCE], false),
        ] {
            let expectations = Expectations::default();
            for (waited, answer) in reactions {
                let asked = ExpectContinue {
                    host: "pod",
                    waited: *waited,
                    limit: LIMIT,
                };
                expectations.note(&asked, &answer());
            }
            assert_eq!(expectations.may_ask("pod"), asks, "{reactions:?}");
            assert!(expectations.may_ask("other"));
        }
    }
}
