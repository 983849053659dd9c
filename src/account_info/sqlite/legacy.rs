//! Converts the account info of a `b2` tool from 2016 or before, which is a JSON file
//! (docs/protocol.md, section 13.7).
//!
//! Python deletes that file and then writes the database, so a process that is killed in between
//! loses the credentials. Here these steps happen under the lock of the URLs' file, so that only
//! one of many processes takes them:
//!
//! 1. The file is checked again: it must still be the JSON file.
//! 2. The database is written to `<file>-new` beside it, closed and flushed.
//! 3. That file is renamed over the JSON file.
//!
//! If the process is killed before the last step, the JSON file is unchanged, and the next process
//! starts again.
//!
//! The old file knew one part size and no restrictions: the converted row has `NULL` where Python
//! leaves `NULL`, so either program reads it in the same way. Of the JSON file nothing remains; a
//! program from 2016 cannot use the database.
//!
//! | what is found | what follows |
//! | --- | --- |
//! | a JSON object with all seven fields | it is converted |
//! | JSON without one of them, or something else | it is left as it is, and the file is reported as damaged |
//! | a database, or an empty file | it is not looked at further |
//! | `<file>-new` of a process that was killed | it is removed first |
//! | another process has converted the file | nothing is done |

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::connection::{BUSY_TIMEOUT, Database, create_private};
use super::failure::Failure;
use super::{rows, schema};
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Allowed, Capability};
use crate::model::id::AccountId;
use crate::model::secret::{ApplicationKey, AuthToken};

/// The first bytes of every SQLite database that is not empty.
const DATABASE: &[u8] = b"SQLite format 3\0";

/// A size that no such file ever reached, in bytes. What a larger file has beyond it is not read.
const LONGEST: u64 = 1 << 20;

/// The value that Python uses for accounts from before there were two part sizes.
const ABSOLUTE_MINIMUM_PART_SIZE: u64 = 5_000_000;

/// The fields that Python requires. Others are ignored. A file without one of them is not
/// converted, because what is missing cannot be guessed.
#[derive(Debug, Deserialize)]
struct Old {
    account_id: AccountId,
    application_key: ApplicationKey,
    account_auth_token: AuthToken,
    api_url: String,
    download_url: String,
    minimum_part_size: u64,
    realm: String,
}

impl From<Old> for AccountAuth {
    fn from(old: Old) -> Self {
        Self {
            realm: old.realm,
            application_key_id: old.account_id.as_str().into(),
            account_id: old.account_id,
            application_key: old.application_key,
            token: old.account_auth_token,
            api_url: old.api_url,
            download_url: old.download_url,
            s3_api_url: String::new(),
            absolute_minimum_part_size: ABSOLUTE_MINIMUM_PART_SIZE,
            recommended_part_size: old.minimum_part_size,
            allowed: Allowed {
                buckets: None,
                capabilities: Capability::KNOWN.to_vec(),
                name_prefix: None,
            },
        }
    }
}

/// The authorization in the JSON file at this path, or `None` if it is not a complete one.
pub(super) fn read(path: &Path) -> io::Result<Option<AccountAuth>> {
    let old = read_if_no_database(path)?.and_then(|json| serde_json::from_slice::<Old>(&json).ok());
    Ok(old.map(AccountAuth::from))
}

/// Whether the file at this path seems to be JSON, for an error that says so instead of "not a
/// database".
pub(super) fn looks_like_json(path: &Path) -> bool {
    read_if_no_database(path).is_ok_and(|content| {
        content.is_some_and(|content| content.trim_ascii_start().starts_with(b"{"))
    })
}

/// Replaces the JSON file with a database, unless somebody has already done so. The caller holds
/// the lock.
///
/// If a step fails, the JSON file is as it was; what was written to `<file>-new` is removed by the
/// next attempt.
pub(super) fn migrate(path: &Path) -> Result<()> {
    // A symbolic link to the file stays a link.
    let path = &path
        .canonicalize()
        .map_err(|error| Error::local_file("open", path, error))?;
    let old = read(path).map_err(|error| Error::local_file("read", path, error))?;
    let Some(old) = old else {
        return Ok(());
    };
    let new = with_suffix(path, "-new");
    remove_new(&new)?;
    create_private(&new, None)?;
    write(&new, &old).map_err(|failure| failure.explain("write", &new))?;
    std::fs::rename(&new, path).map_err(|error| Error::local_file("replace", path, error))?;
    sync_directory(path);
    tracing::info!(path = %path.display(), "an account info of a very old tool was converted");
    Ok(())
}

/// Writes the database. Fields that did not exist then stay `NULL`, as Python leaves them. It is
/// closed before it is renamed, so that no journal is left under its old name.
fn write(path: &Path, old: &AccountAuth) -> Result<(), Failure> {
    let mut database = Database::open(path, BUSY_TIMEOUT)?;
    schema::prepare(&mut database, path)?;
    database.write(|now| {
        rows::insert_account(now, old)?;
        schema::mark_as_used(now)?;
        now.execute(
            "UPDATE account
             SET allowed = NULL, account_id_or_app_key_id = NULL, s3_api_url = NULL",
            [],
        )?;
        Ok(())
    })?;
    database.close();
    Ok(())
}

/// Removes what a process that was killed has left.
fn remove_new(new: &Path) -> Result<()> {
    for path in [with_suffix(new, "-journal"), new.to_owned()] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::local_file("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Flushes the rename to disk. If it is lost in a crash, the JSON file is back, which is just as
/// good.
fn sync_directory(path: &Path) {
    if let Some(directory) = path.parent() {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
}

/// The content of the file, or `None` if it is a database or empty.
///
/// Closing a database here would release the locks that other threads of this process have on it
/// (fcntl(2)). The file can be a database only if somebody has put it there at this very moment; it
/// is then left open for good. The same goes for an empty file, which is a database that is being
/// created.
fn read_if_no_database(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let mut content = Vec::new();
    BufReader::new(&file)
        .take(LONGEST)
        .read_to_end(&mut content)?;
    if content.is_empty() || content.starts_with(DATABASE) {
        std::mem::forget(file);
        return Ok(None);
    }
    Ok(Some(content))
}

/// The path with a suffix added to the file's name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
