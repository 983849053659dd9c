//! How the URLs' file is made safe against a killed process: by a write-ahead log, which is fast, or
//! by SQLite's older rollback journal, which works on network file systems, too (a log needs memory
//! that all its users share, and so one machine).
//!
//! The choice stays in the file: `application_id` marks one that must have no log. Otherwise two
//! programs with different settings would switch it to and fro.
//!
//! To take a file its log, all on one connection:
//!
//! 1. `locking_mode = EXCLUSIVE`: from now on nothing is shared, so no `-shm` file is made;
//! 2. `journal_mode = DELETE`: the log goes into the database and is removed;
//! 3. `locking_mode = NORMAL` and any reading statement: the lock is given back.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::connection::{Database, Failure, Options};
use crate::control::clock::Clock;
use crate::error::Error;

/// How often the switch is tried while others use the file.
const ATTEMPTS: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Marks a file that must have no log. Any number that is not 0 does.
const WITHOUT_LOG: i32 = 0x6232_4e48;

/// Sets the journal of a file that was just opened.
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
    // Enough for a cache: nothing is half-written after a crash of the system, at most old.
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    Ok(())
}

/// Makes the choice last, within the transaction that makes the tables.
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

/// The switch needs the file for itself and answers BUSY at once, whatever the time-out. Waiting in
/// line for a write lock is what the time-out works for. Without a log all works, only slower.
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

fn take_log_away(connection: &Connection, path: &Path, options: &Options) -> Result<(), Failure> {
    let clock = Clock::default();
    // A log that is in use stays in use for as long as another program runs: no use to wait long.
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

fn try_without_log(connection: &Connection) -> Result<(), rusqlite::Error> {
    let exclusive = |sql: &str| connection.query_row(sql, [], |_| Ok(()));
    exclusive("PRAGMA locking_mode = EXCLUSIVE")?;
    let switched = exclusive("PRAGMA journal_mode = DELETE");
    exclusive("PRAGMA locking_mode = NORMAL")?;
    let released = exclusive("SELECT count(*) FROM sqlite_master");
    switched.and(released)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
