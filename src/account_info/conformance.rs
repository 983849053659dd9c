//! The contract of [`AccountInfo`] as a kit of checks (feature `test-util`): for the author of a
//! store, and for the two stores of this crate.
//!
//! Each check takes a function that makes a new, empty store which reads the time from the clock it
//! is given, and panics with the promise that was broken. [`check_all`] runs them all.
//!
//! ```
//! use b2sdk::InMemoryAccountInfo;
//! use b2sdk::account_info::conformance;
//!
//! conformance::check_all(|clock| Box::new(InMemoryAccountInfo::with_clock(clock)));
//! ```
//!
//! A store that has no clock of its own ignores it, and then fails what is checked by moving the
//! time: that upload URLs and leases end.

mod authorization;
mod buckets;
mod fixture;
mod refresh;
mod threads;
mod urls;

use crate::account_info::AccountInfo;
use crate::control::clock::Clock;

pub use self::authorization::check_authorization;
pub use self::buckets::check_buckets;
pub use self::refresh::check_refresh;
pub use self::threads::check_threads;
pub use self::urls::check_upload_urls;

/// Runs every check, each on new, empty stores made by `make` that read the time from the clock.
///
/// # Panics
/// When the store breaks the contract.
pub fn check_all(make: impl Fn(Clock) -> Box<dyn AccountInfo>) {
    check_authorization(&make);
    check_refresh(&make);
    check_buckets(&make);
    check_upload_urls(&make);
    check_threads(&make);
}
