//! Backblaze's command line tool, `b2`.

use std::fs;
use std::process::Command;

use b2sdk::encryption::SseCustomerKey;
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::{DownloadOptions, Filtered, Operation, Timestamp};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::{World, fetch, in_venv, lines, noise, run, run_to_failure};

const BUCKET: &str = "command-line-bucket-1";

/// `b2`, whose words `run` shows only if it fails.
fn b2(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(in_venv("b2"));
    command.args(arguments);
    command
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_does_the_tutorial_with_one_authorization() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut b2(&world, arguments));
    let photo = noise(100_000);
    world.home.write("photo.jpg", &photo);
    world.home.write("hello.txt", b"hello");
    let bucket = format!("b2://{BUCKET}");
    let at = |name: &str| format!("{bucket}/{name}");

    ok(&["account", "authorize"]);
    ok(&["bucket", "create", BUCKET, "allPrivate"]);
    assert!(ok(&["bucket", "get", BUCKET]).contains(BUCKET));
    ok(&["file", "upload", BUCKET, "photo.jpg", "photos/my photo.jpg"]);
    let with_info = ["file", "upload", "--info", "color=blue", BUCKET];
    ok(&[&with_info[..], &["hello.txt", "hello.txt"]].concat());

    assert_eq!(lines(&ok(&["ls", &bucket])), ["hello.txt", "photos/"]);
    let all = ["hello.txt", "photos/my photo.jpg"];
    assert_eq!(lines(&ok(&["ls", "--recursive", &bucket])), all);
    assert!(ok(&["file", "info", &at("hello.txt")]).contains("blue"));
    assert_eq!(ok(&["file", "cat", &at("hello.txt")]), "hello");
    ok(&["file", "download", &at("photos/my photo.jpg"), "copy.jpg"]);
    assert_eq!(fs::read(world.home.path("copy.jpg")).unwrap(), photo);
    assert!(fetch(&world.bucket(BUCKET), "photos/my photo.jpg") == photo);

    ok(&["file", "hide", &at("hello.txt")]);
    assert_eq!(lines(&ok(&["ls", &bucket])), ["photos/"]);
    let versions = ok(&["ls", "--versions", &bucket]);
    assert_eq!(lines(&versions), ["hello.txt", "hello.txt", "photos/"]);
    ok(&["file", "unhide", &at("hello.txt")]);
    assert_eq!(lines(&ok(&["ls", &bucket])), ["hello.txt", "photos/"]);

    ok(&["rm", "--recursive", "--versions", &bucket]);
    ok(&["bucket", "delete", BUCKET]);
    assert_eq!(ok(&["bucket", "list"]), "");
    let log = world.service.log();
    let authorized = log.count(Operation::AuthorizeAccount);
    assert_eq!(authorized, 2, "its own and that of this crate");
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_synchronizes_a_folder_up_and_down_again() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut b2(&world, arguments));
    world.home.write("up/a.txt", b"a");
    world.home.write("up/deep/b c.bin", &noise(5000));
    let remote = format!("b2://{BUCKET}/backup");

    ok(&["account", "authorize"]);
    ok(&["bucket", "create", BUCKET, "allPrivate"]);
    ok(&["sync", "up", &remote]);
    fs::create_dir(world.home.path("down")).unwrap();
    ok(&["sync", &remote, "down"]);
    let read = |name: &str| fs::read(world.home.path(name)).unwrap();
    assert_eq!(read("down/a.txt"), b"a");
    assert_eq!(read("down/deep/b c.bin"), noise(5000));
    assert!(fetch(&world.bucket(BUCKET), "backup/deep/b c.bin") == noise(5000));

    let log = world.service.log();
    log.clear();
    ok(&["sync", "up", &remote]);
    assert_eq!(log.count(Operation::UploadFile), 0, "nothing had changed");
    fs::remove_file(world.home.path("up/a.txt")).unwrap();
    ok(&["sync", "--delete", "up", &remote]);
    let left = ok(&["ls", "--recursive", "--versions", &remote]);
    assert_eq!(lines(&left), ["backup/deep/b c.bin"]);
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_makes_a_restricted_key_that_works_within_its_bounds() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut b2(&world, arguments));
    world.home.write("hello.txt", b"hello");
    ok(&["account", "authorize"]);
    ok(&["bucket", "create", BUCKET, "allPrivate"]);
    ok(&["file", "upload", BUCKET, "hello.txt", "hello.txt"]);
    let capabilities = "listBuckets,listFiles,readFiles";
    let key = ok(&["key", "create", "--bucket", BUCKET, "reader", capabilities]);
    let (id, secret) = key.trim_end().split_once(' ').unwrap();
    assert!(ok(&["key", "list"]).contains(id));

    ok(&["account", "authorize", id, secret]);
    let hello = format!("b2://{BUCKET}/hello.txt");
    // The key in the environment would take precedence over the one just authorized.
    let restricted = |arguments: &[&str]| {
        let mut command = b2(&world, arguments);
        command.env("B2_APPLICATION_KEY_ID", id);
        command.env("B2_APPLICATION_KEY", secret);
        command
    };
    assert_eq!(run(&mut restricted(&["file", "cat", &hello])), "hello");
    let refusal = run_to_failure(&mut restricted(&["file", "hide", &hello]));
    assert!(refusal.contains("unauthorized"), "{refusal}");

    ok(&["account", "authorize"]);
    ok(&["key", "delete", id]);
    let listed = world.api().list_keys().unwrap();
    assert_eq!(listed.count(), 0);
    run_to_failure(&mut restricted(&["account", "authorize"]));
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_uploads_a_large_file_in_parts_copies_of_it_and_goes_on_where_a_download_broke_off() {
    let world = World::with_small_parts();
    let ok = |arguments: &[&str]| run(&mut b2(&world, arguments));
    let large = noise(450_000);
    world.home.write("large.bin", &large);
    let at = |name: &str| format!("b2://{BUCKET}/{name}");
    ok(&["account", "authorize"]);
    ok(&["bucket", "create", BUCKET, "allPrivate"]);
    ok(&["file", "upload", BUCKET, "large.bin", "large.bin"]);
    let log = world.service.log();
    assert!(log.count(Operation::UploadPart) > 1);
    let copy = ["file", "server-side-copy"];
    ok(&[&copy[..], &[&at("large.bin"), &at("copy.bin")]].concat());
    let range = ["--range", "100,199999"];
    ok(&[&copy[..], &range, &[&at("large.bin"), &at("range.bin")]].concat());
    assert_eq!(log.count(Operation::CopyFile), 2);
    let bucket = world.bucket(BUCKET);
    assert!(fetch(&bucket, "large.bin") == large);
    assert!(fetch(&bucket, "copy.bin") == large);
    assert!(fetch(&bucket, "range.bin") == large[100..200_000]);

    let broken = "b2_download_file_by_name method=GET truncate=200000";
    world.service.faults().inject(broken.parse().unwrap());
    log.clear();
    ok(&["file", "download", &at("large.bin"), "down.bin"]);
    assert!(fs::read(world.home.path("down.bin")).unwrap() == large);
    let ranges = world.ranges();
    assert!(
        ranges.contains(&"bytes=200000-449999".to_owned()),
        "{ranges:?}"
    );
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_locks_files_and_deletes_what_is_locked_only_when_it_bypasses() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut b2(&world, arguments));
    world.home.write("hello.txt", b"hello");
    let hello = format!("b2://{BUCKET}/hello.txt");
    let until = world.in_an_hour();
    let until_text = until.to_string();
    ok(&["account", "authorize"]);
    let create = ["bucket", "create", "--file-lock-enabled"];
    ok(&[&create[..], &[BUCKET, "allPrivate"]].concat());
    let period = ["--default-retention-period", "7 days"];
    let default = ["bucket", "update", "--default-retention-mode", "governance"];
    ok(&[&default[..], &period, &[BUCKET]].concat());
    let upload = ["file", "upload", "--legal-hold", "on"];
    let retention = [
        "--file-retention-mode",
        "governance",
        "--retain-until",
        &until_text,
    ];
    ok(&[&upload[..], &retention, &[BUCKET, "hello.txt", "hello.txt"]].concat());
    let stored = || {
        world
            .bucket(BUCKET)
            .get_file_info_by_name("hello.txt")
            .unwrap()
    };
    assert_eq!(stored().legal_hold, Filtered::Readable(LegalHold::On));
    let retained = FileRetention::governance(Timestamp::from_millis(until));
    assert_eq!(stored().file_retention, Filtered::Readable(retained));

    let remove = ["rm", "--versions", &hello];
    let bypass = ["rm", "--versions", "--bypass-governance", &hello];
    run_to_failure(&mut b2(&world, &bypass));
    ok(&["file", "update", "--legal-hold", "off", &hello]);
    let refusal = run_to_failure(&mut b2(&world, &remove));
    assert!(refusal.contains("Access Denied"), "{refusal}");
    ok(&bypass);
    assert_eq!(ok(&["ls", "--versions", &format!("b2://{BUCKET}")]), "");
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_encrypts_with_a_key_of_its_own_and_reads_with_that_key_only() {
    let world = World::new();
    world.home.write("hello.txt", b"hello");
    let hello = format!("b2://{BUCKET}/hello.txt");
    let with_key = |byte: u8, arguments: &[&str]| {
        let mut command = b2(&world, arguments);
        let key = BASE64_STANDARD.encode([byte; 32]);
        command.env("B2_SOURCE_SSE_C_KEY_B64", &key);
        command.env("B2_DESTINATION_SSE_C_KEY_B64", &key);
        command
    };
    run(&mut b2(&world, &["account", "authorize"]));
    run(&mut b2(&world, &["bucket", "create", BUCKET, "allPrivate"]));
    let upload = [
        "file",
        "upload",
        "--destination-server-side-encryption",
        "SSE-C",
    ];
    let files = [BUCKET, "hello.txt", "hello.txt"];
    run(&mut with_key(1, &[&upload[..], &files].concat()));
    let key = SseCustomerKey::new([1; 32]);
    let options = DownloadOptions::new().encryption_key(&key);
    let bucket = world.bucket(BUCKET);
    let download = bucket.download_file_by_name_with("hello.txt", &options);
    assert_eq!(download.unwrap().read_to_vec().unwrap(), b"hello");

    let cat = [
        "file",
        "cat",
        "--source-server-side-encryption",
        "SSE-C",
        &hello,
    ];
    assert_eq!(run(&mut with_key(1, &cat)), "hello");
    let wrong = run_to_failure(&mut with_key(2, &cat));
    assert!(wrong.contains("Wrong or no SSE-C key"), "{wrong}");
    let missing = run_to_failure(&mut b2(&world, &["file", "cat", &hello]));
    assert!(
        missing.contains("stored using a form of Server Side Encryption"),
        "{missing}"
    );
}
