//! Checks the map of bucket names and ids.
//!
//! | check | what it does to the store | a store that fails it |
//! | --- | --- | --- |
//! | `names_and_ids_find_each_other` | saves three buckets and looks each up both ways | asks the service for each name again |
//! | `a_bucket_has_one_name_and_a_name_one_bucket` | renames a bucket, and uses a name again | uploads into a bucket that was deleted |
//! | `replacing_leaves_nothing_else` | replaces the whole map, also by nothing | keeps buckets that do not exist any more |
//! | `replacing_counts_the_last_of_a_name_or_an_id` | replaces the map by a list that has names and ids twice | gives one bucket two names, or fails |
//! | `removing_drops_the_upload_urls` | removes one of two buckets | uploads to URLs of a bucket that is gone |
//! | `a_new_token_keeps_the_map` | saves another token, then another identity | forgets the map once a day, or mixes two accounts |
//! | `allowed_buckets_are_added` | saves a key that is restricted to buckets | asks for names that the authorization has brought |
//!
//! The map spares one `b2_list_buckets` (class C) for each bucket and process. It is only a memory:
//! a bucket that it does not have is asked from the service, and an id that is out of date is
//! refused there.

use super::fixture::{
    auth, auth_for_buckets, authorized, bucket, fine, names, pairs, put, save, take, url,
};
use crate::account_info::AccountInfo;
use crate::control::clock::Clock;
use crate::model::auth::Identity;

/// Checks the bucket names: names and ids find each other, a bucket has one name, and a name one
/// bucket. The map survives a new token of the same identity, and is removed with any other
/// identity.
///
/// # Panics
/// If the store breaks the contract.
///
/// Every check creates a store of its own with `make`. Nothing is sent to the service.
pub fn check_buckets(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    names_and_ids_find_each_other(make);
    a_bucket_has_one_name_and_a_name_one_bucket(make);
    replacing_leaves_nothing_else(make);
    replacing_counts_the_last_of_a_name_or_an_id(make);
    removing_drops_the_upload_urls(make);
    a_new_token_keeps_the_map(make);
    allowed_buckets_are_added(make);
}

/// Saves a bucket, which must succeed.
///
/// The panic names the method if it does not.
fn save_named(store: &dyn AccountInfo, owner: &Identity, name: &str, id: &str) {
    fine("save_bucket", store.save_bucket(owner, name, &id.into()));
}

/// A saved bucket is found by its name and by its id, and names differ in case.
///
/// One name has an apostrophe, and one a capital letter, so that the order of names is by bytes.
fn names_and_ids_find_each_other(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    assert_eq!(fine("bucket_id", store.bucket_id(&owner, "photos")), None);
    assert_eq!(
        fine("bucket_name", store.bucket_name(&owner, &"p".into())),
        None
    );
    for (name, id) in [("photos", "p"), ("it's", "i"), ("Zoo", "z")] {
        save_named(&*store, &owner, name, id);
        assert_eq!(
            fine("bucket_id", store.bucket_id(&owner, name)),
            Some(id.into())
        );
        let found = fine("bucket_name", store.bucket_name(&owner, &id.into()));
        assert_eq!(found.as_deref(), Some(name));
    }
    let known = pairs(&[("Zoo", "z"), ("it's", "i"), ("photos", "p")]);
    assert_eq!(names(&*store, &owner), known, "in the order of names");
    assert_eq!(
        fine("bucket_id", store.bucket_id(&owner, "PHOTOS")),
        None,
        "case counts"
    );
}

/// An older entry with the name or the id is replaced. A leftover would send uploads to a bucket
/// that was deleted and created again under its name.
///
/// The last case has both at once: two entries are there, and the new one shares its name with the
/// first and its id with the second.
fn a_bucket_has_one_name_and_a_name_one_bucket(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    save_named(&*store, &owner, "photos", "1");
    save_named(&*store, &owner, "pictures", "1");
    assert_eq!(
        names(&*store, &owner),
        pairs(&[("pictures", "1")]),
        "a bucket was renamed"
    );
    save_named(&*store, &owner, "pictures", "2");
    assert_eq!(
        names(&*store, &owner),
        pairs(&[("pictures", "2")]),
        "a name was used again"
    );
    assert_eq!(
        fine("bucket_name", store.bucket_name(&owner, &"1".into())),
        None
    );
    save_named(&*store, &owner, "photos", "1");
    save_named(&*store, &owner, "photos", "2");
    assert_eq!(
        names(&*store, &owner),
        pairs(&[("photos", "2")]),
        "both at once"
    );
}

/// `replace_buckets` leaves exactly what it was given, also nothing at all.
///
/// The list is given out of order and comes back in the order of names.
///
/// A caller replaces the map after it has listed all buckets of the account.
fn replacing_leaves_nothing_else(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    save_named(&*store, &owner, "gone", "g");
    let listed = [("b".to_owned(), "2".into()), ("a".to_owned(), "1".into())];
    fine("replace_buckets", store.replace_buckets(&owner, &listed));
    assert_eq!(names(&*store, &owner), pairs(&[("a", "1"), ("b", "2")]));
    fine("replace_buckets", store.replace_buckets(&owner, &[]));
    assert_eq!(names(&*store, &owner), []);
}

/// A list in which a name or an id occurs twice leaves what saving its buckets one after the other
/// leaves: of those with a name or an id in common the last one.
///
/// The service lists each bucket once. A bucket that is renamed, or deleted and created again,
/// while a caller collects several answers may be in its list twice.
///
/// In the last case the entry in the middle takes the name from the first and loses its own id to
/// the third, so only the third is left.
fn replacing_counts_the_last_of_a_name_or_an_id(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    for (listed, left) in [
        (&[("a", "1"), ("b", "1")][..], &[("b", "1")][..]),
        (&[("b", "1"), ("a", "1")], &[("a", "1")]),
        (&[("a", "1"), ("a", "2")], &[("a", "2")]),
        (&[("a", "1"), ("b", "2"), ("a", "2")], &[("a", "2")]),
        (&[("a", "1"), ("a", "2"), ("b", "2")], &[("b", "2")]),
    ] {
        let listed: Vec<_> = listed
            .iter()
            .map(|(name, id)| ((*name).to_owned(), (*id).into()))
            .collect();
        fine("replace_buckets", store.replace_buckets(&owner, &listed));
        assert_eq!(
            names(&*store, &owner),
            pairs(left),
            "of {listed:?} the last one of a name or an id counts"
        );
    }
}

/// Removing a bucket removes its upload URLs and no others. An unknown bucket is no error.
///
/// They would lead to a bucket that is gone.
fn removing_drops_the_upload_urls(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    for id in ["1", "2"] {
        save_named(&*store, &owner, &format!("bucket-{id}"), id);
        put(
            &*store,
            &owner,
            &bucket(id),
            url(id, &clock, std::time::Duration::ZERO),
        );
    }
    fine("remove_bucket", store.remove_bucket(&owner, &"1".into()));
    fine(
        "remove_bucket",
        store.remove_bucket(&owner, &"unknown".into()),
    );
    assert_eq!(names(&*store, &owner), pairs(&[("bucket-2", "2")]));
    assert_eq!(
        take(&*store, &owner, &bucket("1")),
        None,
        "its upload URLs went with it"
    );
    assert!(take(&*store, &owner, &bucket("2")).is_some(), "others stay");
}

/// The map survives a new token, and ends with the identity. It does not come back when that
/// identity logs in again, because buckets may have changed in between.
///
/// A token is replaced about once a day; losing the map with it would cost a request for each
/// bucket.
///
/// Another identity in between ends the map.
fn a_new_token_keeps_the_map(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    save_named(&*store, &owner, "photos", "p");
    save(&*store, auth("ada", "2"));
    assert_eq!(names(&*store, &owner), pairs(&[("photos", "p")]));

    let bob = save(&*store, auth("bob", "1"));
    assert_eq!(names(&*store, bob.identity()), []);
    save(&*store, auth("ada", "3"));
    assert_eq!(
        names(&*store, &owner),
        [],
        "what was dropped does not come back"
    );
}

/// The buckets that a key is restricted to come with its authorization, and are stored as
/// `save_bucket` does. Those without a name, which the service no longer finds, are passed over.
///
/// In the example one bucket has got a new name, and one name belongs to a new bucket: neither old
/// entry may stay.
fn allowed_buckets_are_added(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    save_named(&*store, &owner, "photos", "p");
    save_named(&*store, &owner, "old-name", "m");
    let allowed = [("m", Some("music")), ("d", None), ("p2", Some("photos"))];
    let saved = save(&*store, auth_for_buckets("ada", &allowed));
    assert_eq!(saved.identity(), &owner);
    let known = pairs(&[("music", "m"), ("photos", "p2")]);
    assert_eq!(
        names(&*store, &owner),
        known,
        "they are added as save_bucket does"
    );

    let bob = save(&*store, auth_for_buckets("bob", &allowed[..1]));
    assert_eq!(names(&*store, bob.identity()), pairs(&[("music", "m")]));
}
