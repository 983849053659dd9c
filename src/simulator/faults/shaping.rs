//! The latency of requests, and the rates of their bodies in bytes per second.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::simulator::clock::Stopwatch;

/// How slow every request is: see [`Faults::shape`](super::Faults::shape). A setting without a
/// value has no effect.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::simulator::{Shaping, Simulator};
///
/// let simulator = Simulator::start()?;
/// let slow = Shaping::new().latency(Duration::from_millis(40)).upload_rate(1_000_000);
/// simulator.faults().shape(slow);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shaping {
    /// The time that each request waits before anything else happens, in whole milliseconds.
    pub latency: Duration,
    /// The rate of the bodies of requests in bytes per second, for all connections together.
    pub upload_rate: Option<NonZeroU64>,
    /// The rate of the bodies of answers in bytes per second, for all connections together.
    pub download_rate: Option<NonZeroU64>,
}

impl Shaping {
    /// Returns a value that slows nothing down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time that each request waits.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Self {
        self.latency = time;
        self
    }

    /// Sets the rate of the bodies of requests in bytes per second (at least 1).
    #[must_use]
    pub fn upload_rate(mut self, bytes_per_second: u64) -> Self {
        self.upload_rate = Some(NonZeroU64::new(bytes_per_second).unwrap_or(NonZeroU64::MIN));
        self
    }

    /// Sets the rate of the bodies of answers in bytes per second (at least 1).
    #[must_use]
    pub fn download_rate(mut self, bytes_per_second: u64) -> Self {
        self.download_rate = Some(NonZeroU64::new(bytes_per_second).unwrap_or(NonZeroU64::MIN));
        self
    }
}

/// What all connections share.
#[derive(Debug, Default)]
pub(super) struct SharedRates {
    shaping: Shaping,
    up: Option<RateLimiter>,
    down: Option<RateLimiter>,
}

impl SharedRates {
    pub(super) fn new(shaping: Shaping) -> Self {
        Self {
            up: shaping.upload_rate.map(RateLimiter::new),
            down: shaping.download_rate.map(RateLimiter::new),
            shaping,
        }
    }

    pub(super) fn shaping(&self) -> &Shaping {
        &self.shaping
    }

    pub(super) fn limiters(&self) -> (Option<RateLimiter>, Option<RateLimiter>) {
        (self.up.clone(), self.down.clone())
    }
}

/// A rate at which bytes pass; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RateLimiter {
    rate: NonZeroU64,
    watch: Stopwatch,
    /// Until when, by the watch, bytes that were let in are still passing.
    busy_until: Arc<Mutex<Duration>>,
}

impl RateLimiter {
    pub(crate) fn new(rate: NonZeroU64) -> Self {
        Self {
            rate,
            watch: Stopwatch::start(),
            busy_until: Arc::default(),
        }
    }

    /// How many bytes at most pass as one piece: what takes a twentieth of a second, at least one.
    pub(crate) fn piece(&self) -> usize {
        usize::try_from(self.rate.get() / 20)
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// Lets these bytes in behind those that are passing; says after what time they have passed.
    pub(crate) fn enter(&self, bytes: usize) -> Duration {
        self.enter_at(self.watch.elapsed(), bytes)
    }

    fn enter_at(&self, now: Duration, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.rate.get()));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut busy_until = self.busy_until.lock();
        *busy_until = now.max(*busy_until).saturating_add(takes);
        busy_until.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use super::RateLimiter;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(rate: u64) -> RateLimiter {
        RateLimiter::new(NonZeroU64::new(rate).unwrap())
    }

    #[test]
    fn bytes_pass_one_behind_the_other_and_a_pause_is_not_made_up_for() {
        let limiter = limiter(1000);
        let other = limiter.clone();
        assert_eq!(limiter.enter_at(Duration::ZERO, 1000), SECOND);
        assert_eq!(other.enter_at(Duration::ZERO, 500), SECOND * 3 / 2);
        assert_eq!(limiter.enter_at(SECOND, 500), SECOND);
        assert_eq!(limiter.enter_at(SECOND * 60, 1000), SECOND);
    }

    #[test]
    fn no_rate_and_no_length_overflow() {
        assert_eq!(
            limiter(u64::MAX).enter_at(Duration::ZERO, 1),
            Duration::from_nanos(1)
        );
        let slow = limiter(1);
        slow.enter_at(Duration::MAX, usize::MAX);
        slow.enter_at(Duration::MAX, usize::MAX);
        assert_eq!(
            (
                limiter(1).piece(),
                limiter(19).piece(),
                limiter(2000).piece()
            ),
            (1, 1, 100)
        );
    }
}
