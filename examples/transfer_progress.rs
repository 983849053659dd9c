//! Uploads files side by side and downloads them again, with a progress bar for each.
//!
//! ```sh
//! transfer_progress FILE...
//! ```
//!
//! With `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY` in the environment it talks to the real service
//! (or to the realm in `B2_ENVIRONMENT`): it makes a bucket of its own there, and deletes the files from
//! it in the end. Otherwise it talks to a simulator in this process, which keeps the files in memory;
//! without FILE it then moves 100 MB of its own, and the simulator breaks some connections. Enter cancels.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use b2sdk::local::LocalDirectory;
use b2sdk::progress::{Progress, TransferId, TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, DownloadOptions, FileVersion, InMemoryAccountInfo,
    Operation, UploadOptions, Verification,
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The smallest parts that the service takes, so that there are several to be seen.
const PART_SIZE: u64 = 5_000_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "transfer_progress: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let account = Account::choose()?;
    let given: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let paths = match &account.simulator {
        _ if !given.is_empty() => given,
        Some(simulator) => {
            break_some_connections(simulator);
            own_files(directory.path())?
        }
        None => bail!("usage: transfer_progress FILE..."),
    };
    let bucket = account.bucket()?;
    let token = CancelToken::new();
    cancel_at_enter(&token);

    let bars = Arc::new(Bars::new()?);
    let uploaded = side_by_side(&paths, |path| upload(&bucket, path, &bars, &token));
    let (versions, failed) = sort(uploaded);
    let target = LocalDirectory::new(directory.path().join("copies"));
    let downloaded = match failed {
        None => side_by_side(&versions, |version| {
            download(&bucket, version, &target, &bars, &token)
        }),
        Some(error) => vec![Err(error)],
    };
    for version in &versions {
        bucket.delete_file_version(&version.file_id, &version.file_name)?;
    }
    sort(downloaded).1.map_or(Ok(()), Err)
}

/// Runs it for all of them at once. Their parts share the workers of the `B2Api`.
fn side_by_side<I: Sync, T: Send>(
    items: &[I],
    act: impl Fn(&I) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || act(item)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a panic"))))
            .collect()
    })
}

/// What succeeded, and the first failure.
fn sort<T>(outcomes: Vec<Result<T>>) -> (Vec<T>, Option<anyhow::Error>) {
    let (mut done, mut failed) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok(value) => done.push(value),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (done, failed)
}

/// Whom to talk to, and as whom.
struct Account {
    realm: String,
    key_id: String,
    key: String,
    simulator: Option<Simulator>,
}

impl Account {
    fn choose() -> Result<Self> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let (key_id, key) = (
            variable("B2_APPLICATION_KEY_ID"),
            variable("B2_APPLICATION_KEY"),
        );
        if let (Some(key_id), Some(key)) = (key_id, key) {
            return Ok(Self {
                realm: variable("B2_ENVIRONMENT").unwrap_or_else(|| "production".to_owned()),
                key_id,
                key,
                simulator: None,
            });
        }
        let simulator = Simulator::start().context("cannot start the simulator")?;
        Ok(Self {
            realm: simulator.url().to_owned(),
            key_id: simulator.application_key_id().to_owned(),
            key: simulator.application_key().to_owned(),
            simulator: Some(simulator),
        })
    }

    fn bucket(&self) -> Result<Bucket> {
        let b2_api = B2Api::builder(InMemoryAccountInfo::new())
            .user_agent("b2sdk-transfer-progress/1")
            .build()?;
        b2_api.authorize_account(&*self.realm, &*self.key_id, &*self.key)?;
        // Bucket names are unique among all accounts.
        let name = format!("b2sdk-progress-{}", b2_api.account_id()?);
        Ok(b2_api.get_or_create_bucket(&name, BucketType::AllPrivate)?)
    }
}

fn own_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let make = |(name, size)| {
        let path = directory.join(name);
        fs::write(&path, vec![7; size])?;
        Ok(path)
    };
    [("own.bin", 60_000_000), ("other.bin", 40_000_000)]
        .into_iter()
        .map(make)
        .collect()
}

/// So that there are retries to be seen.
fn break_some_connections(simulator: &Simulator) {
    let faults = simulator.faults();
    let upload = Fault::on(Operation::UploadPart).after(5);
    faults.inject(upload.after_reading(2_000_000).reset_connection().times(2));
    let download = Fault::on(Operation::DownloadFileById).after(3);
    faults.inject(download.truncate_answer(1_000_000).times(3));
}

/// From another thread, as any program can. It waits as long as the process lives, and ends with the process.
fn cancel_at_enter(token: &CancelToken) {
    let token = token.clone();
    thread::spawn(move || {
        if io::stdin()
            .read_line(&mut String::new())
            .is_ok_and(|read| read > 0)
        {
            token.cancel();
        }
    });
}

fn upload(
    bucket: &Bucket,
    path: &Path,
    bars: &Arc<Bars>,
    token: &CancelToken,
) -> Result<FileVersion> {
    let name = path.file_name().context("name a file")?.to_string_lossy();
    let options = UploadOptions::new()
        .part_size(PART_SIZE)
        .progress(Arc::clone(bars))
        .cancel(token);
    let uploaded = bucket
        .upload_local_file_with(path, &name, &options)
        .with_context(|| format!("cannot upload {}", path.display()))?;
    let (parts, retries) = (uploaded.parts(), uploaded.retries());
    let sent = uploaded.bytes_sent();
    bars.say(&format!(
        "uploaded {name}: {sent} bytes sent, {parts} parts, {retries} retries"
    ))?;
    Ok(uploaded.into_version())
}

fn download(
    bucket: &Bucket,
    version: &FileVersion,
    target: &LocalDirectory,
    bars: &Arc<Bars>,
    token: &CancelToken,
) -> Result<()> {
    let options = DownloadOptions::new()
        .part_size(PART_SIZE)
        .progress(Arc::clone(bars))
        .cancel(token);
    let name = &version.file_name;
    let saved = bucket
        .download_file_by_id_with(&version.file_id, &options)
        .and_then(|download| download.save_under(target))
        .with_context(|| format!("cannot download {name}"))?;
    let (parts, retries) = (saved.parts(), saved.retries());
    let received = saved.received_bytes();
    let verified = match saved.verification() {
        Verification::Verified => "its SHA-1 is the recorded one",
        _ => "not verified",
    };
    bars.say(&format!(
        "downloaded {name}: {received} bytes received, {parts} parts, {retries} retries; {verified}"
    ))
}

/// A bar for each transfer that is running. They are drawn only if standard error is a terminal.
struct Bars {
    all: MultiProgress,
    style: ProgressStyle,
    running: Mutex<HashMap<TransferId, ProgressBar>>,
}

impl Bars {
    fn new() -> Result<Self> {
        let style = ProgressStyle::with_template(
            "{prefix:12} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {msg}",
        )?;
        Ok(Self {
            all: MultiProgress::new(),
            style: style.progress_chars("=> "),
            running: Mutex::default(),
        })
    }

    fn start(&self, progress: &TransferProgress) -> ProgressBar {
        let bar = ProgressBar::no_length()
            .with_style(self.style.clone())
            .with_prefix(progress.file_name.to_string());
        self.all.add(bar)
    }

    /// A line above the bars.
    fn say(&self, line: &str) -> Result<()> {
        Ok(self.all.suspend(|| writeln!(io::stdout(), "{line}"))?)
    }
}

/// It is told absolute counts, from any thread, at most ten times a second for each transfer; after a
/// failed attempt they are lower than before.
impl Progress for Bars {
    fn update(&self, progress: &TransferProgress) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.stage == TransferStage::Done {
            if let Some(bar) = running.remove(&progress.id) {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = running
            .entry(progress.id)
            .or_insert_with(|| self.start(progress));
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes);
        let doing = match progress.stage {
            TransferStage::Hashing => "hashing",
            TransferStage::Finishing => "finishing",
            _ => "moving",
        };
        let (parts, retries) = (progress.parts, progress.retries);
        bar.set_message(format!("{doing}, {parts} parts, {retries} retries"));
    }
}
