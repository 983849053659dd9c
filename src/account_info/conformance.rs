//! The contract of [`AccountInfo`] as a set of checks, for the authors of stores and for the stores
//! of this crate. Needs the feature `test-util`.
//!
//! Each check takes a function that creates a new, empty store, which must read the time from the
//! clock that it is given. It panics with the promise that was broken. [`check_all`] runs all
//! checks. [`check_persistent`] is for a store that outlives the process. In addition it checks
//! what is left when the store is opened again, and what two stores see that are open in the same
//! place.
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
//! The checks move the clock to let upload URLs and leases expire. A store that uses the time of
//! this machine reads [`Clock::now`]; a store that uses the time of a server adds [`Clock::moved`]
//! to that. If the answers of a store may be old ([`max_staleness`](AccountInfo::max_staleness)),
//! the checks let that time pass before a change by another process must be visible.
//!
//! | check | what a store that fails it does to its users |
//! | --- | --- |
//! | [`check_authorization`] | sends requests as somebody else, or undoes a logout |
//! | [`check_refresh`] | authorizes many times where once is enough, or blocks everybody after a crash |
//! | [`check_buckets`] | works in the wrong bucket, or asks for each name again |
//! | [`check_upload_urls`] | gives one upload URL to two uploads, or URLs that the service refuses |
//! | [`check_values`] | loses what is not ASCII, or long |
//! | [`check_threads`] | does any of this only under load |
//! | [`check_restart`] | loses the login with the process, or hands out again what was taken |
//! | [`check_server_faults`] | fails for good, or does a thing twice, when its server was away for a moment |
//!
//! A check takes milliseconds, except [`check_threads`] and [`check_values`], which call the store
//! some thousand times. None of them needs an account or sends anything to B2.

mod authorization;
mod buckets;
pub(super) mod fixture;
mod refresh;
mod restart;
mod server_faults;
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
pub use self::server_faults::{ServerFaults, check_server_faults};
pub use self::threads::check_threads;
pub use self::urls::check_upload_urls;
pub use self::values::check_values;

/// Runs all checks that a store in one process can pass, each on new, empty stores that `make`
/// creates with the given clock: [`check_authorization`], [`check_refresh`], [`check_buckets`],
/// [`check_upload_urls`], [`check_values`] and [`check_threads`].
///
/// `make` is called about forty times. Stores of earlier calls may still exist, so each needs a
/// place of its own.
///
/// # Panics
/// If the store breaks the contract. The message names the promise.
pub fn check_all(make: impl Fn(Clock) -> Box<dyn AccountInfo>) {
    check_authorization(&make);
    check_refresh(&make);
    check_buckets(&make);
    check_upload_urls(&make);
    check_values(&make);
    check_threads(&make);
}

/// Runs all checks of a store that outlives the process: [`check_all`] and [`check_restart`].
///
/// `new_place` creates a place without a store, such as an empty directory or a new key prefix. It
/// is dropped when the checks are done. `open` opens the store in a place, and creates it if there
/// is none.
///
/// # Panics
/// If the store breaks the contract. The message names the promise.
pub fn check_persistent<P>(
    new_place: impl Fn() -> P,
    open: impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    // A place has to exist as long as its store is used.
    let places = RefCell::new(Vec::new());
    check_all(|clock| {
        let place = new_place();
        let store = open(&place, clock);
        places.borrow_mut().push(place);
        store
    });
    check_restart(&new_place, &open);
}
