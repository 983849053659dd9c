//! The one retry loop.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::clock::{Clock, jitter};
use crate::error::{Error, Result, ServiceError};
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::session::advice::{Advice, History, advise};

/// How often and for how long a call is repeated when it fails for a passing reason.
///
/// The first attempt counts. The pause between attempts starts at `base_delay`, doubles up to
/// `max_delay`, and is extended randomly by up to half. If the service says how long to wait
/// (`Retry-After`), the pause is exactly that long. A call that could continue only after
/// `total_time` fails at once instead of waiting.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::RetryPolicy;
///
/// let patient = RetryPolicy::default().total_time(Duration::from_secs(24 * 3600)).max_attempts(1000);
/// assert_eq!(patient.base_delay, Duration::from_secs(1));
/// assert_eq!(RetryPolicy::none().max_attempts, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The largest number of requests for one call. The default is 8.
    pub max_attempts: u32,
    /// The first pause. The default is 1 second.
    pub base_delay: Duration,
    /// The longest pause, unless the service asks for a longer one. The default is 64 seconds.
    pub max_delay: Duration,
    /// The longest time from the first attempt to the beginning of the last. For uploads only the
    /// pauses count, because the data itself may take any time. The default is 15 minutes.
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

    /// Sets the largest number of requests for one call.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the first pause.
    #[must_use]
    pub const fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the longest pause, unless the service asks for a longer one.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets the longest time from the first attempt to the beginning of the last.
    #[must_use]
    pub const fn total_time(mut self, time: Duration) -> Self {
        self.total_time = time;
        self
    }

    /// The waiting time after so many waits.
    pub(crate) fn delay(&self, waits: u32) -> Duration {
        let doubled = 2_u32.checked_pow(waits).unwrap_or(u32::MAX);
        let delay = self.base_delay.saturating_mul(doubled).min(self.max_delay);
        delay.saturating_add(jitter(delay / 2))
    }
}

/// What an attempt has to do first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    First,
    Again,
    Reauthorize,
    FreshUploadUrl,
}

/// The loop of one call.
pub(super) struct RetryLoop<'a> {
    pub(super) operation: Operation,
    /// What the call is about, for the log.
    pub(super) bucket: Option<&'a BucketId>,
    pub(super) file_name: Option<&'a str>,
    pub(super) policy: &'a RetryPolicy,
    pub(super) clock: &'a Clock,
    pub(super) pauses: &'a Pauses,
    pub(super) control: &'a Control,
}

impl RetryLoop<'_> {
    /// Makes attempts until one succeeds, or another one makes no sense. What is logged meanwhile stands
    /// in a span that tells what the call is about.
    pub(super) fn run<T>(&self, attempt: impl FnMut(Step) -> Result<T>) -> Result<T> {
        let span = tracing::info_span!(
            "b2sdk",
            operation = %self.operation,
            bucket_id = self.bucket.map(BucketId::as_str),
            file_name = self.file_name,
        );
        span.in_scope(|| self.run_attempts(attempt))
    }

    fn run_attempts<T>(&self, mut attempt: impl FnMut(Step) -> Result<T>) -> Result<T> {
        let started = self.clock.elapsed();
        let mut history = History::default();
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
            // What a call inside this one could not do was tried there already.
            if !note_attempts(&mut error, self.operation, &history, elapsed) {
                return Err(error);
            }
            history.answer_lost |= error.is_answer_lost();
            let advice = advise(self.operation, &error, &history);
            let Some((next, delay)) = self.follow(advice, &error, &mut history) else {
                return Err(error);
            };
            // Moving data may take its time; what is limited is trying in vain.
            let spent = if self.moves_data() { waited } else { elapsed };
            if history.attempts >= self.policy.max_attempts
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

    pub(super) const fn moves_data(&self) -> bool {
        matches!(
            self.operation,
            Operation::UploadFile | Operation::UploadPart
        )
    }

    /// Waits until the service's own pause is over, and tells how long that was; fails at once if it
    /// is longer than `limit`.
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

    fn follow(
        &self,
        advice: Advice,
        error: &Error,
        history: &mut History,
    ) -> Option<(Step, Duration)> {
        match advice {
            Advice::Stop => None,
            Advice::Again { after: Some(after) } => {
                if let Some(refusal) = error.service() {
                    self.pauses
                        .extend(self.operation, self.clock, after, refusal);
                }
                Some((Step::Again, after))
            }
            Advice::Again { after: None } => {
                history.waits += 1;
                Some((Step::Again, self.policy.delay(history.waits - 1)))
            }
            Advice::Reauthorize => {
                history.reauthorized = true;
                Some((Step::Reauthorize, Duration::ZERO))
            }
            Advice::FreshUploadUrl => {
                history.fresh_urls += 1;
                history.refused_tokens += u32::from(error.status() == Some(401));
                // Five other URLs at once, as the service's checklist asks; then it is overloaded.
                let delay = match history.fresh_urls {
                    0..=5 => Duration::ZERO,
                    more => self.policy.delay(more - 6),
                };
                Some((Step::FreshUploadUrl, delay))
            }
        }
    }
}

/// Writes into the error how often and how long was tried; false if it is about another operation.
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

/// Until when each operation is paused because the service said so. Limits are counted per
/// operation and account, so a pause holds for all threads that call the same.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<Operation, Pause>>);

#[derive(Debug)]
struct Pause {
    until: Duration,
    /// What the service said.
    refusal: ServiceError,
}

impl Pauses {
    fn left(&self, operation: Operation, clock: &Clock) -> Option<(Duration, ServiceError)> {
        let pauses = self.0.lock();
        let Pause { until, refusal } = pauses.get(&operation)?;
        let left = until.saturating_sub(clock.elapsed());
        (!left.is_zero()).then(|| (left, refusal.clone()))
    }

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

    use super::RetryPolicy;

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
