//! Where the key comes from, and what happens when it is replaced while a program runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use b2sdk::account_info::{AccountAuth, AccountInfo};
use b2sdk::credentials::{CommandCredentials, Credentials, EnvironmentCredentials};
use b2sdk::error::StoreError;
use b2sdk::keys::Capability;
use b2sdk::raw::ListBucketsRequest;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    B2Api, CancelToken, Error, InMemoryAccountInfo, LsOptions, Operation, SqliteAccountInfo,
};

use crate::account_info::Hooked;
use crate::support::{BUCKET, World, in_time};

/// Tells a process that it is the child.
const ROLE: &str = "B2SDK_TEST_CREDENTIALS";
const ALL: [&str; 5] = [
    "listBuckets",
    "listFiles",
    "readFiles",
    "writeFiles",
    "deleteFiles",
];

/// A place where the key is looked up, and how often it was.
#[derive(Clone)]
struct Vault {
    key: Arc<Mutex<Option<Credentials>>>,
    asked: Arc<AtomicUsize>,
}

impl Vault {
    fn holding(key: Credentials) -> Self {
        Self {
            key: Arc::new(Mutex::new(Some(key))),
            asked: Arc::default(),
        }
    }

    fn put(&self, key: Credentials) {
        *self.key.lock().unwrap() = Some(key);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn provider(&self) -> impl Fn() -> Result<Credentials, &'static str> + Send + Sync + 'static {
        let Self { key, asked } = self.clone();
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            key.lock().unwrap().clone().ok_or("the vault is sealed")
        }
    }
}

/// Another key of the world's account.
fn new_key(world: &World) -> Credentials {
    let key = world.service.create_key(KeyRequest::new(ALL)).unwrap();
    Credentials::new(key.application_key_id(), key.application_key()).realm(world.service.url())
}

fn delete(world: &World, key: &Credentials) {
    world.api.delete_key(&key.application_key_id).unwrap();
    world.service.log().clear();
}

fn api(world: &World) -> B2Api {
    let info = InMemoryAccountInfo::with_clock(world.clock.clone());
    B2Api::builder(info).clock(&world.clock).build().unwrap()
}

#[test]
fn a_key_that_is_revoked_and_replaced_is_picked_up_with_one_authorization() {
    let world = World::new();
    let old = new_key(&world);
    let vault = Vault::holding(old.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_bytes(b"before", "x").unwrap();

    let new = new_key(&world);
    vault.put(new.clone());
    delete(&world, &old);
    bucket.upload_bytes(b"after", "x").unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    assert_eq!(vault.asked(), 2);
    let download = bucket.download_file_by_name("x").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), b"after");
    assert_eq!(api.get_bucket_by_name(BUCKET).unwrap().id(), bucket.id());
    let held = api.account_info().auth().unwrap().unwrap();
    assert_eq!(held.auth().application_key_id, new.application_key_id);
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn a_key_that_is_replaced_while_it_is_asked_for_fails_no_call() {
    let world = World::new();
    let old = new_key(&world);
    let new = new_key(&world);
    let named = Mutex::new(vec![new.clone(), old.clone(), old.clone()]);
    let api = api(&world);
    // Asked for the second time, it still names the old key, which is gone by then.
    api.authorize_with(move || {
        let mut named = named.lock().unwrap();
        let key = if named.len() > 1 {
            named.pop()
        } else {
            named.first().cloned()
        };
        key.ok_or("nothing is left")
    })
    .unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    delete(&world, &old);
    bucket.upload_bytes(b"after", "x").unwrap();
    // The old key, which is refused, and the new one.
    assert_eq!(world.count(Operation::AuthorizeAccount), 2);
    let held = api.account_info().auth().unwrap().unwrap();
    assert_eq!(held.auth().application_key_id, new.application_key_id);
}

#[test]
fn a_key_that_is_replaced_twice_during_a_call_fails_no_call() {
    let world = World::new();
    let refuse = |times| {
        let refused = Fault::on(Operation::HideFile).status(401, "bad_auth_token", "");
        world.inject(refused.times(times));
    };
    world.bucket.upload_bytes(b"x", "x").unwrap();
    refuse(2);
    let error = world.bucket.hide_file("x").unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(401), 2));

    let api = api(&world);
    let vault = Vault::holding(new_key(&world));
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    refuse(2);
    bucket.hide_file("x").unwrap();
    // It ends, whatever the service says.
    bucket.unhide_file("x").unwrap();
    refuse(100);
    world.service.log().clear();
    let error = bucket.hide_file("x").unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(401), 3));
    assert_eq!(world.count(Operation::AuthorizeAccount), 2);
}

#[test]
fn an_endpoint_called_as_such_goes_on_with_the_replacement() {
    let world = World::new();
    let old = new_key(&world);
    let vault = Vault::holding(old.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let new = new_key(&world);
    vault.put(new.clone());
    delete(&world, &old);
    let mut keys = Vec::new();
    let answer = api.call_raw(Operation::ListBuckets, |raw| {
        keys.push(raw.auth().application_key_id.clone());
        raw.list_buckets(&ListBucketsRequest::new(raw.account_id()))
    });
    assert_eq!(answer.unwrap().buckets.len(), 1);
    assert_eq!(keys, [old.application_key_id, new.application_key_id]);
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn fifty_threads_that_meet_the_replacement_authorize_once() {
    let world = World::new();
    let old = new_key(&world);
    let vault = Vault::holding(old.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    vault.put(new_key(&world));
    delete(&world, &old);
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(bucket.ls("").unwrap().map(Result::unwrap).count(), 1);
            });
        }
    });
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    assert_eq!(vault.asked(), 2);
}

#[test]
fn a_key_that_is_gone_and_not_replaced_is_sent_once_and_not_again_for_a_while() {
    let world = World::new();
    let key = new_key(&world);
    let vault = Vault::holding(key.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    delete(&world, &key);
    for _ in 0..5 {
        let error = bucket.ls("").unwrap().next().unwrap().unwrap_err();
        assert!(matches!(error, Error::InvalidCredentials(_)), "{error:?}");
    }
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);

    world.clock.advance(Duration::from_secs(61));
    assert!(bucket.ls("").unwrap().next().unwrap().is_err());
    assert_eq!(world.count(Operation::AuthorizeAccount), 2);

    vault.put(new_key(&world));
    assert!(
        bucket.ls("").unwrap().next().is_none(),
        "a new key is tried at once"
    );
    assert_eq!(world.count(Operation::AuthorizeAccount), 3);
}

#[test]
fn reauthorize_asks_the_service_even_for_a_key_that_was_refused_just_now() {
    let world = World::new();
    let key = new_key(&world);
    let api = api(&world);
    api.authorize_with(Vault::holding(key.clone()).provider())
        .unwrap();
    delete(&world, &key);
    for expected in 1..=2 {
        assert!(api.reauthorize().is_err());
        assert_eq!(world.count(Operation::AuthorizeAccount), expected);
    }
}

#[test]
fn a_token_that_is_merely_too_old_survives_a_provider_that_fails() {
    let world = World::new();
    let key = new_key(&world);
    let vault = Vault::holding(key.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    *vault.key.lock().unwrap() = None;
    world.service.expire_tokens().unwrap();
    assert_eq!(api.list_buckets().unwrap().len(), 1);

    delete(&world, &key);
    let error = api.list_buckets().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the vault is sealed");
    assert!(error.is_auth() && matches!(error, Error::Credentials { .. }));
}

#[test]
fn a_provider_that_fails_where_the_store_keeps_no_key_sends_nothing() {
    let world = World::new();
    let vault = Vault::holding(new_key(&world));
    let first = api(&world);
    first.authorize_with(vault.provider()).unwrap();
    let mut auth = first.account_info().auth().unwrap().unwrap().auth().clone();
    auth.application_key = String::new().into();
    let info = InMemoryAccountInfo::with_clock(world.clock.clone());
    info.save_auth(auth, None).unwrap();
    let api = B2Api::builder(info).clock(&world.clock).build().unwrap();
    world.service.log().clear();
    api.authorize_with(vault.provider()).unwrap();
    assert_eq!(api.list_buckets().unwrap().len(), 1);

    *vault.key.lock().unwrap() = None;
    world.service.expire_tokens().unwrap();
    let error = api.list_buckets().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the vault is sealed");
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);
}

#[test]
fn a_key_of_another_account_or_realm_is_never_used() {
    let (world, other) = (World::new(), World::new());
    let key = new_key(&world);
    let vault = Vault::holding(key.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    delete(&world, &key);
    other.service.log().clear();
    vault.put(new_key(&other));
    assert!(matches!(
        bucket.hide_file("x").unwrap_err(),
        Error::AccountChanged
    ));
    assert_eq!(
        (world.count(Operation::AuthorizeAccount), other.total()),
        (0, 0)
    );

    // The same realm, and an account that the answer shows to be another one.
    vault.put(new_key(&world));
    world.inject(
        b2sdk::simulator::Fault::on(Operation::AuthorizeAccount)
            .always()
            .edit_json(|json| json["accountId"] = "0123456789ab".into()),
    );
    for _ in 0..3 {
        assert!(matches!(
            bucket.hide_file("x").unwrap_err(),
            Error::AccountChanged
        ));
    }
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    let held = api.account_info().auth().unwrap().unwrap();
    assert_eq!(held.auth().application_key_id, key.application_key_id);
}

#[test]
fn a_program_follows_another_one_that_met_the_replacement_first() {
    let world = World::new();
    let old = new_key(&world);
    let vault = Vault::holding(old.clone());
    let info = Arc::new(InMemoryAccountInfo::with_clock(world.clock.clone()));
    let open = || {
        let builder = B2Api::builder(Arc::clone(&info)).clock(&world.clock);
        builder.build().unwrap()
    };
    let (first, second, stranger) = (open(), open(), open());
    first.authorize_with(vault.provider()).unwrap();
    second.authorize_with(vault.provider()).unwrap();
    let Credentials {
        realm,
        application_key_id,
        application_key,
        ..
    } = old.clone();
    stranger
        .authorize_account(realm, application_key_id, application_key)
        .unwrap();
    let (one, two) = (
        first.get_bucket_by_name(BUCKET).unwrap(),
        second.get_bucket_by_name(BUCKET).unwrap(),
    );
    vault.put(new_key(&world));
    delete(&world, &old);
    one.upload_bytes(b"1", "x").unwrap();
    two.upload_bytes(b"2", "x").unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    let error = stranger.list_buckets().unwrap_err();
    assert!(
        matches!(error, Error::AccountChanged),
        "it has no provider: {error:?}"
    );

    // A key that neither program's provider names is somebody else's business.
    let foreign = new_key(&world);
    let Credentials {
        realm,
        application_key_id,
        application_key,
        ..
    } = foreign;
    open()
        .authorize_account(realm, application_key_id, application_key)
        .unwrap();
    let asked = vault.asked();
    for _ in 0..3 {
        assert!(matches!(
            two.hide_file("x").unwrap_err(),
            Error::AccountChanged
        ));
    }
    assert_eq!(vault.asked(), asked + 1);
}

#[test]
fn a_program_whose_provider_learns_of_the_replacement_later_follows_then() {
    let world = World::new();
    let old = new_key(&world);
    let (early, late) = (Vault::holding(old.clone()), Vault::holding(old.clone()));
    let info = Arc::new(InMemoryAccountInfo::with_clock(world.clock.clone()));
    let open = |vault: &Vault| {
        let builder = B2Api::builder(Arc::clone(&info)).clock(&world.clock);
        let api = builder.build().unwrap();
        api.authorize_with(vault.provider()).unwrap();
        api.get_bucket_by_name(BUCKET).unwrap()
    };
    let (first, second) = (open(&early), open(&late));
    let new = new_key(&world);
    early.put(new.clone());
    delete(&world, &old);
    first.upload_bytes(b"1", "x").unwrap();
    for _ in 0..3 {
        let error = second.upload_bytes(b"2", "x").unwrap_err();
        assert!(matches!(error, Error::AccountChanged), "{error:?}");
    }
    assert_eq!(late.asked(), 2, "once about the key in the store");

    late.put(new);
    world.clock.advance(Duration::from_secs(61));
    second.upload_bytes(b"2", "x").unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn a_provider_that_is_ahead_of_the_store_leads_all_programs_to_the_newest_key() {
    let world = World::new();
    let first = new_key(&world);
    let vault = Vault::holding(first.clone());
    let info = Arc::new(InMemoryAccountInfo::with_clock(world.clock.clone()));
    let open = || {
        let builder = B2Api::builder(Arc::clone(&info)).clock(&world.clock);
        let api = builder.build().unwrap();
        api.authorize_with(vault.provider()).unwrap();
        api.get_bucket_by_name(BUCKET).unwrap()
    };
    let (busy, idle) = (open(), open());
    let second = new_key(&world);
    vault.put(second.clone());
    delete(&world, &first);
    busy.upload_bytes(b"busy", "x").unwrap();

    // The idle program has not seen the second key, which is in the store, and already hears of the third.
    vault.put(new_key(&world));
    world.service.log().clear();
    let asked = vault.asked();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| idle.upload_bytes(b"idle", "y").unwrap());
        }
    });
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    assert_eq!(vault.asked(), asked + 1);
    delete(&world, &second);
    busy.upload_bytes(b"busy", "x").unwrap();
    idle.upload_bytes(b"idle", "y").unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);

    // A third program, whose provider names a key that does not work, takes nothing over.
    let vault = Vault::holding(new_key(&world));
    let api = B2Api::builder(Arc::clone(&info)).clock(&world.clock);
    let api = api.build().unwrap();
    api.authorize_with(vault.provider()).unwrap();
    busy.upload_bytes(b"busy", "x").unwrap_err();
    let dead = new_key(&world);
    delete(&world, &dead);
    let held = info.auth().unwrap().unwrap();
    vault.put(dead);
    info.save_auth(other_key_of(held.auth(), "0027c41f09d3be80000000fff"), None)
        .unwrap();
    for _ in 0..3 {
        let error = api.list_buckets().unwrap_err();
        assert!(matches!(error, Error::AccountChanged), "{error:?}");
    }
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

/// An authorization of another key of the account, whose token is not asked for.
fn other_key_of(auth: &AccountAuth, key_id: &str) -> AccountAuth {
    let mut auth = auth.clone();
    auth.application_key_id = key_id.into();
    auth
}

/// A program whose store does something before the method of this name is called, once it is armed.
fn disturbed(
    world: &World,
    vault: &Vault,
    method: &'static str,
    disturb: impl Fn(&dyn AccountInfo) + Send + Sync + 'static,
) -> (B2Api, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let is_armed = Arc::clone(&armed);
    let info: Arc<dyn AccountInfo> = Arc::new(InMemoryAccountInfo::with_clock(world.clock.clone()));
    let hooked = Hooked::around(info, move |store, called| {
        if called == method && is_armed.swap(false, Ordering::SeqCst) {
            disturb(store);
        }
        Ok(())
    });
    let api = B2Api::builder(hooked).clock(&world.clock).build().unwrap();
    api.authorize_with(vault.provider()).unwrap();
    (api, armed)
}

#[test]
fn a_key_that_is_replaced_between_two_looks_into_the_store_fails_no_call() {
    for method in ["take_upload_url", "bucket_id", "bucket_name", "save_auth"] {
        let world = World::new();
        let (old, new) = (new_key(&world), new_key(&world));
        let vault = Vault::holding(old.clone());
        // What another process would store.
        let newest = {
            let api = api(&world);
            let Credentials {
                realm,
                application_key_id,
                application_key,
                ..
            } = new.clone();
            api.authorize_account(realm, application_key_id, application_key)
                .unwrap();
            api.account_info().auth().unwrap().unwrap().auth().clone()
        };
        let key = Arc::clone(&vault.key);
        let (api, armed) = disturbed(&world, &vault, method, move |store| {
            *key.lock().unwrap() = Some(new.clone());
            store.save_auth(newest.clone(), None).unwrap();
        });
        let bucket = api.get_bucket_by_name(BUCKET).unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();
        if method == "save_auth" {
            // This process authorizes another key while the other process stores the newest one.
            vault.put(new_key(&world));
        }
        delete(&world, &old);
        armed.store(true, Ordering::SeqCst);
        match method {
            "bucket_name" => drop(api.get_bucket_by_id(bucket.id()).unwrap()),
            "bucket_id" => drop(api.get_bucket_by_name(BUCKET).unwrap()),
            _ => drop(bucket.upload_bytes(b"y", "x").unwrap()),
        }
        assert!(!armed.load(Ordering::SeqCst), "{method}");
        bucket.upload_bytes(b"z", "x").unwrap();
        let most = usize::from(method == "save_auth");
        assert_eq!(world.count(Operation::AuthorizeAccount), most, "{method}");
    }
}

#[test]
fn the_successor_of_a_lost_authorization_has_successors_itself() {
    let (world, other) = (World::new(), World::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    let info = SqliteAccountInfo::open_with_clock(&path, world.clock.clone()).unwrap();
    let api = B2Api::builder(info).clock(&world.clock).build().unwrap();
    let mut old = new_key(&world);
    let vault = Vault::holding(old.clone());
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    for is_lost in [true, false, true, true, false] {
        let new = new_key(&world);
        vault.put(new.clone());
        delete(&world, &old);
        if is_lost {
            std::fs::remove_file(&path).unwrap();
        }
        // Not for an older handle, whose successor would be found by asking the provider.
        api.list_buckets().unwrap();
        assert_eq!(world.count(Operation::AuthorizeAccount), 1);
        old = new;
    }
    bucket.upload_bytes(b"x", "x").unwrap();

    // What was lost is not replaced by another account.
    let edit_account = |json: &mut serde_json::Value| json["accountId"] = "0123456789ab".into();
    world.inject(
        Fault::on(Operation::AuthorizeAccount)
            .always()
            .edit_json(edit_account),
    );
    for (key, requests) in [(new_key(&other), 0), (new_key(&world), 1)] {
        world.service.log().clear();
        other.service.log().clear();
        std::fs::remove_file(&path).ok();
        vault.put(key);
        let error = bucket.upload_bytes(b"x", "x").unwrap_err();
        assert!(matches!(error, Error::AccountChanged), "{error:?}");
        assert_eq!(world.count(Operation::AuthorizeAccount), requests);
        assert_eq!(other.total(), 0);
        assert!(api.account_info().auth().unwrap().is_none());
    }
}

#[test]
fn a_key_that_is_replaced_twice_while_the_store_is_away_fails_no_call() {
    let world = World::new();
    let failing: Arc<Mutex<Vec<&str>>> = Arc::default();
    let fails = Arc::clone(&failing);
    let info: Arc<dyn AccountInfo> = Arc::new(InMemoryAccountInfo::with_clock(world.clock.clone()));
    let hooked = Hooked::around(Arc::clone(&info), move |_, called| {
        match fails.lock().unwrap().contains(&called) {
            true => Err(StoreError::unavailable("the disk is full")),
            false => Ok(()),
        }
    });
    let api = B2Api::builder(hooked).clock(&world.clock).build().unwrap();
    let first = new_key(&world);
    let vault = Vault::holding(first.clone());
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();

    *failing.lock().unwrap() = vec!["begin_refresh", "save_auth"];
    let second = new_key(&world);
    vault.put(second.clone());
    delete(&world, &first);
    bucket.upload_bytes(b"x", "x").unwrap();

    // It gives out no lease, and takes the token when that has come.
    *failing.lock().unwrap() = vec!["begin_refresh"];
    let third = new_key(&world);
    vault.put(third.clone());
    delete(&world, &second);
    bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    let held = info.auth().unwrap().unwrap();
    assert_eq!(held.auth().application_key_id, third.application_key_id);
}

#[test]
fn a_key_given_by_hand_ends_the_provider() {
    let world = World::new();
    let key = new_key(&world);
    let vault = Vault::holding(key.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let by_hand = new_key(&world);
    let Credentials {
        realm,
        application_key_id,
        application_key,
        ..
    } = by_hand.clone();
    api.authorize_account(realm, application_key_id, application_key)
        .unwrap();
    delete(&world, &by_hand);
    assert!(matches!(
        api.list_buckets().unwrap_err(),
        Error::InvalidCredentials(_)
    ));
    assert_eq!(vault.asked(), 1);
}

#[test]
fn the_replacement_may_come_in_the_middle_of_a_listing_and_of_many_deletions() {
    let world = World::new();
    for n in 0..20 {
        world.bucket.upload_bytes(b"", &format!("{n:02}")).unwrap();
    }
    let old = new_key(&world);
    let vault = Vault::holding(old.clone());
    let api = api(&world);
    api.authorize_with(vault.provider()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let listing = LsOptions::new().recursive(true).page_size(3);
    let mut removals = bucket
        .delete_many("", &listing, &Default::default())
        .unwrap();
    removals.next().unwrap().unwrap();
    vault.put(new_key(&world));
    // Before, not after: deletions that run may need the new key at once.
    world.service.log().clear();
    world.api.delete_key(&old.application_key_id).unwrap();
    assert_eq!(removals.map(Result::unwrap).count(), 19);
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn the_stored_authorization_of_the_same_key_is_used() {
    let world = World::new();
    let vault = Vault::holding(new_key(&world));
    let info = Arc::new(InMemoryAccountInfo::new());
    world.service.log().clear();
    for _ in 0..3 {
        B2Api::new(Arc::clone(&info))
            .authorize_with(vault.provider())
            .unwrap();
    }
    assert_eq!((world.total(), vault.asked()), (1, 3));
}

#[test]
fn a_provider_that_fails_leaves_everything_as_it_was() {
    let world = World::new();
    let fails = || Err::<Credentials, _>("no vault here");
    let error = world.api.authorize_with(fails).unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }));
    assert_eq!(world.total(), 0);
    assert_eq!(world.api.list_buckets().unwrap().len(), 1);
}

#[cfg(unix)]
fn shell(script: &str, world: &World) -> CommandCredentials {
    CommandCredentials::new("sh")
        .args(["-c", script])
        .realm(world.service.url())
}

#[cfg(unix)]
#[test]
fn a_command_names_the_key_anew_each_time() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let write = |key: &Credentials| {
        let Credentials {
            application_key_id: id,
            application_key,
            ..
        } = key;
        std::fs::write(&path, format!("{id}\n{}\n", application_key.expose())).unwrap();
    };
    let old = new_key(&world);
    write(&old);
    let api = api(&world);
    let cat = CommandCredentials::new("cat")
        .args([path.to_str().unwrap()])
        .realm(world.service.url());
    api.authorize_with(cat).unwrap();
    write(&new_key(&world));
    delete(&world, &old);
    assert_eq!(api.list_buckets().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_process_that_a_command_leaves_behind_with_its_output_open_does_not_count() {
    let world = World::new();
    let key = new_key(&world);
    let (id, secret) = (&key.application_key_id, key.application_key.expose());
    let script = format!("sleep 20 & printf '%s\\n%s\\n' {id} {secret}");
    let limit = Duration::from_secs(10);
    api(&world)
        .authorize_with(shell(&script, &world).time_limit(limit))
        .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_takes_too_long_ends_with_all_that_it_started() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; wait", path.display());
    let command = shell(&script, &world).time_limit(Duration::from_millis(500));
    let error = api(&world).authorize_with(command).unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }), "{error}");
    in_time(|| {
        while runs(&path) {
            std::thread::yield_now();
        }
    });
}

/// Whether the process with the id in this file runs.
#[cfg(target_os = "linux")]
fn runs(path: &std::path::Path) -> bool {
    let pid = std::fs::read_to_string(path).unwrap();
    let status = format!("/proc/{}/status", pid.trim());
    // Nobody may be there to collect it.
    std::fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"))
}

#[cfg(target_os = "linux")]
#[test]
fn what_prints_without_end_is_an_error_and_does_not_run_on() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let note = format!("echo $! > {}", path.display());
    let slowly = "(while :; do printf x; sleep 0.05; done) &";
    for (script, reason) in [
        (format!("yes & {note}; wait"), "too much"),
        (format!("yes & {note}"), "too much"),
        (format!("{slowly} {note}; wait"), "did not end within"),
        (format!("{slowly} {note}"), "neither"),
    ] {
        let limit = match reason {
            "too much" => Duration::from_secs(60),
            _ => Duration::from_millis(500),
        };
        let command = shell(&script, &world).time_limit(limit);
        let error = api(&world).authorize_with(command).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(reason), "{script}: {source}");
        in_time(|| {
            while runs(&path) {
                std::thread::yield_now();
            }
        });
    }
}

#[test]
fn a_call_that_is_cancelled_does_not_wait_for_the_provider() {
    let world = World::new();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let token = CancelToken::new();
    let cancelling = token.clone();
    let provider = move || -> Result<Credentials, &'static str> {
        cancelling.cancel();
        _ = released.lock().unwrap().recv();
        Err("nobody waits for this")
    };
    let outcome = api(&world).with_cancel(&token).authorize_with(provider);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    drop(release);
}

#[test]
fn a_provider_that_panics_is_a_provider_that_fails() {
    let world = World::new();
    let provider = || -> Result<Credentials, &'static str> { panic!("the vault is on fire") };
    let error = api(&world).authorize_with(provider).unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_command_that_fails_says_why_without_its_output() {
    let world = World::new();
    let api = api(&world);
    let secret = "K002veryverysecret";
    for (script, reason) in [
        (format!("echo {secret}; exit 3"), "exit status: 3"),
        (format!("echo {secret}"), "neither"),
        (format!("echo {{ {secret}"), "neither"),
        ("head -c 100000 /dev/zero".to_owned(), "too much"),
        ("exec yes".to_owned(), "too much"),
        (
            format!("echo {secret}; exec sleep 100"),
            "did not end within",
        ),
        (
            format!("echo {secret}; exec >&-; exec sleep 100"),
            "did not end within",
        ),
    ] {
        let limit = Duration::from_millis(300);
        let limit = if reason.starts_with("did") {
            limit
        } else {
            limit * 100
        };
        let command = shell(&script, &world).time_limit(limit);
        let debug = format!("{command:?}");
        let error = api.authorize_with(command).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(reason), "{script}: {source}");
        assert!(!format!("{debug} {error} {error:?} {source}").contains(secret));
    }
    let missing = CommandCredentials::new("/nowhere/vault");
    let error = api.authorize_with(missing).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("/nowhere/vault cannot be started"),
        "{source}"
    );
    assert_eq!(world.total(), 0);
}

#[test]
fn the_environment_of_the_b2_tool_is_read() {
    let world = World::new();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "credentials::role_with_the_key_in_its_environment",
            "--exact",
        ])
        .env(ROLE, "1")
        .env("B2_APPLICATION_KEY_ID", world.service.application_key_id())
        .env("B2_APPLICATION_KEY", world.service.application_key())
        .env("B2_ENVIRONMENT", world.service.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    assert_eq!(world.count(Operation::CreateKey), 1);
}

/// What the child process does, and no other one.
#[test]
fn role_with_the_key_in_its_environment() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_with(EnvironmentCredentials::new()).unwrap();
    api.create_key("made-by-the-child", [Capability::ListFiles])
        .unwrap();
}
