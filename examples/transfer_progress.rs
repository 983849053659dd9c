//! Uploads a large file and downloads it again, with a progress bar.
//!
//! ```sh
//! transfer_progress FILE
//! ```
//!
//! With `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY` in the environment it talks to the real service
//! (or to the realm in `B2_ENVIRONMENT`): it makes a bucket of its own there, and deletes the file from
//! it in the end. Otherwise it talks to a simulator in this process, which keeps the file in memory;
//! without FILE it then moves 100 MB of its own. Enter cancels the transfer.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use b2sdk::simulator::Simulator;
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, DownloadOptions, FileVersion, InMemoryAccountInfo,
    Progress, TransferProgress, UploadOptions, Verification,
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

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
    let path = match (env::args_os().nth(1), &account.simulator) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(_)) => own_file(directory.path())?,
        (None, None) => bail!("usage: transfer_progress FILE"),
    };
    let bucket = account.bucket()?;
    let token = CancelToken::new();
    cancel_at_enter(&token);

    let version = upload(&bucket, &path, &token)?;
    let downloaded = download(&bucket, &version, directory.path(), &token);
    bucket.delete_file_version(&version.file_id, &version.file_name)?;
    downloaded
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

fn own_file(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("own.bin");
    fs::write(&path, vec![7; 100_000_000])?;
    Ok(path)
}

/// From another thread, as any program can. It waits for ever, and ends with the process.
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

fn upload(bucket: &Bucket, path: &Path, token: &CancelToken) -> Result<FileVersion> {
    let name = path.file_name().context("name a file")?.to_string_lossy();
    let bar = bar("uploading")?;
    let options = UploadOptions::new()
        .part_size(PART_SIZE)
        .progress(shown_on(&bar))
        .cancel(token);
    let uploaded = bucket
        .upload_local_file_with(path, &name, &options)
        .with_context(|| format!("cannot upload {}", path.display()))?;
    bar.finish_and_clear();
    let (parts, retries) = (uploaded.parts(), uploaded.retries());
    let bytes = uploaded.version().content_length;
    say(
        "uploaded",
        bytes,
        bar.elapsed(),
        &format!("in {parts} parts, {retries} attempts repeated"),
    )?;
    Ok(uploaded.into_version())
}

fn download(
    bucket: &Bucket,
    version: &FileVersion,
    directory: &Path,
    token: &CancelToken,
) -> Result<()> {
    let bar = bar("downloading")?;
    let options = DownloadOptions::new()
        .part_size(PART_SIZE)
        .progress(shown_on(&bar))
        .cancel(token);
    let saved = bucket
        .download_file_by_name_with(&version.file_name, &options)
        .and_then(|download| download.save_to(directory.join("copy")))
        .with_context(|| format!("cannot download {}", version.file_name))?;
    bar.finish_and_clear();
    let verified = match saved.verification() {
        Verification::Verified => "its SHA-1 is the recorded one",
        _ => "not verified",
    };
    say("downloaded", saved.bytes(), bar.elapsed(), verified)
}

/// A bar for a transfer whose length it does not know yet. It is drawn only if standard error is a
/// terminal.
fn bar(doing: &'static str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{prefix:11} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    )?;
    Ok(ProgressBar::no_length()
        .with_style(style.progress_chars("=> "))
        .with_prefix(doing)
        .with_finish(ProgressFinish::AndClear))
}

/// What shows a transfer's progress on a bar. It is told absolute counts, from any thread, at most ten
/// times a second; after a failed attempt they are lower than before.
fn shown_on(bar: &ProgressBar) -> impl Progress + use<> {
    let bar = bar.clone();
    move |progress: &TransferProgress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes);
    }
}

fn say(done: &str, bytes: u64, took: Duration, how: &str) -> Result<()> {
    let seconds = took.as_secs_f64();
    writeln!(
        io::stdout(),
        "{done} {bytes} bytes in {seconds:.1} s, {how}"
    )?;
    Ok(())
}
