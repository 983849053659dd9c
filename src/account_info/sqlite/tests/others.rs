//! Other programs that use the shared file: Python's, which knows nothing of us, and our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::{Scratch, auth, bucket};
use crate::account_info::{AccountInfo, Refresh};
use crate::control::clock::Clock;
use crate::error::{Error, StoreError};
use crate::model::auth::Capability;

const LEASE: Duration = Duration::from_secs(30);

fn is_superseded<T>(result: Result<T, StoreError>) -> bool {
    matches!(result.map_err(Error::from), Err(Error::AccountChanged))
}

fn corrupt_reason<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result.map_err(Error::from) {
        Err(Error::AccountInfoCorrupt { reason, .. }) => reason.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_login_is_seen_at_once_and_nothing_of_the_old_one_is_used() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let owner = ada.identity();
    store
        .put_upload_url(owner, &bucket("b"), scratch.url("u"))
        .unwrap();
    let Refresh::Lease(ticket) = store.begin_refresh(Some(ada.generation()), LEASE).unwrap() else {
        panic!("nobody else is refreshing");
    };
    scratch
        .raw()
        .execute_batch(
            "UPDATE account SET account_id = 'bob', account_auth_token = 't'; DELETE FROM bucket",
        )
        .unwrap();

    let bob = store.auth().unwrap().unwrap();
    assert_eq!(bob.identity().account_id.as_str(), "bob");
    assert_ne!(bob.generation(), ada.generation());
    assert!(is_superseded(store.save_bucket(
        owner,
        "photos",
        &"p".into()
    )));
    assert!(is_superseded(store.buckets(owner)));
    assert!(is_superseded(store.take_upload_url(owner, &bucket("b"))));
    assert!(is_superseded(
        store.save_auth(auth("ada", "2"), Some(ticket))
    ));
    assert_eq!(
        store.take_upload_url(bob.identity(), &bucket("b")).unwrap(),
        None
    );
}

/// Threads that ask at the same time share what one of them found: but never what it found before
/// they asked.
#[test]
fn of_many_threads_none_is_told_what_another_program_had_replaced_before() {
    const LOGINS: u32 = 50;
    let scratch = Scratch::new();
    let (store, other) = (scratch.open(), scratch.open());
    let login = |n: u32| other.save_auth(auth("ada", &n.to_string()), None).unwrap();
    login(0);
    let written = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while written.load(Ordering::SeqCst) < LOGINS {
                    let before = written.load(Ordering::SeqCst);
                    let snapshot = store.auth().unwrap().unwrap();
                    let token = snapshot.auth().token.expose();
                    let login = token.strip_prefix("account-token-").unwrap();
                    assert!(login.parse::<u32>().unwrap() >= before);
                }
            });
        }
        for n in 1..=LOGINS {
            login(n);
            written.store(n, Ordering::SeqCst);
        }
    });
}

#[test]
fn another_logout_is_seen_at_once() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    assert!(store.auth().unwrap().is_some());
    scratch
        .raw()
        .execute_batch("DELETE FROM account; DELETE FROM bucket")
        .unwrap();
    assert_eq!(store.auth().unwrap(), None);
    assert!(is_superseded(store.buckets(ada.identity())));
}

#[test]
fn after_another_logout_the_same_login_begins_with_nothing() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let owner = ada.identity();
    store
        .put_upload_url(owner, &bucket("b"), scratch.url("u"))
        .unwrap();
    scratch
        .raw()
        .execute_batch("DELETE FROM account; DELETE FROM bucket")
        .unwrap();
    store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(store.take_upload_url(owner, &bucket("b")).unwrap(), None);
}

#[test]
fn what_older_programs_left_out_is_filled_in() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    scratch
        .raw()
        .execute_batch(
            "UPDATE account SET allowed = NULL, account_id_or_app_key_id = NULL, s3_api_url = NULL",
        )
        .unwrap();
    let snapshot = store.auth().unwrap().unwrap();
    assert_eq!(snapshot.identity().application_key_id.as_str(), "ada");
    assert_eq!(snapshot.auth().s3_api_url, "");
    assert!(snapshot.auth().allowed.has(&Capability::WriteFiles));
    assert_eq!(store.buckets(snapshot.identity()).unwrap(), []);
}

#[test]
fn a_row_that_makes_no_sense_is_reported_without_its_content() {
    let scratch = Scratch::new();
    let (store, _) = scratch.authorized();
    let cases = [
        ("allowed = '{\"capabilities\": \"SECRET\"}'", "allowed"),
        ("allowed = x'00'", "allowed"),
        ("account_auth_token = x'5345'", "account_auth_token"),
        (
            "recommended_part_size = -1, allowed = NULL",
            "recommended_part_size",
        ),
        ("recommended_part_size = 'SECRET'", "recommended_part_size"),
    ];
    for (change, column) in cases {
        let saved = store.save_auth(auth("ada", "1"), None).unwrap();
        assert_eq!(
            store.auth().unwrap(),
            Some(saved),
            "authorizing again repairs it"
        );
        scratch
            .raw()
            .execute(&format!("UPDATE account SET {change}"), [])
            .unwrap();
        let reason = corrupt_reason(store.auth());
        assert!(
            reason.contains(column) && !reason.contains("SECRET"),
            "{reason}"
        );
    }
}

#[test]
fn of_two_rows_of_one_name_the_newer_counts() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    scratch
        .raw()
        .execute_batch("INSERT INTO bucket VALUES ('photos', 'old'); INSERT INTO bucket VALUES ('photos', 'new')")
        .unwrap();
    let owner = ada.identity();
    assert_eq!(
        store.bucket_id(owner, "photos").unwrap(),
        Some("new".into())
    );
    assert_eq!(
        store.buckets(owner).unwrap(),
        [("photos".to_owned(), "new".into())]
    );
}

#[test]
fn two_stores_share_one_lease() {
    let scratch = Scratch::new();
    let (first, ada) = scratch.authorized();
    let second = scratch.open();
    let stale = Some(ada.generation());
    let Refresh::Lease(ticket) = first.begin_refresh(stale, LEASE).unwrap() else {
        panic!("nobody else is refreshing");
    };
    assert!(matches!(
        second.begin_refresh(stale, LEASE).unwrap(),
        Refresh::Busy
    ));
    let saved = first.save_auth(auth("ada", "2"), Some(ticket)).unwrap();
    assert_eq!(second.auth().unwrap(), Some(Arc::clone(&saved)));
    match second.begin_refresh(stale, LEASE).unwrap() {
        Refresh::Newer(newer) => assert_eq!(newer, saved),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_from_before_the_clock_was_set_back_blocks_nobody() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let stale = Some(ada.generation());
    let ahead = Clock::manual();
    ahead.advance(Duration::from_secs(3600));
    let early = super::SqliteAccountInfo::open_with_clock(scratch.path(), ahead).unwrap();
    assert!(matches!(
        early.begin_refresh(stale, LEASE).unwrap(),
        Refresh::Lease(_)
    ));
    assert!(matches!(
        store.begin_refresh(stale, LEASE).unwrap(),
        Refresh::Lease(_)
    ));
}

#[test]
fn a_lease_lasts_no_longer_than_its_length_where_the_clock_is_behind() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let stale = Some(ada.generation());
    let ahead = Clock::manual();
    ahead.advance(Duration::from_secs(50));
    let pass = |seconds| {
        for clock in [&scratch.clock, &ahead] {
            clock.advance(Duration::from_secs(seconds));
        }
    };
    let is_busy = || matches!(store.begin_refresh(stale, LEASE).unwrap(), Refresh::Busy);
    let early = super::SqliteAccountInfo::open_with_clock(scratch.path(), ahead.clone()).unwrap();
    let Refresh::Lease(ticket) = early.begin_refresh(stale, LEASE).unwrap() else {
        panic!("nobody else is refreshing");
    };
    assert!(is_busy());
    pass(29);
    assert!(is_busy());
    early.renew_lease(&ticket, LEASE).unwrap();
    assert!(is_busy());
    pass(29);
    assert!(is_busy());
    pass(2);
    assert!(
        !is_busy(),
        "the lease is of 30 seconds, and was seen 31 ago"
    );
    // The lease of the one whose clock is behind lasts as long as any other.
    assert!(is_busy());
}

#[test]
fn stores_on_one_file_neither_lose_a_write_nor_hold_a_lock() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let owner = ada.identity();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = scratch.open();
            scope.spawn(move || {
                for number in 0..10 {
                    let id = format!("{thread}-{number}");
                    store
                        .save_bucket(owner, &format!("bucket-{id}"), &id.as_str().into())
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(store.buckets(owner).unwrap().len(), 40);
    for raw in [scratch.raw(), scratch.raw_urls()] {
        raw.busy_timeout(Duration::ZERO).unwrap();
        raw.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").unwrap();
    }
}
