//! The store that outlives the process.
//!
//! Where it lies (`location.rs`, `builder.rs`) and what is kept how: in two files (`files.rs`, which
//! has the order of steps), or, where nothing can be written and the user wants it so, read from the
//! file and kept in memory (`read_only.rs`).

pub(crate) mod builder;
mod connection;
mod files;
mod hot;
mod journal;
mod legacy;
mod location;
mod read_only;
mod rows;
mod schema;
mod shared;
mod urls;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::builder::SqliteAccountInfoBuilder;
use self::files::Files;
use self::read_only::ReadOnly;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
#[cfg(any(test, feature = "test-util"))]
use crate::control::clock::Clock;
use crate::error::{Result, StoreError};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;

/// Keeps everything in files, so that the next start of a program, and other programs, go on where
/// this one stopped.
///
/// The authorization and the bucket names lie in the file that Backblaze's command-line tool and
/// Python's b2sdk use, in their form: **the application key lies there in clear**, readable only by
/// the file's owner (mode 0600), as with those tools; a file that others can use is warned about
/// (`tracing`). Upload URLs lie beside it in a file with `-urls` at the end of its name, which may be
/// deleted at any time. Use [`InMemoryAccountInfo`](crate::InMemoryAccountInfo) where no key may be
/// written to disk.
///
/// Any number of threads may use one store, and any number of stores and processes one file. What
/// another one changes is seen at the next call. A process that forks opens its store afterwards.
///
/// A file that is deleted while it is in use is a logout: nothing of what was in it is handed out,
/// read or written again, and the next authorization makes a new one. A file that is replaced counts
/// from the next call on.
///
/// ```
/// use b2sdk::account_info::AccountInfo;
/// use b2sdk::SqliteAccountInfo;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("account_info");
/// let account_info = SqliteAccountInfo::open(&path)?;
/// assert_eq!(account_info.path(), path);
/// assert!(account_info.auth()?.is_none());
/// # Ok::<(), b2sdk::Error>(())
/// ```
pub struct SqliteAccountInfo {
    place: Place,
}

enum Place {
    Files(Box<Files>),
    ReadOnly(Box<ReadOnly>),
}

impl SqliteAccountInfo {
    /// Opens the account info of this user, the one that Backblaze's tools use, and makes it if
    /// there is none: the same as `SqliteAccountInfo::builder().open()`, where
    /// [`open`](SqliteAccountInfoBuilder::open) says which file that is.
    ///
    /// # Errors
    /// As [`SqliteAccountInfoBuilder::open`].
    pub fn open_default() -> Result<Self> {
        Self::builder().open()
    }

    /// Opens the account info in this file, and makes the file if there is none: the same as
    /// `SqliteAccountInfo::builder().path(path).open()`. Its directory must exist and be writable,
    /// because SQLite writes a journal beside it.
    ///
    /// A file of an older tool is brought to the present form; that of a newer one is used as it
    /// is, if it can be.
    ///
    /// # Errors
    /// As [`SqliteAccountInfoBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().path(path.as_ref()).open()
    }

    /// To choose a file or a profile, and to say how the place is that it lies in.
    pub fn builder() -> SqliteAccountInfoBuilder {
        SqliteAccountInfoBuilder::default()
    }

    /// Opens the account info in this file and reads the time from this clock (feature
    /// `test-util`).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(any(test, feature = "test-util"))]
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self> {
        Self::builder().path(path.as_ref()).clock(&clock).open()
    }

    /// The file of the authorization and the bucket names, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Files(files) => files.path(),
            Place::ReadOnly(read) => read.path(),
        }
    }

    /// Whether the file cannot be written, so that what changes stays in memory
    /// ([`read_only_fallback`](SqliteAccountInfoBuilder::read_only_fallback)).
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        matches!(self.place, Place::ReadOnly(_))
    }

    fn store(&self) -> &dyn AccountInfo {
        match &self.place {
            Place::Files(files) => &**files,
            Place::ReadOnly(read) => &**read,
        }
    }
}

impl fmt::Debug for SqliteAccountInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAccountInfo")
            .field("path", &self.path())
            .field("read_only", &self.is_read_only())
            .finish_non_exhaustive()
    }
}

impl AccountInfo for SqliteAccountInfo {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        self.store().auth()
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        self.store().begin_refresh(stale, lease)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        self.store().save_auth(auth, ticket)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.store().abandon_refresh(ticket)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.store().clear()
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        self.store().bucket_id(owner, name)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.store().bucket_name(owner, id)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.store().buckets(owner)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.store().save_bucket(owner, name, id)
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.store().remove_bucket(owner, id)
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        self.store().replace_buckets(owner, buckets)
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        self.store().take_upload_url(owner, target)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        self.store().put_upload_url(owner, target, url)
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.store().drop_upload_urls(owner, target)
    }
}
