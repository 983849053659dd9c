//! Reading the authorization without looking into the file, as long as its stamp says that it is as it
//! was.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Scratch, auth};
use crate::account_info::AccountInfo;
use crate::account_info::sqlite::file_stamp::Stamp;
use crate::account_info::sqlite::shared::Shared;
use crate::account_info::sqlite::{Backend, SqliteAccountInfo};
use crate::control::clock::Clock;

/// A write through another program's connection.
fn another_token(scratch: &Scratch, token: &str) {
    let other = scratch.raw();
    let changed = other.execute("UPDATE account SET account_auth_token = ?", [token]);
    assert_eq!(changed.unwrap(), 1);
}

fn shared(store: &SqliteAccountInfo) -> &Shared {
    match &store.backend {
        Backend::Files(files) => files.store().shared(),
        Backend::ReadOnly(_) => panic!("it can be written"),
    }
}

/// Has the store look until it need not any more.
fn settle(store: &SqliteAccountInfo) {
    while shared(store).settled().is_none() {
        store.auth().unwrap();
        thread::yield_now();
    }
}

fn token(store: &impl AccountInfo) -> String {
    let snapshot = store.auth().unwrap().unwrap();
    snapshot.auth().token.expose().to_owned()
}

#[test]
fn who_has_looked_does_not_wait_for_a_lock() {
    let scratch = Scratch::new();
    let (store, saved) = scratch.authorized();
    settle(&store);
    assert_eq!(store.auth().unwrap(), Some(Arc::clone(&saved)));
    let other = scratch.raw();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // A look would fail, after a long wait.
    assert_eq!(store.auth().unwrap(), Some(saved));
}

#[test]
fn what_others_write_is_seen_at_once_whenever_they_do() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    for round in 0..60 {
        if round % 3 == 0 {
            settle(&store);
        }
        for _ in 0..round % 4 {
            store.auth().unwrap();
        }
        let written = format!("token-{round}");
        another_token(&scratch, &written);
        assert_eq!(token(&store), written);
    }
}

#[test]
fn what_this_store_writes_is_seen_at_once() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    for round in 0..20 {
        settle(&store);
        store.auth().unwrap();
        let saved = store.save_auth(auth("ada", &round.to_string()), None);
        assert_eq!(store.auth().unwrap(), Some(saved.unwrap()));
    }
    settle(&store);
    store.auth().unwrap();
    store.clear().unwrap();
    assert_eq!(store.auth().unwrap(), None);
}

#[test]
fn commits_to_a_log_are_seen_at_once() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    settle(&store);
    store.auth().unwrap();
    let other = scratch.raw();
    let mode = "PRAGMA journal_mode = WAL";
    let mode: String = other.query_row(mode, [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    for round in 0..5 {
        look_for_a_while(&store);
        let written = format!("token-{round}");
        let stamp = Stamp::at(&scratch.path()).unwrap();
        let changed = other.execute("UPDATE account SET account_auth_token = ?", [&written]);
        assert_eq!(changed.unwrap(), 1);
        assert_eq!(Stamp::at(&scratch.path()).unwrap(), stamp, "only the log");
        assert_eq!(token(&store), written);
    }
}

/// Looks for longer than it takes until the stamp of a file counts.
fn look_for_a_while(store: &SqliteAccountInfo) {
    let clock = Clock::default();
    let end = clock.elapsed() + Duration::from_millis(100);
    while clock.elapsed() < end {
        store.auth().unwrap();
        thread::yield_now();
    }
}

#[test]
fn on_a_network_home_every_call_looks() {
    let scratch = Scratch::new();
    drop(scratch.authorized());
    // The last one is not told, but finds the other file as the one before it left it.
    for (network_home, looks) in [(false, false), (true, true), (false, true)] {
        let builder = SqliteAccountInfo::builder().path(scratch.path());
        let store = builder.network_home(network_home).open().unwrap();
        look_for_a_while(&store);
        assert_eq!(shared(&store).settled().is_none(), looks, "{network_home}");
    }
}
