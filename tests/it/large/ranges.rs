//! Large files that are downloaded in ranges side by side.

use std::sync::Mutex;

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::Fault;
use b2sdk::{Error, Operation, Verification};

use super::{Large, PART};
use crate::support::noise;

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
    assert_eq!(source.kind, b2sdk::error::TransportKind::Reset);
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
