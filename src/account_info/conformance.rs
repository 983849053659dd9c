//! The contract of [`AccountInfo`] as a kit of checks (feature `test-util`).

use crate::account_info::AccountInfo;
use crate::control::clock::Clock;

/// Runs every check, each on a new, empty store made by `make` that reads the time from the clock.
///
/// # Panics
/// When the store breaks the contract.
pub fn check_all(make: impl Fn(Clock) -> Box<dyn AccountInfo>) {
    assert!(make(Clock::manual()).auth().is_ok());
}
