//! What is requested while a large file is still being hashed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::{Error, Operation, Resume, UploadOptions};

use super::Large;
use crate::support::{in_time, noise};

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
