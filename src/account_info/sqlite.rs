//! The store in files, which outlives the process.
//!
//! `location` and `builder` decide which file is used. `files` keeps the data in two files and has
//! the order of steps: `shared` is the file of Backblaze's own tools, `urls` the one beside it.
//! `read_only` serves a place that cannot be written: it reads the file, and keeps changes in
//! memory.
//!
//! | call | what it costs on disk |
//! | --- | --- |
//! | `auth`, nothing changed | one look at the file's stamp (about a microsecond), or a read lock and a comparison |
//! | `bucket_id` and the other lookups | one reading transaction |
//! | `save_auth`, `save_bucket`, `clear` | one writing transaction that waits for the disk, some milliseconds |
//! | `take_upload_url`, `put_upload_url` | one writing transaction that does not wait for the disk; none while URLs are in constant use |

pub(crate) mod builder;
mod connection;
mod failure;
mod file_stamp;
mod files;
mod journal;
mod legacy;
mod location;
mod open_file;
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

use self::builder::SqliteAccountInfoBuilder;
use self::files::Files;
use self::read_only::ReadOnly;
use crate::account_info::{AccountInfo, Cached, forward_account_info};
#[cfg(any(test, feature = "test-util"))]
use crate::control::clock::Clock;
use crate::error::{Result, StoreError};

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
/// Errors name the file, what failed and what can be done about it. A failure of the second file
/// never fails a call: its URLs then stay in memory.
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
    /// The process that opened the store; another one must not use it, because a lock that the
    /// parent held while it forked is never released in the child.
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
    /// The environment variable `B2_ACCOUNT_INFO` names another file. What that program finds there
    /// belongs to whoever is logged in, which need not be the account that the program expects;
    /// check [`B2Api::account_id`](crate::B2Api::account_id) where that matters.
    ///
    /// # Consequences
    /// This is the login of the person who uses the `b2` command-line tool. Authorizing another key
    /// with it replaces that login, and logs a warning. A program with a key of its own should use
    /// [`builder().profile("...")`](SqliteAccountInfoBuilder::profile) or
    /// [`open`](Self::open) with a path.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for an empty variable `B2_ACCOUNT_INFO` and
    /// where there is no home directory; [`Error::AccountInfoCorrupt`](crate::Error::AccountInfoCorrupt)
    /// if the file is damaged or is not account info, and
    /// [`Error::AccountInfoTooNew`](crate::Error::AccountInfoTooNew) if a newer program changed the
    /// format: neither is changed; [`Error::LocalFile`](crate::Error::LocalFile) if the path is a
    /// directory, the file may not be read or written, the disk is full, or another program holds the
    /// file for longer than 30 seconds.
    pub fn open_default() -> Result<Self> {
        Self::builder().open()
    }

    /// Opens the account info in this file, and creates the file if it does not exist. The directory
    /// must exist and be writable, because SQLite writes a journal beside the file.
    ///
    /// A file of an older tool is upgraded to the current format. A file of a newer tool is used as it
    /// is, if it has the columns that this version needs.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("account_info");
    /// use b2sdk::{B2Api, SqliteAccountInfo};
    ///
    /// let b2_api = B2Api::new(SqliteAccountInfo::open(&path)?);
    /// b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// drop(b2_api);
    ///
    /// // Another process, or the next run: the login is in the file, and nothing is sent for it.
    /// let b2_api = B2Api::new(SqliteAccountInfo::open(&path)?);
    /// b2_api.list_buckets()?;
    /// assert_eq!(b2_api.request_counts().total(), 1);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for an empty path, or one that begins with `~`
    /// where there is no home directory;
    /// [`Error::AccountInfoCorrupt`](crate::Error::AccountInfoCorrupt) if the file is damaged or is not
    /// account info, and [`Error::AccountInfoTooNew`](crate::Error::AccountInfoTooNew) if a newer program
    /// changed the format: neither is changed; [`Error::LocalFile`](crate::Error::LocalFile) if the path
    /// is a directory, the file may not be read or written, the disk is full, or another program holds
    /// the file for longer than 30 seconds.
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
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for an empty path, or one that begins with `~`
    /// where there is no home directory;
    /// [`Error::AccountInfoCorrupt`](crate::Error::AccountInfoCorrupt) if the file is damaged or is not
    /// account info, and [`Error::AccountInfoTooNew`](crate::Error::AccountInfoTooNew) if a newer program
    /// changed the format: neither is changed; [`Error::LocalFile`](crate::Error::LocalFile) if the path
    /// is a directory, the file may not be read or written, the disk is full, or another program holds
    /// the file for longer than 30 seconds.
    #[cfg(any(test, feature = "test-util"))]
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self> {
        Self::builder().path(path.as_ref()).clock(&clock).open()
    }

    /// Returns the absolute path of the file with the authorization and the bucket names.
    ///
    /// The file of upload URLs is beside it, with `-urls` at the end of its name, and SQLite's own
    /// files with `-journal`, `-wal` and `-shm`.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.backend {
            Backend::Files(files) => files.store().path(),
            Backend::ReadOnly(read) => read.path(),
        }
    }

    /// Returns whether the file cannot be written, so that changes stay in memory
    /// ([`read_only_fallback`](SqliteAccountInfoBuilder::read_only_fallback)).
    ///
    /// Everything works all the same; only what this process learns is gone when it ends.
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

forward_account_info! {
    impl[] SqliteAccountInfo, |this| this.store();
}
