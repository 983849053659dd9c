//! The JSON file of a very old tool.

use std::fs;

use super::Scratch;
use crate::account_info::AccountInfo;
use crate::error::Error;
use crate::model::auth::Capability;

const JSON: &str = include_str!("../../../../fixtures/account_info/legacy.json");

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    fs::write(scratch.path(), JSON).unwrap();
    scratch
}

fn names(scratch: &Scratch) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(scratch.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_json_file_of_a_very_old_tool_is_converted_as_python_does() {
    let scratch = scratch();
    let store = scratch.open();
    let snapshot = store.auth().unwrap().unwrap();
    let mut expected = super::auth("ada", "1");
    expected.application_key_id = "ada".into();
    expected.s3_api_url = String::new();
    expected.allowed.capabilities = Capability::KNOWN.to_vec();
    assert_eq!(*snapshot.auth(), expected);
    let nulls = "SELECT count(*) FROM account WHERE allowed IS NULL
        AND account_id_or_app_key_id IS NULL AND s3_api_url IS NULL";
    let nulls: i64 = scratch
        .raw()
        .query_row(nulls, [], |row| row.get(0))
        .unwrap();
    assert_eq!(nulls, 1);
    drop(store);
    assert_eq!(names(&scratch), ["account_info", "account_info-urls"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let mode = fs::metadata(scratch.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_a_killed_conversion_left_behind_does_no_harm() {
    let scratch = scratch();
    for name in ["account_info-new", "account_info-new-journal"] {
        fs::write(scratch.directory.path().join(name), "half of something").unwrap();
    }
    let store = scratch.open();
    assert!(store.auth().unwrap().is_some());
    drop(store);
    assert_eq!(names(&scratch), ["account_info", "account_info-urls"]);
}

#[test]
fn a_conversion_that_fails_leaves_the_json_file() {
    let scratch = scratch();
    // Not a file, so it can be neither removed nor made.
    fs::create_dir(scratch.directory.path().join("account_info-new")).unwrap();
    let error = scratch.try_open().unwrap_err();
    assert!(matches!(error, Error::LocalFile { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(scratch.path()).unwrap(), JSON);
}

#[test]
fn a_json_file_that_lacks_something_is_left_alone() {
    let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(JSON).unwrap();
    for key in whole.keys().filter(|key| *key != "bucket_names_to_ids") {
        let scratch = Scratch::new();
        let mut less = whole.clone();
        less.remove(key);
        let content = serde_json::to_string(&less).unwrap();
        fs::write(scratch.path(), &content).unwrap();
        let error = scratch.try_open().unwrap_err();
        assert!(
            matches!(&error, Error::AccountInfoCorrupt { path, .. } if **path == *scratch.path()),
            "{error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("application-key-in-clear"), "{shown}");
        assert_eq!(fs::read_to_string(scratch.path()).unwrap(), content);
        assert_eq!(names(&scratch), ["account_info"]);
    }
}

#[test]
fn many_threads_may_convert_one_file_at_once() {
    let scratch = scratch();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| scratch.open())).collect();
        for opened in all {
            let store = opened.join().unwrap();
            let snapshot = store.auth().unwrap().unwrap();
            assert_eq!(snapshot.identity().account_id.as_str(), "ada");
        }
    });
}

#[cfg(unix)]
#[test]
fn a_link_to_the_json_file_stays_a_link() {
    let scratch = scratch();
    let database = scratch.directory.path().join("database");
    std::os::unix::fs::symlink(scratch.path(), &database).unwrap();
    let store = super::SqliteAccountInfo::open(&database).unwrap();
    assert!(store.auth().unwrap().is_some());
    assert!(fs::symlink_metadata(&database).unwrap().is_symlink());
    assert!(scratch.open().auth().unwrap().is_some());
}
