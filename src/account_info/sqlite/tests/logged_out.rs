//! A logout is one thing, and an account info that was lost another.

use std::fs;

use super::{Scratch, SqliteAccountInfo, auth};
use crate::account_info::AccountInfo;

/// What another program has the store find.
fn seen(store: &SqliteAccountInfo) -> (bool, bool) {
    (
        store.auth().unwrap().is_some(),
        store.is_logged_out().unwrap(),
    )
}

const AUTHORIZED: (bool, bool) = (true, false);
const LOGGED_OUT: (bool, bool) = (false, true);
const LOST: (bool, bool) = (false, false);

#[test]
fn a_new_file_and_one_that_is_gone_are_no_logout() {
    let scratch = Scratch::new();
    let store = scratch.open();
    assert_eq!(seen(&store), LOST);
    store.save_auth(auth("ada", "1"), None).unwrap();
    assert_eq!(seen(&store), AUTHORIZED);
    fs::remove_file(scratch.path()).unwrap();
    assert_eq!(seen(&store), LOST);
    // Somebody else opens it, and has a new one made.
    let second = scratch.open();
    assert_eq!((seen(&store), seen(&second)), (LOST, LOST));
    second.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(seen(&store), AUTHORIZED);
}

#[test]
fn a_file_that_was_emptied_is_no_logout() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    fs::File::create(scratch.path()).unwrap();
    assert_eq!(seen(&store), LOST);
    store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(seen(&store), AUTHORIZED);
    assert_eq!(seen(&scratch.open()), AUTHORIZED);
}

#[test]
fn to_clear_is_a_logout() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    store.clear().unwrap();
    assert_eq!(seen(&store), LOGGED_OUT);
    assert_eq!(seen(&scratch.open()), LOGGED_OUT);
    store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(seen(&store), AUTHORIZED);

    let never_used = Scratch::new();
    never_used.open().clear().unwrap();
    assert_eq!(seen(&never_used.open()), LOGGED_OUT);
}

/// `b2 account clear`, as Python's b2sdk does it.
fn python_clears(scratch: &Scratch) {
    scratch
        .raw()
        .execute_batch("DELETE FROM account; DELETE FROM bucket")
        .unwrap();
}

#[test]
fn what_another_program_cleared_is_a_logout() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    python_clears(&scratch);
    assert_eq!(seen(&store), LOGGED_OUT);
}

#[test]
fn a_file_of_ours_in_which_another_program_logged_in_and_out_is_a_logout() {
    let (ours, scratch) = (Scratch::new(), Scratch::new());
    drop(ours.authorized());
    let store = scratch.open();
    assert_eq!(seen(&store), LOST);
    let login = format!(
        "ATTACH '{}' AS ours; INSERT INTO account SELECT * FROM ours.account",
        ours.path().display()
    );
    scratch.raw().execute_batch(&login).unwrap();
    assert_eq!(seen(&store), AUTHORIZED);
    python_clears(&scratch);
    assert_eq!(seen(&store), LOGGED_OUT);
}
