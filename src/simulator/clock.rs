//! The simulator's clock: the system's time plus an offset that tests move forward, so that a
//! token can age a day without anybody waiting. Nothing else in the simulator reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The last time that the ids of files can spell, in the year 5138.
const LAST_MILLIS: u64 = 99_999_999_999_999;

/// Clones share the offset: whoever holds one moves the clock for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    ahead_millis: Arc<AtomicU64>,
}

impl Clock {
    /// The simulated time.
    pub(crate) fn now(&self) -> SystemTime {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place of the simulator that reads the system's time"
        )]
        let system = SystemTime::now();
        let last = SystemTime::UNIX_EPOCH + Duration::from_millis(LAST_MILLIS);
        let now = system.checked_add(self.ahead());
        now.map_or(last, |now| now.min(last))
    }

    /// How far the simulated time has been moved.
    pub(crate) fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_millis.load(Ordering::Relaxed))
    }

    /// The simulated time as the wire has it: milliseconds since 1970 (docs/protocol.md, section
    /// 1.6).
    pub(crate) fn now_millis(&self) -> u64 {
        self.now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
    }

    /// Moves the simulated time forward, to [`LAST_MILLIS`] at most.
    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let ahead = |ahead: u64| Some(ahead.saturating_add(millis).min(LAST_MILLIS));
        // The closure never declines.
        let _ = self
            .ahead_millis
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, ahead);
    }
}

/// How long something takes: real time, which no test moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place of the simulator that reads the system's time"
        )]
        let now = Instant::now();
        Self(now)
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
