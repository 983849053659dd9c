//! Stores that get the failures of their server wrong: the kit finds each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::account_info::conformance::{ServerFaults, check_server_faults};
use b2sdk::account_info::{
    AccountAuth, AccountInfo, AuthSnapshot, Generation, Identity, Refresh, RefreshTicket,
    UploadTarget, UploadUrl,
};
use b2sdk::error::StoreError;
use b2sdk::testing::Clock;
use b2sdk::{BucketId, InMemoryAccountInfo};

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// What fails is not called unavailable.
    FailsForGood,
    /// The token is in the error.
    ShowsTheToken,
    /// A repeated `begin_refresh` does not find its own lease.
    ForgetsItsLease,
    /// An authorization whose answer was lost is not stored.
    LosesTheSaved,
    /// A repeated `save_auth` has no effect.
    SavesOnce,
    /// A repeated `put_upload_url` stores a second one.
    PutsTwice,
    /// A repeated `take_upload_url` finds what is already taken.
    TakesTwice,
    /// A repeated call of this method is refused.
    RefusesRepeated(&'static str),
    /// A repeated logout forgets that there was one.
    ForgetsTheLogout,
    /// This method is carried out although the server is away.
    AnswersAway(&'static str),
    /// This method is carried out later, although it failed.
    CatchesUp(&'static str),
    /// After a failure the server is never asked again.
    StaysAway,
}

/// A server, and the connection to it.
#[derive(Debug)]
struct Line {
    defect: Defect,
    is_away: AtomicBool,
    loses: AtomicBool,
    /// Whether an answer was lost, or the server was away.
    has_failed: AtomicBool,
}

struct Faults(Arc<Line>);

impl ServerFaults for Faults {
    fn lose_next_answer(&self) {
        self.0.loses.store(true, Ordering::SeqCst);
    }

    fn set_reachable(&self, is_reachable: bool) {
        self.0.is_away.store(!is_reachable, Ordering::SeqCst);
    }
}

/// A store on a server, which is another store.
#[derive(Debug)]
struct Distant {
    server: InMemoryAccountInfo,
    line: Arc<Line>,
    /// A URL that was put twice: the server itself knows each once.
    second: Mutex<Option<UploadUrl>>,
}

impl Distant {
    fn create(defect: Defect, clock: Clock) -> (Box<dyn AccountInfo>, Box<dyn ServerFaults>) {
        let line = Arc::new(Line {
            defect,
            is_away: AtomicBool::new(false),
            loses: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let store = Self {
            server: InMemoryAccountInfo::with_clock(clock),
            line: Arc::clone(&line),
            second: Mutex::default(),
        };
        (Box::new(store), Box::new(Faults(line)))
    }

    fn is(&self, defect: Defect) -> bool {
        self.line.defect == defect
    }

    fn failure(&self) -> StoreError {
        match self.line.defect {
            Defect::FailsForGood => StoreError::new("no answer"),
            Defect::ShowsTheToken => StoreError::unavailable("no answer for account-token-1"),
            _ => StoreError::unavailable("no answer"),
        }
    }

    /// Whether the answer to this request is lost.
    fn is_lost(&self) -> bool {
        let is_lost = self.line.loses.swap(false, Ordering::SeqCst);
        if is_lost {
            self.line.has_failed.store(true, Ordering::SeqCst);
        }
        is_lost
    }

    /// Fails if the server is away.
    fn reach(&self, method: &'static str) -> Result<(), StoreError> {
        let line = &self.line;
        if line.is_away.load(Ordering::SeqCst) && !self.is(Defect::AnswersAway(method)) {
            line.has_failed.store(true, Ordering::SeqCst);
            return Err(self.failure());
        }
        if self.is(Defect::StaysAway) && line.has_failed.load(Ordering::SeqCst) {
            return Err(self.failure());
        }
        if self.is(Defect::RefusesRepeated(method)) && line.has_failed.load(Ordering::SeqCst) {
            return Err(StoreError::new("it was asked before"));
        }
        Ok(())
    }

    fn request<T>(
        &self,
        method: &'static str,
        work: impl FnOnce(&InMemoryAccountInfo) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Err(error) = self.reach(method) {
            if self.is(Defect::CatchesUp(method)) {
                work(&self.server)?;
            }
            return Err(error);
        }
        let done = work(&self.server)?;
        if self.is_lost() {
            return Err(self.failure());
        }
        Ok(done)
    }
}

impl AccountInfo for Distant {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        self.request("auth", AccountInfo::auth)
    }

    fn is_logged_out(&self) -> Result<bool, StoreError> {
        if self.is(Defect::ForgetsTheLogout) && self.line.has_failed.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.request("is_logged_out", AccountInfo::is_logged_out)
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        self.reach("begin_refresh")?;
        let begun = self.server.begin_refresh(stale, lease)?;
        // It is repeated, and finds its own lease.
        if self.is_lost() && self.is(Defect::ForgetsItsLease) {
            return self.server.begin_refresh(stale, lease);
        }
        Ok(begun)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        if self.is(Defect::LosesTheSaved) && self.is_lost() {
            return Err(self.failure());
        }
        if self.is(Defect::SavesOnce) && self.line.has_failed.load(Ordering::SeqCst) {
            let kept = self.server.auth()?;
            return kept.ok_or_else(|| self.failure());
        }
        self.request("save_auth", |server| server.save_auth(auth, ticket))
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.request("abandon_refresh", |server| server.abandon_refresh(ticket))
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.request("clear", AccountInfo::clear)
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        self.request("bucket_id", |server| server.bucket_id(owner, name))
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.request("bucket_name", |server| server.bucket_name(owner, id))
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.request("buckets", |server| server.buckets(owner))
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.request("save_bucket", |server| server.save_bucket(owner, name, id))
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.request("remove_bucket", |server| server.remove_bucket(owner, id))
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        self.request("replace_buckets", |server| {
            server.replace_buckets(owner, buckets)
        })
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        if let Some(url) = self.second.lock().unwrap().take() {
            return Ok(Some(url));
        }
        if !self.is(Defect::TakesTwice) {
            return self.request("take_upload_url", |server| {
                server.take_upload_url(owner, target)
            });
        }
        let taken = self.server.take_upload_url(owner, target)?;
        if let Some(url) = taken.clone().filter(|_| self.is_lost()) {
            self.server.put_upload_url(owner, target, url)?;
        }
        Ok(taken)
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        if self.is(Defect::PutsTwice) && self.is_lost() {
            *self.second.lock().unwrap() = Some(url.clone());
        }
        self.request("put_upload_url", |server| {
            server.put_upload_url(owner, target, url)
        })
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.request("drop_upload_urls", |server| {
            server.drop_upload_urls(owner, target)
        })
    }
}

/// The promise that the kit finds broken.
fn broken_promise(defect: Defect) -> Option<String> {
    let check = || check_server_faults(|clock| Distant::create(defect, clock));
    let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned()))
}

#[track_caller]
fn is_found(defect: Defect, promise: &str) {
    let found = broken_promise(defect);
    assert!(
        found.as_ref().is_some_and(|found| found.contains(promise)),
        "{defect:?}: {found:?}"
    );
}

#[test]
fn a_store_that_does_it_right_passes() {
    assert_eq!(broken_promise(Defect::None), None);
}

#[test]
fn failures_that_are_called_lasting_or_show_a_token_are_found() {
    is_found(
        Defect::FailsForGood,
        "without its server is StoreError::unavailable",
    );
    is_found(Defect::ShowsTheToken, "shows account-token-");
}

#[test]
fn what_is_lost_or_done_twice_with_an_answer_is_found() {
    is_found(Defect::ForgetsItsLease, "its own lease");
    is_found(Defect::LosesTheSaved, "it was saved");
    is_found(Defect::SavesOnce, "left == right");
    is_found(Defect::PutsTwice, "a URL that is put twice is one URL");
    is_found(Defect::TakesTwice, "a URL is handed out once");
    for method in ["save_auth", "save_bucket", "take_upload_url", "clear"] {
        is_found(
            Defect::RefusesRepeated(method),
            &format!("{method} without its server is StoreError::unavailable"),
        );
    }
    is_found(Defect::ForgetsTheLogout, "is_logged_out");
}

#[test]
fn answers_without_a_server_and_late_effects_are_found() {
    for method in [
        "auth",
        "is_logged_out",
        "begin_refresh",
        "save_auth",
        "clear",
        "save_bucket",
        "replace_buckets",
        "remove_bucket",
        "buckets",
        "bucket_id",
        "bucket_name",
        "take_upload_url",
        "drop_upload_urls",
    ] {
        is_found(
            Defect::AnswersAway(method),
            &format!("{method} cannot succeed without its server"),
        );
    }
    is_found(
        Defect::CatchesUp("save_auth"),
        "nothing of that had an effect",
    );
    is_found(Defect::CatchesUp("clear"), "nothing of that had an effect");
    is_found(Defect::CatchesUp("save_bucket"), "no bucket was stored");
    is_found(Defect::StaysAway, "fails although the server is back");
}
