//! Measures throughput, and sets the number of permits that `adaptive` chooses by it.
//!
//! There is no thread for this. Whoever moves content reports it, and the first report after the time of a sample is
//! over takes the sample. If nothing moves, nothing changes.
//!
//! | report | from | counts as |
//! | --- | --- | --- |
//! | bytes moved | each read or write of content | as many bytes |
//! | a request answered | each success that moves content | 32 KiB, so that a thousand empty files are not nothing |
//! | a refusal (429, 503), no descriptors | the HTTP layer | the end of the sample, and fewer workers |
//! | how long a request waited for its answer | the HTTP layer | the latency, if no request waited for less |
//! | work that waits | a thread that asks for a permit | "more workers would help" |
//!
//! What is found stays for later transfers. After ten minutes in which nothing moved, half of it is forgotten.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::adaptive::{Controller, SAMPLE, Sample, Workers};
use crate::control::semaphore::Semaphore;

/// A sample that took longer than this has a pause in it. On a slow line, seconds pass between two reports.
const IDLE: Duration = Duration::from_secs(3);
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
    /// The shortest time that a request waited for its answer, in nanoseconds.
    latency: AtomicU64,
    /// What only one thread at a time takes a sample with.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Chooses the number.
    controller: Controller,
    /// What was asked for.
    workers: Workers,
    /// When the sample began; none before anything moved.
    began: Option<Duration>,
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
            latency: AtomicU64::new(u64::MAX),
            state: Mutex::new(State {
                controller: Controller::new(workers),
                workers,
                began: None,
                refused: None,
            }),
        }
    }

    /// Changes the range of numbers to choose from, and starts again.
    pub(crate) fn set(&self, workers: Workers) {
        let mut state = self.state.lock();
        let is_on = !matches!(workers, Workers::Fixed(_));
        let adaptive = state.controller.restart(workers);
        let first = if is_on { adaptive } else { workers.first() };
        state.workers = workers;
        self.is_reduced.store(false, Ordering::Relaxed);
        self.is_on.store(is_on, Ordering::Relaxed);
        self.permits.set_limit(first as u64);
    }

    /// The largest number that may be chosen.
    pub(crate) fn most(&self) -> usize {
        self.state.lock().workers.most()
    }

    /// Whether the number follows the throughput.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
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

    /// Notes that a request waited for so long for its answer. The shortest wait is the latency: longer ones
    /// were those of a busy service or of a line that is full.
    pub(crate) fn waited(&self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if self.latency.fetch_min(nanos, Ordering::Relaxed) <= nanos {
            return;
        }
        let mut state = self.state.lock();
        let workers = state.controller.waited(latency);
        self.change(workers);
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
        let began = state.began.replace(now);
        let took = now.saturating_sub(began.unwrap_or(now));
        let moved = self.moved.swap(0, Ordering::Relaxed);
        let (taken, limit) = (self.permits.taken(), self.permits.limit());
        let is_wanted = self.is_wanted.swap(taken >= limit, Ordering::Relaxed);
        let sample = Sample {
            rate: moved as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE),
            // More workers than there should be moved this: it says nothing about their number.
            is_wanted: is_wanted && taken <= limit,
            is_refused,
        };
        let workers = if (began.is_none() || took > IDLE) && !is_refused {
            // Nothing moved for a while.
            state.controller.begin_again(took)
        } else {
            state.controller.next(sample)
        };
        if !state.controller.knows_latency() {
            self.latency.store(u64::MAX, Ordering::Relaxed);
        }
        let due = now + state.controller.span();
        let due = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
        self.due.store(due, Ordering::Relaxed);
        self.change(workers);
    }

    /// Sets the number of workers, if it is adaptive.
    fn change(&self, workers: usize) {
        let (workers, before) = (workers as u64, self.permits.limit());
        if workers != before && self.is_on.load(Ordering::Relaxed) {
            tracing::debug!(workers, before, "the number of workers changes");
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
    fn the_shortest_wait_decides_about_the_first_number() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        for (millis, number) in [(45, 45), (200, 45), (20, 20), (300, 20)] {
            tuner.waited(Duration::from_millis(millis));
            assert_eq!(permits.limit(), number);
        }
        tuner.set(Workers::AutoUpTo(12));
        assert_eq!(permits.limit(), 12);
        tuner.set(Workers::Fixed(3));
        tuner.waited(Duration::from_millis(10));
        assert_eq!(permits.limit(), 3);
        tuner.set(Workers::Auto);
        assert_eq!(permits.limit(), 10);
    }

    #[test]
    fn the_latency_is_measured_again_after_a_long_pause() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        run(&tuner, &permits, 0, 12);
        assert_eq!(permits.limit(), 64);
        tuner.waited(Duration::from_millis(1));
        tuner.moved(1, Duration::from_secs(700));
        assert_eq!(permits.limit(), 36);
        // This would not be the shortest, if that were not forgotten.
        tuner.waited(Duration::from_millis(100));
        assert_eq!(
            tuner.state.lock().controller.span(),
            Duration::from_millis(500)
        );
        assert_eq!(permits.limit(), 36, "what was found counts for more");
    }

    #[test]
    fn a_number_is_not_judged_while_more_workers_run() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        permits.acquire(8, []).unwrap();
        tuner.refused(Duration::ZERO);
        assert_eq!(permits.limit(), 5);
        for second in 1..100 {
            tuner.wanted();
            tuner.moved(1000, Duration::from_secs(second));
            assert_eq!(permits.limit(), 5);
        }
        permits.release(3);
        let others = (100..110).filter(|second| {
            tuner.wanted();
            tuner.moved(1000, Duration::from_secs(*second));
            permits.limit() != 5
        });
        assert!(others.count() > 0, "another number is tried");
    }

    #[test]
    fn a_slow_line_is_judged_as_well() {
        let permits = Semaphore::new(8);
        let tuner = Tuner::new(&permits, Workers::Auto);
        // The samples take a quarter of a second, and nothing is reported for longer than that.
        tuner.waited(Duration::from_millis(40));
        for second in 0..20 {
            tuner.wanted();
            tuner.moved(64 << 10, Duration::from_millis(1100 * second));
        }
        assert!(permits.limit() < 40, "fewer move as much");
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
