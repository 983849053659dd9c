//! The file of upload URLs: it may be lost, but never lies.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Scratch, auth, bucket};
use crate::account_info::AccountInfo;

#[test]
fn a_url_whose_removal_cannot_be_committed_is_not_handed_out() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store
        .put_upload_url(owner, &bucket("b"), url.clone())
        .unwrap();
    // A reference that is only checked by the commit.
    scratch
        .raw_urls()
        .execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER fail AFTER DELETE ON upload_url BEGIN
                 INSERT INTO child VALUES (1); END;",
        )
        .unwrap();
    assert_eq!(store.take_upload_url(owner, &bucket("b")).unwrap(), None);
    let raw = scratch.raw_urls();
    raw.busy_timeout(Duration::ZERO).unwrap();
    raw.execute_batch("DROP TRIGGER fail").unwrap();
    scratch.clock.advance(Duration::from_secs(31));
    assert_eq!(
        store.take_upload_url(owner, &bucket("b")).unwrap(),
        Some(url)
    );
    assert_eq!(store.take_upload_url(owner, &bucket("b")).unwrap(), None);
}

#[test]
fn a_damaged_file_is_made_anew() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    drop(store);
    fs::write(scratch.urls_path(), "rubbish").unwrap();
    let store = scratch.open();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store
        .put_upload_url(owner, &bucket("b"), url.clone())
        .unwrap();
    assert_eq!(
        scratch.open().take_upload_url(owner, &bucket("b")).unwrap(),
        Some(url)
    );
}

#[test]
fn a_file_that_is_damaged_while_in_use_is_made_anew() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    scratch
        .raw_urls()
        .execute_batch("DROP TABLE upload_url; DROP TABLE refresh_lease")
        .unwrap();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store
        .put_upload_url(owner, &bucket("b"), url.clone())
        .unwrap();
    assert_eq!(
        scratch.open().take_upload_url(owner, &bucket("b")).unwrap(),
        Some(url)
    );

    scratch
        .raw_urls()
        .execute_batch("DROP TABLE refresh_lease")
        .unwrap();
    let saved = store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(scratch.open().auth().unwrap(), Some(saved));
}

#[test]
fn the_file_of_a_newer_version_is_left_alone() {
    let scratch = Scratch::new();
    let raw = scratch.raw_urls();
    raw.execute_batch("CREATE TABLE better (x); PRAGMA user_version = 2")
        .unwrap();
    let (store, ada) = scratch.authorized();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store
        .put_upload_url(owner, &bucket("b"), url.clone())
        .unwrap();
    assert_eq!(
        store.take_upload_url(owner, &bucket("b")).unwrap(),
        Some(url)
    );
    let tables: i64 = raw
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn urls_of_another_identity_and_old_ones_do_not_pile_up() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let rows = || -> i64 {
        let count = "SELECT count(*) FROM upload_url";
        scratch
            .raw_urls()
            .query_row(count, [], |row| row.get(0))
            .unwrap()
    };
    for target in ["1", "2", "3"] {
        store
            .put_upload_url(ada.identity(), &bucket(target), scratch.url("u"))
            .unwrap();
    }
    store.save_auth(auth("bob", "1"), None).unwrap();
    assert_eq!(rows(), 0, "another identity");

    let ada = store.save_auth(auth("ada", "2"), None).unwrap();
    for target in ["1", "2", "3"] {
        store
            .put_upload_url(ada.identity(), &bucket(target), scratch.url("u"))
            .unwrap();
    }
    scratch.clock.advance(Duration::from_secs(24 * 3600));
    store
        .put_upload_url(ada.identity(), &bucket("4"), scratch.url("u"))
        .unwrap();
    assert_eq!(rows(), 1, "too old");
}

#[test]
fn no_url_is_in_the_hands_of_two_stores() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    for number in 0..4 {
        store
            .put_upload_url(owner, &target, scratch.url(&number.to_string()))
            .unwrap();
    }
    let in_hand = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let store = scratch.open();
            let (in_hand, target) = (&in_hand, &target);
            scope.spawn(move || {
                for _ in 0..20 {
                    if let Some(url) = store.take_upload_url(owner, target).unwrap() {
                        assert!(in_hand.lock().insert(url.url.clone()));
                        std::thread::yield_now();
                        in_hand.lock().remove(&url.url);
                        store.put_upload_url(owner, target, url).unwrap();
                    }
                }
            });
        }
    });
    let left = std::iter::from_fn(|| store.take_upload_url(owner, &target).unwrap());
    assert_eq!(left.count(), 4);
}
