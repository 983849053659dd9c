//! The store in files, which outlives the process.
//!
//! `location` and `builder` decide which file is used. `files` keeps the data in two files and has
//! the order of steps: `shared` is the file of Backblaze's own tools, `urls` the one beside it.
//! `read_only` serves a place that cannot be written: it reads the file, and keeps changes in
//! memory.

pub(crate) mod builder;
mod connection;
mod file_stamp;
mod files;
mod journal;
mod legacy;
mod location;
mod read_only;
mod rows;
mod schema;
mod shared;
mod url_file;
mod url_rows;
mod urls;

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
    AccountInfo, AuthSnapshot, Cached, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
#[cfg(any(test, feature = "test-util"))]
use crate::control::clock::Clock;
use crate::error::{Result, StoreError};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;

/// An account-info store in files, which other processes and later runs of a program share.
///
/// The authorization and the bucket names are in the file, and in the format, that Backblaze's
/// command-line tool and Python's b2sdk use. **As with those tools, it contains the application key
/// in clear text**, readable only by the file's owner (mode 0600); a file that others can use
/// causes a warning (`tracing`). Upload URLs are in a second file, whose name ends in `-urls` and
/// which may be deleted at any time. Use [`InMemoryAccountInfo`](crate::InMemoryAccountInfo) where
/// no key may be written to disk.
///
/// Any number of threads may use one store, and any number of stores and processes one file. A
/// change by another process is seen at the next call. A process that forks has to open its store
/// after forking.
///
/// Nothing that was in a deleted file is returned, read or written again. That counts as a loss,
/// not as a logout: a program that authorized by itself does so again and creates a new file. If
/// the file is replaced, the new one is used from the next call on.
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
    backend: Backend,
    /// The process that opened the store; another one must not use it.
    process: u32,
}

/// What the store works with.
enum Backend {
    /// Two files, with the upload URLs that are in constant use in memory.
    Files(Box<Cached<Files>>),
    /// One file that cannot be written.
    ReadOnly(Box<ReadOnly>),
}

impl SqliteAccountInfo {
    /// Opens the current user's account info, which Backblaze's own tools use too, and creates it if it
    /// does not exist. [`SqliteAccountInfoBuilder::open`] documents which file that is.
    ///
    /// # Consequences
    /// This is the login of the person who uses the `b2` command-line tool. Authorizing another key
    /// with it replaces that login, and logs a warning. A program with a key of its own should use
    /// [`builder().profile("...")`](SqliteAccountInfoBuilder::profile) or
    /// [`open`](Self::open) with a path.
    ///
    /// # Errors
    /// As [`SqliteAccountInfoBuilder::open`].
    pub fn open_default() -> Result<Self> {
        Self::builder().open()
    }

    /// Opens the account info in this file, and creates the file if it does not exist. The directory
    /// must exist and be writable, because SQLite writes a journal beside the file.
    ///
    /// A file of an older tool is upgraded to the current format. A file of a newer tool is used as it
    /// is, if it has the columns that this version needs.
    ///
    /// # Errors
    /// As [`SqliteAccountInfoBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().path(path.as_ref()).open()
    }

    /// Returns a builder that opens a chosen file or profile, or one on a network file system.
    pub fn builder() -> SqliteAccountInfoBuilder {
        SqliteAccountInfoBuilder::default()
    }

    /// Opens the account info in this file, with a clock that tests can move (feature `test-util`).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(any(test, feature = "test-util"))]
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self> {
        Self::builder().path(path.as_ref()).clock(&clock).open()
    }

    /// Returns the absolute path of the file with the authorization and the bucket names.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.backend {
            Backend::Files(files) => files.store().path(),
            Backend::ReadOnly(read) => read.path(),
        }
    }

    /// Returns whether the file cannot be written, so that changes stay in memory
    /// ([`read_only_fallback`](SqliteAccountInfoBuilder::read_only_fallback)).
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        matches!(self.backend, Backend::ReadOnly(_))
    }

    /// The store, if this is still the process that opened it. This is checked before any lock is
    /// taken, because a thread that does not exist in a forked process may hold it for good.
    fn store(&self) -> Result<&dyn AccountInfo, StoreError> {
        if self.process != std::process::id() {
            return Err(connection::forked());
        }
        Ok(match &self.backend {
            Backend::Files(files) => &**files,
            Backend::ReadOnly(read) => &**read,
        })
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
        self.store()?.auth()
    }

    fn is_logged_out(&self) -> Result<bool, StoreError> {
        self.store()?.is_logged_out()
    }

    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        self.store()?.renew_lease(ticket, lease)
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        self.store()?.begin_refresh(stale, lease)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        self.store()?.save_auth(auth, ticket)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.store()?.abandon_refresh(ticket)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.store()?.clear()
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        self.store()?.bucket_id(owner, name)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.store()?.bucket_name(owner, id)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.store()?.buckets(owner)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.store()?.save_bucket(owner, name, id)
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.store()?.remove_bucket(owner, id)
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        self.store()?.replace_buckets(owner, buckets)
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        self.store()?.take_upload_url(owner, target)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        self.store()?.put_upload_url(owner, target, url)
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.store()?.drop_upload_urls(owner, target)
    }
}
