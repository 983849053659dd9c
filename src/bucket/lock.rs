//! Object lock of files that are there already (docs/protocol.md, sections 2.28 and 2.29).

use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::id::FileId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::setters::setters;

/// Options for changing the retention of a version.
///
/// ```
/// use b2sdk::lock::UpdateFileRetentionOptions;
///
/// let options = UpdateFileRetentionOptions::new().bypass_governance(true);
/// assert!(options.bypass_governance);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateFileRetentionOptions {
    /// Whether a retention in governance mode may be shortened or removed. This requires the capability
    /// `bypassGovernance`. Off by default.
    pub bypass_governance: bool,
}

setters! {
    new UpdateFileRetentionOptions {
        bypass_governance: bool,
    }
}

/// # Object lock
///
/// Object lock keeps versions from being deleted. A bucket has it if it was created with
/// [`file_lock`](crate::CreateBucketOptions::file_lock) or got it by
/// [`enable_file_lock`](crate::UpdateBucketOptions::enable_file_lock). The requests are free (class A).
impl Bucket {
    /// Sets the retention of a version, or removes it with `None`. It returns the retention that
    /// the service has stored, which may be truncated to whole seconds. The bucket must have object
    /// lock.
    ///
    /// A retention can always be extended, and `governance` can always become `compliance`. It can
    /// be shortened or removed only in the mode `governance`, with
    /// [`bypass_governance`](UpdateFileRetentionOptions::bypass_governance).
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if the present retention forbids it;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) before anything is sent if the key lacks
    /// `writeFileRetentions`; [`Error::Service`](crate::Error::Service) with the code
    /// `bucket_missing_file_lock` or `retain_until_timestamp_must_be_in_future`;
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn update_file_retention(
        &self,
        file_id: &FileId,
        file_name: &str,
        retention: Option<&FileRetention>,
    ) -> Result<Option<FileRetention>> {
        let options = UpdateFileRetentionOptions::default();
        self.update_file_retention_with(file_id, file_name, retention, &options)
    }

    /// Sets or removes the retention of a version, with options: a retention in governance mode can be
    /// shortened or removed.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let locked = b2sdk::CreateBucketOptions::new().file_lock(true);
    /// # let bucket = b2_api.create_bucket_with("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate, &locked)?;
    /// use std::time::{Duration, SystemTime};
    /// use b2sdk::lock::{FileRetention, UpdateFileRetentionOptions};
    ///
    /// let uploaded = bucket.upload_bytes(b"contract", "contract.txt")?;
    /// let (id, name) = (&uploaded.version().file_id, "contract.txt");
    /// let year = SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
    /// bucket.update_file_retention(id, name, Some(&FileRetention::governance(year)))?;
    /// assert!(bucket.delete_file_version(id, name).is_err());
    ///
    /// let bypass = UpdateFileRetentionOptions::new().bypass_governance(true);
    /// bucket.update_file_retention_with(id, name, None, &bypass)?;
    /// bucket.delete_file_version(id, name)?;
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if the present retention forbids the change;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed), before anything is sent, if the key lacks
    /// `writeFileRetentions`, or `bypassGovernance` where the options ask for that;
    /// [`Error::Service`](crate::Error::Service) with the code `bucket_missing_file_lock` or
    /// `retain_until_timestamp_must_be_in_future`; [`Error::FileNotFound`](crate::Error::FileNotFound); the
    /// [errors of any call](crate::Error#errors-of-any-call).
    pub fn update_file_retention_with(
        &self,
        file_id: &FileId,
        file_name: &str,
        retention: Option<&FileRetention>,
        options: &UpdateFileRetentionOptions,
    ) -> Result<Option<FileRetention>> {
        let UpdateFileRetentionOptions { bypass_governance } = *options;
        self.client.session.update_file_retention(
            &self.control("update_file_retention", Some(file_name), None),
            file_id,
            file_name,
            retention,
            bypass_governance,
        )
    }

    /// Puts a version on legal hold, or releases it. While the hold is on, nobody can delete the
    /// version, whatever its retention, and no capability bypasses the hold. The bucket must have object
    /// lock. A second call with the same value changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) before anything is sent if the key lacks
    /// `writeFileLegalHolds`; [`Error::Service`](crate::Error::Service) with the code
    /// `bucket_missing_file_lock`; [`Error::FileNotFound`](crate::Error::FileNotFound); the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn update_file_legal_hold(
        &self,
        file_id: &FileId,
        file_name: &str,
        hold: &LegalHold,
    ) -> Result<()> {
        self.client.session.update_file_legal_hold(
            &self.control("update_file_legal_hold", Some(file_name), None),
            file_id,
            file_name,
            hold,
        )
    }
}
