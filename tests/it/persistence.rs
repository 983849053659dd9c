//! What outlives the process: the token, the upload URLs, the bucket names.

use std::path::Path;

use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, Operation, SqliteAccountInfo};

use crate::support::{BUCKET, authorize};

fn open(path: &Path) -> B2Api {
    B2Api::new(SqliteAccountInfo::open(path).unwrap())
}

#[test]
fn a_second_process_authorizes_and_looks_up_nothing() {
    let service = Simulator::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    let api = open(&path);
    authorize(&api, &service);
    api.create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap()
        .upload_bytes(b"1", "x")
        .unwrap();
    drop(api);

    service.log().clear();
    let api = open(&path);
    authorize(&api, &service);
    api.get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(b"2", "x")
        .unwrap();
    assert_eq!(
        (
            service.log().count(Operation::UploadFile),
            service.log().total()
        ),
        (1, 1)
    );
    drop(api);

    // A daemon that knows no key: what is stored is enough, even to replace an expired token.
    service.expire_tokens().unwrap();
    service.drop_upload_urls().unwrap();
    service.log().clear();
    open(&path)
        .get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(b"3", "x")
        .unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    assert_eq!(service.log().count(Operation::ListBuckets), 0);
}

#[test]
fn a_hundred_threads_with_an_expired_token_in_the_file_authorize_once() {
    let service = Simulator::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let api = open(&directory.path().join("account_info"));
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    let barrier = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                bucket.get_file_info_by_name("x").unwrap();
            });
        }
    });
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}

#[test]
fn stored_data_of_one_key_is_never_used_with_another() {
    let service = Simulator::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    let api = open(&path);
    authorize(&api, &service);
    api.create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap()
        .upload_bytes(b"1", "x")
        .unwrap();
    let key = service
        .create_key(b2sdk::simulator::KeyRequest::new([
            "listBuckets",
            "writeFiles",
        ]))
        .unwrap();
    service.log().clear();
    let other = open(&path);
    other
        .authorize_account(
            service.url(),
            key.application_key_id(),
            key.application_key(),
        )
        .unwrap();
    other
        .get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(b"2", "x")
        .unwrap();
    for operation in [
        Operation::AuthorizeAccount,
        Operation::ListBuckets,
        Operation::GetUploadUrl,
    ] {
        assert_eq!(service.log().count(operation), 1, "{operation}");
    }
}
