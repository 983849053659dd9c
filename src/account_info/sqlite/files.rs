//! The two files as one store.
//!
//! - `shared`: the authorization and the bucket names, in the file and the form of Backblaze's own
//!   tools. A login with either is a login with both.
//! - `urls`: upload URLs and the lease, in a file beside it that only this crate uses. URLs in
//!   constant use stay in memory in front of this store (`cached`).
//!
//! Calls that use both files go in this order, so that no two callers wait for each other, and no
//! lease ends before the authorization that it was for can be seen:
//!
//! 1. A transaction in the URLs' file begins.
//! 2. The shared file is read or written in a transaction of its own.
//! 3. The transaction in the URLs' file is committed.
//!
//! A process that is killed between the last two steps leaves a lease, which lapses, and URLs of
//! another identity, which nobody reads.
//!
//! | call | URLs' file | shared file |
//! | --- | --- | --- |
//! | `auth`, bucket lookups | not used | read |
//! | `begin_refresh` | written, around the reading of the other | read |
//! | `save_auth`, `clear` | written, around the writing of the other | written |
//! | `save_bucket`, `replace_buckets` | not used | written |
//! | `remove_bucket` | written, afterwards | written |
//! | `take_upload_url`, `put_upload_url`, `drop_upload_urls` | written | read, to see whose account it holds |
//! | `renew_lease`, `abandon_refresh` | written | not used |
//!
//! The shared file decides. If the URLs' file cannot be used, the call goes on with tables in
//! memory, and an authorization that was stored is a success even if URLs could not be tidied up.
//!
//! What a call costs while nobody else uses the files:
//!
//! | call | cost |
//! | --- | --- |
//! | `auth` | one system call, once the stamp of the shared file has been the same for a moment; more on a network file system |
//! | bucket lookups | a transaction that reads the shared file |
//! | `take_upload_url`, `put_upload_url`, `drop_upload_urls` | a transaction in the URLs' file, which does not wait for the disk |
//! | `save_auth`, `clear`, bucket changes | a transaction in the shared file, which waits for the disk |
//!
//! | the process is killed | what is left |
//! | --- | --- |
//! | before the shared file is committed | both files as they were |
//! | after it, before the URLs' file is committed | the new authorization; a lease, which lapses; URLs of the old identity, which nobody reads |
//! | with an upload URL in hand | that URL is lost |
//! | while the shared file is created | an empty file, which the next process fills |

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::connection::Options;
use super::shared::Shared;
use super::url_rows::{self, SeenLease};
use super::urls::Urls;
use super::{file_stamp, legacy, rows};
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::error::{Error, Result, StoreError};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;

/// The two files, open.
///
/// Each file has one connection in this process, behind a lock of its own. Where both are needed,
/// the URLs' file is locked first.
#[derive(Debug)]
pub(super) struct Files {
    /// The authorization and the buckets.
    shared: Shared,
    /// Upload URLs and the lease.
    urls: Urls,
    /// The lease of another process that this one has met last.
    seen: Mutex<Option<SeenLease>>,
    /// Whether this is the login of Backblaze's own tools, and the caller did not name the file.
    is_default: bool,
}

impl Files {
    /// Opens both files, and creates those that do not exist.
    ///
    /// 1. The shared file is opened, and upgraded if it is an older one.
    /// 2. If it turns out to be the JSON file of a very old tool, it is converted under the lock of
    ///    the URLs' file, and opened again. Another process may have done so in the meantime.
    /// 3. The URLs' file beside it is opened. One that cannot be used is no error.
    /// 4. If nobody is logged in, upload URLs of whoever was are removed, because another program
    ///    may have logged out.
    ///
    /// Fails with `AccountInfoCorrupt`, `AccountInfoTooNew` or `LocalFile` if the shared file
    /// cannot be used. The URLs' file is a reason to fail only if nothing can be created in the
    /// directory, or the path leads nowhere.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self> {
        let (mut shared, urls) = match Shared::open(path, options) {
            Err(Error::AccountInfoCorrupt { .. }) if is_legacy(path)? => {
                let urls = Urls::open(path, options)?;
                urls.locked(|| legacy::migrate(path))?;
                (Shared::open(path, options)?, urls)
            }
            opened => {
                let shared = match opened {
                    // Another process may have converted it in the meantime.
                    Err(Error::AccountInfoCorrupt { .. }) => Shared::open(path, options)?,
                    other => other?,
                };
                (shared, Urls::open(path, options)?)
            }
        };
        file_stamp::warn_if_others_can_read(path);
        if matches!(shared.auth(), Ok(None)) {
            // Another program may have logged out, and knows nothing of the URLs and their tokens.
            urls.write(|now| url_rows::keep_only(now, None))?;
        }
        shared.trust_stamps(urls.is_local());
        Ok(Self {
            shared,
            urls,
            seen: Mutex::default(),
            is_default: options.is_default,
        })
    }

    /// The path of the shared file, as its user named it.
    ///
    /// It may be a link.
    pub(super) fn path(&self) -> &Path {
        self.shared.path()
    }

    /// The shared file, for tests.
    #[cfg(test)]
    pub(super) const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Logs a warning if the login of a person, and not only of this program, is about to be
    /// replaced: the file is the default one, nobody named it, and it holds another identity.
    ///
    /// It never keeps the login from being replaced.
    fn warn_of_other_login(&self, new: &Identity) {
        if self.is_default
            && let Ok(Some(old)) = self.shared.auth()
            && old.identity() != new
        {
            tracing::warn!(
                path = %self.path().display(),
                account_id = %old.identity().account_id,
                application_key_id = %old.identity().application_key_id,
                "this replaces the login that the b2 command-line tool uses; a program with a key of \
                 its own should use a profile (SqliteAccountInfo::builder().profile(\"...\"))"
            );
        }
    }

    /// Fails with `AccountChanged` if the shared file holds another identity. The two files cannot
    /// be read in one transaction; a login between this and the use of the URLs' file is harmless,
    /// because rows there name their identity.
    fn check_owner(&self, owner: &Identity) -> Result<()> {
        match self.shared.auth()? {
            Some(snapshot) if snapshot.identity() == owner => Ok(()),
            _ => Err(Error::AccountChanged),
        }
    }
}

/// Whether the file is the JSON file of a very old tool.
///
/// Reads the beginning of the file, at most 1 MiB.
fn is_legacy(path: &Path) -> Result<bool> {
    legacy::read(path)
        .map(|old| old.is_some())
        .map_err(|error| Error::local_file("read", path, error))
}

/// A number that no other ticket has, in this process or another, so that nobody ends a lease that
/// is not their own. It is random, because a counter in a file that was deleted would begin again.
fn ticket_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

impl AccountInfo for Files {
    /// The shared file alone decides.
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        Ok(self.shared.auth()?)
    }

    /// Of the shared file: it exists, was used, and has no account.
    fn is_logged_out(&self) -> Result<bool, StoreError> {
        Ok(self.shared.is_logged_out()?)
    }

    /// The lease is drawn only if the shared file still holds what the caller knows. Both are
    /// looked at in one transaction of the URLs' file, so of two processes one is first.
    ///
    /// If the URLs' file cannot be used, the lease is in memory and keeps only the threads of this
    /// process apart.
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
                current
                    if url_rows::draw_lease(
                        now,
                        ticket,
                        (self.urls.now(), self.urls.elapsed()),
                        lease,
                        // Only this noting outlives a transaction that is rolled back. It is of what
                        // was read, and a second run in memory meets other tickets.
                        &mut self.seen.lock(),
                    )? =>
                {
                    let identity = current.map(|snapshot| snapshot.identity().clone());
                    Ok(Refresh::Lease(RefreshTicket::new(ticket, identity)))
                }
                _ => Ok(Refresh::Busy),
            }
        })?;
        Ok(refresh)
    }

    /// If the transaction in the URLs' file fails after the shared one was committed, it runs again
    /// in memory and the shared file is not written twice.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let snapshot = Arc::new(AuthSnapshot::new(auth));
        self.warn_of_other_login(snapshot.identity());
        let mut saved = None;
        let settled = self.urls.write(|now| {
            let same = match saved {
                // The URLs' file could not be used, so this runs a second time, in memory.
                Some(same) => same,
                None => self.shared.save_auth(snapshot.auth(), ticket.as_ref())?,
            };
            saved = Some(same);
            url_rows::end_lease(now, None)?;
            // Another program, which does not know the URLs, may have logged out in between.
            let kept = same.then_some(snapshot.identity());
            url_rows::keep_only(now, kept)
        });
        match settled {
            // The authorization is stored, which is what counts. The module says what is left
            // behind.
            Err(error) if saved.is_some() => {
                tracing::warn!(%error, "upload URLs were not tidied up");
            }
            other => other?,
        }
        Ok(snapshot)
    }

    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let number = ticket.number();
        Ok(self
            .urls
            .write(|now| url_rows::renew_lease(now, number, self.urls.now(), lease))?)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let number = Some(ticket.number());
        Ok(self.urls.write(|now| url_rows::end_lease(now, number))?)
    }

    /// URLs and their tokens are removed from the log as well, as far as the file can be used.
    fn clear(&self) -> Result<(), StoreError> {
        self.urls.write(|now| {
            self.shared.clear()?;
            url_rows::end_lease(now, None)?;
            url_rows::keep_only(now, None)
        })?;
        self.urls.empty_log();
        Ok(())
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        Ok(self
            .shared
            .read_of(owner, |now| Ok(rows::bucket_id(now, name)?))?)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        Ok(self
            .shared
            .read_of(owner, |now| Ok(rows::bucket_name(now, id)?))?)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        Ok(self.shared.read_of(owner, |now| Ok(rows::buckets(now)?))?)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        Ok(self
            .shared
            .write_of(owner, |now| rows::save_bucket(now, name, id))?)
    }

    /// Two transactions, one after the other. A process that is killed in between leaves URLs of a
    /// bucket that is gone, which the service refuses.
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
            .write_of(owner, |now| rows::replace_buckets(now, buckets))?)
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
