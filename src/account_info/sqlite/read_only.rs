//! The store for a place that cannot be written, if the caller allows that. The file is read, and
//! everything else stays in memory.
//!
//! The file is checked before each call. If somebody else has changed it, its content is used from
//! then on. Until then, what was saved here is used, such as a new token in place of an expired
//! one.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a token expires | a new one is requested, and kept in memory; every process does so for itself |
//! | another program stores an authorization in the file | it replaces what is in memory at the next call, buckets included |
//! | another program logs out | nobody is logged in here either |
//! | the file is deleted or was never used | the memory is emptied, which is no logout |
//! | the file becomes unreadable | calls fail with the reason until it can be read again |
//! | the file has tables of an older version | they are copied to memory and upgraded there |
//! | the file is the JSON of a very old tool | its authorization is used |
//!
//! Leases and upload URLs are in memory, so they keep apart only the threads of this process. With
//! many processes on one read-only file each authorizes for itself when a token expires, once a
//! day.
//!
//! While somebody else writes the file, a look waits for the lock like any other reading; after 30
//! seconds the call fails.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction};

use super::connection::{Database, data_version};
use super::failure::Failure;
use super::file_stamp::{FileId, warn_if_others_can_read};
use super::{legacy, rows, schema};
use crate::account_info::memory::InMemoryAccountInfo;
use crate::account_info::{AccountInfo, forward_account_info};
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};
use crate::model::auth::AccountAuth;
use crate::model::id::BucketId;

/// A file that cannot be written, and the memory for changes.
#[derive(Debug)]
pub(super) struct ReadOnly {
    /// The path of the file.
    path: PathBuf,
    /// Answers all calls.
    memory: InMemoryAccountInfo,
    /// What was read last, to notice changes.
    seen: Mutex<LastRead>,
}

/// The file that was read last, and the `data_version` that it had.
#[derive(Debug, Default)]
struct LastRead {
    /// Which file it was; `None` if there was none.
    file: Option<FileId>,
    /// The connection, which tells the `data_version`. A JSON file has none.
    database: Option<Database>,
    /// The `data_version` at that time.
    version: i64,
}

/// The result of checking the file.
enum Change {
    /// It has not changed.
    Same,
    /// It does not exist, or nobody has used it yet.
    Nothing,
    /// Somebody has logged out.
    LoggedOut,
    /// It has changed.
    New(Box<Content>),
}

/// What the store needs from a file: the rest of it is not looked at.
struct Content {
    /// The authorization.
    auth: AccountAuth,
    /// All buckets with their names.
    buckets: Vec<(String, BucketId)>,
}

impl ReadOnly {
    /// Reads the file, if it exists. A file that cannot be read is an error.
    ///
    /// A file that does not exist is no error: it may be written by somebody else later.
    pub(super) fn open(path: &Path, clock: Clock) -> Result<Self> {
        let store = Self {
            path: path.to_owned(),
            memory: InMemoryAccountInfo::reading(clock),
            seen: Mutex::default(),
        };
        store.follow()?;
        warn_if_others_can_read(path);
        Ok(store)
    }

    /// The path of the file, as its user named it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes over what somebody else has written to the file since it was last read. It is called
    /// before each call, and costs one look at the file while nothing has changed.
    ///
    /// Threads that look at the same time do so one after the other, so the memory is filled once
    /// for each change.
    fn follow(&self) -> Result<()> {
        let mut seen = self.seen.lock();
        let look = seen
            .look(&self.path)
            .map_err(|failure| failure.explain("read", &self.path))?;
        let outcome = match look {
            Change::Same => Ok(()),
            Change::Nothing => {
                self.memory.lose_contents();
                Ok(())
            }
            Change::LoggedOut => self.memory.clear(),
            Change::New(content) => self.memory.save_auth(content.auth, None).and_then(|saved| {
                self.memory
                    .replace_buckets(saved.identity(), &content.buckets)
            }),
        };
        outcome.map_err(Error::Store)
    }

    /// The memory, after taking over what somebody else has written.
    fn followed(&self) -> Result<&InMemoryAccountInfo> {
        self.follow()?;
        Ok(&self.memory)
    }
}

impl LastRead {
    /// Reads the file if it has changed since the last look: another file at the path, or another
    /// `data_version` of the open one.
    fn look(&mut self, path: &Path) -> Result<Change, Failure> {
        let file = FileId::at(path).map_err(|error| Error::local_file("read", path, error))?;
        if file == self.file {
            let Some(database) = &mut self.database else {
                return Ok(Change::Same);
            };
            if data_version(database.connection()?)? == self.version {
                return Ok(Change::Same);
            }
        } else {
            *self = Self::default();
        }
        if file.is_none() {
            return Ok(Change::Nothing);
        }
        let look = match self.read(path) {
            Ok(look) => look,
            Err(failure) => {
                // The next call reads it again.
                *self = Self::default();
                return Err(failure);
            }
        };
        self.file = file;
        Ok(look)
    }

    /// Reads the file into memory, and upgrades the copy, since the file itself must not be
    /// written. The connection is kept for its `data_version`.
    fn read(&mut self, path: &Path) -> Result<Change, Failure> {
        let mut database = match self.database.take() {
            Some(database) => database,
            None => Database::open_to_read(path)?,
        };
        let copied =
            database.read(|now| Ok((data_version(now)?, schema::is_unused(now)?, copy(now)?)));
        let (version, is_unused, mut copy) = match copied {
            Err(failure) if failure.is_damage() => return of_old_tool(path, failure),
            other => other?,
        };
        schema::prepare(&mut copy, path)?;
        let look = copy.read(|now| {
            let Some(auth) = rows::account(now, path)? else {
                return Ok(if is_unused {
                    Change::Nothing
                } else {
                    Change::LoggedOut
                });
            };
            let buckets = rows::buckets(now)?;
            Ok(Change::New(Box::new(Content { auth, buckets })))
        })?;
        (self.version, self.database) = (version, Some(database));
        Ok(look)
    }
}

/// Reads the JSON file of a very old tool. Fails with `failure` if it is not one, because that says
/// what is wrong with the file as a database.
fn of_old_tool(path: &Path, failure: Failure) -> Result<Change, Failure> {
    let auth = legacy::read(path).map_err(|error| Error::local_file("read", path, error))?;
    let auth = auth.ok_or(failure)?;
    let buckets = Vec::new();
    Ok(Change::New(Box::new(Content { auth, buckets })))
}

/// The tables that an account info has had in any version. Others are not needed.
const TABLES: [&str; 4] = ["update_done", "account", "bucket", "bucket_upload_url"];

/// Copies the tables to memory, where they can be upgraded to the current form. No SQL from the
/// file is executed.
///
/// The columns are created without types, and their names are quoted, so that whatever the file has
/// can be copied.
fn copy(from: &Transaction<'_>) -> Result<Database, Failure> {
    let mut copy = Database::in_memory()?;
    let to = copy.connection()?;
    for table in TABLES {
        let mut columns = from.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = columns
            .query_map([table], |row| row.get(0))?
            .map(|name: Result<String, _>| Ok(format!("\"{}\"", name?.replace('"', "\"\""))))
            .collect::<Result<Vec<String>, rusqlite::Error>>()?;
        if !columns.is_empty() {
            to.execute_batch(&format!("CREATE TABLE {table} ({})", columns.join(", ")))?;
            copy_rows(from, to, table)?;
        }
    }
    Ok(copy)
}

/// Copies the rows of one table.
///
/// Each row is copied with the types that its values have.
fn copy_rows(from: &Connection, to: &Connection, table: &str) -> Result<(), Failure> {
    let mut rows = from.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = rows.column_count();
    let marks = vec!["?"; columns].join(", ");
    let mut insert = to.prepare(&format!("INSERT INTO {table} VALUES ({marks})"))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns)
            .map(|column| row.get::<_, Value>(column))
            .collect::<Result<Vec<_>, _>>()?;
        insert.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(())
}

forward_account_info! {
    impl[] ReadOnly, |this| this.followed().map_err(StoreError::from);
}
