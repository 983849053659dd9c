//! Reads and writes the rows of the URLs' file: upload URLs, and the lease of the caller that
//! authorizes. The transactions around these statements belong to `urls`.
//!
//! | table | column | what it holds |
//! | --- | --- | --- |
//! | `upload_url` | `id` | the order of putting: the largest is taken first |
//! | | `owner`, `target` | the identity, and `bucket <id>` or `file <id>`, as text |
//! | | `url`, `token`, `received` | the URL, its token, and when it was received, in milliseconds since 1970 |
//! | `refresh_lease` | `ticket` | the number of the only lease |
//! | | `begun`, `ends` | in milliseconds since 1970, by the clock of the machine |
//!
//! A lease survives the process that holds it, so it has an end, and a beginning: after the
//! machine's clock was set back, a lease that seems to begin in the future is void. Whoever waits for
//! a lease waits for no longer than its own length from when it was first seen there, because the
//! clock of the machine that drew it may be ahead.
//!
//! | statement | what it leaves | if it is repeated |
//! | --- | --- | --- |
//! | `drain` | no URL | finds none |
//! | `keep_only` | the URLs of one identity | changes nothing |
//! | `draw_lease` | one lease, or the one that is held | the second caller does not get it |
//! | `renew_lease` | the lease with a later beginning and end | moves both again |
//! | `end_lease` | no lease, or that of another ticket | changes nothing |
//! | `take` | the pool without its newest URL, and without old ones | takes the next one |
//! | `put` | the pool with this URL as the newest | leaves one row of the URL |
//! | `purge_old` | no URL that is too old, of any identity | changes nothing |
//!
//! There are no keys of uniqueness: at most one lease, and one row for each URL of a target, are
//! what these statements leave, because each of them runs under the write lock.
//!
//! The clock is that of the machine, and may be set. A lease has a beginning for that reason, and a
//! URL that seems to be from the future by more than five minutes is deleted.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::failure::Failure;
use crate::account_info::{UploadTarget, UploadUrl};
use crate::model::auth::Identity;
use crate::model::secret::UploadToken;
use crate::model::time::Timestamp;

/// Creates the tables of a new file.
pub(super) const TABLES: &str = "
    CREATE TABLE upload_url (
        id INTEGER PRIMARY KEY, owner TEXT NOT NULL, target TEXT NOT NULL,
        url TEXT NOT NULL, token TEXT NOT NULL, received INTEGER NOT NULL);
    CREATE INDEX upload_url_target ON upload_url (owner, target, id);
    CREATE INDEX upload_url_received ON upload_url (received);
    CREATE TABLE refresh_lease (
        ticket INTEGER NOT NULL, begun INTEGER NOT NULL, ends INTEGER NOT NULL);
    PRAGMA user_version = 1;";

/// How far two clocks may differ, in milliseconds. A lease that seems to begin later than that was
/// drawn before the system's clock was set back, and is void.
const CLOCK_SLACK_MILLIS: i64 = 60_000;

/// An upload URL with its owner and its target, in the form in which they are stored.
pub(super) struct StoredUrl {
    /// The identity, as text.
    pub(super) owner: String,
    /// The target, as [`target_key`] writes it.
    pub(super) target: String,
    /// The URL with its token.
    pub(super) url: UploadUrl,
}

/// Removes and returns all URLs, the oldest first.
///
/// The caller puts them somewhere else; if that fails, they are lost.
pub(super) fn drain(connection: &Connection) -> Result<Vec<StoredUrl>, Failure> {
    let mut rows = connection
        .prepare("SELECT owner, target, url, token, received FROM upload_url ORDER BY id")?;
    let urls = rows
        .query_map([], |row| {
            Ok(StoredUrl {
                owner: row.get(0)?,
                target: row.get(1)?,
                url: UploadUrl {
                    url: row.get(2)?,
                    token: UploadToken::from(row.get::<_, String>(3)?),
                    received: Timestamp::from_millis(row.get(4)?),
                },
            })
        })?
        .collect::<Result<_, _>>()?;
    connection.execute("DELETE FROM upload_url", [])?;
    Ok(urls)
}

/// Returns whether there is any URL.
///
/// Of any identity and target, whatever its age.
pub(super) fn is_any(connection: &rusqlite::Transaction<'_>) -> Result<bool, Failure> {
    let found = connection.query_row("SELECT EXISTS (SELECT 1 FROM upload_url)", [], |row| {
        row.get(0)
    });
    Ok(found?)
}

/// Deletes the URLs of every identity but `owner`, or of all.
///
/// Called after a login, with the identity that has logged in, and after a logout.
pub(super) fn keep_only(connection: &Connection, owner: Option<&Identity>) -> Result<(), Failure> {
    match owner {
        Some(owner) => {
            let owner = owner.to_string();
            connection.execute("DELETE FROM upload_url WHERE owner <> ?1", [owner])?
        }
        None => connection.execute("DELETE FROM upload_url", [])?,
    };
    Ok(())
}

/// A lease of somebody else as this process has seen it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenLease {
    /// The ticket, the beginning and the end, as they are stored. A renewal changes the last two.
    row: (i64, i64, i64),
    /// When it was first seen, by the `elapsed` of the clock.
    first: Duration,
}

impl SeenLease {
    /// Whether its own length has passed since it was first seen.
    fn is_over(&self, elapsed: Duration) -> bool {
        let (_, begun, ends) = self.row;
        let length = u64::try_from(ends.saturating_sub(begun)).unwrap_or(0);
        elapsed.saturating_sub(self.first) >= Duration::from_millis(length)
    }
}

/// Draws the lease, and returns whether it was free: there is none, it has ended, or it seems to
/// begin in the future, which means that the clock was set back. It is also free if `seen` shows that
/// its length has passed since this process first saw it.
///
/// A lease that is over, or void, is replaced. The caller's transaction has the write lock, so no
/// other process draws one at the same moment. A lease that is held is noted in `seen`, with the
/// `elapsed` of this process.
pub(super) fn draw_lease(
    connection: &Connection,
    ticket: u64,
    (now, elapsed): (Timestamp, Duration),
    lease: Duration,
    seen: &mut Option<SeenLease>,
) -> Result<bool, Failure> {
    let now = now.as_millis();
    let held = connection
        .prepare_cached(
            "SELECT ticket, begun, ends FROM refresh_lease WHERE begun <= ?1 AND ends > ?2",
        )?
        .query_row((now.saturating_add(CLOCK_SLACK_MILLIS), now), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let held = held.map(|row| match *seen {
        Some(before) if before.row == row => before,
        _ => SeenLease {
            row,
            first: elapsed,
        },
    });
    *seen = held;
    if held.is_some_and(|held| !held.is_over(elapsed)) {
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

/// Extends the lease of this ticket to `lease` from now on, if it is still held. A ticket that has
/// lost its lease changes nothing.
///
/// The beginning moves as well, so that the two still tell how long the lease is. A lease that is over,
/// and that nobody has drawn since, runs again.
pub(super) fn renew_lease(
    connection: &Connection,
    ticket: u64,
    now: Timestamp,
    lease: Duration,
) -> Result<(), Failure> {
    let now = now.as_millis();
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    connection.execute(
        "UPDATE refresh_lease SET begun = ?2, ends = ?3 WHERE ticket = ?1",
        (as_stored(ticket), now, now.saturating_add(lease)),
    )?;
    Ok(())
}

/// Ends the lease of this ticket, or of any.
///
/// A ticket whose lease somebody else has drawn since ends nothing.
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

/// Removes and returns the URL that was put last. URLs that are too old, or seem to be from the
/// future, are deleted. The caller's transaction makes sure that nobody else gets the same one.
///
/// `None` if the pool has no URL that may still be used. Other targets and identities are left
/// alone.
pub(super) fn take(
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
        .execute((owner, target, oldest(now), newest(now)))?;
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

/// Stores a URL, in place of an older row of it. The oldest URLs beyond the size of the pool are
/// deleted.
///
/// The row gets the highest number, so it is taken first.
pub(super) fn put(
    connection: &Connection,
    owner: &str,
    target: &str,
    url: &UploadUrl,
) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM upload_url WHERE owner = ?1 AND target = ?2 AND url = ?3")?
        .execute((owner, target, &url.url))?;
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

/// Deletes URLs of any identity that are too old to be used.
///
/// URLs from the future stay; `take` removes them.
pub(super) fn purge_old(connection: &Connection, now: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM upload_url WHERE received <= ?1")?
        .execute([oldest(now)])?;
    Ok(())
}

/// The latest time of receipt at which a URL is used.
fn newest(now: Timestamp) -> i64 {
    let slack = i64::try_from(UploadUrl::CLOCK_SLACK.as_millis()).unwrap_or(i64::MAX);
    now.as_millis().saturating_add(slack)
}

/// The time of receipt up to which a URL is too old.
///
/// 23 hours before now.
fn oldest(now: Timestamp) -> i64 {
    now.earlier(UploadUrl::LIFETIME).as_millis()
}

/// The text by which a target is stored.
///
/// The word before the id keeps a bucket and a large file with one id apart. The form must not
/// change, because rows of earlier versions have it.
pub(super) fn target_key(target: &UploadTarget) -> String {
    match target {
        UploadTarget::Bucket(id) => format!("bucket {id}"),
        UploadTarget::LargeFile(id) => format!("file {id}"),
    }
}

/// A ticket's number as SQLite stores it. SQLite has no unsigned numbers; only equality matters.
const fn as_stored(ticket: u64) -> i64 {
    i64::from_ne_bytes(ticket.to_ne_bytes())
}
