//! Object lock: retention, legal hold, what they forbid, and who may bypass it.

use b2sdk::delete::DeleteFileVersionOptions;
use b2sdk::error::ErrorCode;
use b2sdk::lock::{
    BucketRetention, FileRetention, LegalHold, RetentionMode, RetentionPeriod,
    UpdateFileRetentionOptions,
};
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    Error, FileVersion, Filtered, Operation, Resume, Timestamp, UpdateBucketOptions, UploadOptions,
};

use crate::support::settings::FAR;
use crate::support::{World, noise};

/// So many days after a time that is far in the future.
fn in_days(days: i64) -> Timestamp {
    Timestamp::from_millis(FAR.as_millis() + days * 24 * 3600 * 1000)
}

/// A world whose bucket has object lock.
fn locking() -> World {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(1000)
        .start()
        .unwrap();
    World::with_object_lock(service)
}

fn upload(world: &World, options: &UploadOptions) -> FileVersion {
    let uploaded = world.bucket.upload_bytes_with(b"x", "x", options);
    uploaded.unwrap().into_version()
}

fn bypass() -> DeleteFileVersionOptions {
    DeleteFileVersionOptions::new().bypass_governance(true)
}

#[test]
fn a_governed_version_is_deleted_only_by_who_bypasses_it() {
    let world = locking();
    let retention = FileRetention::governance(in_days(7));
    let file = upload(&world, &UploadOptions::new().retention(retention.clone()));
    assert_eq!(file.file_retention, Filtered::Readable(retention.clone()));
    let outcome = world.bucket.delete_file_version(&file.file_id, "x");
    assert!(
        matches!(&outcome, Err(Error::Locked { file, .. }) if **file == *"x"),
        "{outcome:?}"
    );
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);
    let described = world.bucket.get_file_info_by_name("x").unwrap();
    assert_eq!(described.file_retention, Filtered::Readable(retention));
    world
        .bucket
        .delete_file_version_with(&file.file_id, "x", &bypass())
        .unwrap();
    assert!(world.versions("x").is_empty());
}

#[test]
fn compliance_and_legal_hold_yield_to_nobody() {
    let world = locking();
    let compliance = FileRetention::compliance(in_days(7));
    let held = UploadOptions::new().legal_hold(LegalHold::On);
    for options in [UploadOptions::new().retention(compliance), held] {
        let file = upload(&world, &options);
        let outcome = world
            .api
            .delete_file_version_with(&file.file_id, "x", &bypass());
        assert!(matches!(outcome, Err(Error::Locked { .. })), "{outcome:?}");
    }
    let held = world.versions("x").remove(0);
    assert_eq!(held.legal_hold, Filtered::Readable(LegalHold::On));
    world
        .bucket
        .update_file_legal_hold(&held.file_id, "x", &LegalHold::Off)
        .unwrap();
    world
        .bucket
        .delete_file_version(&held.file_id, "x")
        .unwrap();
}

#[test]
fn a_retention_is_made_stricter_by_all_and_weaker_by_who_bypasses_it() {
    let world = locking();
    let file = upload(&world, &UploadOptions::new());
    let (id, week) = (&file.file_id, FileRetention::governance(in_days(7)));
    let stored = world.bucket.update_file_retention(id, "x", Some(&week));
    assert_eq!(stored.unwrap(), Some(week));
    let longer = FileRetention::governance(in_days(8));
    world
        .api
        .update_file_retention(id, "x", Some(&longer))
        .unwrap();
    let day = FileRetention::governance(in_days(1));
    let outcome = world.bucket.update_file_retention(id, "x", Some(&day));
    assert!(matches!(outcome, Err(Error::Locked { .. })), "{outcome:?}");
    let outcome = world.bucket.update_file_retention(id, "x", None);
    assert!(matches!(outcome, Err(Error::Locked { .. })), "{outcome:?}");
    let options = UpdateFileRetentionOptions::new().bypass_governance(true);
    let cleared = world
        .bucket
        .update_file_retention_with(id, "x", None, &options);
    assert_eq!(cleared.unwrap(), None);
    world.bucket.delete_file_version(id, "x").unwrap();
}

#[test]
fn a_retention_in_the_past_and_a_bucket_without_lock_are_told_by_their_codes() {
    let world = locking();
    let past = FileRetention::governance(Timestamp::from_millis(1_000_000_000_000));
    let file = upload(&world, &UploadOptions::new());
    let outcome = world
        .bucket
        .update_file_retention(&file.file_id, "x", Some(&past));
    let in_future = ErrorCode::RetainUntilTimestampMustBeInFuture;
    assert_eq!(outcome.unwrap_err().code(), Some(&in_future));
    let options = UploadOptions::new().retention(past);
    let outcome = world.bucket.upload_bytes_with(b"x", "x", &options);
    assert_eq!(outcome.unwrap_err().code(), Some(&in_future));
    let world = World::new();
    let missing = Some(&ErrorCode::BucketMissingFileLock);
    let options = UploadOptions::new().retention(FileRetention::governance(in_days(1)));
    let outcome = world.bucket.upload_bytes_with(b"x", "x", &options);
    assert_eq!(outcome.unwrap_err().code(), missing);
    let file = upload(&world, &UploadOptions::new());
    let outcome = world
        .bucket
        .update_file_legal_hold(&file.file_id, "x", &LegalHold::On);
    assert_eq!(outcome.unwrap_err().code(), missing);
}

#[test]
fn what_the_key_may_not_is_refused_before_anything_is_sent() {
    let world = locking();
    let file = upload(&world, &UploadOptions::new());
    let api = world.restricted(KeyRequest::new([
        "listBuckets",
        "listFiles",
        "writeFiles",
        "readFiles",
        "deleteFiles",
    ]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    let week = FileRetention::governance(in_days(7));
    let id = &file.file_id;
    let retained = UploadOptions::new().retention(week.clone());
    let held = UploadOptions::new().legal_hold(LegalHold::On);
    for (needed, error) in [
        (
            "writeFileRetentions",
            bucket.upload_bytes_with(b"x", "x", &retained).unwrap_err(),
        ),
        (
            "writeFileLegalHolds",
            bucket.upload_bytes_with(b"x", "x", &held).unwrap_err(),
        ),
        (
            "writeFileRetentions",
            bucket
                .update_file_retention(id, "x", Some(&week))
                .unwrap_err(),
        ),
        (
            "writeFileLegalHolds",
            bucket
                .update_file_legal_hold(id, "x", &LegalHold::On)
                .unwrap_err(),
        ),
        (
            "bypassGovernance",
            bucket
                .delete_file_version_with(id, "x", &bypass())
                .unwrap_err(),
        ),
    ] {
        assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
        let needs = format!("needs {needed}");
        assert!(error.to_string().contains(&needs), "{error}");
    }
    assert_eq!(world.total(), 0);
    let listed = bucket.get_file_info_by_name("x").unwrap();
    assert!(listed.file_retention.is_hidden() && listed.legal_hold.is_hidden());
}

#[test]
fn a_bucket_gains_lock_and_default_retention_in_one_update() {
    let world = World::new();
    let week = BucketRetention::governance(RetentionPeriod::days(7));
    let unlocked = UpdateBucketOptions::new().default_retention(week.clone());
    let outcome = world.bucket.update(&unlocked);
    let missing = ErrorCode::BucketMissingFileLock;
    assert_eq!(outcome.unwrap_err().code(), Some(&missing));
    let details = world
        .bucket
        .update(&unlocked.enable_file_lock(true))
        .unwrap();
    let lock = details.file_lock_configuration.readable().unwrap();
    assert!(lock.is_file_lock_enabled);
    assert_eq!(lock.default_retention, Some(week));
    let file = upload(&world, &UploadOptions::new());
    let retention = file.file_retention.readable().unwrap();
    assert_eq!(retention.mode, RetentionMode::Governance);
    let cleared = UpdateBucketOptions::new().default_retention(None);
    let details = world.bucket.update(&cleared).unwrap();
    let lock = details.file_lock_configuration.readable().unwrap();
    assert_eq!(lock.default_retention, None);
    let none = BucketRetention::governance(RetentionPeriod::days(0));
    let outcome = world
        .bucket
        .update(&UpdateBucketOptions::new().default_retention(none));
    assert!(
        matches!(outcome, Err(Error::InvalidInput { .. })),
        "{outcome:?}"
    );
}

#[test]
fn an_upload_is_resumed_under_the_same_lock_only() {
    let options = || {
        UploadOptions::new()
            .part_size(1000)
            .resume(Resume::Matching)
    };
    let week = || options().retention(FileRetention::governance(in_days(7)));
    let until = in_days(9);
    let exact = || options().retention(FileRetention::governance(until));
    let held = || options().legal_hold(LegalHold::On);
    let data = noise(4500);
    for (first, second, resumed) in [
        (exact(), exact(), 5),
        (exact(), week(), 0),
        (week(), held(), 0),
        (held(), held(), 5),
        (held(), options(), 0),
        (options(), held(), 0),
    ] {
        let world = locking();
        world.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", "not today"));
        assert!(world.bucket.upload_bytes_with(&data, "x", &first).is_err());
        let uploaded = world.bucket.upload_bytes_with(&data, "x", &second).unwrap();
        assert_eq!(uploaded.resumed_parts(), resumed, "{first:?} {second:?}");
    }
}

#[test]
fn a_lost_answer_to_a_locked_upload_leaves_one_version_however_much_the_key_may_see() {
    let world = locking();
    let blind = world.restricted(KeyRequest::new([
        "listBuckets",
        "listFiles",
        "writeFiles",
        "writeFileRetentions",
        "writeFileLegalHolds",
    ]));
    let blind = blind.get_bucket_by_name(world.bucket.name()).unwrap();
    let retained = UploadOptions::new().retention(FileRetention::governance(in_days(7)));
    let held = UploadOptions::new().legal_hold(LegalHold::On);
    for (name, options) in [("retained", retained), ("held", held)] {
        // Before it, somebody else has stored the same bytes without a lock.
        world.bucket.upload_bytes(b"x", name).unwrap();
        let lost = || {
            Fault::on(Operation::UploadFile)
                .after_effect()
                .drop_connection()
        };
        world.inject(lost());
        let uploaded = world.bucket.upload_bytes_with(b"x", name, &options);
        let uploaded = uploaded.unwrap().into_version();
        let versions = world.versions(name);
        assert_eq!(versions.len(), 2, "{name}");
        assert_eq!(versions[0].file_id, uploaded.file_id, "{name}");
        // An answer that is lost before there is anything, and only that one is there.
        let name = &format!("{name} again");
        world.bucket.upload_bytes(b"x", name).unwrap();
        world.inject(Fault::on(Operation::UploadFile).drop_connection());
        world
            .bucket
            .upload_bytes_with(b"x", name, &options)
            .unwrap();
        assert_eq!(world.versions(name).len(), 2, "{name}");
        // Who may not see whether it is locked cannot tell whether it is there.
        world.inject(lost());
        let outcome = blind.upload_bytes_with(b"y", name, &options);
        assert!(matches!(outcome, Err(Error::Connection(_))), "{outcome:?}");
        assert_eq!(world.versions(name).len(), 3, "{name}");
        // What is certainly not there is sent again.
        world.inject(Fault::on(Operation::UploadFile).drop_connection());
        blind.upload_bytes_with(b"z", name, &options).unwrap();
        assert_eq!(world.versions(name).len(), 4, "{name}");
    }
}

#[test]
fn the_default_retention_of_a_bucket_does_not_hinder_resuming() {
    let world = locking();
    let week = BucketRetention::governance(RetentionPeriod::days(7));
    let update = UpdateBucketOptions::new().default_retention(week);
    world.bucket.update(&update).unwrap();
    let options = UploadOptions::new()
        .part_size(1000)
        .resume(Resume::Matching);
    let data = noise(4500);
    world.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", "not today"));
    assert!(
        world
            .bucket
            .upload_bytes_with(&data, "x", &options)
            .is_err()
    );
    let uploaded = world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    assert_eq!(uploaded.resumed_parts(), 5);
    assert!(uploaded.version().file_retention.readable().is_some());
}

#[test]
fn an_upload_gets_the_time_that_was_asked_for_where_the_account_may() {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(1000)
        .custom_timestamps(true)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder);
    let time = Timestamp::from_millis(1_000_000_000_123);
    let options = UploadOptions::new().upload_timestamp(time);
    world.inject(
        Fault::on(Operation::UploadFile)
            .drop_connection()
            .after_effect(),
    );
    let small = world
        .bucket
        .upload_bytes_with(b"x", "small", &options)
        .unwrap();
    assert_eq!(small.version().upload_timestamp, time);
    assert_eq!(world.count(Operation::UploadFile), 1, "it was found");
    let options = options.part_size(1000);
    let large = world
        .bucket
        .upload_bytes_with(&noise(2500), "large", &options)
        .unwrap();
    assert_eq!(large.version().upload_timestamp, time);
    let world = World::new();
    let options = UploadOptions::new().upload_timestamp(time);
    let outcome = world.bucket.upload_bytes_with(b"x", "x", &options);
    let code = ErrorCode::CustomTimestampNotAllowed;
    assert_eq!(outcome.unwrap_err().code(), Some(&code));
}
