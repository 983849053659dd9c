//! The store that outlives the process, in two files.
//!
//! - `shared.rs`: the authorization and the bucket names, in the file and the form of Backblaze's
//!   own tools; whoever logs in with either is logged in with both.
//! - `urls.rs`: upload URLs and the refresh lease, in a file beside it that is ours alone.
//!
//! What touches both goes in this order, so that no two callers wait for each other and no lease
//! ends before the authorization that it was for is there to be seen:
//!
//! 1. begin a transaction in the URLs' file;
//! 2. read or write the shared file in a transaction of its own;
//! 3. commit the URLs' file.
//!
//! A process that is killed between 2 and 3 leaves a lease, which lapses, and URLs of another
//! identity, which nobody reads.

mod connection;
mod location;
mod schema;
mod shared;
mod urls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::connection::create_private;
use self::location::Location;
use self::shared::Shared;
use self::urls::Urls;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;

/// Keeps everything in files, so that the next start of a program, and other programs, go on where
/// this one stopped.
///
/// The authorization and the bucket names lie in the file that Backblaze's command-line tool and
/// Python's b2sdk use, in their form: **the application key lies there in clear**, readable only by
/// the file's owner (mode 0600), as with those tools. Upload URLs lie beside it in a file with
/// `-urls` at the end of its name, which may be deleted while no program runs. Use
/// [`InMemoryAccountInfo`](crate::InMemoryAccountInfo) where no key may be written to disk.
///
/// Any number of threads may use one store, and any number of stores and processes one file. A
/// process that forks opens its store afterwards.
///
/// ```
/// use b2sdk::{AccountInfo, SqliteAccountInfo};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("account_info");
/// let account_info = SqliteAccountInfo::open(&path)?;
/// assert_eq!(account_info.path(), path);
/// assert!(account_info.auth()?.is_none());
/// # Ok::<(), b2sdk::Error>(())
/// ```
pub struct SqliteAccountInfo {
    shared: Shared,
    urls: Urls,
}

impl SqliteAccountInfo {
    /// Opens the account info of this user, the one that Backblaze's tools use, and makes it if
    /// there is none:
    ///
    /// 1. the file named by the environment variable `B2_ACCOUNT_INFO`, if it is set;
    /// 2. `~/.b2_account_info`, if it exists;
    /// 3. `$XDG_CONFIG_HOME/b2/account_info`, or `~/.config/b2/account_info` on systems other than
    ///    macOS and Windows, where the variable need not be set;
    /// 4. `~/.b2_account_info`.
    ///
    /// A leading `~` in a variable is the home directory. Directories are made only for 3, with
    /// mode 0700.
    ///
    /// # Errors
    /// [`InvalidInput`](Error::InvalidInput) if `B2_ACCOUNT_INFO` is empty or there is no home
    /// directory; whatever [`open`](Self::open) returns.
    pub fn open_default() -> Result<Self> {
        Self::open(Location::of_this_process()?.prepare()?)
    }

    /// Opens the account info in this file, and makes the file if there is none. Its directory must
    /// exist and be writable, because SQLite writes a journal beside it.
    ///
    /// A file of an older tool is brought to the present form; that of a newer one is used as it
    /// is, if it can be.
    ///
    /// # Errors
    /// - [`AccountInfoCorrupt`](Error::AccountInfoCorrupt): the file is damaged or is something
    ///   else; it is left as it is.
    /// - [`AccountInfoTooNew`](Error::AccountInfoTooNew): a newer program changed its form.
    /// - [`LocalFile`](Error::LocalFile): it is a directory, may not be written, or another program
    ///   holds it for longer than 30 seconds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_at(path.as_ref(), Clock::default())
    }

    /// Opens the account info in this file and reads the time from this clock (feature
    /// `test-util`).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(any(test, feature = "test-util"))]
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self> {
        Self::open_at(path.as_ref(), clock)
    }

    fn open_at(path: &Path, clock: Clock) -> Result<Self> {
        let path =
            std::path::absolute(path).map_err(|error| Error::local_file("open", path, error))?;
        create_private(&path)?;
        let beside = beside(&path)?;
        Ok(Self {
            shared: Shared::open(&path)?,
            urls: Urls::open(beside, clock)?,
        })
    }

    /// The file of the authorization and the bucket names, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.path()
    }

    fn check_owner(&self, owner: &Identity) -> Result<()> {
        match self.shared.auth()? {
            Some(snapshot) if snapshot.identity() == owner => Ok(()),
            _ => Err(Error::AccountChanged),
        }
    }
}

/// The URLs' file: beside the real file, so that all who reach that through links share it.
fn beside(path: &Path) -> Result<PathBuf> {
    let real = path
        .canonicalize()
        .map_err(|error| Error::local_file("open", path, error))?;
    let mut name = real.into_os_string();
    name.push("-urls");
    Ok(name.into())
}

/// A number that no other ticket has, in this process or another, so that nobody ends a lease that
/// is not theirs.
fn ticket_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

impl fmt::Debug for SqliteAccountInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAccountInfo")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl AccountInfo for SqliteAccountInfo {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        Ok(self.shared.auth()?)
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        let ticket = ticket_number();
        let refresh = self.urls.write(|now| {
            let current = self.shared.auth()?;
            match current {
                Some(snapshot) if Some(snapshot.generation()) != stale => {
                    Ok(Refresh::Newer(snapshot))
                }
                current if urls::draw_lease(now, ticket, self.urls.now(), lease)? => {
                    let identity = current.map(|snapshot| snapshot.identity().clone());
                    Ok(Refresh::Lease(RefreshTicket::new(ticket, identity)))
                }
                _ => Ok(Refresh::Busy),
            }
        })?;
        Ok(refresh)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let snapshot = Arc::new(AuthSnapshot::new(auth));
        let mut saved = false;
        let settled = self.urls.write(|now| {
            self.shared.save_auth(snapshot.auth(), ticket.as_ref())?;
            saved = true;
            urls::end_lease(now, None)?;
            urls::keep_only(now, Some(snapshot.identity()))
        });
        match settled {
            // The authorization is there, and that is what counts: see above what is left behind.
            Err(error) if saved => tracing::warn!(%error, "upload URLs were not tidied up"),
            other => other?,
        }
        Ok(snapshot)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let number = Some(ticket.number());
        Ok(self.urls.write(|now| urls::end_lease(now, number))?)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.urls.write(|now| {
            self.shared.clear()?;
            urls::end_lease(now, None)?;
            urls::keep_only(now, None)
        })?;
        self.urls.empty_log();
        Ok(())
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        Ok(self
            .shared
            .read_of(owner, |now| Ok(shared::bucket_id(now, name)?))?)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        Ok(self
            .shared
            .read_of(owner, |now| Ok(shared::bucket_name(now, id)?))?)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        Ok(self
            .shared
            .read_of(owner, |now| Ok(shared::buckets(now)?))?)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        Ok(self
            .shared
            .write_of(owner, |now| shared::save_bucket(now, name, id))?)
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.shared.write_of(owner, |now| {
            now.execute("DELETE FROM bucket WHERE bucket_id = ?1", [id.as_str()])?;
            Ok(())
        })?;
        let target = UploadTarget::Bucket(id.clone());
        Ok(self.urls.drop_target(owner, &target)?)
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        Ok(self
            .shared
            .write_of(owner, |now| shared::replace_buckets(now, buckets))?)
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        self.check_owner(owner)?;
        Ok(self.urls.take(owner, target)?)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        self.check_owner(owner)?;
        Ok(self.urls.put(owner, target, &url)?)
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.check_owner(owner)?;
        Ok(self.urls.drop_target(owner, target)?)
    }
}
