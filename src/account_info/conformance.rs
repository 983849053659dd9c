//! The contract of [`AccountInfo`] as a kit of checks (feature `test-util`): for the author of a
//! store, and for the two stores of this crate.
//!
//! Each check takes a function that makes a new, empty store which reads the time from the clock it
//! is given, and panics with the promise that was broken. [`check_all`] runs them all;
//! [`check_persistent`] does so for a store that outlives the process, and checks in addition what is
//! left when it is opened again, and what two see that are open in one place.
//!
//! ```
//! use b2sdk::InMemoryAccountInfo;
//! use b2sdk::account_info::conformance;
//!
//! conformance::check_all(|clock| Box::new(InMemoryAccountInfo::with_clock(clock)));
//! ```
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! use b2sdk::SqliteAccountInfo;
//! use b2sdk::account_info::conformance;
//!
//! conformance::check_persistent(
//!     || tempfile::tempdir().unwrap(),
//!     |place, clock| {
//!         let path = place.path().join("account_info");
//!         Box::new(SqliteAccountInfo::open_with_clock(path, clock).unwrap())
//!     },
//! );
//! # }
//! ```
//!
//! A store reads the time from the clock, because the checks move it to have upload URLs and leases end.
//! [`Clock::now`] is the time of a store that goes by its own; a store that goes by the time of a server
//! adds [`Clock::moved`] to that. A store whose answers may be old
//! ([`max_staleness`](AccountInfo::max_staleness)) is given so much time by the clock before another
//! process's change has to be seen.

mod authorization;
mod buckets;
pub(super) mod fixture;
mod refresh;
mod restart;
mod threads;
mod urls;
mod values;

use std::cell::RefCell;

use crate::account_info::AccountInfo;
use crate::control::clock::Clock;

pub use self::authorization::check_authorization;
pub use self::buckets::check_buckets;
#[cfg(test)]
pub(super) use self::fixture::auth;
pub use self::refresh::check_refresh;
pub use self::restart::check_restart;
pub use self::threads::check_threads;
pub use self::urls::check_upload_urls;
pub use self::values::check_values;

/// Runs every check, each on new, empty stores made by `make` that read the time from the clock.
///
/// # Panics
/// When the store breaks the contract.
pub fn check_all(make: impl Fn(Clock) -> Box<dyn AccountInfo>) {
    check_authorization(&make);
    check_refresh(&make);
    check_buckets(&make);
    check_upload_urls(&make);
    check_values(&make);
    check_threads(&make);
}

/// Runs every check of a store that outlives the process: [`check_all`] and [`check_restart`].
///
/// `new_place` makes a place without a store, such as an empty directory or a new prefix of keys; it
/// is dropped when the checks are done. `open` opens the store in a place, and makes it if there is
/// none yet.
///
/// # Panics
/// When the store breaks the contract.
pub fn check_persistent<P>(
    new_place: impl Fn() -> P,
    open: impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    // Stores that are in use have a place that is there.
    let places = RefCell::new(Vec::new());
    check_all(|clock| {
        let place = new_place();
        let store = open(&place, clock);
        places.borrow_mut().push(place);
        store
    });
    check_restart(&new_place, &open);
}
