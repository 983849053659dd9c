//! Chooses how the URLs' file survives a process that is killed: with a write-ahead log, which is
//! fast, or with SQLite's older rollback journal, which also works on network file systems. A log
//! needs memory that all its users share, and so a single machine.
//!
//! The choice is recorded in the file: an `application_id` marks a file that must have no log.
//! Otherwise two programs with different settings would keep switching it.
//!
//! The log is removed in these steps, all on one connection:
//!
//! 1. `locking_mode = EXCLUSIVE`: from now on nothing is shared, so no `-shm` file is created.
//! 2. `journal_mode = DELETE`: the content of the log is moved to the database, and the log is
//!    removed.
//! 3. `locking_mode = NORMAL` and any reading statement: the lock is released.
//!
//! | setting | the file is marked | what is used |
//! | --- | --- | --- |
//! | default | no | a write-ahead log, `synchronous = NORMAL` |
//! | default | yes | a rollback journal |
//! | `network_home` | no | the log is removed, the mark is set, then a rollback journal |
//! | `network_home` | yes | a rollback journal |
//! | default, others keep the file busy | no | a rollback journal, until the next time it is opened |

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::connection::{Database, Options};
use super::failure::Failure;
use crate::control::clock::Clock;
use crate::error::Error;

/// The number of attempts to switch while others use the file.
const ATTEMPTS: usize = 40;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The `application_id` of a file that must have no log. Any number other than 0 would do.
const WITHOUT_LOG: i32 = 0x6232_4e48;

/// Sets the journal of a file that was just opened: no log if the caller says so or the file is
/// marked, otherwise a log if it can be had.
pub(super) fn choose(
    database: &mut Database,
    path: &Path,
    options: &Options,
) -> Result<(), Failure> {
    let connection = database.connection()?;
    if options.network_home {
        take_log_away(connection, path, options)?;
    } else if !is_without_log(connection)? {
        switch_to_log(connection)?;
    }
    // This is enough for a cache: after a crash of the system its content may be old, but not
    // damaged.
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    Ok(())
}

/// Records that the file must have no log, within the caller's transaction.
pub(super) fn mark(connection: &Connection) -> Result<(), Failure> {
    if !is_without_log(connection)? {
        connection.execute_batch(&format!("PRAGMA application_id = {WITHOUT_LOG}"))?;
    }
    Ok(())
}

/// Whether commits go to a log beside the database.
pub(super) fn has_log(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// Whether the file is marked as one that must have no log.
pub(super) fn is_without_log(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("PRAGMA application_id", [], |row| {
        Ok(row.get::<_, i32>(0)? == WITHOUT_LOG)
    })
}

/// Switches to a log. The switch needs the file for itself and otherwise fails at once, whatever
/// the time-out; waiting for a write lock takes the place of waiting for the switch. If it never
/// succeeds, everything works without a log, only more slowly.
fn switch_to_log(connection: &Connection) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let switched = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        match switched {
            Err(error) if is_busy(&error) => {
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?
            }
            other => return Ok(other?),
        }
    }
    Ok(())
}

/// Removes the log, trying for about two seconds. Fails with `LocalFile` if another program has the
/// file open with a log: the two would not see each other's writes.
fn take_log_away(connection: &Connection, path: &Path, options: &Options) -> Result<(), Failure> {
    let clock = Clock::default();
    // A log that is in use stays in use while the other program runs, so waiting long is useless.
    connection.busy_timeout(PAUSE)?;
    for _ in 0..ATTEMPTS {
        match try_without_log(connection) {
            Err(error) if is_busy(&error) => clock.sleep(PAUSE, None),
            other => {
                connection.busy_timeout(options.urls_timeout())?;
                return Ok(other?);
            }
        }
    }
    let source = std::io::Error::new(
        std::io::ErrorKind::ResourceBusy,
        "another program has it open with a write-ahead log, which does not work on a network file \
         system; end that program and try again",
    );
    Err(Error::local_file("open", path, source).into())
}

/// Removes the log once, or fails because the file is in use. The lock is released in either case.
fn try_without_log(connection: &Connection) -> Result<(), rusqlite::Error> {
    let exclusive = |sql: &str| connection.query_row(sql, [], |_| Ok(()));
    exclusive("PRAGMA locking_mode = EXCLUSIVE")?;
    let switched = exclusive("PRAGMA journal_mode = DELETE");
    exclusive("PRAGMA locking_mode = NORMAL")?;
    let released = exclusive("SELECT count(*) FROM sqlite_master");
    switched.and(released)
}

/// Whether another connection is in the way.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
