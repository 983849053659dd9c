//! The shared file against files that Python's b2sdk made (`tests/scripts/account_info_fixtures.py`).

use rusqlite::Connection;

use super::{Scratch, auth};
use crate::account_info::AccountInfo;
use crate::error::Error;
use crate::model::auth::{AccountAuth, AllowedBucket, Capability};

const FIXTURES: [&str; 7] = [
    include_str!("../../../../fixtures/account_info/schema_0.sql"),
    include_str!("../../../../fixtures/account_info/schema_1.sql"),
    include_str!("../../../../fixtures/account_info/schema_2.sql"),
    include_str!("../../../../fixtures/account_info/schema_3.sql"),
    include_str!("../../../../fixtures/account_info/schema_4.sql"),
    include_str!("../../../../fixtures/account_info/schema_5.sql"),
    include_str!("../../../../fixtures/account_info/schema_6.sql"),
];

/// The tables as text, without differences in white space.
fn tables(connection: &Connection) -> Vec<String> {
    let mut sql = connection
        .prepare("SELECT sql FROM sqlite_master ORDER BY name")
        .unwrap();
    sql.query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|sql| {
            let words: Vec<_> = sql.unwrap().split_whitespace().map(str::to_owned).collect();
            words.join(" ").replace("( ", "(").replace(" )", ")")
        })
        .collect()
}

fn done(connection: &Connection) -> Vec<i64> {
    let mut done = connection.prepare("SELECT * FROM update_done").unwrap();
    let done = done.query_map([], |row| row.get(0)).unwrap();
    done.map(Result::unwrap).collect()
}

#[test]
fn a_new_file_has_the_tables_that_python_makes() {
    let scratch = Scratch::new();
    let _store = scratch.open();
    let python = Scratch::with(FIXTURES[6]);
    assert_eq!(tables(&scratch.raw()), tables(&python.raw()));
    assert_eq!(done(&scratch.raw()), [1, 2, 3, 4, 5, 6]);
    let mode: String = scratch
        .raw()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn a_file_of_any_version_is_brought_to_the_present_one() {
    for (version, fixture) in FIXTURES.iter().enumerate() {
        let scratch = Scratch::with(fixture);
        let store = scratch.open();
        let snapshot = store.auth().unwrap().unwrap();
        assert_eq!(*snapshot.auth(), expected(version), "version {version}");
        assert_eq!(
            store.buckets(snapshot.identity()).unwrap(),
            [("it's photos".to_owned(), "b1".into())],
            "version {version}"
        );
        assert_eq!(done(&scratch.raw()), [1, 2, 3, 4, 5, 6]);
        let python = Scratch::with(FIXTURES[6]);
        assert_eq!(tables(&scratch.raw()), tables(&python.raw()));
    }
}

fn expected(version: usize) -> AccountAuth {
    let mut expected = auth("ada", "1");
    let bucket = |id: &str, name: Option<&str>| AllowedBucket {
        id: id.into(),
        name: name.map(str::to_owned),
    };
    let first = bucket("b1", Some("it's photos"));
    expected.allowed.buckets = match version {
        0 => None,
        6 => Some(vec![first, bucket("b2", None)]),
        _ => Some(vec![first]),
    };
    if version == 0 {
        expected.allowed.capabilities = Capability::KNOWN.to_vec();
    }
    if version < 2 {
        expected.application_key_id = "ada".into();
    }
    if version < 3 {
        expected.s3_api_url = String::new();
    }
    expected
}

#[test]
fn many_threads_may_upgrade_one_file_at_once() {
    for fixture in ["", FIXTURES[0], FIXTURES[4]] {
        let scratch = Scratch::with(fixture);
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| scratch.open())).collect();
            for opened in all {
                assert_eq!(
                    opened.join().unwrap().auth().unwrap().is_some(),
                    !fixture.is_empty()
                );
            }
        });
        assert_eq!(done(&scratch.raw()), [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn a_newer_file_is_used_as_it_is_if_its_columns_suffice() {
    let scratch = Scratch::with(FIXTURES[6]);
    scratch
        .raw()
        .execute_batch(
            "INSERT INTO update_done VALUES (7);
             DELETE FROM update_done WHERE update_number = 6;
             ALTER TABLE account ADD COLUMN region TEXT;
             DROP TABLE bucket_upload_url;",
        )
        .unwrap();
    let before = tables(&scratch.raw());
    let store = scratch.open();
    assert_eq!(*store.auth().unwrap().unwrap().auth(), expected(6));
    let saved = store.save_auth(auth("bob", "1"), None).unwrap();
    assert_eq!(scratch.open().auth().unwrap(), Some(saved));
    store.clear().unwrap();
    assert_eq!(tables(&scratch.raw()), before);
    assert_eq!(done(&scratch.raw()), [1, 2, 3, 4, 5, 7]);
}

#[test]
fn a_newer_file_without_our_columns_is_refused() {
    let scratch = Scratch::with(FIXTURES[6]);
    scratch
        .raw()
        .execute_batch(
            "INSERT INTO update_done VALUES (7); ALTER TABLE account RENAME realm TO region;",
        )
        .unwrap();
    let before = std::fs::read(scratch.path()).unwrap();
    let error = scratch.try_open().unwrap_err();
    assert!(
        matches!(&error, Error::AccountInfoTooNew { path, .. } if **path == *scratch.path()),
        "{error:?}"
    );
    assert!(error.to_string().contains("realm"), "{error}");
    assert_eq!(std::fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn a_newer_file_that_wants_more_can_still_be_read() {
    let scratch = Scratch::with(FIXTURES[6]);
    scratch
        .raw()
        .execute_batch(
            "INSERT INTO update_done VALUES (7);
             ALTER TABLE account RENAME TO old;
             CREATE TABLE account (
                 account_id, application_key, account_auth_token, api_url, download_url,
                 absolute_minimum_part_size, recommended_part_size, realm, allowed,
                 account_id_or_app_key_id, s3_api_url, region TEXT NOT NULL);
             INSERT INTO account SELECT *, 'eu' FROM old;
             DROP TABLE old;",
        )
        .unwrap();
    let before = std::fs::read(scratch.path()).unwrap();
    let store = scratch.open();
    assert!(store.auth().unwrap().is_some());
    let error = Error::from(store.save_auth(auth("ada", "2"), None).unwrap_err());
    assert!(
        matches!(error, Error::AccountInfoTooNew { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("region"), "{error}");
    assert!(
        store.auth().unwrap().is_some(),
        "the old one is still there"
    );
    assert_eq!(std::fs::read(scratch.path()).unwrap(), before);
}
