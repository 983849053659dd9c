//! Stores this crate's own sources in B2, fetches them back and compares.
//!
//! With `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY` in the environment it talks to the real
//! service (or to the realm in `B2_ENVIRONMENT`); otherwise to a simulator in this process. Run it
//! twice: the second run finds authorization, bucket and upload URL where the first one left them.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use b2sdk::simulator::Simulator;
use b2sdk::{
    B2Api, Bucket, BucketType, Error, FileId, LsOptions, Operation, RetryPolicy, SqliteAccountInfo,
    Timeouts, Versions,
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// What is stored, as found in the crate's directory.
const INPUT: [&str; 4] = ["Cargo.toml", "README.md", "examples", "src"];

/// Reported even if there was none of them.
const REPORTED: [Operation; 9] = [
    Operation::AuthorizeAccount,
    Operation::CreateBucket,
    Operation::ListBuckets,
    Operation::GetUploadUrl,
    Operation::UploadFile,
    Operation::ListFileNames,
    Operation::ListFileVersions,
    Operation::DeleteFileVersion,
    Operation::DownloadFileByName,
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let directory = directory()?;
    let service = Service::choose(&directory)?;
    let account_info = SqliteAccountInfo::open(directory.join("account_info"))?;
    say(format_args!("kept in     {}", directory.display()))?;

    // A person is waiting: give up sooner than a program that runs by night would.
    let b2_api = B2Api::builder(account_info)
        .user_agent("b2sdk-quickstart/1")
        .retry(RetryPolicy::default().total_time(Duration::from_secs(10)))
        .timeouts(Timeouts::default().connect(Duration::from_secs(10)))
        .build()?;
    b2_api.authorize_account(&*service.realm, &*service.key_id, &*service.key)?;
    // Not before: if the variables were mixed up, the realm is a key.
    say(format_args!("service     {service}"))?;
    let bucket = own_bucket(&b2_api)?;
    say(format_args!("bucket      {}", bucket.name()))?;

    let files = find_files(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    let uploaded = upload(&bucket, &files)?;
    list(&bucket)?;
    download_and_compare(&bucket, &files)?;
    delete_all_but(&bucket, &uploaded)?;
    report(&b2_api, &service)
}

/// Where account info and simulator lie: below the directory that Cargo builds in. It is there, it
/// can be written, each checkout has its own, and it is not left behind when the checkout goes.
fn directory() -> Result<PathBuf> {
    let directory = match std::env::var_os("B2SDK_QUICKSTART_DIR") {
        Some(directory) if !directory.is_empty() => PathBuf::from(directory),
        // target/debug/examples/quickstart
        _ => std::env::current_exe()?
            .ancestors()
            .nth(3)
            .context("name a directory in B2SDK_QUICKSTART_DIR")?
            .join("b2sdk-quickstart"),
    };
    fs::create_dir_all(&directory).with_context(|| {
        let directory = directory.display();
        format!("cannot create {directory} (B2SDK_QUICKSTART_DIR names another directory)")
    })?;
    Ok(directory)
}

/// Whom to talk to, and as whom.
struct Service {
    realm: String,
    key_id: String,
    key: String,
    simulator: Option<Simulator>,
}

impl Service {
    fn choose(directory: &Path) -> Result<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (
            variable("B2_APPLICATION_KEY_ID"),
            variable("B2_APPLICATION_KEY"),
        ) {
            (Some(key_id), Some(key)) => Ok(Self {
                realm: variable("B2_ENVIRONMENT").unwrap_or_else(|| "production".to_owned()),
                key_id,
                key,
                simulator: None,
            }),
            (None, None) => Self::simulated(directory),
            _ => bail!(
                "set both B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY, or neither to use the simulator"
            ),
        }
    }

    /// A simulator keeps its port with its data, so that stored upload URLs lead to it next time.
    fn simulated(directory: &Path) -> Result<Self> {
        let simulator = Simulator::builder()
            .data_dir(directory.join("simulator"))
            .start()
            .context("cannot start the simulator")?;
        Ok(Self {
            realm: simulator.url().to_owned(),
            key_id: simulator.application_key_id().to_owned(),
            key: simulator.application_key().to_owned(),
            simulator: Some(simulator),
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.simulator {
            Some(_) => write!(f, "simulator at {}", self.realm),
            None => f.write_str(&self.realm),
        }
    }
}

/// This account's bucket for this program. Bucket names are unique among all accounts, so it has
/// the account's id in its name.
fn own_bucket(b2_api: &B2Api) -> Result<Bucket> {
    let name = format!("b2sdk-quickstart-{}", b2_api.account_id()?);
    match b2_api.get_bucket_by_name(&name) {
        Err(Error::BucketNotFound { .. }) => {
            Ok(b2_api.create_bucket(&name, BucketType::AllPrivate)?)
        }
        found => Ok(found?),
    }
}

/// File names in B2, with the local files that they come from.
type Files = BTreeMap<String, PathBuf>;

fn find_files(root: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut rest: Vec<PathBuf> = INPUT.iter().map(|name| root.join(name)).collect();
    while let Some(path) = rest.pop() {
        let failed = || format!("cannot read {}", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(&path).with_context(failed)? {
                rest.push(entry.with_context(failed)?.path());
            }
        } else {
            let parts = path.strip_prefix(root)?.iter();
            let names: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
            files.insert(names.join("/"), path);
        }
    }
    Ok(files)
}

/// Uploads the files and returns the ids of the versions made.
fn upload(bucket: &Bucket, files: &Files) -> Result<HashSet<FileId>> {
    let sizes = files.values().map(|path| Ok(path.metadata()?.len()));
    let total = sizes.sum::<io::Result<u64>>()?;
    let bar = progress_bar("uploading", total)?;
    let (mut done, mut ids) = (0, HashSet::new());
    // Several at a time, as many as there are workers.
    for result in bucket.upload_many(files.iter().map(|(name, path)| (path, name))) {
        let version = result?.outcome.into_version();
        bar.set_message(version.file_name);
        done += version.content_length;
        bar.set_position(done);
        ids.insert(version.file_id);
    }
    bar.finish_and_clear();
    say(format_args!(
        "uploaded    {} files, {done} bytes",
        files.len()
    ))?;
    Ok(ids)
}

fn list(bucket: &Bucket) -> Result<()> {
    let mut names = Vec::new();
    for entry in bucket.ls("")? {
        names.push(entry?.version.file_name);
    }
    say(format_args!("listed      {}", names.join("  ")))?;
    Ok(())
}

fn download_and_compare(bucket: &Bucket, files: &Files) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let bar = progress_bar("downloading", files.len() as u64)?;
    let mut copies = Vec::new();
    for name in files.keys() {
        let copy = directory.path().join(name);
        fs::create_dir_all(copy.parent().unwrap_or(directory.path()))?;
        copies.push(Ok((name, copy)));
    }
    for result in bucket.download_many(copies) {
        bar.set_message(result?.outcome.version().file_name.clone());
        bar.inc(1);
    }
    for (name, original) in files {
        ensure!(
            fs::read(directory.path().join(name))? == fs::read(original)?,
            "{name} came back changed"
        );
    }
    bar.finish_and_clear();
    say(format_args!(
        "downloaded  {} files, each byte as it was",
        files.len()
    ))?;
    Ok(())
}

/// Deletes what earlier runs left in the bucket.
fn delete_all_but(bucket: &Bucket, keep: &HashSet<FileId>) -> Result<()> {
    let options = LsOptions::new().recursive(true).versions(Versions::All);
    // Read to its end first: deleting shifts the pages of a listing that is still open.
    let versions: Vec<_> = bucket.ls_with("", &options)?.collect::<Result<_, _>>()?;
    let versions = versions.into_iter().map(|entry| entry.version);
    let old: Vec<_> = versions.filter(|v| !keep.contains(&v.file_id)).collect();
    let bar = progress_bar("deleting", old.len() as u64)?;
    for version in &old {
        bar.set_message(version.file_name.clone());
        bucket.delete_file_version(&version.file_id, &version.file_name)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    say(format_args!("deleted     {} old versions", old.len()))?;
    Ok(())
}

/// A bar that is drawn only if standard error is a terminal, and leaves nothing behind.
fn progress_bar(doing: &'static str, total: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix:11} [{bar:30}] {percent:>3}% {wide_msg}")?
        .progress_chars("=> ");
    Ok(ProgressBar::new(total)
        .with_style(style)
        .with_prefix(doing)
        .with_finish(ProgressFinish::AndClear))
}

/// How many requests that took, as counted here and, if it can be asked, at the other end.
fn report(b2_api: &B2Api, service: &Service) -> Result<()> {
    let sent = b2_api.request_counts();
    let mut text = table("requests this run:", |op| sent.of(op));
    if let Some(simulator) = &service.simulator {
        let log = simulator.log();
        text += &table("requests seen by the simulator:", |op| log.count(op) as u64);
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn table(heading: &str, count: impl Fn(Operation) -> u64) -> String {
    let mut text = format!("\n{heading}\n");
    for operation in Operation::ALL.iter().copied() {
        let count = count(operation);
        if count > 0 || REPORTED.contains(&operation) {
            let _ = writeln!(text, "  {operation} {count}");
        }
    }
    text
}

fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
