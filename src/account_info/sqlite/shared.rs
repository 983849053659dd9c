//! The file that is shared with Python's b2sdk: the authorization and the bucket names (`rows`).
//!
//! Python may replace or remove the account between any two calls, and knows nothing of
//! generations. Therefore everything that belongs to an account reads the account's row in the same
//! transaction. An authorization in memory counts only while SQLite's `data_version`, which changes
//! with each commit of another connection, is the one that it was read at.
//!
//! That check takes a lock and eight system calls, a third of what a small upload costs. So its
//! result is used again while the file has the stamp that it had before the check (`file_stamp`).
//! This is not done on a network file system, which may report old stamps (the file of upload URLs
//! has no log there), nor if another program uses a write-ahead log, which leaves the file itself
//! unchanged. Of several threads that check at the same time, one does it for those that came
//! before it began.
//!
//! The file itself may disappear. So every call first checks whether the file at the path is still
//! the one that is open. If it was replaced, the new one is opened. If it was deleted, there is no
//! account any more, and only saving an authorization creates a new file.
//!
//! | what happens to the file | what follows |
//! | --- | --- |
//! | another program stores an authorization | it is used from the next call on |
//! | another program logs out | there is no authorization, and that counts as a logout |
//! | the file is deleted | there is no authorization, and that counts as lost; the next login creates a new file |
//! | the file is replaced | the new one is used from the next call on |
//! | the file is emptied | it counts as a new one |
//! | the file is damaged, or is no account info | `AccountInfoCorrupt`, and it is not changed |
//! | a newer program has changed the tables | they are used as far as possible, otherwise `AccountInfoTooNew` |
//! | another program holds the lock for 30 seconds | `LocalFile` |
//!
//! Three levels of memory answer for the authorization, each checked against the one below it:
//!
//! | level | valid as long as | costs |
//! | --- | --- | --- |
//! | `settled` | the file has the stamp, and the process is the same | one system call and a shared lock |
//! | `LastCheck` | SQLite's `data_version` is the same | the lock of this process, a lock of the file, eight system calls |
//! | the row | the transaction lasts | reading and parsing it |
//!
//! Nothing of them is used for the data of an identity: `read_of` and `write_of` read the account's
//! row in their own transaction.
//!
//! A write is a transaction that begins with the write lock. If SQLite finds at that moment that
//! the file is no longer at its path, it writes nothing, and the work runs once more on the file
//! that is there now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};
use rusqlite::Transaction;

use super::connection::Options;
use super::failure::Failure;
use super::file_stamp::{FileId, Stamp};
use super::open_file::OpenFile;
use super::rows::{check_owner, identity, insert_account, save_bucket};
use super::schema::{self};
use crate::account_info::{AuthSnapshot, RefreshTicket};
use crate::control::clock::Clock;
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Identity};

/// The shared file.
#[derive(Debug)]
pub(super) struct Shared {
    /// The path, as its user named it. It is looked at again at every call.
    path: PathBuf,
    /// What the file is opened with, each time it is opened.
    options: Options,
    /// The open file; `None` after it was deleted.
    open: Mutex<Option<OpenFile>>,
    /// The number of checks of the present authorization that were begun.
    looks: AtomicU64,
    /// Whether the file system reports reliably and at once when a file was last changed.
    trusts_stamps: bool,
    /// The result of the last check, if the file's stamp tells whether it is still valid.
    settled: RwLock<Option<CheckedAuth>>,
}

/// The result of a check that is valid while the file has this stamp.
#[derive(Debug, Clone)]
pub(super) struct CheckedAuth {
    /// The process that checked. A forked process has the same memory, but must not use what is in
    /// it.
    process: u32,
    /// The stamp that the file had before the check.
    stamp: Stamp,
    /// What the check found; `None` if nobody is logged in.
    auth: Option<Arc<AuthSnapshot>>,
}

/// What to do about a file that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfDeleted {
    /// Treat it as an empty one.
    Leave,
    /// Create a new one.
    Make,
}

impl Shared {
    /// Opens the file, and creates it if it does not exist.
    ///
    /// Fails with `AccountInfoCorrupt`, `AccountInfoTooNew` or `LocalFile`. A file that is damaged
    /// is left as it is.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            open: Mutex::new(Some(OpenFile::at(path, options)?)),
            looks: AtomicU64::new(0),
            trusts_stamps: false,
            settled: RwLock::default(),
        })
    }

    /// Sets whether stamps are trusted from now on.
    ///
    /// The owner calls it once, when it knows from the URLs' file whether the directory is on this
    /// machine.
    pub(super) fn trust_stamps(&mut self, trust: bool) {
        self.trusts_stamps = trust;
    }

    /// The path, as its user named it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The authorization in the file. No row is read while nobody has written.
    ///
    /// 1. If the file has the stamp of the last check, the result of that check is returned,
    ///    without a lock.
    /// 2. Otherwise the file is locked for this thread. If another thread has begun and finished a
    ///    check since this call began, its result is returned.
    /// 3. The file at the path is opened if it is another one.
    /// 4. If SQLite's `data_version` is the one of the last check, its result counts; otherwise the
    ///    row is read.
    /// 5. The result is noted for step 1 if the stamp was old enough before the check.
    ///
    /// `None` after a logout, if nobody has logged in, or if the file was deleted. The caller
    /// learns by `is_logged_out` which of them it is.
    pub(super) fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>> {
        if let Some(settled) = self.settled() {
            return Ok(settled.auth);
        }
        let before = self.looks.load(Ordering::SeqCst);
        let open = self.lock();
        let known = open.as_ref().and_then(|open| open.known.as_ref());
        if let Some(known) = known
            && known.look > before
        {
            return Ok(known.auth.clone());
        }
        let look = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        // The stamp is read before the check, so that a write after the check gives the file
        // another one. The time is the system's even if a test moves another clock, because it is
        // what passes for the file system.
        let clock = Clock::default();
        let begun = clock.elapsed();
        let stamp = Stamp::at(&self.path).unwrap_or(None);
        let read = clock.elapsed();
        let mut current = self.renew(open, IfDeleted::Leave)?;
        let Some(open) = &mut *current else {
            return Ok(None);
        };
        let mut auth = open.auth(look, &self.path);
        if auth.as_ref().is_err_and(Failure::is_damage) && is_empty(&self.path) {
            // Somebody has emptied the file, which is not damage.
            *open = OpenFile::at(&self.path, &self.options)?;
            auth = open.auth(look, &self.path);
        }
        let auth = auth.map_err(|failure| open.explain("read", failure, &self.path))?;
        let counts = stamp.is_some_and(|stamp| open.stamp_age.observe(stamp, begun, read));
        self.settle(stamp.filter(|_| counts), open);
        Ok(auth)
    }

    /// The result of the last check, if the file is still as it was before that.
    ///
    /// Costs one system call. It takes no lock of the file, so it does not wait for another
    /// program.
    pub(super) fn settled(&self) -> Option<CheckedAuth> {
        let settled = self.settled.read();
        let settled = settled.as_ref()?;
        let stamp = Stamp::at(&self.path).unwrap_or(None)?;
        let holds = stamp == settled.stamp && settled.process == std::process::id();
        holds.then(|| settled.clone())
    }

    /// Notes what was found in the open file, which is valid as long as the file has this stamp.
    ///
    /// Without a stamp, or if a stamp tells nothing here, the note of before is removed.
    fn settle(&self, stamp: Option<Stamp>, open: &OpenFile) {
        let tells = |stamp: &Stamp| self.trusts_stamps && open.file == Some(stamp.file);
        let known = open.known.as_ref().filter(|known| !known.has_log);
        let settled = stamp.filter(tells).zip(known);
        *self.settled.write() = settled.map(|(stamp, known)| CheckedAuth {
            process: std::process::id(),
            stamp,
            auth: known.auth.clone(),
        });
    }

    /// Stores an authorization, and returns whether it belongs to the identity that the file held.
    /// Fails with `AccountChanged` if the ticket was drawn for another identity.
    ///
    /// One transaction: the old row goes, the new one is written, buckets of another identity go,
    /// and those of a restricted key are stored. A file that was deleted is created. A process that
    /// is killed before the commit leaves what was there.
    pub(super) fn save_auth(
        &self,
        auth: &AccountAuth,
        ticket: Option<&RefreshTicket>,
    ) -> Result<bool> {
        self.write(IfDeleted::Make, |now| {
            let current = identity(now)?;
            if ticket.is_some_and(|ticket| ticket.identity() != current.as_ref()) {
                return Err(Error::AccountChanged.into());
            }
            now.execute("DELETE FROM account", [])?;
            let same = current.is_some_and(|current| auth.belongs_to(&current));
            if !same {
                now.execute("DELETE FROM bucket", [])?;
            }
            insert_account(now, auth)?;
            schema::mark_as_used(now)?;
            for bucket in auth.allowed.buckets.iter().flatten() {
                if let Some(name) = &bucket.name {
                    save_bucket(now, name, &bucket.id)?;
                }
            }
            Ok(same)
        })
    }

    /// Logs out. A file that does not exist stays so.
    ///
    /// Python's own tools see the logout at their next call. The secrets are overwritten in the
    /// file.
    pub(super) fn clear(&self) -> Result<()> {
        let cleared = self.write(IfDeleted::Leave, |now| {
            now.execute("DELETE FROM account", [])?;
            now.execute("DELETE FROM bucket", [])?;
            Ok(schema::mark_as_used(now)?)
        });
        match cleared {
            // There is no file, so there is nothing to remove.
            Err(Error::AccountChanged) => Ok(()),
            other => other,
        }
    }

    /// Whether somebody has logged out: the file exists, was used, and has no account.
    ///
    /// A file that was deleted or never used is no logout: a program with credentials may
    /// then log in again by itself.
    pub(super) fn is_logged_out(&self) -> Result<bool> {
        let mut current = self.current(IfDeleted::Leave)?;
        let Some(open) = current.as_mut() else {
            return Ok(false);
        };
        open.database
            .read(|now| Ok(identity(now)?.is_none() && !schema::is_unused(now)?))
            .map_err(|failure| open.explain("read", failure, &self.path))
    }

    /// Reads data that belongs to `owner`, in the transaction in which the owner is checked. Fails
    /// with `AccountChanged` if the file holds another identity, or none.
    ///
    /// It waits while another program commits, for 30 seconds at the most.
    pub(super) fn read_of<T>(
        &self,
        owner: &Identity,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut current = self.current(IfDeleted::Leave)?;
        let open = current.as_mut().ok_or(Error::AccountChanged)?;
        open.database
            .read(|now| {
                check_owner(now, owner)?;
                work(now)
            })
            .map_err(|failure| open.explain("read", failure, &self.path))
    }

    /// Changes data that belongs to `owner`, in the transaction in which the owner is checked.
    /// Fails with `AccountChanged` if the file holds another identity, or none.
    ///
    /// Either all of `work` happens or nothing. `work` may run twice, on two files.
    pub(super) fn write_of<T>(
        &self,
        owner: &Identity,
        work: impl Fn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.write(IfDeleted::Leave, |now| {
            check_owner(now, owner)?;
            work(now)
        })
    }

    /// Runs `work` in a transaction, and once more if the file turns out to have been replaced. A
    /// second replacement in between is an error: somebody replaces the file all the time.
    ///
    /// The second replacement is reported as `AccountChanged`, because nothing is known of the file
    /// that is there then.
    fn write<T>(
        &self,
        if_deleted: IfDeleted,
        work: impl Fn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        match self.try_write(if_deleted, &work)? {
            Ok(value) => Ok(value),
            Err(FileMoved) => self
                .try_write(if_deleted, &work)?
                .map_err(|FileMoved| Error::AccountChanged),
        }
    }

    /// Runs `work` in a transaction. `FileMoved` means that SQLite wrote nothing because the file was
    /// replaced.
    ///
    /// What was known of the authorization is dropped first, whether the write succeeds or not.
    fn try_write<T>(
        &self,
        if_deleted: IfDeleted,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<Result<T, FileMoved>> {
        let mut current = self.current(if_deleted)?;
        let open = current.as_mut().ok_or(Error::AccountChanged)?;
        // A commit of this connection does not change its own `data_version`.
        open.known = None;
        match open.database.write(work) {
            Ok(value) => Ok(Ok(value)),
            Err(failure) if failure.is_moved() => Ok(Err(FileMoved)),
            Err(failure) => Err(open.explain("write", failure, &self.path)),
        }
    }

    /// Locks the file for this thread. Others of this process wait; other processes are kept out by
    /// SQLite only during transactions.
    fn lock(&self) -> MutexGuard<'_, Option<OpenFile>> {
        self.open.lock()
    }

    /// Locks the file that is at the path now.
    ///
    /// With `Leave`, `None` means that there is no file.
    fn current(&self, if_deleted: IfDeleted) -> Result<MutexGuard<'_, Option<OpenFile>>> {
        self.renew(self.lock(), if_deleted)
    }

    /// Opens the file that is at the path now, if it is another one than the open one. A file that
    /// is gone is given up, with a warning, and created again only if the caller is about to log
    /// in.
    ///
    /// What is in memory of the old file goes with it. Its connection is closed.
    fn renew<'a>(
        &self,
        mut open: MutexGuard<'a, Option<OpenFile>>,
        if_deleted: IfDeleted,
    ) -> Result<MutexGuard<'a, Option<OpenFile>>> {
        let file = match FileId::at(&self.path) {
            // If the path cannot be checked, such as while a network drive is away, the file counts
            // as unchanged.
            Err(_) if open.is_some() => return Ok(open),
            looked => looked.map_err(|error| Error::local_file("read", &self.path, error))?,
        };
        let same = open.as_ref().map(|open| open.file) == Some(file);
        if same || (file.is_none() && open.is_none() && if_deleted == IfDeleted::Leave) {
            return Ok(open);
        }
        if open.take().is_some() {
            tracing::warn!(path = %self.path.display(), "the account info was deleted or replaced");
        }
        if file.is_some() || if_deleted == IfDeleted::Make {
            *open = Some(OpenFile::at(&self.path, &self.options)?);
        }
        Ok(open)
    }
}

/// Whether the file has no content, because it was created or emptied by hand.
fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// The file was deleted or replaced while it was written.
///
/// It never leaves this module.
struct FileMoved;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_found_is_not_taken_for_ones_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("account_info");
        let mut shared = Shared::open(&path, &Options::default()).unwrap();
        shared.trust_stamps(true);
        while shared.settled().is_none() {
            shared.auth().unwrap();
        }
        // As a child finds it that was forked from the process that looked.
        shared.settled.write().as_mut().unwrap().process = 0;
        assert!(shared.settled().is_none());
    }
}
