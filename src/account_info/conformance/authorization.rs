//! Checks that an authorization comes back as it was saved, and belongs to one identity.
//!
//! | check | what it does to the store | a store that fails it |
//! | --- | --- | --- |
//! | `empty_at_first` | asks a new store what it holds | makes a program with credentials believe that somebody logged out |
//! | `what_is_saved_comes_back` | saves one authorization twice, plain and with unusual values | sends requests with half of an authorization |
//! | `generations_change_with_the_token` | saves two tokens of one identity | hides from other threads that their token is old |
//! | `another_identity_is_refused` | logs in another account, key or realm | answers for the wrong account |
//! | `tickets_end_with_their_identity` | saves with tickets from before a login or a logout | undoes that login or logout |
//! | `clear_forgets_everything` | logs out and in again | leaves secrets, or brings back buckets and URLs of before |
//! | `debug_shows_no_secret` | prints the store | writes keys and tokens into logs |
//! | `an_arc_is_a_store` | uses the store through an `Arc` | cannot be shared |
//!
//! Each check works on new stores with clocks that stand still, so no time passes unless a check
//! lets it. The checks do not depend on each other; the first broken promise ends them with a panic
//! that names it.

use std::sync::Arc;

use super::fixture::{
    APPLICATION_KEY, auth, authorized, bucket, current, fine, lease, put, refused, save, url,
};
use crate::account_info::{AccountInfo, AuthSnapshot};
use crate::control::clock::Clock;
use crate::model::auth::{AccountAuth, Identity};

/// Checks the methods about the authorization.
///
/// - An authorization comes back as it was saved.
/// - Generations distinguish authorizations.
/// - Calls for an identity that the store does not hold are refused.
/// - `clear` removes everything, and counts as a logout.
/// - `Debug` shows no secret, and an `Arc` around the store is a store as well.
///
/// # Panics
/// If the store breaks the contract.
///
/// Every check creates stores of its own with `make`, ten in all, and leaves in them what it saved.
/// Nothing is sent to the service.
pub fn check_authorization(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    empty_at_first(&*make(Clock::manual()));
    what_is_saved_comes_back(&*make(Clock::manual()));
    generations_change_with_the_token(&*make(Clock::manual()));
    for other in other_identities() {
        another_identity_is_refused(make, other);
    }
    tickets_end_with_their_identity(make);
    clear_forgets_everything(make);
    debug_shows_no_secret(make);
    an_arc_is_a_store(make);
}

/// A new store holds nothing and was not logged out of; otherwise a program with credentials would
/// not log in.
///
/// The call for buckets is refused, because a store that holds nobody's authorization has nobody's
/// buckets.
fn empty_at_first(store: &dyn AccountInfo) {
    assert_eq!(current(store), None, "a new store holds no authorization");
    let is_logged_out = fine("is_logged_out", store.is_logged_out());
    assert!(!is_logged_out, "nobody has logged out of a new store");
    refused("buckets", store.buckets(&auth("ada", "1").identity()));
}

/// Every field comes back, also when the same authorization is saved twice, as after an answer that
/// was lost.
///
/// One of the two has a realm that is a URL, no address for the S3 API, and a token with the
/// characters that SQL is sensitive to. The generation must be that of the authorization, so that
/// all stores agree about it.
fn what_is_saved_comes_back(store: &dyn AccountInfo) {
    let unusual = AccountAuth {
        realm: "https://b2.example.com:8180".to_owned(),
        s3_api_url: String::new(),
        ..auth("ada", "it's a token; DROP TABLE account")
    };
    for auth in [auth("ada", "1"), unusual] {
        // The second time as after an answer that was lost.
        save(store, auth.clone());
        let saved = save(store, auth.clone());
        assert_eq!(*saved.auth(), auth, "save_auth returns what was saved");
        assert_eq!(saved.generation(), AuthSnapshot::new(auth).generation());
        assert_eq!(current(store), Some(saved), "auth returns what was saved");
    }
}

/// A new token is a new generation, which is how others notice that theirs is stale.
///
/// A session compares generations to learn whether another thread has replaced the token that it
/// used.
fn generations_change_with_the_token(store: &dyn AccountInfo) {
    let first = save(store, auth("ada", "1")).generation();
    let second = save(store, auth("ada", "2")).generation();
    assert_ne!(first, second, "a new token is a new generation");
    let seen = current(store).map(|snapshot| snapshot.generation());
    assert_eq!(seen, Some(second), "auth sees the newer one");
}

/// Authorizations that each differ from the first in one of the three parts of an identity.
///
/// Each is an identity of its own, because a token of one does not work for another.
fn other_identities() -> [AccountAuth; 3] {
    let ada = auth("ada", "1");
    let account = AccountAuth {
        account_id: "bob".into(),
        ..ada.clone()
    };
    let key = AccountAuth {
        application_key_id: "another-key".into(),
        ..ada.clone()
    };
    let realm = AccountAuth {
        realm: "staging".to_owned(),
        ..ada
    };
    [account, key, realm]
}

/// After a login of another account, key or realm, nothing of the old identity is readable or
/// writable, and the new one starts without buckets. A store that compares only the account would
/// mix two keys.
///
/// The refused calls must also have had no effect: the new login stays as it was saved, and gets no
/// bucket of the old one.
fn another_identity_is_refused(make: &impl Fn(Clock) -> Box<dyn AccountInfo>, other: AccountAuth) {
    let (store, owner, clock) = authorized(make);
    fine(
        "save_bucket",
        store.save_bucket(&owner, "photos", &"p".into()),
    );
    put(
        &*store,
        &owner,
        &bucket("p"),
        url("u", &clock, std::time::Duration::ZERO),
    );
    let saved = save(&*store, other);
    everything_is_refused(&*store, &owner, &clock);
    assert_eq!(
        current(&*store),
        Some(Arc::clone(&saved)),
        "nothing of that had an effect"
    );
    assert_eq!(
        fine("buckets", store.buckets(saved.identity())),
        [],
        "another identity has no buckets yet"
    );
}

/// All nine calls that name an identity are refused.
///
/// Nine of the trait's methods take an owner. The refusal has to be `StoreError::superseded`: any
/// other error would be taken for a failure of the store, which a session survives.
fn everything_is_refused(store: &dyn AccountInfo, owner: &Identity, clock: &Clock) {
    let (id, target) = ("p".into(), bucket("p"));
    let url = url("late", clock, std::time::Duration::ZERO);
    refused("bucket_id", store.bucket_id(owner, "photos"));
    refused("bucket_name", store.bucket_name(owner, &id));
    refused("buckets", store.buckets(owner));
    refused("save_bucket", store.save_bucket(owner, "late", &id));
    refused("remove_bucket", store.remove_bucket(owner, &id));
    refused("replace_buckets", store.replace_buckets(owner, &[]));
    refused("take_upload_url", store.take_upload_url(owner, &target));
    refused("put_upload_url", store.put_upload_url(owner, &target, url));
    refused("drop_upload_urls", store.drop_upload_urls(owner, &target));
}

/// A refresh that began before a login, or before a logout, cannot save any more: it would
/// overwrite somebody's login, or undo the logout.
///
/// Three tickets are tried: one that was drawn when the store was empty, one of an identity that
/// was replaced, and one from before a logout.
fn tickets_end_with_their_identity(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let store = make(Clock::manual());
    let of_nobody = lease(&*store, None);
    let ada = save(&*store, auth("ada", "1"));
    refused(
        "save_auth",
        store.save_auth(auth("ada", "2"), Some(of_nobody)),
    );

    let of_ada = lease(&*store, Some(&ada));
    let bob = save(&*store, auth("bob", "1"));
    refused("save_auth", store.save_auth(auth("ada", "2"), Some(of_ada)));
    assert_eq!(
        current(&*store),
        Some(Arc::clone(&bob)),
        "bob is not overwritten"
    );

    let of_bob = lease(&*store, Some(&bob));
    fine("clear", store.clear());
    refused("save_auth", store.save_auth(auth("bob", "2"), Some(of_bob)));
    assert_eq!(current(&*store), None, "a refresh does not undo clear");
}

/// After `clear` there is no authorization, no bucket and no upload URL, not even after the same
/// identity has logged in again.
///
/// `is_logged_out` must be true until somebody authorizes, and false afterwards, because a program
/// may log in again by itself only when its authorization was lost.
fn clear_forgets_everything(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    fine(
        "save_bucket",
        store.save_bucket(&owner, "photos", &"p".into()),
    );
    put(
        &*store,
        &owner,
        &bucket("p"),
        url("u", &clock, std::time::Duration::ZERO),
    );
    fine("clear", store.clear());
    assert_eq!(current(&*store), None, "clear forgets the authorization");
    let is_logged_out = fine("is_logged_out", store.is_logged_out());
    assert!(is_logged_out, "clear is a logout");
    everything_is_refused(&*store, &owner, &clock);

    save(&*store, auth("ada", "1"));
    let is_logged_out = fine("is_logged_out", store.is_logged_out());
    assert!(!is_logged_out, "who authorizes is logged in");
    assert_eq!(
        fine("buckets", store.buckets(&owner)),
        [],
        "clear forgets the buckets"
    );
    let left = fine(
        "take_upload_url",
        store.take_upload_url(&owner, &bucket("p")),
    );
    assert_eq!(left, None, "clear forgets the upload URLs");
}

/// `Debug` shows neither the key nor a token, because programs log it.
fn debug_shows_no_secret(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    put(
        &*store,
        &owner,
        &bucket("p"),
        url("u", &clock, std::time::Duration::ZERO),
    );
    let shown = format!("{store:?} {store:#?}");
    for secret in [APPLICATION_KEY, "account-token-1", "upload-token-u"] {
        assert!(!shown.contains(secret), "Debug shows {secret}");
    }
}

/// An [`Arc`] around the store is the same store.
///
/// A program that gives one store to several `B2Api`s wraps it so.
fn an_arc_is_a_store(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    fn look(store: impl AccountInfo) -> Option<Arc<AuthSnapshot>> {
        current(&store)
    }
    let store: Arc<dyn AccountInfo> = make(Clock::manual()).into();
    let saved = save(&*store, auth("ada", "1"));
    assert_eq!(
        look(Arc::clone(&store)),
        Some(saved),
        "an Arc shares the store"
    );
}
