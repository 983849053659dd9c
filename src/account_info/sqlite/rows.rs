//! Reads and writes the rows of the shared file as Python does (docs/protocol.md, sections 13.5 and
//! 13.6): the account and the bucket names. The transactions around these statements belong to
//! `shared`.
//!
//! | column of `account` | what it holds | `NULL` means |
//! | --- | --- | --- |
//! | `account_id`, `account_id_or_app_key_id` | the account, and the key | the key is the account's master key |
//! | `application_key`, `account_auth_token` | the secrets, in clear text | not allowed |
//! | `api_url`, `download_url`, `s3_api_url` | the URLs of the cluster | `s3_api_url`: not known |
//! | `absolute_minimum_part_size`, `recommended_part_size` | bytes | not allowed |
//! | `realm` | `production`, or the URL of another service | not allowed |
//! | `allowed` | what the key may do, as JSON | everything, because nothing is known |
//!
//! The table has one row at most; a second one would be ignored. `bucket` has a row for each known
//! bucket.
//!
//! Python reads and writes the same rows while this crate does. So no statement here relies on what
//! only this crate guarantees:
//!
//! | what Python may leave | what is done here |
//! | --- | --- |
//! | two rows of one bucket name | the newer one counts |
//! | two names of one id | the first in the order of names counts |
//! | `allowed` in the form with one bucket | upgraded when the file is opened (`schema`) |
//! | `NULL` in a column that older versions do not have | read as the table above says |
//! | no account | nobody is logged in |
//!
//! Nothing here is cached, and no value is quoted in an error.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::failure::{Failure, corrupt};
use crate::account_info::bucket_list::last_of_each;
use crate::error::{Error, StoreError};
use crate::model::auth::{AccountAuth, Allowed, Capability, Identity};
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::secret::{ApplicationKey, AuthToken};

/// Reads the account.
///
/// The columns are named one by one, so that columns that a newer program has added do no harm.
const ACCOUNT: &str = "SELECT account_id, application_key, account_auth_token, api_url,
    download_url, absolute_minimum_part_size, recommended_part_size, realm, allowed,
    account_id_or_app_key_id, s3_api_url FROM account LIMIT 1";

/// Reads the identity of the account.
///
/// Enough to decide whose data the rest of the file is, without reading a secret.
const IDENTITY: &str = "SELECT account_id, account_id_or_app_key_id, realm FROM account LIMIT 1";

/// Inserts the account.
///
/// Every column is set, so nothing of an earlier row is taken along.
const SAVE_ACCOUNT: &str = "INSERT INTO account (account_id, application_key, account_auth_token,
    api_url, download_url, absolute_minimum_part_size, recommended_part_size, realm, allowed,
    account_id_or_app_key_id, s3_api_url) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Fails with `AccountChanged` if the file does not hold this identity. It runs in the transaction
/// of what follows, so no other program logs in between.
pub(super) fn check_owner(connection: &Connection, owner: &Identity) -> Result<(), Failure> {
    match identity(connection)? {
        Some(current) if current == *owner => Ok(()),
        _ => Err(Error::AccountChanged.into()),
    }
}

/// The identity that the file holds.
///
/// `None` if nobody is logged in.
pub(super) fn identity(connection: &Connection) -> Result<Option<Identity>, rusqlite::Error> {
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

/// The id of the key. Files from before upgrade 2 do not have it; the key was then the account's
/// master key, whose id is the account id.
///
/// Such a file has been upgraded by now, and the column is null.
fn key_id(row: &Row<'_>, account: &AccountId) -> Result<ApplicationKeyId, rusqlite::Error> {
    let key: Option<String> = row.get("account_id_or_app_key_id")?;
    Ok(key.map_or_else(|| account.as_str().into(), Into::into))
}

/// The authorization that the file holds. Fails with `AccountInfoCorrupt` if a value cannot be
/// understood.
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

/// A size in bytes. SQLite's numbers have a sign; a negative one is damage, not a very large size.
///
/// The error names the column and not the value.
fn size(row: &Row<'_>, column: &str, path: &Path) -> Result<u64, Failure> {
    let size: i64 = row.get(column)?;
    u64::try_from(size).map_err(|_| {
        let what = format!("the column {column} holds a negative number");
        corrupt(path, &what).into()
    })
}

/// What the key may do.
fn read_allowed(json: Option<&str>, path: &Path) -> Result<Allowed, Failure> {
    match json {
        Some(json) => serde_json::from_str(json)
            .map_err(|_| corrupt(path, "the column allowed cannot be understood").into()),
        // The row is from before restrictions were stored. Nothing is known, so nothing is
        // excluded.
        None => Ok(Allowed {
            buckets: None,
            capabilities: Capability::KNOWN.to_vec(),
            name_prefix: None,
        }),
    }
}

/// Inserts an authorization. The caller has removed the previous one.
///
/// Sizes beyond the range of SQLite's numbers become the largest one.
pub(super) fn insert_account(connection: &Connection, auth: &AccountAuth) -> Result<(), Failure> {
    let allowed = serde_json::to_string(&auth.allowed)
        .map_err(|error| Error::Store(StoreError::new(error)))?;
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

/// Stores a bucket, in place of older rows with its name or its id.
///
/// Both are removed, because Python's table has no key that would do it.
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

/// Replaces all buckets, in the order of the list.
///
/// The caller's transaction makes it one change for all readers.
pub(super) fn replace_buckets(
    connection: &Connection,
    buckets: &[(String, BucketId)],
) -> Result<(), Failure> {
    connection.execute("DELETE FROM bucket", [])?;
    for (name, id) in last_of_each(buckets).into_iter().rev() {
        insert_bucket(connection, name, id)?;
    }
    Ok(())
}

/// Inserts the row of a bucket. The caller has removed older ones.
fn insert_bucket(connection: &Connection, name: &str, id: &BucketId) -> Result<(), Failure> {
    connection.execute(
        "INSERT INTO bucket (bucket_name, bucket_id) VALUES (?1, ?2)",
        (name, id.as_str()),
    )?;
    Ok(())
}

/// The id of a bucket. The table has no unique keys, and Python may leave two rows of one name; the
/// newer one counts.
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

/// The name of a bucket.
///
/// `None` if the file does not know it.
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

/// All buckets by name; of several rows with one name the newest counts.
///
/// In the order of names, by bytes.
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
