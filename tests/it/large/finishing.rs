//! Finishing a large file, and what is left when nobody knows whether it is finished.

use b2sdk::error::WhyLeft;
use b2sdk::simulator::Fault;
use b2sdk::{B2Api, CancelToken, Error, InMemoryAccountInfo, Operation, Resume, UploadOptions};

use super::Large;
use crate::support::{BUCKET, noise};

#[test]
fn finishing_whose_answer_was_lost_is_looked_up() {
    let large = Large::new();
    large.inject(
        Fault::on(Operation::FinishLargeFile)
            .after_effect()
            .drop_connection(),
    );
    let version = large
        .bucket
        .upload_bytes(&noise(35_000), "x")
        .unwrap()
        .into_version();
    assert_eq!(
        large
            .bucket
            .list_file_versions("x")
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .len(),
        1
    );
    assert_eq!(
        (
            large.count(Operation::FinishLargeFile),
            version.content_length
        ),
        (1, 35_000)
    );
    large.inject(Fault::on(Operation::FinishLargeFile).drop_connection());
    large.bucket.upload_bytes(&noise(35_000), "y").unwrap();
    assert_eq!(large.content("y"), noise(35_000));
}

#[test]
fn finishing_that_is_refused_after_it_took_effect_is_a_success() {
    for (status, code) in [
        (500, "internal_error"),
        (503, "service_unavailable"),
        (408, "request_timeout"),
        (504, ""),
    ] {
        let large = Large::with_workers(1);
        large.inject(
            Fault::on(Operation::FinishLargeFile)
                .after_effect()
                .status(status, code, ""),
        );
        let version = large
            .bucket
            .upload_bytes(&noise(35_000), "x")
            .unwrap()
            .into_version();
        assert_eq!(
            (
                version.content_length,
                large.count(Operation::CancelLargeFile)
            ),
            (35_000, 0),
            "{status}"
        );
    }
}

#[test]
fn a_file_whose_finishing_may_be_under_way_is_not_cancelled() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).body(504, "text/html", "<html>"));
    large.inject(Fault::on(Operation::FinishLargeFile).status(409, "conflict", ""));
    let error = large.bucket.upload_bytes(&noise(35_000), "x").unwrap_err();
    assert_eq!(
        (error.status(), large.count(Operation::CancelLargeFile)),
        (Some(504), 0)
    );
}

#[test]
fn a_call_that_is_cancelled_while_the_file_is_finished_tells_what_became_of_it() {
    for resume in [Resume::Never, Resume::Matching] {
        let large = Large::with_workers(1);
        large.inject(Fault::on(Operation::FinishLargeFile).after_effect().stall());
        let outcome = cancelled_while_finishing(&large, &resume);
        assert_eq!(outcome.unwrap().version().content_length, 45_000);
        assert_eq!(large.content("x"), noise(45_000));
        assert_eq!(large.bucket.list_file_versions("x").unwrap().count(), 1);
    }
}

#[test]
fn a_call_that_is_cancelled_while_the_file_is_finished_says_if_it_cannot_be_known() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).after_effect().stall());
    for operation in [Operation::GetFileInfo, Operation::CancelLargeFile] {
        large.inject(Fault::on(operation).status(400, "bad_request", "").always());
    }
    let error = cancelled_while_finishing(&large, &Resume::Matching).unwrap_err();
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, WhyLeft::MayBeFinished);
    assert!(matches!(left.failure, Error::Cancelled), "{error:?}");
}

#[test]
fn a_file_that_is_finished_although_cancelling_it_fails_is_a_success() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).after_effect().stall());
    large.inject(
        Fault::on(Operation::CancelLargeFile)
            .status(403, "access_denied", "")
            .always(),
    );
    let outcome = cancelled_while_finishing(&large, &Resume::Never);
    assert_eq!(outcome.unwrap().version().content_length, 45_000);
    assert_eq!(large.content("x"), noise(45_000));
}

#[test]
fn a_file_that_is_neither_finished_nor_cancelled_is_named() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).stall());
    large.inject(
        Fault::on(Operation::CancelLargeFile)
            .status(403, "access_denied", "")
            .always(),
    );
    let error = cancelled_before_finishing(&large, |_| ()).unwrap_err();
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, WhyLeft::MayBeFinished);
    assert!(matches!(left.failure, Error::Cancelled), "{error:?}");
    let mut unfinished = large.bucket.list_unfinished_large_files("x").unwrap();
    assert_eq!(unfinished.next().unwrap().unwrap().file_id, left.file_id);
}

#[test]
fn a_cancelled_call_that_names_no_file_has_left_none() {
    let cancel = Fault::on(Operation::CancelLargeFile);
    for fault in [None, Some(cancel.after_effect().drop_connection())] {
        for somebody_cancels in [false, true] {
            let large = Large::with_workers(1);
            large.inject(Fault::on(Operation::FinishLargeFile).stall());
            let error = cancelled_before_finishing(&large, |large| {
                if somebody_cancels {
                    for file in large.bucket.list_unfinished_large_files("").unwrap() {
                        large.api.cancel_large_file(&file.unwrap().file_id).unwrap();
                    }
                }
                if let Some(fault) = fault.clone() {
                    large.inject(fault);
                }
            })
            .unwrap_err();
            assert!(matches!(error, Error::Cancelled), "{error:?}");
            assert!(large.is_clean());
            assert_eq!(large.bucket.list_file_versions("x").unwrap().count(), 0);
        }
    }
}

#[test]
fn only_the_code_for_it_says_that_an_unfinished_file_is_gone() {
    for (resume, operation, why) in [
        (
            Resume::Never,
            Operation::CancelLargeFile,
            WhyLeft::NotCancelled,
        ),
        (Resume::Matching, Operation::ListParts, WhyLeft::ForResuming),
    ] {
        let large = Large::with_workers(1);
        large.inject(
            Fault::on(Operation::UploadPart)
                .after(2)
                .status(403, "storage_cap_exceeded", "")
                .always(),
        );
        large.inject(
            Fault::on(operation)
                .status(400, "too_many_files", "")
                .always(),
        );
        let options = UploadOptions::new().resume(resume);
        let data = noise(45_000);
        let error = large.bucket.upload_bytes_with(&data, "x", &options);
        let error = error.unwrap_err();
        let Error::LargeFileLeft(left) = &error else {
            panic!("{operation:?}: {error:?}")
        };
        assert_eq!(left.why, why);
    }
}

/// Uploads 45,000 bytes, and cancels while the service does not answer to finishing the file, after
/// `act`.
fn cancelled_before_finishing(
    large: &Large,
    act: impl FnOnce(&Large),
) -> b2sdk::Result<b2sdk::Uploaded> {
    let token = CancelToken::new();
    let options = UploadOptions::new().cancel(&token);
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let data = noise(45_000);
            large.bucket.upload_bytes_with(&data, "x", &options)
        });
        while large.api.request_counts().of(Operation::FinishLargeFile) == 0 {
            std::thread::yield_now();
        }
        act(large);
        token.cancel();
        upload.join().unwrap()
    })
}

/// Uploads 45,000 bytes and cancels when the service has made the file and does not answer.
fn cancelled_while_finishing(large: &Large, resume: &Resume) -> b2sdk::Result<b2sdk::Uploaded> {
    let token = CancelToken::new();
    let options = UploadOptions::new().resume(resume.clone()).cancel(&token);
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let data = noise(45_000);
            large.bucket.upload_bytes_with(&data, "x", &options)
        });
        while large.bucket.ls("").unwrap().next().is_none() {
            std::thread::yield_now();
        }
        token.cancel();
        upload.join().unwrap()
    })
}

#[test]
fn clearing_up_at_a_silent_service_does_not_keep_the_caller() {
    let large = Large::with_workers(1);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    large.inject(Fault::on(Operation::CancelLargeFile).stall());
    let error = large.bucket.upload_bytes(&noise(300_000), "x").unwrap_err();
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, WhyLeft::NotCancelled);
    assert!(matches!(left.failure, Error::CapExceeded(_)), "{error:?}");
    assert_eq!(large.api.request_counts().of(Operation::CancelLargeFile), 1);
}

#[test]
fn a_file_that_is_not_finished_is_not_taken_for_finished() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).drop_connection());
    large.inject(Fault::on(Operation::GetFileInfo).after_effect().body(
        200,
        "application/json",
        r#"{"action":"start","fileName":"x","contentLength":0,"uploadTimestamp":1}"#,
    ));
    let version = large
        .bucket
        .upload_bytes(&noise(35_000), "x")
        .unwrap()
        .into_version();
    assert_eq!(
        (
            version.content_length,
            large.count(Operation::FinishLargeFile)
        ),
        (35_000, 2)
    );
}

#[test]
fn a_file_that_may_be_finished_is_not_cancelled() {
    let large = Large::with_workers(1);
    large.inject(
        Fault::on(Operation::FinishLargeFile)
            .after_effect()
            .drop_connection(),
    );
    large.inject(
        Fault::on(Operation::GetFileInfo)
            .status(400, "bad_request", "")
            .always(),
    );
    let error = large.bucket.upload_bytes(&noise(35_000), "x").unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(large.count(Operation::CancelLargeFile), 0);
    large.service.faults().clear();
    assert_eq!(large.content("x"), noise(35_000));
}

#[test]
fn a_key_that_may_not_read_finds_its_finished_file_by_listing() {
    let large = Large::with_workers(1);
    let key = large
        .service
        .create_key(b2sdk::simulator::KeyRequest::new([
            "listBuckets",
            "listFiles",
            "writeFiles",
        ]))
        .unwrap();
    let api = B2Api::builder(InMemoryAccountInfo::new())
        .clock(&large.clock)
        .build()
        .unwrap();
    api.authorize_account(
        large.service.url(),
        key.application_key_id(),
        key.application_key(),
    )
    .unwrap();
    large.inject(Fault::on(Operation::FinishLargeFile).after_effect().body(
        504,
        "text/html",
        "<html>",
    ));
    let version = api
        .get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(&noise(35_000), "x")
        .unwrap()
        .into_version();
    assert_eq!(
        (
            version.content_length,
            large.count(Operation::CancelLargeFile)
        ),
        (35_000, 0)
    );
}
