//! How each operation is called, and what becomes of it when its answer is lost (the table of failures
//! in `docs/architecture.md`).

use std::time::{Duration, UNIX_EPOCH};

use b2sdk::{
    B2Api, Bucket, BucketType, Capability, CopyOptions, CreateBucketOptions, Error,
    EventNotificationRule, EventTarget, EventType, FileRetention, InMemoryAccountInfo, LegalHold,
    Operation, UpdateBucketOptions, UploadOptions,
};

use super::{FILE, Lost, RETAINED, Row, Scene};
use crate::support::{World, noise};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day from now on, of the service's own clock.
pub(super) fn retention(world: &World) -> FileRetention {
    let now = world.service.now().duration_since(UNIX_EPOCH).unwrap();
    let day = UNIX_EPOCH + Duration::from_secs(now.as_secs()) + DAY;
    FileRetention::governance(day)
}

/// The bucket, as this key sees it.
pub(super) fn bucket(scene: &Scene, api: &B2Api) -> Result<Bucket, Error> {
    api.get_bucket_by_id(scene.bucket.id())
}

/// A bucket that was opened and then deleted.
fn deleted(scene: &Scene, api: &B2Api) -> Bucket {
    let bucket = api.get_bucket_by_id(scene.empty.id()).unwrap();
    scene.world.api.delete_bucket(&scene.empty).unwrap();
    bucket
}

/// Deletes the file, the id of which is still known.
fn without_file(scene: &Scene) {
    let api = &scene.world.api;
    api.delete_file_version(&scene.file, FILE).unwrap();
}

fn upload(bucket: &Bucket, name: &str, length: usize) -> Result<(), Error> {
    let uploaded = bucket.upload_bytes(&noise(length), name)?;
    let version = uploaded.into_version();
    assert_eq!(
        (version.content_length, &*version.file_name),
        (length as u64, name)
    );
    Ok(())
}

fn large(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&bucket(scene, api)?, &scene.name(), 2500)
}

fn no_bucket_for_large(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&deleted(scene, api), "x", 2500)
}

fn no_bucket_for_small(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&deleted(scene, api), "x", 9)
}

fn copy(scene: &Scene, api: &B2Api, options: &CopyOptions) -> Result<(), Error> {
    let bucket = bucket(scene, api)?;
    let copy = bucket.copy_with(&scene.file, &scene.name(), options)?;
    assert_eq!((copy.content_length, copy.file_name), (2500, scene.name()));
    Ok(())
}

fn rules() -> [EventNotificationRule; 1] {
    let target = EventTarget::webhook("https://example.com/b2");
    [EventNotificationRule::new(
        "new-files",
        [EventType::ObjectCreatedAny],
        target,
    )]
}

fn content(download: b2sdk::Download) -> Result<(), Error> {
    assert_eq!(download.read_to_vec()?, noise(2500));
    Ok(())
}

/// A large file that was cancelled, the id of which is still known.
fn without_unfinished(scene: &Scene) {
    scene
        .world
        .api
        .cancel_large_file(&scene.unfinished)
        .unwrap();
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::AuthorizeAccount,
        call: |scene, _| {
            let service = &scene.world.service;
            let builder = B2Api::builder(InMemoryAccountInfo::new()).clock(&scene.world.clock);
            let api = builder.build().unwrap();
            let key = (service.application_key_id(), service.application_key());
            api.authorize_account(service.url(), key.0, key.1)?;
            assert_eq!(api.account_id()?.as_str(), service.account_id());
            Ok(())
        },
        absent: Some((
            |scene, _| {
                let api = B2Api::new(InMemoryAccountInfo::new());
                api.authorize_account(scene.world.service.url(), "000000000000", "nonsense")
            },
            "InvalidCredentials",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::CreateBucket,
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
    },
    Row {
        operation: Operation::DeleteBucket,
        call: |scene, api| api.delete_bucket(&api.get_bucket_by_id(scene.empty.id())?),
        absent: Some((
            |scene, api| api.delete_bucket(&deleted(scene, api)),
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::ListBuckets,
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
    },
    Row {
        operation: Operation::UpdateBucket,
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
    },
    Row {
        operation: Operation::GetUploadUrl,
        call: |scene, api| upload(&bucket(scene, api)?, &scene.name(), 9),
        absent: Some((no_bucket_for_small, "BucketNotFound")),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::UploadFile,
        call: |scene, api| upload(&bucket(scene, api)?, &scene.name(), 9),
        absent: Some((no_bucket_for_small, "BucketNotFound")),
        lost: Lost::Found,
    },
    Row {
        operation: Operation::ListFileNames,
        call: |scene, api| {
            let entry = bucket(scene, api)?.ls("mine")?.next().unwrap()?;
            assert_eq!(entry.version.file_name, FILE);
            Ok(())
        },
        absent: Some((
            |scene, api| deleted(scene, api).ls("")?.next().unwrap().map(|_| ()),
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::ListFileVersions,
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            let version = bucket.list_file_versions(FILE)?.next().unwrap()?;
            assert_eq!(version.file_id, scene.file);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let mut versions = deleted(scene, api).list_file_versions("x")?;
                versions.next().unwrap().map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::GetFileInfo,
        call: |scene, api| {
            let version = api.get_file_info(&scene.file)?;
            assert_eq!(version.file_name, FILE);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.get_file_info(&scene.file).map(|_| ())
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::HideFile,
        call: |scene, api| {
            let marker = bucket(scene, api)?.hide_file(FILE)?;
            assert_eq!(marker.action, b2sdk::FileAction::Hide);
            Ok(())
        },
        absent: Some((
            |scene, api| bucket(scene, api)?.hide_file("no/such").map(|_| ()),
            "FileNotFound",
        )),
        lost: Lost::Found,
    },
    Row {
        operation: Operation::DeleteFileVersion,
        call: |scene, api| api.delete_file_version(&scene.file, FILE),
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.delete_file_version(&scene.file, FILE)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::CopyFile,
        call: |scene, api| copy(scene, api, &CopyOptions::new()),
        absent: Some((
            |scene, api| {
                without_file(scene);
                copy(scene, api, &CopyOptions::new())
            },
            "FileNotFound",
        )),
        lost: Lost::Found,
    },
    Row {
        operation: Operation::StartLargeFile,
        call: large,
        absent: Some((no_bucket_for_large, "BucketNotFound")),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::GetUploadPartUrl,
        call: large,
        absent: None,
        lost: Lost::Again,
    },
    Row {
        operation: Operation::UploadPart,
        call: large,
        absent: None,
        lost: Lost::Again,
    },
    Row {
        operation: Operation::CopyPart,
        call: |scene, api| copy(scene, api, &CopyOptions::new().part_size(1000)),
        absent: Some((
            |scene, api| {
                without_file(scene);
                copy(scene, api, &CopyOptions::new().part_size(1000))
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::FinishLargeFile,
        call: large,
        absent: None,
        lost: Lost::Found,
    },
    Row {
        operation: Operation::CancelLargeFile,
        call: |scene, api| api.cancel_large_file(&scene.unfinished),
        absent: Some((
            |scene, api| {
                without_unfinished(scene);
                api.cancel_large_file(&scene.unfinished)
            },
            "Service",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::ListUnfinishedLargeFiles,
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            let mut files = bucket.list_unfinished_large_files("mine/")?;
            assert_eq!(files.next().unwrap()?.file_id, scene.unfinished);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let mut files = deleted(scene, api).list_unfinished_large_files("")?;
                files.next().unwrap().map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::ListParts,
        call: |scene, api| {
            let parts = api.list_parts(&scene.unfinished)?;
            let parts: Result<Vec<_>, _> = parts.collect();
            let numbers = parts?.into_iter().map(|part| part.part_number);
            assert!(numbers.eq(1..=3));
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_unfinished(scene);
                let mut parts = api.list_parts(&scene.unfinished)?;
                parts.next().unwrap().map(|_| ())
            },
            "Service",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::CreateKey,
        call: |_, api| {
            let key = api.create_key("new", [Capability::ListFiles])?;
            assert_eq!(key.details.key_name, "new");
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let options = b2sdk::CreateKeyOptions::new().buckets([deleted(scene, api).id()]);
                let capabilities = [Capability::ListFiles];
                api.create_key_with("new", capabilities, &options)
                    .map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Told,
    },
    Row {
        operation: Operation::ListKeys,
        call: |scene, api| {
            let mut keys = api.list_keys()?;
            let found = keys.find_map(|key| match key {
                Ok(key) => (key.application_key_id == scene.key).then_some(Ok(())),
                Err(error) => Some(Err(error)),
            });
            found.unwrap()
        },
        absent: None,
        lost: Lost::Again,
    },
    Row {
        operation: Operation::DeleteKey,
        call: |scene, api| {
            assert_eq!(api.delete_key(&scene.key)?.key_name, "old");
            Ok(())
        },
        absent: Some((
            |scene, api| {
                scene.world.api.delete_key(&scene.key).unwrap();
                api.delete_key(&scene.key).map(|_| ())
            },
            "Service",
        )),
        lost: Lost::ToldAgain,
    },
    Row {
        operation: Operation::GetDownloadAuthorization,
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            bucket.get_download_authorization("mine/", DAY).map(|_| ())
        },
        absent: Some((
            |scene, api| {
                let bucket = deleted(scene, api);
                bucket.get_download_authorization("mine/", DAY).map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::DownloadFileById,
        call: |scene, api| content(api.download_file_by_id(&scene.file)?),
        absent: Some((
            |scene, api| {
                without_file(scene);
                content(api.download_file_by_id(&scene.file)?)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::DownloadFileByName,
        call: |scene, api| content(bucket(scene, api)?.download_file_by_name(FILE)?),
        absent: Some((
            |scene, api| content(bucket(scene, api)?.download_file_by_name("no/such")?),
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::UpdateFileRetention,
        call: |scene, api| {
            let wanted = retention(&scene.world);
            let stored = api.update_file_retention(&scene.file, FILE, Some(&wanted))?;
            assert_eq!(stored, Some(wanted));
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_file(scene);
                let wanted = retention(&scene.world);
                let stored = api.update_file_retention(&scene.file, FILE, Some(&wanted));
                stored.map(|_| ())
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::UpdateFileLegalHold,
        call: |scene, api| api.update_file_legal_hold(&scene.file, FILE, &LegalHold::On),
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.update_file_legal_hold(&scene.file, FILE, &LegalHold::On)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::GetBucketNotificationRules,
        call: |scene, api| {
            assert_eq!(bucket(scene, api)?.get_notification_rules()?, []);
            Ok(())
        },
        absent: Some((
            |scene, api| deleted(scene, api).get_notification_rules().map(|_| ()),
            "BucketNotFound",
        )),
        lost: Lost::Again,
    },
    Row {
        operation: Operation::SetBucketNotificationRules,
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
    },
];

/// More that needs capabilities of its own: what it is, the operation that is refused, the call, and
/// all that it needs (docs/protocol.md, the headings of section 2).
pub(super) type Case = (
    &'static str,
    Operation,
    fn(&Scene, &B2Api) -> Result<(), Error>,
    &'static [&'static str],
);

pub(super) const CASES: &[Case] = &[
    (
        "a bucket with everything",
        Operation::CreateBucket,
        |scene, api| {
            let options = CreateBucketOptions::new()
                .default_encryption(b2sdk::Encryption::SseB2)
                .replication_configuration(b2sdk::ReplicationConfiguration::new())
                .file_lock();
            let (name, kind) = (scene.bucket_name(), BucketType::AllPrivate);
            api.create_bucket_with(&name, kind, &options).map(|_| ())
        },
        &[
            "writeBuckets",
            "writeBucketEncryption",
            "writeBucketRetentions",
            "writeBucketReplications",
        ],
    ),
    (
        "the default encryption",
        Operation::UpdateBucket,
        |scene, api| {
            let options = UpdateBucketOptions::new().default_encryption(b2sdk::Encryption::SseB2);
            bucket(scene, api)?.update(&options).map(|_| ())
        },
        &["writeBuckets", "writeBucketEncryption"],
    ),
    (
        "the default retention",
        Operation::UpdateBucket,
        |scene, api| {
            let options = UpdateBucketOptions::new().default_retention(None);
            bucket(scene, api)?.update(&options).map(|_| ())
        },
        &["writeBuckets", "writeBucketRetentions"],
    ),
    (
        "the object lock",
        Operation::UpdateBucket,
        |scene, api| {
            let options = UpdateBucketOptions::new().enable_file_lock();
            bucket(scene, api)?.update(&options).map(|_| ())
        },
        &["writeBuckets", "writeBucketRetentions"],
    ),
    (
        "the replication",
        Operation::UpdateBucket,
        |scene, api| {
            let nothing = b2sdk::ReplicationConfiguration::new();
            let options = UpdateBucketOptions::new().replication_configuration(nothing);
            bucket(scene, api)?.update(&options).map(|_| ())
        },
        &["writeBuckets", "writeBucketReplications"],
    ),
    (
        "a locked upload",
        Operation::UploadFile,
        |scene, api| {
            let options = UploadOptions::new()
                .retention(retention(&scene.world))
                .legal_hold(LegalHold::On);
            let bucket = bucket(scene, api)?;
            bucket.upload_bytes_with(b"x", &scene.name(), &options)?;
            Ok(())
        },
        &["writeFiles", "writeFileRetentions", "writeFileLegalHolds"],
    ),
    (
        "a locked large upload",
        Operation::UploadFile,
        |scene, api| {
            let options = UploadOptions::new()
                .retention(retention(&scene.world))
                .legal_hold(LegalHold::On);
            let bucket = bucket(scene, api)?;
            bucket.upload_bytes_with(&noise(2500), &scene.name(), &options)?;
            Ok(())
        },
        &["writeFiles", "writeFileRetentions", "writeFileLegalHolds"],
    ),
    (
        "a locked copy",
        Operation::CopyFile,
        |scene, api| {
            let options = CopyOptions::new()
                .retention(retention(&scene.world))
                .legal_hold(LegalHold::On);
            copy(scene, api, &options)
        },
        &[
            "writeFiles",
            "readFiles",
            "writeFileRetentions",
            "writeFileLegalHolds",
        ],
    ),
    (
        "deleting what is governed",
        Operation::DeleteFileVersion,
        |scene, api| {
            let options = b2sdk::DeleteFileVersionOptions::new().bypass_governance();
            api.delete_file_version_with(&scene.retained, RETAINED, &options)
        },
        &["deleteFiles", "bypassGovernance"],
    ),
    (
        "releasing what is governed",
        Operation::UpdateFileRetention,
        |scene, api| {
            let options = b2sdk::UpdateFileRetentionOptions::new().bypass_governance();
            let (id, name) = (&scene.retained, RETAINED);
            api.update_file_retention_with(id, name, None, &options)
                .map(|_| ())
        },
        &["writeFileRetentions", "bypassGovernance"],
    ),
    (
        "a key that can share",
        Operation::CreateKey,
        |_, api| {
            let capabilities = [Capability::ListFiles, Capability::ShareFiles];
            api.create_key("sharer", capabilities).map(|_| ())
        },
        &["writeKeys", "listFiles", "shareFiles"],
    ),
    (
        "describing by name",
        Operation::DownloadFileByName,
        |scene, api| bucket(scene, api)?.get_file_info_by_name(FILE).map(|_| ()),
        &["readFiles"],
    ),
];
