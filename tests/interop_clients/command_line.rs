//! Backblaze's command line tool, `b2`.

use std::fs;
use std::process::Command;

use b2sdk::Operation;

use crate::support::{World, in_venv, lines, noise, run, run_to_failure};

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
    assert_eq!(log.count(Operation::AuthorizeAccount), 1);
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
}
