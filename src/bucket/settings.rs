//! Reading and changing a bucket's settings.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::cors::CorsRule;
use crate::model::lifecycle::LifecycleRule;
use crate::model::operation::Operation;
use crate::wire::bucket::UpdateBucketRequest;

/// What to change about a bucket. What is not named stays; what is named replaces the old value as
/// a whole.
///
/// ```
/// use b2sdk::{BucketType, UpdateBucketOptions};
///
/// let update = UpdateBucketOptions::new().bucket_type(BucketType::AllPublic).if_revision_is(7);
/// assert_eq!(update.if_revision_is, Some(7));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateBucketOptions {
    /// Who may download.
    pub bucket_type: Option<BucketType>,
    /// Names and values stored with the bucket.
    pub info: Option<BTreeMap<String, String>>,
    /// Which web pages may access it from a browser.
    pub cors_rules: Option<Vec<CorsRule>>,
    /// When the service hides, deletes and cancels by itself.
    pub lifecycle_rules: Option<Vec<LifecycleRule>>,
    /// Change nothing unless this is still the revision: for changes that build on what was read.
    pub if_revision_is: Option<u64>,
}

impl UpdateBucketOptions {
    /// Nothing to change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who may download.
    #[must_use]
    pub fn bucket_type(mut self, kind: BucketType) -> Self {
        self.bucket_type = Some(kind);
        self
    }

    /// Names and values stored with the bucket.
    #[must_use]
    pub fn info<N: Into<String>, V: Into<String>>(
        mut self,
        info: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.info = Some(
            info.into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        );
        self
    }

    /// Which web pages may access it from a browser.
    #[must_use]
    pub fn cors_rules(mut self, rules: impl IntoIterator<Item = CorsRule>) -> Self {
        self.cors_rules = Some(rules.into_iter().collect());
        self
    }

    /// When the service hides, deletes and cancels by itself.
    #[must_use]
    pub fn lifecycle_rules(mut self, rules: impl IntoIterator<Item = LifecycleRule>) -> Self {
        self.lifecycle_rules = Some(rules.into_iter().collect());
        self
    }

    /// Change nothing unless this is still the revision.
    #[must_use]
    pub const fn if_revision_is(mut self, revision: u64) -> Self {
        self.if_revision_is = Some(revision);
        self
    }
}

impl Bucket {
    /// Everything about the bucket as of now.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::NotAllowed`]; the errors of any call.
    pub fn details(&self) -> Result<BucketDetails> {
        let control = self.control(None);
        self.with_id(&control, |id| {
            let found = self
                .client
                .session
                .call(Operation::ListBuckets, &control, |raw| {
                    raw.list_buckets(None, Some(id))
                })?;
            let gone = || Error::BucketNotFound {
                bucket: self.name.as_ref().into(),
                service: None,
            };
            found
                .into_iter()
                .find(|details| details.bucket_id == *id)
                .ok_or_else(gone)
        })
    }

    /// Changes settings.
    ///
    /// # Errors
    /// [`Error::Conflict`] if `if_revision_is` is given and the bucket was changed meanwhile: read
    /// [`details`](Self::details) again and repeat; [`Error::BucketNotFound`];
    /// [`Error::NotAllowed`]; the errors of any call.
    pub fn update(&self, options: &UpdateBucketOptions) -> Result<BucketDetails> {
        let UpdateBucketOptions {
            bucket_type,
            info,
            cors_rules,
            lifecycle_rules,
            if_revision_is,
        } = options;
        let control = self.control(None);
        self.with_id(&control, |bucket_id| {
            self.client
                .session
                .call(Operation::UpdateBucket, &control, |raw| {
                    raw.update_bucket(&UpdateBucketRequest {
                        account_id: &raw.auth.account_id,
                        bucket_id,
                        bucket_type: bucket_type.as_ref(),
                        bucket_info: info.as_ref(),
                        cors_rules: cors_rules.as_deref(),
                        lifecycle_rules: lifecycle_rules.as_deref(),
                        if_revision_is: *if_revision_is,
                    })
                })
        })
    }

    /// Changes who may download.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn set_type(&self, kind: BucketType) -> Result<BucketDetails> {
        self.update(&UpdateBucketOptions::new().bucket_type(kind))
    }

    /// Replaces the names and values stored with the bucket.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn set_info<N: Into<String>, V: Into<String>>(
        &self,
        info: impl IntoIterator<Item = (N, V)>,
    ) -> Result<BucketDetails> {
        self.update(&UpdateBucketOptions::new().info(info))
    }
}
