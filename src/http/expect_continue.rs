//! Which hosts are asked for leave to send a body (`Expect: 100-continue`).
//!
//! A host that lets us wait for its `100 Continue`, that sends one that ureq cannot read, or that does
//! not know the header, is not asked again: each such question costs its time.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::http::Answer;

/// After how many requests in a row without an answer a host is no longer asked. One may have been a
/// slow connection.
const MOST_UNANSWERED: u32 = 2;

/// How often in a row each host did not answer as ureq needs it.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<String, u32>>);

/// What became of a request that asked.
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    /// The time from the request to the first byte of its body; `None` if none was sent.
    pub(super) waited: Option<Duration>,
    /// For how long an answer is waited for.
    pub(super) limit: Duration,
}

impl Expectations {
    pub(super) fn may_ask(&self, host: &str) -> bool {
        let unanswered = self.0.lock();
        unanswered
            .get(host)
            .is_none_or(|times| *times < MOST_UNANSWERED)
    }

    /// Takes note of how a host answered.
    pub(super) fn note(&self, asked: &Asked<'_>, answer: &Answer) {
        let is_unknown_there =
            matches!(answer, Answer::Response(response) if response.status().as_u16() == 417);
        // A `100 Continue` that carries a header makes ureq wait on, to the idle limit, with the body unsent.
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
        } else if !matches!(answer, Answer::NotConnected(_)) {
            unanswered.remove(asked.host);
        }
    }
}
