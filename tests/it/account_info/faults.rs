//! Stores that fail while a program runs: what can be had from the service again fails no call.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use b2sdk::account_info::{AccountInfo, Cached};
use b2sdk::error::StoreError;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, BucketType, Error, InMemoryAccountInfo, LsOptions, Operation, SqliteAccountInfo,
};
use tempfile::TempDir;

use super::{Hook, Hooked, JsonAccountInfo};
use crate::support::{BUCKET, Lines, authorize};

/// The methods that fail at present, and how.
#[derive(Clone, Default)]
struct Failing {
    methods: Arc<Mutex<BTreeSet<String>>>,
    is_broken: bool,
}

impl Failing {
    fn start(&self, method: &str) {
        self.methods.lock().unwrap().insert(method.to_owned());
    }

    fn stop(&self) {
        self.methods.lock().unwrap().clear();
    }

    /// From the next call of this method on everything fails.
    fn end_at(&self, method: &str) {
        self.start(&format!("end at {method}"));
    }

    fn check(&self, method: &str) -> Hook {
        let mut methods = self.methods.lock().unwrap();
        if methods.contains(&format!("end at {method}")) {
            methods.insert("all".to_owned());
        }
        if !methods.contains(method) && !methods.contains("all") {
            return Ok(());
        }
        Err(if self.is_broken {
            StoreError::new("the shelf has collapsed")
        } else {
            StoreError::unavailable("nobody answers").context("asking the store")
        })
    }
}

const STORES: [&str; 3] = ["memory", "sqlite", "custom"];

/// A store of each kind, at that place if it has one.
fn store(kind: &str, place: &Path, clock: &Clock) -> Arc<dyn AccountInfo> {
    match kind {
        "memory" => Arc::new(InMemoryAccountInfo::with_clock(clock.clone())),
        "sqlite" => {
            let path = place.join("account_info");
            Arc::new(SqliteAccountInfo::open_with_clock(path, clock.clone()).unwrap())
        }
        _ => {
            let clock = clock.clone();
            let path = place.join("account_info.json");
            Arc::new(JsonAccountInfo::new(path, move || clock.now()))
        }
    }
}

/// A client whose store can fail.
struct Client {
    service: Simulator,
    clock: Clock,
    store: Arc<dyn AccountInfo>,
    failing: Failing,
    api: B2Api,
    place: TempDir,
}

impl Client {
    fn new(kind: &str, is_broken: bool) -> Self {
        let (clock, place) = (Clock::manual(), tempfile::tempdir().unwrap());
        let store = store(kind, place.path(), &clock);
        let failing = Failing {
            is_broken,
            ..Failing::default()
        };
        let api = api(&store, &failing, &clock);
        Self {
            service: Simulator::start().unwrap(),
            clock,
            store,
            failing,
            api,
            place,
        }
    }

    fn authorized(kind: &str, is_broken: bool) -> Self {
        let client = Self::new(kind, is_broken);
        authorize(&client.api, &client.service);
        client
            .api
            .create_bucket(BUCKET, BucketType::AllPrivate)
            .unwrap();
        client.service.log().clear();
        client
    }

    fn place(&self) -> &Path {
        self.place.path()
    }

    fn authorizations(&self) -> usize {
        self.service.log().count(Operation::AuthorizeAccount)
    }

    /// Everything that uses the store in one way or another.
    fn work(&self, name: &str) -> Result<(), Error> {
        let bucket = self.api.get_bucket_by_name(BUCKET)?;
        bucket.upload_bytes(b"x", name)?;
        bucket.upload_bytes(b"y", name)?;
        self.api.list_buckets()?;
        self.api.get_bucket_by_id(bucket.id())?;
        assert!(bucket.ls_with("", &LsOptions::new())?.next().is_some());
        let other = self
            .api
            .create_bucket(&format!("{BUCKET}-{name}"), BucketType::AllPrivate)?;
        self.api.delete_bucket(&other)
    }
}

fn api(store: &Arc<dyn AccountInfo>, failing: &Failing, clock: &Clock) -> B2Api {
    let failing = failing.clone();
    let hooked = Hooked::around(Arc::clone(store), move |_, method| failing.check(method));
    B2Api::builder(hooked).clock(clock).build().unwrap()
}

#[test]
fn no_method_of_any_store_that_is_away_stops_a_program_that_runs() {
    let methods = [
        "auth",
        "begin_refresh",
        "save_auth",
        "abandon_refresh",
        "bucket_id",
        "bucket_name",
        "buckets",
        "save_bucket",
        "remove_bucket",
        "replace_buckets",
        "take_upload_url",
        "put_upload_url",
        "drop_upload_urls",
        "all",
    ];
    for kind in STORES {
        for method in methods {
            let client = Client::authorized(kind, false);
            client.failing.start(method);
            client
                .work("a")
                .unwrap_or_else(|error| panic!("{kind} {method}: {error:?}"));
            assert_eq!(client.authorizations(), 0, "{kind} {method}");
            client.service.expire_tokens().unwrap();
            client
                .work("b")
                .unwrap_or_else(|error| panic!("{kind} {method}: {error:?}"));
            assert_eq!(client.authorizations(), 1, "{kind} {method}: one new token");

            // When the store is back it is given what it missed.
            client.failing.stop();
            client.clock.advance(Duration::from_secs(60));
            client.work("c").unwrap();
            assert_eq!(client.authorizations(), 1, "{kind} {method}");
            let second = api(&client.store, &Failing::default(), &client.clock);
            second.list_buckets().unwrap();
            assert_eq!(client.authorizations(), 1, "{kind} {method}: it was stored");
        }
    }
}

#[test]
fn no_cache_of_any_store_that_is_broken_stops_a_program() {
    for kind in STORES {
        for method in [
            "begin_refresh",
            "save_auth",
            "bucket_id",
            "save_bucket",
            "take_upload_url",
            "put_upload_url",
        ] {
            let client = Client::authorized(kind, true);
            client.failing.start(method);
            client.service.expire_tokens().unwrap();
            client
                .work("a")
                .unwrap_or_else(|error| panic!("{kind} {method}: {error:?}"));
            assert_eq!(client.authorizations(), 1, "{kind} {method}");
        }
        let client = Client::authorized(kind, true);
        client.failing.start("auth");
        let error = client.work("a").unwrap_err();
        assert!(
            matches!(error, Error::Store(_)) && !error.is_retryable(),
            "{error:?}"
        );
        assert_eq!(client.service.log().total(), 0);
    }
}

#[test]
fn a_program_that_starts_while_the_store_is_away_works_and_stores_its_token_later() {
    for kind in STORES {
        let client = Client::new(kind, false);
        client.failing.start("all");
        let error = client.api.list_buckets().unwrap_err();
        assert!(
            matches!(error, Error::Store(_)) && error.is_retryable(),
            "{error:?}"
        );
        authorize(&client.api, &client.service);
        client
            .api
            .create_bucket(BUCKET, BucketType::AllPrivate)
            .unwrap();
        client.work("a").unwrap();
        assert_eq!(client.authorizations(), 1, "{kind}");

        client.failing.stop();
        client.clock.advance(Duration::from_secs(60));
        client.work("b").unwrap();
        let second = api(&client.store, &Failing::default(), &client.clock);
        second.list_buckets().unwrap();
        assert_eq!(client.authorizations(), 1, "{kind}");
    }
}

#[test]
fn an_authorization_that_is_read_no_more_serves_for_an_hour_only() {
    let client = Client::authorized("memory", false);
    client.failing.start("all");
    client.clock.advance(Duration::from_secs(3500));
    client.work("a").unwrap();
    client.clock.advance(Duration::from_secs(200));
    let error = client.work("b").unwrap_err();
    assert!(
        matches!(error, Error::Store(_)) && error.is_retryable(),
        "{error:?}"
    );
}

#[test]
fn a_logout_while_a_token_waits_to_be_stored_is_a_logout() {
    for kind in STORES {
        let client = Client::authorized(kind, false);
        client.failing.start("save_auth");
        client.service.expire_tokens().unwrap();
        client.work("a").unwrap();
        client.store.clear().unwrap();
        let error = client.work("b").unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{kind}: {error:?}");
        client.failing.stop();
        let error = client.work("c").unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{kind}: {error:?}");
        assert!(client.store.auth().unwrap().is_none());
    }
}

#[test]
fn somebody_elses_newer_token_counts_instead_of_one_that_waits_to_be_stored() {
    let client = Client::authorized("sqlite", false);
    client.failing.start("save_auth");
    client.service.expire_tokens().unwrap();
    client.work("a").unwrap();
    client.service.expire_tokens().unwrap();
    let second = api(&client.store, &Failing::default(), &client.clock);
    second.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 2);
    client.work("b").unwrap();
    assert_eq!(client.authorizations(), 2, "the stored one is used");
}

#[test]
fn a_logout_that_the_store_did_not_take_is_an_error() {
    let client = Client::authorized("memory", false);
    client.failing.start("clear");
    assert!(
        client
            .api
            .account_info()
            .clear()
            .unwrap_err()
            .is_unavailable()
    );
}

#[test]
fn a_failure_is_logged_once_with_its_reason_until_the_store_has_worked_again() {
    let client = Client::authorized("memory", false);
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let bucket = client.api.get_bucket_by_name(BUCKET).unwrap();
        for _ in 0..2 {
            client.failing.start("take_upload_url");
            for _ in 0..3 {
                bucket.upload_bytes(b"x", "x").unwrap();
            }
            client.failing.stop();
            bucket.upload_bytes(b"x", "x").unwrap();
        }
    });
    let told = lines.told();
    assert_eq!(told.matches("goes on without it").count(), 2, "{told}");
    assert_eq!(told.matches("nobody answers").count(), 2, "{told}");
    assert_eq!(told.matches("works again").count(), 2, "{told}");
}

#[test]
fn a_bucket_whose_creation_is_not_confirmed_is_looked_for() {
    let client = Client::new("memory", false);
    authorize(&client.api, &client.service);
    let lost = Fault::on(Operation::CreateBucket)
        .after_effect()
        .drop_connection();
    client.service.faults().inject(lost);
    let bucket = client
        .api
        .get_or_create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    // Where nothing was created, the error says what is not known.
    let refused = Fault::on(Operation::CreateBucket)
        .body(502, "text/html", "<html>")
        .always();
    client.service.faults().inject(refused);
    let name = format!("{BUCKET}-2");
    let error = client
        .api
        .get_or_create_bucket(&name, BucketType::AllPrivate)
        .unwrap_err();
    assert!(error.is_answer_lost(), "{error:?}");
}

/// A server that is emptied and goes away in the same moment.
#[test]
fn a_store_that_loses_everything_and_goes_away_fails_no_call() {
    let client = Client::authorized("sqlite", false);
    std::fs::remove_file(client.place().join("account_info")).unwrap();
    // It can be read once more, and is empty.
    client.failing.start("is_logged_out");
    client.api.list_buckets().unwrap();
    client.failing.start("all");
    client.api.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 0, "the token still works");
    client.failing.stop();
    client.api.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 1, "and then it is restored once");
    // What is away after it was found to be empty serves as well.
    std::fs::remove_file(client.place().join("account_info")).unwrap();
    client.failing.start("begin_refresh");
    client.failing.start("save_auth");
    client.api.list_buckets().unwrap();
    client.failing.start("all");
    client.api.list_buckets().unwrap();
}

/// Otherwise each program of a fleet that meets this would authorize without the others.
#[test]
fn a_store_that_is_empty_and_goes_away_before_it_gives_a_lease_costs_no_authorization() {
    let client = Client::authorized("sqlite", false);
    std::fs::remove_file(client.place().join("account_info")).unwrap();
    client.failing.end_at("begin_refresh");
    client.api.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 0, "the token still works");
    client.failing.stop();
    client.api.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 1, "and is restored once");
    // A store that can be read and gives no lease does not keep a program from authorizing.
    std::fs::remove_file(client.place().join("account_info")).unwrap();
    client.failing.start("begin_refresh");
    client.api.list_buckets().unwrap();
    assert_eq!(client.authorizations(), 2);
}

/// A server that lost everything, did not take the new token, and goes away while it is asked for it.
#[test]
fn a_token_that_waits_to_be_stored_serves_while_it_is_unknown_whether_there_was_a_logout() {
    for kind in STORES {
        let client = Client::new(kind, false);
        client.failing.start("save_auth");
        authorize(&client.api, &client.service);
        client.failing.start("is_logged_out");
        client.api.list_buckets().unwrap();
        assert_eq!(client.authorizations(), 1, "{kind}");
    }
}

#[test]
fn what_another_thread_reads_during_a_logout_is_not_remembered() {
    let service = Simulator::start().unwrap();
    let read: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>> = Arc::default();
    let during = Arc::clone(&read);
    let hooked = Hooked::around(Arc::new(InMemoryAccountInfo::new()), move |_, called| {
        if called == "clear"
            && let Some(read) = during.get()
        {
            read();
        }
        Ok(())
    });
    let cached = Arc::new(Cached::new(hooked, Duration::from_secs(60)));
    authorize(&B2Api::new(Arc::clone(&cached)), &service);
    let reader = Arc::clone(&cached);
    let reads = move || assert!(reader.auth().unwrap().is_some());
    assert!(read.set(Box::new(reads)).is_ok());
    cached.clear().unwrap();
    assert!(cached.auth().unwrap().is_none());
}
