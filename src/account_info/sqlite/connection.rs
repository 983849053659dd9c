//! A connection to one of the two files, and what its failures mean to the user.
//!
//! Both files are opened in this order:
//!
//! 1. If the file does not exist, it is created empty with mode 0600 by `open(2)`. SQLite gives the
//!    files beside it (`-journal`, `-wal`, `-shm`) the mode of the file that they belong to, so
//!    none is ever more accessible.
//! 2. SQLite opens the file, without the right to create it.
//! 3. The time-out for locks is set, before any statement that could meet one.
//!
//! Every use of a connection is a transaction. A transaction that is not committed is rolled back
//! when it is dropped, so no lock outlives a call. A connection belongs to the process that opened
//! it: a forked process neither uses nor closes it.
//!
//! SQLite's result codes become errors of the crate in one place ([`Failure::explain`]):
//!
//! | SQLite reports | the user sees |
//! | --- | --- |
//! | not a database, corrupt, an unknown table or column, a value of another type | `AccountInfoCorrupt`: the file is left as it is |
//! | cannot open, permission denied, read-only | `LocalFile` with the permissions as its hint |
//! | busy or locked for longer than the time-out | `LocalFile`: another program holds the file |
//! | disk full | `LocalFile`: nothing was changed, or an empty file was created |
//! | I/O error, the locking protocol failed | `LocalFile`: the file system failed |
//! | anything else | `Error::Store` with SQLite's own message, which quotes no values |
//!
//! How long a call may take: a statement waits for locks of others for 30 seconds in the shared
//! file and for 5 in the file of upload URLs, and then fails as busy. Threads of one process also
//! wait for each other, because each file has one connection.
//!
//! Rules that every caller here has to hold to, because SQLite's locks belong to the process and
//! not to a descriptor:
//!
//! - A file that may be a database is never opened besides through SQLite, because closing any
//!   descriptor of it releases the locks of all connections of this process.
//! - A connection is used by one thread at a time, and never after a fork.
//! - `work` of a transaction may run twice (`urls`), so it must have no effect outside of the
//!   database.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::failure::{Failure, hint};
use crate::control::clock::Clock;
use crate::error::{Error, StoreError};

/// The settings that files are opened with.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    /// The clock that leases and the ages of upload URLs are measured by.
    pub(super) clock: Clock,
    /// Whether the directory is on a network file system, where a write-ahead log does not work.
    pub(super) network_home: bool,
    /// Whether this is the login of Backblaze's own tools, and the caller did not name the file.
    pub(super) is_default: bool,
    /// The file whose owner and permissions the URLs' file gets.
    pub(super) account_info: Option<PathBuf>,
    /// How large the shared file may grow, which is how a test fills the disk.
    #[cfg(test)]
    pub(super) max_pages: Option<u32>,
    /// How long to wait for the lock of the URLs' file.
    #[cfg(test)]
    pub(super) urls_timeout: Option<Duration>,
}

impl Options {
    /// How long to wait for the lock of the URLs' file. Its content is not worth a long wait.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests wait less"))]
    pub(super) fn urls_timeout(&self) -> Duration {
        #[cfg(test)]
        if let Some(timeout) = self.urls_timeout {
            return timeout;
        }
        URLS_TIMEOUT
    }
}

/// The usual time to wait for the lock of the URLs' file.
const URLS_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest path that SQLite opens, in bytes, less the longest suffix of the files beside it.
const LONGEST_PATH: usize = 512 - "-urls-journal".len();

/// How long a statement waits for the locks of other threads and programs. These need milliseconds;
/// the time is for a machine that is overloaded or asleep.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// SQLite's `data_version`, which changes with each commit of another connection, in this process
/// or any other. A commit of this connection does not change it.
///
/// It costs a lock and some system calls.
pub(super) fn data_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

/// Creates the file if it does not exist, so that only its owner can read it. With `like`, the new
/// file gets the owner of that file, and its group gets the rights that it has there.
///
/// A program that runs as root for another user, or a group that shares its account info, so keeps
/// access to the file of upload URLs. A file that exists is left as it is, whatever its mode.
///
/// Returns whether this call created the file.
pub(super) fn create_private(path: &Path, like: Option<&Path>) -> Result<bool, Error> {
    // Closing any descriptor of a file releases all of this process's locks on it, including those
    // of SQLite (fcntl(2)). So only a new file is opened here, and while one thread has it open no
    // other one can come far enough to lock it.
    static CREATING: Mutex<()> = Mutex::new(());
    let _alone = CREATING.lock();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(created) => {
            if let Some(like) = like {
                take_over_owner(&created, like);
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Windows reports this for a directory, too.
        Err(_) if path.is_dir() => Ok(false),
        Err(error) => Err(Error::local_file("create", path, error)),
    }
}

/// Gives a new file the owner and the permissions of another one. If that is not possible, the file
/// stays with its creator, and other users keep their URLs in memory.
///
/// A change of the owner needs root; without it, at least the group is changed where that is
/// allowed. The mode is never less than 0600, and the group gets no more than reading and writing.
#[cfg(unix)]
fn take_over_owner(created: &std::fs::File, like: &Path) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let (Ok(own), Ok(like)) = (created.metadata(), std::fs::metadata(like)) else {
        return;
    };
    let owner = (own.uid() != like.uid()).then(|| like.uid());
    let group = (own.gid() != like.gid()).then(|| like.gid());
    if owner.or(group).is_some() && fchown(created, owner, group).is_err() {
        let _ = fchown(created, None, group);
    }
    let is_of_group = created.metadata().is_ok_and(|now| now.gid() == like.gid());
    let mode = if is_of_group { like.mode() & 0o660 } else { 0 };
    let permissions = std::fs::Permissions::from_mode(mode | 0o600);
    let _ = created.set_permissions(permissions);
}

#[cfg(not(unix))]
fn take_over_owner(_: &std::fs::File, _: &Path) {}

/// The error of a process that uses what its parent opened.
pub(super) fn forked() -> StoreError {
    StoreError::new("the account info was opened before this process forked; open it afterwards")
}

/// A connection to a database, and the process that may use it.
///
/// Its owner protects it with a lock: a connection of SQLite serves one thread at a time. After a
/// fork the child has a copy of the connection, with the same descriptors. Using it would corrupt
/// the parent's view, and even closing it would release the parent's locks, so the child forgets it
/// instead.
#[derive(Debug)]
pub(super) struct Database {
    /// `None` after it was closed.
    connection: Option<Connection>,
    /// The process that opened it.
    process: u32,
}

impl Database {
    /// Opens an existing file for writing. Its statements wait up to `timeout` for the locks of
    /// others. What is deleted later is overwritten with zeros (`secure_delete`), so that no
    /// replaced key or token stays in the file's free space.
    ///
    /// Fails if the file does not exist, is a directory, a device or a pipe, has too long a path,
    /// or may be read only.
    pub(super) fn open(path: &Path, timeout: Duration) -> Result<Self, Failure> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, timeout)?;
        // SQLite silently falls back to reading where it may not write.
        if connection.is_readonly(rusqlite::MAIN_DB)? {
            let kind = io::ErrorKind::PermissionDenied;
            let source = io::Error::new(kind, format!("the file is read-only; {}", hint(kind)));
            return Err(Error::local_file("write", path, source).into());
        }
        // Replaced keys and tokens must not remain in the file's free space.
        connection.execute_batch("PRAGMA secure_delete = ON")?;
        Ok(Self::with(connection))
    }

    /// Opens an existing file for reading only.
    ///
    /// What it reads while another program writes is one state of the file, within a transaction.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, Failure> {
        connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, BUSY_TIMEOUT).map(Self::with)
    }

    /// Creates a database that only this connection sees.
    ///
    /// It is lost when it is dropped.
    pub(super) fn in_memory() -> Result<Self, Failure> {
        Ok(Self::with(Connection::open_in_memory()?))
    }

    /// Takes a connection into the hands of this process.
    fn with(connection: Connection) -> Self {
        Self {
            connection: Some(connection),
            process: std::process::id(),
        }
    }

    /// The connection, if it is open and belongs to this process. Fails with an explanation in a
    /// forked process.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, Failure> {
        match &mut self.connection {
            Some(connection) if self.process == std::process::id() => Ok(connection),
            _ => Err(Error::Store(forked()).into()),
        }
    }

    /// Runs `work` in a transaction, so that all of it sees one state of the file.
    ///
    /// It waits for a lock only while another program commits.
    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    /// Runs `work` in a transaction that takes the write lock at once. Either all of it happens, or
    /// nothing.
    ///
    /// A transaction that began by reading would fail immediately, whatever the time-out, if
    /// another one wrote in between.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    /// Runs `work` in a transaction and commits it. The transaction is rolled back if `work` fails.
    ///
    /// A commit that fails is rolled back as well, so the caller never has to tidy up.
    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let transaction = self.connection()?.transaction_with_behavior(behavior)?;
        let value = work(&transaction)?;
        // A transaction that is dropped, also after a failed commit, is rolled back, so no lock
        // outlives this call.
        transaction.commit()?;
        Ok(value)
    }

    /// Closes the connection without removing the write-ahead log, whose name may belong to another
    /// file by now: a file that was deleted and created again has a log of the same name.
    pub(super) fn close_without_cleaning(&mut self) {
        if let Some(connection) = &self.connection {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        self.close();
    }

    /// Closes the connection. Every later use fails.
    pub(super) fn close(&mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Database {
    /// A forked process must not even close a connection that it inherited, because that could
    /// remove files that its parent still uses.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.connection.take());
        }
    }
}

/// Opens a connection, after excluding paths for which SQLite's own messages do not help: a
/// directory, a device or pipe, a path that is too long.
///
/// The check and the opening are two steps; a file that is exchanged in between leads to one of
/// SQLite's own messages.
fn connect(path: &Path, access: OpenFlags, timeout: Duration) -> Result<Connection, Failure> {
    let source = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a directory; name a file in it",
        ),
        Ok(found) if !found.is_file() => io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a device or a pipe; name a file",
        ),
        _ if path.as_os_str().len() > LONGEST_PATH => io::Error::new(
            io::ErrorKind::InvalidFilename,
            format!("SQLite opens no path of more than {LONGEST_PATH} bytes; name a shorter one"),
        ),
        _ => return connect_to_file(path, access, timeout),
    };
    Err(Error::local_file("open", path, source).into())
}

/// Opens a connection to a file.
fn connect_to_file(
    path: &Path,
    access: OpenFlags,
    timeout: Duration,
) -> Result<Connection, Failure> {
    // Not as a URI: a path may begin with "file:".
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| why_not(path, error))?;
    connection.busy_timeout(timeout)?;
    // If SQLite is compiled with its statistics, it would otherwise prepare a statement again for
    // other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Finds out why a file cannot be opened, because SQLite says only that it cannot. A file that the
/// system refuses is not open anywhere in this process, so no lock is lost by asking.
fn why_not(path: &Path, error: rusqlite::Error) -> Failure {
    match OpenOptions::new().read(true).open(path) {
        Err(refusal) => {
            let hint = hint(refusal.kind());
            let source = io::Error::new(refusal.kind(), format!("{refusal}; {hint}"));
            Error::local_file("open", path, source).into()
        }
        Ok(_) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Database, Failure};

    #[test]
    fn a_connection_is_of_no_use_after_a_fork() {
        let mut database = Database::in_memory().unwrap();
        assert!(database.connection().is_ok());
        database.process = 0;
        let refused = database.connection().map(|_| ());
        assert!(matches!(refused, Err(Failure::Explained(_))), "{refused:?}");
    }
}
