//! Chooses the number of workers by the latency of the network and the throughput that the number
//! brings. This file only computes; what it is given comes from `tuner`.
//!
//! 1. **Beginning.** Before anything has moved, the number follows the latency: one worker for every
//!    millisecond that a request waits for its answer. A worker that waits costs nothing, and the longer
//!    the round trip, the longer it would take to find the number by trying.
//! 2. **Growing.** The number is doubled as long as that brings at least a tenth more.
//! 3. **Shrinking.** If the first doubling made everything slower, as where this machine is busy already, the number
//!    is halved as long as that costs next to nothing.
//! 4. **Steady.** Now and then a somewhat larger number is tried and kept if it brings more, or a smaller
//!    one, kept if it brings as much. If the throughput changes for good, the number grows again from where
//!    it is.
//! 5. **Shedding.** If the service asks for less (429, 503), or the system has no descriptors left, the number
//!    is reduced at once, and stays below what was refused for a while.
//!
//! Each sample tells how fast content moved during a time. While the number grows or shrinks in steps, that
//! is five round trips, between a quarter of a second and a second; otherwise a second. The first sample
//! after a step is passed over, because new connections begin slowly, and so are samples in which more
//! workers run than should.
//!
//! | what is measured | the number |
//! | --- | --- |
//! | the latency, before the first sample | one worker for each millisecond, at least 8 |
//! | at least a tenth more than before the last doubling | doubled again, up to the largest number |
//! | while growing, 3 to 10 percent more | stays |
//! | while growing, hardly more or less than before | one more sample decides, then the number before the last step |
//! | while growing, at least 3 percent slower | the number before the last step |
//! | the first doubling made it at least 3 percent slower | half of the number before it, and so on while at least 98 percent remain |
//! | a smaller number brings at least 3 percent more | half of it, and so on while at least 98 percent remain |
//! | steady for five samples | a somewhat larger number is tried, and the next time a smaller one |
//! | attempts that bring nothing | the next ones come later, at most after twenty samples, and are smaller |
//! | while steady, less than half or more than double of before | grows again from where it is |
//! | 429, 503, no descriptors | reduced at once; what was refused is not reached for 30 samples |
//! | nothing waits for a worker | unchanged: more would have nothing to do |
//! | nothing moved for ten minutes | halfway to the first number, and the growth begins again |

use std::time::Duration;

/// How many workers move data at a time: a number, or one that follows the throughput.
///
/// ```
/// use b2sdk::limits::Workers;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let b2_api = B2Api::builder(InMemoryAccountInfo::new()).workers(Workers::Auto).build()?;
/// // It is 8 until the latency is known, and at most 64.
/// assert_eq!(b2_api.workers(), 8);
/// b2_api.set_workers(4);
/// assert_eq!(b2_api.workers(), 4);
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Workers {
    /// This many, at least 1; fewer for half a minute after the system had no file descriptors left.
    Fixed(usize),
    /// As many as bring throughput, at most 64.
    ///
    /// The number begins with 8, or with more on a network with latency: one for every millisecond that
    /// a request waits for its answer. It is doubled as long as that moves content faster. It is halved instead if
    /// the first doubling makes it slower, as on a machine whose processors are busy. It is reduced when the
    /// service asks for fewer requests (429 and 503), and when the system has no file descriptors left. It
    /// does not grow while there is too little to do for the workers that there are, as when uploads wait for
    /// memory ([`B2ApiBuilder::memory_limit`](crate::B2ApiBuilder::memory_limit)). It needs some seconds to
    /// settle, so transfers that end sooner run with the first number. Later transfers of the same `B2Api`
    /// begin with the number that was found. The number is not stored.
    ///
    /// Large files are cut into up to 64 parts of at least 16 MB for it. A stream or reader has at most 17 parts
    /// in memory with it, 272 MB with parts of 16 MB.
    Auto,
    /// As `Auto`, with at most this many.
    AutoUpTo(usize),
}

impl Workers {
    /// The number to begin with.
    pub(crate) fn first(self) -> usize {
        match self {
            Self::Fixed(count) => count.max(1),
            Self::Auto | Self::AutoUpTo(_) => FIRST.min(self.most()),
        }
    }

    /// The number to begin with where requests wait for so long.
    fn first_over(self, latency: Duration) -> usize {
        let wanted = latency.as_nanos() / LATENCY_OF_ONE.as_nanos();
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        wanted.clamp(self.first(), self.most())
    }

    /// The largest number.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Fixed(most) | Self::AutoUpTo(most) => most.max(1),
            Self::Auto => 64,
        }
    }
}

impl From<usize> for Workers {
    fn from(count: usize) -> Self {
        Self::Fixed(count)
    }
}

/// The number to begin with.
const FIRST: usize = 8;
/// For how much latency there is one worker to begin with.
const LATENCY_OF_ONE: Duration = Duration::from_millis(1);
/// How long a sample takes.
pub(super) const SAMPLE: Duration = Duration::from_secs(1);
/// How many round trips a sample takes at least.
const ROUNDS: u32 = 5;
/// How long a sample takes at least: less depends on chance.
const SHORTEST: Duration = Duration::from_millis(250);
/// After how long without content half of what was found is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// What doubling the number must bring to be worth it.
const DOUBLING: f64 = 1.1;
/// What a somewhat larger number must bring.
const MORE: f64 = 1.03;
/// What a smaller number must keep.
const ENOUGH: f64 = 0.98;
/// Below what the first doubling must fall to be a reason to try fewer workers.
const CROWDED: f64 = 0.97;
/// What doubling the number brings where each worker brings as much as those before.
const LINEAR: f64 = 1.8;
/// The number of steady samples between two attempts at another number.
const STEADY: u32 = 5;
/// How many failed attempts let the next one wait longer.
const MOST_FAILURES: u32 = 3;
/// The number of samples during which the number stays below what was refused.
const REMEMBERED: u32 = 30;
/// How much the throughput must change to be another network's.
const CHANGED: f64 = 0.5;

/// What was measured since the last sample.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    /// How fast content moved, in any unit.
    pub(super) rate: f64,
    /// Whether more workers would have had something to do.
    pub(super) is_wanted: bool,
    /// Whether the service asked for less, or something was short on this machine.
    pub(super) is_refused: bool,
}

/// What the next sample is compared with.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The number is being doubled. The sample may be the second one that decides about the step.
    Growing { again: bool },
    /// The number is being halved; `before` was there.
    Shrinking { before: usize },
    /// The number has proved itself for so many samples.
    Steady { samples: u32 },
    /// A number is tried; `before` was there.
    Trying { before: usize },
}

/// Chooses the number.
#[derive(Debug)]
pub(super) struct Controller {
    /// What may be chosen.
    workers: Workers,
    /// How long a request waits for its answer, if that is known.
    latency: Option<Duration>,
    /// Whether a sample has decided about the number.
    has_begun: bool,
    /// The number now.
    current: usize,
    /// What the next sample is compared with.
    phase: Phase,
    /// The rate of the number before a step, or of the present one while it is steady.
    rate: f64,
    /// The number before the last step while growing.
    before: usize,
    /// Whether a doubling since the growth began was worth it.
    has_grown: bool,
    /// How many attempts at another number failed one after the other.
    failures: u32,
    /// Whether the next sample is passed over.
    passes_over: bool,
    /// The number not to be reached, and for how many samples still.
    refused: Option<(usize, u32)>,
    /// Whether the next attempt is at a smaller number.
    tries_fewer: bool,
}

impl Controller {
    /// Begins with the first number of this choice.
    pub(super) fn new(workers: Workers) -> Self {
        let current = workers.first();
        Self {
            workers,
            latency: None,
            has_begun: false,
            current,
            phase: Phase::Growing { again: false },
            rate: 0.0,
            before: current,
            has_grown: false,
            failures: 0,
            passes_over: true,
            refused: None,
            tries_fewer: false,
        }
    }

    /// Begins again with another range of numbers. The latency is still that of the network.
    pub(super) fn restart(&mut self, workers: Workers) -> usize {
        let latency = self.latency;
        *self = Self::new(workers);
        latency.map_or(self.current, |latency| self.waited(latency))
    }

    /// Notes how long a request waited for its answer at least. Returns the number of workers from now on.
    pub(super) fn waited(&mut self, latency: Duration) -> usize {
        let latency = self.latency.map_or(latency, |known| known.min(latency));
        self.latency = Some(latency);
        if !self.has_begun {
            self.current = self.workers.first_over(latency);
            self.before = self.current;
            // It was guessed rather than found.
            self.tries_fewer = self.current > self.workers.first();
        }
        self.current
    }

    /// How long the next sample takes.
    pub(super) fn span(&self) -> Duration {
        match (self.phase, self.latency) {
            (Phase::Growing { .. } | Phase::Shrinking { .. }, Some(latency)) => {
                latency.saturating_mul(ROUNDS).clamp(SHORTEST, SAMPLE)
            }
            _ => SAMPLE,
        }
    }

    /// Passes the next sample over, because nothing moved for a while. Returns the number of workers from
    /// now on: after a long time, the network may be another one.
    pub(super) fn begin_again(&mut self, idle: Duration) -> usize {
        self.passes_over = true;
        let times = idle.as_nanos() / FORGOTTEN.as_nanos();
        if times > 0 && self.has_begun {
            let first = self.workers.first();
            let halves = (0..times.min(7)).fold(self.current, |current, _| current.midpoint(first));
            *self = Self::new(self.workers);
            (self.current, self.before, self.has_begun) = (halves, halves, true);
        }
        self.current
    }

    /// Whether it knows for how long a request waits for its answer.
    pub(super) const fn knows_latency(&self) -> bool {
        self.latency.is_some()
    }

    /// The number of workers from now on.
    pub(super) fn next(&mut self, sample: Sample) -> usize {
        self.refused = self
            .refused
            .and_then(|(count, left)| Some((count, left.checked_sub(1)?)));
        if sample.is_refused {
            self.shed();
        } else if !sample.is_wanted {
            // Fewer workers than there may be moved this: it says nothing about their number.
            self.passes_over = true;
        } else if !std::mem::take(&mut self.passes_over) {
            self.has_begun = true;
            self.judge(sample.rate);
        }
        self.current
    }

    /// Reduces the number, and remembers what was refused.
    fn shed(&mut self) {
        let refused = self.current;
        self.has_begun = true;
        self.current = (refused * 7 / 10).max(1);
        self.refused = Some((refused, REMEMBERED));
        self.phase = Phase::Steady { samples: 0 };
        self.rate = 0.0;
        self.passes_over = true;
    }

    /// The most workers for now.
    fn ceiling(&self) -> usize {
        let refused = self.refused.map(|(count, _)| (count - 1).max(1));
        let most = self.workers.most();
        refused.map_or(most, |refused| refused.min(most))
    }

    /// Decides what the throughput of the present number means.
    fn judge(&mut self, rate: f64) {
        match self.phase {
            Phase::Growing { again } => self.grow(rate, again),
            Phase::Shrinking { before } => self.shrink(rate, before),
            Phase::Steady { samples } => self.stay(rate, samples),
            Phase::Trying { before } => self.weigh(rate, before),
        }
    }

    /// Doubles the number again, settles on the one before, or begins to halve that.
    fn grow(&mut self, rate: f64, again: bool) {
        let is_worth_it = self.rate == 0.0 || rate >= self.rate * DOUBLING;
        if is_worth_it && self.current < self.ceiling() {
            self.has_grown = self.rate > 0.0;
            self.tries_fewer &= !self.has_grown;
            self.failures = 0;
            self.before = self.current;
            self.rate = rate;
            let step = Phase::Growing { again: false };
            self.step_to(self.current.saturating_mul(2), step);
        } else if is_worth_it || rate >= self.rate * MORE {
            // What was doubled brought less than that: the best number may be in between.
            if self.rate > 0.0 {
                self.tries_fewer = rate < self.rate * LINEAR;
            }
            self.settle(rate);
            self.phase = Phase::Steady {
                samples: STEADY - 1,
            };
        } else if !again && rate >= self.rate * CROWDED {
            // Connections may still be on their way to their full rate.
            self.phase = Phase::Growing { again: true };
        } else if !self.has_grown && self.before > 1 && rate < self.rate * CROWDED {
            let before = self.before;
            self.step_to(before / 2, Phase::Shrinking { before });
        } else {
            self.rate = self.rate.max(rate);
            let samples = STEADY - 2;
            self.step_to(self.before, Phase::Steady { samples });
        }
    }

    /// Halves the number again, or settles on the one before.
    fn shrink(&mut self, rate: f64, before: usize) {
        if rate < self.rate * ENOUGH {
            self.step_to(before, Phase::Steady { samples: 0 });
        } else if self.current > 1 {
            self.rate = self.rate.max(rate);
            let before = self.current;
            self.step_to(before / 2, Phase::Shrinking { before });
        } else {
            self.settle(rate);
        }
    }

    /// Stays, grows again if the network has changed, or tries another number.
    fn stay(&mut self, rate: f64, samples: u32) {
        let is_other = rate < self.rate * CHANGED || rate * CHANGED > self.rate;
        if is_other && self.rate > 0.0 && samples > 0 {
            // Not the number of workers has changed, but what they meet.
            self.rate = 0.0;
            self.before = self.current;
            self.phase = Phase::Growing { again: false };
            return self.grow(rate, false);
        }
        self.rate = match self.rate == 0.0 {
            true => rate,
            false => self.rate.mul_add(0.7, rate * 0.3),
        };
        if samples < STEADY * (1 + self.failures.min(MOST_FAILURES)) {
            self.phase = Phase::Steady {
                samples: samples + 1,
            };
            return;
        }
        let divisor = if self.failures < 2 { 4 } else { 8 };
        let step = (self.current / divisor).max(1);
        let tried = match self.tries_fewer {
            true => self.current.saturating_sub(step).max(1),
            false => (self.current + step).min(self.ceiling()),
        };
        self.tries_fewer = !self.tries_fewer;
        let before = self.current;
        match tried == before {
            true => self.phase = Phase::Steady { samples: 0 },
            false => self.step_to(tried, Phase::Trying { before }),
        }
    }

    /// Keeps the number that was tried, or returns to the one before.
    fn weigh(&mut self, rate: f64, before: usize) {
        if self.current < before && self.current > 1 && rate >= self.rate * MORE {
            // There were far too many.
            self.failures = 0;
            return self.shrink(rate, before);
        }
        let wanted = if self.current > before { MORE } else { ENOUGH };
        if rate >= self.rate * wanted {
            // What was good once is tried again.
            self.tries_fewer = self.current < before;
            self.failures = 0;
            self.settle(rate);
        } else {
            self.failures += 1;
            self.step_to(before, Phase::Steady { samples: 0 });
        }
    }

    /// Makes the present number the one to stay at.
    fn settle(&mut self, rate: f64) {
        self.rate = rate;
        self.phase = Phase::Steady { samples: 0 };
    }

    /// Changes the number. The first sample after it is passed over.
    fn step_to(&mut self, count: usize, phase: Phase) {
        self.current = count.clamp(1, self.ceiling());
        self.phase = phase;
        self.passes_over = true;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Controller, FORGOTTEN, Sample, Workers};

    /// A network: what each connection may move, what all may, and from how many connections on each
    /// further one leaves only such a share of it, as on a machine that has no processor for it.
    #[derive(Debug, Clone, Copy)]
    struct Network {
        each: f64,
        all: f64,
        crowd: usize,
        share: f64,
    }

    impl Network {
        fn rate(&self, workers: usize) -> f64 {
            let crowd = workers.saturating_sub(self.crowd) as i32;
            (workers as f64 * self.each).min(self.all) * self.share.powi(crowd)
        }

        fn best(&self) -> f64 {
            (1..=64).map(|n| self.rate(n)).fold(0.0, f64::max)
        }
    }

    const NEAR: Network = Network {
        each: 100.0,
        all: 120.0,
        crowd: 16,
        share: 0.99,
    };
    /// Two processors that three connections keep busy.
    const LOOPBACK: Network = Network {
        each: 300.0,
        all: 700.0,
        crowd: 3,
        share: 0.97,
    };
    /// Small files, each of which waits for its own round trip: by number, not by bytes.
    const SMALL_FILES: Network = Network {
        each: 0.3,
        all: 1000.0,
        crowd: 64,
        share: 1.0,
    };
    const CAPPED: Network = Network {
        each: 2.5,
        all: 25.0,
        crowd: 64,
        share: 0.99,
    };
    const LOSSY: Network = Network {
        each: 0.06,
        all: 1000.0,
        crowd: 64,
        share: 0.99,
    };

    fn wanted(rate: f64) -> Sample {
        Sample {
            rate,
            is_wanted: true,
            is_refused: false,
        }
    }

    /// The rates of so many seconds, each of which differs by up to a hundredth from what the network brings.
    fn follow(
        controller: &mut Controller,
        network: Network,
        seconds: usize,
        mut noise: u64,
    ) -> Vec<f64> {
        let mut workers = controller.current;
        let mut rates = Vec::new();
        for _ in 0..seconds {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let factor = 0.99 + (noise % 1000) as f64 / 50_000.0;
            rates.push(network.rate(workers));
            workers = controller.next(wanted(network.rate(workers) * factor));
            assert!((1..=controller.workers.most()).contains(&workers));
        }
        rates
    }

    fn mean(rates: &[f64]) -> f64 {
        rates.iter().sum::<f64>() / rates.len() as f64
    }

    #[test]
    fn the_best_number_is_found_within_ten_seconds_and_kept() {
        for network in [NEAR, LOOPBACK, CAPPED, LOSSY, SMALL_FILES] {
            let mut controller = Controller::new(Workers::Auto);
            let rates = follow(&mut controller, network, 100, 7);
            let share = mean(&rates[10..]) / network.best();
            assert!(share > 0.9, "{network:?}: {share}");
            let at_ten = rates[10] / network.best();
            assert!(at_ten > 0.9, "{network:?} after ten seconds: {at_ten}");
        }
    }

    /// A line with latency, on which time passes in steps of 10 ms.
    #[derive(Debug, Clone, Copy)]
    struct Line {
        latency: Duration,
        network: Network,
        /// What a new connection carries in its first round trip, by the rate that it comes to.
        begins_with: f64,
    }

    const STEP: Duration = Duration::from_millis(10);

    impl Line {
        /// What a connection of this age carries, by the rate that it comes to: nothing during the four round
        /// trips for TCP, TLS and an upload URL, and then twice as much in each.
        fn share(&self, age: Duration) -> f64 {
            let rounds = age.as_secs_f64() / self.latency.as_secs_f64().max(0.001) - 4.0;
            match rounds > 0.0 {
                true => (self.begins_with * rounds.exp2()).min(1.0),
                false => 0.0,
            }
        }

        fn rate(&self, now: Duration, begun: &[Duration]) -> f64 {
            let shares = begun.iter().map(|begun| self.share(now - *begun));
            let crowd = begun.len().saturating_sub(self.network.crowd) as i32;
            (shares.sum::<f64>() * self.network.each).min(self.network.all)
                * self.network.share.powi(crowd)
        }

        /// What moved between these seconds with the best fixed number.
        fn best(&self, from: u64, to: u64) -> f64 {
            let fixed = |number| self.simulate(number, &mut |_, _, _| (), from, to);
            (1..=64).map(fixed).fold(0.0, f64::max)
        }

        /// What moved between these seconds with the controller.
        fn run(&self, controller: &mut Controller, from: u64, to: u64) -> f64 {
            let workers = controller.current;
            let mut due = None;
            let mut since = (Duration::ZERO, 0.0);
            let mut follow = |begun: &mut Vec<Duration>, now: Duration, moved: f64| {
                since.1 += moved;
                if now < due.unwrap_or_default() {
                    return;
                }
                let rate = since.1 / (now - since.0).as_secs_f64();
                let workers = match due {
                    None => controller.begin_again(Duration::ZERO),
                    Some(_) => controller.next(wanted(rate)),
                };
                due = Some(now + controller.span());
                since = (now, 0.0);
                begun.resize(workers, now);
            };
            self.simulate(workers, &mut follow, from, to)
        }

        /// Begins with this number of connections, and tells after each step what moved. Returns what moved
        /// between these seconds.
        fn simulate(
            &self,
            workers: usize,
            after: &mut dyn FnMut(&mut Vec<Duration>, Duration, f64),
            from: u64,
            to: u64,
        ) -> f64 {
            let mut begun = vec![Duration::ZERO; workers];
            let mut total = 0.0;
            for step in 1..=100 * u32::try_from(to).unwrap() {
                let now = STEP * step;
                let moved = self.rate(now, &begun) * STEP.as_secs_f64();
                if now > Duration::from_secs(from) {
                    total += moved;
                }
                after(&mut begun, now, moved);
            }
            total
        }
    }

    /// The controller of a program that knows the latency.
    fn over(line: Line) -> Controller {
        let mut controller = Controller::new(Workers::Auto);
        controller.waited(line.latency);
        controller
    }

    #[test]
    fn with_latency_it_is_within_a_tenth_of_the_best_from_the_beginning() {
        let millis = Duration::from_millis;
        for (latency, network, begins_with) in [
            (millis(300), LOSSY, 0.8),
            (millis(300), CAPPED, 0.05),
            (millis(100), CAPPED, 0.05),
            (millis(150), SMALL_FILES, 1.0),
        ] {
            let line = Line {
                latency,
                network,
                begins_with,
            };
            let share = line.run(&mut over(line), 0, 10) / line.best(0, 10);
            assert!(share > 0.9, "{line:?}: {share}");
        }
    }

    #[test]
    fn the_number_to_begin_with_follows_the_latency() {
        for (millis, number) in [(0, 8), (8, 8), (20, 20), (50, 50), (64, 64), (300, 64)] {
            let mut controller = Controller::new(Workers::Auto);
            assert_eq!(controller.waited(Duration::from_millis(millis)), number);
            assert_eq!(controller.waited(Duration::from_secs(5)), number);
            // What was measured counts for more than a guess.
            controller.begin_again(Duration::ZERO);
            controller.next(wanted(1.0));
            let found = controller.next(wanted(1.0));
            assert_eq!(controller.waited(Duration::ZERO), found);
        }
        let mut controller = Controller::new(Workers::AutoUpTo(5));
        assert_eq!(controller.waited(Duration::from_secs(1)), 5);
        let refused = Sample {
            is_refused: true,
            ..wanted(1.0)
        };
        assert_eq!(controller.next(refused), 3);
        assert_eq!(controller.waited(Duration::from_millis(100)), 3);
    }

    #[test]
    fn what_was_found_is_kept_and_forgotten_by_halves() {
        let mut controller = Controller::new(Workers::Auto);
        follow(&mut controller, LOSSY, 9, 7);
        let minute = Duration::from_secs(60);
        assert_eq!(controller.begin_again(9 * minute), 64);
        assert_eq!(controller.begin_again(FORGOTTEN), 36);
        assert!(!controller.knows_latency());
        assert_eq!(controller.waited(Duration::from_millis(300)), 36);
        assert_eq!(controller.begin_again(2 * FORGOTTEN), 15);
        assert_eq!(controller.begin_again(Duration::MAX), 8);
        // Without anything that was found, nothing is forgotten.
        let mut controller = Controller::new(Workers::Auto);
        controller.waited(Duration::from_millis(300));
        assert_eq!(controller.begin_again(Duration::MAX), 64);
    }

    proptest! {
        #[test]
        fn whatever_the_line_it_comes_near_the_best_number_within_ten_seconds(
            latency in 0..400_u64,
            each in 0.01..200.0_f64,
            all in 1.0..1000.0_f64,
            crowd in 8..64_usize,
            share in 0.97..1.0_f64,
            begins_with in 0.01..1.0_f64,
        ) {
            let network = Network { each, all, crowd, share };
            let latency = Duration::from_millis(latency);
            let line = Line { latency, network, begins_with };
            // Every connection has come to its full rate by then.
            let share = line.run(&mut over(line), 10, 40) / 30.0 / network.best();
            prop_assert!(share > 0.75, "{share}");
        }

        #[test]
        fn whatever_the_network_it_comes_near_the_best_number(
            each in 0.01..200.0_f64,
            all in 1.0..1000.0_f64,
            crowd in 1..64_usize,
            share in 0.96..1.0_f64,
            noise in 1..u64::MAX,
        ) {
            let network = Network { each, all, crowd, share };
            let mut controller = Controller::new(Workers::Auto);
            let rates = follow(&mut controller, network, 200, noise);
            for (seconds, least) in [(20..40, 0.8), (40..200, 0.9)] {
                let share = mean(&rates[seconds.clone()]) / network.best();
                prop_assert!(share > least, "{share} in the seconds {seconds:?}");
            }
        }

        #[test]
        fn no_number_is_outside_its_limits(
            most in 0..100_usize,
            samples in proptest::collection::vec((0.0..100.0_f64, any::<bool>(), any::<bool>(), 0..2_000_000_u64), 0..200),
        ) {
            let mut controller = Controller::new(Workers::AutoUpTo(most));
            let allowed = 1..=most.max(1);
            for (rate, is_wanted, is_refused, millis) in samples {
                let workers = controller.next(Sample { rate, is_wanted, is_refused });
                prop_assert!(allowed.contains(&workers));
                let time = Duration::from_millis(millis);
                match millis % 10 {
                    0 => prop_assert!(allowed.contains(&controller.begin_again(time))),
                    1 => prop_assert!(allowed.contains(&controller.waited(time))),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn where_the_first_doubling_makes_it_slower_fewer_workers_are_tried_at_once() {
        let mut controller = Controller::new(Workers::Auto);
        let mut numbers = Vec::new();
        for _ in 0..10 {
            let rate = LOOPBACK.rate(controller.current);
            numbers.push(controller.next(wanted(rate)));
        }
        // Two connections would not be enough.
        assert_eq!(numbers, [8, 16, 16, 4, 4, 2, 2, 4, 4, 4]);
    }

    #[test]
    fn workers_that_bring_nothing_are_given_up() {
        // One connection is enough, and more do no harm.
        let network = Network {
            each: 100.0,
            all: 100.0,
            crowd: 64,
            share: 1.0,
        };
        let mut controller = Controller::new(Workers::Auto);
        let numbers = [0; 200].map(|_| controller.next(wanted(network.rate(8))));
        // Whether they bring more is looked at twice.
        assert_eq!(numbers[..6], [8, 16, 16, 16, 8, 8]);
        assert!(numbers[6..].iter().all(|number| *number <= 10));
        assert!(controller.current <= 2, "{}", controller.current);
    }

    #[test]
    fn a_network_that_changes_is_followed() {
        let mut controller = Controller::new(Workers::Auto);
        follow(&mut controller, NEAR, 20, 7);
        assert!(controller.current <= 16, "{}", controller.current);
        let rates = follow(&mut controller, LOSSY, 40, 7);
        assert!(mean(&rates[15..]) > 0.9 * LOSSY.best());
    }

    #[test]
    fn what_is_refused_is_reduced_at_once_and_not_reached_again_for_a_while() {
        let mut controller = Controller::new(Workers::Auto);
        follow(&mut controller, LOSSY, 9, 7);
        assert_eq!(controller.current, 64);
        let refused = Sample {
            is_refused: true,
            ..wanted(1.0)
        };
        assert_eq!(controller.next(refused), 44);
        assert_eq!(controller.next(refused), 30);
        for _ in 0..20 {
            assert!(controller.next(wanted(LOSSY.rate(controller.current))) < 44);
        }
        let rates = follow(&mut controller, LOSSY, 200, 7);
        assert!(rates.last() > Some(&(0.8 * LOSSY.best())));
        for _ in 0..100 {
            controller.next(refused);
        }
        assert_eq!(controller.current, 1);
    }

    #[test]
    fn workers_that_have_nothing_to_do_do_not_become_more() {
        let mut controller = Controller::new(Workers::Auto);
        for second in 0..100 {
            let idle = Sample {
                rate: f64::from(second * 100),
                ..Sample::default()
            };
            assert_eq!(controller.next(idle), 8);
        }
    }
}
