//! Buckets and their rules.

use b2sdk::notifications::{EventNotificationRule, EventTarget, EventType};
use b2sdk::raw::{CreateBucketRequest, ListBucketsRequest, UpdateBucketRequest};
use b2sdk::{Bucket, BucketType, Operation};

use super::super::raw_calls::RawCalls;
use super::super::{LOCKABLE, Lost, Row};
use super::{bucket, deleted};
use crate::support::BUCKET;

fn rules() -> [EventNotificationRule; 1] {
    let target = EventTarget::webhook("https://example.com/b2");
    [EventNotificationRule::new(
        "new-files",
        [EventType::ObjectCreatedAny],
        target,
    )]
}

fn raw_rules(calls: &RawCalls<'_>) {
    let id = calls.scene.bucket.id();
    let set = calls.call(Operation::SetBucketNotificationRules, |raw| {
        raw.set_bucket_notification_rules(&id, &rules())
    });
    let read = calls.call(Operation::GetBucketNotificationRules, |raw| {
        raw.get_bucket_notification_rules(&id)
    });
    assert_eq!(read.event_notification_rules, set.event_notification_rules);
    assert_eq!(read.event_notification_rules[0].name, "new-files");
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::CreateBucket,
        needs: &["writeBuckets"],
        call: |scene, api| {
            let name = scene.bucket_name();
            let bucket = api.create_bucket(&name, BucketType::AllPrivate)?;
            assert_eq!(bucket.name(), name);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let name = scene.bucket.name();
                api.create_bucket(name, BucketType::AllPrivate).map(|_| ())
            },
            "BucketNameTaken",
        )),
        lost: Lost::Told,
        raw: |calls| {
            let kind = BucketType::AllPrivate;
            let name = calls.scene.bucket_name();
            let made = calls.call(Operation::CreateBucket, |raw| {
                let request = CreateBucketRequest::new(raw.account_id(), &name, &kind);
                raw.create_bucket(&request.file_lock_enabled(true))
            });
            let lock = made.file_lock_configuration.readable().unwrap();
            assert!(made.bucket_name == name && lock.is_file_lock_enabled);
        },
    },
    Row {
        operation: Operation::DeleteBucket,
        needs: &["deleteBuckets"],
        call: |scene, api| api.delete_bucket(&api.get_bucket_by_id(scene.empty.id())?),
        absent: Some((
            |scene, api| api.delete_bucket(&deleted(scene, api)),
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let empty = &calls.scene.empty;
            let gone = calls.call(Operation::DeleteBucket, |raw| {
                raw.delete_bucket(&empty.id())
            });
            assert_eq!(gone.bucket_name, empty.name());
        },
    },
    Row {
        operation: Operation::ListBuckets,
        needs: &["listBuckets"],
        call: |scene, api| {
            let buckets = api.list_buckets()?;
            let names: Vec<_> = buckets.iter().map(Bucket::name).collect();
            assert!(names.contains(&scene.bucket.name()), "{names:?}");
            Ok(())
        },
        absent: Some((
            |_, api| api.get_bucket_by_name("no-such-bucket").map(|_| ()),
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let listed = calls.call(Operation::ListBuckets, |raw| {
                let types = [BucketType::AllPrivate.as_str()];
                raw.list_buckets(&ListBucketsRequest::new(raw.account_id()).bucket_types(&types))
            });
            let names = listed.buckets.iter().map(|details| &*details.bucket_name);
            let names: Vec<_> = names.collect();
            assert_eq!(names, [calls.scene.empty.name(), LOCKABLE, BUCKET]);
        },
    },
    Row {
        operation: Operation::UpdateBucket,
        needs: &["writeBuckets"],
        call: |scene, api| {
            let details = bucket(scene, api)?.set_type(BucketType::AllPublic)?;
            assert_eq!(details.bucket_type, BucketType::AllPublic);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                deleted(scene, api)
                    .set_type(BucketType::AllPublic)
                    .map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Told,
        raw: |calls| {
            let bucket = calls.scene.bucket.details().unwrap();
            let info = [("colour".to_owned(), "blue".to_owned())].into();
            let updated = calls.call(Operation::UpdateBucket, |raw| {
                let request = UpdateBucketRequest::new(raw.account_id(), &bucket.bucket_id);
                raw.update_bucket(&request.bucket_info(&info).if_revision_is(bucket.revision))
            });
            assert_eq!(
                (updated.bucket_info, updated.revision),
                (info, bucket.revision + 1)
            );
        },
    },
    Row {
        operation: Operation::GetBucketNotificationRules,
        needs: &["readBucketNotifications"],
        call: |scene, api| {
            assert_eq!(bucket(scene, api)?.get_notification_rules()?, []);
            Ok(())
        },
        absent: Some((
            |scene, api| deleted(scene, api).get_notification_rules().map(|_| ()),
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: raw_rules,
    },
    Row {
        operation: Operation::SetBucketNotificationRules,
        needs: &["writeBucketNotifications"],
        call: |scene, api| {
            let stored = bucket(scene, api)?.set_notification_rules(&rules())?;
            assert_eq!(stored.len(), 1);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let rules = deleted(scene, api).set_notification_rules(&rules());
                rules.map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: raw_rules,
    },
];
