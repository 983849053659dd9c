//! Caps: the service's refusals on the way to them, and what our errors make of those.

use std::time::Duration;

use b2sdk::simulator::Caps;
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation};

use crate::support::{World, noise};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The code of a cap that is exceeded.
#[track_caller]
fn exceeded<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::CapExceeded(refusal)) => refusal.code.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("nothing is exceeded"),
    }
}

#[test]
fn what_is_stored_is_counted_whatever_stores_it() {
    let world = World::of_small_parts(100, 1000);
    let stored = || world.service.usage().storage;
    world.bucket.upload_bytes(&noise(500), "a").unwrap();
    assert_eq!(stored(), 500);
    let version = world.bucket.upload_bytes(&noise(700), "a").unwrap();
    world.bucket.upload_bytes(&noise(2500), "large").unwrap();
    assert_eq!(stored(), 3700);
    world
        .bucket
        .copy(&version.version().file_id, "copy")
        .unwrap();
    assert_eq!(stored(), 4400);
    world
        .api
        .delete_file_version(&version.version().file_id, "a")
        .unwrap();
    world.bucket.hide_file("large").unwrap();
    assert_eq!(stored(), 3700);
}

#[test]
fn a_full_account_stores_nothing_more_and_still_gives_and_deletes() {
    let world = World::of_small_parts(100, 1000);
    let version = world.bucket.upload_bytes(&noise(600), "a").unwrap();
    world.service.set_caps(Caps::new().storage(1000));
    // It would be too much: refused when its length is known.
    let error = world.bucket.upload_bytes(&noise(500), "b");
    assert_eq!(exceeded(error), "storage_cap_exceeded");
    world.bucket.upload_bytes(&noise(400), "b").unwrap();
    // It is full: refused before an upload URL is given.
    world.service.log().clear();
    let error = world.bucket.upload_bytes(b"", "c");
    assert_eq!(exceeded(error), "storage_cap_exceeded");
    let error = world.bucket.upload_bytes(&noise(5000), "c");
    assert_eq!(exceeded(error), "storage_cap_exceeded");
    let error = world.bucket.copy(&version.version().file_id, "c");
    assert_eq!(exceeded(error), "storage_cap_exceeded");
    assert_eq!(world.service.usage().storage, 1000);

    assert_eq!(world.content("a"), noise(600));
    world
        .api
        .delete_file_version(&version.version().file_id, "a")
        .unwrap();
    world.bucket.upload_bytes(&noise(600), "c").unwrap();
}

#[test]
fn downloads_end_at_their_cap_until_midnight() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(600), "a").unwrap();
    world.service.set_caps(Caps::new().download(1000));
    assert_eq!(world.content("a").len(), 600);
    assert_eq!(world.service.usage().download, 600);
    let error = world.bucket.download_file_by_name("a");
    assert_eq!(exceeded(error), "download_cap_exceeded");
    assert_eq!(world.service.usage().download, 600);
    // No byte of it is too much.
    world.bucket.get_file_info_by_name("a").unwrap();

    world.service.advance_clock(DAY);
    assert_eq!(world.service.usage().download, 0);
    assert_eq!(world.content("a").len(), 600);
}

#[test]
fn calls_of_each_class_end_at_their_cap() {
    let world = World::new();
    let version = world.bucket.upload_bytes(&noise(600), "a").unwrap();
    let used = world.service.usage();
    let caps = Caps::new().class_b(used.class_b + 2);
    world.service.set_caps(caps.class_c(used.class_c + 1));
    world.service.log().clear();

    world.api.list_buckets().unwrap();
    let error = world.api.list_buckets();
    assert_eq!(exceeded(error), "transaction_cap_exceeded");

    world.content("a");
    world.api.get_file_info(&version.version().file_id).unwrap();
    let error = world.api.get_file_info(&version.version().file_id);
    assert_eq!(exceeded(error), "transaction_cap_exceeded");
    let error = world.bucket.download_file_by_name("a");
    assert_eq!(exceeded(error), "download_cap_exceeded");
    assert_eq!(world.count(Operation::DownloadFileByName), 2, "no retries");

    // Calls of class A have no cap.
    world.bucket.upload_bytes(&noise(6), "b").unwrap();
    world.service.advance_clock(DAY);
    world.content("b");
}

#[test]
fn an_account_beyond_its_cap_cannot_even_authorize() {
    let world = World::new();
    let used = world.service.usage();
    world.service.set_caps(Caps::new().class_c(used.class_c));
    let key = (
        world.service.application_key_id(),
        world.service.application_key(),
    );
    let api = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    let error = api.authorize_account(world.service.url(), key.0, key.1);
    assert_eq!(exceeded(error), "transaction_cap_exceeded");
}
