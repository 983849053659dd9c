//! How much all transfers of one `B2Api` together may move in a second.
//!
//! Each direction has a schedule: who has moved bytes waits until the time that they take at the
//! limit is over, behind those who moved some before. So the threads share the limit in the order in
//! which they come, whatever their number. It is the content of files that is limited; other
//! requests and answers are small.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::control::Control;
use crate::control::clock::Clock;
use crate::error::Result;

/// The longest sleep: a limit that was changed meanwhile counts after that.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How many pieces a second make a steady flow; a piece takes as long as its bytes at the limit.
const PIECES: u64 = 20;

/// The limits of both directions.
#[derive(Debug, Default)]
pub(crate) struct Bandwidth {
    pub(crate) up: RateLimiter,
    pub(crate) down: RateLimiter,
}

/// The limit of one direction, and who is to move when.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Bytes a second; 0 for no limit.
    limit: AtomicU64,
    schedule: Mutex<Schedule>,
}

#[derive(Debug, Default)]
struct Schedule {
    /// When what was moved so far will have taken its time.
    free_at: Duration,
    /// Counts the changes of the limit.
    changes: u64,
}

impl RateLimiter {
    /// Bytes a second.
    pub(crate) fn limit(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.limit.load(Ordering::Relaxed))
    }

    /// Sets another limit, which counts at once.
    pub(crate) fn set_limit(&self, limit: Option<NonZeroU64>) {
        let mut schedule = self.lock();
        schedule.free_at = Duration::ZERO;
        schedule.changes += 1;
        self.limit
            .store(limit.map_or(0, NonZeroU64::get), Ordering::Relaxed);
    }

    /// How many of these bytes to move at a time, so that no thread takes much at once.
    pub(crate) fn piece(&self, room: usize) -> usize {
        match self.limit() {
            None => room,
            Some(limit) => {
                let most = (limit.get() / PIECES).max(1);
                room.min(usize::try_from(most).unwrap_or(usize::MAX))
            }
        }
    }

    /// Waits as long as the bytes take that were moved just now.
    pub(crate) fn moved(&self, bytes: usize, clock: &Clock, control: &Control) -> Result<()> {
        let Some(limit) = self.limit() else {
            return Ok(());
        };
        let (mut free_at, changes) = {
            let mut schedule = self.lock();
            let time = duration_of(bytes, limit);
            schedule.free_at = schedule.free_at.max(clock.elapsed()) + time;
            (schedule.free_at, schedule.changes)
        };
        loop {
            let left = free_at.saturating_sub(clock.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            control.sleep(clock, left.min(LOOK_UP))?;
            if self.lock().changes != changes {
                free_at = Duration::ZERO;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock()
    }
}

fn duration_of(bytes: usize, limit: NonZeroU64) -> Duration {
    let nanos = bytes as u128 * 1_000_000_000 / u128::from(limit.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use super::RateLimiter;
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;
    use crate::error::Error;

    fn limited(limit: u64) -> RateLimiter {
        let limiter = RateLimiter::default();
        limiter.set_limit(NonZeroU64::new(limit));
        limiter
    }

    fn slept(clock: &Clock) -> Duration {
        clock.sleeps().iter().sum()
    }

    #[test]
    fn bytes_take_the_time_that_they_take_at_the_limit() {
        let (limiter, clock) = (limited(1000), Clock::manual());
        for _ in 0..100 {
            limiter.moved(50, &clock, &Control::default()).unwrap();
        }
        // The clock also runs by itself, so that a little less was slept.
        let slept = slept(&clock);
        assert!(slept <= Duration::from_secs(5), "{slept:?}");
        assert!(slept >= Duration::from_secs(4), "{slept:?}");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let (limiter, clock) = (RateLimiter::default(), Clock::manual());
        limiter
            .moved(usize::MAX, &clock, &Control::default())
            .unwrap();
        assert!(clock.sleeps().is_empty());
        assert_eq!(limiter.piece(1 << 20), 1 << 20);
    }

    #[test]
    fn pieces_are_small_and_never_empty() {
        assert_eq!(limited(2000).piece(1 << 20), 100);
        assert_eq!(limited(1).piece(1 << 20), 1);
        assert_eq!(limited(u64::MAX).piece(10), 10);
    }

    #[test]
    fn another_limit_ends_the_waits_for_the_old_one() {
        let limiter = limited(1);
        let clock = Clock::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| limiter.moved(1 << 40, &clock, &Control::default()));
            while limiter.lock().free_at.is_zero() {
                std::thread::yield_now();
            }
            limiter.set_limit(None);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn who_is_cancelled_waits_no_longer() {
        let (limiter, token) = (limited(1), CancelToken::new());
        token.cancel();
        let outcome = limiter.moved(1 << 40, &Clock::default(), &Control::new(Some(&token)));
        assert!(matches!(outcome, Err(Error::Cancelled)));
    }
}
