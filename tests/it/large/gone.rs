//! Unfinished large files that somebody completes or cancels between the listing and the upload.

use std::sync::Arc;
use std::time::Duration;

use b2sdk::LargeFileSha1;
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

/// Another client of the account.
fn another_program(large: &Large) -> B2Api {
    let other = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    authorize(&other, &large.service);
    other
}

#[test]
fn a_file_that_somebody_cancels_while_the_source_is_hashed_is_passed_over() {
    for is_named in [false, true] {
        let large = Large::with_workers(1);
        let data = noise(45_000);
        leave_unfinished(&large, &data, &UploadOptions::new());
        let file_id = the_unfinished(&large).file_id;
        let other = another_program(&large);
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

/// Acts once, as another program, between the listing of the parts and the first request for one of them.
fn before_the_first_part(
    large: &Large,
    mut act: impl FnMut() + Send + 'static,
) -> impl Fn(&TransferProgress) + Send + Sync + 'static {
    let log = large.service.log();
    let mut has_acted = false;
    let act = parking_lot::Mutex::new(move || {
        if !std::mem::replace(&mut has_acted, true) {
            act();
        }
    });
    move |progress: &TransferProgress| {
        let is_listed = log.count(Operation::ListParts) == 1;
        if is_listed && progress.stage == TransferStage::Transferring {
            assert_eq!(log.count(Operation::GetUploadPartUrl), 0);
            act.lock()();
        }
    }
}

/// What somebody does to an unfinished file "x" of these bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Deed {
    Cancel,
    /// By another run, with this content.
    Complete,
    /// By another run, and then the version is deleted.
    CompleteAndDelete,
}

#[test]
fn a_file_that_is_gone_before_its_first_part_is_passed_over() {
    let deeds = [Deed::Cancel, Deed::Complete, Deed::CompleteAndDelete];
    for (deed, (workers, is_named)) in deeds
        .into_iter()
        .flat_map(|deed| [(1, false), (4, false), (1, true)].map(|case| (deed, case)))
    {
        let large = Large::with_workers(workers);
        let data = noise(45_000);
        leave_unfinished(&large, &data, &UploadOptions::new());
        let file_id = the_unfinished(&large).file_id;
        let other = another_program(&large);
        let other_bucket = other.get_bucket_by_name(large.bucket.name()).unwrap();
        let stale = the_unfinished(&large);
        let (theirs, id) = (data.clone(), file_id.clone());
        large.service.log().clear();
        let act = before_the_first_part(&large, move || match deed {
            Deed::Cancel => other.cancel_large_file(&id).unwrap(),
            Deed::Complete | Deed::CompleteAndDelete => {
                let matching =
                    UploadOptions::new().resume(Resume::Among(Arc::new([stale.clone()])));
                let upload = other_bucket.upload_bytes_with(&theirs, "x", &matching);
                assert_eq!(upload.unwrap().version().file_id, id);
                if deed == Deed::CompleteAndDelete {
                    other.delete_file_version(&id, "x").unwrap();
                }
            }
        });
        let resume = match is_named {
            true => Resume::From(file_id.clone()),
            false => Resume::Matching,
        };
        let options = UploadOptions::new().resume(resume).progress(act);
        let outcome = in_time(|| large.bucket.upload_bytes_with(&data, "x", &options));
        let started = large.count(Operation::StartLargeFile);
        let versions = large.bucket.list_file_versions("x").unwrap().count();
        match (deed, is_named) {
            // The content is there, so nothing has to be sent.
            (Deed::Complete, _) => {
                assert_eq!(outcome.unwrap().version().file_id, file_id);
                assert_eq!((started, versions), (0, 1));
            }
            (_, true) => {
                let error = outcome.unwrap_err();
                assert!(
                    matches!(error, Error::InvalidInput { what: "resume", .. }),
                    "{deed:?}: {error:?}"
                );
                assert_eq!((started, versions), (0, 0));
            }
            (_, false) => {
                let uploaded = outcome.unwrap();
                assert_eq!(
                    (uploaded.resumed_parts(), uploaded.passed_over()),
                    (0, std::slice::from_ref(&file_id)),
                    "{deed:?}"
                );
                assert_eq!((started, versions), (1, 1));
                assert_eq!(large.content("x"), data);
            }
        }
        let mut left = large.bucket.list_unfinished_large_files("").unwrap();
        assert!(left.next().is_none(), "{deed:?}");
    }
}

/// All parts are there, so that finishing is the first request that does not find it.
#[test]
fn a_file_with_all_parts_that_is_gone_before_it_is_finished_is_passed_over() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let refused = Fault::on(Operation::FinishLargeFile).status(403, "storage_cap_exceeded", "");
    large.inject(refused);
    let matching = UploadOptions::new().resume(Resume::Matching);
    let failed = large.bucket.upload_bytes_with(&data, "x", &matching);
    failed.unwrap_err();
    let file_id = the_unfinished(&large).file_id;
    let other = another_program(&large);
    large.service.log().clear();
    let id = file_id.clone();
    let act = before_the_first_part(&large, move || other.cancel_large_file(&id).unwrap());
    let largest = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = Arc::clone(&largest);
    let options = matching.progress(move |progress: &TransferProgress| {
        act(progress);
        if progress.stage != TransferStage::Hashing {
            seen.fetch_max(progress.bytes, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let uploaded = large
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    assert_eq!(
        (uploaded.resumed_parts(), uploaded.passed_over()),
        (0, &[file_id][..])
    );
    assert_eq!(large.content("x"), data);
    // What had arrived in the other file is counted once.
    assert_eq!(largest.load(std::sync::atomic::Ordering::Relaxed), 45_000);
}

/// Who cancels a file of which this run has made a part wants no upload.
#[test]
fn a_resumed_file_that_somebody_cancels_after_a_part_of_this_run_fails() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    leave_unfinished(&large, &data, &UploadOptions::new());
    let file_id = the_unfinished(&large).file_id;
    let other = another_program(&large);
    let (log, clock) = (large.service.log(), large.clock.clone());
    let cancel = move |progress: &TransferProgress| {
        clock.advance(Duration::from_secs(1));
        let has_sent = progress.stage == TransferStage::Transferring && progress.parts >= 3;
        if has_sent && log.count(Operation::CancelLargeFile) == 0 {
            other.cancel_large_file(&file_id).unwrap();
        }
    };
    let options = UploadOptions::new()
        .resume(Resume::Matching)
        .progress(cancel);
    let error = large.bucket.upload_bytes_with(&data, "x", &options);
    assert_eq!(error.unwrap_err().status(), Some(400));
    assert_eq!(large.count(Operation::StartLargeFile), 0);
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

#[test]
fn a_file_that_was_completed_with_content_that_nobody_can_compare_is_not_uploaded_again() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let options = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
    leave_unfinished(&large, &data, &options);
    let stale = the_unfinished(&large);
    let other = another_program(&large);
    let other_bucket = other.get_bucket_by_name(large.bucket.name()).unwrap();
    let (theirs, matching) = (data.clone(), options.clone());
    large.service.log().clear();
    let act = before_the_first_part(&large, move || {
        let matching = matching
            .clone()
            .resume(Resume::Among(Arc::new([stale.clone()])));
        other_bucket
            .upload_bytes_with(&theirs, "x", &matching)
            .unwrap();
    });
    let options = options.resume(Resume::Matching).progress(act);
    let error = in_time(|| large.bucket.upload_bytes_with(&data, "x", &options)).unwrap_err();
    assert!(matches!(error, Error::LargeFileLeft { .. }), "{error:?}");
    assert_eq!(large.count(Operation::StartLargeFile), 0);
    assert_eq!(large.bucket.list_file_versions("x").unwrap().count(), 1);
}
