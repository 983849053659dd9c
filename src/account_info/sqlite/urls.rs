//! The file beside the shared one, which only this crate uses: upload URLs, and the lease of the
//! caller that replaces the authorization.
//!
//! The file is a cache, so it never fails a call. It is written without waiting for the disk
//! (`journal`), and replaced if it is damaged. If it cannot be used at all, because the disk is
//! full, another process holds its lock, or it belongs to another user, one warning gives the
//! reason, and the same tables in memory serve this process until the file is tried again.
//!
//! Every row names the identity that it belongs to, so a row that is left behind when another
//! program changes the account is never used.
//!
//! If both files are needed at once, this one is locked first.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the file is deleted | a new one is created with the next write |
//! | the file is damaged | it is replaced by an empty one |
//! | the disk is full, or the file belongs to another user | URLs stay in memory; the file is tried again after 30 seconds |
//! | another process holds the lock for 5 seconds | as above |
//! | a newer version of the crate uses the file | URLs stay in memory for good |
//! | the process is killed | a transaction that was not committed did not happen |
//! | the file is used again after a pause | the URLs in memory are moved to it |
//! | the store is dropped during a pause | the file is tried once more; what it does not take is lost |
//!
//! What is at stake here is little: a lost URL costs one request of class A, and a lost lease lets
//! two processes authorize at the same time. So nothing waits for the disk, a damaged file is
//! thrown away, and every failure ends in memory.
//!
//! The memory has the same tables and is used by the same statements. While it is in use, this
//! process shares its URLs and its lease with no other; the file's own URLs are left to those who
//! can use it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Transaction;

use super::connection::{Database, Options};
use super::failure::Failure;
use super::file_stamp::FileId;
use super::url_file::UrlFile;
use super::url_rows::{self, TABLES, target_key};
use super::{journal, legacy};
use crate::account_info::{UploadTarget, UploadUrl};
use crate::error::{Error, Result};
use crate::model::auth::Identity;
use crate::model::time::Timestamp;

/// How long the file is left alone after it could not be used.
const PAUSE: Duration = Duration::from_secs(30);

/// The file of upload URLs, with the tables in memory that stand in for it.
#[derive(Debug)]
pub(super) struct Urls {
    /// The path of the account info, as its user named it.
    shared: PathBuf,
    /// What the file is opened with.
    options: Options,
    /// The open file. One thread of this process uses it at a time.
    state: Mutex<UrlState>,
}

/// The file, or what is used instead.
#[derive(Debug)]
struct UrlState {
    /// The path of the file.
    path: PathBuf,
    /// The identity of the account info that the file is beside.
    beside: Option<FileId>,
    /// The open file; `None` if it could not be opened, or was given up.
    file: Option<UrlFile>,
    /// The tables in memory, for when the file cannot be used.
    memory: Database,
    /// Whether the memory may have URLs that the file does not have.
    memory_is_used: bool,
    /// When to try the file again, by the clock's `elapsed`.
    paused_until: Option<Duration>,
}

impl Urls {
    /// Opens the file beside the account info, which exists. The only error is one that prevents
    /// writing the account info as well: a directory in which nothing can be created.
    ///
    /// It creates the file if there is none. A file that cannot be used begins a pause.
    pub(super) fn open(shared: &Path, options: &Options) -> Result<Self> {
        let mut memory =
            Database::in_memory().map_err(|failure| failure.explain("open", shared))?;
        memory
            .connection()
            .and_then(|connection| Ok(connection.execute_batch(TABLES)?))
            .map_err(|failure| failure.explain("open", shared))?;
        let mut options = options.clone();
        options.account_info = Some(shared.to_owned());
        let mut state = UrlState {
            path: beside(shared)?,
            beside: FileId::at(shared).unwrap_or(None),
            file: None,
            memory,
            memory_is_used: false,
            paused_until: None,
        };
        match UrlFile::open(&state.path, &options) {
            Ok(file) => state.file = Some(file),
            Err(failure) => {
                let error = failure.explain("open", &state.path);
                if is_about_directory(&error, &state.path) {
                    return Err(error);
                }
                state.pause(&error, options.clock.elapsed());
            }
        }
        Ok(Self {
            shared: shared.to_owned(),
            options,
            state: Mutex::new(state),
        })
    }

    /// Whether the file has a log. Its users share memory then, and are on one machine.
    ///
    /// False if the file cannot be used: then nothing is known.
    pub(super) fn is_local(&self) -> bool {
        let mut state = self.lock();
        let Some(file) = &mut state.file else {
            return false;
        };
        let connection = file.database.connection();
        connection.is_ok_and(|connection| journal::has_log(connection).unwrap_or(false))
    }

    /// Runs `work` in a transaction of its own, in the file, or in memory if the file cannot be
    /// used.
    ///
    /// `work` runs again if the first transaction failed. An [`Error`] that `work` itself returns
    /// is not about the file, and ends the call.
    ///
    /// A failure of the file is logged once and begins a pause of 30 seconds, in which the memory
    /// is used at once. The failure of a transaction in memory is returned.
    pub(super) fn write<T>(
        &self,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut state = self.lock();
        let now = self.options.clock.elapsed();
        if state.paused_until.is_none_or(|until| until <= now) {
            match self.write_file(&mut state, &mut work) {
                Ok(value) => {
                    state.resume();
                    return Ok(value);
                }
                Err(WriteFailure::Work(error)) => return Err(error),
                Err(WriteFailure::File(error)) => state.pause(&error, self.options.clock.elapsed()),
            }
        }
        state.memory_is_used = true;
        let path = state.path.clone();
        state
            .memory
            .write(work)
            .map_err(|failure| failure.explain("write", &path))
    }

    /// Runs `work` while the file's lock keeps other processes out.
    ///
    /// Fails with `LocalFile` if the file cannot be used, because no other lock would keep the
    /// processes apart.
    pub(super) fn locked(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut state = self.lock();
        let path = state.path.clone();
        let Some(file) = &mut state.file else {
            let busy = std::io::Error::new(
                std::io::ErrorKind::ResourceBusy,
                "the file of upload URLs, whose lock is needed, cannot be used",
            );
            return Err(Error::local_file("lock", &path, busy));
        };
        let locked = file.database.write(|_| Ok(work()?));
        locked.map_err(|failure| failure.explain("lock", &path))
    }

    /// Runs `work` in the file. A damaged file is replaced; URLs in memory are moved to the file
    /// once it works.
    ///
    /// 1. The file that others use now is opened, if it is another one than before.
    /// 2. `work` runs in a transaction. If that shows damage, the file is replaced by an empty one
    ///    and `work` runs again.
    /// 3. If it succeeded and memory was in use, the URLs in memory are put into the file.
    ///
    /// A file that fails for another reason than damage is kept open, and is tried again after the
    /// pause.
    fn write_file<T>(
        &self,
        state: &mut UrlState,
        work: &mut impl FnMut(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, WriteFailure> {
        state.follow(&self.shared, &self.options)?;
        let path = state.path.clone();
        let of_file = |failure: Failure| WriteFailure::File(failure.explain("write", &path));
        let mut file = match state.file.take() {
            Some(file) => file,
            None => UrlFile::open(&path, &self.options).map_err(of_file)?,
        };
        let mut written = file.database.write(&mut *work);
        if written.as_ref().is_err_and(Failure::is_damage) {
            file = file.replace(&self.options).map_err(of_file)?;
            written = file.database.write(&mut *work);
        }
        if written.is_ok() && state.memory_is_used {
            state.memory_is_used = false;
            move_urls(&mut state.memory, &mut file.database);
        }
        state.file = Some(file);
        written.map_err(|failure| match failure {
            Failure::Explained(error) => WriteFailure::Work(error),
            failure => of_file(failure),
        })
    }

    /// The present time. It is read within a transaction, so that it is not before that of the
    /// previous one.
    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now().into()
    }

    /// The time that only moves forward, which no setting of the clock changes.
    pub(super) fn elapsed(&self) -> Duration {
        self.options.clock.elapsed()
    }

    /// Takes the URL that was put last out of the pool, in a transaction of its own. A process that
    /// is killed after the commit loses the URL; one that is killed before leaves it in the pool.
    pub(super) fn take(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>> {
        let (owner, target) = (owner.to_string(), target_key(target));
        // What is handed out is what a commit has removed: a `DELETE .. RETURNING` without a
        // transaction could return a row and yet fail to delete it.
        self.write(|now| url_rows::take(now, &owner, &target, self.now()))
    }

    /// Puts a URL into the pool, after removing those that are too old, of any identity.
    ///
    /// Removing old URLs here keeps the file from growing with targets that nobody takes from any
    /// more.
    pub(super) fn put(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: &UploadUrl,
    ) -> Result<()> {
        let (owner, target) = (owner.to_string(), target_key(target));
        self.write(|now| {
            url_rows::purge_old(now, self.now())?;
            url_rows::put(now, &owner, &target, url)
        })
    }

    /// Removes the URLs of a target.
    ///
    /// URLs of other identities for the target stay; nobody reads them.
    pub(super) fn drop_target(&self, owner: &Identity, target: &UploadTarget) -> Result<()> {
        let (owner, target) = (owner.to_string(), target_key(target));
        self.write(|now| {
            now.execute(
                "DELETE FROM upload_url WHERE owner = ?1 AND target = ?2",
                (&owner, &target),
            )?;
            Ok(())
        })
    }

    /// Removes deleted tokens from the log as well, where they would otherwise remain until the log
    /// is overwritten.
    ///
    /// A failure is logged and not returned: the rows are deleted all the same.
    pub(super) fn empty_log(&self) {
        let mut state = self.lock();
        let path = state.path.clone();
        let Some(file) = &mut state.file else { return };
        let emptied = file.database.connection().and_then(|connection| {
            Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
        });
        if let Err(failure) = emptied {
            let error = failure.explain("write", &path);
            tracing::warn!(%error, "tokens of upload URLs may stay in the log for a while");
        }
    }

    /// Locks the file for this thread.
    fn lock(&self) -> MutexGuard<'_, UrlState> {
        self.state.lock()
    }
}

impl Drop for Urls {
    /// Moves the URLs in memory to the file, because nobody else has them. A lock that is still held
    /// delays this as long as any other write.
    fn drop(&mut self) {
        let mut state = self.lock();
        // In a forked process the count fails, and the URLs stay with the parent.
        if state.memory_is_used && state.memory.read(url_rows::is_any).unwrap_or(false) {
            let moved = self.write_file(&mut state, &mut |_| Ok(()));
            if let Err(WriteFailure::File(error) | WriteFailure::Work(error)) = moved {
                tracing::debug!(%error, "upload URLs that were kept in memory are lost");
            }
        }
    }
}

/// Why a transaction in the file did not take place.
enum WriteFailure {
    /// The file cannot be used.
    File(Error),
    /// The work itself failed.
    Work(Error),
}

impl UrlState {
    /// Switches to the file that others use now: beside another account info if a link was changed,
    /// or a new one if the old one was deleted. What is in the old one is not taken along; it
    /// belongs to its users.
    ///
    /// It costs two system calls while nothing has changed. If the account info is gone, the file
    /// of before is kept.
    fn follow(&mut self, shared: &Path, options: &Options) -> Result<(), WriteFailure> {
        let beside_now = FileId::at(shared).unwrap_or(None);
        if beside_now.is_some() && beside_now != self.beside {
            self.beside = beside_now;
            let path = beside(shared).map_err(WriteFailure::File)?;
            if path != self.path {
                self.path = path;
                // It stays what it is to those who use it.
                self.file = None;
            }
        }
        if self.file.as_ref().is_some_and(|file| !file.is_current())
            && let Some(file) = self.file.take()
        {
            file.abandon();
            let opened = UrlFile::open(&self.path, options);
            let file =
                opened.map_err(|failure| WriteFailure::File(failure.explain("open", &self.path)));
            self.file = Some(file?);
        }
        Ok(())
    }

    /// Leaves the file alone for 30 seconds, and logs one warning until it has worked again. A full
    /// disk or a foreign lock would otherwise cost each upload five seconds.
    fn pause(&mut self, error: &Error, now: Duration) {
        // One warning until the file has worked again.
        if self.paused_until.is_none() {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(
                path = %self.path.display(),
                %error,
                reason = reason.as_deref(),
                "the file of upload URLs cannot be used; they are kept in memory"
            );
        }
        self.paused_until = Some(now.saturating_add(PAUSE));
    }

    /// Notes that the file works.
    fn resume(&mut self) {
        if self.paused_until.take().is_some() {
            tracing::info!(path = %self.path.display(), "the file of upload URLs is used again");
        }
    }
}

/// Moves URLs from memory to the file, with the owners and targets that they have. What fails is
/// lost, and requested again.
///
/// The two are transactions of two databases. If the second one fails, the URLs are in neither.
fn move_urls(memory: &mut Database, file: &mut Database) {
    let moved = memory.write(|from| url_rows::drain(from)).and_then(|urls| {
        file.write(|to: &Transaction<'_>| {
            urls.iter().try_for_each(|stored| {
                url_rows::put(to, &stored.owner, &stored.target, &stored.url)
            })
        })
    });
    if moved.is_err() {
        tracing::debug!("upload URLs that were kept in memory are lost");
    }
}

/// Whether nothing can be created beside the account info, so that it cannot be written either:
/// SQLite needs a journal there.
///
/// Opening a store fails then, instead of at the first login.
fn is_about_directory(error: &Error, path: &Path) -> bool {
    matches!(
        error,
        Error::LocalFile {
            action: "create",
            ..
        }
    ) && !path.exists()
}

/// The path of the URLs' file: beside the real account info, so that all who reach that through
/// links share it.
///
/// Fails if the account info does not exist.
fn beside(shared: &Path) -> Result<PathBuf> {
    let real = shared
        .canonicalize()
        .map_err(|error| Error::local_file("open", shared, error))?;
    Ok(legacy::with_suffix(&real, "-urls"))
}
