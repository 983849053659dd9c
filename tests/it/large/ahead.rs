//! What is requested while a large file is still being hashed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation, Resume, UploadOptions};

use super::Large;
use crate::support::{BUCKET, in_time, noise};

const LISTING: Operation = Operation::ListUnfinishedLargeFiles;

#[test]
fn unfinished_files_are_listed_while_the_file_is_hashed() {
    let large = Arc::new(Large::new());
    let watched = Arc::clone(&large);
    let progress = move |report: &TransferProgress| {
        // Reports are spread by the clock: each makes time for the next.
        watched.clock.advance(Duration::from_secs(1));
        if report.stage == TransferStage::Hashing && report.bytes > 0 {
            while watched.count(LISTING) == 0 {
                thread::yield_now();
            }
        }
    };
    let options = UploadOptions::new().resume(Resume::Matching);
    let options = options.progress(progress);
    let upload = || {
        large
            .bucket
            .upload_bytes_with(&noise(95_000), "x", &options)
    };
    in_time(upload).unwrap();
    assert_eq!(large.content("x"), noise(95_000));
    let log = large.service.log();
    assert_eq!(
        (log.count(LISTING), log.count(Operation::ListParts)),
        (1, 0)
    );
}

#[test]
fn what_is_not_resumed_lists_nothing_and_hashing_that_fails_starts_nothing() {
    let large = Large::new();
    let upload = |resume| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, noise(95_000)).unwrap();
        let (clock, changed) = (large.clock.clone(), path.clone());
        let progress = move |report: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            if report.stage == TransferStage::Hashing && report.bytes > 0 {
                std::fs::write(&changed, noise(10)).unwrap();
            }
        };
        let options = UploadOptions::new().resume(resume).progress(progress);
        large.bucket.upload_local_file_with(&path, "x", &options)
    };
    let error = upload(Resume::Never).unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    assert_eq!(large.service.log().total(), 0);
    let error = upload(Resume::Matching).unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    // The listing may have been on its way.
    assert!(large.service.log().total() <= 1);
    assert_eq!(large.count(Operation::StartLargeFile), 0);
}

/// A file that nobody can hash in the time of a test, of zeros that take no room on the disk.
fn endless(directory: &tempfile::TempDir) -> std::path::PathBuf {
    let path = directory.path().join("endless");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(4_000_000_000_000).unwrap();
    path
}

#[test]
fn a_listing_that_fails_ends_the_hashing() {
    let directory = tempfile::tempdir().unwrap();
    let path = endless(&directory);
    let named = || Resume::From("4_z1".into());
    let upload = |bucket: &b2sdk::Bucket, resume| {
        let options = UploadOptions::new().part_size(500_000_000).resume(resume);
        in_time(|| bucket.upload_local_file_with(&path, "x", &options)).unwrap_err()
    };
    // Of a key that may not list it is known beforehand that it may not.
    let large = Large::new();
    let request = KeyRequest::new(["listBuckets", "writeFiles"]);
    let key = large.service.create_key(request).unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let (id, key) = (key.application_key_id(), key.application_key());
    api.authorize_account(large.service.url(), id, key).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    large.service.log().clear();
    let error = upload(&bucket, named());
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    assert_eq!(large.service.log().total(), 0);
    // The service refuses.
    for resume in [named(), Resume::Matching] {
        large.inject(Fault::on(LISTING).status(403, "transaction_cap_exceeded", ""));
        let error = upload(&large.bucket, resume);
        let code = error.code().map(b2sdk::error::ErrorCode::as_str);
        assert_eq!(code, Some("transaction_cap_exceeded"), "{error:?}");
        assert_eq!(large.service.log().total(), large.count(LISTING));
    }
    // Whoever cancels is answered with that.
    let token = b2sdk::CancelToken::new();
    let (stop, clock) = (token.clone(), large.clock.clone());
    let cancel = move |report: &TransferProgress| {
        clock.advance(Duration::from_secs(1));
        if report.bytes > 0 {
            stop.cancel();
        }
    };
    let options = UploadOptions::new().part_size(500_000_000);
    let options = options
        .resume(Resume::Matching)
        .cancel(&token)
        .progress(cancel);
    large.inject(Fault::on(LISTING).stall());
    let error = in_time(|| large.bucket.upload_local_file_with(&path, "x", &options)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error:?}");
}
