//! Large files: in parts, side by side, each part on its own when something goes wrong.

mod ahead;
mod finishing;
mod gone;
mod progress;
mod ranges;
mod resuming;
mod sources;

use std::collections::BTreeSet;

use b2sdk::error::WhyLeft;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, ContentSha1, Error, InMemoryAccountInfo, LargeFileSha1,
    Operation, Resume, Sha1Digest, UploadOptions, Verification,
};

use crate::support::{BUCKET, authorize, noise};

/// A service whose parts are small, so that large files fit into a test.
struct Large {
    service: Simulator,
    clock: Clock,
    api: B2Api,
    bucket: Bucket,
}

const PART: u64 = 10_000;

impl Large {
    fn new() -> Self {
        Self::with_workers(4)
    }

    fn with_workers(workers: usize) -> Self {
        let service = Simulator::builder()
            .minimum_part_size(1000)
            .recommended_part_size(PART)
            .start()
            .unwrap();
        let clock = Clock::manual();
        let info = InMemoryAccountInfo::with_clock(clock.clone());
        let api = B2Api::builder(info)
            .clock(&clock)
            .workers(workers)
            .build()
            .unwrap();
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        service.log().clear();
        Self {
            service,
            clock,
            api,
            bucket,
        }
    }

    fn count(&self, operation: Operation) -> usize {
        self.service.log().count(operation)
    }

    fn inject(&self, fault: Fault) {
        self.service.faults().inject(fault);
    }

    fn content(&self, name: &str) -> Vec<u8> {
        self.bucket
            .download_file_by_name(name)
            .unwrap()
            .read_to_vec()
            .unwrap()
    }

    /// Whether anything is left of an upload that failed.
    fn is_clean(&self) -> bool {
        self.bucket
            .list_file_versions("x")
            .unwrap()
            .next()
            .is_none()
    }
}

#[test]
fn every_source_arrives_whole_whatever_its_length() {
    let large = Large::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for length in [0, 1, PART - 1, PART, PART + 1, 2 * PART, 5 * PART + 1234] {
        let data = noise(usize::try_from(length).unwrap());
        std::fs::write(&path, &data).unwrap();
        let parts = u32::try_from(length.div_ceil(PART).max(1)).unwrap();
        let options = UploadOptions::new().part_size(PART);
        let uploads = [
            large
                .bucket
                .upload_bytes_with(&data, "bytes", &options)
                .unwrap(),
            large
                .bucket
                .upload_local_file_with(&path, "file", &options)
                .unwrap(),
            large
                .bucket
                .upload_reader(data.as_slice(), length, "reader")
                .unwrap(),
            large
                .bucket
                .upload_stream_with(data.as_slice(), "stream", &options)
                .unwrap(),
        ];
        for (uploaded, name) in uploads.iter().zip(["bytes", "file", "reader", "stream"]) {
            assert_eq!(uploaded.parts(), parts, "{name} of {length}");
            assert_eq!(uploaded.version().content_length, length, "{name}");
            assert_eq!(large.content(name), data, "{name} of {length}");
            // The service compared what arrived; of a large file it knows the SHA-1s of the parts only.
            let known = match parts {
                1 => ContentSha1::Verified(Sha1Digest::of(&data)),
                _ => ContentSha1::Absent,
            };
            assert_eq!(uploaded.version().content_sha1, known, "{name}");
        }
    }
}

#[test]
fn the_sha1_of_the_whole_is_recorded_and_verifies_the_download() {
    let large = Large::new();
    let data = noise(35_000);
    let sha1 = Sha1Digest::of(&data);
    let verification = |name: &str| {
        let mut reader = large
            .bucket
            .download_file_by_name(name)
            .unwrap()
            .into_reader();
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        reader.verification()
    };
    let version = large
        .bucket
        .upload_bytes(&data, "computed")
        .unwrap()
        .into_version();
    assert_eq!(
        version.file_info.get("large_file_sha1"),
        Some(sha1.to_string().as_str())
    );
    assert_eq!(verification("computed"), Verification::Verified);
    let given = UploadOptions::new().large_file_sha1(LargeFileSha1::Given(sha1));
    large
        .bucket
        .upload_reader_with(data.as_slice(), 35_000, "given", &given)
        .unwrap();
    assert_eq!(verification("given"), Verification::Verified);
    let omitted = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
    large
        .bucket
        .upload_bytes_with(&data, "omitted", &omitted)
        .unwrap();
    assert_eq!(verification("omitted"), Verification::NoChecksum);
    let wrong =
        UploadOptions::new().large_file_sha1(LargeFileSha1::Given(Sha1Digest::of(b"other")));
    large
        .bucket
        .upload_bytes_with(&data, "wrong", &wrong)
        .unwrap();
    let error = large
        .bucket
        .download_file_by_name("wrong")
        .unwrap()
        .read_to_vec()
        .unwrap_err();
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
}

#[test]
fn a_file_takes_the_requests_that_it_needs_and_no_more() {
    let large = Large::with_workers(3);
    large.bucket.upload_bytes(&noise(95_000), "x").unwrap();
    assert_eq!(
        (
            large.count(Operation::StartLargeFile),
            large.count(Operation::FinishLargeFile)
        ),
        (1, 1)
    );
    // Ten parts would leave one over for a fourth round.
    assert_eq!(large.count(Operation::UploadPart), 9);
    assert!(large.count(Operation::GetUploadPartUrl) <= 3);
    assert_eq!(
        large.service.log().total(),
        11 + large.count(Operation::GetUploadPartUrl)
    );
}

/// The bytes of each part that was sent, by the log, smallest first.
fn sizes_of_parts(large: &Large) -> Vec<u64> {
    let mut sizes: Vec<_> = large
        .service
        .log()
        .entries()
        .into_iter()
        .filter(|entry| entry.operation == Some(Operation::UploadPart))
        .map(|entry| entry.body_bytes)
        .collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn parts_are_shared_out_unless_somebody_relies_on_their_size() {
    let data = noise(95_000);
    let plain = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
    let chosen = plain.clone().part_size(PART);
    let resumable = plain.clone().resume(Resume::Matching);
    for (options, size, count) in [
        (plain, 95_000 / 8, 8),
        (chosen, PART, 10),
        (resumable, PART, 10),
    ] {
        let large = Large::new();
        large
            .bucket
            .upload_bytes_with(&data, "x", &options)
            .unwrap();
        let sizes = sizes_of_parts(&large);
        // The SHA-1 follows the content.
        assert_eq!((sizes.last(), sizes.len()), (Some(&(size + 40)), count));
        assert_eq!(large.content("x"), data);
    }
}

#[test]
fn parts_whose_sha1_is_known_are_not_hashed_again() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    let large = Large::new();
    let data = noise(95_000);
    large.bucket.upload_bytes(&data, "x").unwrap();
    // No SHA-1 follows the content: it is in the headers.
    assert_eq!(sizes_of_parts(&large).iter().sum::<u64>(), 95_000);
    assert_eq!(large.content("x"), data);
}

/// Bytes of which every part says whose they are.
fn marked(n: u8) -> Vec<u8> {
    noise(95_000)
        .into_iter()
        .map(|byte| byte ^ (n + 1))
        .collect()
}

#[test]
fn parts_of_several_files_at_once_arrive_where_they_belong() {
    let large = Large::with_workers(3);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let large = &large;
            scope.spawn(move || {
                large
                    .bucket
                    .upload_bytes(&marked(n), &n.to_string())
                    .unwrap()
            });
        }
    });
    for n in 0..4 {
        assert_eq!(large.content(&n.to_string()), marked(n));
    }
    assert_eq!(large.count(Operation::UploadPart), 4 * 9);
}

#[test]
fn a_part_that_fails_goes_up_again_alone() {
    let large = Large::with_workers(1);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(503, "service_unavailable", ""),
    );
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(1)
            .after_reading(5000)
            .reset_connection(),
    );
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(1)
            .after_effect()
            .drop_connection(),
    );
    let uploaded = large.bucket.upload_bytes(&noise(55_000), "x").unwrap();
    assert_eq!((uploaded.parts(), uploaded.retries()), (6, 3));
    assert_eq!(large.content("x"), noise(55_000));
    let urls: Vec<_> = large
        .service
        .log()
        .entries()
        .into_iter()
        .filter_map(|entry| entry.upload_url)
        .collect();
    let distinct: BTreeSet<_> = urls.iter().collect();
    assert_eq!(distinct.len(), 4, "each failure cost its URL");
    assert!(large.clock.sleeps().is_empty());
}

#[test]
fn a_failure_that_lasts_stops_everything_and_leaves_no_parts() {
    let large = Large::with_workers(2);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(3)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    let error = large.bucket.upload_bytes(&noise(500_000), "x").unwrap_err();
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
    assert!(
        large.count(Operation::UploadPart) < 10,
        "the other parts were not tried"
    );
    assert_eq!(
        (large.count(Operation::CancelLargeFile), large.is_clean()),
        (1, true)
    );
}

#[test]
fn an_expired_token_in_the_middle_is_replaced_once() {
    let large = Large::new();
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(3)
            .status(503, "service_unavailable", "")
            .times(4),
    );
    large.inject(Fault::on(Operation::GetUploadPartUrl).after(4).status(
        401,
        "expired_auth_token",
        "",
    ));
    large.bucket.upload_bytes(&noise(95_000), "x").unwrap();
    assert_eq!(large.count(Operation::AuthorizeAccount), 1);
    assert_eq!(large.content("x"), noise(95_000));
}

#[test]
fn cancelling_stops_all_parts_and_leaves_none() {
    let large = Large::with_workers(4);
    large.inject(Fault::on(Operation::UploadPart).after(4).stall().times(4));
    let token = CancelToken::new();
    let options = UploadOptions::new().cancel(&token);
    let error = std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            large
                .bucket
                .upload_bytes_with(&noise(500_000), "x", &options)
                .unwrap_err()
        });
        while large.service.faults().remaining() > 0 {
            std::thread::yield_now();
        }
        token.cancel();
        upload.join().unwrap()
    });
    assert!(matches!(error, Error::Cancelled), "{error:?}");
    assert_eq!(
        (large.count(Operation::CancelLargeFile), large.is_clean()),
        (1, true)
    );
}

#[test]
fn part_sizes_that_the_account_does_not_have_are_refused() {
    let large = Large::new();
    for size in [0, 999, 5_000_000_001] {
        let options = UploadOptions::new().part_size(size);
        let error = large
            .bucket
            .upload_bytes_with(b"x", "x", &options)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    what: "part_size",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert_eq!(large.service.log().total(), 0);
}

#[test]
fn an_answer_to_a_part_that_cannot_be_read_costs_one_attempt() {
    let large = Large::with_workers(1);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(1)
            .body(200, "text/html", "<html>"),
    );
    let uploaded = large.bucket.upload_bytes(&noise(35_000), "x").unwrap();
    assert_eq!((uploaded.retries(), large.content("x")), (1, noise(35_000)));
}

#[test]
fn shutdown_breaks_a_large_upload_at_once() {
    let large = Large::with_workers(2);
    large.inject(Fault::on(Operation::UploadPart).after(2).stall().times(2));
    let error = std::thread::scope(|scope| {
        let upload = scope.spawn(|| large.bucket.upload_bytes(&noise(300_000), "x").unwrap_err());
        while large.service.faults().remaining() > 0 {
            std::thread::yield_now();
        }
        large.api.shutdown();
        upload.join().unwrap()
    });
    // Nothing is sent any more, so that what was begun cannot be cancelled either.
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, WhyLeft::NotCancelled);
    assert!(matches!(left.failure, Error::Cancelled), "{error:?}");
}

#[test]
fn as_many_file_infos_as_the_service_takes_fit_into_files_of_any_size() {
    let large = Large::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    // The entries of the crate give way: the time of the source first, then the SHA-1 of the whole.
    for (own, has_time, has_sha1) in [(8, true, true), (9, false, true), (10, false, false)] {
        for length in [5000, 35_000] {
            std::fs::write(&path, noise(length)).unwrap();
            let info = (0..own).fold(b2sdk::FileInfo::new(), |info, n| {
                info.with(&format!("own-{n}"), "value")
            });
            let options = UploadOptions::new().file_info(info.clone());
            let uploaded = large.bucket.upload_local_file_with(&path, "x", &options);
            let version = uploaded.unwrap().into_version();
            let stored = &version.file_info;
            assert!(
                info.iter()
                    .all(|(name, value)| stored.get(name) == Some(value))
            );
            let is_large = length > 10_000;
            assert_eq!(
                stored.get("large_file_sha1").is_some(),
                is_large && has_sha1,
                "{own}"
            );
            let has_time = has_time || (own == 9 && !is_large);
            assert_eq!(
                stored.get("src_last_modified_millis").is_some(),
                has_time,
                "{own}"
            );
            assert_eq!(large.content("x"), noise(length));
        }
    }
}

/// The part may be in the wrong place, so it is sent once more.
#[test]
fn a_part_whose_answer_is_about_another_file_is_sent_again() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let other = Fault::on(Operation::UploadPart).edit_json(|answer| {
        answer["fileId"] = "4_zanother_file".into();
    });
    large.inject(other.times(1));
    let uploaded = large.bucket.upload_bytes(&data, "x").unwrap();
    let parts = usize::try_from(uploaded.parts()).unwrap();
    assert_eq!(large.count(Operation::UploadPart), parts + 1);
    assert_eq!(large.content("x"), data);
}
