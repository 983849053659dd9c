//! Cancelling: before, during and between requests, also when the other side is silent.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, B2ApiBuilder, Bucket, BucketType, CancelToken, DownloadOptions, Error,
    InMemoryAccountInfo, LsOptions, Operation, RetryPolicy, UploadOptions,
};

use crate::support::{BUCKET, authorize, in_time, noise};

/// A service that tells of each request it has logged, and a bucket in real time.
fn service_and_bucket() -> (Simulator, Bucket) {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(&noise(500_000), "x").unwrap();
    (service, bucket)
}

/// Runs a call in a thread, cancels it as soon as `begun` says so, and gives its outcome.
fn cancel_when<T: Send>(
    token: &CancelToken,
    call: impl FnOnce() -> Result<T, Error> + Send,
    begun: impl FnOnce(),
) -> Result<T, Error> {
    in_time(|| {
        std::thread::scope(|scope| {
            let calling = scope.spawn(call);
            begun();
            token.cancel();
            calling.join().unwrap()
        })
    })
}

fn wait_for(condition: impl Fn() -> bool) {
    let mut rounds = 0_u64;
    while !condition() {
        std::thread::yield_now();
        rounds += 1;
        assert!(rounds < 1_000_000_000, "it never came");
    }
}

#[test]
fn a_cancelled_token_stops_calls_before_they_send_anything() {
    let (service, bucket) = service_and_bucket();
    service.log().clear();
    let token = CancelToken::new();
    token.cancel();
    let upload = bucket.upload_bytes_with(b"x", "y", &UploadOptions::new().cancel(&token));
    assert!(matches!(upload.unwrap_err(), Error::Cancelled));
    let download = bucket.download_file_by_name_with("x", &DownloadOptions::new().cancel(&token));
    assert!(matches!(download.unwrap_err(), Error::Cancelled));
    let listing = bucket
        .ls_with("", &LsOptions::new().cancel(&token))
        .unwrap()
        .next();
    assert!(matches!(listing.unwrap().unwrap_err(), Error::Cancelled));
    assert_eq!(service.log().total(), 0);
}

#[test]
fn an_upload_to_a_silent_service_is_cancelled() {
    let (service, bucket) = service_and_bucket();
    service
        .faults()
        .inject(Fault::on(Operation::UploadFile).after_reading(1000).stall());
    let token = CancelToken::new();
    let options = UploadOptions::new().cancel(&token);
    let data = noise(20_000_000);
    let outcome = cancel_when(
        &token,
        || bucket.upload_bytes_with(&data, "y", &options),
        || wait_for(|| service.faults().remaining() == 0),
    );
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert!(bucket.list_file_versions("y").unwrap().next().is_none());
}

#[test]
fn a_download_from_a_silent_service_is_cancelled_and_leaves_nothing() {
    let (service, bucket) = service_and_bucket();
    service
        .faults()
        .inject(Fault::on(Operation::DownloadFileByName).stall_answer(100_000));
    let token = CancelToken::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let outcome = cancel_when(
        &token,
        || {
            bucket
                .download_file_by_name_with("x", &DownloadOptions::new().cancel(&token))?
                .save_to(&path)
        },
        || wait_for(|| service.faults().remaining() == 0),
    );
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_gives_nothing_more_once_it_is_cancelled() {
    let (_service, bucket) = service_and_bucket();
    let token = CancelToken::new();
    let options = DownloadOptions::new().cancel(&token);
    let download = bucket.download_file_by_name_with("x", &options).unwrap();
    let mut reader = download.into_reader();
    // More than this has arrived with it.
    reader.read_exact(&mut [0; 10]).unwrap();
    token.cancel();
    let error = reader.read(&mut [0; 10]).unwrap_err();
    assert!(matches!(error.downcast::<Error>(), Ok(Error::Cancelled)));
}

/// Tells of each warning: one is given right before each wait.
struct Warnings(std::sync::Mutex<mpsc::Sender<()>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.lock().unwrap().send(()).unwrap();
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_wait_between_attempts_is_cancelled() {
    let (service, bucket) = service_and_bucket();
    let busy = Fault::on(Operation::ListFileNames).status(503, "service_unavailable", "");
    // Longer than the watchdog waits, and not so long that a failure would take all day.
    service.faults().inject(busy.retry_after(90));
    let token = CancelToken::new();
    let options = LsOptions::new().cancel(&token);
    let (warnings, warned) = mpsc::channel();
    let subscriber = Warnings(std::sync::Mutex::new(warnings));
    let outcome = cancel_when(
        &token,
        || {
            tracing::subscriber::with_default(subscriber, || {
                bucket.ls_with("", &options).unwrap().next().unwrap()
            })
        },
        || warned.recv().unwrap(),
    );
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert_eq!(service.log().count(Operation::ListFileNames), 1);
}

#[test]
fn cancelling_one_call_leaves_others_alone() {
    let (service, bucket) = service_and_bucket();
    service
        .faults()
        .inject(Fault::on(Operation::DownloadFileByName).stall_answer(0));
    let token = CancelToken::new();
    let options = DownloadOptions::new().cancel(&token);
    let outcome = cancel_when(
        &token,
        || {
            bucket
                .download_file_by_name_with("x", &options)?
                .read_to_vec()
        },
        || {
            wait_for(|| service.faults().remaining() == 0);
            let other = CancelToken::new();
            let options = DownloadOptions::new().cancel(&other);
            assert_eq!(
                bucket
                    .download_file_by_name_with("x", &options)
                    .unwrap()
                    .read_to_vec()
                    .unwrap(),
                noise(500_000)
            );
        },
    );
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert_eq!(
        bucket
            .download_file_by_name("x")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        noise(500_000)
    );
}

#[test]
fn calls_under_one_token_share_its_connections() {
    let (service, bucket) = service_and_bucket();
    service.log().clear();
    let token = CancelToken::new();
    let options = DownloadOptions::new().cancel(&token);
    for _ in 0..5 {
        bucket
            .download_file_by_name_with("x", &options)
            .unwrap()
            .read_to_vec()
            .unwrap();
    }
    let connections: std::collections::BTreeSet<_> = service
        .log()
        .entries()
        .iter()
        .map(|entry| entry.connection)
        .collect();
    assert_eq!(connections.len(), 1);
}

/// Runs a call in a thread, shuts the `B2Api` down as soon as the call waits, and gives its outcome.
fn shut_down_when<T: Send>(
    api: &B2Api,
    call: impl FnOnce() -> Result<T, Error> + Send,
    begun: impl FnOnce(),
) -> Result<T, Error> {
    in_time(|| {
        std::thread::scope(|scope| {
            let calling = scope.spawn(call);
            begun();
            api.shutdown();
            calling.join().unwrap()
        })
    })
}

fn api_and_bucket(
    settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder,
) -> (Simulator, B2Api, Bucket) {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    let api = settings(B2Api::builder(InMemoryAccountInfo::new()))
        .build()
        .unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    (service, api, bucket)
}

#[test]
fn a_shutdown_wakes_those_that_wait_because_the_service_asked_for_it() {
    for token in [None, Some(CancelToken::new())] {
        let (service, api, bucket) = api_and_bucket(|builder| builder.retry(RetryPolicy::none()));
        let busy = Fault::on(Operation::HideFile).status(503, "service_unavailable", "");
        service.faults().inject(busy.retry_after(600));
        let bucket = match &token {
            Some(token) => bucket.with_cancel(token),
            None => bucket,
        };
        assert!(matches!(bucket.hide_file("x"), Err(Error::Busy(_))));
        // Whether it waits already or not yet: it would for ten minutes.
        let outcome = shut_down_when(&api, || bucket.hide_file("x"), || ());
        assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    }
}

/// A stream that says when it is read, and then waits for a word before each of its bytes.
struct Held<'a> {
    read: &'a AtomicBool,
    go_on: mpsc::Receiver<()>,
}

impl Read for Held<'_> {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        self.read.store(true, Ordering::SeqCst);
        let _closed = self.go_on.recv();
        Ok(0)
    }
}

#[test]
fn a_shutdown_wakes_those_that_wait_for_memory() {
    let (_service, api, bucket) = api_and_bucket(|builder| builder.memory_limit(10_000));
    let (read, (word, go_on)) = (AtomicBool::new(false), mpsc::channel());
    let outcome = in_time(|| {
        std::thread::scope(|scope| {
            let held = Held { read: &read, go_on };
            scope.spawn(|| bucket.upload_stream(held, "holds all memory"));
            wait_for(|| read.load(Ordering::SeqCst));
            assert_eq!(api.memory_in_use(), 10_000);
            let waiting = scope.spawn(|| bucket.upload_stream(&b"x"[..], "waits"));
            api.shutdown();
            let outcome = waiting.join().unwrap();
            drop(word);
            outcome
        })
    });
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert_eq!(api.memory_in_use(), 0);
}

#[test]
fn every_call_of_a_handle_with_a_token_ends_with_it() {
    let (service, bucket) = service_and_bucket();
    let token = CancelToken::new();
    let api = B2Api::new(InMemoryAccountInfo::new()).with_cancel(&token);
    authorize(&api, &service);
    let watched = api.get_bucket_by_name(BUCKET).unwrap();
    for operation in [
        Operation::ListBuckets,
        Operation::HideFile,
        Operation::AuthorizeAccount,
    ] {
        service
            .faults()
            .inject(Fault::on(operation).stall().always());
    }
    service.log().clear();
    let hiding = cancel_when(
        &token,
        || watched.hide_file("x"),
        || wait_for(|| service.log().count(Operation::HideFile) == 1),
    );
    assert!(matches!(hiding, Err(Error::Cancelled)));
    assert!(matches!(api.list_buckets(), Err(Error::Cancelled)));
    assert!(matches!(api.reauthorize(), Err(Error::Cancelled)));
    assert_eq!(service.log().total(), 1, "nothing was sent after that");
    assert!(bucket.ls("").is_ok(), "others go on");
}
