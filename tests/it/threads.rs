//! How many threads and connections transfers use, how much memory, and that nothing of them is left.

use std::collections::BTreeSet;
use std::time::Duration;

use b2sdk::limits::Workers;
use b2sdk::simulator::{Fault, Shaping, Simulator};
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, CopyOptions, DownloadOptions, Error,
    InMemoryAccountInfo, Operation, UploadOptions,
};

use crate::support::{BUCKET, World, authorize, noise};

const PART: u64 = 10_000;
const LENGTH: usize = 150_000;

/// A hung test fails instead of hanging the suite.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A service with a file "x" of 15 parts, in real time.
fn service_and_bucket(workers: usize) -> (Simulator, Bucket) {
    let (service, bucket, _) = world(workers);
    (service, bucket)
}

fn world(workers: usize) -> (Simulator, Bucket, B2Api) {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(PART)
        .start()
        .unwrap();
    let api = B2Api::builder(InMemoryAccountInfo::new())
        .workers(workers)
        .build()
        .unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    service.log().clear();
    (service, bucket, api)
}

fn wait_for(condition: impl Fn() -> bool) {
    let mut rounds = 0_u64;
    while !condition() {
        std::thread::yield_now();
        rounds += 1;
        assert!(rounds < 1_000_000_000, "it never came");
    }
}

/// Something that moves data, until it is cancelled.
type Transfer = fn(&Bucket, &CancelToken) -> Result<(), Error>;

fn upload(bucket: &Bucket, token: &CancelToken) -> Result<(), Error> {
    let options = UploadOptions::new().cancel(token);
    bucket.upload_bytes_with(&noise(LENGTH), "y", &options)?;
    Ok(())
}

fn upload_of_a_reader(bucket: &Bucket, token: &CancelToken) -> Result<(), Error> {
    let options = UploadOptions::new().cancel(token);
    let content = noise(LENGTH);
    bucket.upload_reader_with(content.as_slice(), LENGTH as u64, "y", &options)?;
    Ok(())
}

fn download(bucket: &Bucket, token: &CancelToken) -> Result<(), Error> {
    let directory = tempfile::tempdir().unwrap();
    let options = DownloadOptions::new().part_size(PART).cancel(token);
    let download = bucket.download_file_by_name_with("x", &options)?;
    let outcome = download.save_to(directory.path().join("x"));
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, usize::from(outcome.is_ok()), "{outcome:?}");
    outcome.map(drop)
}

fn copy(bucket: &Bucket, token: &CancelToken) -> Result<(), Error> {
    let source = bucket.get_file_info_by_name("x")?.file_id;
    let options = CopyOptions::new().part_size(PART).cancel(token);
    bucket.copy_with(&source, "y", &options).map(drop)
}

/// Each kind of transfer in parts, and the request that its threads make at the same time.
const TRANSFERS: [(Transfer, Operation); 4] = [
    (upload, Operation::UploadPart),
    (upload_of_a_reader, Operation::UploadPart),
    (download, Operation::DownloadFileById),
    (copy, Operation::CopyPart),
];

#[test]
fn as_many_requests_run_at_once_as_there_are_workers() {
    for (transfer, operation) in TRANSFERS {
        for workers in [1, 3, 8] {
            let (service, bucket) = service_and_bucket(workers);
            transfer(&bucket, &CancelToken::new()).unwrap();
            let entries = service.log().entries();
            let moving = entries
                .iter()
                .filter(|entry| entry.operation == Some(operation));
            let connections: BTreeSet<_> = moving.map(|entry| entry.connection).collect();
            assert!(
                connections.len() <= workers,
                "{operation} {workers}: {connections:?}"
            );

            // So many hang at the same time. The response to the first request is a range, too.
            let first = usize::from(operation == Operation::DownloadFileById);
            let stuck = workers - first;
            if first > 0 {
                let opened = Fault::on(Operation::DownloadFileByName);
                service.faults().inject(opened.stall_answer(100));
            }
            service
                .faults()
                .inject(Fault::on(operation).stall().times(stuck + 1));
            service.log().clear();
            let token = CancelToken::new();
            std::thread::scope(|scope| {
                let running = scope.spawn(|| transfer(&bucket, &token));
                wait_for(|| service.faults().remaining() == 1);
                // A thread too many would meet the last one; it has time until the token breaks it.
                token.cancel();
                let error = running.join().unwrap().unwrap_err();
                assert!(matches!(error, Error::Cancelled), "{error:?}");
            });
            assert_eq!(service.faults().remaining(), 1, "{operation} {workers}");
        }
    }
}

#[test]
fn the_number_of_workers_counts_for_what_runs_already() {
    for (transfer, operation) in TRANSFERS {
        // A reader has as many buffers as there were workers, and one more.
        let (service, bucket, api) = world(2);
        api.set_workers(1);
        service
            .faults()
            .inject(Fault::on(operation).stall().times(3));
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| transfer(&bucket, &token));
            let first = usize::from(operation == Operation::DownloadFileById);
            wait_for(|| service.faults().remaining() == 2);
            api.set_workers(2 + first);
            wait_for(|| service.faults().remaining() <= 1);
            token.cancel();
            running.join().unwrap().unwrap_err();
        });
        service.faults().clear();
        // Down again.
        api.set_workers(0);
        assert_eq!(api.workers(), 1);
        service.log().clear();
        transfer(&bucket, &CancelToken::new()).unwrap();
        let entries = service.log().entries();
        let moving = entries
            .iter()
            .filter(|entry| entry.operation == Some(operation));
        let connections: BTreeSet<_> = moving.map(|entry| entry.connection).collect();
        assert_eq!(connections.len(), 1, "{operation}");
    }
}

/// The threads of this process that have this name, which a thread gives on to those that it starts.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.trim_end() == name)
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_cancelled_transfer_leaves_no_thread() {
    for (number, (transfer, operation)) in TRANSFERS.into_iter().enumerate() {
        let (service, bucket) = service_and_bucket(4);
        service
            .faults()
            .inject(Fault::on(operation).after(2).stall().times(100));
        let token = CancelToken::new();
        // Names are cut to 15 bytes.
        let name = format!("transfer {number}");
        let (done, outcome) = std::sync::mpsc::channel();
        let (own, under) = (name.clone(), token.clone());
        let running = std::thread::Builder::new().name(name.clone());
        let running = running.spawn(move || {
            let outcome = transfer(&bucket, &under);
            // What has ended may be listed for another moment.
            wait_for(|| threads_named(&own) == 1);
            done.send(outcome).unwrap();
        });
        wait_for(|| service.faults().remaining() <= 98 && threads_named(&name) > 2);
        token.cancel();
        let outcome = outcome.recv_timeout(WATCHDOG).expect("it ends");
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        running.unwrap().join().unwrap();
    }
}

#[test]
fn an_adaptive_number_of_workers_falls_when_the_service_asks_for_less() {
    for (status, code) in [(429, "too_many_requests"), (503, "service_unavailable")] {
        let world = World::with(|builder| builder.workers(Workers::AutoUpTo(7)));
        assert_eq!(world.api.workers(), 7);
        world.inject(Fault::on(Operation::UploadFile).status(status, code, ""));
        world.bucket.upload_bytes(b"x", "x").unwrap();
        assert_eq!(world.api.workers(), 4, "after {status}");
        world.inject(Fault::on(Operation::DownloadFileByName).status(404, "not_found", ""));
        assert!(world.bucket.download_file_by_name("x").is_err());
        assert_eq!(
            world.api.workers(),
            4,
            "a file that is not there says nothing"
        );
        // A fixed number stays.
        world.api.set_workers(7);
        world.inject(Fault::on(Operation::UploadFile).status(status, code, ""));
        world.bucket.upload_bytes(b"x", "x").unwrap();
        assert_eq!(world.api.workers(), 7);
    }
}

#[test]
fn an_adaptive_number_of_workers_begins_with_more_over_latency() {
    let service = Simulator::start().unwrap();
    let late = Shaping::new().latency(Duration::from_millis(31));
    service.faults().shape(late);
    let world = World::of(service, |builder| builder.workers(Workers::AutoUpTo(30)));
    world.bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(world.api.workers(), 30);
    // Each of the files has a thread and an upload URL, and nothing else has.
    world.service.log().clear();
    let directory = tempfile::tempdir().unwrap();
    let files = (0..5).map(|n| {
        let (path, name) = (directory.path().join(n.to_string()), n.to_string());
        std::fs::write(&path, b"x").unwrap();
        (path, name)
    });
    let uploaded = world.bucket.upload_many(files);
    assert_eq!(uploaded.map(Result::unwrap).count(), 5);
    assert!(world.count(Operation::GetUploadUrl) <= 4, "one was there");
    world.api.set_workers(3);
    assert_eq!(world.api.workers(), 3);
}
