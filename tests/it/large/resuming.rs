//! Going on with an unfinished large file, and passing over those of others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::error::WhyLeft;
use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    B2Api, ContentSha1, Error, FileInfo, InMemoryAccountInfo, LargeFileSha1, Operation, Resume,
    Sha1Digest, UploadOptions,
};

use super::{Large, PART};
use crate::support::{BUCKET, Lines, World, authorize, noise};

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
pub(super) fn leave_unfinished(large: &Large, data: &[u8], options: &UploadOptions) {
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
            plain().encryption(b2sdk::encryption::SseCustomerKey::new([1; 32])),
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
        let options = plain().part_size(PART).resume(Resume::Matching);
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
fn a_key_that_may_not_list_is_refused_if_a_certain_file_is_to_be_completed() {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    leave_unfinished(&large, &data, &UploadOptions::new());
    let mut unfinished = large.bucket.list_unfinished_large_files("x").unwrap();
    let file_id = unfinished.next().unwrap().unwrap().file_id;
    let request = KeyRequest::new(["listBuckets", "writeFiles"]);
    let key = large.service.create_key(request).unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let (id, key) = (key.application_key_id(), key.application_key());
    api.authorize_account(large.service.url(), id, key).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let started = large.count(Operation::StartLargeFile);
    let from = UploadOptions::new().resume(Resume::From(file_id));
    let error = bucket.upload_bytes_with(&data, "x", &from).unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    assert_eq!(large.count(Operation::StartLargeFile), started);
    // Without a certain file, it starts another one.
    let matching = UploadOptions::new().resume(Resume::Matching);
    bucket.upload_bytes_with(&data, "x", &matching).unwrap();
    assert_eq!(large.count(Operation::StartLargeFile), started + 1);
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

/// Lets a run of a resumable upload be overtaken by another one, which resumes and finishes its file.
fn overtaken(sha1: LargeFileSha1) -> (Large, b2sdk::Result<b2sdk::Uploaded>, b2sdk::Uploaded) {
    let large = Large::with_workers(1);
    let data = noise(45_000);
    let other = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    authorize(&other, &large.service);
    let other = other.get_bucket_by_name(BUCKET).unwrap();
    let faster = Arc::new(Mutex::new(None));
    let options = UploadOptions::new()
        .resume(Resume::Matching)
        .large_file_sha1(sha1);
    let overtake = {
        let (data, options, faster) = (data.clone(), options.clone(), Arc::clone(&faster));
        move |progress: &TransferProgress| {
            let mut faster = faster.lock().unwrap();
            if progress.retries > 0 && faster.is_none() {
                *faster = Some(other.upload_bytes_with(&data, "x", &options).unwrap());
            }
        }
    };
    // The third part is sent twice, which is reported.
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(503, "busy", ""),
    );
    let options = options.progress(overtake);
    let slower = large.bucket.upload_bytes_with(&data, "x", &options);
    let faster = faster.lock().unwrap().take().unwrap();
    assert!(faster.resumed_parts() > 0);
    assert_eq!(large.content("x"), data);
    (large, slower, faster)
}

#[test]
fn two_overlapping_runs_of_a_resumable_upload_make_one_version() {
    let (large, slower, faster) = overtaken(LargeFileSha1::Compute);
    let slower = slower.unwrap();
    assert_eq!(slower.version().file_id, faster.version().file_id);
    assert_eq!(slower.parts(), 5);
    let versions = large.bucket.list_file_versions("x").unwrap();
    assert_eq!(versions.count(), 1);
}

#[test]
fn of_two_overlapping_runs_the_slower_says_if_it_cannot_tell_whose_content_it_is() {
    let (large, slower, faster) = overtaken(LargeFileSha1::Omit);
    match slower.unwrap_err() {
        Error::LargeFileLeft(left) => {
            assert_eq!(left.why, WhyLeft::MayBeFinished);
            assert_eq!(left.file_id, faster.version().file_id);
        }
        other => panic!("{other:?}"),
    }
    let versions = large.bucket.list_file_versions("x").unwrap();
    assert_eq!(versions.count(), 1);
}

#[test]
fn a_file_that_somebody_cancelled_is_not_told_as_left() {
    let large = Large::with_workers(1);
    let other = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    authorize(&other, &large.service);
    let cancel = move |progress: &TransferProgress| {
        if progress.retries > 0 {
            let bucket = other.get_bucket_by_name(BUCKET).unwrap();
            for file in bucket.list_unfinished_large_files("").unwrap() {
                other.cancel_large_file(&file.unwrap().file_id).unwrap();
            }
        }
    };
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(503, "busy", ""),
    );
    let options = UploadOptions::new()
        .resume(Resume::Matching)
        .progress(cancel);
    let error = large
        .bucket
        .upload_bytes_with(&noise(45_000), "x", &options)
        .unwrap_err();
    assert!(!matches!(error, Error::LargeFileLeft(_)), "{error:?}");
    assert!(large.is_clean());
}

#[test]
fn a_file_that_was_only_touched_is_resumed_by_its_content() {
    let large = Large::with_workers(1);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, noise(45_000)).unwrap();
    let options = UploadOptions::new().resume(Resume::Matching);
    let upload = |options: &UploadOptions| large.bucket.upload_local_file_with(&path, "x", options);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(2)
            .status(403, "storage_cap_exceeded", ""),
    );
    upload(&options).unwrap_err();
    let touch = || {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let earlier = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.set_modified(earlier).unwrap();
    };
    touch();
    // A time that the caller asks for is one of the settings.
    let asked = options.clone().src_last_modified(std::time::UNIX_EPOCH);
    large.inject(Fault::on(Operation::UploadPart).status(403, "storage_cap_exceeded", ""));
    upload(&asked).unwrap_err();
    let unfinished = large.bucket.list_unfinished_large_files("").unwrap();
    assert_eq!(unfinished.count(), 2, "it was not completed");

    let uploaded = upload(&options).unwrap();
    assert_eq!(uploaded.resumed_parts(), 2);
    assert_eq!(uploaded.passed_over().len(), 1, "that of the other time");
    assert_eq!(large.content("x"), noise(45_000));
}

#[test]
fn unfinished_files_that_are_passed_over_are_named() {
    let large = Large::with_workers(1);
    let options = UploadOptions::new().resume(Resume::Matching);
    leave_unfinished(&large, &noise(45_000), &options);
    let left = large.bucket.list_unfinished_large_files("").unwrap();
    let left: Vec<_> = left.map(|file| file.unwrap().file_id).collect();
    large.service.faults().clear();
    let other = crate::support::other_noise(45_000);
    let uploaded = large.bucket.upload_bytes_with(&other, "x", &options);
    assert_eq!(uploaded.unwrap().passed_over(), left);
    // Whoever does not resume does not look.
    let uploaded = large.bucket.upload_bytes(&other, "x").unwrap();
    assert!(uploaded.passed_over().is_empty());
}

/// A service that recommends parts of 20 MB and takes parts of 5 MB, and one worker.
fn larger_parts() -> World {
    let builder = Simulator::builder().recommended_part_size(20_000_000);
    let service = builder.start().unwrap();
    World::of(service, |builder| builder.workers(1))
}

#[test]
fn an_upload_that_may_be_resumed_has_small_parts() {
    let world = larger_parts();
    let data = noise(33_000_000);
    let options = UploadOptions::new().resume(Resume::Matching);
    let uploaded = world.bucket.upload_bytes_with(&data, "x", &options);
    assert_eq!(uploaded.unwrap().parts(), 3);
    // One request was enough for less.
    let uploaded = world
        .bucket
        .upload_bytes_with(&data[..20_000_000], "y", &options);
    assert_eq!(uploaded.unwrap().parts(), 1);
}

#[test]
fn an_unfinished_file_is_completed_in_the_size_of_its_parts() {
    let data = noise(21_000_000);
    let matching = UploadOptions::new().resume(Resume::Matching);
    // The recommended size, of which earlier releases made parts, and one that nobody recommends.
    for size in [20_000_000, 6_000_000] {
        let world = larger_parts();
        let earlier = matching.clone().part_size(size);
        world.inject(Fault::on(Operation::UploadPart).after(1).status(
            403,
            "storage_cap_exceeded",
            "",
        ));
        let left = world.bucket.upload_bytes_with(&data, "x", &earlier);
        left.unwrap_err();
        // Whoever chooses a size gets it.
        let chosen = matching.clone().part_size(8_000_000);
        let uploaded = world.bucket.upload_bytes_with(&data, "x", &chosen).unwrap();
        assert_eq!((uploaded.parts(), uploaded.resumed_parts()), (3, 0));
        world.service.log().clear();
        let uploaded = world.bucket.upload_bytes_with(&data, "x", &matching);
        let uploaded = uploaded.unwrap();
        let parts = u32::try_from(21_000_000_u64.div_ceil(size)).unwrap();
        assert_eq!((uploaded.parts(), uploaded.resumed_parts()), (parts, 1));
        assert_eq!(world.count(Operation::StartLargeFile), 0);
        let stored = world.bucket.download_file_by_name("x").unwrap();
        assert!(stored.read_to_vec().unwrap() == data);
    }
}

#[test]
fn the_newest_ten_unfinished_files_are_looked_at() {
    let large = Large::with_workers(1);
    let ours = noise(45_000);
    let plain = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
    let other = crate::support::other_noise(45_000);
    leave_unfinished(&large, &ours, &plain);
    let oldest = large.bucket.list_unfinished_large_files("").unwrap();
    let oldest: Vec<_> = oldest.map(|file| file.unwrap().file_id).collect();
    let newer = |options: &UploadOptions| {
        large.service.advance_clock(Duration::from_secs(1));
        large.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", ""));
        large.inject(Fault::on(Operation::CancelLargeFile).status(400, "bad_request", ""));
        let options = options.clone().part_size(PART);
        let upload = large.bucket.upload_bytes_with(&other, "x", &options);
        upload.unwrap_err();
    };
    // One with other settings costs nothing; ten have the settings, and other content.
    newer(&plain.clone().file_info(FileInfo::new().with("a", "b")));
    (0..10).for_each(|_| newer(&plain));
    large.service.log().clear();
    let matching = plain.clone().resume(Resume::Matching);
    let uploaded = large
        .bucket
        .upload_bytes_with(&ours, "x", &matching)
        .unwrap();
    assert_eq!(large.count(Operation::ListParts), 10);
    assert_eq!(uploaded.resumed_parts(), 0);
    assert!(uploaded.passed_over().contains(&oldest[0]));
    assert_eq!(uploaded.passed_over().len(), 12);
}
