//! The one retry loop. Everything that repeats a request goes through it.
//!
//! Before each attempt the loop waits until a pause that the service asked for is over. After a
//! failed attempt it asks `advice` what to do, and stops when that says so, when the attempts or
//! the time of the [`RetryPolicy`] are used up, or when the call is cancelled. The last error is
//! returned with the number of attempts and the time that they took. Cancelling ends a pause at
//! once.
//!
//! A call may contain others: an upload asks for an upload URL. Each has a loop of its own, and the
//! outer loop does not repeat what failed in an inner one, because the inner loop has already tried
//! as often as the policy allows.
//!
//! What limits the attempts, besides their number and their time:
//!
//! - A pause that the service asks for holds for all threads that call the same operation. A call
//!   that would have to wait longer than its remaining time fails with `Busy` without being sent.
//! - Except for uploads, the first pause after `Reset` is zero, because the usual cause is a pooled
//!   connection that the service had closed.
//! - Five upload URLs in a row are tried without a pause, because each leads to another storage
//!   server. After that, pauses double.
//! - A call other than an upload replaces its token at most once, or twice if a credential provider
//!   names the key and the refusals have a code. A further 401 is returned.
//! - An attempt that finds no file descriptor left, for its connection or for the local file, sends nothing
//!   and is not counted while other workers run. There are then fewer workers for a while.
//! - A budget that is used up ends the loop, because its error is not one of the service or the
//!   connection.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::clock::{Clock, jitter};
use crate::error::{Error, Result, ServiceError};
use crate::http::Http;
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::session::advice::{Advice, History, advise};
use crate::setters::setters;

/// How often and for how long a call is repeated when it fails for a passing reason.
///
/// The first attempt counts. The pause between attempts starts at `base_delay`, doubles up to
/// `max_delay`, and is extended randomly by up to half. If the service says how long to wait
/// (`Retry-After`), the pause is exactly that long. A call that could continue only after
/// `total_time` fails at once instead of waiting.
///
/// Each repeated request counts towards a [`RequestBudget`](crate::limits::RequestBudget), and one
/// that the service executed is billed like the first. A request that must not take effect twice is
/// not repeated if its answer was lost.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::RetryPolicy;
///
/// let patient = RetryPolicy::default().total_time(Duration::from_secs(24 * 3600)).max_attempts(1000);
/// assert_eq!(patient.base_delay, Duration::from_secs(1));
/// assert_eq!(RetryPolicy::none().max_attempts, 1);
/// ```
///
/// With the defaults a call that never succeeds makes 8 attempts and ends after about two to three
/// minutes (1 + 2 + 4 + 8 + 16 + 32 + 64 seconds of pauses, each longer by up to half), plus the
/// time of the attempts themselves.
///
/// | program | policy |
/// | --- | --- |
/// | answers a person | `max_attempts(3)`, `max_delay` of a few seconds |
/// | a nightly backup | `total_time` of hours, `max_attempts` high |
/// | has a retry loop of its own | [`none`](Self::none), so that attempts do not multiply |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The largest number of requests for one call, the first one included. Zero counts as one. The
    /// default is 8.
    pub max_attempts: u32,
    /// The first pause between attempts; each further pause is twice as long as the one before it,
    /// up to `max_delay`. Attempts that make sense at once, such as an upload at another URL, take
    /// no pause, and a pause that the service asks for (`Retry-After`) does not depend on this one.
    /// The default is 1 second.
    pub base_delay: Duration,
    /// The longest pause, unless the service asks for a longer one. Pauses double up to this, and
    /// are then all of this length. The default is 64 seconds.
    pub max_delay: Duration,
    /// The longest time from the first attempt to the beginning of the last. A call whose next
    /// pause would end later fails at once, with the last error. For uploads only the pauses count,
    /// because the data itself may take any time. The default is 15 minutes.
    pub total_time: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(64),
            total_time: Duration::from_secs(15 * 60),
        }
    }
}

setters! {
    RetryPolicy {
        max_attempts: u32,
        base_delay: Duration,
        max_delay: Duration,
        total_time: Duration,
    }
}

impl RetryPolicy {
    /// Creates a policy under which every call is a single attempt. A call whose token has expired
    /// fails as well, with status 401.
    #[must_use]
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default()
        }
    }

    /// The pause after `waits` earlier pauses, lengthened at random by up to half so that many
    /// clients do not return at the same moment.
    pub(crate) fn delay(&self, waits: u32) -> Duration {
        let doubled = 2_u32.checked_pow(waits).unwrap_or(u32::MAX);
        let delay = self.base_delay.saturating_mul(doubled).min(self.max_delay);
        delay.saturating_add(jitter(delay / 2))
    }
}

/// What an attempt has to do before it sends its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: this is the first attempt.
    First,
    /// Nothing: the request is repeated as it was. An upload keeps its URL.
    Again,
    /// Replace the token.
    Reauthorize,
    /// Ask for another upload URL.
    FreshUploadUrl,
}

/// The attempts of one call: what the call is, and what limits and steers it.
///
/// It belongs to one call on one thread. A transfer that sends several parts at the same time has
/// one for each. Only the pauses are shared.
pub(super) struct RetryLoop<'a> {
    /// The endpoint, which determines what may be repeated and which pauses apply.
    pub(super) operation: Operation,
    /// The bucket and the file that the call is about, for the log.
    pub(super) bucket: Option<&'a BucketId>,
    pub(super) file_name: Option<&'a str>,
    pub(super) policy: &'a RetryPolicy,
    /// Whether a provider names the key.
    pub(super) key_may_change: bool,
    pub(super) clock: &'a Clock,
    /// The pauses that the service asked for, shared by all calls of the session.
    pub(super) pauses: &'a Pauses,
    pub(super) control: &'a Control,
    /// Where a lack of file descriptors is reported.
    pub(super) http: &'a Http,
}

impl RetryLoop<'_> {
    /// Makes attempts until one succeeds or another one would make no sense. All log events of the
    /// call are inside a span that names the operation, the bucket and the file.
    ///
    /// `attempt` gets the step that it has to take first. It must send at most one request of the
    /// loop's operation.
    pub(super) fn run<T>(&self, attempt: impl FnMut(Step) -> Result<T>) -> Result<T> {
        let bucket = self.control.bucket.as_deref();
        let outcome = self.control.in_span(|| {
            let span = tracing::info_span!(
                "b2sdk",
                operation = %self.operation,
                bucket,
                bucket_id = self.bucket.map(BucketId::as_str),
                file_name = self.file_name,
            );
            span.in_scope(|| self.run_attempts(attempt))
        });
        outcome.map_err(|error| error.in_bucket(bucket))
    }

    /// The loop itself. An upload may take any time while its data moves: of its time only the
    /// pauses count against `total_time`.
    fn run_attempts<T>(&self, mut attempt: impl FnMut(Step) -> Result<T>) -> Result<T> {
        let started = self.clock.elapsed();
        let mut history = History {
            key_may_change: self.key_may_change,
            ..History::default()
        };
        let mut step = Step::First;
        let mut waited = Duration::ZERO;
        loop {
            let paused = self.wait_for_pause(self.policy.total_time.saturating_sub(waited))?;
            waited = waited.saturating_add(paused);
            history.attempts += 1;
            let mut error = match attempt(step) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let elapsed = self.clock.elapsed().saturating_sub(started);
            // The outer loop does not repeat what a call inside this one has already tried.
            if !note_attempts(&mut error, self.operation, &history, elapsed) {
                return Err(error);
            }
            if error.is_out_of_descriptors() {
                history.shortages += u32::from(self.http.out_of_descriptors());
            }
            history.answer_lost |= error.is_answer_lost();
            let advice = advise(self.operation, &error, &history);
            let Some((next, delay)) = self.follow(advice, &error, &mut history) else {
                return Err(error);
            };
            // Moving data may take any time; only the time between attempts is limited.
            let spent = if self.moves_data() { waited } else { elapsed };
            let counted = history.attempts.saturating_sub(history.shortages).max(1);
            if counted >= self.policy.max_attempts
                || spent.saturating_add(delay) > self.policy.total_time
            {
                return Err(error);
            }
            self.warn_of_retry(&error, history.attempts, delay);
            if !delay.is_zero() {
                self.control.sleep(self.clock, delay)?;
                waited = waited.saturating_add(delay);
            }
            step = next;
        }
    }

    /// Whether the attempts of this call send content.
    pub(super) const fn moves_data(&self) -> bool {
        matches!(
            self.operation,
            Operation::UploadFile | Operation::UploadPart
        )
    }

    /// Waits until no pause that the service asked for is left for this operation, and returns the
    /// time waited. Fails at once with `Busy` if the pause is longer than `limit`, without sending
    /// anything.
    fn wait_for_pause(&self, limit: Duration) -> Result<Duration> {
        let mut waited = Duration::ZERO;
        while let Some((left, refusal)) = self.pauses.left(self.operation, self.clock) {
            if waited.saturating_add(left) > limit {
                return Err(Error::Busy(Box::new(ServiceError {
                    attempts: 0,
                    retry_after: Some(left),
                    ..refusal
                })));
            }
            self.control.sleep(self.clock, left)?;
            waited = waited.saturating_add(left);
        }
        Ok(waited)
    }

    /// Logs that an attempt failed and will be repeated: its number, the status or the kind of
    /// failure, and the pause. The service's message is not logged.
    fn warn_of_retry(&self, error: &Error, attempt: u32, delay: Duration) {
        let (operation, file_name) = (self.operation, self.file_name);
        let delay_ms = delay.as_millis();
        match error {
            Error::Connection(transport) => tracing::warn!(
                %operation, file_name, attempt, kind = ?transport.kind, delay_ms,
                "no answer; trying again"
            ),
            other => tracing::warn!(
                %operation, file_name, attempt, status = other.status(), delay_ms,
                "refused; trying again"
            ),
        }
    }

    /// Carries out the advice as far as the loop is concerned: returns the next step and the pause
    /// before it, or `None` to stop. A pause that the service asked for becomes one for all calls
    /// of the operation.
    fn follow(
        &self,
        advice: Advice,
        error: &Error,
        history: &mut History,
    ) -> Option<(Step, Duration)> {
        match advice {
            Advice::Stop => None,
            Advice::Again { after: Some(after) } => {
                history.reauthorized = 0;
                if let Some(refusal) = error.service() {
                    let (operation, seconds) = (self.operation, after.as_secs());
                    tracing::info!(%operation, seconds, "the service asks all calls of this kind to wait");
                    self.pauses
                        .extend(self.operation, self.clock, after, refusal);
                }
                Some((Step::Again, after))
            }
            Advice::Again { after: None } => {
                history.reauthorized = 0;
                history.waits += 1;
                Some((Step::Again, self.policy.delay(history.waits - 1)))
            }
            Advice::Reauthorize => {
                history.reauthorized += 1;
                Some((Step::Reauthorize, Duration::ZERO))
            }
            Advice::FreshUploadUrl => {
                history.fresh_urls += 1;
                history.refused_tokens = match error.status() {
                    Some(401) => history.refused_tokens + 1,
                    _ => 0,
                };
                // Backblaze's integration checklist asks for five other URLs without a pause. After
                // that the service is overloaded.
                let delay = match history.fresh_urls {
                    0..=5 => Duration::ZERO,
                    more => self.policy.delay(more - 6),
                };
                Some((Step::FreshUploadUrl, delay))
            }
        }
    }
}

/// Writes into the error how many attempts were made and how long they took. Returns false if the
/// error is about another operation, that is, a call inside this one failed.
fn note_attempts(
    error: &mut Error,
    operation: Operation,
    history: &History,
    elapsed: Duration,
) -> bool {
    if let Error::Connection(transport) = error {
        let own = transport.operation == operation;
        if own {
            transport.attempts = history.attempts;
        }
        return own;
    }
    if let Error::LocalFile { .. } = error {
        return error.is_out_of_descriptors();
    }
    if let Error::UnexpectedReply { operation: of, .. } = error {
        return *of == operation;
    }
    match error.service_mut() {
        Some(service) if service.operation == operation => {
            service.attempts = history.attempts;
            service.elapsed = elapsed;
            service.after_lost_answer = history.answer_lost;
            true
        }
        _ => false,
    }
}

/// The times until which each operation is paused because the service asked for it.
///
/// The service counts its limits by operation and account, so a pause holds for all threads that
/// call the same operation. Otherwise each of them would be refused once more.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<Operation, Pause>>);

#[derive(Debug)]
struct Pause {
    /// The end of the pause, by the clock's `elapsed`.
    until: Duration,
    /// The refusal that asked for the pause; it is returned to callers that do not wait.
    refusal: ServiceError,
}

impl Pauses {
    /// The time left of an operation's pause, and the refusal that caused it.
    fn left(&self, operation: Operation, clock: &Clock) -> Option<(Duration, ServiceError)> {
        let pauses = self.0.lock();
        let Pause { until, refusal } = pauses.get(&operation)?;
        let left = until.saturating_sub(clock.elapsed());
        (!left.is_zero()).then(|| (left, refusal.clone()))
    }

    /// Pauses an operation from now on. A pause that ends later stays as it is.
    fn extend(&self, operation: Operation, clock: &Clock, pause: Duration, refusal: &ServiceError) {
        let until = clock.elapsed().saturating_add(pause);
        let mut pauses = self.0.lock();
        if pauses
            .get(&operation)
            .is_none_or(|known| known.until < until)
        {
            pauses.insert(
                operation,
                Pause {
                    until,
                    refusal: refusal.clone(),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pauses, RetryPolicy};
    use crate::control::clock::Clock;
    use crate::error::{ErrorCode, ServiceError};
    use crate::model::operation::Operation;

    #[test]
    fn a_pause_is_never_shortened_by_a_later_one() {
        let (pauses, clock) = (Pauses::default(), Clock::manual());
        let operation = Operation::ListBuckets;
        let refusal = ServiceError {
            operation,
            status: 429,
            code: ErrorCode::from("too_many_requests"),
            message: String::new(),
            url_path: String::new(),
            retry_after: None,
            attempts: 1,
            elapsed: Duration::ZERO,
            after_lost_answer: false,
        };
        let started = clock.elapsed();
        for (asked, left) in [(60, 60), (5, 60), (90, 90)] {
            pauses.extend(operation, &clock, Duration::from_secs(asked), &refusal);
            let (found, _) = pauses.left(operation, &clock).unwrap();
            // The clock moves a little by itself.
            let moved = clock.elapsed() - started;
            let left = Duration::from_secs(left);
            assert!((left - moved..=left).contains(&found), "{asked}: {found:?}");
        }
        assert!(pauses.left(Operation::ListKeys, &clock).is_none());
    }

    #[test]
    fn delays_double_up_to_their_limit_and_are_spread() {
        let policy = RetryPolicy::default();
        for (waits, seconds) in [(0, 1), (1, 2), (5, 32), (6, 64), (7, 64), (40, 64)] {
            let base = Duration::from_secs(seconds);
            let delay = policy.delay(waits);
            assert!(
                delay >= base && delay <= base + base / 2,
                "{waits}: {delay:?}"
            );
        }
    }
}
