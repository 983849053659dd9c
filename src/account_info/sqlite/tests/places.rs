//! Places that cannot be written, network homes, and full disks.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::again::unprivileged;
use super::warnings::warnings;
use super::{Scratch, SqliteAccountInfo, auth, bucket};
use crate::account_info::AccountInfo;
use crate::error::{Error, Result};

const OLDEST: &str = include_str!("../../../../fixtures/account_info/schema_0.sql");
const JSON: &str = include_str!("../../../../fixtures/account_info/legacy.json");

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The scratch directory while nothing can be written there.
struct ReadOnlyPlace<'a>(&'a Scratch);

impl<'a> ReadOnlyPlace<'a> {
    fn of(scratch: &'a Scratch) -> Self {
        if scratch.path().exists() {
            set_mode(&scratch.path(), 0o400);
        }
        set_mode(scratch.directory.path(), 0o500);
        Self(scratch)
    }

    fn open(&self, fall_back: bool) -> Result<SqliteAccountInfo> {
        SqliteAccountInfo::builder()
            .path(self.0.path())
            .read_only_fallback(fall_back)
            .clock(&self.0.clock)
            .open()
    }
}

impl Drop for ReadOnlyPlace<'_> {
    fn drop(&mut self) {
        set_mode(self.0.directory.path(), 0o700);
        let _ = fs::set_permissions(self.0.path(), Permissions::from_mode(0o600));
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_at_first() {
    if unprivileged(
        module_path!(),
        "a_place_that_cannot_be_written_is_an_error_at_first",
    ) {
        return;
    }
    let scratch = Scratch::new();
    drop(scratch.authorized());
    let place = ReadOnlyPlace::of(&scratch);
    let error = place.open(false).unwrap_err();
    let Error::LocalFile { path, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (&**path, source.kind()),
        (&*scratch.path(), ErrorKind::PermissionDenied)
    );
    assert!(source.to_string().contains("name another file"), "{source}");
}

#[test]
fn by_choice_such_a_place_is_read_and_the_rest_stays_in_memory() {
    if unprivileged(
        module_path!(),
        "by_choice_such_a_place_is_read_and_the_rest_stays_in_memory",
    ) {
        return;
    }
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let owner = ada.identity();
    store.save_bucket(owner, "photos", &"p".into()).unwrap();
    drop(store);
    let before = (
        fs::read(scratch.path()).unwrap(),
        names(scratch.directory.path()),
    );

    let place = ReadOnlyPlace::of(&scratch);
    let mut opened = None;
    let said = warnings(|| opened = place.open(true).ok());
    assert!(
        matches!(&said[..], [one] if one.contains("kept in memory")),
        "{said:?}"
    );
    let store = opened.unwrap();
    assert!(store.is_read_only());
    assert_eq!(store.path(), scratch.path());
    assert_eq!(store.auth().unwrap(), Some(Arc::clone(&ada)));
    assert_eq!(store.bucket_id(owner, "photos").unwrap(), Some("p".into()));

    let newer = store.save_auth(auth("ada", "2"), None).unwrap();
    let url = scratch.url("u");
    store
        .put_upload_url(owner, &bucket("p"), url.clone())
        .unwrap();
    assert_eq!(store.auth().unwrap(), Some(newer));
    assert_eq!(
        store.take_upload_url(owner, &bucket("p")).unwrap(),
        Some(url)
    );
    assert_eq!(place.open(true).unwrap().auth().unwrap(), Some(ada));
    drop(place);
    let after = (
        fs::read(scratch.path()).unwrap(),
        names(scratch.directory.path()),
    );
    assert_eq!(after, before);

    let bob = scratch.open().save_auth(auth("bob", "1"), None).unwrap();
    assert_eq!(
        store.auth().unwrap(),
        Some(bob),
        "what others change there is followed"
    );
    fs::remove_file(scratch.path()).unwrap();
    assert_eq!(store.auth().unwrap(), None);
}

#[test]
fn files_of_all_ages_can_be_read_where_they_cannot_be_upgraded() {
    if unprivileged(
        module_path!(),
        "files_of_all_ages_can_be_read_where_they_cannot_be_upgraded",
    ) {
        return;
    }
    for json in [false, true] {
        let scratch = Scratch::new();
        if json {
            fs::write(scratch.path(), JSON).unwrap();
        } else {
            scratch.raw().execute_batch(OLDEST).unwrap();
        }
        let before = fs::read(scratch.path()).unwrap();
        let place = ReadOnlyPlace::of(&scratch);
        let store = place.open(true).unwrap();
        let snapshot = store.auth().unwrap().unwrap();
        assert_eq!(snapshot.identity().account_id.as_str(), "ada");
        assert_eq!(snapshot.auth().recommended_part_size, 100_000_000);
        assert_eq!(fs::read(scratch.path()).unwrap(), before);
    }
}

#[test]
fn a_read_only_file_that_could_not_be_read_is_read_again() {
    if unprivileged(
        module_path!(),
        "a_read_only_file_that_could_not_be_read_is_read_again",
    ) {
        return;
    }
    let scratch = Scratch::new();
    drop(scratch.authorized());
    let writer = scratch.raw();
    let place = ReadOnlyPlace::of(&scratch);
    let store = place.open(true).unwrap();
    assert!(store.auth().unwrap().is_some());
    set_mode(scratch.directory.path(), 0o700);
    let swap = |from: &str, to: &str| {
        let rename = format!("ALTER TABLE account RENAME COLUMN {from} TO {to}");
        writer.execute_batch(&rename).unwrap();
    };
    swap("account_id", "something");
    for _ in 0..2 {
        store.auth().unwrap_err();
    }
    swap("something", "account_id");
    assert!(store.auth().unwrap().is_some());
}

#[test]
fn a_read_only_place_without_account_info_begins_empty_by_choice() {
    if unprivileged(
        module_path!(),
        "a_read_only_place_without_account_info_begins_empty_by_choice",
    ) {
        return;
    }
    let scratch = Scratch::new();
    let place = ReadOnlyPlace::of(&scratch);
    place.open(false).unwrap_err();
    let store = place.open(true).unwrap();
    assert_eq!(store.auth().unwrap(), None);
    let saved = store.save_auth(auth("ada", "1"), None).unwrap();
    assert_eq!(store.auth().unwrap(), Some(saved));
    assert_eq!(names(scratch.directory.path()), BTreeSet::new());
}

#[test]
fn what_cannot_be_read_is_an_error_in_any_case() {
    if unprivileged(
        module_path!(),
        "what_cannot_be_read_is_an_error_in_any_case",
    ) {
        return;
    }
    let scratch = Scratch::new();
    drop(scratch.authorized());
    set_mode(&scratch.path(), 0o000);
    let open = || {
        SqliteAccountInfo::builder()
            .path(scratch.path())
            .read_only_fallback(true)
            .open()
    };
    let error = open().unwrap_err();
    assert!(
        matches!(&error, Error::LocalFile { source, .. } if source.kind() == ErrorKind::PermissionDenied),
        "{error:?}"
    );
    set_mode(&scratch.path(), 0o400);
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.path(), "rubbish").unwrap();
    set_mode(&scratch.path(), 0o400);
    let error = open().unwrap_err();
    assert!(
        matches!(
            error,
            Error::AccountInfoCorrupt { .. } | Error::LocalFile { .. }
        ),
        "{error:?}"
    );
}

fn network(scratch: &Scratch) -> Result<SqliteAccountInfo> {
    SqliteAccountInfo::builder()
        .path(scratch.path())
        .network_home(true)
        .clock(&scratch.clock)
        .open()
}

#[test]
fn a_network_home_never_has_a_log() {
    let scratch = Scratch::new();
    let plain = BTreeSet::from(["account_info".to_owned(), "account_info-urls".to_owned()]);
    let store = network(&scratch).unwrap();
    let ada = store.save_auth(auth("ada", "1"), None).unwrap();
    let owner = ada.identity();
    assert_eq!(names(scratch.directory.path()), plain);
    store
        .put_upload_url(owner, &bucket("b"), scratch.url("u"))
        .unwrap();
    assert_eq!(names(scratch.directory.path()), plain);
    // Also for those who come without the setting.
    let second = scratch.open();
    assert!(
        second
            .take_upload_url(owner, &bucket("b"))
            .unwrap()
            .is_some()
    );
    assert_eq!(names(scratch.directory.path()), plain);
}

#[test]
fn a_log_that_is_there_already_is_removed_unless_it_is_in_use() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store
        .put_upload_url(owner, &bucket("b"), url.clone())
        .unwrap();
    assert!(names(scratch.directory.path()).contains("account_info-urls-wal"));
    let said = warnings(|| {
        let second = network(&scratch).unwrap();
        assert_eq!(second.take_upload_url(owner, &bucket("b")).unwrap(), None);
        second
            .put_upload_url(owner, &bucket("b"), scratch.url("of its own"))
            .unwrap();
    });
    assert!(
        matches!(&said[..], [one] if one.contains("write-ahead log")),
        "{said:?}"
    );
    assert!(
        store.auth().unwrap().is_some(),
        "whoever has it open goes on"
    );
    drop(store);
    let store = network(&scratch).unwrap();
    assert_eq!(names(scratch.directory.path()).len(), 2);
    assert_eq!(
        store.take_upload_url(owner, &bucket("b")).unwrap(),
        Some(url)
    );
}

#[test]
fn a_full_disk_is_named_and_changes_nothing() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    drop(store);
    let before = fs::read(scratch.path()).unwrap();
    let pages = u32::try_from(before.len() / 4096).unwrap();
    let open = |path: &Path| {
        SqliteAccountInfo::builder()
            .path(path)
            .max_pages(pages)
            .open()
    };
    let store = open(&scratch.path()).unwrap();
    let long = "x".repeat(10_000);
    let errors = [
        store
            .save_bucket(ada.identity(), &long, &"p".into())
            .unwrap_err(),
        store.save_auth(auth("ada", &long), None).unwrap_err(),
    ];
    for error in errors.map(Error::from) {
        let Error::LocalFile { path, source, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(
            (&**path, source.kind()),
            (&*scratch.path(), ErrorKind::StorageFull)
        );
        assert!(source.to_string().contains("make room"), "{source}");
    }
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
    assert_eq!(store.auth().unwrap(), Some(ada));

    let new = scratch.directory.path().join("new");
    let start = |pages| {
        let builder = SqliteAccountInfo::builder().path(&new);
        builder.max_pages(pages).open()
    };
    for told in ["an empty file was created", "nothing was changed"] {
        let error = start(1).unwrap_err();
        let Error::LocalFile { source, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        assert!(source.to_string().contains(told), "{source}");
        assert_eq!(fs::metadata(&new).unwrap().len(), 0);
    }
    let store = start(1000).unwrap();
    store.save_auth(auth("ada", "1"), None).unwrap();
}

#[test]
fn a_file_with_statistics_can_be_read_and_none_of_its_sql_is_run() {
    if unprivileged(
        module_path!(),
        "a_file_with_statistics_can_be_read_and_none_of_its_sql_is_run",
    ) {
        return;
    }
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    drop(store);
    scratch.raw().execute_batch("ANALYZE").unwrap();
    let place = ReadOnlyPlace::of(&scratch);
    assert_eq!(place.open(true).unwrap().auth().unwrap(), Some(ada));
    drop(place);

    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = elsewhere.path().join("foreign");
    scratch
        .raw()
        .execute_batch(&format!(
            "PRAGMA writable_schema = 1;
             UPDATE sqlite_master SET sql = sql || '; ATTACH ''{}'' AS e; CREATE TABLE e.t (x)'
                 WHERE name = 'bucket'",
            foreign.display()
        ))
        .unwrap();
    let place = ReadOnlyPlace::of(&scratch);
    let error = place.open(true).unwrap_err();
    assert!(
        matches!(error, Error::AccountInfoCorrupt { .. }),
        "{error:?}"
    );
    assert!(!foreign.exists());
}

#[test]
fn a_directory_that_cannot_be_searched_is_named_as_that() {
    if unprivileged(
        module_path!(),
        "a_directory_that_cannot_be_searched_is_named_as_that",
    ) {
        return;
    }
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let file = scratch.path();
    fs::remove_file(&file).unwrap();
    assert_eq!(store.auth().unwrap(), None);
    set_mode(scratch.directory.path(), 0o000);
    let errors = [
        store.auth().map(drop).unwrap_err(),
        store.buckets(ada.identity()).map(drop).unwrap_err(),
    ];
    set_mode(scratch.directory.path(), 0o700);
    for error in errors.map(Error::from) {
        assert!(
            matches!(&error, Error::LocalFile { source, .. }
                if source.kind() == ErrorKind::PermissionDenied),
            "{error:?}"
        );
    }
}

#[test]
fn a_path_that_is_too_long_for_sqlite_is_named_as_that() {
    let scratch = Scratch::new();
    let mut long = scratch.directory.path().to_owned();
    for _ in 0..5 {
        long.push("d".repeat(100));
    }
    fs::create_dir_all(&long).unwrap();
    let error = SqliteAccountInfo::open(long.join("account_info")).unwrap_err();
    assert!(
        matches!(&error, Error::LocalFile { source, .. }
            if source.kind() == ErrorKind::InvalidFilename && source.to_string().contains("shorter")),
        "{error:?}"
    );
}
