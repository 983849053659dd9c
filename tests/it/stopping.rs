//! Transfers that are cancelled, or of which a part fails, while they wait for the caller's own reader or
//! for a pipe: they end with its next byte, not with the next part.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::progress::TransferProgress;
use b2sdk::simulator::Fault;
use b2sdk::{
    B2Api, CancelToken, DownloadOptions, Error, InMemoryAccountInfo, Operation, RetryPolicy,
    Timeouts, UploadOptions,
};

use crate::support::{BUCKET, World, noise};

/// A reader that gives some bytes at once and then one at a time. It fails if it is asked for too many of
/// those.
struct Drip<F> {
    fast: usize,
    slow: usize,
    /// What it does before it gives a slow one.
    then: F,
}

impl<F: FnMut()> Read for Drip<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.fast);
        self.fast -= count;
        if count > 0 {
            buffer[..count].fill(7);
            return Ok(count);
        }
        (self.then)();
        self.slow = self
            .slow
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("it was read on"))?;
        buffer[0] = 7;
        Ok(1)
    }
}

type Upload = fn(&World, &mut dyn Read, &UploadOptions) -> Result<(), Error>;

const PART: u64 = 5_000_000;

const UPLOADS: [(&str, Upload); 3] = [
    ("a stream", |world, reader, options| {
        let uploaded = world.bucket.upload_stream_with(reader, "x", options);
        uploaded.map(|_| ())
    }),
    ("a reader in parts", |world, reader, options| {
        let uploaded = world
            .bucket
            .upload_reader_with(reader, 2 * PART, "x", options);
        uploaded.map(|_| ())
    }),
    ("a reader in one request", |world, reader, options| {
        let uploaded = world.bucket.upload_reader_with(reader, PART, "x", options);
        uploaded.map(|_| ())
    }),
];

#[test]
fn a_transfer_that_is_cancelled_while_its_reader_gives_little_ends_with_its_next_byte() {
    for (what, upload) in UPLOADS {
        for by_shutdown in [false, true] {
            let world = World::with(|builder| builder.workers(2));
            let token = CancelToken::new();
            let mut reader = Drip {
                fast: 100,
                slow: 1000,
                then: || {
                    if by_shutdown {
                        world.api.shutdown();
                    } else {
                        token.cancel();
                    }
                },
            };
            let options = UploadOptions::new().part_size(PART).cancel(&token);
            let error = upload(&world, &mut reader, &options).unwrap_err();
            // After a shutdown nothing can be cleared up any more.
            assert!(
                matches!(error.failure(), Error::Cancelled),
                "{what}: {error:?}"
            );
        }
    }
}

#[test]
fn a_part_that_fails_is_told_while_the_reader_fills_the_next_one() {
    let world = World::with(|builder| builder.workers(2));
    world.inject(
        Fault::on(Operation::UploadPart)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    let mut reader = Drip {
        fast: PART as usize + 1,
        slow: 4_000_000,
        then: || {
            while world.count(Operation::UploadPart) == 0 {
                std::thread::yield_now();
            }
            std::thread::yield_now();
        },
    };
    let options = UploadOptions::new().part_size(PART);
    let uploaded = world.bucket.upload_stream_with(&mut reader, "x", &options);
    let error = uploaded.unwrap_err();
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
}

#[test]
fn a_reader_that_panics_stops_the_parts_that_are_on_their_way() {
    // Without that, each of them would be tried until its time limit three times.
    let limit = Duration::from_secs(3600);
    let world = World::with(|builder| {
        builder
            .workers(2)
            .timeouts(Timeouts::default().idle(limit).slow_idle(limit))
            .retry(RetryPolicy::default().max_attempts(3))
    });
    world.inject(Fault::on(Operation::UploadPart).stall().always());
    let mut reader = Drip {
        fast: PART as usize + 1,
        slow: 1,
        then: || {
            while world.count(Operation::UploadPart) == 0 {
                std::thread::yield_now();
            }
            panic!("the reader panics");
        },
    };
    let options = UploadOptions::new().part_size(PART);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        world.bucket.upload_stream_with(&mut reader, "x", &options)
    }));
    assert!(outcome.is_err());
}

#[test]
fn a_transfer_that_a_receiver_starts_is_refused_where_it_would_wait_for_ever() {
    let world = World::with(|builder| builder.workers(1));
    let outcome = Arc::new(Mutex::new(None));
    let receiver = {
        let (outcome, bucket) = (Arc::clone(&outcome), world.bucket.clone());
        move |progress: &TransferProgress| {
            if progress.retries > 0 && outcome.lock().unwrap().is_none() {
                let options = UploadOptions::new().part_size(PART);
                let started = bucket.upload_bytes_with(&noise(11_000_000), "y", &options);
                *outcome.lock().unwrap() = Some(started.map(|_| ()));
            }
        }
    };
    world.inject(Fault::on(Operation::UploadPart).status(503, "busy", ""));
    let options = UploadOptions::new().part_size(PART).progress(receiver);
    world
        .bucket
        .upload_bytes_with(&noise(11_000_000), "x", &options)
        .unwrap();
    match outcome.lock().unwrap().take() {
        Some(Err(Error::InvalidInput { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn a_download_into_a_pipe_that_nobody_reads_can_be_cancelled() {
    use nix::sys::stat::Mode;

    let world = World::new();
    world.bucket.upload_bytes(&noise(1_000_000), "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let download = |token: &CancelToken| {
        let options = DownloadOptions::new().cancel(token);
        world.bucket.download_file_by_name_with("x", &options)
    };
    for is_opened in [false, true] {
        let token = CancelToken::new();
        let waiting = download(&token).unwrap();
        let outcome = std::thread::scope(|scope| {
            let saving = scope.spawn(|| waiting.save_to(&pipe));
            let reader = is_opened.then(|| {
                // It takes one byte, and no more.
                let mut reader = std::fs::File::open(&pipe).unwrap();
                reader.read_exact(&mut [0]).unwrap();
                reader
            });
            token.cancel();
            let outcome = saving.join().unwrap();
            drop(reader);
            outcome
        });
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    }
    // Who reads gets everything.
    let whole = download(&CancelToken::new()).unwrap();
    std::thread::scope(|scope| {
        let saving = scope.spawn(|| whole.save_to(&pipe));
        let read = std::fs::read(&pipe).unwrap();
        assert!(read == noise(1_000_000));
        saving.join().unwrap().unwrap();
    });
}

/// The variable that makes this program a child whose output nobody reads.
#[cfg(target_os = "linux")]
const ROLE: &str = "B2SDK_TEST_OUTPUT_CHILD";

#[cfg(target_os = "linux")]
#[test]
fn a_download_to_an_output_that_nobody_reads_can_be_cancelled() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(1_000_000), "x").unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "stopping::role_with_an_output_that_nobody_reads",
            "--exact",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .env("B2_APPLICATION_KEY_ID", world.service.application_key_id())
        .env("B2_APPLICATION_KEY", world.service.application_key())
        .env("B2_ENVIRONMENT", world.service.url())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    // What was written is the beginning of the file.
    let mut written = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut written)
        .unwrap();
    let start = noise(1_000_000);
    let found = written
        .windows(1_000)
        .any(|window| window == &start[..1_000]);
    assert!(found, "{} bytes", written.len());
}

/// What the child process does, and no other one.
#[cfg(target_os = "linux")]
#[expect(clippy::exit, reason = "the end of a test prints")]
#[test]
fn role_with_an_output_that_nobody_reads() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_with(EnvironmentCredentials::new()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let token = CancelToken::new();
    let options = DownloadOptions::new().cancel(&token);
    let download = bucket.download_file_by_name_with("x", &options).unwrap();
    let (done, outcome) = std::sync::mpsc::channel();
    std::thread::spawn(move || drop(done.send(download.save_to("/dev/stdout"))));
    let output = io::stdout();
    let now = Timespec::default();
    // Until it is full.
    while poll(&mut [PollFd::new(&output, PollFlags::OUT)], Some(&now)).unwrap() > 0 {
        std::thread::yield_now();
    }
    token.cancel();
    let outcome = outcome.recv_timeout(Duration::from_secs(60));
    let is_cancelled = matches!(outcome, Ok(Err(Error::Cancelled)));
    // A test that ended as others do would print, which nobody reads.
    std::process::exit(i32::from(!is_cancelled));
}
