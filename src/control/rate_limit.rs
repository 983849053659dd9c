//! Limits the bandwidth of all transfers of one `B2Api` together.
//!
//! Each direction has a schedule. A thread that has moved some bytes waits until the time that
//! these bytes take at the limit is over; its time begins where the time of the bytes before it
//! ends. Therefore the threads share the limit in the order in which they come, however many there
//! are. Only the content of files is limited, because other requests and answers are small.
//!
//! The wait comes after the bytes, so the first piece of a transfer is never delayed, and a pause
//! of all transfers is not made up for by a burst.
//!
//! | what changes | what follows |
//! | --- | --- |
//! | the limit is lowered or raised | waiting threads notice within 100 ms, and the schedule begins again from then |
//! | the limit is removed | waiting threads continue within 100 ms |
//! | a thread is cancelled while it waits | it returns at once; its bytes stay in the schedule |
//! | nothing moved for a while | no credit: the next second has no more bytes than any other |

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::control::Control;
use crate::control::clock::Clock;
use crate::control::tuner::Tuner;
use crate::error::Result;

/// The longest single sleep of a waiting thread. A changed limit takes effect after it.
const LOOK_UP: Duration = Duration::from_millis(100);
/// The number of pieces in which each second's bytes are moved, so that the flow is steady.
const PIECES: u64 = 20;

/// The limits of both directions.
#[derive(Debug, Default)]
pub(crate) struct Bandwidth {
    /// The limit of uploads.
    pub(crate) up: RateLimiter,
    /// The limit of downloads.
    pub(crate) down: RateLimiter,
}

/// The limit of one direction, and its schedule.
///
/// All threads that move data in its direction share one limiter. The lock of the schedule is held
/// only to read and advance it, never during a sleep.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// The limit in bytes per second; 0 for no limit.
    limit: AtomicU64,
    /// When the next bytes may move.
    schedule: Mutex<Schedule>,
    /// Who chooses the number of workers by what is moved.
    tuner: OnceLock<Arc<Tuner>>,
}

/// When the next bytes may move.
#[derive(Debug, Default)]
struct Schedule {
    /// When the time of all bytes that were moved so far is over, by the clock's `elapsed`.
    free_at: Duration,
    /// The number of changes of the limit, by which waiting threads notice one.
    changes: u64,
}

impl Bandwidth {
    /// Reports what is moved from now on.
    pub(crate) fn report_to(&self, tuner: &Arc<Tuner>) {
        for limiter in [&self.up, &self.down] {
            let _only_once = limiter.tuner.set(Arc::clone(tuner));
        }
    }

    /// Reports that the system has no file descriptor left. Returns whether other workers run, which will
    /// return theirs.
    pub(crate) fn out_of_descriptors(&self, clock: &Clock) -> bool {
        let tuner = self.up.tuner.get();
        tuner.is_some_and(|tuner| tuner.out_of_descriptors(clock.elapsed()))
    }

    /// Reports how long a request waited for its answer to the tuner.
    pub(crate) fn waited(&self, latency: Duration) {
        if let Some(tuner) = self.up.tuner.get() {
            tuner.waited(latency);
        }
    }

    /// Reports an answer to a request that moves content, or a refusal of any request, to the
    /// tuner.
    pub(crate) fn answered(&self, clock: &Clock, is_content: bool, is_refused: bool) {
        if let Some(tuner) = self.up.tuner.get() {
            match (is_refused, is_content) {
                (true, _) => tuner.refused(clock.elapsed()),
                (false, true) => tuner.answered(clock.elapsed()),
                (false, false) => {}
            }
        }
    }
}

impl RateLimiter {
    /// The limit in bytes per second.
    pub(crate) fn limit(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.limit.load(Ordering::Relaxed))
    }

    /// Sets or removes the limit. Threads that wait under the old limit stop waiting.
    pub(crate) fn set_limit(&self, limit: Option<NonZeroU64>) {
        let mut schedule = self.lock();
        schedule.free_at = Duration::ZERO;
        schedule.changes += 1;
        self.limit
            .store(limit.map_or(0, NonZeroU64::get), Ordering::Relaxed);
    }

    /// How many bytes to move before calling [`moved`](Self::moved), if there is room for `room`.
    pub(crate) fn piece(&self, room: usize) -> usize {
        match self.limit() {
            None => room,
            Some(limit) => {
                let most = (limit.get() / PIECES).max(1);
                room.min(usize::try_from(most).unwrap_or(usize::MAX))
            }
        }
    }

    /// Waits until the time of the `bytes` that were just moved is over. Returns early with
    /// `Cancelled` if the call is cancelled.
    pub(crate) fn moved(&self, bytes: usize, clock: &Clock, control: &Control) -> Result<()> {
        if let Some(tuner) = self.tuner.get() {
            tuner.moved(bytes as u64, clock.elapsed());
        }
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

    /// Locks the schedule.
    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock()
    }
}

/// The time that bytes take at a limit.
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
