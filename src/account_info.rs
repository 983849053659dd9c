//! Where an authorization, the bucket names and the upload URLs are kept: one trait, two stores.
//!
//! A store belongs to one [`Identity`] at a time. Whatever else is kept belongs to that identity:
//! every method that touches it names the identity it works for, and is refused
//! ([`StoreError::superseded`]) when the store has moved on to another.
//!
//! Replacing an old token, so that many threads and processes authorize once:
//!
//! 1. `begin_refresh(stale)`: somebody has replaced it already (`Newer`), somebody is at it
//!    (`Busy`: ask again soon), or it is ours to do (`Lease`).
//! 2. Under a lease: authorize, then `save_auth` with the ticket; or `abandon_refresh`.
//! 3. A lease that is not used in time lapses, so a killed process blocks nobody.
//!
//! ```
//! use std::time::Duration;
//! use b2sdk::{AccountInfo, InMemoryAccountInfo, Refresh};
//!
//! let info = InMemoryAccountInfo::new();
//! assert!(info.auth()?.is_none());
//! let lease = Duration::from_secs(30);
//! let Refresh::Lease(ticket) = info.begin_refresh(None, lease)? else { panic!("nobody else is here") };
//! // While one authorizes, the others wait.
//! assert!(matches!(info.begin_refresh(None, lease)?, Refresh::Busy));
//! info.abandon_refresh(ticket)?;
//! # Ok::<_, b2sdk::StoreError>(())
//! ```

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
pub(crate) mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod stored;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::{BucketId, FileId};
use crate::model::secret::UploadToken;
use crate::model::sha1::Sha1Hasher;
use crate::model::time::Timestamp;

/// Keeps an authorization, the bucket names and the upload URLs.
///
/// The crate has two: [`InMemoryAccountInfo`](crate::InMemoryAccountInfo) forgets everything with
/// the process, and `SqliteAccountInfo` keeps it in a file. To write your own, implement the
/// methods as single atomic exchanges with whatever you store things in, and run the conformance
/// kit (feature `test-util`) on it. `examples/custom_account_info.rs` is such a store, and
/// `docs/account-info.md` sketches one on Redis and one on PostgreSQL.
///
/// Many threads call at the same time. No method does anything over the network to B2, and none
/// holds a lock when it returns.
pub trait AccountInfo: fmt::Debug + Send + Sync {
    /// The authorization in the store. Called before every request, so it should be cheap.
    ///
    /// # Errors
    /// Whatever the store meets.
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError>;

    /// Asks to replace the authorization of that generation, or a missing one (`None`). A lease is
    /// valid for `lease` from now on: until then nobody else gets one. Whoever holds it may still
    /// save later, as long as the store holds the same identity.
    ///
    /// # Errors
    /// Whatever the store meets.
    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError>;

    /// Stores an authorization and ends the lease.
    ///
    /// Saving another identity than the one in the store drops buckets and upload URLs; saving the
    /// same one keeps them. The buckets that the key is restricted to are added to the bucket names.
    ///
    /// # Errors
    /// [`StoreError::superseded`] if a ticket is given and the store has moved on to another
    /// identity since it was drawn; whatever the store meets.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError>;

    /// Gives a lease back unused, so that the next one need not wait for it to lapse.
    ///
    /// # Errors
    /// Whatever the store meets.
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError>;

    /// Forgets everything: the authorization, the buckets, the upload URLs.
    ///
    /// # Errors
    /// Whatever the store meets.
    fn clear(&self) -> Result<(), StoreError>;

    /// The id of the bucket of that name, if it is known.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError>;

    /// The name of the bucket of that id, if it is known.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError>;

    /// All known buckets: name and id, in the order of names.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError>;

    /// Remembers a bucket. An older entry of the same name, or of the same id, is replaced.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError>;

    /// Forgets a bucket and its upload URLs.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError>;

    /// Remembers exactly these buckets: name and id.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError>;

    /// Takes an upload URL out of the pool: from now on it is the caller's alone. The one put back
    /// last comes first; none older than [`UploadUrl::LIFETIME`] ever comes.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError>;

    /// Puts an upload URL into the pool, for anybody to take. The pool is bounded
    /// ([`UploadUrl::POOL_SIZE`]): beyond that the oldest is dropped.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError>;

    /// Drops the upload URLs of one target, as when a large file is finished.
    ///
    /// # Errors
    /// [`StoreError::superseded`]; whatever the store meets.
    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError>;
}

/// An authorization as it lies in a store, with the generation that tells it from any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSnapshot {
    auth: AccountAuth,
    identity: Identity,
    generation: Generation,
}

impl AuthSnapshot {
    /// The snapshot of an authorization.
    #[must_use]
    pub fn new(auth: AccountAuth) -> Self {
        Self {
            identity: auth.identity(),
            generation: Generation::of(&auth),
            auth,
        }
    }

    /// The authorization as JSON, for a store that keeps text. **The application key and the token are
    /// in it in clear**: keep it from others as you would the key.
    ///
    /// # Errors
    /// None is known.
    pub fn expose_json(&self) -> Result<String, StoreError> {
        Ok(serde_json::to_string(&stored::Written::from(&self.auth))?)
    }

    /// Reads what [`expose_json`](Self::expose_json) wrote, also if another version of the crate did.
    ///
    /// ```
    /// use b2sdk::AuthSnapshot;
    ///
    /// let stored = r#"{"realm": "production", "accountId": "5b2e9f07c1d4", "applicationKeyId": "key-id",
    ///     "applicationKey": "key", "authorizationToken": "token", "apiUrl": "https://api001.backblazeb2.com",
    ///     "downloadUrl": "https://f001.backblazeb2.com", "s3ApiUrl": "", "absoluteMinimumPartSize": 5000000,
    ///     "recommendedPartSize": 100000000,
    ///     "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    /// let snapshot = AuthSnapshot::from_json(stored)?;
    /// assert_eq!(AuthSnapshot::from_json(&snapshot.expose_json()?)?, snapshot);
    /// # Ok::<_, b2sdk::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// A [`StoreError`] if the text is not that.
    pub fn from_json(text: &str) -> Result<Self, StoreError> {
        let read: stored::Read = serde_json::from_str(text)
            // Its own text may quote a secret.
            .map_err(|error| {
                StoreError::new(format!(
                    "a stored authorization cannot be read (column {})",
                    error.column()
                ))
            })?;
        Ok(Self::new(read.into()))
    }

    /// The authorization.
    #[must_use]
    pub const fn auth(&self) -> &AccountAuth {
        &self.auth
    }

    /// Whose it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which one it is.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }
}

/// Tells one authorization from another. It is made of the identity and the token, so it changes
/// with every new token whoever stored it, even a program that knows nothing of generations.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation([u8; 20]);

impl Generation {
    fn of(auth: &AccountAuth) -> Self {
        let mut hasher = Sha1Hasher::default();
        let parts = [
            auth.account_id.as_str(),
            auth.application_key_id.as_str(),
            &auth.realm,
            auth.token.expose(),
            &auth.api_url,
        ];
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(*hasher.finish().as_bytes())
    }

    /// The generation as bytes, for a store on a server that compares generations there: the same
    /// authorization has the same ones in every process and version. They tell nothing of the token.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "Generation({a:02x}{b:02x}{c:02x})")
    }
}

/// What to do about a token that no longer works.
#[derive(Debug)]
pub enum Refresh {
    /// It was replaced meanwhile: use this one.
    Newer(Arc<AuthSnapshot>),
    /// Authorize, and save with this ticket.
    Lease(RefreshTicket),
    /// Somebody else is authorizing: ask again in a moment.
    Busy,
}

/// The right to replace an authorization. It is used up by saving or abandoning.
#[derive(Debug, PartialEq, Eq)]
pub struct RefreshTicket {
    number: u64,
    identity: Option<Identity>,
}

impl RefreshTicket {
    /// A ticket drawn while the store held this identity; the number is the store's to choose.
    #[must_use]
    pub const fn new(number: u64, identity: Option<Identity>) -> Self {
        Self { number, identity }
    }

    /// The number that the store chose.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The identity in the store when the ticket was drawn.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}

/// What an upload URL is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UploadTarget {
    /// Files of a bucket.
    Bucket(BucketId),
    /// Parts of an unfinished large file.
    LargeFile(FileId),
}

/// An upload URL with its token. One upload at a time may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadUrl {
    /// The URL.
    pub url: String,
    /// Its token.
    pub token: UploadToken,
    /// When it was received, in milliseconds since the Unix epoch.
    pub received: Timestamp,
}

impl UploadUrl {
    /// A URL with its token, received at that time.
    #[must_use]
    pub const fn new(url: String, token: UploadToken, received: Timestamp) -> Self {
        Self {
            url,
            token,
            received,
        }
    }

    /// How long after it was received a URL is used: the service's 24 hours
    /// ([section 6](crate::guide::protocol#6-upload-urls)) less a margin.
    pub const LIFETIME: Duration = Duration::from_secs(23 * 3600);
    /// How many URLs of one target a store keeps.
    pub const POOL_SIZE: usize = 100;

    /// Whether it may still be used at that time.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.received > now.earlier(Self::LIFETIME) && self.received <= now
    }
}

impl<T: AccountInfo + ?Sized> AccountInfo for Arc<T> {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        (**self).auth()
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        (**self).begin_refresh(stale, lease)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        (**self).save_auth(auth, ticket)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        (**self).abandon_refresh(ticket)
    }

    fn clear(&self) -> Result<(), StoreError> {
        (**self).clear()
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        (**self).bucket_id(owner, name)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        (**self).bucket_name(owner, id)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        (**self).buckets(owner)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        (**self).save_bucket(owner, name, id)
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        (**self).remove_bucket(owner, id)
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        (**self).replace_buckets(owner, buckets)
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        (**self).take_upload_url(owner, target)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        (**self).put_upload_url(owner, target, url)
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        (**self).drop_upload_urls(owner, target)
    }
}
