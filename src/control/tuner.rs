//! Measures throughput, and sets the number of permits that `adaptive` chooses by it.
//!
//! There is no thread for this. Whoever moves content reports it, and the first report after a second is
//! over takes the sample. If nothing moves, nothing changes.
//!
//! | report | from | counts as |
//! | --- | --- | --- |
//! | bytes moved | each read or write of content | as many bytes |
//! | a request answered | each success that moves content | 32 KiB, so that a thousand empty files are not nothing |
//! | a refusal (429, 503), no descriptors | the HTTP layer | the end of the sample, and fewer workers |
//! | work that waits | a thread that asks for a permit | "more workers would help" |

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::adaptive::{Controller, Sample, Workers};
use crate::control::semaphore::Semaphore;

/// How long a sample takes.
const SAMPLE: Duration = Duration::from_secs(1);
/// For how long a fixed number of workers stays reduced after the system had no file descriptors left.
const SHORTAGE: Duration = Duration::from_secs(30);
/// How many bytes a request counts for, so that small files count as well.
const REQUEST: u64 = 32 * 1024;

/// The measurements of one `B2Api`, and the permits that they decide about.
#[derive(Debug)]
pub(crate) struct Tuner {
    /// What the number is set on.
    permits: Semaphore,
    /// Whether the number is adaptive. Otherwise nothing is measured.
    is_on: AtomicBool,
    /// Whether a fixed number is reduced for a while.
    is_reduced: AtomicBool,
    /// What moved since the last sample: bytes, and requests as bytes.
    moved: AtomicU64,
    /// Whether work waited for a permit since the last sample.
    is_wanted: AtomicBool,
    /// When the sample is over, in nanoseconds of the clock's `elapsed`.
    due: AtomicU64,
    /// What only one thread at a time takes a sample with.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Chooses the number.
    controller: Controller,
    /// What was asked for.
    workers: Workers,
    /// When the sample began.
    began: Duration,
    /// When something was refused last.
    refused: Option<Duration>,
}

impl Tuner {
    /// Measures for these permits.
    pub(crate) fn new(permits: &Semaphore, workers: Workers) -> Self {
        Self {
            permits: permits.clone(),
            is_on: AtomicBool::new(!matches!(workers, Workers::Fixed(_))),
            is_reduced: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
            due: AtomicU64::new(0),
            state: Mutex::new(State {
                controller: Controller::new(workers),
                workers,
                began: Duration::ZERO,
                refused: None,
            }),
        }
    }

    /// Changes the range of numbers to choose from, and starts again.
    pub(crate) fn set(&self, workers: Workers) {
        let mut state = self.state.lock();
        state.controller = Controller::new(workers);
        state.workers = workers;
        self.is_reduced.store(false, Ordering::Relaxed);
        self.is_on
            .store(!matches!(workers, Workers::Fixed(_)), Ordering::Relaxed);
        self.permits.set_limit(workers.first() as u64);
    }

    /// The largest number that may be chosen.
    pub(crate) fn most(&self) -> usize {
        self.state.lock().workers.most()
    }

    /// Notes that there is more to do than there are workers.
    pub(crate) fn wanted(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Notes that the system has no file descriptors left. A fixed number of workers is reduced, too, and
    /// restored by what moves half a minute later. Returns whether other workers run, which will return theirs.
    pub(crate) fn out_of_descriptors(&self, now: Duration) -> bool {
        let others = self.permits.taken() > 1;
        if self.is_on.load(Ordering::Relaxed) {
            self.refused(now);
            return others;
        }
        let mut state = self.state.lock();
        if state.refused.is_none_or(|last| now >= last + SAMPLE) {
            state.refused = Some(now);
            self.is_reduced.store(true, Ordering::Relaxed);
            let workers = (self.permits.limit() * 7 / 10).max(1);
            tracing::debug!(
                workers,
                "there are fewer workers, because no file descriptor is left"
            );
            self.permits.set_limit(workers);
        }
        others
    }

    /// Restores a fixed number of workers if it was reduced long enough ago.
    fn restore(&self, now: Duration) {
        let state = self.state.lock();
        let is_over = state.refused.is_none_or(|last| now >= last + SHORTAGE);
        if is_over && self.is_reduced.swap(false, Ordering::Relaxed) {
            self.permits.set_limit(state.workers.first() as u64);
        }
    }

    /// Notes that the service asked for less, or that something is short on this machine.
    ///
    /// This ends the sample at once. What else is refused within a second was on its way already.
    pub(crate) fn refused(&self, now: Duration) {
        let mut state = self.state.lock();
        let is_on = self.is_on.load(Ordering::Relaxed);
        if is_on && state.refused.is_none_or(|last| now >= last + SAMPLE) {
            state.refused = Some(now);
            self.sample(&mut state, true, now);
        }
    }

    /// Notes that a request was answered.
    pub(crate) fn answered(&self, now: Duration) {
        self.moved(REQUEST, now);
    }

    /// Notes that so many bytes were moved.
    pub(crate) fn moved(&self, bytes: u64, now: Duration) {
        if !self.is_on.load(Ordering::Relaxed) {
            if self.is_reduced.load(Ordering::Relaxed) {
                self.restore(now);
            }
            return;
        }
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        let due = Duration::from_nanos(self.due.load(Ordering::Relaxed));
        if now < due {
            return;
        }
        // Whoever finds it locked need not wait: somebody takes the sample.
        let Some(mut state) = self.state.try_lock() else {
            return;
        };
        if now < Duration::from_nanos(self.due.load(Ordering::Relaxed)) {
            return;
        }
        self.sample(&mut state, false, now);
    }

    /// Takes a sample, and sets the number that follows from it.
    fn sample(&self, state: &mut State, is_refused: bool, now: Duration) {
        let took = now.saturating_sub(state.began);
        let moved = self.moved.swap(0, Ordering::Relaxed);
        let is_queued = self.permits.taken() >= self.permits.limit();
        let sample = Sample {
            rate: moved as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE),
            is_wanted: self.is_wanted.swap(is_queued, Ordering::Relaxed),
            is_refused,
        };
        state.began = now;
        let due = u64::try_from((now + SAMPLE).as_nanos()).unwrap_or(u64::MAX);
        self.due.store(due, Ordering::Relaxed);
        if took > 3 * SAMPLE && !sample.is_refused {
            // Nothing moved for a while.
            return state.controller.begin_again();
        }
        let before = self.permits.limit();
        let workers = state.controller.next(sample) as u64;
        if workers != before && self.is_on.load(Ordering::Relaxed) {
            tracing::debug!(
                workers,
                before,
                rate = sample.rate,
                "the number of workers changes"
            );
            self.permits.set_limit(workers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Tuner;
    use crate::control::adaptive::Workers;
    use crate::control::semaphore::Semaphore;

    /// Seconds in which each worker moves so much, a tenth of a second at a time.
    fn run(tuner: &Tuner, permits: &Semaphore, from: u64, seconds: u64) {
        for tenth in 10 * from..10 * (from + seconds) {
            tuner.wanted();
            tuner.moved(permits.limit() * 1000, Duration::from_millis(100 * tenth));
        }
    }

    #[test]
    fn permits_follow_what_moves() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        run(&tuner, &permits, 0, 12);
        assert_eq!(permits.limit(), 64);
        tuner.refused(Duration::from_millis(13_500));
        assert_eq!(permits.limit(), 44);
        tuner.set(Workers::Fixed(3));
        run(&tuner, &permits, 14, 12);
        assert_eq!(permits.limit(), 3);
        tuner.set(Workers::AutoUpTo(20));
        run(&tuner, &permits, 40, 12);
        assert_eq!(permits.limit(), 20);
    }

    #[test]
    fn a_fixed_number_is_reduced_for_half_a_minute_where_descriptors_are_short() {
        let permits = Semaphore::new(10);
        let tuner = Tuner::new(&permits, Workers::Fixed(10));
        let at = Duration::from_millis;
        for (millis, limit) in [
            (0, 7),
            (900, 7),
            (1_000, 4),
            (2_000, 2),
            (3_000, 1),
            (4_000, 1),
        ] {
            assert!(!tuner.out_of_descriptors(at(millis)));
            assert_eq!(permits.limit(), limit);
        }
        tuner.refused(at(6_000));
        tuner.moved(1, at(33_999));
        assert_eq!(permits.limit(), 1);
        tuner.moved(1, at(34_000));
        assert_eq!(permits.limit(), 10);
        let _held = permits.acquire(2, []);
        assert!(tuner.out_of_descriptors(at(40_000)));
        tuner.set(Workers::Fixed(5));
        tuner.moved(1, at(90_000));
        assert_eq!(permits.limit(), 5);
    }

    #[test]
    fn a_pause_says_nothing() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        for hour in 1..20 {
            tuner.wanted();
            tuner.moved(1 << (hour + 20), Duration::from_secs(3600 * hour));
        }
        assert_eq!(permits.limit(), 8);
    }
}
