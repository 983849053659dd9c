//! Opening and creating the URLs' file.
//!
//! SQLite keeps a write-ahead log and its index beside the file, under names made from the file's own.
//! If somebody deletes the file alone, those of the deleted file stay, and a new file must not meet
//! them. So a new file is created in this order, while the directory is locked against others who do
//! the same:
//!
//! 1. look again whether there is a file;
//! 2. remove what a deleted file left beside it;
//! 3. create the file, with the owner and the permissions of the account info.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connection::{Database, Failure, Options, create_private};
use super::file_stamp::FileId;
use super::url_rows::TABLES;
use super::{journal, legacy};
use crate::control::clock::Clock;
use crate::error::{Error, Result};

/// How often the lock of the directory is tried.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The version of the tables.
const VERSION: i64 = 1;

/// The URLs' file while it is open.
#[derive(Debug)]
pub(super) struct UrlFile {
    path: PathBuf,
    file: Option<FileId>,
    pub(super) database: Database,
}

impl UrlFile {
    /// Opens the file, and creates it if there is none; a damaged one is replaced.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, Failure> {
        match Self::connect(path, options) {
            Err(failure) if failure.is_damage() => Self::recreate(path, options),
            other => other,
        }
    }

    /// Whether this still is the file at its path.
    pub(super) fn is_current(&self) -> bool {
        FileId::at(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Closes a file that is no longer at its path. SQLite would remove the log by its name, which
    /// may belong to a new file by now.
    pub(super) fn abandon(mut self) {
        self.database.close_without_cleaning();
    }

    /// Replaces the file with an empty one.
    pub(super) fn replace(mut self, options: &Options) -> Result<Self, Failure> {
        // Closing comes first: it may remove files by their names.
        self.database.close();
        Self::recreate(&self.path, options)
    }

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

    fn recreate(path: &Path, options: &Options) -> Result<Self, Failure> {
        tracing::warn!(path = %path.display(), "the file of upload URLs is damaged and is replaced");
        remove(path)?;
        remove_side_files(path)?;
        Self::connect(path, options)
    }
}

fn user_version(connection: &rusqlite::Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn create(path: &Path, options: &Options) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let _alone = lock_directory(path);
    if path.exists() {
        return Ok(());
    }
    remove_side_files(path)?;
    create_private(path, options.account_info.as_deref())
}

/// Locks the directory, where the system can do that. The lock ends with the value.
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

fn remove_side_files(path: &Path) -> Result<()> {
    ["-wal", "-shm", "-journal"]
        .iter()
        .try_for_each(|suffix| remove(&legacy::with_suffix(path, suffix)))
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::local_file("remove", file, error))
        }
        _ => Ok(()),
    }
}
