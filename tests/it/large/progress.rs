//! What is told of a large upload while it runs, and by what it returns.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::Fault;
use b2sdk::{Operation, Resume, UploadOptions};

use super::{Large, PART};
use crate::support::noise;

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
fn progress_tells_stages_parts_and_retries_and_the_result_what_was_sent() {
    use b2sdk::progress::TransferStage::{Done, Finishing, Hashing, Transferring};
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
fn hashing_tells_the_bytes_that_were_read_and_begins_again_at_none_after_it() {
    use b2sdk::progress::TransferStage::{Hashing, Transferring};
    // A receiver that lets time pass is told everything.
    let large = Large::with_workers(1);
    let watch = || {
        let (reports, clock) = (Arc::new(Mutex::new(Vec::new())), large.clock.clone());
        let sink = Arc::clone(&reports);
        let receiver = move |progress: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            sink.lock().unwrap().push((progress.stage, progress.bytes));
        };
        (reports, receiver)
    };
    let data = noise(95_000);
    let (reports, receiver) = watch();
    let matching = UploadOptions::new().resume(Resume::Matching);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(3)
            .status(400, "bad_request", ""),
    );
    let options = matching.clone().progress(receiver);
    let failed = large.bucket.upload_bytes_with(&data, "x", &options);
    failed.unwrap_err();
    let told = reports.lock().unwrap().clone();
    assert!(told.contains(&(Hashing, 95_000)), "{told:?}");
    assert_eq!(
        told.iter().find(|(stage, _)| *stage == Transferring),
        Some(&(Transferring, 0))
    );

    // What is there already is compared with the source.
    let (reports, receiver) = watch();
    let options = matching
        .large_file_sha1(b2sdk::LargeFileSha1::Omit)
        .progress(receiver);
    large.inject(
        Fault::on(Operation::UploadPart)
            .after(3)
            .status(400, "bad_request", ""),
    );
    let failed = large.bucket.upload_bytes_with(&data, "y", &options);
    failed.unwrap_err();
    reports.lock().unwrap().clear();
    let uploaded = large.bucket.upload_bytes_with(&data, "y", &options);
    assert_eq!(uploaded.unwrap().resumed_parts(), 3);
    let told = reports.lock().unwrap().clone();
    assert!(told.contains(&(Hashing, 30_000)), "{told:?}");
    assert_eq!(told.last().unwrap().1, 95_000);
}
