//! Deleting one name with all its versions, and asking whether a name exists.

use b2sdk::delete::DeleteFileVersionOptions;
use b2sdk::keys::Capability;
use b2sdk::lock::FileRetention;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    BucketType, CreateBucketOptions, Error, FileAction, FileInfo, Operation, UploadOptions,
};

use crate::support::{BUCKET, World};

#[test]
fn all_versions_of_a_name_go_and_no_other_name_is_touched() {
    let world = World::new();
    for name in ["a", "a", "a.txt", "a/b", "A", "a"] {
        world.bucket.upload_bytes(b"1", name).unwrap();
    }
    world.bucket.hide_file("a").unwrap();
    world.bucket.upload_bytes(b"2", "a").unwrap();
    assert_eq!(world.bucket.delete_all_versions("a").unwrap(), 5);
    assert!(world.versions("a").is_empty());
    for other in ["a.txt", "a/b", "A"] {
        assert_eq!(world.versions(other).len(), 1, "{other}");
    }
    assert_eq!(world.bucket.delete_all_versions("a").unwrap(), 0);
    assert_eq!(world.bucket.delete_all_versions("never was").unwrap(), 0);
}

/// Were the newest one to go first, the one before it would be found for a moment.
#[test]
fn the_latest_version_goes_last() {
    let world = World::new();
    for content in [b"1", b"2", b"3"] {
        world.bucket.upload_bytes(content, "x").unwrap();
    }
    let latest = world.versions("x")[0].file_id.clone();
    world.inject(Fault::on(Operation::DeleteFileVersion).after(2).status(
        400,
        "bad_request",
        "not now",
    ));
    let error = world.bucket.delete_all_versions("x").unwrap_err();
    assert!(matches!(error, Error::Service(_)), "{error}");
    let left: Vec<_> = world.versions("x");
    assert_eq!((left.len(), &left[0].file_id), (1, &latest));
    assert_eq!(world.bucket.delete_all_versions("x").unwrap(), 1);
}

#[test]
fn what_is_locked_keeps_the_latest_version_in_its_place() {
    let world = World::new();
    let options = CreateBucketOptions::new().file_lock(true);
    let bucket = world
        .api
        .create_bucket_with("locked-bucket", BucketType::AllPrivate, &options)
        .unwrap();
    let until = std::time::SystemTime::from(
        bucket
            .upload_bytes(b"0", "x")
            .unwrap()
            .version()
            .upload_timestamp,
    ) + std::time::Duration::from_secs(3600);
    let retained = UploadOptions::new().retention(FileRetention::governance(until));
    bucket.upload_bytes_with(b"1", "x", &retained).unwrap();
    bucket.upload_bytes(b"2", "x").unwrap();
    let error = bucket.delete_all_versions("x").unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    let content = bucket.download_file_by_name("x").unwrap().read_to_vec();
    assert_eq!(content.unwrap(), b"2");
    assert_eq!(bucket.list_file_versions("x").unwrap().count(), 2);
    let bypass = DeleteFileVersionOptions::new().bypass_governance(true);
    assert_eq!(bucket.delete_all_versions_with("x", &bypass).unwrap(), 2);
    assert!(!bucket.exists("x").unwrap());
}

#[test]
fn an_unfinished_large_file_of_the_name_goes_too() {
    let world = World::new();
    world.bucket.upload_bytes(b"1", "x").unwrap();
    let (id, info) = (world.bucket.id(), FileInfo::new());
    let request = b2sdk::raw::StartLargeFileRequest::new(&id, "x", "text/plain", &info);
    world
        .api
        .call_raw(Operation::StartLargeFile, |raw| {
            raw.start_large_file(&request)
        })
        .unwrap();
    assert_eq!(world.versions("x")[0].action, FileAction::Start);
    assert_eq!(world.bucket.delete_all_versions("x").unwrap(), 2);
    assert!(world.versions("x").is_empty());
}

#[test]
fn a_name_exists_while_a_version_of_it_is_found() {
    let world = World::new();
    for name in ["photo", "photos/1", "folder/x"] {
        world.bucket.upload_bytes(b"1", name).unwrap();
    }
    world.service.log().clear();
    for (name, exists) in [
        ("photo", true),
        ("phot", false),
        ("photos", false),
        ("photos/", false),
        ("photos/1", true),
        ("folder", false),
        ("zzz", false),
    ] {
        assert_eq!(world.bucket.exists(name).unwrap(), exists, "{name}");
    }
    assert_eq!(
        (world.count(Operation::ListFileNames), world.total()),
        (7, 7)
    );
    world.bucket.hide_file("photo").unwrap();
    assert!(!world.bucket.exists("photo").unwrap());
    world.bucket.unhide_file("photo").unwrap();
    assert!(world.bucket.exists("photo").unwrap());

    let blind = world.restricted(KeyRequest::new([Capability::ReadFiles.as_str()]).bucket(BUCKET));
    let bucket = blind.get_bucket_by_name(BUCKET).unwrap();
    let error = bucket.exists("photo").unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error}");
}
