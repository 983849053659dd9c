//! The tables of the file that is shared with Python's b2sdk, and their upgrades (docs/protocol.md,
//! sections 13.3 and 13.4).
//!
//! 1. The numbers of the upgrades that were done are read. If all were done, nothing is written. A
//!    number above [`LATEST`] means that a newer program has changed the tables, which are then
//!    left alone.
//! 2. Otherwise, in one transaction, the numbers are read again, missing tables are created, and
//!    the missing upgrades are done, each with its number recorded. Many processes may come here at
//!    the same time.
//! 3. The columns that the crate uses are checked.
//!
//! | upgrade | what it does |
//! | --- | --- |
//! | 1 | adds `allowed` |
//! | 2 | adds `account_id_or_app_key_id` |
//! | 3 | adds `s3_api_url` |
//! | 4 | replaces `minimum_part_size` by two sizes; the smaller one becomes 5,000,000, as in Python |
//! | 5, 6 | rewrite `allowed` from one bucket to a list of buckets |
//!
//! The numbers and the resulting tables are those of Python's b2sdk, whose own code reads a file
//! that was upgraded here, and the other way round (`tests/interop_account_info.rs`).
//!
//! | the file is | what follows |
//! | --- | --- |
//! | empty | all tables are created in their last form, and it is marked as unused |
//! | of an older version | it is upgraded in one transaction |
//! | of this version | nothing is written |
//! | of a newer version, with the columns that are needed | it is used as it is |
//! | of a newer version, without one of them | `AccountInfoTooNew` |
//! | a database without the table `update_done` | `AccountInfoCorrupt`: it is another program's |
//! | without a table of its version | `AccountInfoCorrupt` |

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::connection::Database;
use super::failure::{Failure, corrupt, unknown_name};
use crate::error::Error;

/// The number of the last upgrade that this crate and Python's b2sdk know.
const LATEST: i64 = 6;

/// Version 0, as b2sdk creates it. Nobody has ever used `bucket_upload_url`.
const BASE: &str = "
    CREATE TABLE IF NOT EXISTS update_done (update_number INT NOT NULL);
    CREATE TABLE IF NOT EXISTS account (
        account_id TEXT NOT NULL, application_key TEXT NOT NULL,
        account_auth_token TEXT NOT NULL, api_url TEXT NOT NULL, download_url TEXT NOT NULL,
        minimum_part_size INT NOT NULL, realm TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS bucket (bucket_name TEXT NOT NULL, bucket_id TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS bucket_upload_url (
        bucket_id TEXT NOT NULL, upload_url TEXT NOT NULL, upload_auth_token TEXT NOT NULL);";

/// Upgrade 4: two part sizes instead of one, with the columns in the order that b2sdk ends up with.
const TWO_PART_SIZES: &str = "
    ALTER TABLE account RENAME TO tmp_account;
    CREATE TABLE account (
        account_id TEXT NOT NULL, application_key TEXT NOT NULL,
        account_auth_token TEXT NOT NULL, api_url TEXT NOT NULL, download_url TEXT NOT NULL,
        absolute_minimum_part_size INT NOT NULL, recommended_part_size INT NOT NULL,
        realm TEXT NOT NULL, allowed TEXT, account_id_or_app_key_id TEXT, s3_api_url TEXT);
    INSERT INTO account SELECT
        account_id, application_key, account_auth_token, api_url, download_url,
        5000000, minimum_part_size, realm, allowed, account_id_or_app_key_id, s3_api_url
        FROM tmp_account;
    DROP TABLE tmp_account;";

/// The columns that are read or written here. Whatever else a newer program has added is left
/// alone.
const NEEDED: [&str; 2] = [
    "SELECT account_id, application_key, account_auth_token, api_url, download_url,
            absolute_minimum_part_size, recommended_part_size, realm, allowed,
            account_id_or_app_key_id, s3_api_url FROM account LIMIT 0",
    "SELECT bucket_name, bucket_id FROM bucket LIMIT 0",
];

/// The version of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// This crate knows them.
    Known,
    /// A newer program has changed them.
    Newer,
}

/// Upgrades the file to the version that this crate and b2sdk use, unless it has a newer one. Fails
/// if a column that is needed is missing: with `AccountInfoTooNew` if a newer program has changed
/// the tables, otherwise as damage.
///
/// A file that needs no upgrade is only read. One that needs some is written in one transaction, so
/// that a process that is killed leaves the file as it was.
pub(super) fn prepare(database: &mut Database, path: &Path) -> Result<Tables, Failure> {
    let tables = match database.read(|now| missing(now, path))? {
        Missing::Nothing => Tables::Known,
        Missing::Unknown => Tables::Newer,
        Missing::Upgrades(_) => database.write(|now| match missing(now, path)? {
            Missing::Nothing => Ok(Tables::Known),
            Missing::Unknown => Ok(Tables::Newer),
            Missing::Upgrades(numbers) => upgrade(now, &numbers),
        })?,
    };
    let connection = database.connection()?;
    for columns in NEEDED {
        if let Err(error) = connection.prepare(columns) {
            return Err(match tables {
                Tables::Known => error.into(),
                Tables::Newer => too_new(path, error).explain("read", path).into(),
            });
        }
    }
    Ok(tables)
}

/// The failure of a statement of this crate in tables that a newer program has changed.
///
/// A value that a constraint of the newer tables refuses counts as well. Any other failure is
/// passed on as it is.
pub(super) fn too_new(path: &Path, error: rusqlite::Error) -> Failure {
    let reason = match &error {
        rusqlite::Error::SqliteFailure(cause, Some(message))
            if cause.code == ErrorCode::ConstraintViolation =>
        {
            message
        }
        other => match unknown_name(other) {
            Some(message) => message,
            None => return error.into(),
        },
    };
    Failure::Explained(Error::AccountInfoTooNew {
        path: path.into(),
        reason: format!("{reason}; upgrade this program, or name another file").into(),
    })
}

/// The upgrades that a file lacks.
enum Missing {
    /// None.
    Nothing,
    /// Those with these numbers.
    Upgrades(Vec<i64>),
    /// It has upgrades that are not known here.
    Unknown,
}

/// The names of all tables.
fn table_names(connection: &Connection) -> Result<BTreeSet<String>, rusqlite::Error> {
    let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// Finds out which upgrades a file lacks. Fails if it belongs to another program.
///
/// Called twice if something has to be upgraded: before the write lock is taken, and again under
/// it.
fn missing(connection: &Connection, path: &Path) -> Result<Missing, Failure> {
    let names = table_names(connection)?;
    if names.is_empty() {
        return Ok(Missing::Upgrades((1..=LATEST).collect()));
    }
    // b2sdk creates this table first, so a file without it was never an account info.
    if !names.contains("update_done") {
        return Err(corrupt(path, "it is a database of another program").into());
    }
    let mut done = connection.prepare("SELECT update_number FROM update_done")?;
    let done = done
        .query_map([], |row| row.get(0))?
        .collect::<Result<BTreeSet<i64>, _>>()?;
    if done.last().is_some_and(|number| *number > LATEST) {
        return Ok(Missing::Unknown);
    }
    let numbers: Vec<i64> = (1..=LATEST)
        .filter(|number| !done.contains(number))
        .collect();
    Ok(if numbers.is_empty() {
        Missing::Nothing
    } else {
        Missing::Upgrades(numbers)
    })
}

/// The `user_version` of a file in which nobody has logged in yet. Python's b2sdk does not use this
/// number. If the account is missing in a file without the mark, somebody has logged out.
const UNUSED: i64 = 0x6232_6e65;

/// Whether nobody has logged in since the file was created.
pub(super) fn is_unused(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| {
        Ok(row.get::<_, i64>(0)? == UNUSED)
    })
}

/// Removes the mark of a new file.
///
/// It is called when an authorization is stored, when somebody logs out, and when another program's
/// authorization is found.
pub(super) fn mark_as_used(connection: &Connection) -> Result<(), rusqlite::Error> {
    if is_unused(connection)? {
        connection.execute_batch("PRAGMA user_version = 0")?;
    }
    Ok(())
}

/// Does these upgrades, and records each.
///
/// They are done in the order of their numbers. A failure undoes all of them, because the caller's
/// transaction is rolled back.
fn upgrade(connection: &Connection, numbers: &[i64]) -> Result<Tables, Failure> {
    // In a file that has lost a table of a later version, creating tables of version 0 would hide
    // the loss.
    if numbers.len() as i64 == LATEST {
        if table_names(connection)?.is_empty() {
            connection.execute_batch(&format!("PRAGMA user_version = {UNUSED}"))?;
        }
        connection.execute_batch(BASE)?;
    }
    for number in numbers {
        match number {
            1 => connection.execute_batch("ALTER TABLE account ADD COLUMN allowed TEXT")?,
            2 => connection
                .execute_batch("ALTER TABLE account ADD COLUMN account_id_or_app_key_id TEXT")?,
            3 => connection.execute_batch("ALTER TABLE account ADD COLUMN s3_api_url TEXT")?,
            4 => connection.execute_batch(TWO_PART_SIZES)?,
            // 6 repeats 5: older API layers kept writing the old form after 5 was done.
            _ => list_buckets_in_allowed(connection)?,
        }
        connection.execute("INSERT INTO update_done VALUES (?1)", [number])?;
    }
    Ok(Tables::Known)
}

/// Upgrades 5 and 6: `allowed` has a list of buckets instead of a single one. Rows that have a list
/// already, or cannot be read, stay as they are.
fn list_buckets_in_allowed(connection: &Connection) -> Result<(), Failure> {
    let mut rows = connection.prepare("SELECT rowid, allowed FROM account")?;
    let rows = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, Option<String>)>, _>>()?;
    for (row, allowed) in rows {
        if let Some(rewritten) = allowed.as_deref().and_then(with_bucket_list) {
            connection.execute(
                "UPDATE account SET allowed = ?1 WHERE rowid = ?2",
                (rewritten, row),
            )?;
        }
    }
    Ok(())
}

/// The restrictions in the form with a list, or `None` if they already have one. A value that is no
/// JSON object is left alone, and reported when the authorization is read.
fn with_bucket_list(allowed: &str) -> Option<String> {
    let mut allowed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(allowed).ok()?;
    if allowed.contains_key("buckets") {
        return None;
    }
    let id = allowed.remove("bucketId").filter(|id| !id.is_null());
    let name = allowed.remove("bucketName");
    let buckets = id.map(|id| serde_json::json!([{ "id": id, "name": name }]));
    allowed.insert("buckets".to_owned(), buckets.into());
    serde_json::to_string(&allowed).ok()
}
