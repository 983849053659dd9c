//! The simulator's clock: the system's time plus an offset that tests choose, so a token can expire
//! without a wait. No other module of the simulator reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The last time that the ids of files can spell, in the year 5138.
const LAST_MILLIS: i64 = 99_999_999_999_999;

/// Clones share the offset: whoever holds one moves the clock for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    /// What is added to the system's time.
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// The simulated time.
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.now_millis())
    }

    /// How far the simulated time is ahead of the system's; negative if it is behind.
    pub(crate) fn ahead_millis(&self) -> i64 {
        self.offset_millis.load(Ordering::Relaxed)
    }

    /// The simulated time as the wire has it: milliseconds since 1970 (docs/protocol.md, section
    /// 1.6).
    pub(crate) fn now_millis(&self) -> u64 {
        let now = system_millis().saturating_add(self.ahead_millis());
        u64::try_from(now.min(LAST_MILLIS)).unwrap_or(0)
    }

    /// The year of the simulated time.
    pub(crate) fn year(&self) -> i32 {
        // The mean length of a year, from 1970 on: a day too early or too late is near enough.
        i32::try_from(self.now_millis() / 31_556_952_000).map_or(1970, |years| 1970 + years)
    }

    /// Moves the simulated time forward, to [`LAST_MILLIS`] at most.
    pub(crate) fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.change(|offset| offset.saturating_add(millis).min(LAST_MILLIS));
    }

    /// Lets the simulated time begin here, before or after the system's.
    pub(crate) fn begin_at(&self, time: SystemTime) {
        let offset = millis_of(time).min(LAST_MILLIS) - system_millis();
        self.change(|_| offset);
    }

    /// Moves the simulated time forward to the system's, if it is behind.
    pub(crate) fn catch_up(&self) {
        self.change(|offset| offset.max(0));
    }

    fn change(&self, change: impl Fn(i64) -> i64) {
        // The closure never declines.
        let _ = self
            .offset_millis
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |offset| {
                Some(change(offset))
            });
    }
}

fn system_millis() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the simulator that reads the system's time"
    )]
    let now = SystemTime::now();
    millis_of(now)
}

fn millis_of(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
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
