//! Replication between two buckets, of one account or two: setting it up, and seeing how far it is.
//!
//! Setting up is, when nothing is there yet: both buckets' details, a key for each bucket, then the
//! destination is told which key to accept, and the source is given the rule - in this order, so that
//! no rule ever leads to a bucket that does not accept it. What is there already is used, so the same
//! call after a failure goes on where it broke off.

mod keys;
mod monitor;
mod plan;
mod report;
mod setup;

pub use self::monitor::{Monitor, Pair, Pairs};
pub use self::report::{Count, PairState, Report, Side};
pub use self::setup::{Replication, SetupOptions, set_up, set_up_with};
