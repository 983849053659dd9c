//! Files that are deleted or replaced while a store has them open.

use std::fs;

use super::{Scratch, auth, bucket};
use crate::account_info::{AccountInfo, Refresh};
use crate::error::{Error, StoreError};

fn is_superseded<T>(result: Result<T, StoreError>) -> bool {
    matches!(result.map_err(Error::from), Err(Error::AccountChanged))
}

#[test]
fn nothing_of_a_deleted_file_is_used() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, url) = (ada.identity(), scratch.url("u"));
    store.put_upload_url(owner, &bucket("b"), url).unwrap();
    let lease = std::time::Duration::from_secs(30);
    let Refresh::Lease(ticket) = store.begin_refresh(Some(ada.generation()), lease).unwrap() else {
        panic!("nobody else is refreshing");
    };
    fs::remove_file(scratch.path()).unwrap();

    assert_eq!(store.auth().unwrap(), None);
    assert!(is_superseded(store.buckets(owner)));
    assert!(is_superseded(store.save_bucket(
        owner,
        "photos",
        &"p".into()
    )));
    assert!(is_superseded(store.take_upload_url(owner, &bucket("b"))));
    assert!(is_superseded(
        store.save_auth(auth("ada", "2"), Some(ticket))
    ));
    store.clear().unwrap();
    store.auth().unwrap();
}

#[test]
fn nothing_but_an_authorization_makes_a_deleted_file_anew() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    fs::remove_file(scratch.path()).unwrap();
    assert_eq!(store.auth().unwrap(), None);
    assert!(is_superseded(store.buckets(ada.identity())));
    store.clear().unwrap();
    assert!(!scratch.path().exists());

    let bob = store.save_auth(auth("bob", "1"), None).unwrap();
    assert_eq!(scratch.open().auth().unwrap(), Some(bob));
}

#[test]
fn a_replaced_file_counts_at_once() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let other = Scratch::new();
    let bob = other.open().save_auth(auth("bob", "1"), None).unwrap();
    fs::rename(other.path(), scratch.path()).unwrap();

    assert_eq!(store.auth().unwrap(), Some(bob));
    assert!(is_superseded(store.buckets(ada.identity())));
    let ada = store.save_auth(auth("ada", "2"), None).unwrap();
    assert_eq!(scratch.open().auth().unwrap(), Some(ada));
}

#[test]
fn upload_urls_go_where_the_others_look() {
    let scratch = Scratch::new();
    let (store, ada) = scratch.authorized();
    let (owner, target) = (ada.identity(), bucket("b"));
    store
        .put_upload_url(owner, &target, scratch.url("lost"))
        .unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = scratch.urls_path().into_os_string();
        path.push(suffix);
        fs::remove_file(path).unwrap();
    }
    let second = scratch.open();
    let url = scratch.url("new");
    store.put_upload_url(owner, &target, url.clone()).unwrap();
    assert_eq!(second.take_upload_url(owner, &target).unwrap(), Some(url));
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
}
