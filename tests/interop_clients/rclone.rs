//! Debian's rclone, which speaks version 1 of the API.

use std::fs;
use std::process::Command;

use b2sdk::Operation;
use b2sdk::keys::{Capability, CreateKeyOptions};

use crate::curl::curl;
use crate::support::{World, fetch, lines, noise, run, run_to_failure};

const BUCKET: &str = "rclone-bucket-1";

/// rclone with a remote `sim:` that is the simulator.
pub(crate) fn rclone(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command("rclone");
    command
        .env("RCLONE_CONFIG", world.home.path("rclone.conf"))
        .env("RCLONE_CONFIG_SIM_TYPE", "b2")
        .env("RCLONE_CONFIG_SIM_ENDPOINT", world.service.url())
        .env(
            "RCLONE_CONFIG_SIM_ACCOUNT",
            world.service.application_key_id(),
        )
        .env("RCLONE_CONFIG_SIM_KEY", world.service.application_key())
        .args(arguments);
    command
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_does_the_tutorial() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    let remote = format!("sim:{BUCKET}");
    let at = |name: &str| format!("{remote}/{name}");
    world.home.write("hello.txt", b"hello");
    world.home.write("up/my photo.jpg", &noise(100_000));

    ok(&["mkdir", &remote]);
    assert!(ok(&["lsd", "sim:"]).contains(BUCKET));
    ok(&["copyto", "hello.txt", &at("hello.txt")]);
    ok(&["copy", "up", &at("photos")]);

    assert_eq!(lines(&ok(&["lsf", &remote])), ["hello.txt", "photos/"]);
    let files = ok(&["lsf", "--recursive", "--files-only", &remote]);
    assert_eq!(lines(&files), ["hello.txt", "photos/my photo.jpg"]);
    let sizes = ok(&["lsf", "--format", "s", &at("hello.txt")]);
    assert_eq!(lines(&sizes), ["5"]);
    assert_eq!(ok(&["cat", &at("hello.txt")]), "hello");
    ok(&["copy", &at("photos"), "down"]);
    let copy = fs::read(world.home.path("down/my photo.jpg")).unwrap();
    assert_eq!(copy, noise(100_000));
    ok(&["check", "up", &at("photos")]);

    ok(&["deletefile", &at("hello.txt")]);
    assert_eq!(lines(&ok(&["lsf", &remote])), ["photos/"]);
    let versions = ok(&["lsf", "--b2-versions", &remote]);
    assert!(versions.starts_with("hello-v"), "{versions}");
    ok(&["cleanup", &remote]);
    let versions = ok(&["lsf", "--b2-versions", &remote]);
    assert_eq!(lines(&versions), ["photos/"]);

    ok(&["purge", &remote]);
    assert_eq!(ok(&["lsd", "sim:"]), "");
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_uploads_a_large_file_in_parts_copies_it_and_downloads_it() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    let large = noise(12_000_000);
    world.home.write("large.bin", &large);
    let parts = [
        ["--b2-chunk-size", "5M"],
        ["--b2-upload-cutoff", "5M"],
        ["--b2-copy-cutoff", "5M"],
    ]
    .concat();
    let remote = |name: &str| format!("sim:{BUCKET}/{name}");

    ok(&["mkdir", &remote("")]);
    ok(&[&parts[..], &["copyto", "large.bin", &remote("large.bin")]].concat());
    let copy = ["copyto", &remote("large.bin"), &remote("copy.bin")];
    ok(&[&parts[..], &copy].concat());
    ok(&["copyto", &remote("copy.bin"), "down.bin"]);
    assert!(fs::read(world.home.path("down.bin")).unwrap() == large);
    let log = world.service.log();
    assert_eq!(log.count(Operation::UploadPart), 3);
    assert_eq!(log.count(Operation::FinishLargeFile), 2);
    assert_eq!(log.count(Operation::CopyPart), 3);
    let bucket = world.bucket(BUCKET);
    assert!(fetch(&bucket, "large.bin") == large);
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_reads_a_piece_of_a_file() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    let remote = format!("sim:{BUCKET}/digits");
    world.home.write("digits", b"0123456789");
    ok(&["copyto", "digits", &remote]);
    assert_eq!(
        ok(&["cat", "--offset", "2", "--count", "3", &remote]),
        "234"
    );
    assert_eq!(world.ranges(), ["bytes=2-4"]);
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_works_with_a_restricted_key_within_its_bounds() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    world.home.write("up/mine/a.txt", b"mine");
    world.home.write("up/other.txt", b"other");
    ok(&["copy", "up", &format!("sim:{BUCKET}")]);
    let wanted = CreateKeyOptions::new()
        .buckets([world.bucket(BUCKET).id().clone()])
        .name_prefix("mine/");
    let may = [
        Capability::ListBuckets,
        Capability::ListFiles,
        Capability::ReadFiles,
    ];
    let api = world.api();
    let key = api.create_key_with("reader", may, &wanted).unwrap();
    let restricted = |arguments: &[&str]| {
        let mut command = rclone(&world, arguments);
        command.env(
            "RCLONE_CONFIG_SIM_ACCOUNT",
            key.details.application_key_id.as_str(),
        );
        command.env("RCLONE_CONFIG_SIM_KEY", key.application_key.expose());
        command
    };
    // Version 1 shows such a key only what it may see, where later ones refuse.
    let all = run(&mut restricted(&[
        "lsf",
        "--recursive",
        "--files-only",
        &format!("sim:{BUCKET}"),
    ]));
    assert_eq!(lines(&all), ["mine/a.txt"]);
    let mine = format!("sim:{BUCKET}/mine/a.txt");
    assert_eq!(run(&mut restricted(&["cat", &mine])), "mine");
    let other = format!("sim:{BUCKET}/other.txt");
    assert_eq!(
        run(&mut restricted(&["cat", &other])),
        "",
        "as if there were none"
    );
    run_to_failure(&mut restricted(&["deletefile", &mine]));
}

#[test]
#[ignore = "needs rclone and curl: tests/scripts/install-clients.sh"]
fn rclone_shares_a_link_that_curl_follows() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    let remote = format!("sim:{BUCKET}/shared/hello.txt");
    world.home.write("hello.txt", b"hello");
    ok(&["copyto", "hello.txt", &remote]);
    let link = ok(&["link", "--expire", "10m", &remote]);
    assert_eq!(run(&mut curl(&world, &[link.trim_end()])), "hello");
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_transfers_only_what_has_changed() {
    let world = World::new();
    let ok = |arguments: &[&str]| run(&mut rclone(&world, arguments));
    let remote = format!("sim:{BUCKET}/backup");
    world.home.write("up/a.txt", b"a");
    world.home.write("up/b.txt", b"b");
    ok(&["sync", "up", &remote]);
    let log = world.service.log();
    log.clear();
    world.home.write("up/b.txt", b"changed");
    ok(&["sync", "up", &remote]);
    assert_eq!(log.count(Operation::UploadFile), 1);
    assert_eq!(ok(&["cat", &format!("{remote}/b.txt")]), "changed");
    assert_eq!(fetch(&world.bucket(BUCKET), "backup/b.txt"), b"changed");
}
