//! Application keys, and letting others download.

use std::time::Duration;

use b2sdk::keys::{Capability, CreateKeyOptions};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation};

use crate::support::{BUCKET, World};

/// The body names no bucket, and the prefix holds in every one of them.
#[test]
fn a_prefix_without_buckets_applies_in_all_buckets() {
    let world = World::new();
    let other = "example-mybucket-b2-2";
    let options = CreateKeyOptions::new().name_prefix("mine/");
    let capabilities = [Capability::ListBuckets, Capability::WriteFiles];
    let key = world
        .api
        .create_key_with("writer", capabilities, &options)
        .unwrap();
    assert_eq!(key.details.bucket_ids, None);
    assert_eq!(key.details.name_prefix.as_deref(), Some("mine/"));
    // Also in a bucket that did not exist when the key was made.
    world
        .api
        .create_bucket(other, b2sdk::BucketType::AllPrivate)
        .unwrap();

    let api = B2Api::new(InMemoryAccountInfo::new());
    let (id, secret) = (&key.details.application_key_id, key.application_key);
    api.authorize_account(world.service.url(), id, secret)
        .unwrap();
    for name in [BUCKET, other] {
        let bucket = api.get_bucket_by_name(name).unwrap();
        bucket.upload_bytes(b"x", "mine/x").unwrap();
        let error = bucket.upload_bytes(b"x", "yours/x").unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    }
}

#[test]
fn a_key_that_was_made_may_do_what_it_was_made_for_and_no_more() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "mine/x").unwrap();
    world.bucket.upload_bytes(b"y", "yours/y").unwrap();
    let options = CreateKeyOptions::new()
        .buckets([world.bucket.id()])
        .name_prefix("mine/")
        .valid_for(Duration::from_secs(3600));
    let capabilities = [
        Capability::ListBuckets,
        Capability::ListFiles,
        Capability::ReadFiles,
    ];
    let key = world
        .api
        .create_key_with("reader", capabilities, &options)
        .unwrap();
    assert_eq!(
        (
            key.details.key_name.as_str(),
            key.details.name_prefix.as_deref()
        ),
        ("reader", Some("mine/"))
    );
    assert!(key.details.expiration_timestamp.is_some());

    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_account(
        world.service.url(),
        &key.details.application_key_id,
        key.application_key.clone(),
    )
    .unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    assert_eq!(
        bucket
            .download_file_by_name("mine/x")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        b"x"
    );
    assert!(matches!(
        bucket.download_file_by_name("yours/y").unwrap_err(),
        Error::NotAllowed(_)
    ));
    assert!(matches!(
        bucket.upload_bytes(b"z", "mine/z").unwrap_err(),
        Error::NotAllowed(_)
    ));
    world.service.advance_clock(Duration::from_secs(3601));
    assert!(api.list_buckets().unwrap_err().is_auth());
    assert!(!format!("{key:?}").contains(key.application_key.expose()));
}

#[test]
fn keys_are_listed_found_and_deleted() {
    let world = World::new();
    let made: Vec<_> = (0..5)
        .map(|n| {
            world
                .api
                .create_key(&format!("key-{n}"), [Capability::ListFiles])
                .unwrap()
        })
        .collect();
    let listed: Vec<_> = world
        .api
        .list_keys()
        .unwrap()
        .map(|key| key.unwrap().key_name)
        .collect();
    assert_eq!(listed.len(), 5);
    let id = &made[3].details.application_key_id;
    assert_eq!(world.api.get_key(id).unwrap().unwrap().key_name, "key-3");
    assert_eq!(world.api.delete_key(id).unwrap().key_name, "key-3");
    assert_eq!(world.api.get_key(id).unwrap(), None);
    assert_eq!(world.api.list_keys().unwrap().count(), 4);
    assert_eq!(world.api.delete_key(id).unwrap_err().status(), Some(400));
}

#[test]
fn keys_are_listed_page_by_page_and_an_error_ends_the_list() {
    let world = World::new();
    for n in 0..3 {
        world
            .api
            .create_key(&format!("key-{n}"), [Capability::ListFiles])
            .unwrap();
    }
    world.service.log().clear();
    let mut keys = world.api.list_keys().unwrap();
    assert_eq!(world.total(), 0);
    world.inject(Fault::on(Operation::ListKeys).edit_json(|json| {
        json["nextApplicationKeyId"] = json["keys"][1]["applicationKeyId"].clone();
        json["keys"].as_array_mut().unwrap().truncate(1);
    }));
    assert_eq!(keys.next().unwrap().unwrap().key_name, "key-0");
    world.inject(Fault::on(Operation::ListKeys).status(400, "bad_request", ""));
    assert!(keys.next().unwrap().is_err());
    assert!(keys.next().is_none());
}

#[test]
fn what_no_key_can_be_is_refused_before_it_is_sent() {
    let world = World::new();
    let create = |name: &str, capabilities: &[Capability], options: CreateKeyOptions| {
        world
            .api
            .create_key_with(name, capabilities.to_vec(), &options)
            .unwrap_err()
    };
    let any = [Capability::ListFiles];
    let plain = CreateKeyOptions::new;
    for error in [
        create("", &any, plain()),
        create("under_score", &any, plain()),
        create("key", &[], plain()),
        create("key", &any, plain().buckets([])),
        create("key", &any, plain().valid_for(Duration::ZERO)),
        create(
            "key",
            &[Capability::ListFiles, Capability::WriteKeys],
            plain().buckets([world.bucket.id()]),
        ),
        create(
            "key",
            &any,
            plain().valid_for(Duration::from_secs(1000 * 24 * 3600)),
        ),
    ] {
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn making_a_key_whose_answer_was_lost_is_not_repeated() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::CreateKey)
            .after_effect()
            .drop_connection(),
    );
    let error = world
        .api
        .create_key("key", [Capability::ListFiles])
        .unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(
        (
            world.count(Operation::CreateKey),
            world.api.list_keys().unwrap().count()
        ),
        (1, 1)
    );
}

/// What somebody without any account gets at that URL: status and body.
fn get(url: &str) -> (u16, Vec<u8>) {
    use std::io::{Read, Write};
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    let body = answer
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .unwrap()
        + 4;
    (status, answer.split_off(body))
}

#[test]
fn a_signed_url_lets_others_download_that_file_for_that_time() {
    let world = World::new();
    let name = "shared/å b+c%.txt";
    world.bucket.upload_bytes(b"for you", name).unwrap();
    world
        .bucket
        .upload_bytes(b"not for you", "private.txt")
        .unwrap();
    assert_eq!(get(&world.bucket.get_download_url(name).unwrap()).0, 401);
    let url = world
        .bucket
        .get_signed_download_url(name, Duration::from_secs(60))
        .unwrap();
    assert_eq!(get(&url), (200, b"for you".to_vec()));
    let token = url.split_once('?').unwrap().1;
    let other = world.bucket.get_download_url("private.txt").unwrap();
    assert_eq!(get(&format!("{other}?{token}")).0, 401);
    world.service.advance_clock(Duration::from_secs(61));
    assert_eq!(get(&url).0, 401);
    for time in [Duration::ZERO, Duration::from_secs(8 * 24 * 3600)] {
        let error = world
            .bucket
            .get_download_authorization("", time)
            .unwrap_err();
        assert!(matches!(
            error,
            Error::InvalidInput {
                what: "valid_for",
                ..
            }
        ));
    }
}

#[test]
fn the_url_of_a_version_in_a_public_bucket_is_good_for_anybody() {
    let world = World::new();
    world.bucket.set_type(b2sdk::BucketType::AllPublic).unwrap();
    let version = world
        .bucket
        .upload_bytes(b"open", "x")
        .unwrap()
        .into_version();
    assert_eq!(
        get(&world.api.get_download_url_by_id(&version.file_id).unwrap()),
        (200, b"open".to_vec())
    );
    assert_eq!(
        get(&world.bucket.get_download_url("x").unwrap()),
        (200, b"open".to_vec())
    );
}

#[test]
fn a_key_that_may_not_share_is_told_so() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["listBuckets", "readFiles"]));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let error = bucket
        .get_download_authorization("", Duration::from_secs(60))
        .unwrap_err();
    assert!(error.to_string().contains("shareFiles"), "{error}");
}

#[test]
fn a_key_that_may_not_manage_keys_is_told_so_before_anything_is_sent() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["listBuckets", "readFiles"]));
    let id = world.service.application_key_id().into();
    for (error, needed) in [
        (
            api.create_key("x", [Capability::ListFiles]).unwrap_err(),
            "writeKeys",
        ),
        (
            api.list_keys().unwrap().next().unwrap().unwrap_err(),
            "listKeys",
        ),
        (api.get_key(&id).unwrap_err(), "listKeys"),
        (api.delete_key(&id).unwrap_err(), "deleteKeys"),
    ] {
        let text = error.to_string();
        assert!(text.contains(&format!("needs {needed}")), "{text}");
        assert!(text.contains("the key has listBuckets,readFiles"), "{text}");
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn a_restricted_key_opens_its_buckets_without_asking_and_no_others() {
    let world = World::new();
    for other in ["example-other-b2-1", "example-third-b2-1"] {
        world
            .api
            .create_bucket(other, b2sdk::BucketType::AllPrivate)
            .unwrap();
    }
    // It may not list buckets: asking would be refused.
    let key = KeyRequest::new(["writeFiles", "readFiles"])
        .bucket(BUCKET)
        .bucket("example-other-b2-1");
    let api = world.restricted(key);
    for name in [BUCKET, "example-other-b2-1"] {
        let bucket = api.get_bucket_by_name(name).unwrap();
        let same = api.get_bucket_by_id(bucket.id()).unwrap();
        assert_eq!(same.name(), name);
    }
    let error = api.get_bucket_by_name("example-third-b2-1").unwrap_err();
    assert!(error.to_string().contains(BUCKET), "{error}");
    assert_eq!(world.total(), 0);
    let bucket = api.get_bucket_by_id(world.bucket.id()).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(world.total(), 2, "an upload URL and the upload");
}
