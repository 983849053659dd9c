//! What the tests of encryption, object lock and other settings of files share.

use b2sdk::encryption::{EncryptionMode, SseCustomerKey};
use b2sdk::error::KeyProblem;
use b2sdk::simulator::Simulator;
use b2sdk::{
    Bucket, BucketType, CreateBucketOptions, DownloadOptions, Error, FileVersion, Timestamp,
};

use super::World;

/// 2100-01-01, which no run of these tests sees.
pub(crate) const FAR: Timestamp = Timestamp::from_millis(4_102_444_800_000);

impl World {
    /// A world whose bucket has object lock.
    pub(crate) fn with_object_lock(service: Simulator) -> Self {
        let mut world = Self::of(service, |builder| builder);
        let options = CreateBucketOptions::new().file_lock(true);
        world.bucket = world
            .api
            .create_bucket_with("locked-bucket-1", BucketType::AllPrivate, &options)
            .unwrap();
        world.service.log().clear();
        world
    }
}

/// A customer's key without an id.
pub(crate) fn key(byte: u8) -> SseCustomerKey {
    SseCustomerKey::new([byte; 32])
}

/// The content of a file that may be under a customer's key.
pub(crate) fn content(bucket: &Bucket, name: &str, key: Option<&SseCustomerKey>) -> Vec<u8> {
    let mut options = DownloadOptions::new();
    options.encryption_key = key.cloned();
    let download = bucket.download_file_by_name_with(name, &options).unwrap();
    download.read_to_vec().unwrap()
}

/// How a version is encrypted, if the key may see it.
pub(crate) fn mode(version: &FileVersion) -> Option<EncryptionMode> {
    let encryption = version.server_side_encryption.readable()?;
    Some(encryption.mode.clone())
}

#[track_caller]
pub(crate) fn assert_problem<T: std::fmt::Debug>(outcome: Result<T, Error>, expected: KeyProblem) {
    match outcome {
        Err(Error::EncryptionKey { problem, .. }) => assert_eq!(problem, expected),
        other => panic!("{other:?}"),
    }
}
