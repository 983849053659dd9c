//! A bucket, and the calls that are about it: a file for each topic.
//!
//! The order of the `mod` lines, and of the `impl` blocks in them, is the order of the sections on the
//! documentation page of [`Bucket`].

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::client::Client;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::auth::Identity;
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::session::capabilities::Requirements;
use crate::session::log_store_failure;

/// A bucket of an account: uploads, downloads, listings, and everything else that is about its files.
///
/// The methods of `B2Api` that find and create buckets return it, such as
/// [`get_bucket_by_name`](crate::B2Api::get_bucket_by_name) and
/// [`create_bucket`](crate::B2Api::create_bucket). A `Bucket` holds the name and id of the bucket; [`details`](Self::details) requests the settings. It is cheap to clone, clones share everything,
/// and it can be used from many threads at once. Its calls block until they are done.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// let bucket = b2_api.get_bucket_by_name("example-mybucket-b2-1")?;
/// bucket.upload_bytes(b"hello", "notes/hello.txt")?;
/// assert_eq!(bucket.download_file_by_name("notes/hello.txt")?.read_to_vec()?, b"hello");
/// for entry in bucket.ls("notes")? {
///     println!("{}", entry?.version.file_name);
/// }
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
///
/// A bucket belongs to the account, key and realm under which it was obtained. If another one is authorized
/// in the same account info, its calls fail with [`Error::AccountChanged`]. If the bucket was deleted and
/// created again, the service no longer knows its id: the id is then looked up by the name, and the call is
/// sent once more. A bucket that is gone fails with [`Error::BucketNotFound`].
///
/// # Names, versions and folders
///
/// A file is known by its name, which has 1 to 1,024 bytes of UTF-8 and may contain `/`. Names are
/// case-sensitive and unrestricted otherwise but for [a few rules](crate::error::NameRule). There are no
/// folders: a listing groups names at the `/`, and a folder exists as long as a name begins with it.
///
/// An upload never overwrites anything. Each creates a *version* with an id of its own, and the latest one is
/// what the name stands for. Older versions are stored and billed until they are deleted, by
/// [`delete_all_versions`](Self::delete_all_versions), [`delete_many`](Self::delete_many) or a
/// [`LifecycleRule`](crate::rules::LifecycleRule). Hiding a file adds a version without content, the hide
/// marker, and the name is no longer found.
///
/// # Which call to use
///
/// | task | call |
/// | --- | --- |
/// | store a local file, bytes, a reader | [`upload_local_file`](Self::upload_local_file), [`upload_bytes`](Self::upload_bytes), [`upload_stream`](Self::upload_stream) |
/// | write a file piece by piece | [`upload_writer`](Self::upload_writer) |
/// | get a file | [`download_file_by_name`](Self::download_file_by_name) |
/// | read parts of a file | [`open_file`](Self::open_file) |
/// | transfer many files | [`upload_many`](Self::upload_many), [`download_many`](Self::download_many), or [`sync`](crate::sync) for whole directories |
/// | see what is there | [`ls`](Self::ls), [`exists`](Self::exists), [`get_file_info_by_name`](Self::get_file_info_by_name) |
/// | rename or move a file | [`copy`](Self::copy), then [`delete_all_versions`](Self::delete_all_versions) of the old name |
/// | share a file | [`get_signed_download_url`](Self::get_signed_download_url) |
///
/// # Errors
///
/// [Every call](crate::B2Api#errors-of-any-call) that sends a request can also fail because of the
/// authorization, the network, the service, a limit or a cancellation.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    owner: Arc<Identity>,
    name: Arc<str>,
    id: Arc<RwLock<BucketId>>,
}

/// # Name and id
impl Bucket {
    /// Returns the bucket's name. It never changes: a bucket cannot be renamed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the bucket's id. It changes only if the bucket was deleted and created again.
    #[must_use]
    pub fn id(&self) -> BucketId {
        self.id.read().clone()
    }
}

// The blank lines keep these in the order of the page.
mod upload;

pub(crate) mod transfer_many;

mod open_file;

mod tasks;

mod download;

pub(crate) mod list;

pub(crate) mod delete;

pub(crate) mod delete_many;

pub(crate) mod share;

mod copy;

mod compose;

pub(crate) mod unfinished;

pub(crate) mod settings;

pub(crate) mod lock;

mod notifications;

/// # Cancelling
impl Bucket {
    /// Returns a handle of this bucket whose calls end when `token` is cancelled, unless a call is given a
    /// token of its own. They then fail with [`Error::Cancelled`]. This handle, and other clones, are not
    /// affected. See [`B2Api::with_cancel`](crate::B2Api::with_cancel).
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::{CancelToken, Error};
    ///
    /// let token = CancelToken::new();
    /// let job = bucket.with_cancel(&token);
    /// token.cancel(); // usually from another thread
    /// assert!(matches!(job.upload_bytes(b"hello", "hello.txt"), Err(Error::Cancelled)));
    /// assert!(bucket.upload_bytes(b"hello", "hello.txt").is_ok());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> Self {
        let mut bucket = self.clone();
        bucket.client.cancel = Some(token.clone());
        bucket
    }
}

impl Bucket {
    pub(crate) fn new(client: Client, owner: Identity, name: &str, id: BucketId) -> Self {
        Self {
            client,
            owner: Arc::new(owner),
            name: name.into(),
            id: Arc::new(RwLock::new(id)),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn owner(&self) -> &Identity {
        &self.owner
    }

    /// The control of a call of this name that is about the bucket, and about a file if there is one.
    pub(crate) fn control(
        &self,
        call: &'static str,
        file_name: Option<&str>,
        cancel: Option<&CancelToken>,
    ) -> Control {
        let control = self.client.unnamed_control(cancel).owned_by(&self.owner);
        control.about(&self.name).calling(call, file_name)
    }

    /// What a call about the bucket requires of the key.
    fn needs(&self, operation: Operation) -> Requirements<'_> {
        Requirements::from(operation).about(&self.name)
    }

    /// Calls `act` with the bucket's id, and again if the name has got another id.
    fn with_id<T>(
        &self,
        control: &Control,
        mut act: impl FnMut(&BucketId) -> Result<T>,
    ) -> Result<T> {
        let id = self.id();
        let outcome = match act(&id) {
            Err(error @ Error::BucketNotFound { .. }) => match self.look_up(control, &id)? {
                Some(id) => act(&id),
                None => Err(error),
            },
            outcome => outcome,
        };
        outcome.map_err(|error| match error {
            Error::BucketNotFound { service, .. } => Error::BucketNotFound {
                bucket: (*self.name).into(),
                service,
            },
            other => other,
        })
    }

    /// Looks up the id of the name, and returns it if it is another one than `gone`.
    fn look_up(&self, control: &Control, gone: &BucketId) -> Result<Option<BucketId>> {
        let info = self.client.session.info();
        log_store_failure("bucket that is gone", info.remove_bucket(&self.owner, gone));
        let found = self
            .client
            .session
            .call(self.needs(Operation::ListBuckets), control, |raw| {
                raw.find_buckets(Some(&self.name), None)
            });
        let found = match found {
            Ok(found) => found
                .into_iter()
                .find(|details| *details.bucket_name == *self.name),
            // A key that may not list cannot know better.
            Err(Error::NotAllowed(_)) => None,
            Err(error) => return Err(error),
        };
        let Some(id) = found
            .map(|details| details.bucket_id)
            .filter(|id| id != gone)
        else {
            return Ok(None);
        };
        log_store_failure(
            "bucket name",
            info.save_bucket(&self.owner, &self.name, &id),
        );
        *self.id.write() = id.clone();
        Ok(Some(id))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
