//! Making, listing and deleting application keys.

use std::time::Duration;

use crate::api::B2Api;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::model::auth::Capability;
use crate::model::id::{ApplicationKeyId, BucketId};
use crate::model::key::{CreatedKey, KeyDetails};
use crate::model::operation::Operation;
use crate::session::capabilities::Requirements;
use crate::session::paging::KeyPages;
use crate::setters::setters;
use crate::wire::key::CreateKeyRequest;

/// A key is valid for less than 1,000 days (docs/protocol.md, section 2.22).
const TOO_LONG: Duration = Duration::from_secs(1000 * 24 * 3600);

/// Restrictions of a new application key.
///
/// They cannot be changed later: to change them, create another key and delete this one.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::BucketId;
/// use b2sdk::keys::CreateKeyOptions;
///
/// let options = CreateKeyOptions::new()
///     .buckets([BucketId::from("e50ba23e791f80c74c619dd4")])
///     .name_prefix("2026/")
///     .valid_for(Duration::from_secs(24 * 3600));
/// assert_eq!(options.name_prefix.as_deref(), Some("2026/"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CreateKeyOptions {
    /// The buckets that the key may use; all buckets if not set. An empty list is refused. A key that is
    /// restricted to buckets cannot hold the capabilities `listKeys`, `writeKeys`, `deleteKeys`,
    /// `writeBuckets` and `deleteBuckets`.
    pub buckets: Option<Vec<BucketId>>,
    /// What the names of files begin with that the key may use; all names if not set. The key can then list
    /// files only below this prefix, and upload, download, hide, copy and delete only such names.
    ///
    /// It applies in every bucket that the key may use, so without `buckets` in all of them. Older
    /// documentation of the service required a bucket together with a prefix: if the service refuses such
    /// a key, restrict it to buckets as well
    /// ([section 2.22](crate::guide::protocol#222-b2_create_key)).
    pub name_prefix: Option<String>,
    /// How long the key is valid, in whole seconds, at least one and less than 1,000 days. Fractions of a
    /// second are dropped. A key for which this is not set never expires.
    pub valid_for: Option<Duration>,
}

setters! {
    new CreateKeyOptions {
        valid_for: Duration,
    }
    into {
        name_prefix: String,
    }
    list {
        buckets: BucketId,
    }
}

/// An iterator over the application keys of an account, from [`B2Api::list_keys`].
///
/// It requests a page of up to 1,000 keys when it needs one, and keeps no more than that in memory. Each
/// page is one request of class C. After an error it ends.
#[derive(Debug)]
pub struct Keys {
    client: Client,
    pages: KeyPages,
}

/// # Application keys
impl B2Api {
    /// Creates an application key that never expires and works for every bucket. Its secret is
    /// returned only here. The request is billed in class C.
    ///
    /// The name is for people: it has 1 to 100 letters, digits and `-`, and several keys may have the same
    /// one. A second call creates a second key.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::keys::Capability;
    ///
    /// let reader = [Capability::ListBuckets, Capability::ListFiles, Capability::ReadFiles];
    /// let created = b2_api.create_key("web-server", reader)?;
    /// println!("id {}", created.details.application_key_id);
    /// // created.application_key.expose() is the secret: store it now, it is never shown again.
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`], before anything is sent, for another name, for no capability at all, or for
    /// restrictions that a key cannot have; [`Error::NotAllowed`] if this key lacks `writeKeys`, or would grant
    /// more than it has; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the key
    /// may exist, and nobody knows its secret. Find it by its name with
    /// [`list_keys`](Self::list_keys), and delete it.
    pub fn create_key(
        &self,
        name: &str,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Result<CreatedKey> {
        self.create_key_with(name, capabilities, &CreateKeyOptions::default())
    }

    /// Creates an application key that is restricted to buckets or names, or expires.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use std::time::Duration;
    /// use b2sdk::keys::{Capability, CreateKeyOptions};
    ///
    /// // For a machine that may add backups for a year, and neither read nor delete them.
    /// let year = Duration::from_secs(365 * 24 * 3600);
    /// let options = CreateKeyOptions::new().buckets([bucket.id()]).name_prefix("host-7/").valid_for(year);
    /// let created = b2_api.create_key_with("host-7", [Capability::WriteFiles], &options)?;
    /// assert_eq!(created.details.name_prefix.as_deref(), Some("host-7/"));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`], before anything is sent, for a name that no key can have, for no capability at
    /// all, or for restrictions that a key cannot have; [`Error::NotAllowed`] if this key lacks `writeKeys`, or
    /// would grant more than it has; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the key may
    /// exist, and nobody knows its secret. Find it by its name with [`list_keys`](Self::list_keys), and
    /// delete it.
    pub fn create_key_with(
        &self,
        name: &str,
        capabilities: impl IntoIterator<Item = Capability>,
        options: &CreateKeyOptions,
    ) -> Result<CreatedKey> {
        let CreateKeyOptions {
            buckets,
            name_prefix,
            valid_for,
        } = options;
        let capabilities: Vec<_> = capabilities.into_iter().collect();
        check(name, &capabilities, options)?;
        // Nobody grants more than they hold.
        let needs = Requirements::from(Operation::CreateKey).perhaps(&capabilities);
        let made =
            self.client
                .session
                .call(needs, &self.client.control("create_key", None), |raw| {
                    raw.create_key(&CreateKeyRequest {
                        account_id: &raw.auth.account_id,
                        capabilities: &capabilities,
                        key_name: name,
                        valid_duration_in_seconds: valid_for.map(|time| time.as_secs()),
                        bucket_ids: buckets.as_deref(),
                        name_prefix: name_prefix.as_deref(),
                    })
                })?;
        Ok(CreatedKey {
            application_key: made.application_key,
            details: made.details,
        })
    }

    /// Lists the application keys of the account, page by page, in no particular order. The master key is
    /// never listed; keys that have expired may be. Each started 1,000 keys are billed as one call of class
    /// C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::keys::Capability;
    ///
    /// for key in b2_api.list_keys()? {
    ///     let key = key?;
    ///     if key.capabilities.contains(&Capability::DeleteFiles) {
    ///         println!("{} ({}) may delete files", key.key_name, key.application_key_id);
    ///     }
    /// }
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// This call sends nothing. The items can be [`Error::NotAllowed`] if this key lacks `listKeys`, or the
    /// [errors of any call](crate::Error#errors-of-any-call).
    pub fn list_keys(&self) -> Result<Keys> {
        Ok(Keys {
            client: self.client.clone(),
            pages: KeyPages::default(),
        })
    }

    /// Returns the key with this id, or `None` if there is none. This is one request for a listing
    /// that starts at the id, billed in class C.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if this key lacks `listKeys`; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn get_key(&self, id: &ApplicationKeyId) -> Result<Option<KeyDetails>> {
        KeyPages::find(
            &self.client.session,
            &self.client.control("get_key", None),
            id,
        )
    }

    /// Permanently deletes an application key and returns what it was. Tokens that were issued for
    /// it stop working soon afterwards, and so do download tokens and signed URLs that were made with it.
    /// The request is free (class A).
    ///
    /// A key can delete itself; the calls that follow fail with [`Error::InvalidCredentials`].
    ///
    /// A key that has expired may still be listed. The service does not document whether it can be deleted
    /// then, so a program that cleans up should take the code `bad_request` for a key that is gone.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::keys::Capability;
    ///
    /// let key = b2_api.create_key("uploads-of-host-7", [Capability::WriteFiles])?;
    /// let id = &key.details.application_key_id;
    /// b2_api.delete_key(id)?;
    /// assert_eq!(b2_api.get_key(id)?, None);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Service`] with the code `bad_request` if there is no such key; [`Error::NotAllowed`] if this
    /// key lacks `deleteKeys`; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the answer is lost, the call is repeated. If the first request had taken effect, the
    /// second one fails because the key no longer exists, and the error says so.
    pub fn delete_key(&self, id: &ApplicationKeyId) -> Result<KeyDetails> {
        self.client.session.call(
            Operation::DeleteKey,
            &self.client.control("delete_key", None),
            |raw| raw.delete_key(id),
        )
    }
}

/// What a key that is restricted to buckets cannot hold (docs/protocol.md, section 2.22).
const ACCOUNT_LEVEL: [Capability; 5] = [
    Capability::ListKeys,
    Capability::WriteKeys,
    Capability::DeleteKeys,
    Capability::WriteBuckets,
    Capability::DeleteBuckets,
];

/// Checks what is certain to be refused.
fn check(name: &str, capabilities: &[Capability], options: &CreateKeyOptions) -> Result<()> {
    if !(1..=100).contains(&name.len())
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(Error::invalid_input(
            "key name",
            "it has 1 to 100 letters, digits and '-'",
        ));
    }
    if capabilities.is_empty() {
        return Err(Error::invalid_input(
            "capabilities",
            "a key has at least one",
        ));
    }
    if options.buckets.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::invalid_input(
            "buckets",
            "name at least one, or do not restrict the key to buckets",
        ));
    }
    if options.buckets.is_some()
        && let Some(capability) = ACCOUNT_LEVEL
            .iter()
            .find(|account_level| capabilities.contains(account_level))
    {
        return Err(Error::invalid_input(
            "capabilities",
            format!("{capability} is about the account: a key for some buckets cannot have it"),
        ));
    }
    match options.valid_for {
        Some(time) if time < Duration::from_secs(1) || time >= TOO_LONG => {
            Err(Error::invalid_input(
                "valid_for",
                "a key is valid for at least one second and less than 1,000 days",
            ))
        }
        _ => Ok(()),
    }
}

impl Iterator for Keys {
    type Item = Result<KeyDetails>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { client, pages } = self;
        pages.next(&client.session, &client.control("list_keys", None))
    }
}

impl std::iter::FusedIterator for Keys {}
