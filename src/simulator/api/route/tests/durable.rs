//! A world that is kept in a directory.

use std::fs;
use std::path::Path;

use super::*;

fn open(dir: &Path) -> World {
    let settings = Settings {
        absolute_minimum_part_size: 4,
        ..Settings::default()
    };
    World::open(dir, settings).unwrap()
}

fn bodies(dir: &Path) -> usize {
    fs::read_dir(dir.join("bodies")).unwrap().count()
}

#[test]
fn everything_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let (master, token, bucket, large, before);
    {
        let world = open(&dir);
        world.set_port(4711).unwrap();
        master = world.master_key();
        let user = User::master(&world);
        token = user.token.clone();
        bucket = user.create_bucket("bucket-1");
        user.upload(&bucket, "a", b"old");
        let source = user.upload(&bucket, "a", b"new");
        user.upload(&bucket, "h", b"x");
        user.hide(&bucket, "h").ok();
        let copy = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
        user.call("b2_copy_file", copy).ok();
        let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
        large = id_of(&user.call("b2_start_large_file", start).ok(), "fileId");
        let url = user
            .call("b2_get_upload_part_url", json!({ "fileId": large }))
            .ok();
        let url = UploadUrl::of(&world, &url);
        let headers = [
            ("X-Bz-Part-Number", "1"),
            ("X-Bz-Content-Sha1", "do_not_verify"),
        ];
        url.send(&headers, 4, &mut &b"part"[..]).ok();
        let body = json!({ "bucketId": bucket });
        before = user.call("b2_list_file_versions", body).ok();
    }
    let world = open(&dir);
    assert_eq!((world.port(), world.master_key()), (Some(4711), master));
    let user = User {
        world: &world,
        token,
    };
    let body = json!({ "bucketId": bucket });
    assert_eq!(user.call("b2_list_file_versions", body).ok(), before);
    assert_eq!(user.get("/file/bucket-1/a").body, b"new");
    assert_eq!(user.get("/file/bucket-1/copy").body, b"new");
    let parts = user.call("b2_list_parts", json!({ "fileId": large })).ok();
    assert_eq!(parts["parts"][0]["contentSha1"], sha1_of(b"part"));
    assert_eq!(bodies(&dir), 4);
}

#[test]
fn a_body_goes_with_the_last_version_that_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path());
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let source = user.upload(&bucket, "a", b"data");
    let copy = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
    let copy = user.call("b2_copy_file", copy).ok();
    let delete = |file: &Value| {
        let body = json!({ "fileName": file["fileName"], "fileId": file["fileId"] });
        user.call("b2_delete_file_version", body).ok();
    };
    delete(&source);
    assert_eq!(user.get("/file/bucket-1/copy").body, b"data");
    let headers = [("Authorization", user.token.as_str())];
    let request = request("GET", "/file/bucket-1/copy", &headers, None);
    let reply = handle(&world, &request, &mut Untouchable);
    delete(&copy);
    assert_eq!(bodies(dir.path()), 1);
    assert_eq!(Answer::of(reply).body, b"data");
    assert_eq!(bodies(dir.path()), 0);
}

#[test]
fn a_finished_large_file_keeps_the_bodies_of_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let bucket;
    {
        let world = open(dir.path());
        let user = User::master(&world);
        bucket = user.create_bucket("bucket-1");
        let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
        let id = id_of(&user.call("b2_start_large_file", start).ok(), "fileId");
        let url = user
            .call("b2_get_upload_part_url", json!({ "fileId": id }))
            .ok();
        let url = UploadUrl::of(&world, &url);
        let mut sha1s = Vec::new();
        for (number, data) in [("1", b"over"), ("1", b"0123"), ("2", b"4567")] {
            let headers = [
                ("X-Bz-Part-Number", number),
                ("X-Bz-Content-Sha1", "do_not_verify"),
            ];
            url.send(&headers, 4, &mut &data[..]).ok();
            sha1s.push(sha1_of(data));
        }
        let finish = json!({ "fileId": id, "partSha1Array": sha1s[1..] });
        user.call("b2_finish_large_file", finish).ok();
        assert_eq!(bodies(dir.path()), 2);
    }
    let world = open(dir.path());
    assert_eq!(
        User::master(&world).get("/file/bucket-1/big").body,
        b"01234567"
    );
}

#[test]
fn refused_and_orphaned_bodies_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    {
        let world = open(dir.path());
        let user = User::master(&world);
        let url = UploadUrl::get(&user, &user.create_bucket("bucket-1"));
        let wrong = [(
            "X-Bz-Content-Sha1",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        )];
        url.upload("a", b"data", &wrong).refused(400, "bad_request");
        let headers = [
            ("X-Bz-File-Name", "a"),
            ("Content-Type", "a/b"),
            ("X-Bz-Content-Sha1", "do_not_verify"),
        ];
        url.send(&headers, 9, &mut &b"data"[..])
            .refused(400, "bad_request");
        assert_eq!(bodies(dir.path()), 0);
    }
    let own = "0123456789abcdef0123456789abcdef";
    for name in [own.to_owned(), format!("{own}.tmp")] {
        fs::write(dir.path().join("bodies").join(name), b"x").unwrap();
    }
    let _world = open(dir.path());
    assert_eq!(bodies(dir.path()), 0);
}

#[test]
fn files_that_are_not_its_own_are_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let own = "0123456789abcdef0123456789abcdef";
    let foreign = [
        "thesis.docx",
        "left-over.tmp",
        &own[1..],
        &own.to_uppercase(),
        "0123.tmp",
    ];
    fs::create_dir(dir.path().join("bodies")).unwrap();
    for name in foreign {
        fs::write(dir.path().join("bodies").join(name), b"precious").unwrap();
    }
    fs::create_dir(dir.path().join("bodies").join(own)).unwrap();
    // In a directory that it never served, and when it has an account there.
    drop(World::open(dir.path(), Settings::default()).unwrap_err());
    fs::remove_dir(dir.path().join("bodies").join(own)).unwrap();
    drop(open(dir.path()));
    fs::create_dir(dir.path().join("bodies").join(own)).unwrap();
    drop(open(dir.path()));
    assert_eq!(bodies(dir.path()), foreign.len() + 1);
}

#[test]
fn bodies_whose_database_is_lost_are_kept_and_no_account_begins_there() {
    let dir = tempfile::tempdir().unwrap();
    {
        let world = open(dir.path());
        let user = User::master(&world);
        user.upload(&user.create_bucket("bucket-1"), "a", b"data");
    }
    let database = dir.path().join("simulator.sqlite");
    let kept = fs::read(&database).unwrap();
    for lose in [
        |path: &Path| fs::write(path, b"").unwrap(),
        |path: &Path| fs::remove_file(path).unwrap(),
    ] {
        lose(&database);
        // The second try finds the tables that the first one made.
        for _ in 0..2 {
            let error = World::open(dir.path(), Settings::default()).unwrap_err();
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains("there is no account"), "{reason}");
            assert_eq!(bodies(dir.path()), 1);
        }
        for name in [
            "simulator.sqlite",
            "simulator.sqlite-wal",
            "simulator.sqlite-shm",
        ] {
            let _ = fs::remove_file(dir.path().join(name));
        }
        fs::write(&database, &kept).unwrap();
        let world = open(dir.path());
        assert_eq!(User::master(&world).get("/file/bucket-1/a").body, b"data");
    }
}

#[test]
fn content_that_somebody_else_removed_or_cut_is_named_at_start_and_answered_500() {
    let dir = tempfile::tempdir().unwrap();
    {
        let world = open(dir.path());
        let user = User::master(&world);
        let bucket = user.create_bucket("bucket-1");
        user.upload(&bucket, "missing", b"1");
        user.upload(&bucket, "short", b"22");
        user.upload(&bucket, "whole", b"333");
        assert!(world.warnings().is_empty());
    }
    for entry in fs::read_dir(dir.path().join("bodies")).unwrap() {
        let path = entry.unwrap().path();
        match fs::metadata(&path).unwrap().len() {
            1 => fs::remove_file(path).unwrap(),
            2 => fs::write(path, b"2").unwrap(),
            _ => {}
        }
    }
    let world = open(dir.path());
    let mut warnings = world.warnings().to_vec();
    warnings.sort();
    let about = |name: &str, line: &String| line.starts_with(&format!("file \"{name}\" (4_z"));
    assert!(
        warnings.len() == 2 && about("missing", &warnings[0]) && about("short", &warnings[1]),
        "{warnings:?}"
    );
    let user = User::master(&world);
    for name in ["missing", "short"] {
        user.get(&format!("/file/bucket-1/{name}"))
            .refused(500, "internal_error");
    }
    assert_eq!(user.get("/file/bucket-1/whole").body, b"333");
    // The first byte of what was cut is there, and so is all that is said about both.
    let headers = [
        ("Authorization", user.token.as_str()),
        ("Range", "bytes=0-0"),
    ];
    let request = request("GET", "/file/bucket-1/short", &headers, None);
    assert_eq!(
        Answer::of(handle(&world, &request, &mut Untouchable)).body,
        b"2"
    );
    let bucket = world
        .state()
        .buckets_by_name()
        .next()
        .unwrap()
        .id
        .to_string();
    let page = user
        .call("b2_list_file_names", json!({ "bucketId": bucket }))
        .ok();
    let copy = json!({ "sourceFileId": page["files"][0]["fileId"], "fileName": "copy" });
    user.call("b2_copy_file", copy)
        .refused(500, "internal_error");
}

#[test]
fn a_deleted_lock_file_lets_nobody_else_in() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    fs::remove_file(dir.path().join("lock")).unwrap();
    let error = World::open(dir.path(), Settings::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is in use by another simulator"),
        "{error}"
    );
    User::master(&first).create_bucket("bucket-1");
    drop(first);
    open(dir.path());
}

#[test]
fn a_directory_serves_one_simulator_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = World::open(dir.path(), Settings::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is in use by another simulator"),
        "{error}"
    );
    assert!(
        error.to_string().contains(dir.path().to_str().unwrap()),
        "{error}"
    );
    drop(first);
    open(dir.path());
}

#[cfg(unix)]
#[test]
fn secrets_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path());
    User::master(&world).create_bucket("bucket-1");
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_file() {
            assert_eq!(
                metadata.permissions().mode() & 0o077,
                0,
                "{:?}",
                entry.path()
            );
        }
    }
}
