//! The keys that replication works with: the one that is configured if it will do, otherwise one that
//! an earlier run made, otherwise a new one. Only ids are needed, so a key whose making was answered
//! to nobody is as good as any.
//!
//! | the configured key | what is used |
//! | --- | --- |
//! | exists, may do the work, has not expired | that one |
//! | is missing, or may not do the work | an earlier key of this name that may, the one with the lowest id |
//! | and there is none | a new one |
//! | several programs create one at the same time | the one with the lowest id; each deletes its own if that is another one |
//!
//! The order of requests for one bucket, all of them of class C but the last:
//!
//! 1. `b2_list_keys` with a page of one row, to look at the configured key, if there is one.
//! 2. `b2_list_keys` through all keys of the account, 1,000 to a request, to find an earlier one.
//! 3. `b2_create_key`, and `b2_list_keys` through all keys once more, to see who was first.
//! 4. `b2_delete_key` (class A), if somebody else was.
//!
//! | what goes wrong | what is left behind |
//! | --- | --- |
//! | the answer to `b2_create_key` is lost | a key without a known secret, which the next run finds and uses |
//! | the process is killed after `b2_create_key` | the same |
//! | the key may not delete keys | one key too many, which nobody uses |
//! | a request is refused | what the steps before it made |
//!
//! The secrets of new keys are never needed, and are dropped with the answer.

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::auth::Capability;
use crate::model::id::ApplicationKeyId;
use crate::model::key::KeyDetails;
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::session::capabilities::Requirements;
use crate::session::paging::KeyPages;
use crate::wire::key::CreateKeyRequest;

/// What a key of a source bucket does: read files, and how they are locked.
const SOURCE: &[Capability] = &[
    Capability::ReadFiles,
    Capability::ReadFileLegalHolds,
    Capability::ReadFileRetentions,
];

/// What a key of a destination bucket does: write the same.
const DESTINATION: &[Capability] = &[
    Capability::WriteFiles,
    Capability::WriteFileLegalHolds,
    Capability::WriteFileRetentions,
    Capability::DeleteFiles,
];

/// What a key for one side must be.
///
/// It belongs to one run of the setup. Its methods send requests under the session of the bucket's
/// own `B2Api`, which may be that of another account than the other side's.
pub(super) struct KeyRequirements<'a> {
    /// The bucket that the key is to be restricted to.
    bucket: &'a Bucket,
    /// What its name ends with.
    suffix: &'static str,
    /// What it must be able to do.
    capabilities: &'static [Capability],
}

impl<'a> KeyRequirements<'a> {
    /// What the key must be that files are read with.
    pub(super) const fn of_source(bucket: &'a Bucket) -> Self {
        Self {
            bucket,
            suffix: "replication-source",
            capabilities: SOURCE,
        }
    }

    /// What the key must be that files are written with.
    pub(super) const fn of_destination(bucket: &'a Bucket) -> Self {
        Self {
            bucket,
            suffix: "replication-destination",
            capabilities: DESTINATION,
        }
    }

    /// A bucket name may have dots if it was made through the S3 API; a key name may not.
    ///
    /// Other characters become hyphens, so two buckets may share a key name; keys are told apart by
    /// their bucket as well.
    fn name(&self) -> String {
        let bucket: String = self
            .bucket
            .name()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        format!("{bucket}-{}", self.suffix)
    }

    /// Whether the key may do this for all files of the bucket, and has not ended.
    ///
    /// A key over all buckets is fit as well. The time is this machine's. Nothing is sent.
    pub(super) fn fit(&self, key: &KeyDetails) -> bool {
        let now = Timestamp::from(self.bucket.client().session.clock().now());
        let id = self.bucket.id();
        self.capabilities
            .iter()
            .all(|needed| key.capabilities.contains(needed))
            && key.name_prefix.as_ref().is_none_or(String::is_empty)
            && key.bucket_ids.as_ref().is_none_or(|ids| ids.contains(&id))
            && key.expiration_timestamp.is_none_or(|end| end > now)
    }

    /// The key with this id, if it exists.
    pub(super) fn by_id(&self, id: &ApplicationKeyId) -> Result<Option<KeyDetails>> {
        let session = &self.bucket.client().session;
        KeyPages::find(
            session,
            &self.bucket.control("set_up_replication", None, None),
            id,
        )
    }

    /// A key that was made for this before, or a new one.
    ///
    /// Several programs may make one at the same time. All of them use the one with the lowest id, which
    /// was made first, and each deletes its own if that is another one.
    ///
    /// It fails with `NotAllowed` if the caller's key may not list or create keys.
    pub(super) fn find_or_make(&self) -> Result<ApplicationKeyId> {
        let name = self.name();
        if let Some(id) = self.find(&name)? {
            return Ok(id);
        }
        let own = self.make(&name)?;
        match self.find(&name)? {
            Some(first) if first < own => {
                self.delete(&own)?;
                Ok(first)
            }
            _ => Ok(own),
        }
    }

    /// Deletes a key that turned out to be one too many. One that is gone already is no error.
    fn delete(&self, id: &ApplicationKeyId) -> Result<()> {
        let (session, control) = (
            &self.bucket.client().session,
            self.bucket.control("set_up_replication", None, None),
        );
        match session.call(Operation::DeleteKey, &control, |raw| raw.delete_key(id)) {
            // A key that may not delete leaves one that nobody uses.
            Ok(_) | Err(Error::NotAllowed(_)) => Ok(()),
            Err(error) if error.is_after_lost_answer() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The lowest id of the keys that will do.
    ///
    /// Only keys that are restricted to this bucket alone and never expire count, so that nothing
    /// else is taken for one that an earlier run made.
    fn find(&self, name: &str) -> Result<Option<ApplicationKeyId>> {
        let session = &self.bucket.client().session;
        let control = self.bucket.control("set_up_replication", None, None);
        let only = [self.bucket.id()];
        let mut lowest = None;
        let mut pages = KeyPages::default();
        while let Some(key) = pages.next(session, &control) {
            let key = key?;
            let is_ours = key.key_name == name
                && key.expiration_timestamp.is_none()
                && key.bucket_ids.as_deref() == Some(&only);
            let id = key.application_key_id.clone();
            if is_ours && self.fit(&key) && lowest.as_ref().is_none_or(|lowest| id < *lowest) {
                lowest = Some(id);
            }
        }
        Ok(lowest)
    }

    /// Creates a key.
    ///
    /// Never expires, is restricted to the bucket, and has no name prefix. If its answer is lost,
    /// the call fails, because a second request would make a second key.
    fn make(&self, name: &str) -> Result<ApplicationKeyId> {
        let session = &self.bucket.client().session;
        let only = [self.bucket.id()];
        // Nobody grants more than they hold.
        let needs = Requirements::from(Operation::CreateKey).perhaps(self.capabilities);
        let made = session.call(
            needs,
            &self.bucket.control("set_up_replication", None, None),
            |raw| {
                raw.create_key(&CreateKeyRequest {
                    account_id: &raw.auth.account_id,
                    capabilities: self.capabilities,
                    key_name: name,
                    valid_duration_in_seconds: None,
                    bucket_ids: Some(&only),
                    name_prefix: None,
                })
            },
        )?;
        Ok(made.details.application_key_id)
    }
}
