//! Large files: in parts, side by side, each part on its own when something goes wrong.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, Clock, ContentSha1, Error, InMemoryAccountInfo,
    LargeFileSha1, Operation, Resume, Sha1Digest, TransferProgress, UploadOptions, Verification,
    WhyLeft,
};

use crate::support::{BUCKET, Lines, authorize, noise};

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
            large.bucket.upload_bytes(&data, "bytes").unwrap(),
            large.bucket.upload_local_file(&path, "file").unwrap(),
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
    assert_eq!(large.count(Operation::UploadPart), 10);
    assert!(large.count(Operation::GetUploadPartUrl) <= 3);
    assert_eq!(
        large.service.log().total(),
        12 + large.count(Operation::GetUploadPartUrl)
    );
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
    assert_eq!(large.count(Operation::UploadPart), 40);
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
    assert_eq!(large.clock.sleeps(), []);
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

/// What becomes of a file while it is uploaded, in the words of the error.
type Change = (&'static str, fn(&std::path::Path));

#[expect(clippy::disallowed_methods, reason = "a file is written to now")]
fn changes() -> [Change; 5] {
    [
        ("it became shorter", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(200_000).unwrap();
        }),
        ("it became longer", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(300_001).unwrap();
        }),
        ("it was written to", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now()).unwrap();
        }),
        ("it is gone", |path| std::fs::remove_file(path).unwrap()),
        ("another file took its place", |path| {
            let new = path.with_extension("new");
            std::fs::write(&new, noise(300_000)).unwrap();
            std::fs::rename(new, path).unwrap();
        }),
    ]
}

#[test]
fn a_source_that_changes_makes_no_large_file_and_others_go_on() {
    for (expected, change) in changes() {
        let large = Large::with_workers(2);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, noise(300_000)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        let (target, clock) = (path.clone(), large.clock.clone());
        let once = Mutex::new(Some(()));
        let options = UploadOptions::new().progress(move |progress: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            if progress.stage == b2sdk::TransferStage::Transferring
                && progress.bytes > 150_000
                && once.lock().unwrap().take().is_some()
            {
                change(&target);
            }
        });
        let bucket = &large.bucket;
        let error = std::thread::scope(|scope| {
            let other = scope.spawn(|| bucket.upload_bytes(&noise(300_000), "other"));
            let outcome = bucket.upload_local_file_with(&path, "x", &options);
            other.join().unwrap().unwrap();
            outcome.unwrap_err()
        });
        let Error::SourceChanged { change, path: told } = &error else {
            panic!("{expected}: {error:?}")
        };
        assert_eq!((*change, &**told), (expected, path.as_path()));
        assert!(large.is_clean(), "{expected}");
        assert!(large.content("other") == noise(300_000), "{expected}");
    }
}

#[test]
fn a_reader_that_ends_early_makes_no_large_file() {
    let large = Large::with_workers(1);
    let error = large
        .bucket
        .upload_reader(noise(25_000).as_slice(), 30_000, "x")
        .unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    assert!(large.is_clean());
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
fn progress_counts_all_parts_and_takes_back_what_failed() {
    let large = Large::new();
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .after_reading(9000)
            .reset_connection()
            .times(2),
    );
    let last = std::sync::Arc::new(Mutex::new((0, None)));
    let sink = std::sync::Arc::clone(&last);
    let options = UploadOptions::new().progress(move |progress: &TransferProgress| {
        *sink.lock().unwrap() = (progress.bytes, progress.total);
    });
    large
        .bucket
        .upload_bytes_with(&noise(95_000), "x", &options)
        .unwrap();
    assert_eq!(*last.lock().unwrap(), (95_000, Some(95_000)));
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
fn an_upload_that_may_be_resumed_sends_only_what_is_missing() {
    let large = Large::with_workers(2);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, noise(95_000)).unwrap();
    let options = UploadOptions::new().resume(Resume::Matching);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(6)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    large
        .bucket
        .upload_local_file_with(&path, "x", &options)
        .unwrap_err();
    assert_eq!(large.count(Operation::CancelLargeFile), 0);
    let unfinished: Vec<_> = large
        .bucket
        .list_unfinished_large_files("")
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(unfinished.len(), 1);
    let listed = large.api.list_parts(&unfinished[0].file_id).unwrap();
    let listed: Vec<_> = listed.map(Result::unwrap).collect();
    for part in &listed {
        let number = usize::try_from(part.part_number).unwrap();
        let content = &noise(95_000)[(number - 1) * 10_000..number * 10_000];
        let sha1 = ContentSha1::Verified(Sha1Digest::of(content));
        assert_eq!(part.content_sha1, sha1, "it was compared");
    }
    let present = listed.len();
    assert!((5..=6).contains(&present), "{present}");

    large.service.faults().clear();
    large.service.log().clear();
    let uploaded = large
        .bucket
        .upload_local_file_with(&path, "x", &options)
        .unwrap();
    assert_eq!(usize::try_from(uploaded.resumed_parts()).unwrap(), present);
    assert_eq!(large.count(Operation::UploadPart), 10 - present);
    assert_eq!(
        (
            large.count(Operation::StartLargeFile),
            uploaded.version().file_id.clone()
        ),
        (0, unfinished[0].file_id.clone())
    );
    assert_eq!(large.content("x"), noise(95_000));
}

/// Leaves an unfinished "x" with two parts of this content behind.
fn leave_unfinished(large: &Large, data: &[u8], options: &UploadOptions) {
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    let options = options.clone().resume(Resume::Matching);
    large
        .bucket
        .upload_bytes_with(data, "x", &options)
        .unwrap_err();
    large.service.faults().clear();
    large.service.log().clear();
}

/// Leaves an unfinished "x" without parts and without a recorded SHA-1 behind.
fn leave_unbegun(large: &Large) {
    let refused = Fault::on(Operation::GetUploadPartUrl).status(403, "storage_cap_exceeded", "");
    large.inject(refused.always());
    let options = UploadOptions::new()
        .content_type("image/png")
        .large_file_sha1(LargeFileSha1::Omit)
        .resume(Resume::Matching);
    let upload = large
        .bucket
        .upload_bytes_with(&noise(45_000), "x", &options);
    upload.unwrap_err();
    large.service.faults().clear();
    large.service.log().clear();
}

#[test]
fn an_unfinished_file_that_is_another_one_is_passed_over_with_a_reason() {
    let data = noise(45_000);
    let mut other = data.clone();
    other[44_999] ^= 1;
    let mut turned = data.clone();
    turned[3] ^= 1;
    let longer = noise(45_000 + 9_000);
    let plain = || UploadOptions::new().content_type("image/png");
    let cases: [(&str, &[u8], UploadOptions); 8] = [
        ("its file info is another one", &other, plain()),
        (
            "its content type is another one",
            &data,
            UploadOptions::new().content_type("text/plain"),
        ),
        (
            "its file info is another one",
            &data,
            plain().file_info(b2sdk::FileInfo::new().with("a", "b")),
        ),
        (
            "its parts are cut otherwise",
            &data,
            plain().part_size(20_000),
        ),
        (
            "its encryption is another one, or by another key",
            &data,
            plain().encryption(b2sdk::SseCustomerKey::new([1; 32])),
        ),
        // As long as the others, and one part longer than ours.
        (
            "its parts are cut otherwise",
            &longer,
            plain()
                .part_size(9_000)
                .large_file_sha1(LargeFileSha1::Omit),
        ),
        (
            "its parts have other content",
            &turned,
            plain().large_file_sha1(LargeFileSha1::Omit),
        ),
        ("nothing says that its content is this one", &[], plain()),
    ];
    for (name, left, left_options) in cases {
        let large = Large::with_workers(1);
        if left.is_empty() {
            leave_unbegun(&large);
        } else {
            leave_unfinished(&large, left, &left_options);
        }
        let options = plain().resume(Resume::Matching);
        let lines = Lines::default();
        let uploaded = tracing::subscriber::with_default(lines.clone(), || {
            large.bucket.upload_bytes_with(&data, "x", &options)
        });
        let uploaded = uploaded.unwrap();
        let told = lines.told();
        assert!(
            told.contains("passed over") && told.contains(name),
            "{name}: {told}"
        );
        assert_eq!(
            (
                uploaded.resumed_parts(),
                large.count(Operation::StartLargeFile)
            ),
            (0, 1),
            "{name}"
        );
        assert_eq!(large.content("x"), data, "{name}");
    }
}

#[test]
fn an_unfinished_file_with_parts_of_other_content_is_somebody_elses() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let mut other = data.clone();
    other[15_000] ^= 1;
    let plain = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
    leave_unfinished(&large, &other, &plain);
    let uploaded = large
        .bucket
        .upload_bytes_with(&data, "x", &plain.resume(Resume::Matching))
        .unwrap();
    assert_eq!(
        (
            uploaded.resumed_parts(),
            large.count(Operation::StartLargeFile)
        ),
        (0, 1)
    );
    assert_eq!(large.content("x"), data);
}

#[test]
fn a_recorded_sha1_of_other_content_is_never_taken_over() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let mut changed = data.clone();
    changed[44_999] ^= 1;
    leave_unfinished(&large, &data, &UploadOptions::new());
    let options = UploadOptions::new()
        .large_file_sha1(LargeFileSha1::Omit)
        .resume(Resume::Matching);
    let uploaded = large
        .bucket
        .upload_bytes_with(&changed, "x", &options)
        .unwrap();
    assert_eq!((uploaded.resumed_parts(), large.content("x")), (0, changed));
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
fn the_cause_of_a_download_that_broke_off_is_told() {
    let large = Large::with_workers(1);
    large.bucket.upload_bytes(&noise(9000), "x").unwrap();
    large.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(100));
    large.inject(
        Fault::on(Operation::DownloadFileById)
            .truncate_answer(1)
            .always(),
    );
    let error = large
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .read_to_vec()
        .unwrap_err();
    let Error::Truncated {
        source: Some(source),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind, b2sdk::TransportKind::Reset);
}

/// A reader that goes on after its end, as a terminal does.
struct Terminal(Vec<&'static [u8]>);

impl std::io::Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let line = self.0.remove(0);
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn a_stream_ends_where_it_first_says_so() {
    let large = Large::with_workers(1);
    let mut terminal = Terminal(vec![b"hello", b"", b"again"]);
    large.bucket.upload_stream(&mut terminal, "x").unwrap();
    assert_eq!(
        (large.content("x").as_slice(), terminal.0.len()),
        (&b"hello"[..], 1)
    );
}

#[test]
fn what_is_to_be_resumed_but_cannot_be_is_refused() {
    let large = Large::with_workers(1);
    let from = UploadOptions::new().resume(Resume::From("4_znonsense".into()));
    let error = large
        .bucket
        .upload_bytes_with(b"small", "x", &from)
        .unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { what: "resume", .. }),
        "{error:?}"
    );
    let matching = UploadOptions::new().resume(Resume::Matching);
    let error = large
        .bucket
        .upload_stream_with(&b"small"[..], "x", &matching)
        .unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { what: "resume", .. }),
        "{error:?}"
    );
    assert_eq!(large.service.log().total(), 0);
}

#[test]
fn a_progress_receiver_that_panics_is_not_told_more_and_the_transfer_goes_on() {
    // One worker, so that no other thread is in the receiver when it panics.
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let told = Arc::new(AtomicU32::new(0));
    let panics = || {
        let (told, clock) = (Arc::clone(&told), large.clock.clone());
        move |progress: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            if progress.bytes > 5_000 {
                told.fetch_add(1, Ordering::SeqCst);
                panic!("the receiver panics");
            }
        }
    };
    for transfer in ["bytes", "reader", "small", "download"] {
        told.store(0, Ordering::SeqCst);
        let options = UploadOptions::new().progress(panics());
        let length = if transfer == "small" {
            9_000
        } else {
            data.len()
        };
        match transfer {
            "download" => {
                large.bucket.upload_bytes(&data, "x").unwrap();
                let options = b2sdk::DownloadOptions::new().progress(panics());
                let download = large.bucket.download_file_by_name_with("x", &options);
                assert_eq!(download.unwrap().read_to_vec().unwrap(), data);
            }
            "reader" => {
                let upload =
                    large
                        .bucket
                        .upload_reader_with(data.as_slice(), length as u64, "x", &options);
                upload.unwrap();
            }
            _ => {
                let upload = large
                    .bucket
                    .upload_bytes_with(&data[..length], "x", &options);
                upload.unwrap();
            }
        }
        assert_eq!(large.content("x"), data[..length], "{transfer}");
        assert_eq!(told.load(Ordering::SeqCst), 1, "{transfer}");
        assert_eq!(large.count(Operation::CancelLargeFile), 0, "{transfer}");
    }
}

#[test]
fn a_reader_that_panics_ends_the_upload_and_leaves_no_parts() {
    struct Panicking(usize);
    impl Read for Panicking {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).expect("the reader panics");
            Ok(buffer.len().min(1000))
        }
    }
    let large = Large::with_workers(1);
    let upload =
        std::panic::AssertUnwindSafe(|| large.bucket.upload_reader(Panicking(25), 300_000, "x"));
    assert!(
        std::panic::catch_unwind(upload).is_err(),
        "the panic reaches the caller"
    );
    assert_eq!(
        (large.count(Operation::CancelLargeFile), large.is_clean()),
        (1, true)
    );
}

#[test]
fn progress_tells_stages_parts_and_retries_and_the_result_what_was_sent() {
    use b2sdk::TransferStage::{Done, Finishing, Hashing, Transferring};
    let large = Large::with_workers(1);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(1)
            .after_reading(PART)
            .status(503, "service_unavailable", ""),
    );
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    let options = UploadOptions::new()
        .progress(move |progress: &TransferProgress| sink.lock().unwrap().push(progress.clone()));
    let uploaded = large
        .bucket
        .upload_bytes_with(&noise(45_000), "x", &options)
        .unwrap();
    let reports = reports.lock().unwrap();
    let mut stages: Vec<_> = reports.iter().map(|report| report.stage).collect();
    stages.dedup();
    assert_eq!(stages, [Hashing, Transferring, Finishing, Done]);
    let again = reports.iter().find(|report| report.retries == 1).unwrap();
    assert_eq!(
        (again.stage, again.parts, again.bytes),
        (Transferring, 1, PART),
        "the second part begins again"
    );
    let last = reports.last().unwrap();
    assert_eq!((last.bytes, last.parts, last.retries), (45_000, 5, 1));
    assert_eq!((uploaded.parts(), uploaded.retries()), (5, 1));
    assert_eq!(uploaded.bytes_sent(), 45_000 + PART);
}

#[test]
fn parts_that_are_there_already_count_as_parts_but_not_as_sent() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let matching = UploadOptions::new().resume(Resume::Matching);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(400, "bad_request", ""),
    );
    large
        .bucket
        .upload_bytes_with(&data, "x", &matching)
        .unwrap_err();
    let last = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&last);
    let options = matching.progress(move |progress: &TransferProgress| {
        *sink.lock().unwrap() = Some(progress.clone())
    });
    let uploaded = large
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    assert_eq!(
        (uploaded.resumed_parts(), uploaded.bytes_sent()),
        (2, 25_000)
    );
    let last = last.lock().unwrap().take().unwrap();
    assert_eq!((last.bytes, last.parts), (45_000, 5));
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
fn a_named_unfinished_file_is_resumed_or_refused() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    leave_unfinished(&large, &data, &UploadOptions::new());
    leave_unfinished(&large, &noise(45_001), &UploadOptions::new());
    let unfinished: Vec<_> = large
        .bucket
        .list_unfinished_large_files("x")
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let [ours, theirs] = [&unfinished[0], &unfinished[1]];
    let from =
        |file: &b2sdk::FileVersion| UploadOptions::new().resume(Resume::From(file.file_id.clone()));
    let error = large
        .bucket
        .upload_bytes_with(&data, "x", &from(theirs))
        .unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { what: "resume", .. }),
        "{error:?}"
    );
    let uploaded = large
        .bucket
        .upload_bytes_with(&data, "x", &from(ours))
        .unwrap();
    assert_eq!(
        (uploaded.resumed_parts(), &uploaded.version().file_id),
        (2, &ours.file_id)
    );
}

#[test]
fn old_unfinished_files_can_be_cleared_away() {
    let large = Large::with_workers(1);
    leave_unfinished(&large, &noise(45_000), &UploadOptions::new());
    assert_eq!(
        large
            .bucket
            .cancel_unfinished_large_files(Duration::from_secs(3600))
            .unwrap(),
        []
    );
    large.clock.advance(Duration::from_secs(7200));
    let cancelled = large
        .bucket
        .cancel_unfinished_large_files(Duration::from_secs(3600))
        .unwrap();
    assert_eq!((cancelled.len(), large.is_clean()), (1, true));
    let error = large
        .api
        .cancel_large_file(&cancelled[0].file_id)
        .unwrap_err();
    assert_eq!(error.status(), Some(400));
}

#[test]
fn what_can_be_read_only_once_cannot_be_resumed() {
    let large = Large::new();
    let options = UploadOptions::new().resume(Resume::Matching);
    let error = large
        .bucket
        .upload_reader_with(noise(45_000).as_slice(), 45_000, "x", &options)
        .unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { what: "resume", .. }),
        "{error:?}"
    );
    assert_eq!(large.count(Operation::StartLargeFile), 0);
}

/// A large "x" and a place to save it.
fn stored(workers: usize, length: usize) -> (Large, tempfile::TempDir, Vec<u8>) {
    let large = Large::with_workers(workers);
    let data = noise(length);
    large.bucket.upload_bytes(&data, "x").unwrap();
    large.service.log().clear();
    (large, tempfile::tempdir().unwrap(), data)
}

fn save(large: &Large, path: &std::path::Path) -> Result<b2sdk::Saved, Error> {
    let options = b2sdk::DownloadOptions::new().part_size(PART);
    large
        .bucket
        .download_file_by_name_with("x", &options)?
        .save_to(path)
}

#[test]
fn a_large_file_is_saved_in_ranges_and_verified() {
    for length in [10_000, 10_001, 20_000, 95_123] {
        let (large, directory, data) = stored(4, length);
        let path = directory.path().join("x");
        let saved = save(&large, &path).unwrap();
        assert_eq!(saved.verification(), Verification::Verified);
        assert_eq!(std::fs::read(&path).unwrap(), data);
        assert_eq!(large.count(Operation::DownloadFileByName), 1);
        assert_eq!(
            large.count(Operation::DownloadFileById),
            length.div_ceil(10_000) - 1,
            "{length}"
        );
    }
}

#[test]
fn ranges_that_break_off_are_continued_each_on_its_own() {
    let (large, directory, data) = stored(4, 95_123);
    large.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(5000));
    large.inject(Fault::on(Operation::DownloadFileById).truncate_answer(1));
    large.inject(Fault::on(Operation::DownloadFileById).status(503, "service_unavailable", ""));
    large.inject(Fault::on(Operation::DownloadFileById).reset_answer(3000));
    let path = directory.path().join("x");
    assert_eq!(save(&large, &path).unwrap().bytes(), 95_123);
    assert_eq!(std::fs::read(&path).unwrap(), data);
    assert_eq!(large.count(Operation::DownloadFileById), 9 + 4);
}

#[test]
fn a_damaged_or_failing_range_leaves_the_destination_as_it_was() {
    let faults = [
        Fault::on(Operation::DownloadFileById)
            .after(4)
            .corrupt_byte(17),
        Fault::on(Operation::DownloadFileById)
            .after(4)
            .status(403, "download_cap_exceeded", "")
            .always(),
        Fault::on(Operation::DownloadFileById)
            .after(4)
            .truncate_answer(1)
            .always(),
    ];
    for (fault, kind) in faults
        .into_iter()
        .zip(["ChecksumMismatch", "CapExceeded", "Truncated"])
    {
        let (large, directory, _) = stored(3, 95_123);
        let path = directory.path().join("x");
        std::fs::write(&path, b"what was there").unwrap();
        large.inject(fault);
        let error = save(&large, &path).unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{kind}: {error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "{kind}: nothing is left beside it"
        );
    }
}

#[test]
fn a_newer_version_does_not_mix_into_ranges() {
    let (large, directory, data) = stored(2, 95_123);
    let options = b2sdk::DownloadOptions::new().part_size(PART);
    let download = large
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap();
    large.bucket.upload_bytes(&[0; 95_123], "x").unwrap();
    let path = directory.path().join("x");
    download.save_to(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), data);
}

#[test]
fn progress_of_ranges_adds_up() {
    let (large, directory, _) = stored(4, 95_123);
    let last = std::sync::Arc::new(Mutex::new((0, None)));
    let sink = std::sync::Arc::clone(&last);
    large.inject(
        Fault::on(Operation::DownloadFileById)
            .after(2)
            .truncate_answer(5000),
    );
    let options = b2sdk::DownloadOptions::new().part_size(PART).progress(
        move |progress: &TransferProgress| {
            *sink.lock().unwrap() = (progress.bytes, progress.total);
        },
    );
    let download = large
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap();
    download.save_to(directory.path().join("x")).unwrap();
    assert_eq!(*last.lock().unwrap(), (95_123, Some(95_123)));
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
