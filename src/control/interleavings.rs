//! Checks the order of steps of concurrent threads with the model checker `shuttle`.
//!
//! The semaphore, the single flight and the cancelling that wakes both are compiled a second time
//! here, against the locks of `shuttle`. Its scheduler chooses after each use of a lock which
//! thread continues. A wait never times out in this model, so a lost wake-up is a deadlock, which
//! `shuttle` reports.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the modules are copies of those that the crate uses"
)]

mod flights;
mod queue;
pub(crate) mod sync;

#[path = "cancel.rs"]
mod cancel;
#[path = "semaphore.rs"]
mod semaphore;
#[path = "single_flight.rs"]
mod single_flight;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};

/// The number of interleavings that each scheduler tries.
const ORDERS: usize = 300;

/// Runs a scenario in many interleavings: the first ones of a depth-first search, random ones, and
/// those that need only a few changes of the running thread.
pub(crate) fn in_every_order(scenario: fn()) {
    run(DfsScheduler::new(Some(ORDERS), false), scenario);
    run(PctScheduler::new(3, ORDERS), scenario);
    in_random_orders(scenario);
}

/// Runs a scenario that polls in a loop. An unfair scheduler would never end such a loop.
fn in_random_orders(scenario: fn()) {
    run(RandomScheduler::new(ORDERS), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    shuttle::Runner::new(scheduler, shuttle::Config::default()).run(scenario);
}
