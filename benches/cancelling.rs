//! How long a call takes to return once it is cancelled, at twenty stages.
//!
//! ```text
//! cargo bench --features simulator --bench cancelling
//! ```
//!
//! Each stage starts a call that cannot end by itself, because the service, a reader or another call holds it
//! up, waits until it is there, cancels it, and measures until the call returns. The exit status is 1 if one
//! of them takes longer than 100 ms. A reader that blocks inside its own `read` is not among them: nothing
//! can interrupt the caller's own code.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring program reads the real clock and prints what it found"
)]

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, DownloadOptions, InMemoryAccountInfo, LargeFileSha1,
    Operation, UploadOptions,
};

/// The longest time that is accepted.
const LIMIT: Duration = Duration::from_millis(100);
/// How long a call goes on at its stage before it is cancelled.
const SETTLING: Duration = Duration::from_millis(50);

/// What a stage works with.
struct Stage {
    service: Simulator,
    api: B2Api,
    bucket: Bucket,
    directory: tempfile::TempDir,
    /// Set by calls that know themselves when they are at their stage.
    is_there: Arc<AtomicBool>,
}

impl Stage {
    fn new() -> Result<Self> {
        let service = Simulator::builder()
            .minimum_part_size(100_000)
            .recommended_part_size(200_000)
            .start()?;
        let api = B2Api::builder(InMemoryAccountInfo::new()).build()?;
        api.authorize_account(
            service.url(),
            service.application_key_id(),
            service.application_key(),
        )?;
        let bucket = api.create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
        bucket.upload_bytes(&vec![7; 1_000_000], "stored")?;
        service.log().clear();
        Ok(Self {
            service,
            api,
            bucket,
            directory: tempfile::tempdir()?,
            is_there: Arc::default(),
        })
    }

    fn inject(&self, fault: Fault) {
        self.service.faults().inject(fault);
    }

    /// A stage at which the answer to this call is waited for.
    fn stall(&self, operation: Operation) {
        self.inject(Fault::on(operation).stall().always());
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("file")
    }

    /// A receiver of progress that notes when content is hashed.
    fn notes_hashing(&self) -> impl Fn(&TransferProgress) + Send + Sync + 'static {
        self.notes(TransferStage::Hashing)
    }

    /// A receiver of progress that notes when content is sent. The service's log has the request only
    /// when it has ended.
    fn notes_sending(&self) -> impl Fn(&TransferProgress) + Send + Sync + 'static {
        self.notes(TransferStage::Transferring)
    }

    fn notes(&self, stage: TransferStage) -> impl Fn(&TransferProgress) + Send + Sync + 'static {
        let is_there = Arc::clone(&self.is_there);
        move |progress: &TransferProgress| {
            if progress.stage == stage {
                is_there.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// When a call is at its stage.
enum When {
    /// The service has got this request.
    Requested(Operation),
    /// The call says so.
    Told,
    /// At once.
    Begun,
}

/// A call under a token; its outcome is of no interest.
type Call = fn(&Stage, &Bucket) -> b2sdk::Result<()>;

/// What holds it up.
type Setting = fn(&Stage);

/// A reader that gives one byte now and then.
struct Drip(Arc<AtomicBool>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.store(true, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(5));
        if let Some(first) = buffer.first_mut() {
            *first = 7;
        }
        Ok(1)
    }
}

fn sparse(path: &Path, length: u64) {
    let made = File::create(path).and_then(|file| file.set_len(length));
    made.unwrap_or_else(|error| println!("{}: {error}", path.display()));
}

fn stages() -> Vec<(&'static str, Setting, When, Call)> {
    use Operation as Op;
    use When::{Begun, Requested, Told};
    let small: Call = |_, bucket| bucket.upload_bytes(&[7; 1000], "x").map(drop);
    let large: Call = |_, bucket| bucket.upload_bytes(&vec![7; 1_000_000], "x").map(drop);
    let download: Call = |stage, bucket| {
        let download = bucket.download_file_by_name("stored")?;
        download.save_to(stage.path()).map(drop)
    };
    vec![
        (
            "asking for an upload URL",
            |s| s.stall(Op::GetUploadUrl),
            Requested(Op::GetUploadUrl),
            small,
        ),
        (
            "waiting for the answer to a small upload",
            |s| s.stall(Op::UploadFile),
            Requested(Op::UploadFile),
            small,
        ),
        (
            "sending a file that the service reads slowly",
            |s| s.inject(Fault::on(Op::UploadFile).slow_request(1000).always()),
            Told,
            |stage, bucket| {
                let options = UploadOptions::new()
                    .part_size(100_000_000)
                    .progress(stage.notes_sending());
                bucket
                    .upload_bytes_with(&vec![7; 50_000_000], "x", &options)
                    .map(drop)
            },
        ),
        (
            "a pause that the service asked for",
            |s| {
                s.inject(
                    Fault::on(Op::UploadFile)
                        .status(429, "too_many_requests", "")
                        .retry_after(600)
                        .always(),
                )
            },
            Requested(Op::UploadFile),
            small,
        ),
        (
            "a pause between attempts",
            |s| {
                s.inject(
                    Fault::on(Op::HideFile)
                        .status(503, "service_unavailable", "")
                        .always(),
                )
            },
            Requested(Op::HideFile),
            |_, bucket| bucket.hide_file("stored").map(drop),
        ),
        (
            "hashing a large file",
            |s| sparse(&s.path(), 60_000_000_000),
            Told,
            |stage, bucket| {
                let options = UploadOptions::new().progress(stage.notes_hashing());
                bucket
                    .upload_local_file_with(stage.path(), "x", &options)
                    .map(drop)
            },
        ),
        (
            "reading a file that may grow",
            |s| sparse(&s.path(), 60_000_000_000),
            Told,
            |stage, bucket| {
                let options = UploadOptions::new()
                    .may_grow(true)
                    .progress(stage.notes_hashing());
                bucket
                    .upload_local_file_with(stage.path(), "x", &options)
                    .map(drop)
            },
        ),
        (
            "starting a large file",
            |s| s.stall(Op::StartLargeFile),
            Requested(Op::StartLargeFile),
            large,
        ),
        (
            "waiting for the answer to a part",
            |s| s.stall(Op::UploadPart),
            Requested(Op::UploadPart),
            large,
        ),
        (
            "finishing a large file",
            |s| s.stall(Op::FinishLargeFile),
            Requested(Op::FinishLargeFile),
            large,
        ),
        (
            "a reader that gives little",
            |_| {},
            Told,
            |stage, bucket| {
                bucket
                    .upload_stream(Drip(Arc::clone(&stage.is_there)), "x")
                    .map(drop)
            },
        ),
        (
            "writing into a file that the service does not take",
            |s| s.stall(Op::UploadPart),
            Requested(Op::UploadPart),
            |_, bucket| {
                let options = UploadOptions::new().part_size(100_000);
                let mut writer = bucket.upload_writer_with("x", &options)?;
                while writer.write_all(&[7; 10_000]).is_ok() {}
                writer.finish().map(drop)
            },
        ),
        (
            "a copy in one request",
            |s| s.stall(Op::CopyFile),
            Requested(Op::CopyFile),
            |_, bucket| {
                let source = bucket.get_file_info_by_name("stored")?;
                bucket.copy(&source.file_id, "x").map(drop)
            },
        ),
        (
            "a copy in parts",
            |s| s.stall(Op::CopyPart),
            Requested(Op::CopyPart),
            |_, bucket| {
                let source = bucket.get_file_info_by_name("stored")?;
                let options = b2sdk::CopyOptions::new().part_size(200_000);
                bucket.copy_with(&source.file_id, "x", &options).map(drop)
            },
        ),
        (
            "waiting for a download to begin",
            |s| s.stall(Op::DownloadFileByName),
            Requested(Op::DownloadFileByName),
            download,
        ),
        (
            "receiving a download",
            |s| s.inject(Fault::on(Op::DownloadFileByName).slow_answer(1000).always()),
            Requested(Op::DownloadFileByName),
            download,
        ),
        (
            "receiving a download in ranges",
            |s| s.inject(Fault::on(Op::DownloadFileById).slow_answer(1000).always()),
            Requested(Op::DownloadFileById),
            |stage, bucket| {
                let options = DownloadOptions::new().part_size(100_000);
                let download = bucket.download_file_by_name_with("stored", &options)?;
                download.save_to(stage.path()).map(drop)
            },
        ),
        (
            "a page of a listing",
            |s| s.stall(Op::ListFileVersions),
            Requested(Op::ListFileVersions),
            |_, bucket| {
                bucket
                    .list_file_versions("stored")?
                    .try_for_each(|row| row.map(drop))
            },
        ),
        (
            "a limit on the bytes a second",
            |s| s.api.set_upload_limit(std::num::NonZeroU64::new(1000)),
            Told,
            |stage, bucket| {
                let options = UploadOptions::new().progress(stage.notes_sending());
                bucket
                    .upload_bytes_with(&[7; 100_000], "x", &options)
                    .map(drop)
            },
        ),
        (
            "replacing a token",
            |s| {
                if let Err(error) = s.service.expire_tokens() {
                    println!("tokens: {error}");
                }
                s.stall(Op::AuthorizeAccount);
            },
            Requested(Op::AuthorizeAccount),
            |_, bucket| bucket.hide_file("stored").map(drop),
        ),
        (
            "a call that is cancelled before it begins",
            |_| {},
            Begun,
            |_, bucket| {
                let options = UploadOptions::new().large_file_sha1(LargeFileSha1::Omit);
                bucket
                    .upload_bytes_with(&[7; 1000], "x", &options)
                    .map(drop)
            },
        ),
    ]
}

fn measure(setting: Setting, when: &When, call: Call) -> Result<Duration> {
    let stage = Stage::new()?;
    setting(&stage);
    let token = CancelToken::new();
    let bucket = stage.bucket.with_cancel(&token);
    if matches!(when, When::Begun) {
        token.cancel();
    }
    thread::scope(|scope| {
        let started = Instant::now();
        let calling = scope.spawn(|| {
            let outcome = call(&stage, &bucket);
            (outcome, Instant::now())
        });
        let is_there = || match when {
            When::Requested(operation) => stage.service.log().count(*operation) > 0,
            When::Told => stage.is_there.load(Ordering::SeqCst),
            When::Begun => true,
        };
        while !is_there() && !calling.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        let cancelled = match when {
            When::Begun => started,
            _ => {
                thread::sleep(SETTLING);
                let now = Instant::now();
                token.cancel();
                now
            }
        };
        let (outcome, returned) = calling.join().ok().context("the call panicked")?;
        outcome
            .err()
            .context("the call succeeded before it was cancelled")?;
        Ok(returned.saturating_duration_since(cancelled))
    })
}

fn main() -> ExitCode {
    let mut is_slow = false;
    for (name, setting, when, call) in stages() {
        match measure(setting, &when, call) {
            Ok(took) => {
                is_slow |= took > LIMIT;
                println!("{:>8.1} ms  {name}", took.as_secs_f64() * 1000.0);
            }
            Err(error) => {
                is_slow = true;
                println!("{:>8}     {name}: {error:#}", "?");
            }
        }
    }
    ExitCode::from(u8::from(is_slow))
}
