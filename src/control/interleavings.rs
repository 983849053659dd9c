//! Every order in which threads can take their steps, as far as a checker explores it: the semaphore,
//! the single flight and the cancelling that wakes both are compiled a second time here, against the
//! locks of `shuttle`, whose scheduler picks the thread that goes on after each of them. A wait in it
//! never times out, so a lost wake-up is a deadlock that it reports.

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

/// How many orders are tried with each way of choosing them.
const ORDERS: usize = 300;

/// Runs a scenario in many orders: the first ones of a search in depth, random ones, and those that few
/// changes of the running thread make.
pub(crate) fn in_every_order(scenario: fn()) {
    run(DfsScheduler::new(Some(ORDERS), false), scenario);
    run(PctScheduler::new(3, ORDERS), scenario);
    in_random_orders(scenario);
}

/// Runs a scenario that looks for something in a loop, which an unfair order would never end.
fn in_random_orders(scenario: fn()) {
    run(RandomScheduler::new(ORDERS), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    shuttle::Runner::new(scheduler, shuttle::Config::default()).run(scenario);
}
