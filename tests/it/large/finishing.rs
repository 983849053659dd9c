//! Finishing a large file, and what is left when nobody knows whether it is finished.

use b2sdk::error::WhyLeft;
use b2sdk::simulator::Fault;
use b2sdk::{B2Api, CancelToken, Error, InMemoryAccountInfo, Operation, UploadOptions};

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
fn a_call_that_is_cancelled_while_the_file_is_finished_says_that_it_may_be_there() {
    let large = Large::with_workers(1);
    large.inject(Fault::on(Operation::FinishLargeFile).after_effect().stall());
    let token = CancelToken::new();
    let options = UploadOptions::new().cancel(&token);
    let error = std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let data = noise(45_000);
            large.bucket.upload_bytes_with(&data, "x", &options)
        });
        while large.is_clean() || large.bucket.ls("").unwrap().next().is_none() {
            std::thread::yield_now();
        }
        token.cancel();
        upload.join().unwrap().unwrap_err()
    });
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, WhyLeft::MayBeFinished);
    assert!(matches!(left.failure, Error::Cancelled), "{error:?}");
    assert_eq!(large.content("x"), noise(45_000));
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
        r#"{"action":"start","fileId":"i","fileName":"x","contentLength":0,"uploadTimestamp":1}"#,
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
