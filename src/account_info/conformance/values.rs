//! Checks unusual values: all scripts, and large sizes.
//!
//! | check | what it saves | a store that fails it |
//! | --- | --- | --- |
//! | `every_script_comes_back` | text of many scripts in every field | looks in the wrong bucket, or sends a damaged token |
//! | `large_values_come_back` | texts of 100,000 bytes, sizes beyond 32 bits | cuts values off |
//! | `many_buckets_come_back` | 2,000 buckets at once | loses buckets, or fails for large accounts |
//!
//! The service itself allows less in most places. The checks ask for more, because a store that
//! passes a text on unchanged needs no rule for what is allowed.

use std::time::Duration;

use super::fixture::{auth, authorized, bucket, current, fine, put, save, take, url};
use crate::account_info::{AccountInfo, UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::model::auth::{AccountAuth, AllowedBucket, Capability};
use crate::model::id::BucketId;

/// Letters of several scripts, a character outside the basic plane, two encodings of one letter,
/// and the characters that other formats use for quotes, comments and line ends.
const UNUSUAL: &str = "Grüße 桜 مرحبا 🗝️ e\u{301}é \'\"`\\;--/*%_\t\r\n{}[]$1?";

/// Checks that values come back unchanged to the byte, in any script and of any length.
///
/// # Panics
/// If the store breaks the contract.
///
/// Every check creates a store of its own with `make`.
pub fn check_values(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    every_script_comes_back(make);
    large_values_come_back(make);
    many_buckets_come_back(make);
}

/// Text comes back to the byte: no normalizing, no escaping that shows, no limit at a line's end.
/// Two names that look alike are two buckets.
///
/// The empty name is one of them. Looking a bucket up works by its name and by its id, and upload
/// URLs are found by targets with such ids.
fn every_script_comes_back(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, _, clock) = authorized(make);
    // Two names that only the bytes tell apart.
    let names = [UNUSUAL, "e\u{301}", "\u{e9}", ""];
    let saved = save(&*store, everywhere(UNUSUAL));
    let owner = saved.identity();
    assert_eq!(current(&*store).as_ref(), Some(&saved));
    for (number, name) in names.iter().enumerate() {
        let id = BucketId::from(format!("{number} {name}"));
        fine("save_bucket", store.save_bucket(owner, name, &id));
    }
    for (number, name) in names.iter().enumerate() {
        let id = BucketId::from(format!("{number} {name}"));
        assert_eq!(
            fine("bucket_id", store.bucket_id(owner, name)).as_ref(),
            Some(&id)
        );
        let found = fine("bucket_name", store.bucket_name(owner, &id));
        assert_eq!(found.as_deref(), Some(*name));
    }
    for target in [bucket(UNUSUAL), UploadTarget::LargeFile(UNUSUAL.into())] {
        let url = UploadUrl {
            token: UNUSUAL.into(),
            ..url(UNUSUAL, &clock, Duration::ZERO)
        };
        put(&*store, owner, &target, url.clone());
        assert_eq!(take(&*store, owner, &target), Some(url));
    }
}

/// An authorization that has this text in every field that is a text.
///
/// The capability is one that this crate does not know, and the only bucket has no name.
fn everywhere(text: &str) -> AccountAuth {
    let mut auth = auth(text, text);
    auth.application_key = text.into();
    auth.realm = text.to_owned();
    auth.api_url = text.to_owned();
    auth.download_url = text.to_owned();
    auth.s3_api_url = text.to_owned();
    auth.allowed.name_prefix = Some(text.to_owned());
    auth.allowed.capabilities = vec![Capability::Other(text.into())];
    auth.allowed.buckets = Some(vec![AllowedBucket {
        id: text.into(),
        name: None,
    }]);
    auth
}

/// Texts of 100,000 bytes and sizes beyond 32 bits come back. A store with columns of fixed width
/// fails here.
fn large_values_come_back(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, _, clock) = authorized(make);
    let long = "x".repeat(100_000);
    let mut auth = everywhere(&long);
    auth.recommended_part_size = u64::from(u32::MAX) * 1000;
    let saved = save(&*store, auth);
    assert_eq!(current(&*store).as_ref(), Some(&saved));
    let url = url(&long, &clock, Duration::ZERO);
    put(&*store, saved.identity(), &bucket(&long), url.clone());
    assert_eq!(take(&*store, saved.identity(), &bucket(&long)), Some(url));
}

/// More buckets than an account has at first (100) or with a raised limit.
///
/// The order is that of names, which is how they were given.
fn many_buckets_come_back(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, _) = authorized(make);
    let all: Vec<(String, BucketId)> = (1000..3000)
        .map(|number| (format!("bucket-{number}"), format!("id-{number}").into()))
        .collect();
    fine("replace_buckets", store.replace_buckets(&owner, &all));
    assert_eq!(fine("buckets", store.buckets(&owner)), all);
}
