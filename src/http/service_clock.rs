//! The time at the service, derived from the `Date` headers of its answers.
//!
//! After a lost answer, a client has to tell a version that it has just uploaded from an older one
//! with the same content. The time of this machine may be wrong, so the versions' upload times are
//! compared with the service's own time.
//!
//! | situation | the earlier estimate | the later estimate |
//! | --- | --- | --- |
//! | nothing unusual | exact to the second | exact to the second |
//! | the machine slept, and its clocks differ about it | too early by the difference | right |
//! | the machine's time was set in between | may be too early | may be too late |
//! | no answer of the service yet | none | none |

use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::control::clock::Clock;

/// The last `Date` of the service, and when it was received.
#[derive(Debug, Default)]
pub(super) struct ServiceClock(Mutex<Option<(SystemTime, Moment)>>);

/// A moment on two clocks of this machine: the one that only moves forward, which may stop while
/// the machine sleeps, and the time of day, which may be set.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// By the clock that only moves forward.
    elapsed: Duration,
    /// By the time of day.
    time: SystemTime,
}

impl Moment {
    /// The present moment.
    fn now(clock: &Clock) -> Self {
        Self {
            elapsed: clock.elapsed(),
            time: clock.now(),
        }
    }

    /// The time since an earlier moment, by the clock that counted more of it.
    fn since(&self, earlier: &Self) -> Duration {
        let by_time = self.time.duration_since(earlier.time).unwrap_or_default();
        let elapsed = self.elapsed.saturating_sub(earlier.elapsed);
        elapsed.max(by_time)
    }
}

/// A moment, and the time at the service then, as far as it was known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    /// The moment itself.
    at: Moment,
    /// The service's time then, by the last answer before it.
    known: Option<SystemTime>,
}

impl ServiceClock {
    /// Notes the `Date` of an answer that has just arrived.
    pub(super) fn note(&self, date: SystemTime, clock: &Clock) {
        *self.0.lock() = Some((date, Moment::now(clock)));
    }

    /// Notes the present moment.
    pub(super) fn begin(&self, clock: &Clock) -> Beginning {
        self.begin_at(Moment::now(clock))
    }

    /// Notes a moment, together with the service's time as derived from the last `Date` before it.
    fn begin_at(&self, at: Moment) -> Beginning {
        let last = *self.0.lock();
        let known = last.and_then(|(date, seen)| date.checked_add(at.since(&seen)));
        Beginning { at, known }
    }

    /// The time at the service at the moment of `beginning`, to the second; `None` before its first
    /// answer.
    ///
    /// It is rather too early than too late. Both the last `Date` before the moment and the newest
    /// one are used, and the earlier result counts, because the machine may have slept in between.
    pub(super) fn time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.estimates(beginning).into_iter().flatten().min()
    }

    /// The later estimate of what time it was at the service when something began.
    pub(super) fn latest_time_of(&self, beginning: &Beginning) -> Option<SystemTime> {
        self.estimates(beginning).into_iter().flatten().max()
    }

    /// By the last `Date` from before, and by that of now.
    fn estimates(&self, beginning: &Beginning) -> [Option<SystemTime>; 2] {
        let Beginning { at, known } = beginning;
        let last = *self.0.lock();
        let after = last.filter(|(_, seen)| seen.elapsed >= at.elapsed);
        let told = after.and_then(|(date, seen)| date.checked_sub(seen.since(at)));
        [*known, told]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Moment, ServiceClock};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// So many seconds by the clock that stands still while the machine sleeps, and by the time of the day.
    fn moment(elapsed: u64, time: u64) -> Moment {
        Moment {
            elapsed: seconds(elapsed),
            time: UNIX_EPOCH + seconds(time),
        }
    }

    /// What a request is thought to have begun at that began at 1000 by the service's clock, which is 500
    /// seconds ahead of ours; dates come from it at these moments.
    fn began(before: Option<Moment>, at: Moment, after: Option<Moment>) -> Option<u64> {
        let clock = ServiceClock::default();
        let tell = |moment: Moment| {
            let date = moment.time + seconds(500);
            *clock.0.lock() = Some((date, moment));
        };
        before.into_iter().for_each(tell);
        let beginning = clock.begin_at(at);
        after.into_iter().for_each(tell);
        let time = clock.time_of(&beginning)?;
        Some(time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn a_beginning_is_known_by_dates_from_before_and_after_it() {
        let (before, at, after) = (moment(0, 490), moment(10, 500), moment(30, 520));
        assert_eq!(began(None, at, None), None);
        for (before, after) in [
            (Some(before), None),
            (None, Some(after)),
            (Some(before), Some(after)),
        ] {
            assert_eq!(began(before, at, after), Some(1000));
        }
    }

    #[test]
    fn a_machine_that_slept_does_not_move_a_beginning_forward() {
        // For an hour while the answer was due, or before the request was sent.
        let (before, at, after) = (moment(0, 490), moment(10, 500), moment(30, 4120));
        assert_eq!(began(None, at, Some(after)), Some(1000));
        assert_eq!(began(Some(before), at, Some(after)), Some(1000));
        let (at_4100, after) = (moment(10, 4100), moment(30, 4120));
        assert_eq!(began(Some(before), at_4100, Some(after)), Some(4600));
        // The time of day was set back or forward in between.
        assert_eq!(began(Some(before), at, Some(moment(30, 20))), Some(500));
        let forward = began(Some(before), at, Some(moment(30, 9000)));
        assert!(forward <= Some(1000), "{forward:?}");
    }
}
