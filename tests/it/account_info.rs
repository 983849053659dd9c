//! Stores as their users meet them: one of a third party, one that fails, and what stays on disk.

mod broken_stores;
mod busy;
mod faults;
mod lost;

use std::fmt;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use b2sdk::account_info::{
    AccountAuth, AccountInfo, AuthSnapshot, Generation, Identity, Refresh, RefreshTicket,
    UploadTarget, UploadUrl, conformance,
};
use b2sdk::error::StoreError;
use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketId, Error, InMemoryAccountInfo, Operation};

use crate::support::authorize;

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

/// What only this store knows.
#[derive(Debug)]
struct Flames(u32);

impl fmt::Display for Flames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flames", self.0)
    }
}

impl std::error::Error for Flames {}

/// A store that does something before every call, of which it is told the name.
pub(crate) struct Hooked<F> {
    store: Arc<dyn AccountInfo>,
    hook: F,
}

impl<F> fmt::Debug for Hooked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

pub(crate) type Hook = Result<(), StoreError>;

impl<F: Fn(&dyn AccountInfo, &str) -> Hook> Hooked<F> {
    fn new(hook: F) -> Self {
        Self::around(Arc::new(InMemoryAccountInfo::new()), hook)
    }

    pub(crate) fn around(store: Arc<dyn AccountInfo>, hook: F) -> Self {
        Self { store, hook }
    }

    fn before(&self, method: &str) -> Result<&dyn AccountInfo, StoreError> {
        (self.hook)(&*self.store, method)?;
        Ok(&*self.store)
    }
}

impl<F: Fn(&dyn AccountInfo, &str) -> Hook + Send + Sync> AccountInfo for Hooked<F> {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        self.before("auth")?.auth()
    }

    fn is_logged_out(&self) -> Result<bool, StoreError> {
        self.before("is_logged_out")?.is_logged_out()
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        self.before("begin_refresh")?.begin_refresh(stale, lease)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        self.before("save_auth")?.save_auth(auth, ticket)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.before("abandon_refresh")?.abandon_refresh(ticket)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.before("clear")?.clear()
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        self.before("bucket_id")?.bucket_id(owner, name)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.before("bucket_name")?.bucket_name(owner, id)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.before("buckets")?.buckets(owner)
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.before("save_bucket")?.save_bucket(owner, name, id)
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.before("remove_bucket")?.remove_bucket(owner, id)
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        self.before("replace_buckets")?
            .replace_buckets(owner, buckets)
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        self.before("take_upload_url")?
            .take_upload_url(owner, target)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        self.before("put_upload_url")?
            .put_upload_url(owner, target, url)
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.before("drop_upload_urls")?
            .drop_upload_urls(owner, target)
    }
}

#[test]
fn the_error_of_a_store_reaches_the_caller_as_it_was() {
    let api = B2Api::new(Hooked::new(|_, _| {
        Err(StoreError::new(Flames(7)).context("asking the store"))
    }));
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

#[test]
fn who_logs_out_while_a_token_expires_is_not_logged_in_again() {
    let service = Simulator::start().unwrap();
    let logout = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&logout);
    let api = B2Api::new(Hooked::new(move |store, method| {
        if method == "begin_refresh" && asked.load(Ordering::Relaxed) {
            store.clear()?;
        }
        Ok(())
    }));
    authorize(&api, &service);
    service.expire_tokens().unwrap();
    service.log().clear();
    logout.store(true, Ordering::Relaxed);
    let error = api.list_buckets().unwrap_err();
    assert!(matches!(error, Error::NotAuthorized), "{error:?}");
    assert!(api.account_info().auth().unwrap().is_none());
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
}
