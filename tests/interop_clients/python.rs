//! Backblaze's Python library, by both of the interfaces that it has: `b2sdk.v2` and `b2sdk.v3`.

use std::process::Command;

use b2sdk::encryption::SseCustomerKey;
use b2sdk::lock::LegalHold;
use b2sdk::{DownloadOptions, Filtered, Operation};

use crate::support::{World, fetch, in_venv, noise, run, script};

const BUCKET: &str = "python-bucket-1";
const INTERFACES: [&str; 2] = ["v2", "v3"];

/// Our script for the library, about to be told what to do.
pub(crate) fn python_client(world: &World) -> Command {
    let mut command = world.command(in_venv("python"));
    command.arg(script("python_client.py"));
    command
}

/// Has each interface do the same in a world of its own.
fn each_interface(new: impl Fn() -> World, arguments: &[&str], check: impl Fn(&World)) {
    for interface in INTERFACES {
        let world = new();
        world.home.write("photo.jpg", &noise(100_000));
        world.home.write("large.bin", &noise(450_000));
        let mut client = python_client(&world);
        run(client.env("B2SDK_INTERFACE", interface).args(arguments));
        check(&world);
    }
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_does_the_tutorial_with_one_authorization() {
    each_interface(World::new, &["tutorial", "photo.jpg"], |world| {
        let log = world.service.log();
        assert_eq!(log.count(Operation::AuthorizeAccount), 1);
        assert_eq!(log.count(Operation::DeleteBucket), 1);
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_recognizes_the_errors_of_the_service() {
    each_interface(World::new, &["errors"], |world| {
        let left = world.api().list_buckets().unwrap();
        assert_eq!(left.len(), 2, "that of the restricted key and another");
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_uploads_and_copies_a_large_file_in_parts_and_downloads_it_in_ranges() {
    each_interface(World::with_small_parts, &["large", "large.bin"], |world| {
        let log = world.service.log();
        assert!(log.count(Operation::UploadPart) > 1);
        assert!(log.count(Operation::CopyPart) > 1);
        assert!(world.ranges().contains(&"bytes=100-199".to_owned()));
        let bucket = world.bucket(BUCKET);
        assert!(fetch(&bucket, "large.bin") == noise(450_000));
        let copy = bucket.download_file_by_name("copy.bin").unwrap();
        assert!(copy.read_to_vec().unwrap() == noise(450_000));
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_makes_a_restricted_key_that_works_within_its_bounds() {
    each_interface(World::new, &["keys"], |world| {
        let keys = world.api().list_keys().unwrap();
        assert_eq!(keys.count(), 0, "the key was deleted");
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_locks_files_and_deletes_what_is_locked_only_when_it_bypasses() {
    each_interface(World::new, &["locks"], |world| {
        let bucket = world.bucket(BUCKET);
        assert_eq!(fetch(&bucket, "held.txt"), b"held");
        let held = bucket.get_file_info_by_name("held.txt").unwrap();
        assert_eq!(held.legal_hold, Filtered::Readable(LegalHold::On));
        assert!(bucket.get_file_info_by_name("governed.txt").is_err());
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_encrypts_with_a_key_of_its_own_and_reads_with_that_key_only() {
    each_interface(World::new, &["encryption"], |world| {
        let key = SseCustomerKey::new([1; 32]);
        let options = DownloadOptions::new().encryption_key(&key);
        let bucket = world.bucket(BUCKET);
        let download = bucket.download_file_by_name_with("secret.txt", &options);
        assert_eq!(download.unwrap().read_to_vec().unwrap(), b"secret");
    });
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_synchronizes_a_folder_up_and_down_again() {
    let new = || {
        let world = World::new();
        world.home.write("up/a.txt", b"a");
        world.home.write("up/deep/b c.bin", &noise(5000));
        world
    };
    each_interface(new, &["sync", "up", "down"], |world| {
        let log = world.service.log();
        assert_eq!(
            log.count(Operation::UploadFile),
            2,
            "the second time nothing"
        );
        let bucket = world.bucket(BUCKET);
        assert!(fetch(&bucket, "backup/deep/b c.bin") == noise(5000));
        let down = std::fs::read(world.home.path("down/a.txt"));
        assert_eq!(down.unwrap(), b"a");
    });
}
