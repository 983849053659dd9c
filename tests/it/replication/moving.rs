//! Replication that really moves files: set up by us, done by the simulator, watched by the monitor.

use b2sdk::replication::{Monitor, ReplicationStatus, SetupOptions, set_up, set_up_with};
use b2sdk::{Bucket, BucketType, Error, FileVersion};

use super::{bucket, put};
use crate::support::World;

/// The only version of that name.
fn only(bucket: &Bucket, name: &str) -> FileVersion {
    let mut versions = bucket.list_file_versions(name).unwrap();
    let version = versions.next().unwrap().unwrap();
    assert!(versions.next().is_none());
    version
}

fn status(bucket: &Bucket, name: &str) -> Option<ReplicationStatus> {
    only(bucket, name).replication_status
}

#[test]
fn a_new_file_waits_is_replicated_and_the_monitor_says_so() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    put(&world.bucket, "before", b"1");
    let done = set_up(&world.bucket, &west).unwrap();
    put(&world.bucket, "after", b"22");
    let monitor = Monitor::new(&world.bucket, &done.rule).destination(&west);
    let report = monitor.scan().unwrap();
    assert_eq!(report.with_status(Some(&ReplicationStatus::Pending)), 1);
    assert!(!report.is_complete());

    world.service.run_replication().unwrap();

    assert_eq!(status(&world.bucket, "before"), None);
    assert_eq!(
        status(&world.bucket, "after"),
        Some(ReplicationStatus::Completed)
    );
    let (source, replica) = (only(&world.bucket, "after"), only(&west, "after"));
    assert_eq!(replica.replication_status, Some(ReplicationStatus::Replica));
    assert_eq!(replica.upload_timestamp, source.upload_timestamp);
    let download = west.download_file_by_name("after").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), b"22");
    assert!(west.list_file_versions("before").unwrap().next().is_none());
    let report = monitor.scan().unwrap();
    assert_eq!(report.with_status(Some(&ReplicationStatus::Completed)), 1);
    assert_eq!(report.differing(), 0);
    // The one from before the rule.
    assert_eq!(report.missing_on_destination(), 1);
}

#[test]
fn existing_files_follow_a_rule_that_includes_them_and_never_twice() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    put(&world.bucket, "photos/old", b"1");
    put(&world.bucket, "texts/old", b"2");
    let options = SetupOptions::new()
        .file_name_prefix("photos/")
        .include_existing_files(true);
    let done = set_up_with(&world.bucket, &west, &options).unwrap();
    world.service.run_replication().unwrap();
    world.service.run_replication().unwrap();
    assert_eq!(only(&west, "photos/old").content_length, 1);
    assert!(
        west.list_file_versions("texts/old")
            .unwrap()
            .next()
            .is_none()
    );
    let monitor = Monitor::new(&world.bucket, &done.rule).destination(&west);
    assert!(monitor.scan().unwrap().is_complete());
}

#[test]
fn between_two_accounts_each_side_is_set_up_by_its_own() {
    let (ours, theirs) = (World::new(), World::new());
    ours.service.join(&theirs.service);
    let east = bucket(&ours.api, "bucket-in-the-east");
    let west = bucket(&theirs.api, "bucket-in-the-west");
    let done = set_up(&east, &west).unwrap();
    assert!(ours.api.get_key(&done.source_key).unwrap().is_some());
    assert!(theirs.api.get_key(&done.destination_key).unwrap().is_some());
    put(&east, "report", b"content");
    ours.service.run_replication().unwrap();
    let download = west.download_file_by_name("report").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), b"content");
    let monitor = Monitor::new(&east, &done.rule).destination(&west);
    assert!(monitor.scan().unwrap().is_complete());
}

#[test]
fn a_bucket_name_of_one_joined_account_is_taken_for_the_other() {
    let (ours, theirs) = (World::new(), World::new());
    ours.service.join(&theirs.service);
    bucket(&ours.api, "bucket-in-the-east");
    let again = theirs
        .api
        .create_bucket("bucket-in-the-east", BucketType::AllPrivate);
    let error = again.unwrap_err();
    assert!(matches!(error, Error::BucketNameTaken { .. }), "{error:?}");
}

#[test]
fn what_may_not_be_written_fails_and_follows_once_it_may() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let done = set_up(&world.bucket, &west).unwrap();
    put(&world.bucket, "report", b"content");
    world.api.delete_key(&done.destination_key).unwrap();
    world.service.run_replication().unwrap();
    assert_eq!(
        status(&world.bucket, "report"),
        Some(ReplicationStatus::Failed)
    );
    let monitor = Monitor::new(&world.bucket, &done.rule).destination(&west);
    let report = monitor.scan().unwrap();
    assert_eq!(report.with_status(Some(&ReplicationStatus::Failed)), 1);

    set_up(&world.bucket, &west).unwrap();
    world.service.run_replication().unwrap();
    assert_eq!(
        status(&world.bucket, "report"),
        Some(ReplicationStatus::Completed)
    );
    assert!(monitor.scan().unwrap().is_complete());
}
