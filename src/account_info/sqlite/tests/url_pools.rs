//! URLs in constant use stay in memory, and come back to the file.

use std::time::Duration;

use super::{Scratch, auth, bucket};
use crate::account_info::sqlite::SqliteAccountInfo;
use crate::account_info::{AccountInfo, UploadTarget, UploadUrl};
use crate::model::auth::Identity;

const MANY: usize = 100;

/// Has a URL of the store go round so often that it stays in memory.
fn heat(store: &SqliteAccountInfo, owner: &Identity, target: &UploadTarget, url: &UploadUrl) {
    store.put_upload_url(owner, target, url.clone()).unwrap();
    for _ in 0..MANY {
        let taken = store.take_upload_url(owner, target).unwrap();
        assert_eq!(taken.as_ref(), Some(url));
        store.put_upload_url(owner, target, url.clone()).unwrap();
    }
}

#[test]
fn a_url_in_constant_use_is_nobody_elses_until_the_store_is_closed() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, other, target) = (ada.identity(), scratch.open(), bucket("b"));
    let url = scratch.url("u");
    heat(&store, owner, &target, &url);
    assert_eq!(other.take_upload_url(owner, &target).unwrap(), None);
    drop(store);
    assert_eq!(other.take_upload_url(owner, &target).unwrap(), Some(url));
    assert_eq!(other.take_upload_url(owner, &target).unwrap(), None);
}

#[test]
fn after_a_pause_a_url_goes_back_to_the_file() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, other, target) = (ada.identity(), scratch.open(), bucket("b"));
    let url = scratch.url("u");
    heat(&store, owner, &target, &url);
    store.take_upload_url(owner, &target).unwrap();
    scratch.clock.advance(Duration::from_secs(2));
    store.put_upload_url(owner, &target, url.clone()).unwrap();
    assert_eq!(other.take_upload_url(owner, &target).unwrap(), Some(url));
}

#[test]
fn what_stayed_in_memory_ends_with_the_account_and_with_its_time() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    let hot = |name: &str| heat(&store, owner, &target, &scratch.url(name));
    let taken = || store.take_upload_url(owner, &target).unwrap();

    hot("outlived");
    scratch.clock.advance(UploadUrl::LIFETIME);
    assert_eq!(taken(), None);

    hot("dropped");
    store.drop_upload_urls(owner, &target).unwrap();
    assert_eq!(taken(), None);

    hot("of somebody else");
    store.save_auth(auth("bob", "1"), None).unwrap();
    store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(taken(), None);

    hot("logged out");
    store.clear().unwrap();
    store.save_auth(auth("ada", "3"), None).unwrap();
    assert_eq!(taken(), None);
}

#[test]
fn a_store_that_is_closed_after_a_logout_leaves_nothing() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, other, target) = (ada.identity(), scratch.open(), bucket("b"));
    heat(&store, owner, &target, &scratch.url("u"));
    other.clear().unwrap();
    drop(store);
    other.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(other.take_upload_url(owner, &target).unwrap(), None);
}
