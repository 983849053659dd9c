//! The values that go into and out of a store: authorizations with their generations, the right to
//! replace one, upload URLs and what they are for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::stored;
use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::{BucketId, FileId};
use crate::model::secret::UploadToken;
use crate::model::sha1::Sha1Hasher;
use crate::model::time::Timestamp;

/// An authorization in a store, with its identity and its generation, as
/// [`AccountInfo::auth`](super::AccountInfo::auth) returns it.
///
/// A snapshot never changes. The store replaces it as a whole, so a request that was begun with it
/// is judged by it: if the service refuses the token, the client asks to replace this generation,
/// and learns whether somebody else has done so already. Its `Debug` output shows neither the key
/// nor the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSnapshot {
    auth: AccountAuth,
    identity: Identity,
    generation: Generation,
}

impl AuthSnapshot {
    /// Creates the snapshot of an authorization.
    #[must_use]
    pub fn new(auth: AccountAuth) -> Self {
        Self {
            identity: auth.identity(),
            generation: Generation::of(&auth),
            auth,
        }
    }

    /// Returns the authorization as JSON, for a store that keeps text.
    ///
    /// **The JSON contains the application key and the token in clear text.** Protect it as you would
    /// protect the key.
    ///
    /// # Errors
    /// A [`StoreError`] if the JSON cannot be written, which no value is known to cause.
    pub fn expose_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(&stored::Written::from(&self.auth)).map_err(StoreError::new)
    }

    /// Returns the authorization as JSON without the application key, for a store that others can read.
    ///
    /// An authorization without a key is used by a client that was given the key of that id, and is
    /// replaced by means of that key. **The JSON contains the token in clear text.**
    ///
    /// # Errors
    /// A [`StoreError`] if the JSON cannot be written, which no value is known to cause.
    pub fn expose_json_without_key(&self) -> Result<String, StoreError> {
        let written = stored::Written::from(&self.auth).without_key();
        serde_json::to_string(&written).map_err(StoreError::new)
    }

    /// Reads JSON that [`expose_json`](Self::expose_json) wrote, in this or another version of the
    /// crate.
    ///
    /// ```
    /// use b2sdk::account_info::AuthSnapshot;
    ///
    /// let stored = r#"{"realm": "production", "accountId": "5b2e9f07c1d4", "applicationKeyId": "key-id",
    ///     "applicationKey": "key", "authorizationToken": "token", "apiUrl": "https://api001.backblazeb2.com",
    ///     "downloadUrl": "https://f001.backblazeb2.com", "s3ApiUrl": "", "absoluteMinimumPartSize": 5000000,
    ///     "recommendedPartSize": 100000000,
    ///     "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    /// let snapshot = AuthSnapshot::from_json(stored)?;
    /// assert_eq!(AuthSnapshot::from_json(&snapshot.expose_json()?)?, snapshot);
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// A [`StoreError`] if the text is not such JSON. Its message quotes nothing of the text.
    pub fn from_json(text: &str) -> Result<Self, StoreError> {
        let read: stored::Read = serde_json::from_str(text)
            // The parser's own message may quote a secret.
            .map_err(|error| {
                StoreError::new(format!(
                    "a stored authorization cannot be read (column {})",
                    error.column()
                ))
            })?;
        Ok(Self::new(read.into()))
    }

    /// Returns the authorization: the token, the URLs of the account's cluster, and what the key
    /// may do. It contains secrets, which its `Debug` output does not show.
    #[must_use]
    pub const fn auth(&self) -> &AccountAuth {
        &self.auth
    }

    /// Returns the identity that the authorization belongs to.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the generation of the authorization, which is another one for every token. A caller
    /// that finds the token refused names it to
    /// [`AccountInfo::begin_refresh`](super::AccountInfo::begin_refresh).
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }
}

/// A fingerprint of an authorization.
///
/// It is computed from the identity, the token and the API URL, so it changes with every new token,
/// even if a program that knows nothing of generations stored that token.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// use b2sdk::account_info::AccountInfo;
///
/// let before = b2_api.account_info().auth()?.expect("an authorization").generation();
/// b2_api.reauthorize()?;
/// let after = b2_api.account_info().auth()?.expect("an authorization").generation();
/// assert_ne!(before, after);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
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

    /// Returns the generation as bytes, for a store on a server that compares generations there.
    ///
    /// An authorization has equal bytes in every process and every version of this crate. They do not
    /// reveal the token.
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

/// The answer to [`AccountInfo::begin_refresh`](super::AccountInfo::begin_refresh): whether the
/// caller authorizes, waits for somebody who does, or has nothing to do any more.
#[derive(Debug)]
pub enum Refresh {
    /// The authorization was replaced already, by another thread or process. The caller uses this
    /// one and sends its request again; no request to `b2_authorize_account` is needed.
    Newer(Arc<AuthSnapshot>),
    /// The caller holds the lease. It authorizes, and saves with this ticket; or it calls
    /// [`AccountInfo::abandon_refresh`](super::AccountInfo::abandon_refresh) if that failed.
    Lease(RefreshTicket),
    /// Somebody else holds the lease. The caller asks again later, with growing pauses up to one
    /// second, until there is a newer authorization or the lease lapses.
    Busy,
}

/// The right to replace an authorization. Saving or abandoning consumes it.
///
/// A ticket names the identity that the store held when it was drawn. Saving with it is refused if
/// the store holds another identity by then, so that a slow refresh never overwrites somebody's new
/// login.
#[derive(Debug, PartialEq, Eq)]
pub struct RefreshTicket {
    number: u64,
    identity: Option<Identity>,
}

impl RefreshTicket {
    /// Creates a ticket with a number that the store chooses, drawn while the store holds this
    /// identity.
    ///
    /// ```
    /// use b2sdk::account_info::{Identity, RefreshTicket};
    ///
    /// let held = Identity::new("5b2e9f07c1d4", "key-id", "production");
    /// let ticket = RefreshTicket::new(7, Some(held.clone()));
    /// assert_eq!((ticket.number(), ticket.identity()), (7, Some(&held)));
    /// ```
    #[must_use]
    pub const fn new(number: u64, identity: Option<Identity>) -> Self {
        Self { number, identity }
    }

    /// Returns the number that the store chose. Two tickets of one store never have the same
    /// number, so a store recognizes by it whether a lease is still the ticket's own.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the identity that the store held when the ticket was drawn.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}

/// The target of an upload URL: what a store keeps a pool of URLs for.
///
/// The two kinds come from different endpoints and are not interchangeable, even if a bucket and a
/// file happened to have one id.
///
/// ```
/// use std::collections::HashMap;
/// use b2sdk::account_info::{UploadTarget, UploadUrl};
///
/// // As a store may keep them.
/// let mut pools: HashMap<UploadTarget, Vec<UploadUrl>> = HashMap::new();
/// pools.entry(UploadTarget::Bucket("id".into())).or_default();
/// assert!(!pools.contains_key(&UploadTarget::LargeFile("id".into())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UploadTarget {
    /// Whole files in a bucket (`b2_get_upload_url`). Such a pool lives as long as the bucket, and
    /// serves all files that are uploaded in one request.
    Bucket(BucketId),
    /// Parts of a large file that is not finished (`b2_get_upload_part_url`). Such a pool is
    /// dropped when the file is finished or cancelled.
    LargeFile(FileId),
}

/// An upload URL with its token. Only one upload at a time may use it: the service answers a second
/// one that runs beside it with an error.
///
/// The token in it is not that of the authorization. It is valid for 24 hours, or until the storage
/// server behind the URL rejects an upload. `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadUrl {
    /// The URL, which leads to one storage server of the service.
    pub url: String,
    /// The token that goes with it, for the header `Authorization`.
    pub token: UploadToken,
    /// When it was received from the service, in milliseconds since the Unix epoch, by the clock of
    /// the machine that requested it. Its age counts from there, also in another process or on
    /// another machine.
    pub received: Timestamp,
}

impl UploadUrl {
    /// Creates an upload URL that was received at this time.
    #[must_use]
    pub const fn new(url: String, token: UploadToken, received: Timestamp) -> Self {
        Self {
            url,
            token,
            received,
        }
    }

    /// How long a URL is used after it was received: 23 hours, which is the service's 24 hours
    /// ([section 6](crate::guide::protocol#6-upload-urls)) less a margin.
    pub const LIFETIME: Duration = Duration::from_secs(23 * 3600);
    /// The number of URLs that a store keeps for one target, unless it is set otherwise.
    pub const POOL_SIZE: usize = 100;

    /// How far the clocks of two machines that share a store may differ: a URL that was received up to
    /// this long in the future is used.
    pub(crate) const CLOCK_SLACK: Duration = Duration::from_secs(300);

    /// Returns whether the URL may still be used at this time. A URL that seems to be received in the
    /// future is not, beyond what two machines' clocks may differ (5 minutes).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use b2sdk::account_info::UploadUrl;
    ///
    /// let received = SystemTime::now();
    /// let url = UploadUrl::new("https://pod.example.com".to_owned(), "token".into(), received.into());
    /// assert!(url.is_fresh((received + Duration::from_secs(3600)).into()));
    /// assert!(!url.is_fresh((received + UploadUrl::LIFETIME).into()));
    /// ```
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.received > now.earlier(Self::LIFETIME)
            && self.received.earlier(Self::CLOCK_SLACK) <= now
    }
}
