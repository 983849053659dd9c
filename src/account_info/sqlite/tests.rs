//! What the files promise beyond the contract of every store.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::SqliteAccountInfo;
use crate::account_info::conformance;

#[test]
fn the_store_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    conformance::check_all(|clock| {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let path = directory.path().join(number.to_string());
        Box::new(SqliteAccountInfo::open_with_clock(path, clock).unwrap())
    });
}
