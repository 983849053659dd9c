//! Stores as their users meet them: one of a third party, one that fails, and what stays on disk.

use std::fmt;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use b2sdk::account_info::conformance;
use b2sdk::{
    AccountAuth, AccountInfo, AuthSnapshot, B2Api, BucketId, Error, Generation, Identity, Refresh,
    RefreshTicket, StoreError, UploadTarget, UploadUrl,
};

#[expect(dead_code, reason = "the program of the example")]
#[path = "../../examples/custom_account_info.rs"]
mod custom_account_info;

use custom_account_info::JsonAccountInfo;

#[test]
fn the_example_of_a_store_keeps_the_contract() {
    conformance::check_persistent(
        || tempfile::tempdir().unwrap(),
        |place, clock| {
            let path = place.path().join("account_info.json");
            Box::new(JsonAccountInfo::new(path, move || clock.now()))
        },
    );
}

/// The tutorial with the store that forgets everything, in a process whose home is this directory.
#[cfg(unix)]
#[test]
fn with_the_store_in_memory_nothing_is_written_anywhere() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tutorial::the_tutorial_works_from_authorizing_to_deleting",
        ])
        .env_clear()
        .env("HOME", home.path())
        .env("TMPDIR", temporary.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{output:?}"
    );
    for directory in [&home, &temporary] {
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Fails at everything.
#[derive(Debug)]
struct OnFire;

/// What only this store knows.
#[derive(Debug)]
struct Flames(u32);

impl fmt::Display for Flames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flames", self.0)
    }
}

impl std::error::Error for Flames {}

fn fire<T>() -> Result<T, StoreError> {
    Err(StoreError::from(Flames(7)).context("asking the store"))
}

impl AccountInfo for OnFire {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        fire()
    }
    fn begin_refresh(&self, _: Option<Generation>, _: Duration) -> Result<Refresh, StoreError> {
        fire()
    }
    fn save_auth(
        &self,
        _: AccountAuth,
        _: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        fire()
    }
    fn abandon_refresh(&self, _: RefreshTicket) -> Result<(), StoreError> {
        fire()
    }
    fn clear(&self) -> Result<(), StoreError> {
        fire()
    }
    fn bucket_id(&self, _: &Identity, _: &str) -> Result<Option<BucketId>, StoreError> {
        fire()
    }
    fn bucket_name(&self, _: &Identity, _: &BucketId) -> Result<Option<String>, StoreError> {
        fire()
    }
    fn buckets(&self, _: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        fire()
    }
    fn save_bucket(&self, _: &Identity, _: &str, _: &BucketId) -> Result<(), StoreError> {
        fire()
    }
    fn remove_bucket(&self, _: &Identity, _: &BucketId) -> Result<(), StoreError> {
        fire()
    }
    fn replace_buckets(&self, _: &Identity, _: &[(String, BucketId)]) -> Result<(), StoreError> {
        fire()
    }
    fn take_upload_url(
        &self,
        _: &Identity,
        _: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        fire()
    }
    fn put_upload_url(
        &self,
        _: &Identity,
        _: &UploadTarget,
        _: UploadUrl,
    ) -> Result<(), StoreError> {
        fire()
    }
    fn drop_upload_urls(&self, _: &Identity, _: &UploadTarget) -> Result<(), StoreError> {
        fire()
    }
}

#[test]
fn the_error_of_a_store_reaches_the_caller_as_it_was() {
    let api = B2Api::new(OnFire);
    for error in [
        api.list_buckets().unwrap_err(),
        api.get_bucket_by_name("photos").unwrap_err(),
        api.authorize_account("production", "id", "key")
            .unwrap_err(),
    ] {
        let Error::Store(store) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(store.to_string(), "asking the store");
        assert_eq!(
            store.downcast_ref::<Flames>().map(|flames| flames.0),
            Some(7)
        );
        assert!(store.downcast_ref::<io::Error>().is_none());
        let mut chain = std::iter::successors(std::error::Error::source(&error), |e| e.source());
        assert!(chain.any(|cause| cause.is::<Flames>()));
    }
}
