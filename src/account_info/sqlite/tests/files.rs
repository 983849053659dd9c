//! Who may read the files, and what happens to files that are not what they should be.

use std::fs;
use std::io;
use std::path::Path;

use super::Scratch;
use crate::account_info::AccountInfo;
use crate::error::Error;

fn corrupt_reason(error: &Error, path: &Path) -> String {
    match error {
        Error::AccountInfoCorrupt {
            path: named,
            reason,
        } if **named == *path => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

fn local(error: &Error) -> (&'static str, &Path, io::ErrorKind) {
    match error {
        Error::LocalFile {
            action,
            path,
            source,
        } => (action, path, source.kind()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_file_is_an_empty_account_info() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), "").unwrap();
    let (store, saved) = scratch.authorized();
    assert_eq!(store.auth().unwrap(), Some(saved));
}

#[test]
fn nothing_secret_stays_in_the_files_after_clear() {
    let scratch = Scratch::new();
    let (store, saved) = scratch.authorized();
    let owner = saved.identity();
    let url = scratch.url("u");
    store
        .put_upload_url(owner, &super::bucket("b"), url)
        .unwrap();
    let contents = || -> Vec<u8> {
        let files = fs::read_dir(scratch.directory.path()).unwrap();
        files
            .flat_map(|file| fs::read(file.unwrap().path()).unwrap())
            .collect()
    };
    let holds = |secret: &str| {
        let contents = contents();
        contents
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    let secrets = [
        "application-key-in-clear",
        "account-token-1",
        "upload-token-u",
    ];
    assert!(secrets.iter().all(|secret| holds(secret)));
    store.clear().unwrap();
    assert_eq!(secrets.map(holds), [false; 3]);
}

#[test]
fn a_file_of_something_else_is_named_and_left_alone() {
    let cases: [(&[u8], &str); 6] = [
        (b"no", "not an SQLite database"),
        (b"my shopping list\n", "not an SQLite database"),
        (&[0; 5000], "not an SQLite database"),
        (br#"{"account_id": "ada"}"#, "JSON file, but not the whole"),
        (br#"  {"half": "#, "JSON file, but not the whole"),
        (b"[1]", "not an SQLite database"),
    ];
    for (content, hint) in cases {
        let scratch = Scratch::new();
        fs::write(scratch.path(), content).unwrap();
        let reason = corrupt_reason(&scratch.try_open().unwrap_err(), &scratch.path());
        assert!(
            reason.contains(hint) && reason.contains("move it away"),
            "{reason}"
        );
        assert_eq!(fs::read(scratch.path()).unwrap(), content);
        assert_eq!(fs::read_dir(scratch.directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let scratch = Scratch::with("CREATE TABLE cookies (name TEXT)");
    let before = fs::read(scratch.path()).unwrap();
    let reason = corrupt_reason(&scratch.try_open().unwrap_err(), &scratch.path());
    assert!(reason.contains("another program"), "{reason}");
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn a_damaged_database_is_left_alone() {
    let scratch = Scratch::new();
    drop(scratch.authorized());
    let whole = fs::read(scratch.path()).unwrap();
    for damaged in [&whole[..whole.len() / 2], &whole[..50]] {
        fs::write(scratch.path(), damaged).unwrap();
        corrupt_reason(&scratch.try_open().unwrap_err(), &scratch.path());
        assert_eq!(fs::read(scratch.path()).unwrap(), damaged);
    }
}

#[test]
fn a_directory_instead_of_a_file_is_named() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path()).unwrap();
    let error = scratch.try_open().unwrap_err();
    assert_eq!(
        local(&error),
        ("open", &*scratch.path(), io::ErrorKind::IsADirectory)
    );
}

#[cfg(unix)]
#[test]
fn a_device_instead_of_a_file_is_named() {
    let path = Path::new("/dev/null");
    let error = super::SqliteAccountInfo::open(path).unwrap_err();
    assert_eq!(local(&error), ("open", path, io::ErrorKind::InvalidInput));
}

#[test]
fn a_directory_that_is_missing_is_not_made() {
    let scratch = Scratch::new();
    let path = scratch
        .directory
        .path()
        .join("missing")
        .join("account_info");
    let error = super::SqliteAccountInfo::open(&path).unwrap_err();
    assert_eq!(local(&error), ("create", &*path, io::ErrorKind::NotFound));
}

#[cfg(unix)]
mod permissions {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::super::again::{again, is_inside, unprivileged};
    use super::super::{SqliteAccountInfo, auth, bucket};
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn no_umask_lets_others_read_the_files() {
        if !is_inside() {
            let wrapper = ["sh", "-c", "umask 000; exec \"$0\" \"$@\""];
            return again(
                module_path!(),
                "no_umask_lets_others_read_the_files",
                &wrapper,
            );
        }
        let scratch = Scratch::new();
        let plain = scratch.directory.path().join("plain");
        fs::write(&plain, "").unwrap();
        assert_eq!(mode(&plain), 0o666, "the umask is not what this test needs");
        fs::remove_file(plain).unwrap();

        let (store, saved) = scratch.authorized();
        let url = scratch.url("u");
        store
            .put_upload_url(saved.identity(), &bucket("b"), url)
            .unwrap();
        let other = scratch.raw();
        other
            .execute_batch("BEGIN IMMEDIATE; INSERT INTO bucket VALUES ('a', 'b')")
            .unwrap();
        let mut names = Vec::new();
        for entry in fs::read_dir(scratch.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        names.sort_unstable();
        let suffixes = ["", "-journal", "-urls", "-urls-shm", "-urls-wal"];
        assert_eq!(
            names,
            suffixes.map(|suffix| format!("account_info{suffix}"))
        );
    }

    #[test]
    fn the_default_one_is_made_where_only_its_owner_looks() {
        if !is_inside() {
            let scratch = Scratch::new();
            let home = format!("HOME={}", scratch.directory.path().display());
            let settings = format!("XDG_CONFIG_HOME={}/a/b", scratch.directory.path().display());
            let umask = "umask 000; exec \"$0\" \"$@\"";
            let wrapper = [
                "env",
                "-u",
                "B2_ACCOUNT_INFO",
                &home,
                &settings,
                "sh",
                "-c",
                umask,
            ];
            return again(
                module_path!(),
                "the_default_one_is_made_where_only_its_owner_looks",
                &wrapper,
            );
        }
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let store = SqliteAccountInfo::open_default().unwrap();
        assert_eq!(store.path(), home.join("a/b/b2/account_info"));
        assert_eq!(mode(store.path()), 0o600);
        for made in ["a", "a/b", "a/b/b2"] {
            assert_eq!(mode(&home.join(made)), 0o700, "{made}");
        }
    }

    /// Root may write everything, so this needs another user.
    #[test]
    fn what_may_not_be_written_is_named() {
        let scratch = Scratch::new();
        if unprivileged(module_path!(), "what_may_not_be_written_is_named") {
            return;
        }
        drop(scratch.authorized());
        let before = fs::read(scratch.path()).unwrap();

        set_mode(&scratch.path(), 0o400);
        let plain = fs::OpenOptions::new().write(true).open(scratch.path());
        assert!(
            plain.is_err(),
            "this test needs a user who may not write what is read-only"
        );
        let error = scratch.try_open().unwrap_err();
        assert_eq!(
            local(&error),
            ("write", &*scratch.path(), io::ErrorKind::PermissionDenied)
        );

        set_mode(&scratch.path(), 0o000);
        let error = scratch.try_open().unwrap_err();
        assert_eq!(
            local(&error),
            ("open", &*scratch.path(), io::ErrorKind::PermissionDenied)
        );
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .to_string()
                .contains("B2_ACCOUNT_INFO")
        );

        set_mode(&scratch.path(), 0o600);
        assert_eq!(fs::read(scratch.path()).unwrap(), before);

        set_mode(scratch.directory.path(), 0o500);
        let error = scratch.try_open().err();
        let path = scratch.directory.path().join("new");
        let new = SqliteAccountInfo::open(&path).unwrap_err();
        set_mode(scratch.directory.path(), 0o700);
        assert_eq!(
            local(&new),
            ("create", &*path, io::ErrorKind::PermissionDenied)
        );
        assert!(error.is_none_or(|error| local(&error).2 == io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn a_link_leads_to_the_same_account_info() {
        let scratch = Scratch::new();
        let (store, saved) = scratch.authorized();
        let database = scratch.directory.path().join("database");
        symlink(scratch.path(), &database).unwrap();
        let linked = SqliteAccountInfo::open_with_clock(&database, scratch.clock.clone()).unwrap();
        assert_eq!(linked.path(), database);
        let (owner, url) = (saved.identity(), scratch.url("u"));
        linked
            .put_upload_url(owner, &bucket("b"), url.clone())
            .unwrap();
        assert_eq!(
            store.take_upload_url(owner, &bucket("b")).unwrap(),
            Some(url)
        );
        linked.save_auth(auth("bob", "1"), None).unwrap();
        assert!(store.take_upload_url(owner, &bucket("b")).is_err());
    }
}
