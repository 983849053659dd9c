//! A worker of a fleet: uploads files whose names come in on standard input, next to any number of other
//! workers on this and other machines that share one account info.
//!
//! ```text
//! fleet_worker --store URL --account NAME --bucket BUCKET [--threads N]
//! ```
//!
//! Each line of standard input is `LOCAL PATH<TAB>FILE NAME`. For each a line is printed when it is done:
//! `ok FILE NAME`, or `failed FILE NAME: reason`. The exit code is 0 if none failed.
//!
//! The store is `memory:`, `sqlite:PATH`, `redis://...` (feature `redis`) or `postgres://...` (feature
//! `postgres`, which creates its tables if they are missing). The key is read from `B2_APPLICATION_KEY_ID`
//! and `B2_APPLICATION_KEY`, the realm from `B2_ENVIRONMENT`.

use std::error::Error;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use b2sdk::account_info::AccountInfo;
use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::{B2Api, Bucket, InMemoryAccountInfo, SqliteAccountInfo};

const USAGE: &str = "usage: fleet_worker --store URL --account NAME --bucket BUCKET [--threads N]";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    store: String,
    account: String,
    bucket: String,
    threads: usize,
}

impl Arguments {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut store, mut account, mut bucket, mut threads) = (None, None, None, 8);
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value; {USAGE}"))?;
            match name.as_str() {
                "--store" => store = Some(value),
                "--account" => account = Some(value),
                "--bucket" => bucket = Some(value),
                "--threads" => {
                    threads = value
                        .parse()
                        .ok()
                        .filter(|threads| (1..=1000).contains(threads))
                        .ok_or_else(|| format!("--threads is a number from 1 to 1000; {USAGE}"))?;
                }
                other => return Err(format!("unknown argument {other}; {USAGE}")),
            }
        }
        let needed = |value: Option<String>, name| {
            value.ok_or_else(|| format!("{name} is missing; {USAGE}"))
        };
        Ok(Self {
            store: needed(store, "--store")?,
            account: needed(account, "--account")?,
            bucket: needed(bucket, "--bucket")?,
            threads,
        })
    }
}

/// Opens the store that a URL names.
pub(crate) fn open_store(url: &str, account: &str) -> Result<Arc<dyn AccountInfo>, Box<dyn Error>> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(InMemoryAccountInfo::new())),
        Some(("sqlite", path)) => Ok(Arc::new(SqliteAccountInfo::open(path)?)),
        #[cfg(feature = "redis")]
        Some(("redis" | "rediss", _)) => {
            let builder = b2sdk::account_info::RedisAccountInfo::builder();
            Ok(Arc::new(builder.account(account).open(url)?))
        }
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => {
            let builder = b2sdk::account_info::PostgresAccountInfo::builder();
            let builder = builder.account(account).migrate(true);
            Ok(Arc::new(builder.connect(url)?))
        }
        // The URL itself may hold a password.
        _ => Err(format!("no store of this build opens such a URL (account {account})").into()),
    }
}

/// Uploads what each line names. Returns how many failed.
pub(crate) fn upload_lines(
    bucket: &Bucket,
    threads: usize,
    lines: impl BufRead + Send,
    output: impl Write + Send,
) -> std::io::Result<usize> {
    let lines = Mutex::new(lines.lines());
    let output = Mutex::new(output);
    let failed = AtomicUsize::new(0);
    let next = || lines.lock().ok().and_then(|mut lines| lines.next());
    let work = || -> std::io::Result<()> {
        while let Some(line) = next() {
            let line = line?;
            let told = match upload_line(bucket, &line) {
                Ok(name) => format!("ok {name}"),
                Err((name, reason)) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    format!("failed {name}: {reason}")
                }
            };
            if let Ok(mut output) = output.lock() {
                writeln!(output, "{told}")?;
                output.flush()?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked")))
        })
    })?;
    Ok(failed.into_inner())
}

fn upload_line<'a>(bucket: &Bucket, line: &'a str) -> Result<&'a str, (&'a str, String)> {
    let (path, name) = line
        .split_once('\t')
        .ok_or((line, "the line has no tab".to_owned()))?;
    bucket
        .upload_local_file(path, name)
        .map(|_| name)
        .map_err(|error| (name, one_line(&error)))
}

/// The error and its causes in one line.
fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.replace('\n', " ")
}

fn run() -> Result<usize, Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let b2_api = B2Api::new(open_store(&arguments.store, &arguments.account)?);
    b2_api.authorize_with(EnvironmentCredentials::new())?;
    let bucket = b2_api.get_bucket_by_name(&arguments.bucket)?;
    let input = std::io::BufReader::new(std::io::stdin());
    Ok(upload_lines(
        &bucket,
        arguments.threads,
        input,
        std::io::stdout(),
    )?)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fleet_worker: {}", one_line(&*error));
            ExitCode::FAILURE
        }
    }
}
