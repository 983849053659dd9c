//! Opens and creates the file of upload URLs.
//!
//! SQLite keeps a write-ahead log and its index beside the file, under names derived from the
//! file's own. If somebody deletes only the file, these two remain, and a new file must not meet
//! them. So a new file is created in this order, while the directory is locked against others who
//! do the same:
//!
//! 1. Check again whether the file exists.
//! 2. Remove what a deleted file has left beside it.
//! 3. Create the file, with the owner and the permissions of the account info.
//!
//! | what is found at the path | what follows |
//! | --- | --- |
//! | nothing | a new file with empty tables |
//! | a file with tables of this version | it is used |
//! | an empty file | the tables are created, by one of the processes that come at the same time |
//! | a damaged file | it is removed with what is beside it, and created again |
//! | a file of a newer version of this crate | it is left as it is; tables in memory take its place |
//! | a file that must have no log, or must get none | the journal is chosen accordingly (`journal`) |
//!
//! The lock of the directory is not needed for safety where the system has none: creating a file
//! fails if it exists. It only keeps the files beside it from being removed at the wrong moment. It
//! is waited for at most a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connection::{Database, Options, create_private};
use super::failure::Failure;
use super::file_stamp::FileId;
use super::url_rows::TABLES;
use super::{journal, legacy};
use crate::control::clock::Clock;
use crate::error::{Error, Result};

/// The number of attempts to lock the directory.
const LOCK_ATTEMPTS: usize = 100;
/// The pause between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The version of the tables that this crate uses.
const VERSION: i64 = 1;

/// The file of upload URLs while it is open.
#[derive(Debug)]
pub(super) struct UrlFile {
    /// The path of the file, which may belong to another file by now.
    path: PathBuf,
    /// The identity of the file, to notice when it is replaced.
    file: Option<FileId>,
    pub(super) database: Database,
}

impl UrlFile {
    /// Opens the file, and creates it if it does not exist. A damaged file is replaced.
    ///
    /// Fails if the file cannot be created, opened or locked. The caller then uses memory.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, Failure> {
        match Self::connect(path, options) {
            Err(failure) if failure.is_damage() => Self::recreate(path, options),
            other => other,
        }
    }

    /// Whether this is still the file at its path.
    ///
    /// Costs one system call. A path that cannot be looked at counts as another file.
    pub(super) fn is_current(&self) -> bool {
        FileId::at(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Closes a file that is no longer at its path, without removing the log: SQLite would remove
    /// it by its name, which may belong to a new file by now.
    pub(super) fn abandon(mut self) {
        self.database.close_without_cleaning();
    }

    /// Replaces the file with an empty one.
    ///
    /// What was in it is lost.
    pub(super) fn replace(mut self, options: &Options) -> Result<Self, Failure> {
        // The file is closed first, because closing may remove files by their names.
        self.database.close();
        Self::recreate(&self.path, options)
    }

    /// Opens the file, and creates its tables if it is new. If a newer version of this crate uses
    /// it, the database is in memory instead.
    fn connect(path: &Path, options: &Options) -> Result<Self, Failure> {
        create(path, options)?;
        let file = FileId::at(path).unwrap_or(None);
        let mut database = Database::open(path, options.urls_timeout())?;
        journal::choose(&mut database, path, options)?;
        let mut version = database.read(|now| Ok(user_version(now)?))?;
        if version == 0 {
            version = database.write(|now| {
                if user_version(now)? == 0 {
                    now.execute_batch(TABLES)?;
                }
                Ok(user_version(now)?)
            })?;
        }
        if version != VERSION {
            // It belongs to a newer version of this crate.
            tracing::warn!(
                path = %path.display(),
                "upload URLs are kept in memory: a newer program has its own in this file"
            );
            database = Database::in_memory()?;
            database.connection()?.execute_batch(TABLES)?;
        } else if options.network_home && !journal::is_without_log(database.connection()?)? {
            database.write(|now| journal::mark(now))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            database,
        })
    }

    /// Removes the file and what is beside it, and creates it again. What was in it is lost;
    /// nothing in it is worth more than a request.
    fn recreate(path: &Path, options: &Options) -> Result<Self, Failure> {
        tracing::warn!(path = %path.display(), "the file of upload URLs is damaged and is replaced");
        remove(path)?;
        remove_side_files(path)?;
        Self::connect(path, options)
    }
}

/// The version of the tables, which is 0 in a new file.
fn user_version(connection: &rusqlite::Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Creates the file if it does not exist, in the order that the module gives, so that of several
/// processes one does it and the others find it.
///
/// An existing file keeps its owner and its mode.
fn create(path: &Path, options: &Options) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let _alone = lock_directory(path);
    if path.exists() {
        return Ok(());
    }
    remove_side_files(path)?;
    create_private(path, options.account_info.as_deref()).map(|_| ())
}

/// Locks the directory, if the system can do that. The lock ends when the value is dropped.
fn lock_directory(path: &Path) -> Option<std::fs::File> {
    let directory = std::fs::File::open(path.parent()?).ok()?;
    let clock = Clock::default();
    for _ in 0..LOCK_ATTEMPTS {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            // Those who create a file hold it for a moment; nobody else is waited for.
            Err(std::fs::TryLockError::WouldBlock) => clock.sleep(LOCK_PAUSE, None),
            Err(std::fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes the journals that belong to the file.
fn remove_side_files(path: &Path) -> Result<()> {
    ["-wal", "-shm", "-journal"]
        .iter()
        .try_for_each(|suffix| remove(&legacy::with_suffix(path, suffix)))
}

/// Removes a file that may not exist.
fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::local_file("remove", file, error))
        }
        _ => Ok(()),
    }
}
