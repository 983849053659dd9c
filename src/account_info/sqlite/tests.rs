//! What the files promise beyond the contract of every store.

#[cfg(unix)]
mod again;
#[cfg(unix)]
mod degraded;
mod files;
#[cfg(unix)]
mod gone;
mod legacy;
#[cfg(unix)]
mod logged_out;
mod model;
mod others;
#[cfg(unix)]
mod places;
mod schema;
#[cfg(unix)]
mod settled;
mod url_pools;
mod urls;
#[cfg(unix)]
mod warnings;

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::SqliteAccountInfo;
use super::read_only::ReadOnly;
use crate::account_info::{AccountInfo, AuthSnapshot, UploadTarget, UploadUrl, conformance};
use crate::control::clock::Clock;
use crate::error::Result;
use crate::model::auth::{AccountAuth, Allowed, Capability};
use crate::model::time::Timestamp;

/// A directory with one account info, and a clock for it.
struct Scratch {
    directory: TempDir,
    clock: Clock,
}

impl Scratch {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Clock::manual(),
        }
    }

    /// One whose account info is what this SQL makes.
    fn with(sql: &str) -> Self {
        let scratch = Self::new();
        scratch.raw().execute_batch(sql).unwrap();
        scratch
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("account_info")
    }

    fn urls_path(&self) -> PathBuf {
        self.directory.path().join("account_info-urls")
    }

    fn try_open(&self) -> Result<SqliteAccountInfo> {
        SqliteAccountInfo::open_with_clock(self.path(), self.clock.clone())
    }

    fn open(&self) -> SqliteAccountInfo {
        self.try_open().unwrap()
    }

    fn authorized(&self) -> (SqliteAccountInfo, Arc<AuthSnapshot>) {
        let store = self.open();
        let snapshot = store.save_auth(auth("ada", "1"), None).unwrap();
        (store, snapshot)
    }

    /// The file as another program sees it.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn raw_urls(&self) -> Connection {
        Connection::open(self.urls_path()).unwrap()
    }

    fn url(&self, name: &str) -> UploadUrl {
        UploadUrl {
            url: format!("https://pod.backblaze.com/{name}"),
            token: format!("upload-token-{name}").into(),
            received: Timestamp::from(self.clock.now()),
        }
    }
}

fn auth(account: &str, token: &str) -> AccountAuth {
    AccountAuth {
        realm: "production".to_owned(),
        account_id: account.into(),
        application_key_id: format!("{account}-key").into(),
        application_key: "application-key-in-clear".into(),
        token: format!("account-token-{token}").into(),
        api_url: "https://api001.backblazeb2.com".to_owned(),
        download_url: "https://f001.backblazeb2.com".to_owned(),
        s3_api_url: "https://s3.us-west-001.backblazeb2.com".to_owned(),
        absolute_minimum_part_size: 5_000_000,
        recommended_part_size: 100_000_000,
        allowed: Allowed {
            buckets: None,
            capabilities: vec![Capability::ListFiles],
            name_prefix: None,
        },
    }
}

fn bucket(id: &str) -> UploadTarget {
    UploadTarget::Bucket(id.into())
}

#[test]
fn the_store_keeps_the_contract() {
    conformance::check_persistent(Scratch::new, |scratch, clock| {
        Box::new(SqliteAccountInfo::open_with_clock(scratch.path(), clock).unwrap())
    });
}

#[test]
fn the_store_keeps_the_contract_on_a_network_home() {
    conformance::check_persistent(Scratch::new, |scratch, clock| {
        let builder = SqliteAccountInfo::builder().path(scratch.path());
        Box::new(builder.network_home(true).clock(&clock).open().unwrap())
    });
}

#[test]
fn a_read_only_store_keeps_the_contract_in_memory() {
    let scratch = Scratch::new();
    conformance::check_all(|clock| Box::new(ReadOnly::open(&scratch.path(), clock).unwrap()));
    assert!(!scratch.path().exists());
}

#[test]
fn an_unchanged_authorization_is_not_read_again() {
    let scratch = Scratch::new();
    let (store, saved) = scratch.authorized();
    let first = store.auth().unwrap().unwrap();
    let again = store.auth().unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &again) && first == saved);
    scratch
        .raw()
        .execute(
            "UPDATE account SET account_auth_token = 'account-token-2'",
            [],
        )
        .unwrap();
    let newer = store.auth().unwrap().unwrap();
    assert_eq!(newer.auth().token.expose(), "account-token-2");
    assert_ne!(newer.generation(), first.generation());
}
