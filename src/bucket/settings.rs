//! Reading and changing a bucket's settings.
//!
//! A change that builds on what was read is two requests, `b2_list_buckets` for the bucket and
//! `b2_update_bucket` with the revision that was read; both once more whenever somebody else was
//! faster.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::control::clock::jitter;
use crate::error::{Error, Result};
use crate::model::auth::Capability;
use crate::model::bucket::{BucketDetails, BucketType, check_bucket_info};
use crate::model::cors::{CorsRule, check_cors_rules};
use crate::model::encryption::Encryption;
use crate::model::lifecycle::{LifecycleRule, check_lifecycle_rules};
use crate::model::lock::DefaultRetention;
use crate::model::operation::Operation;
use crate::model::replication::ReplicationConfiguration;
use crate::session::capabilities::Requirements;
use crate::setters::setters;
use crate::wire::bucket::UpdateBucketRequest;

/// A change of a bucket's settings.
///
/// Settings that are not set here stay as they are. A setting that is set replaces the old value as a
/// whole: to add a rule, read the rules first, as [`Bucket::modify`] does.
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
    /// Who may download: everybody, or only the account. [`BucketType::AllPublic`] makes every file in the
    /// bucket readable by anybody at once.
    pub bucket_type: Option<BucketType>,
    /// Names and values that are stored with the bucket, which replace all earlier ones. The value of
    /// `Cache-Control` becomes that header of all downloads.
    pub info: Option<BTreeMap<String, String>>,
    /// Which web pages may use the bucket from a browser. The rules replace all earlier ones; an empty list
    /// removes them.
    pub cors_rules: Option<Vec<CorsRule>>,
    /// When the service hides and deletes files and cancels unfinished ones. The rules replace all earlier
    /// ones; an empty list removes them.
    pub lifecycle_rules: Option<Vec<LifecycleRule>>,
    /// How files are encrypted that are uploaded without an encryption of their own.
    /// [`Encryption::None`] removes the setting. This requires the capability `writeBucketEncryption`.
    pub default_encryption: Option<Encryption>,
    /// Whether to enable object lock, which cannot be disabled again. This requires the capability
    /// `writeBucketRetentions`.
    pub enable_file_lock: bool,
    /// How files are retained that are uploaded without a retention of their own. This requires the
    /// capability `writeBucketRetentions` and a bucket with object lock.
    pub default_retention: Option<DefaultRetention>,
    /// How the bucket takes part in replication. [`replication::set_up`](crate::replication::set_up) is
    /// the usual way to set it.
    pub replication_configuration: Option<ReplicationConfiguration>,
    /// The revision of the bucket that the change is based on. If the bucket has another revision by
    /// now, nothing changes and the call fails with [`Error::Conflict`].
    pub if_revision_is: Option<u64>,
}

setters! {
    new UpdateBucketOptions {
        bucket_type: BucketType,
        default_encryption: Encryption,
        enable_file_lock: bool,
        replication_configuration: ReplicationConfiguration,
        if_revision_is: u64,
    }
    into {
        default_retention: DefaultRetention,
    }
    list {
        cors_rules: CorsRule,
        lifecycle_rules: LifecycleRule,
    }
}

impl UpdateBucketOptions {
    /// Sets [`info`](#structfield.info).
    #[must_use]
    pub fn info<N: Into<String>, V: Into<String>>(
        mut self,
        info: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.info = Some(text_pairs(info));
        self
    }

    /// Returns whether no setting is set, so that an update with these options would change nothing.
    /// [`if_revision_is`](Self::if_revision_is) is no setting.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self {
            bucket_type,
            info,
            cors_rules,
            lifecycle_rules,
            default_encryption,
            enable_file_lock,
            default_retention,
            replication_configuration,
            if_revision_is: _,
        } = self;
        bucket_type.is_none()
            && info.is_none()
            && cors_rules.is_none()
            && lifecycle_rules.is_none()
            && default_encryption.is_none()
            && !*enable_file_lock
            && default_retention.is_none()
            && replication_configuration.is_none()
    }
}

/// The names and values of a bucket, as the caller gave them.
pub(crate) fn text_pairs<N: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Checks the settings that new and changed buckets have in common.
pub(crate) fn check_settings(
    info: Option<&BTreeMap<String, String>>,
    cors_rules: Option<&[CorsRule]>,
    lifecycle_rules: Option<&[LifecycleRule]>,
    replication: Option<&ReplicationConfiguration>,
) -> Result<()> {
    let refused = |what| move |reason: String| Error::invalid_input(what, reason);
    info.map_or(Ok(()), check_bucket_info)
        .map_err(refused("bucket info"))?;
    cors_rules
        .map_or(Ok(()), check_cors_rules)
        .map_err(refused("CORS rules"))?;
    lifecycle_rules
        .map_or(Ok(()), check_lifecycle_rules)
        .map_err(refused("lifecycle rules"))?;
    replication
        .map_or(Ok(()), ReplicationConfiguration::check)
        .map_err(refused("replication configuration"))
}

/// Refuses to replace a setting of which the program has not seen the old value.
fn check_is_readable(details: &BucketDetails, update: &UpdateBucketOptions) -> Result<()> {
    let replaced = [
        ("bucketInfo", update.info.is_some()),
        ("corsRules", update.cors_rules.is_some()),
        ("lifecycleRules", update.lifecycle_rules.is_some()),
        (
            "replicationConfiguration",
            update.replication_configuration.is_some(),
        ),
    ];
    match replaced
        .iter()
        .find(|(member, is_replaced)| *is_replaced && details.is_unreadable(member))
    {
        Some((member, _)) => Err(Error::invalid_input(
            "change",
            format!(
                "the bucket's {member} cannot be read, and replacing it would undo what is there"
            ),
        )),
        None => Ok(()),
    }
}

/// How the files of a bucket are kept that say nothing of their own.
pub(crate) struct Protection<'a> {
    pub(crate) encryption: Option<&'a Encryption>,
    pub(crate) enable_file_lock: bool,
    pub(crate) retention: Option<&'a DefaultRetention>,
}

impl Protection<'_> {
    /// Refuses what the service would refuse.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(encryption) = self.encryption {
            encryption
                .check_as_default()
                .map_err(|reason| Error::invalid_input("default_encryption", reason))?;
        }
        if let Some(DefaultRetention::Set(retention)) = self.retention {
            retention
                .check()
                .map_err(|reason| Error::invalid_input("default_retention", reason))?;
        }
        Ok(())
    }

    /// What it takes to set this.
    pub(crate) fn needs(&self, operation: Operation, replicates: bool) -> Requirements<'static> {
        let Self {
            encryption,
            enable_file_lock,
            retention,
        } = *self;
        let locks = enable_file_lock || retention.is_some();
        Requirements::from(operation)
            .and_if(encryption.is_some(), Capability::WriteBucketEncryption)
            .and_if(locks, Capability::WriteBucketRetentions)
            .and_if(replicates, Capability::WriteBucketReplications)
    }
}

/// # Settings
///
/// Reading the settings needs the capability `listBuckets`, changing them `writeBuckets`. The requests are
/// billed in class C.
impl Bucket {
    /// Requests the bucket's settings as they are now: its type, info, rules, default encryption, lock and
    /// replication. This is one request, billed in class C.
    ///
    /// Settings that the key may not read are [`Filtered::NotAuthorized`](crate::Filtered), which is not the
    /// same as not set.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::BucketType;
    ///
    /// let details = bucket.details()?;
    /// assert_eq!(details.bucket_type, BucketType::AllPrivate);
    /// assert!(details.lifecycle_rules.is_empty());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`] if the bucket was deleted; [`Error::NotAllowed`] if the key lacks
    /// `listBuckets` or is restricted to other buckets; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn details(&self) -> Result<BucketDetails> {
        let control = self.control("details", None, None);
        self.with_id(&control, |id| {
            let needs = self.needs(Operation::ListBuckets).bucket(id);
            let found = self
                .client
                .session
                .call(needs, &control, |raw| raw.find_buckets(None, Some(id)))?;
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

    /// Changes the settings that `options` names, in one request, and returns all settings as they are then.
    /// The others stay as they are. A setting that is named replaces the stored one as a whole, so rules that
    /// are not in the new list are gone: [`modify`](Self::modify) is the way to add one.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::UpdateBucketOptions;
    /// use b2sdk::rules::LifecycleRule;
    ///
    /// // Versions are deleted a week after they were hidden or replaced.
    /// let rule = LifecycleRule::new("").delete_hidden_after_days(7);
    /// let details = bucket.update(&UpdateBucketOptions::new().lifecycle_rules([rule]))?;
    /// assert_eq!(details.lifecycle_rules.len(), 1);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for rules that break the service's, before anything is sent; [`Error::Conflict`]
    /// if `if_revision_is` is given and somebody else has changed the bucket since: read
    /// [`details`](Self::details) again and repeat, as [`modify`](Self::modify) does;
    /// [`Error::BucketNotFound`]; [`Error::NotAllowed`] if the key lacks `writeBuckets`, or
    /// `writeBucketEncryption`, `writeBucketRetentions` or `writeBucketReplications` for a setting that needs
    /// it; [`Error::Service`] with the code `bucket_missing_file_lock` for a default retention without object
    /// lock; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the change may
    /// have been made. With `if_revision_is`, repeating the call then fails with [`Error::Conflict`].
    pub fn update(&self, options: &UpdateBucketOptions) -> Result<BucketDetails> {
        let UpdateBucketOptions {
            bucket_type,
            info,
            cors_rules,
            lifecycle_rules,
            default_encryption,
            enable_file_lock,
            default_retention,
            replication_configuration,
            if_revision_is,
        } = options;
        check_settings(
            info.as_ref(),
            cors_rules.as_deref(),
            lifecycle_rules.as_deref(),
            replication_configuration.as_ref(),
        )?;
        let control = self.control("update", None, None);
        let protection = Protection {
            encryption: default_encryption.as_ref(),
            enable_file_lock: *enable_file_lock,
            retention: default_retention.as_ref(),
        };
        protection.check()?;
        let needs = protection.needs(Operation::UpdateBucket, replication_configuration.is_some());
        self.with_id(&control, |bucket_id| {
            let needs = needs.clone().about(&self.name).bucket(bucket_id);
            self.client.session.call(needs, &control, |raw| {
                raw.update_bucket(&UpdateBucketRequest {
                    account_id: &raw.auth.account_id,
                    bucket_id,
                    bucket_type: bucket_type.as_ref(),
                    bucket_info: info.as_ref(),
                    cors_rules: cors_rules.as_deref(),
                    lifecycle_rules: lifecycle_rules.as_deref(),
                    default_server_side_encryption: default_encryption.as_ref().map(Into::into),
                    file_lock_enabled: *enable_file_lock,
                    default_retention: default_retention.as_ref().map(Into::into),
                    replication_configuration: replication_configuration.as_ref(),
                    if_revision_is: *if_revision_is,
                })
            })
        })
    }

    /// Changes settings on the basis of what they are: requests them, lets `change` say what to change,
    /// and writes that only if nobody has changed the bucket in between. Otherwise it begins again, so that
    /// no program undoes the change of another one that runs at the same time. Each try takes two requests
    /// of class C.
    ///
    /// `change` is called once for each try and must depend on nothing but the details it is given.
    /// If it names no setting ([`UpdateBucketOptions::is_empty`]), nothing is written. Its
    /// `if_revision_is` is replaced by the revision that was read.
    ///
    /// ```
    /// use b2sdk::rules::LifecycleRule;
    /// use b2sdk::{Bucket, BucketDetails, Result, UpdateBucketOptions};
    ///
    /// fn hide_logs_after_a_month(bucket: &Bucket) -> Result<BucketDetails> {
    ///     bucket.modify(|details| {
    ///         let mut rules = details.lifecycle_rules.clone();
    ///         rules.retain(|rule| rule.file_name_prefix != "logs/");
    ///         rules.push(LifecycleRule::new("logs/").hide_after_days(30));
    ///         Ok(UpdateBucketOptions::new().lifecycle_rules(rules))
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// What `change` returns; [`Error::Conflict`] if others were faster as often as
    /// [`RetryPolicy::max_attempts`](crate::RetryPolicy::max_attempts) allows tries; [`Error::InvalidInput`]
    /// for rules that break the service's, and if `change` replaces a setting whose present value this version
    /// of the crate cannot read, so that something unknown would be lost; [`Error::BucketNotFound`];
    /// [`Error::NotAllowed`] if the key lacks `listBuckets` or `writeBuckets`, or a capability that a changed
    /// setting needs; [`Error::Service`] with the code `bucket_missing_file_lock` for a default retention
    /// without object lock; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the change
    /// may have been made. Where the service failed (5xx) after it had made the change, the next try
    /// finds it made: `change` should be one that may be given its own result, as the one above.
    pub fn modify(
        &self,
        mut change: impl FnMut(&BucketDetails) -> Result<UpdateBucketOptions>,
    ) -> Result<BucketDetails> {
        let session = &self.client.session;
        let policy = session.retry_policy();
        let mut conflicts = 0;
        loop {
            let details = self.details()?;
            let update = change(&details)?;
            if update.is_empty() {
                return Ok(details);
            }
            check_is_readable(&details, &update)?;
            match self.update(&update.if_revision_is(details.revision)) {
                Err(Error::Conflict(_)) if conflicts + 1 < policy.max_attempts => {
                    let delay = jitter(policy.delay(conflicts));
                    self.control("modify", None, None)
                        .sleep(session.clock(), delay)?;
                    conflicts += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Changes who may download: [`BucketType::AllPublic`] for everybody, [`BucketType::AllPrivate`] for keys
    /// of the account. It takes effect for all files in the bucket. An account needs a payment history and a
    /// verified email address for public buckets.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::BucketType;
    ///
    /// let details = bucket.set_type(BucketType::AllPublic)?;
    /// assert_eq!((details.bucket_type, details.revision), (BucketType::AllPublic, bucket.details()?.revision));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the key lacks `writeBuckets`; [`Error::BucketNotFound`]; [`Error::Service`]
    /// with the code `no_payment_history` or `email_not_verified` for a public bucket; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn set_type(&self, kind: BucketType) -> Result<BucketDetails> {
        self.update(&UpdateBucketOptions::new().bucket_type(kind))
    }

    /// Replaces the names and values stored with the bucket; none removes all. Keep the limits of
    /// [`CreateBucketOptions::info`](crate::CreateBucketOptions::info).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for info that breaks the service's rules, before anything is sent;
    /// [`Error::NotAllowed`] if the key lacks `writeBuckets`; [`Error::BucketNotFound`]; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn set_info<N: Into<String>, V: Into<String>>(
        &self,
        info: impl IntoIterator<Item = (N, V)>,
    ) -> Result<BucketDetails> {
        self.update(&UpdateBucketOptions::new().info(info))
    }
}
