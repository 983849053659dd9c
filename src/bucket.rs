//! A bucket: what can be done in it stands in a file a topic.

mod compose;
mod copy;
pub(crate) mod delete;
pub(crate) mod delete_many;
mod download;
pub(crate) mod list;
pub(crate) mod lock;
mod notifications;
pub(crate) mod settings;
pub(crate) mod share;
pub(crate) mod unfinished;
mod upload;

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
use crate::session::capabilities::Needs;
use crate::session::log_store_failure;

/// A bucket of an account.
///
/// It knows name and id; [`details`](Self::details) asks the service for the rest. Cheap to clone;
/// clones share everything. It belongs to the identity that it was got under: if the account info
/// is authorized for another one, its calls fail with [`Error::AccountChanged`].
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
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
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Should the service no longer know the id, because the bucket was deleted and made anew, it is
/// looked up by its name and the call is sent once more.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    owner: Arc<Identity>,
    name: Arc<str>,
    id: Arc<RwLock<BucketId>>,
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

    /// The bucket's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bucket's id.
    #[must_use]
    pub fn id(&self) -> BucketId {
        self.id.read().clone()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The same bucket, whose calls are cancelled by this token, unless they are given one of their own;
    /// see [`B2Api::with_cancel`](crate::B2Api::with_cancel).
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> Self {
        let mut bucket = self.clone();
        bucket.client.cancel = Some(token.clone());
        bucket
    }

    pub(crate) fn owner(&self) -> &Identity {
        &self.owner
    }

    pub(crate) fn control(&self, cancel: Option<&CancelToken>) -> Control {
        self.client.control(cancel).owned_by(&self.owner)
    }

    /// What a call about the bucket takes of its key.
    fn needs(&self, operation: Operation) -> Needs<'_> {
        Needs::from(operation).about(&self.name)
    }

    /// Does something with the bucket's id; once more if there is a new one.
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

    /// The id that now belongs to the name, if it is another one.
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
