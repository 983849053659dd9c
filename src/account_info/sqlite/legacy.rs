//! The account info of a `b2` tool of 2016 and before: a JSON file (docs/protocol.md, section 13.7).
//!
//! Python deletes it and then writes the database; who is killed in between has lost his
//! credentials. Here, under the lock of the URLs' file, so that of many processes one does it:
//!
//! 1. look again whether it still is that JSON file;
//! 2. write the database into `<file>-new`, beside it, closed and on the disk;
//! 3. rename it over the JSON file.
//!
//! Killed before 3, the JSON file is as it was, and the next one begins anew.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::connection::{BUSY_TIMEOUT, Database, Failure, create_private};
use super::{rows, schema};
use crate::error::{Error, Result};
use crate::model::auth::{AccountAuth, Allowed, Capability};
use crate::model::id::AccountId;
use crate::model::secret::{ApplicationKey, AuthToken};

/// The first bytes of every SQLite database that has any.
const DATABASE: &[u8] = b"SQLite format 3\0";

/// More than such a file ever had, in bytes; what a large file of something else has beyond that is
/// not read.
const LONGEST: u64 = 1 << 20;

/// What Python gives to accounts from before there were two part sizes.
const ABSOLUTE_MINIMUM_PART_SIZE: u64 = 5_000_000;

/// Python wants these to be there; what else is in the file does not count.
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

/// The authorization in the JSON file at this path, if it is one and whole.
pub(super) fn read(path: &Path) -> io::Result<Option<AccountAuth>> {
    let old = read_if_no_database(path)?.and_then(|json| serde_json::from_slice::<Old>(&json).ok());
    Ok(old.map(AccountAuth::from))
}

/// Whether the file at this path means to be JSON.
pub(super) fn looks_like_json(path: &Path) -> bool {
    read_if_no_database(path).is_ok_and(|content| {
        content.is_some_and(|content| content.trim_ascii_start().starts_with(b"{"))
    })
}

/// Puts a database in the place of the JSON file, unless somebody did so meanwhile. The caller holds
/// the lock.
pub(super) fn migrate(path: &Path) -> Result<()> {
    // A symbolic link stays a link.
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

/// What was not known in those days stays `NULL`, as Python leaves it.
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

/// Removes what somebody left who was killed.
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

/// Makes the rename last; without that a crash brings back the JSON file, which is as good.
fn sync_directory(path: &Path) {
    if let Some(directory) = path.parent() {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
}

/// The content, unless it is a database. To close a database here would drop the locks that other
/// threads of this process have on it (fcntl(2)); it can be one only if somebody put it there in
/// this very moment, and then it stays open for good. The same goes for an empty file, which is a
/// database that is being made.
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

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
