//! The clock: the only place that reads the time or sleeps, so that tests can move the time by
//! hand. Lints forbid `SystemTime::now`, `Instant::now` and `thread::sleep` everywhere else.
//!
//! | what is measured | with |
//! | --- | --- |
//! | pauses, time limits, ages within this process | `elapsed`, which only moves forward and may stop while the machine sleeps |
//! | times that leave this process: the age of an upload URL, a lease in a file | `now`, which may be set |
//! | the time at the service | neither: `http/service_clock.rs` |
//! | the time of a database or Redis server | the server's, moved on by `moved` in tests |

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use crate::control::cancel::CancelToken;

/// A source of time. Clones share it.
#[cfg_attr(
    not(any(test, feature = "test-util")),
    expect(unreachable_pub, reason = "public with the feature test-util")
)]
#[derive(Clone, Default)]
pub struct Clock(Source);

/// The kinds of clocks.
#[derive(Clone, Default)]
enum Source {
    /// The clock of the operating system.
    #[default]
    System,
    /// A test's clock, which moves when a test moves it or somebody sleeps.
    #[cfg(any(test, feature = "test-util"))]
    Manual(std::sync::Arc<manual::Manual>),
    /// The system's clock, set forward.
    #[cfg(any(test, feature = "test-util"))]
    Ahead(Duration),
}

impl Clock {
    /// The time of day, which the operating system may set back or forward at any moment. Use it
    /// only for times that leave this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the time"
    )]
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        expect(unreachable_pub, reason = "public with the feature test-util")
    )]
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual(manual) => SystemTime::now() + manual.moved(),
            #[cfg(any(test, feature = "test-util"))]
            Source::Ahead(by) => SystemTime::now() + *by,
        }
    }

    /// The time since some moment in the past. It never goes back, so durations are measured with
    /// it.
    pub(crate) fn elapsed(&self) -> Duration {
        let real = since_start();
        match &self.0 {
            Source::System => real,
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual(manual) => real + manual.moved(),
            #[cfg(any(test, feature = "test-util"))]
            Source::Ahead(by) => real + *by,
        }
    }

    /// Returns how far a test has moved this manual clock. A store adds it to the time of its server,
    /// which a test cannot move.
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        expect(unreachable_pub, reason = "public with the feature test-util")
    )]
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        allow(dead_code, reason = "not every store asks a server for the time")
    )]
    #[must_use]
    pub fn moved(&self) -> Duration {
        match &self.0 {
            Source::System => Duration::ZERO,
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual(manual) => manual.moved(),
            // One machine's clock is wrong, and the server's is not.
            #[cfg(any(test, feature = "test-util"))]
            Source::Ahead(_) => Duration::ZERO,
        }
    }

    /// Sleeps for this time, or until the token is cancelled. The caller checks which of the two it
    /// was.
    pub(crate) fn sleep(&self, duration: Duration, cancel: Option<&CancelToken>) {
        match &self.0 {
            Source::System => pause(duration, cancel),
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual(manual) => manual.sleep(duration),
            #[cfg(any(test, feature = "test-util"))]
            Source::Ahead(_) => pause(duration, cancel),
        }
    }
}

/// The time since this process first asked for it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the time"
)]
fn since_start() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let start = *START;
    Instant::now().saturating_duration_since(start)
}

/// Sleeps on the operating system's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that sleeps"
)]
fn pause(duration: Duration, cancel: Option<&CancelToken>) {
    match cancel {
        Some(token) => token.wait(duration),
        None => std::thread::sleep(duration),
    }
}

/// A random duration below `bound`. It is not suitable for secrets; it spreads the requests of many
/// clients.
pub(crate) fn jitter(bound: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    let fraction = random as f64 / u64::MAX as f64;
    bound.mul_f64(fraction)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::System => "Clock(system)",
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual(_) => "Clock(manual)",
            #[cfg(any(test, feature = "test-util"))]
            Source::Ahead(_) => "Clock(ahead)",
        })
    }
}

#[cfg(any(test, feature = "test-util"))]
pub(crate) mod manual {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::{Clock, Duration, Source};

    /// How far a manual clock was moved, and the sleeps on it.
    #[derive(Debug, Default)]
    pub(crate) struct Manual(Mutex<(Duration, Vec<Duration>)>);

    impl Manual {
        pub(super) fn moved(&self) -> Duration {
            self.0.lock().0
        }

        pub(super) fn sleep(&self, duration: Duration) {
            let mut state = self.0.lock();
            state.0 += duration;
            state.1.push(duration);
        }
    }

    impl Clock {
        /// Creates a clock on which every sleep ends at once and moves the time forward by its
        /// length. Needs the feature `test-util`.
        #[must_use]
        pub fn manual() -> Self {
            Self(Source::Manual(Arc::default()))
        }

        /// Creates a clock that is ahead of the system's. With it a test of several processes lets
        /// something expire for one process and not for the others. Needs the feature `test-util`.
        #[must_use]
        pub const fn ahead(by: Duration) -> Self {
            Self(Source::Ahead(by))
        }

        /// Moves a manual clock forward. It has no effect on other clocks.
        pub fn advance(&self, duration: Duration) {
            if let Source::Manual(manual) = &self.0 {
                manual.0.lock().0 += duration;
            }
        }

        /// Returns the sleeps on a manual clock so far, in order. The list is empty for other
        /// clocks.
        #[must_use]
        pub fn sleeps(&self) -> Vec<Duration> {
            match &self.0 {
                Source::System | Source::Ahead(_) => Vec::new(),
                Source::Manual(manual) => manual.0.lock().1.clone(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Duration, jitter};

    #[test]
    fn sleeping_on_a_manual_clock_moves_it_and_takes_no_time() {
        let clock = Clock::manual();
        let before = (clock.now(), clock.elapsed());
        clock.sleep(Duration::from_secs(86_400), None);
        assert!(clock.now() >= before.0 + Duration::from_secs(86_400));
        assert!(clock.elapsed() >= before.1 + Duration::from_secs(86_400));
        assert_eq!(clock.sleeps(), [Duration::from_secs(86_400)]);
    }

    #[test]
    fn jitter_stays_below_its_bound_and_varies() {
        let bound = Duration::from_secs(1);
        let values: std::collections::BTreeSet<_> = (0..50).map(|_| jitter(bound)).collect();
        assert!(values.len() > 40 && values.iter().all(|value| *value <= bound));
    }
}
