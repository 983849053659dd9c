//! Calls that need several capabilities at once.

use b2sdk::keys::Capability;
use b2sdk::lock::LegalHold;
use b2sdk::{
    BucketType, CopyOptions, CreateBucketOptions, Operation, UpdateBucketOptions, UploadOptions,
};

use super::super::rows::{bucket, copy, retention};
use super::super::{Call, FILE, RETAINED};
use crate::support::noise;

/// More that needs capabilities of its own: what it is, the operation that is refused, the call, and
/// all that it needs (reference, the headings of section 2).
pub(super) type Case = (&'static str, Operation, Call, &'static [&'static str]);

pub(super) const CASES: &[Case] = &[
    (
        "a bucket with everything",
        Operation::CreateBucket,
        |scene, api| {
            let options = CreateBucketOptions::new()
                .default_encryption(b2sdk::encryption::Encryption::SseB2)
                .replication_configuration(b2sdk::replication::ReplicationConfiguration::new())
                .file_lock(true);
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
            let options =
                UpdateBucketOptions::new().default_encryption(b2sdk::encryption::Encryption::SseB2);
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
            let options = UpdateBucketOptions::new().enable_file_lock(true);
            bucket(scene, api)?.update(&options).map(|_| ())
        },
        &["writeBuckets", "writeBucketRetentions"],
    ),
    (
        "the replication",
        Operation::UpdateBucket,
        |scene, api| {
            let nothing = b2sdk::replication::ReplicationConfiguration::new();
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
            let options = b2sdk::delete::DeleteFileVersionOptions::new().bypass_governance(true);
            api.delete_file_version_with(&scene.retained, RETAINED, &options)
        },
        &["deleteFiles", "bypassGovernance"],
    ),
    (
        "releasing what is governed",
        Operation::UpdateFileRetention,
        |scene, api| {
            let options = b2sdk::lock::UpdateFileRetentionOptions::new().bypass_governance(true);
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
