//! The file beside the shared one that is ours alone: upload URLs, and the lease of whoever is
//! replacing the authorization.
//!
//! It is a cache. It may be lost at any time, so it is written without waiting for the disk
//! (`journal.rs`), and made anew when it is damaged or gone. Every row names the identity it belongs
//! to, so a row that was left behind when another program changed the account is never used.
//!
//! Where both files are needed at once, this one is locked first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::connection::{Database, Failure, Options, create_private};
use super::file_stamp::FileId;
use super::{journal, legacy};
use crate::account_info::{UploadTarget, UploadUrl};
use crate::error::{Error, Result, StoreError};
use crate::model::auth::Identity;
use crate::model::secret::UploadToken;
use crate::model::time::Timestamp;

const FORM: i64 = 1;

const TABLES: &str = "
    CREATE TABLE upload_url (
        id INTEGER PRIMARY KEY, owner TEXT NOT NULL, target TEXT NOT NULL,
        url TEXT NOT NULL, token TEXT NOT NULL, received INTEGER NOT NULL);
    CREATE INDEX upload_url_target ON upload_url (owner, target, id);
    CREATE INDEX upload_url_received ON upload_url (received);
    CREATE TABLE refresh_lease (
        ticket INTEGER NOT NULL, begun INTEGER NOT NULL, ends INTEGER NOT NULL);
    PRAGMA user_version = 1;";

/// How far the clocks of two readings may disagree before a lease from the future is taken for one
/// of before the system's clock was set back.
const CLOCK_SLACK_MILLIS: i64 = 60_000;

#[derive(Debug)]
pub(super) struct Urls {
    path: PathBuf,
    options: Options,
    open: Mutex<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    database: Database,
    file: Option<FileId>,
}

impl Urls {
    pub(super) fn open(path: PathBuf, options: &Options) -> Result<Self> {
        let opened = match connect(&path, options) {
            Err(failure) if failure.is_damage() => recreate(&path, options),
            other => other,
        };
        let open = opened.map_err(|failure| failure.explain("open", &path))?;
        let urls = Self {
            path,
            options: options.clone(),
            open: Mutex::new(open),
        };
        urls.write(|now| purge_old(now, urls.now()))?;
        Ok(urls)
    }

    /// Whether this file has a log, which needs memory that all who use it share: then it is one machine's.
    pub(super) fn is_local(&self) -> bool {
        let mut open = self.open.lock();
        let connection = open.database.connection();
        connection.is_ok_and(|connection| journal::has_log(connection).unwrap_or(false))
    }

    /// Runs `work` in a transaction of its own; a second time in a new file if this one is damaged.
    pub(super) fn write<T>(
        &self,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut open = self.lock();
        let written = self
            .follow(&mut open)
            .and_then(|()| match open.database.write(&mut work) {
                Err(failure) if failure.is_damage() => {
                    // Closing comes first: it may remove side files by their names.
                    open.database.close();
                    *open = recreate(&self.path, &self.options)?;
                    open.database.write(&mut work)
                }
                other => other,
            });
        written.map_err(|failure| failure.explain("write", &self.path))
    }

    /// Goes over to the file that is at the path now: others look there, too.
    fn follow(&self, open: &mut OpenFile) -> Result<(), Failure> {
        if FileId::at(&self.path).is_ok_and(|file| file != open.file) {
            open.database.close();
            *open = connect(&self.path, &self.options)?;
        }
        Ok(())
    }

    /// The time; within a transaction, so that it is not before that of the one ahead of us.
    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now().into()
    }

    pub(super) fn take(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>> {
        let (owner, target) = (owner_key(owner)?, target_key(target));
        // What is handed out is what a commit has removed: a `DELETE .. RETURNING` without a
        // transaction could return a row and yet fail to delete it.
        self.write(|now| take(now, &owner, &target, self.now()))
    }

    pub(super) fn put(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        urls: &[UploadUrl],
    ) -> Result<()> {
        let (owner, target) = (owner_key(owner)?, target_key(target));
        self.write(|now| {
            purge_old(now, self.now())?;
            urls.iter()
                .try_for_each(|url| put(now, &owner, &target, url))
        })
    }

    pub(super) fn drop_target(&self, owner: &Identity, target: &UploadTarget) -> Result<()> {
        let (owner, target) = (owner_key(owner)?, target_key(target));
        self.write(|now| {
            now.execute(
                "DELETE FROM upload_url WHERE owner = ?1 AND target = ?2",
                (&owner, &target),
            )?;
            Ok(())
        })
    }

    /// Wipes what was deleted from the log, too, where it would stay until that is written over.
    pub(super) fn empty_log(&self) {
        let emptied = self.lock().database.connection().and_then(|connection| {
            Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
        });
        if let Err(failure) = emptied {
            let error = failure.explain("write", &self.path);
            tracing::warn!(%error, "tokens of upload URLs may stay in the log for a while");
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenFile> {
        self.open.lock()
    }
}

/// Drops the URLs of everybody but `owner`, or of everybody.
pub(super) fn keep_only(connection: &Connection, owner: Option<&Identity>) -> Result<(), Failure> {
    match owner {
        Some(owner) => {
            let owner = owner_key(owner)?;
            connection.execute("DELETE FROM upload_url WHERE owner <> ?1", [owner])?
        }
        None => connection.execute("DELETE FROM upload_url", [])?,
    };
    Ok(())
}

/// Draws the lease, unless somebody holds it.
pub(super) fn draw_lease(
    connection: &Connection,
    ticket: u64,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, Failure> {
    let now = now.as_millis();
    let held: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM refresh_lease WHERE begun <= ?1 AND ends > ?2)",
        )?
        .query_row((now.saturating_add(CLOCK_SLACK_MILLIS), now), |row| {
            row.get(0)
        })?;
    if held {
        return Ok(false);
    }
    end_lease(connection, None)?;
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO refresh_lease (ticket, begun, ends) VALUES (?1, ?2, ?3)",
        (as_stored(ticket), now, now.saturating_add(lease)),
    )?;
    Ok(true)
}

/// Ends the lease of that ticket, or whoever's it is.
pub(super) fn end_lease(connection: &Connection, ticket: Option<u64>) -> Result<(), Failure> {
    match ticket {
        Some(ticket) => connection.execute(
            "DELETE FROM refresh_lease WHERE ticket = ?1",
            [as_stored(ticket)],
        )?,
        None => connection.execute("DELETE FROM refresh_lease", [])?,
    };
    Ok(())
}

fn take(
    connection: &Connection,
    owner: &str,
    target: &str,
    now: Timestamp,
) -> Result<Option<UploadUrl>, Failure> {
    connection
        .prepare_cached(
            "DELETE FROM upload_url WHERE owner = ?1 AND target = ?2
             AND (received <= ?3 OR received > ?4)",
        )?
        .execute((owner, target, oldest(now), now.as_millis()))?;
    let found = connection
        .prepare_cached(
            "SELECT id, url, token, received FROM upload_url
             WHERE owner = ?1 AND target = ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row((owner, target), |row| {
            let url = UploadUrl {
                url: row.get(1)?,
                token: UploadToken::from(row.get::<_, String>(2)?),
                received: Timestamp::from_millis(row.get(3)?),
            };
            Ok((row.get::<_, i64>(0)?, url))
        })
        .optional()?;
    let Some((id, url)) = found else {
        return Ok(None);
    };
    connection
        .prepare_cached("DELETE FROM upload_url WHERE id = ?1")?
        .execute([id])?;
    Ok(Some(url))
}

fn put(connection: &Connection, owner: &str, target: &str, url: &UploadUrl) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO upload_url (owner, target, url, token, received)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            owner,
            target,
            &url.url,
            url.token.expose(),
            url.received.as_millis(),
        ))?;
    connection
        .prepare_cached(
            "DELETE FROM upload_url WHERE owner = ?1 AND target = ?2 AND id <= (
                 SELECT id FROM upload_url WHERE owner = ?1 AND target = ?2
                 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute((owner, target, UploadUrl::POOL_SIZE as i64))?;
    Ok(())
}

/// Drops what nobody may use any more, whoever's it is.
fn purge_old(connection: &Connection, now: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM upload_url WHERE received <= ?1")?
        .execute([oldest(now)])?;
    Ok(())
}

fn oldest(now: Timestamp) -> i64 {
    now.earlier(UploadUrl::LIFETIME).as_millis()
}

/// One text for the three parts of an identity that no other identity has.
fn owner_key(owner: &Identity) -> Result<String> {
    let parts = (&owner.account_id, &owner.application_key_id, &owner.realm);
    serde_json::to_string(&parts).map_err(|error| Error::Store(StoreError::new(error)))
}

fn target_key(target: &UploadTarget) -> String {
    match target {
        UploadTarget::Bucket(id) => format!("bucket {id}"),
        UploadTarget::LargeFile(id) => format!("file {id}"),
    }
}

/// SQLite has no unsigned numbers; only equality matters.
const fn as_stored(ticket: u64) -> i64 {
    i64::from_ne_bytes(ticket.to_ne_bytes())
}

fn connect(path: &Path, options: &Options) -> Result<OpenFile, Failure> {
    create_private(path)?;
    let file = FileId::at(path).unwrap_or(None);
    let mut database = Database::open(path)?;
    journal::choose(&mut database, path, options.network_home)?;
    let found = database.write(|now| {
        let form: i64 = now.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if form == 0 {
            now.execute_batch(TABLES)?;
        }
        if options.network_home && form <= FORM {
            journal::mark(now)?;
        }
        Ok(form.max(FORM))
    })?;
    if found != FORM {
        // A newer version of this crate uses that file. It is not worth a quarrel.
        tracing::warn!(
            path = %path.display(),
            "upload URLs are not kept: a newer program has its own in this file"
        );
        database = Database::in_memory()?;
        database.connection()?.execute_batch(TABLES)?;
    }
    Ok(OpenFile { database, file })
}

/// Starts over with an empty file.
fn recreate(path: &Path, options: &Options) -> Result<OpenFile, Failure> {
    tracing::warn!(path = %path.display(), "the file of upload URLs is damaged; making a new one");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = legacy::with_suffix(path, suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::local_file("remove", &file, error).into());
            }
            _ => {}
        }
    }
    connect(path, options)
}
