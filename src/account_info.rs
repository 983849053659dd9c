//! Stores for the authorization, the bucket names and the upload URLs: the trait, its values, and the
//! stores of this crate.
//!
//! A store belongs to one [`Identity`] at a time: an account, a key and a realm. Buckets and upload
//! URLs belong to that identity. Every method that uses them names the identity that it works for, and
//! the store refuses the call ([`StoreError::superseded`]) if it holds another one.
//!
//! To replace a token that has expired, many threads and processes authorize once between them:
//!
//! 1. Each calls `begin_refresh(stale)`. It learns that the token was replaced already (`Newer`), that
//!    somebody else is replacing it (`Busy`), or that it is to do so itself (`Lease`).
//! 2. The holder of the lease authorizes, then calls `save_auth` with its ticket, or `abandon_refresh`
//!    if that failed.
//! 3. A lease that is neither used nor abandoned lapses, so a process that was killed blocks nobody.
//!
//! ```
//! use std::time::Duration;
//! use b2sdk::account_info::{AccountInfo, Refresh};
//! use b2sdk::InMemoryAccountInfo;
//!
//! let info = InMemoryAccountInfo::new();
//! assert!(info.auth()?.is_none());
//! let lease = Duration::from_secs(30);
//! let Refresh::Lease(ticket) = info.begin_refresh(None, lease)? else { panic!("nobody else is here") };
//! // While one authorizes, the others wait.
//! assert!(matches!(info.begin_refresh(None, lease)?, Refresh::Busy));
//! info.abandon_refresh(ticket)?;
//! # Ok::<_, b2sdk::error::StoreError>(())
//! ```
//!
//! What each kind of data is, and what its loss costs:
//!
//! | data | belongs to | lost with | what its loss costs |
//! | --- | --- | --- | --- |
//! | authorization: key, token, URLs of the cluster, what the key may do | the store | [`AccountInfo::clear`], a login of another identity | one `b2_authorize_account` (class C), or `NotAuthorized` if the program has no credentials |
//! | bucket names and ids | an identity | another identity, [`AccountInfo::remove_bucket`] | one `b2_list_buckets` (class C) for each name that is used |
//! | upload URLs with their tokens | an identity and a target | being taken, 23 hours, another identity, the end of the large file | one `b2_get_upload_url` or `b2_get_upload_part_url` (class A, free of charge) |
//! | the lease | the store | saving, abandoning, its time | nothing |
//!
//! Everything here can be requested again from the service, so a store is a cache: a client goes on
//! without it, logs one warning with the reason, and authorizes with its own credentials. The one
//! exception is a program that was started without credentials and relies on the authorization that
//! another one stored.

mod bucket_list;
pub(crate) mod cached;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod fleet;
mod forward;
pub(crate) mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod sealing;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod stored;
#[cfg(test)]
mod tests;
mod url_pools;
mod values;

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::builder::SqliteAccountInfoBuilder;

pub use self::cached::Cached;
use self::forward::{forward_account_info, forward_methods};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use self::postgres::{PostgresAccountInfo, PostgresAccountInfoBuilder};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::{RedisAccountInfo, RedisAccountInfoBuilder};
pub use self::values::{AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::control::sync;
use crate::error::StoreError;
pub use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;
pub use crate::model::secret::{AuthToken, UploadToken};

/// A store for an authorization, the bucket names and the upload URLs.
///
/// The crate has [`InMemoryAccountInfo`](crate::InMemoryAccountInfo), which ends with the process,
/// `SqliteAccountInfo`, which keeps everything in a file for the processes of one machine, and,
/// behind features, `RedisAccountInfo` and `PostgresAccountInfo` for fleets of machines. To write
/// another one, implement each method as a single atomic operation of whatever keeps the data, and
/// run the conformance kit (feature `test-util`) on it. `examples/custom_account_info.rs` is such a
/// store. It can be tried out behind [`Cached`], which takes most of the calls off it.
///
/// Any number of threads call a store at the same time. No method sends a request to B2, and none
/// keeps a lock after it returns. Calls cannot be cancelled, so each method of a store on a server
/// gives up after about two seconds and returns [`StoreError::unavailable`].
///
/// # How often each method is called
/// | method | when the client calls it |
/// | --- | --- |
/// | `auth` | before every request; it decides whether and as whom the request is sent |
/// | `take_upload_url`, `put_upload_url` | once before and once after each small upload and each part |
/// | `bucket_id`, `save_bucket` | when a bucket is looked up by name; nothing is remembered above the store |
/// | `begin_refresh`, `save_auth` | when a token expires, which is about once a day, and at a login |
/// | `renew_lease` | before an authorization is tried again |
/// | `is_logged_out` | only if `auth` returned nothing |
/// | the others | when a bucket is deleted or gone, when all buckets are listed, when a large file ends, at a logout |
///
/// # Atomicity
/// Two calls must not be mixed: whatever runs at the same time, the effect is that of running them
/// one after the other. Three cases matter most, and the kit checks them with 32 threads:
/// - of many callers of `begin_refresh`, one gets the lease;
/// - an upload URL is returned by one `take_upload_url` only, because two uploads through one URL
///   break each other;
/// - a reader sees the authorization from before or after a `save_auth`, and never none.
///
/// # Lost answers
/// A store on a server may not know whether a request took effect. It may repeat everything but
/// [`put_upload_url`](Self::put_upload_url), because another process may have taken the URL in
/// between:
/// - `begin_refresh`, if the store draws the ticket's number before the first attempt and a
///   repetition finds that number's lease to be its own;
/// - `take_upload_url`, which then loses a URL but never hands one out twice;
/// - the others, which have no further effect the second time. A repeated `save_auth` finds its own
///   authorization, which is a success.
///
/// An upload URL that could not be put is dropped; the client asks for another one.
///
/// # Errors
/// A method fails with [`StoreError::superseded`] if it is called for an identity that the store
/// does not hold, and the client then looks at the authorization again. It fails with
/// [`StoreError::unavailable`] if waiting may help. Any other error counts as lasting. In all three
/// cases the client goes on if it can, so an error is never worse than a missing entry, and a store
/// must not return a doubtful value to avoid one.
pub trait AccountInfo: fmt::Debug + Send + Sync {
    /// Returns the authorization in the store, or `None` if nobody has logged in, somebody has
    /// logged out, or what was there is lost.
    ///
    /// The client calls this before every request, so it should take microseconds. A store that has
    /// to ask a server can be put behind [`Cached`]. The answer is shared ([`Arc`]), because
    /// copying the key and the token each time would leave copies of secrets in memory.
    ///
    /// # Errors
    /// Whatever error the store meets. The client then uses the authorization that it used last, if
    /// any.
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError>;

    /// Returns whether somebody logged out: whether the authorization is missing because of
    /// [`clear`](Self::clear), or because another program did what `clear` does.
    ///
    /// An authorization that is missing for any other reason was lost, such as with a file that was
    /// deleted or a server that was emptied. A program that has credentials then authorizes again. It
    /// does not after a logout. A new store has not been logged out of.
    ///
    /// # Errors
    /// Whatever error the store meets.
    fn is_logged_out(&self) -> Result<bool, StoreError>;

    /// Returns how old the answers of [`auth`](Self::auth) and of the bucket methods may be: a change by
    /// another process is seen after this time at the latest. The default is zero.
    ///
    /// An old token or bucket does no harm, because the service refuses it. A logout, and another
    /// account, take effect so much later.
    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the number of upload URLs that the store keeps for one target, at least
    /// [`UploadUrl::POOL_SIZE`], which is the default.
    fn pool_size(&self) -> usize {
        UploadUrl::POOL_SIZE
    }

    /// Asks for the right to replace the authorization of generation `stale`, or a missing one
    /// (`None`).
    ///
    /// A lease lasts for `lease` from now on, and nobody else gets one before it ends. Its holder may
    /// still save after that, as long as the store holds the same identity.
    ///
    /// The rules are, in this order:
    ///
    /// 1. The store holds an authorization of another generation than `stale`: [`Refresh::Newer`],
    ///    whatever leases exist.
    /// 2. Somebody holds a lease that has not ended: [`Refresh::Busy`].
    /// 3. Otherwise the caller gets the lease: [`Refresh::Lease`]. Nothing else changes; others go
    ///    on using what the store holds.
    ///
    /// # Errors
    /// Whatever error the store meets.
    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError>;

    /// Stores an authorization and ends the lease.
    ///
    /// An authorization of another identity removes all buckets and upload URLs; one of the identity
    /// that the store holds keeps them. The buckets that the key is restricted to are added to the
    /// bucket names.
    ///
    /// A save without a ticket is a login and is always accepted. After a logout, a save with a
    /// ticket from before it is refused, so that a refresh that was under way does not undo the
    /// logout.
    ///
    /// ```
    /// use b2sdk::InMemoryAccountInfo;
    /// use b2sdk::account_info::{AccountInfo, AuthSnapshot};
    ///
    /// # let json = r#"{"realm": "production", "accountId": "a", "applicationKeyId": "k", "applicationKey": "s",
    /// #     "authorizationToken": "t", "apiUrl": "", "downloadUrl": "", "absoluteMinimumPartSize": 5000000,
    /// #     "recommendedPartSize": 100000000, "allowed": {"buckets": null, "capabilities": [], "namePrefix": null}}"#;
    /// # let auth = AuthSnapshot::from_json(json)?.auth().clone();
    /// let info = InMemoryAccountInfo::new();
    /// let saved = info.save_auth(auth, None)?;
    /// assert_eq!(info.auth()?, Some(saved));
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::superseded`] if `ticket` is given and the store holds another identity than when
    /// it was drawn; whatever error the store meets.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError>;

    /// Extends a lease that is still held, to `lease` from now on.
    ///
    /// A holder that waits for the service calls this now and then, so that nobody else begins to
    /// authorize in the meantime. The default does nothing: the lease then ends as it was drawn.
    ///
    /// A ticket whose lease has ended, or was given to somebody else, changes nothing and is no
    /// error.
    ///
    /// # Errors
    /// Whatever error the store meets.
    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let _ = (ticket, lease);
        Ok(())
    }

    /// Ends a lease without saving, so that the next caller gets one at once.
    ///
    /// Without it, everybody would wait until the lease lapses before the next attempt. A ticket
    /// whose lease has passed to somebody else does not end theirs.
    ///
    /// # Errors
    /// Whatever error the store meets.
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError>;

    /// Logs out: removes the authorization, the buckets, the upload URLs and the lease.
    ///
    /// From then on [`is_logged_out`](Self::is_logged_out) returns `true` until the next save, so
    /// programs that share the store do not log in again by themselves. The token stays valid at
    /// the service, for up to 24 hours; only deleting the key ends it. A second call changes
    /// nothing.
    ///
    /// ```
    /// use b2sdk::InMemoryAccountInfo;
    /// use b2sdk::account_info::{AccountInfo, AuthSnapshot};
    ///
    /// # let json = r#"{"realm": "production", "accountId": "a", "applicationKeyId": "k", "applicationKey": "s",
    /// #     "authorizationToken": "t", "apiUrl": "", "downloadUrl": "", "absoluteMinimumPartSize": 5000000,
    /// #     "recommendedPartSize": 100000000, "allowed": {"buckets": null, "capabilities": [], "namePrefix": null}}"#;
    /// # let auth = AuthSnapshot::from_json(json)?.auth().clone();
    /// let info = InMemoryAccountInfo::new();
    /// let owner = info.save_auth(auth, None)?.identity().clone();
    /// info.clear()?;
    /// assert!(info.is_logged_out()?);
    /// // What belonged to the identity cannot be read any more.
    /// assert!(info.buckets(&owner).unwrap_err().is_superseded());
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// Whatever error the store meets.
    fn clear(&self) -> Result<(), StoreError>;

    /// Returns the id of the bucket with this name, if the store knows it. Names differ in case.
    ///
    /// The entry may be out of date: a bucket can be deleted, and another one created under its
    /// name. The client notices that when the service refuses the id, removes the entry and asks
    /// the service once.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError>;

    /// Returns the name of the bucket with this id, if the store knows it. Downloads by name and
    /// shared links need the name, all other calls the id.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError>;

    /// Returns the names and ids of all known buckets, sorted by name. The list is as complete as
    /// what was looked up and saved; it is no substitute for `b2_list_buckets`.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError>;

    /// Stores the name and id of a bucket, in place of an older entry with this name or this id.
    /// Afterwards the name leads to this id, the id to this name, and no other entry has either.
    ///
    /// ```
    /// use b2sdk::InMemoryAccountInfo;
    /// use b2sdk::account_info::{AccountInfo, AuthSnapshot};
    ///
    /// # let json = r#"{"realm": "production", "accountId": "a", "applicationKeyId": "k", "applicationKey": "s",
    /// #     "authorizationToken": "t", "apiUrl": "", "downloadUrl": "", "absoluteMinimumPartSize": 5000000,
    /// #     "recommendedPartSize": 100000000, "allowed": {"buckets": null, "capabilities": [], "namePrefix": null}}"#;
    /// # let auth = AuthSnapshot::from_json(json)?.auth().clone();
    /// let info = InMemoryAccountInfo::new();
    /// let owner = info.save_auth(auth, None)?.identity().clone();
    /// info.save_bucket(&owner, "photos", &"id-1".into())?;
    /// // The bucket was deleted, and another one created under its name.
    /// info.save_bucket(&owner, "photos", &"id-2".into())?;
    /// assert_eq!(info.bucket_id(&owner, "photos")?, Some("id-2".into()));
    /// assert_eq!(info.bucket_name(&owner, &"id-1".into())?, None);
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError>;

    /// Removes a bucket and its upload URLs, which the service no longer accepts. A bucket that the
    /// store does not know is no error. The client calls this when the bucket was deleted, or turns
    /// out to be gone.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError>;

    /// Replaces all bucket names with these names and ids. Upload URLs stay, also those of buckets
    /// that are not in the list: they lapse within a day, and nobody asks for them.
    ///
    /// The client calls this after it has listed all buckets. The effect is that of saving them one
    /// after the other into an empty map: of buckets with a name or an id in common, the last one is
    /// kept.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError>;

    /// Takes an upload URL out of the pool of a target. From then on it belongs to the caller
    /// alone, and no other caller gets it before it is put back.
    ///
    /// The URL that was put last is returned first, because its connection is most likely still
    /// open. None older than [`UploadUrl::LIFETIME`] is returned, and none that seems to be
    /// received more than five minutes in the future; both are removed. A caller that never returns
    /// the URL, because it was killed or its upload failed, costs nothing but the URL.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use b2sdk::InMemoryAccountInfo;
    /// use b2sdk::account_info::{AccountInfo, AuthSnapshot, UploadTarget, UploadUrl};
    ///
    /// # let json = r#"{"realm": "production", "accountId": "a", "applicationKeyId": "k", "applicationKey": "s",
    /// #     "authorizationToken": "t", "apiUrl": "", "downloadUrl": "", "absoluteMinimumPartSize": 5000000,
    /// #     "recommendedPartSize": 100000000, "allowed": {"buckets": null, "capabilities": [], "namePrefix": null}}"#;
    /// # let auth = AuthSnapshot::from_json(json)?.auth().clone();
    /// let info = InMemoryAccountInfo::new();
    /// let owner = info.save_auth(auth, None)?.identity().clone();
    /// let target = UploadTarget::Bucket("id-1".into());
    /// let url = UploadUrl::new("https://pod.example.com/1".to_owned(), "token".into(), SystemTime::now().into());
    /// info.put_upload_url(&owner, &target, url.clone())?;
    /// assert_eq!(info.take_upload_url(&owner, &target)?, Some(url));
    /// assert_eq!(info.take_upload_url(&owner, &target)?, None); // it is in one hand
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError>;

    /// Puts an upload URL into the pool of a target, for anybody to take. A URL that is in the pool
    /// already stays there once. A pool holds at most [`pool_size`](Self::pool_size) URLs; the
    /// oldest is dropped to make room.
    ///
    /// The client puts a URL only after an upload through it succeeded. After any failure it drops
    /// the URL, as the service requires.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`, which is how a URL of an
    /// account that was logged out does not come back; whatever error it meets.
    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError>;

    /// Removes all upload URLs of a target, such as those of a large file that is finished.
    ///
    /// A target without a pool is no error.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if the store does not hold `owner`; whatever error it meets.
    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError>;
}

forward_account_info! {
    impl[T: AccountInfo + ?Sized] Arc<T>, |this| Ok(&**this);
    fn max_staleness(&self) -> Duration {
        (**self).max_staleness()
    }
    fn pool_size(&self) -> usize {
        (**self).pool_size()
    }
}
