//! The file that is shared with Python's b2sdk: the authorization and the bucket names, in rows as
//! Python writes them (reference sections 13.5 and 13.6).
//!
//! Python may replace or clear the account between any two calls of ours, and knows nothing of
//! generations. So everything that belongs to an account reads the account's row in the same
//! transaction, and the authorization in memory counts only while SQLite's `data_version`, which
//! changes with every commit of another connection, is the one that it was read at.
//!
//! The file itself may go, too. So every call first looks whether the one at the path still is the
//! one that is open. It was replaced: the new one is opened. It was deleted: there is no account any
//! more, and only saving an authorization makes a new file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use super::builder::Options;
use super::connection::{Failure, Link, corrupt, create_private};
use super::legacy;
use super::schema::{self, Tables};
use super::watch::FileId;
use crate::account_info::{AuthSnapshot, RefreshTicket};
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Allowed, Capability, Identity};
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::secret::{ApplicationKey, AuthToken};

const ACCOUNT: &str = "SELECT account_id, application_key, account_auth_token, api_url,
    download_url, absolute_minimum_part_size, recommended_part_size, realm, allowed,
    account_id_or_app_key_id, s3_api_url FROM account LIMIT 1";

const IDENTITY: &str = "SELECT account_id, account_id_or_app_key_id, realm FROM account LIMIT 1";

const SAVE_ACCOUNT: &str = "INSERT INTO account (account_id, application_key, account_auth_token,
    api_url, download_url, absolute_minimum_part_size, recommended_part_size, realm, allowed,
    account_id_or_app_key_id, s3_api_url) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// How often to open a file that is being replaced all the time.
const OPEN_ATTEMPTS: usize = 10;

#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    options: Options,
    state: Mutex<State>,
}

/// The file that is open; nothing once it was deleted.
#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    link: Link,
    file: Option<FileId>,
    tables: Tables,
    known: Option<Known>,
}

/// What was read last, and the `data_version` it was read at.
#[derive(Debug)]
struct Known {
    version: i64,
    auth: Option<Arc<AuthSnapshot>>,
}

/// What to do about a file that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfDeleted {
    Leave,
    Make,
}

impl Shared {
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            state: Mutex::new(State {
                open: Some(Open::at(path, options)?),
            }),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The authorization in the file; as long as nobody wrote, no row is read for it.
    pub(super) fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>> {
        match &mut self.current(IfDeleted::Leave)?.open {
            None => Ok(None),
            Some(open) => open
                .auth(&self.path)
                .map_err(|failure| open.explain("read", failure, &self.path)),
        }
    }

    /// Stores an authorization, unless the ticket was drawn for another identity than the one here.
    /// `true`: it is of the identity that was here.
    pub(super) fn save_auth(
        &self,
        auth: &AccountAuth,
        ticket: Option<&RefreshTicket>,
    ) -> Result<bool> {
        self.write(IfDeleted::Make, |now| {
            let current = identity(now)?;
            if ticket.is_some_and(|ticket| ticket.identity() != current.as_ref()) {
                return Err(Error::AccountChanged.into());
            }
            now.execute("DELETE FROM account", [])?;
            let same = current.is_some_and(|current| auth.belongs_to(&current));
            if !same {
                now.execute("DELETE FROM bucket", [])?;
            }
            insert_account(now, auth)?;
            for bucket in auth.allowed.buckets.iter().flatten() {
                if let Some(name) = &bucket.name {
                    save_bucket(now, name, &bucket.id)?;
                }
            }
            Ok(same)
        })
    }

    pub(super) fn clear(&self) -> Result<()> {
        let cleared = self.write(IfDeleted::Leave, |now| {
            now.execute("DELETE FROM account", [])?;
            now.execute("DELETE FROM bucket", [])?;
            Ok(())
        });
        match cleared {
            // There is no file, so there is nothing to forget.
            Err(Error::AccountChanged) => Ok(()),
            other => other,
        }
    }

    /// Reads what belongs to `owner`.
    pub(super) fn read_of<T>(
        &self,
        owner: &Identity,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut state = self.current(IfDeleted::Leave)?;
        let open = state.open.as_mut().ok_or(Error::AccountChanged)?;
        open.link
            .read(|now| {
                check_owner(now, owner)?;
                work(now)
            })
            .map_err(|failure| open.explain("read", failure, &self.path))
    }

    /// Changes what belongs to `owner`.
    pub(super) fn write_of<T>(
        &self,
        owner: &Identity,
        work: impl Fn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.write(IfDeleted::Leave, |now| {
            check_owner(now, owner)?;
            work(now)
        })
    }

    /// A second time if the file turns out to have been replaced in the last moment.
    fn write<T>(
        &self,
        if_deleted: IfDeleted,
        work: impl Fn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        match self.try_write(if_deleted, &work)? {
            Ok(value) => Ok(value),
            Err(Moved) => self
                .try_write(if_deleted, &work)?
                .map_err(|Moved| Error::AccountChanged),
        }
    }

    fn try_write<T>(
        &self,
        if_deleted: IfDeleted,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<Result<T, Moved>> {
        let mut state = self.current(if_deleted)?;
        let open = state.open.as_mut().ok_or(Error::AccountChanged)?;
        // A commit of this connection does not change its `data_version`.
        open.known = None;
        match open.link.write(work) {
            Ok(value) => Ok(Ok(value)),
            Err(failure) if failure.is_moved() => Ok(Err(Moved)),
            Err(failure) => Err(open.explain("write", failure, &self.path)),
        }
    }

    /// The file that is at the path now.
    fn current(&self, if_deleted: IfDeleted) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Who cannot look, such as while a network drive is away, has not seen it go.
        let file = match FileId::at(&self.path) {
            Err(_) if state.open.is_some() => return Ok(state),
            other => other.unwrap_or(None),
        };
        let same = state.open.as_ref().map(|open| open.file) == Some(file);
        if same || (file.is_none() && state.open.is_none() && if_deleted == IfDeleted::Leave) {
            return Ok(state);
        }
        if state.open.take().is_some() {
            tracing::warn!(path = %self.path.display(), "the account info was deleted or replaced");
        }
        if file.is_some() || if_deleted == IfDeleted::Make {
            state.open = Some(Open::at(&self.path, &self.options)?);
        }
        Ok(state)
    }
}

/// The file was deleted or replaced while it was written.
struct Moved;

impl Open {
    /// Opens the file, and makes it if there is none.
    fn at(path: &Path, options: &Options) -> Result<Self> {
        let mut open = Self::once(path, options)?;
        for _ in 0..OPEN_ATTEMPTS {
            if open.file.is_some() && open.file == FileId::at(path).unwrap_or(None) {
                break;
            }
            open = Self::once(path, options)?;
        }
        Ok(open)
    }

    #[cfg_attr(
        not(test),
        expect(unused_variables, reason = "only tests limit the size")
    )]
    fn once(path: &Path, options: &Options) -> Result<Self> {
        create_private(path)?;
        let file = FileId::at(path).unwrap_or(None);
        let opened = Link::open(path).and_then(|mut link| {
            #[cfg(test)]
            if let Some(pages) = options.max_pages {
                let limit = format!("PRAGMA max_page_count = {pages}");
                link.connection()?.query_row(&limit, [], |_| Ok(()))?;
            }
            let tables = schema::prepare(&mut link, path)?;
            Ok((link, tables))
        });
        let (link, tables) = opened.map_err(|failure| {
            if failure.is_damage() && legacy::looks_like_json(path) {
                return corrupt(
                    path,
                    "it is a JSON file, but not the whole account info of a very old b2 tool",
                );
            }
            failure.explain("open", path)
        })?;
        Ok(Self {
            link,
            file,
            tables,
            known: None,
        })
    }

    fn auth(&mut self, path: &Path) -> Result<Option<Arc<AuthSnapshot>>, Failure> {
        let version = data_version(self.link.connection()?)?;
        if let Some(known) = &self.known
            && known.version == version
        {
            return Ok(known.auth.clone());
        }
        self.known = None;
        // Both are read in one transaction: a commit in between would go unnoticed for ever.
        let known = self.link.read(|now| {
            Ok(Known {
                version: data_version(now)?,
                auth: account(now, path)?.map(|auth| Arc::new(AuthSnapshot::new(auth))),
            })
        })?;
        let auth = known.auth.clone();
        self.known = Some(known);
        Ok(auth)
    }

    fn explain(&self, action: &'static str, failure: Failure, path: &Path) -> Error {
        match failure {
            Failure::Sqlite(error) if self.tables == Tables::Newer => {
                schema::too_new(path, error).explain(action, path)
            }
            failure => failure.explain(action, path),
        }
    }
}

pub(super) fn data_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

fn check_owner(connection: &Connection, owner: &Identity) -> Result<(), Failure> {
    match identity(connection)? {
        Some(current) if current == *owner => Ok(()),
        _ => Err(Error::AccountChanged.into()),
    }
}

fn identity(connection: &Connection) -> Result<Option<Identity>, rusqlite::Error> {
    connection
        .prepare_cached(IDENTITY)?
        .query_row([], |row| {
            let account_id = AccountId::from(row.get::<_, String>("account_id")?);
            Ok(Identity {
                application_key_id: key_id(row, &account_id)?,
                account_id,
                realm: row.get("realm")?,
            })
        })
        .optional()
}

/// Files of before upgrade 2 say nothing: then it was the account's master key, whose id is the
/// account's.
fn key_id(row: &Row<'_>, account: &AccountId) -> Result<ApplicationKeyId, rusqlite::Error> {
    let key: Option<String> = row.get("account_id_or_app_key_id")?;
    Ok(key.map_or_else(|| account.as_str().into(), Into::into))
}

pub(super) fn account(
    connection: &Connection,
    path: &Path,
) -> Result<Option<AccountAuth>, Failure> {
    let mut statement = connection.prepare(ACCOUNT)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let account_id = AccountId::from(row.get::<_, String>("account_id")?);
    let allowed: Option<String> = row.get("allowed")?;
    Ok(Some(AccountAuth {
        application_key_id: key_id(row, &account_id)?,
        account_id,
        realm: row.get("realm")?,
        application_key: ApplicationKey::from(row.get::<_, String>("application_key")?),
        token: AuthToken::from(row.get::<_, String>("account_auth_token")?),
        api_url: row.get("api_url")?,
        download_url: row.get("download_url")?,
        s3_api_url: row
            .get::<_, Option<String>>("s3_api_url")?
            .unwrap_or_default(),
        absolute_minimum_part_size: size(row, "absolute_minimum_part_size", path)?,
        recommended_part_size: size(row, "recommended_part_size", path)?,
        allowed: read_allowed(allowed.as_deref(), path)?,
    }))
}

fn size(row: &Row<'_>, column: &str, path: &Path) -> Result<u64, Failure> {
    let size: i64 = row.get(column)?;
    u64::try_from(size).map_err(|_| {
        let what = format!("the column {column} holds a negative number");
        corrupt(path, &what).into()
    })
}

fn read_allowed(json: Option<&str>, path: &Path) -> Result<Allowed, Failure> {
    match json {
        Some(json) => serde_json::from_str(json)
            .map_err(|_| corrupt(path, "the column allowed cannot be understood").into()),
        // Written before restrictions were kept: nothing is known, so nothing is ruled out.
        None => Ok(Allowed {
            buckets: None,
            capabilities: Capability::KNOWN.to_vec(),
            name_prefix: None,
        }),
    }
}

pub(super) fn insert_account(connection: &Connection, auth: &AccountAuth) -> Result<(), Failure> {
    let allowed =
        serde_json::to_string(&auth.allowed).map_err(|error| Error::Store(error.into()))?;
    let sizes = [auth.absolute_minimum_part_size, auth.recommended_part_size]
        .map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    connection.execute(
        SAVE_ACCOUNT,
        (
            auth.account_id.as_str(),
            auth.application_key.expose(),
            auth.token.expose(),
            &auth.api_url,
            &auth.download_url,
            sizes[0],
            sizes[1],
            &auth.realm,
            allowed,
            auth.application_key_id.as_str(),
            &auth.s3_api_url,
        ),
    )?;
    Ok(())
}

pub(super) fn save_bucket(
    connection: &Connection,
    name: &str,
    id: &BucketId,
) -> Result<(), Failure> {
    connection.execute(
        "DELETE FROM bucket WHERE bucket_name = ?1 OR bucket_id = ?2",
        (name, id.as_str()),
    )?;
    insert_bucket(connection, name, id)
}

pub(super) fn replace_buckets(
    connection: &Connection,
    buckets: &[(String, BucketId)],
) -> Result<(), Failure> {
    connection.execute("DELETE FROM bucket", [])?;
    let buckets: BTreeMap<&str, &BucketId> = buckets
        .iter()
        .map(|(name, id)| (name.as_str(), id))
        .collect();
    for (name, id) in buckets {
        insert_bucket(connection, name, id)?;
    }
    Ok(())
}

fn insert_bucket(connection: &Connection, name: &str, id: &BucketId) -> Result<(), Failure> {
    connection.execute(
        "INSERT INTO bucket (bucket_name, bucket_id) VALUES (?1, ?2)",
        (name, id.as_str()),
    )?;
    Ok(())
}

/// The file has no unique keys, and Python may leave two rows of one name: the newer one counts.
pub(super) fn bucket_id(
    connection: &Connection,
    name: &str,
) -> Result<Option<BucketId>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT bucket_id FROM bucket WHERE bucket_name = ?1 ORDER BY rowid DESC LIMIT 1",
        )?
        .query_row([name], |row| row.get::<_, String>(0).map(BucketId::from))
        .optional()
}

pub(super) fn bucket_name(
    connection: &Connection,
    id: &BucketId,
) -> Result<Option<String>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT bucket_name FROM bucket WHERE bucket_id = ?1 ORDER BY bucket_name LIMIT 1",
        )?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

pub(super) fn buckets(connection: &Connection) -> Result<Vec<(String, BucketId)>, rusqlite::Error> {
    let mut rows =
        connection.prepare("SELECT bucket_name, bucket_id FROM bucket ORDER BY rowid")?;
    let newest: BTreeMap<String, BucketId> = rows
        .query_map([], |row| {
            Ok((row.get(0)?, BucketId::from(row.get::<_, String>(1)?)))
        })?
        .collect::<Result<_, _>>()?;
    Ok(newest.into_iter().collect())
}
