//! A file of upload URLs that cannot be used: nothing fails, and one warning says why.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use super::again::unprivileged;
use super::warnings::warnings;
use super::{Scratch, SqliteAccountInfo, auth, bucket};
use crate::account_info::{AccountInfo, Refresh};
use crate::model::auth::Identity;

/// A store that hardly waits for the lock of the file.
fn impatient(scratch: &Scratch) -> SqliteAccountInfo {
    SqliteAccountInfo::builder()
        .path(scratch.path())
        .clock(&scratch.clock)
        .urls_timeout(Duration::from_millis(1))
        .open()
        .unwrap()
}

/// Takes and puts a URL, which has to work whatever became of the file.
fn go_round(store: &SqliteAccountInfo, scratch: &Scratch, owner: &Identity, name: &str) {
    let (target, url) = (bucket(name), scratch.url(name));
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
    store.put_upload_url(owner, &target, url.clone()).unwrap();
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), Some(url));
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
}

fn can_refresh(store: &SqliteAccountInfo) {
    let ada = store.auth().unwrap().unwrap();
    let lease = Duration::from_secs(30);
    let Refresh::Lease(ticket) = store.begin_refresh(Some(ada.generation()), lease).unwrap() else {
        panic!("nobody else is refreshing");
    };
    store.save_auth(auth("ada", "2"), Some(ticket)).unwrap();
    assert_ne!(store.auth().unwrap(), Some(ada));
}

#[test]
fn a_lock_that_somebody_holds_stops_neither_uploads_nor_a_new_token() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    drop(store);
    let other = scratch.raw_urls();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = warnings(|| {
        let store = impatient(&scratch);
        go_round(&store, &scratch, ada.identity(), "a");
        go_round(&store, &scratch, ada.identity(), "b");
        can_refresh(&store);
        let kept = scratch.url("kept");
        let (owner, target) = (ada.identity(), bucket("c"));
        store.put_upload_url(owner, &target, kept.clone()).unwrap();

        // When the file can be used again, others find there what was kept in memory.
        other.execute_batch("ROLLBACK").unwrap();
        scratch.clock.advance(Duration::from_secs(31));
        assert_eq!(store.take_upload_url(owner, &bucket("d")).unwrap(), None);
        let second = scratch.open();
        assert_eq!(second.take_upload_url(owner, &target).unwrap(), Some(kept));
        assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
    });
    assert!(
        matches!(&said[..], [one] if one.contains("locked") && one.contains("kept in memory")),
        "{said:?}"
    );
}

#[test]
fn what_is_in_memory_when_the_store_is_dropped_goes_to_the_file() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    drop(store);
    let other = scratch.raw_urls();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stores = [impatient(&scratch), impatient(&scratch)];
    for (store, name) in stores.iter().zip(["one", "two"]) {
        let url = scratch.url(name);
        store.put_upload_url(owner, &target, url).unwrap();
    }
    let [early, late] = stores;
    // The file is still locked: what this one had is lost, and nothing fails.
    drop(early);
    other.execute_batch("ROLLBACK").unwrap();
    drop(late);
    let store = scratch.open();
    let found = store.take_upload_url(owner, &target).unwrap();
    assert_eq!(found.map(|url| url.url), Some(scratch.url("two").url));
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
}

#[test]
fn a_full_disk_stops_no_upload() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let other = scratch.raw_urls();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON upload_url BEGIN
                 SELECT RAISE(ABORT, 'database or disk is full'); END",
        )
        .unwrap();
    let said = warnings(|| go_round(&store, &scratch, ada.identity(), "a"));
    assert!(
        matches!(&said[..], [one] if one.contains("disk is full")),
        "{said:?}"
    );
}

#[test]
fn a_file_that_is_deleted_while_somebody_has_it_open_is_no_obstacle_for_others() {
    let scratch = Scratch::new();
    let (idle, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    for name in ["1", "2"] {
        idle.put_upload_url(owner, &target, scratch.url(name))
            .unwrap();
    }
    // Its log and the log's index stay.
    fs::remove_file(scratch.urls_path()).unwrap();
    let said = warnings(|| {
        let store = scratch.open();
        go_round(&store, &scratch, owner, "b");
        let url = scratch.url("new");
        store.put_upload_url(owner, &target, url.clone()).unwrap();
        // The one that had it open comes over, and leaves the others' log alone.
        assert_eq!(idle.take_upload_url(owner, &target).unwrap(), Some(url));
        let back = scratch.url("back");
        idle.put_upload_url(owner, &target, back.clone()).unwrap();
        drop(idle);
        assert_eq!(store.take_upload_url(owner, &target).unwrap(), Some(back));
        let third = scratch.open();
        assert_eq!(third.take_upload_url(owner, &target).unwrap(), None);
    });
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_file_of_another_user_is_not_used() {
    if unprivileged(module_path!(), "a_file_of_another_user_is_not_used") {
        return;
    }
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    drop(store);
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(
            scratch
                .directory
                .path()
                .join(format!("account_info-urls{suffix}")),
        );
    }
    fs::set_permissions(scratch.urls_path(), Permissions::from_mode(0o000)).unwrap();
    let said = warnings(|| {
        let store = scratch.open();
        assert!(!store.is_read_only());
        go_round(&store, &scratch, ada.identity(), "a");
        can_refresh(&store);
    });
    assert!(
        matches!(&said[..], [one] if one.contains("ermission denied")),
        "{said:?}"
    );
}

#[test]
fn a_new_file_belongs_to_whom_the_account_info_belongs() {
    let scratch = Scratch::new();
    drop(scratch.authorized());
    fs::remove_file(scratch.urls_path()).unwrap();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o664)).unwrap();
    let is_root = fs::metadata(scratch.path()).unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown(scratch.path(), Some(65534), Some(65534)).unwrap();
    }
    let store = scratch.open();
    let ada = store.auth().unwrap().unwrap();
    store
        .put_upload_url(ada.identity(), &bucket("b"), scratch.url("u"))
        .unwrap();
    let like = fs::metadata(scratch.path()).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("account_info-urls{suffix}");
        let found = fs::metadata(scratch.directory.path().join(&name)).unwrap();
        assert_eq!(found.mode() & 0o777, 0o660, "{name}: nobody else may read");
        assert_eq!(
            (found.uid(), found.gid()),
            (like.uid(), like.gid()),
            "{name}"
        );
    }
}

#[test]
fn text_that_is_no_text_is_damage_like_any_other() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    store
        .put_upload_url(owner, &target, scratch.url("u"))
        .unwrap();
    scratch
        .raw_urls()
        .execute_batch("UPDATE upload_url SET token = CAST(x'41ff42' AS TEXT)")
        .unwrap();
    let said = warnings(|| go_round(&store, &scratch, owner, "b"));
    assert!(
        matches!(&said[..], [one] if one.contains("damaged")),
        "{said:?}"
    );
    scratch
        .raw()
        .execute_batch("UPDATE account SET account_auth_token = CAST(x'41ff42' AS TEXT)")
        .unwrap();
    let error = crate::error::Error::from(store.auth().unwrap_err());
    assert!(
        matches!(error, crate::error::Error::AccountInfoCorrupt { .. }),
        "{error:?}"
    );
}

#[test]
fn a_link_that_points_elsewhere_takes_both_files_along() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.directory.path().join(name);
    let open =
        |path: &Path| SqliteAccountInfo::open_with_clock(path, scratch.clock.clone()).unwrap();
    for name in ["one", "two"] {
        open(&at(name)).save_auth(auth("ada", name), None).unwrap();
    }
    symlink(at("one"), at("link")).unwrap();
    let store = open(&at("link"));
    let ada = store.auth().unwrap().unwrap();
    let (owner, target) = (ada.identity(), bucket("b"));
    store
        .put_upload_url(owner, &target, scratch.url("of one"))
        .unwrap();

    symlink(at("two"), at("new")).unwrap();
    fs::rename(at("new"), at("link")).unwrap();
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
    let url = scratch.url("of two");
    store.put_upload_url(owner, &target, url.clone()).unwrap();
    let two = open(&at("two"));
    assert_eq!(two.take_upload_url(owner, &target).unwrap(), Some(url));
    let one = open(&at("one")).take_upload_url(owner, &target).unwrap();
    assert!(one.is_some(), "what others use there stays");
}

#[test]
fn after_a_logout_by_another_program_the_next_start_wipes_the_tokens() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    store
        .put_upload_url(ada.identity(), &bucket("b"), scratch.url("u"))
        .unwrap();
    drop(store);
    let holds_token = || {
        let content = fs::read(scratch.urls_path()).unwrap();
        content.windows(14).any(|part| part == b"upload-token-u")
    };
    assert!(holds_token());
    // What `b2 account clear` does.
    scratch
        .raw()
        .execute_batch("DELETE FROM account; DELETE FROM bucket")
        .unwrap();
    drop(scratch.open());
    assert!(!holds_token());
}
