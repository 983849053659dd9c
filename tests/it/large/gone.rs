//! Unfinished large files that somebody completes or cancels between the listing and the upload.

use std::sync::Arc;
use std::time::Duration;

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::Fault;
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation, Resume, UploadOptions};

use super::Large;
use super::resuming::leave_unfinished;
use crate::support::{authorize, in_time, noise};

/// The only unfinished file there is.
fn the_unfinished(large: &Large) -> b2sdk::FileVersion {
    let mut unfinished = large.bucket.list_unfinished_large_files("").unwrap();
    unfinished.next().unwrap().unwrap()
}

#[test]
fn a_file_that_somebody_cancels_while_the_source_is_hashed_is_passed_over() {
    for is_named in [false, true] {
        let large = Large::with_workers(1);
        let data = noise(45_000);
        leave_unfinished(&large, &data, &UploadOptions::new());
        let file_id = the_unfinished(&large).file_id;
        let other = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
        authorize(&other, &large.service);
        large.service.log().clear();
        let (log, clock) = (large.service.log(), large.clock.clone());
        let listed = file_id.clone();
        let cancel = move |progress: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            let is_hashing = progress.stage == TransferStage::Hashing && progress.bytes > 0;
            if !is_hashing || log.count(Operation::CancelLargeFile) > 0 {
                return;
            }
            while log.count(Operation::ListUnfinishedLargeFiles) == 0 {
                std::thread::yield_now();
            }
            other.cancel_large_file(&listed).unwrap();
        };
        let resume = if is_named {
            Resume::From(file_id)
        } else {
            Resume::Matching
        };
        let options = UploadOptions::new().resume(resume).progress(cancel);
        let upload = || large.bucket.upload_bytes_with(&data, "x", &options);
        let outcome = in_time(upload);
        assert_eq!(large.count(Operation::ListParts), 1, "it was listed");
        if is_named {
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, Error::InvalidInput { what: "resume", .. }),
                "{error:?}"
            );
            assert_eq!(large.count(Operation::StartLargeFile), 0);
            continue;
        }
        let uploaded = outcome.unwrap();
        assert_eq!(uploaded.resumed_parts(), 0);
        assert_eq!(uploaded.passed_over().len(), 1, "it is named");
        assert_eq!(large.content("x"), data);
    }
}

#[test]
fn a_stale_list_of_unfinished_files_costs_a_request_and_no_upload() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    leave_unfinished(&large, &data, &UploadOptions::new());
    let stale = the_unfinished(&large);
    // It is completed, and then the version is removed, too.
    let matching = UploadOptions::new().resume(Resume::Matching);
    for has_version in [true, false] {
        if has_version {
            let completed = large.bucket.upload_bytes_with(&data, "x", &matching);
            assert_eq!(completed.unwrap().version().file_id, stale.file_id);
        } else {
            large.api.delete_file_version(&stale.file_id, "x").unwrap();
        }
        large.service.log().clear();
        let among = UploadOptions::new().resume(Resume::Among(Arc::new([stale.clone()])));
        let uploaded = large.bucket.upload_bytes_with(&data, "x", &among).unwrap();
        assert_eq!(
            (uploaded.resumed_parts(), uploaded.passed_over()),
            (0, std::slice::from_ref(&stale.file_id))
        );
        assert_eq!(
            (
                large.count(Operation::ListParts),
                large.count(Operation::StartLargeFile)
            ),
            (1, 1)
        );
        assert_eq!(large.content("x"), data);
    }
}

#[test]
fn parts_that_cannot_be_listed_for_another_reason_fail_the_upload() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    leave_unfinished(&large, &data, &UploadOptions::new());
    for (status, code) in [(400, "too_many_files"), (403, "transaction_cap_exceeded")] {
        large.inject(Fault::on(Operation::ListParts).status(status, code, ""));
        let matching = UploadOptions::new().resume(Resume::Matching);
        let error = large.bucket.upload_bytes_with(&data, "x", &matching);
        assert_eq!(error.unwrap_err().status(), Some(status), "{code}");
        assert_eq!(large.count(Operation::StartLargeFile), 0, "{code}");
    }
}
