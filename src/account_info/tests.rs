//! The store in memory: its contract, and its interleavings.

mod interleavings;

use super::conformance;
use super::memory::InMemoryAccountInfo;

#[test]
fn the_store_keeps_the_contract() {
    conformance::check_all(|clock| Box::new(InMemoryAccountInfo::with_clock(clock)));
}
