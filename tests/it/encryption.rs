//! Encryption at rest: by the service, by a key of the customer, and what a bucket does by default.

use std::io::Read;

use b2sdk::encryption::{Encryption, EncryptionMode, SseCustomerKey};
use b2sdk::error::KeyProblem;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    BucketType, CreateBucketOptions, DownloadOptions, Error, FileInfo, Operation, Resume,
    UpdateBucketOptions, UploadOptions,
};

use crate::support::settings::{assert_problem, key, mode};
use crate::support::{World, noise};

fn with_key(key: &SseCustomerKey) -> DownloadOptions {
    DownloadOptions::new().encryption_key(key)
}

#[test]
fn a_file_under_a_customers_key_is_read_with_that_key_only() {
    let world = World::new();
    let options = UploadOptions::new().encryption(key(1).with_id("first"));
    let uploaded = world.bucket.upload_bytes_with(b"secret", "x", &options);
    let version = uploaded.unwrap().into_version();
    assert_eq!(mode(&version), Some(EncryptionMode::SseC));
    assert_eq!(version.sse_c_key_id(), Some("first"));
    let download =
        |options: &DownloadOptions| world.bucket.download_file_by_name_with("x", options);
    let found = download(&with_key(&key(1))).unwrap();
    assert_eq!(mode(found.version()), Some(EncryptionMode::SseC));
    assert_eq!(found.read_to_vec().unwrap(), b"secret");
    assert_problem(download(&DownloadOptions::new()), KeyProblem::Missing);
    assert_problem(download(&with_key(&key(2))), KeyProblem::Wrong);
    let id = &version.file_id;
    let by_id = world
        .api
        .download_file_by_id_with(id.clone(), &with_key(&key(1)));
    assert_eq!(by_id.unwrap().read_to_vec().unwrap(), b"secret");
    let described = world.api.get_file_info(id.clone()).unwrap();
    assert_eq!(described.sse_c_key_id(), Some("first"));
}

#[test]
fn the_headers_of_a_file_under_a_customers_key_take_it_too() {
    let world = World::new();
    let options = UploadOptions::new().encryption(key(1));
    world
        .bucket
        .upload_bytes_with(b"secret", "x", &options)
        .unwrap();
    world.service.log().clear();
    let described = world
        .bucket
        .get_file_info_by_name_with("x", &key(1))
        .unwrap();
    let encryption = described.server_side_encryption.readable().unwrap();
    assert_eq!(encryption.customer_key_md5.as_deref(), Some(key(1).md5()));
    assert_eq!(world.total(), 1);
    assert_problem(world.bucket.get_file_info_by_name("x"), KeyProblem::Missing);
    let wrong = world.bucket.get_file_info_by_name_with("x", &key(2));
    assert_problem(wrong, KeyProblem::Wrong);
}

#[test]
fn every_part_and_every_range_carries_the_key() {
    let world = World::of_small_parts(1000, 1000);
    let data = noise(4500);
    let options = UploadOptions::new().encryption(key(1)).part_size(1000);
    let uploaded = world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    assert_eq!(uploaded.parts(), 5);
    assert_eq!(mode(uploaded.version()), Some(EncryptionMode::SseC));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let options = with_key(&key(1)).part_size(1000);
    let download = world
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap();
    download.save_to(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), data);
    assert!(world.count(Operation::DownloadFileById) >= 4, "in ranges");
    let streamed = UploadOptions::new().encryption(key(1)).part_size(1000);
    let uploaded = world
        .bucket
        .upload_stream_with(data.as_slice(), "y", &streamed);
    assert_eq!(uploaded.unwrap().parts(), 5);
}

#[test]
fn a_download_that_broke_off_goes_on_with_the_key() {
    let world = World::new();
    let data = noise(300_000);
    let options = UploadOptions::new().encryption(key(1));
    world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).reset_answer(100_000));
    let download = world
        .bucket
        .download_file_by_name_with("x", &with_key(&key(1)));
    let mut read = Vec::new();
    download
        .unwrap()
        .into_reader()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == data);
    assert_eq!(world.count(Operation::DownloadFileById), 1);
}

#[test]
fn a_lost_answer_to_an_encrypted_upload_leaves_one_version() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .drop_connection()
            .after_effect(),
    );
    let options = UploadOptions::new().encryption(key(1));
    world
        .bucket
        .upload_bytes_with(b"once", "x", &options)
        .unwrap();
    assert_eq!(world.count(Operation::UploadFile), 1);
    assert_eq!(world.versions("x").len(), 1);
}

/// Leaves an unfinished file of five parts behind.
fn leave_unfinished(world: &World, data: &[u8], options: &UploadOptions) {
    world.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", "not today"));
    let outcome = world.bucket.upload_bytes_with(data, "x", options);
    assert!(outcome.is_err());
    world.service.log().clear();
}

#[test]
fn an_upload_is_resumed_under_the_same_key_only() {
    let options = || {
        UploadOptions::new()
            .part_size(1000)
            .resume(Resume::Matching)
    };
    let data = noise(4500);
    for (first, second, resumed) in [
        (Some(key(1)), Some(key(1)), 5),
        (Some(key(1)), Some(key(2)), 0),
        (Some(key(1)), None, 0),
        (None, Some(key(1)), 0),
        (None, None, 5),
    ] {
        let of = |key: &Option<SseCustomerKey>| match key {
            Some(key) => options().encryption(key.clone()),
            None => options(),
        };
        let world = World::of_small_parts(1000, 1000);
        leave_unfinished(&world, &data, &of(&first));
        let uploaded = world
            .bucket
            .upload_bytes_with(&data, "x", &of(&second))
            .unwrap();
        assert_eq!(uploaded.resumed_parts(), resumed, "{first:?} {second:?}");
    }
}

#[test]
fn an_upload_of_before_the_default_changed_is_resumed() {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(1000)
        .encrypt_by_default(false)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder);
    let options = UploadOptions::new()
        .part_size(1000)
        .resume(Resume::Matching);
    let data = noise(4500);
    leave_unfinished(&world, &data, &options);
    let update = UpdateBucketOptions::new().default_encryption(Encryption::SseB2);
    world.bucket.update(&update).unwrap();
    let uploaded = world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    assert_eq!(
        (uploaded.resumed_parts(), mode(uploaded.version())),
        (5, None)
    );
}

#[test]
fn a_bucket_encrypts_by_its_default_and_a_file_by_its_own_setting() {
    let service = Simulator::builder()
        .encrypt_by_default(false)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder);
    let plain = world.bucket.upload_bytes(b"x", "plain").unwrap();
    assert_eq!(mode(plain.version()), None);
    let options = UploadOptions::new().encryption(Encryption::SseB2);
    let own = world
        .bucket
        .upload_bytes_with(b"x", "own", &options)
        .unwrap();
    assert_eq!(mode(own.version()), Some(EncryptionMode::SseB2));
    let options = CreateBucketOptions::new().default_encryption(Encryption::SseB2);
    let bucket = world
        .api
        .create_bucket_with("encrypted-bucket", BucketType::AllPrivate, &options)
        .unwrap();
    let by_default = bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(mode(by_default.version()), Some(EncryptionMode::SseB2));
    let update = UpdateBucketOptions::new().default_encryption(Encryption::None);
    let details = bucket.update(&update).unwrap();
    assert_eq!(details.default_server_side_encryption.readable(), None);
    assert!(!details.default_server_side_encryption.is_hidden());
}

#[test]
fn what_the_service_would_refuse_is_not_sent() {
    let world = World::new();
    let refused = |options: &UploadOptions| {
        let outcome = world.bucket.upload_bytes_with(b"x", "x", options);
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{outcome:?}"
        );
    };
    refused(&UploadOptions::new().encryption(Encryption::None));
    let other = FileInfo::new().with("sse_c_key_id", "another");
    refused(
        &UploadOptions::new()
            .encryption(key(1).with_id("k"))
            .file_info(other),
    );
    let long = || UploadOptions::new().file_info(FileInfo::new().with("a", "x".repeat(2100)));
    refused(&long().encryption(Encryption::SseB2));
    let update = UpdateBucketOptions::new().default_encryption(key(1).into());
    let outcome = world.bucket.update(&update);
    assert!(
        matches!(outcome, Err(Error::InvalidInput { .. })),
        "{outcome:?}"
    );
    assert_eq!(world.total(), 0);
    world.bucket.upload_bytes_with(b"x", "x", &long()).unwrap();
}

#[test]
fn a_key_that_may_not_set_or_read_a_default_is_told_so() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["listBuckets", "writeBuckets"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    let details = bucket.details().unwrap();
    assert!(details.default_server_side_encryption.is_hidden());
    assert!(details.file_lock_configuration.is_hidden());
    world.service.log().clear();
    let update = UpdateBucketOptions::new().default_encryption(Encryption::SseB2);
    let error = bucket.update(&update).unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    assert!(
        error.to_string().contains("needs writeBucketEncryption"),
        "{error}"
    );
    assert_eq!(world.total(), 0);
}

#[test]
fn file_info_that_something_in_between_drops_is_an_error_if_it_names_the_key() {
    for (dropped, is_error) in [("sse_c_key_id", true), ("src_last_modified_millis", false)] {
        let world = World::new();
        let drop = move |answer: &mut serde_json::Value| {
            let info = answer["fileInfo"].as_object_mut().unwrap();
            info.remove(dropped).unwrap();
        };
        world.inject(Fault::on(Operation::UploadFile).edit_json(drop));
        let options = UploadOptions::new()
            .encryption(key(1).with_id("first"))
            .src_last_modified(b2sdk::Timestamp::from_millis(1));
        let outcome = world.bucket.upload_bytes_with(b"secret", "x", &options);
        assert_eq!(world.count(Operation::UploadFile), 1, "{dropped}");
        match outcome {
            Ok(_) => assert!(!is_error, "{dropped}"),
            Err(error) => {
                assert!(is_error, "{dropped}");
                let text = std::error::Error::source(&error).unwrap().to_string();
                assert!(text.contains("sse_c_key_id"), "{text}");
            }
        }
    }
}
