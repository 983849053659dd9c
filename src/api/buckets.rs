//! Making, finding, listing and deleting buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account_info::AuthSnapshot;
use crate::api::B2Api;
use crate::bucket::Bucket;
use crate::bucket::settings::{Protection, check_settings, text_pairs};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::auth::AllowedBucket;
use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::cors::CorsRule;
use crate::model::encryption::Encryption;
use crate::model::id::BucketId;
use crate::model::lifecycle::LifecycleRule;
use crate::model::name::check_bucket_name;
use crate::model::operation::Operation;
use crate::model::replication::ReplicationConfiguration;
use crate::session::capabilities::Requirements;
use crate::session::log_store_failure;
use crate::setters::setters;
use crate::wire::bucket::CreateBucketRequest;

/// Options for a new bucket.
///
/// Without any, the bucket has no rules, no object lock, and the service's own default encryption. Everything
/// can be changed later, with [`Bucket::update`], except that object lock cannot be disabled.
///
/// ```
/// use b2sdk::CreateBucketOptions;
/// use b2sdk::rules::LifecycleRule;
///
/// let options = CreateBucketOptions::new()
///     .info([("purpose", "photos")])
///     .lifecycle_rules([LifecycleRule::new("").delete_hidden_after_days(1)]);
/// assert_eq!(options.info["purpose"], "photos");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CreateBucketOptions {
    /// Names and values to store with the bucket. The value of `Cache-Control` becomes that header of all
    /// downloads from it.
    ///
    /// A bucket has at most 10 of them. A name has 1 to 50 letters, digits and the signs of file info names,
    /// and does not begin with `b2-`; all values together have at most 10,000 bytes
    /// ([section 3.2](crate::guide::protocol#32-buckets)).
    pub info: BTreeMap<String, String>,
    /// Which web pages may use the bucket from a browser, and for what. Without a rule, scripts of other
    /// web sites cannot use it. A bucket has at most 100 rules.
    pub cors_rules: Vec<CorsRule>,
    /// When the service hides and deletes files and cancels unfinished ones. Without a rule it does none of
    /// these, and every version is stored and billed until a program deletes it. A bucket has at most 100
    /// rules.
    pub lifecycle_rules: Vec<LifecycleRule>,
    /// How files are encrypted that are uploaded without an encryption of their own. Setting it requires
    /// the capability `writeBucketEncryption`; the service's default applies otherwise.
    pub default_encryption: Option<Encryption>,
    /// Whether files can be locked. Object lock cannot be disabled again, and setting it requires the
    /// capability `writeBucketRetentions`. A default retention is set with [`Bucket::update`] afterwards.
    pub file_lock: bool,
    /// How the bucket takes part in replication. [`replication::set_up`](crate::replication::set_up) is
    /// the usual way to set it.
    pub replication_configuration: Option<ReplicationConfiguration>,
}

setters! {
    new CreateBucketOptions {
        default_encryption: Encryption,
        file_lock: bool,
        replication_configuration: ReplicationConfiguration,
    }
    list {
        cors_rules: CorsRule,
        lifecycle_rules: LifecycleRule,
    }
}

impl CreateBucketOptions {
    /// Sets [`info`](#structfield.info).
    #[must_use]
    pub fn info<N: Into<String>, V: Into<String>>(
        mut self,
        info: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.info = text_pairs(info);
        self
    }
}

/// # Buckets
impl B2Api {
    /// Creates a bucket of this type. The request is billed in class C; an empty bucket costs nothing.
    ///
    /// A name has 6 to 63 letters, digits and `-`, does not start with `b2-`, and is unique among all
    /// accounts of the service without regard to case. Whoever wants the name later, with another account,
    /// cannot have it. An account may have 100 buckets unless Backblaze raises that number.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::{BucketType, Error};
    ///
    /// let bucket = b2_api.create_bucket("example-photos-2026", BucketType::AllPrivate)?;
    /// assert_eq!(bucket.name(), "example-photos-2026");
    /// let again = b2_api.create_bucket("example-photos-2026", BucketType::AllPrivate);
    /// assert!(matches!(again, Err(Error::BucketNameTaken { .. })));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`], before anything is sent, for a name that no bucket can have, and for rules that
    /// break the service's; [`Error::BucketNameTaken`] if this or another account has a bucket of that name;
    /// [`Error::NotAllowed`] if the key lacks `writeBuckets`; [`Error::Service`] with the code
    /// `too_many_buckets`, or `no_payment_history` or `email_not_verified` for a public bucket; the [errors of
    /// any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the
    /// bucket may exist. [`get_or_create_bucket`](Self::get_or_create_bucket) can be called again.
    pub fn create_bucket(&self, name: &str, kind: BucketType) -> Result<Bucket> {
        self.create_bucket_with(name, kind, &CreateBucketOptions::default())
    }

    /// Creates a bucket with options, in one request.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], before anything is sent, for a name that no bucket can have, and for rules that
    /// break the service's; [`Error::BucketNameTaken`] if this or another account has a bucket of that name;
    /// [`Error::NotAllowed`] if the key lacks `writeBuckets`, or `writeBucketEncryption`,
    /// `writeBucketRetentions` or `writeBucketReplications` for an option that needs it; [`Error::Service`]
    /// with the code `too_many_buckets`, or `no_payment_history` or `email_not_verified` for a public bucket;
    /// the [errors of any call](crate::Error#errors-of-any-call).
    pub fn create_bucket_with(
        &self,
        name: &str,
        kind: BucketType,
        options: &CreateBucketOptions,
    ) -> Result<Bucket> {
        let CreateBucketOptions {
            info,
            cors_rules,
            lifecycle_rules,
            default_encryption,
            file_lock,
            replication_configuration,
        } = options;
        check_bucket_name(name).map_err(|reason| Error::invalid_input("bucket name", reason))?;
        check_settings(
            Some(info),
            Some(cors_rules),
            Some(lifecycle_rules),
            replication_configuration.as_ref(),
        )?;
        let control = self.client.control("create_bucket", None);
        let protection = Protection {
            encryption: default_encryption.as_ref(),
            enable_file_lock: *file_lock,
            retention: None,
        };
        protection.check()?;
        let needs = protection
            .needs(Operation::CreateBucket, replication_configuration.is_some())
            .about(name);
        let (snapshot, details) = self.call(needs, &control, |raw| {
            raw.create_bucket(&CreateBucketRequest {
                account_id: &raw.auth.account_id,
                bucket_name: name,
                bucket_type: &kind,
                bucket_info: (!info.is_empty()).then_some(info),
                cors_rules,
                lifecycle_rules,
                default_server_side_encryption: default_encryption.as_ref().map(Into::into),
                file_lock_enabled: *file_lock,
                replication_configuration: replication_configuration.as_ref(),
            })
        })?;
        Ok(self.known(&snapshot, &details))
    }

    /// Returns the bucket with this name. If the account info knows the name, nothing is sent, so
    /// the bucket may since have been deleted; calls about its files then fail with
    /// [`Error::BucketNotFound`].
    ///
    /// Otherwise one `b2_list_buckets` for this name is sent, which is billed in class C, and the answer is
    /// remembered in the account info. The authorization of a key that is restricted to buckets names them,
    /// so such a key usually needs no request and no capability for this call.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::Operation;
    ///
    /// let found = b2_api.get_bucket_by_name("example-mybucket-b2-1")?;
    /// assert_eq!(found.id(), bucket.id());
    /// // The name was in the store: nothing was sent.
    /// assert_eq!(b2_api.request_counts().of(Operation::ListBuckets), 0);
    /// assert!(b2_api.get_bucket_by_name("nobodys-bucket").unwrap_err().is_not_found());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::NotAllowed`] if the key is restricted to other buckets, or lacks
    /// `listBuckets` and the name is not known; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_bucket_by_name(&self, name: &str) -> Result<Bucket> {
        let snapshot = self
            .client
            .session
            .current(&self.client.control("get_bucket_by_name", None))?;
        if let Some(id) = self
            .client
            .session
            .info()
            .bucket_id(snapshot.identity(), name)?
        {
            return Ok(self.bucket(&snapshot, name, id));
        }
        let needs = Requirements::from(Operation::ListBuckets)
            .about(name)
            .elsewhere(is_elsewhere(&snapshot, |allowed| match &allowed.name {
                Some(own) => own.eq_ignore_ascii_case(name),
                None => true,
            }));
        let (snapshot, found) = self.call(
            needs,
            &self.client.control("get_bucket_by_name", None),
            |raw| raw.find_buckets(Some(name), None),
        )?;
        let found = found
            .iter()
            .find(|details| details.bucket_name.eq_ignore_ascii_case(name));
        found
            .map(|details| self.known(&snapshot, details))
            .ok_or_else(|| not_found(name))
    }

    /// Returns the bucket with this name, and creates it if this key cannot see one. Several
    /// programs can call it at the same time: one creates the bucket, and the others find it. A
    /// bucket that exists keeps its type.
    ///
    /// A name that the account info knows costs no request; otherwise the call sends one listing, and one
    /// request to create the bucket if there is none, both of class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::BucketType;
    ///
    /// // The first run creates the bucket, every further one finds it.
    /// let first = b2_api.get_or_create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
    /// let second = b2_api.get_or_create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
    /// assert_eq!(first.id(), second.id());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a name that no bucket can have; [`Error::BucketNameTaken`] if the name
    /// belongs to another account; [`Error::NotAllowed`] if the key is restricted to other buckets, lacks
    /// `listBuckets` and the name is not known, or lacks `writeBuckets` and the bucket has to be created;
    /// [`Error::Service`] with the code `too_many_buckets`, or `no_payment_history` or `email_not_verified` for
    /// a public bucket; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_or_create_bucket(&self, name: &str, kind: BucketType) -> Result<Bucket> {
        match self.get_bucket_by_name(name) {
            Err(Error::BucketNotFound { .. }) => {}
            outcome => return outcome,
        }
        match self.create_bucket(name, kind) {
            // Somebody was faster; if it is not to be seen even so, it is a stranger's.
            Err(taken @ Error::BucketNameTaken { .. }) => match self.get_bucket_by_name(name) {
                Err(Error::BucketNotFound { .. }) => Err(taken),
                outcome => outcome,
            },
            // It may have been created; if that cannot be seen, this error says so.
            Err(lost) if lost.is_answer_lost() => self.get_bucket_by_name(name).or(Err(lost)),
            outcome => outcome,
        }
    }

    /// Returns the bucket with this id. If the account info knows the id, nothing is sent. Otherwise one
    /// `b2_list_buckets` for this id is sent, which is billed in class C, and the answer is remembered.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::NotAllowed`] if the key is restricted to other buckets, or lacks
    /// `listBuckets` and the id is not known; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_bucket_by_id(&self, id: impl Into<BucketId>) -> Result<Bucket> {
        let id = id.into();
        let snapshot = self
            .client
            .session
            .current(&self.client.control("get_bucket_by_id", None))?;
        if let Some(name) = self
            .client
            .session
            .info()
            .bucket_name(snapshot.identity(), &id)?
        {
            return Ok(self.bucket(&snapshot, &name, id));
        }
        let needs = Requirements::from(Operation::ListBuckets)
            .about(id.as_str())
            .bucket(&id);
        let (snapshot, found) = self.call(
            needs,
            &self.client.control("get_bucket_by_id", None),
            |raw| raw.find_buckets(None, Some(&id)),
        )?;
        let found = found.iter().find(|details| details.bucket_id == id);
        found
            .map(|details| self.known(&snapshot, details))
            .ok_or_else(|| not_found(id.as_str()))
    }

    /// Returns all buckets that this key can see, in the order of their names. For a key that is
    /// restricted to buckets, one request is sent for each of them, otherwise one for all. Requests are
    /// billed in class C.
    ///
    /// The service is asked each time. The names and ids are remembered in the account info, so that
    /// [`get_bucket_by_name`](Self::get_bucket_by_name) then sends nothing. A handle holds no settings:
    /// [`Bucket::details`] requests those of one bucket.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the key lacks `listBuckets`; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn list_buckets(&self) -> Result<Vec<Bucket>> {
        let control = self.client.control("list_buckets", None);
        let snapshot = self.client.session.current(&control)?;
        let Some(allowed) = &snapshot.auth().allowed.buckets else {
            let (snapshot, found) = self.call(Operation::ListBuckets, &control, |raw| {
                raw.find_buckets(None, None)
            })?;
            let known: Vec<_> = found
                .iter()
                .map(|details| (details.bucket_name.clone(), details.bucket_id.clone()))
                .collect();
            log_store_failure(
                "bucket names",
                self.client
                    .session
                    .info()
                    .replace_buckets(snapshot.identity(), &known),
            );
            return Ok(known
                .into_iter()
                .map(|(name, id)| self.bucket(&snapshot, &name, id))
                .collect());
        };
        let mut buckets = Vec::new();
        for bucket in allowed {
            let (snapshot, found) = self.call(Operation::ListBuckets, &control, |raw| {
                raw.find_buckets(None, Some(&bucket.id))
            })?;
            buckets.extend(found.iter().map(|details| self.known(&snapshot, details)));
        }
        buckets.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(buckets)
    }

    /// Deletes a bucket, which must contain no versions, hide markers or unfinished large files.
    /// Its name can then be taken by any account, and its id is never used again. The request is free
    /// (class A).
    ///
    /// [`Bucket::delete_many`] with [`Versions::All`](crate::Versions::All) empties a bucket. Other handles
    /// of the bucket remain, and their calls fail with [`Error::BucketNotFound`].
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// use b2sdk::delete::DeleteManyOptions;
    /// use b2sdk::{LsOptions, Versions};
    ///
    /// let everything = LsOptions::new().recursive(true).versions(Versions::All);
    /// for deleted in bucket.delete_many("", &everything, &DeleteManyOptions::new())? {
    ///     deleted.map_err(|failed| failed.error)?;
    /// }
    /// b2_api.delete_bucket(&bucket)?;
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`] if it was deleted before; [`Error::Service`] with the code
    /// `cannot_delete_non_empty_bucket`; [`Error::NotAllowed`] if the key lacks `deleteBuckets`; the [errors of
    /// any call](crate::Error#errors-of-any-call). If the answer is lost, the call is repeated, and a bucket
    /// that is then gone counts as deleted.
    pub fn delete_bucket(&self, bucket: &Bucket) -> Result<()> {
        let id = bucket.id();
        let needs = Requirements::from(Operation::DeleteBucket)
            .about(bucket.name())
            .bucket(&id);
        let outcome =
            self.client
                .session
                .call(needs, &bucket.control("delete_bucket", None, None), |raw| {
                    raw.delete_bucket(&id)
                });
        if outcome.is_ok() || outcome.as_ref().is_err_and(Error::is_not_found) {
            log_store_failure(
                "deleted bucket",
                self.client
                    .session
                    .info()
                    .remove_bucket(bucket.owner(), &id),
            );
        }
        match outcome {
            // An earlier attempt, whose answer was lost, had deleted it.
            Err(error) if error.is_not_found() && error.is_after_lost_answer() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// A call that is about the account, with the authorization to which its result belongs.
    fn call<'n, T>(
        &self,
        needs: impl Into<Requirements<'n>>,
        control: &Control,
        f: impl FnMut(&crate::raw::Raw<'_>) -> Result<T>,
    ) -> Result<(Arc<AuthSnapshot>, T)> {
        // Read before the call: should the account change during it, the result is dropped with
        // AccountChanged instead of being taken for the new account's.
        let snapshot = self.client.session.current(control)?;
        let owner = Arc::new(snapshot.identity().clone());
        let value = self
            .client
            .session
            .call(needs, &control.clone().owned_by(&owner), f)?;
        Ok((snapshot, value))
    }

    /// Remembers a bucket that the service told of.
    fn known(&self, snapshot: &AuthSnapshot, details: &BucketDetails) -> Bucket {
        let BucketDetails {
            bucket_name: name,
            bucket_id: id,
            ..
        } = details;
        log_store_failure(
            "bucket name",
            self.client
                .session
                .info()
                .save_bucket(snapshot.identity(), name, id),
        );
        self.bucket(snapshot, name, id.clone())
    }

    fn bucket(&self, snapshot: &AuthSnapshot, name: &str, id: BucketId) -> Bucket {
        Bucket::new(self.client.clone(), snapshot.identity().clone(), name, id)
    }
}

/// Whether the key is for other buckets than the one that is wanted.
fn is_elsewhere(snapshot: &AuthSnapshot, is_wanted: impl Fn(&AllowedBucket) -> bool) -> bool {
    let buckets = snapshot.auth().allowed.buckets.as_deref();
    buckets.is_some_and(|buckets| !buckets.iter().any(is_wanted))
}

fn not_found(bucket: &str) -> Error {
    Error::BucketNotFound {
        bucket: bucket.into(),
        service: None,
    }
}
