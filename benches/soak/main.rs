//! A soak: threads that share one `B2Api` upload, download, copy and delete over TLS for a long time, while
//! the service misbehaves, is killed and started again, while the application key is replaced, and while the
//! disk of the account-info store fills up. At the end everything that the calls reported is compared
//! with what the service holds.
//!
//! ```text
//! cargo bench --features simulator --bench soak -- [--minutes N] [--threads N] [--seed N] [--store-dir DIR]
//!     [--service-log FILE]
//! ```
//!
//! `--store-dir` is a directory on a small file system of its own, for instance one that
//! `mount -t tmpfs -o size=1m tmpfs DIR` made; the soak fills it and empties it again. Without it, no disk
//! is filled, and the report says so. `--service-log` keeps one line for each request that the service
//! got, with the fault that it met. The exit status is 0 if nothing was lost, doubled or leaked.
//!
//! Memory is counted after a quarter of the time and at the end, when no call runs: what the process has
//! allocated, what of that the ledger holds, and what is left, which is the client's. The soak fails if that
//! has grown by more than [`MOST_GROWTH`].
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring program reads the real clock and prints what it found"
)]

mod check;
mod disturb;
mod ledger;
mod memory;
mod service;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use b2sdk::{B2Api, BucketType, SqliteAccountInfo};

use check::Usage;
use disturb::Disturber;
use ledger::Ledger;
use memory::Memory;
use service::Service;
use work::Worker;

/// Counts what is allocated, by Rust code alone: SQLite has an allocator of its own.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// The most bytes by which what the client holds may grow after the first quarter of the run. Idle connections
/// come and go with the restarts of the service, and each has buffers of some 100 KiB: 16 threads held 5 MB
/// more or less from one count to the next.
const MOST_GROWTH: usize = 16 << 20;

/// What the command line asks for.
struct Settings {
    minutes: f64,
    threads: usize,
    seed: u64,
    store_dir: Option<PathBuf>,
    service_log: Option<PathBuf>,
}

impl Settings {
    fn read() -> Result<Self> {
        let mut settings = Self {
            minutes: 30.0,
            threads: 16,
            seed: 1,
            store_dir: None,
            service_log: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            // Cargo's own.
            if word == "--bench" {
                continue;
            }
            let value = words
                .next()
                .with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--minutes" => settings.minutes = value.parse()?,
                "--threads" => settings.threads = value.parse()?,
                "--seed" => settings.seed = value.parse()?,
                "--service-log" => settings.service_log = Some(value.into()),
                "--store-dir" => settings.store_dir = Some(value.into()),
                _ => bail!("unknown argument {word}"),
            }
        }
        Ok(settings)
    }
}

fn main() -> ExitCode {
    match Settings::read().and_then(|settings| soak(&settings)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("soak: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn soak(settings: &Settings) -> Result<bool> {
    let scratch = tempfile::tempdir()?;
    let service = Arc::new(Service::start(
        scratch.path(),
        settings.seed,
        settings.service_log.as_deref(),
    )?);
    let store_dir = match &settings.store_dir {
        Some(dir) => dir.clone(),
        None => scratch.path().join("store"),
    };
    std::fs::create_dir_all(&store_dir)?;
    let disturber = Disturber::new(
        Arc::clone(&service),
        settings.store_dir.is_some().then(|| store_dir.clone()),
    )?;

    let api = client(&service, &store_dir, &disturber)?;
    let bucket = api.get_or_create_bucket("soak-bucket", BucketType::AllPrivate)?;
    // One of everything first, so that what is opened once does not count as leaked.
    let mut warm_up = Worker::new(
        bucket.clone(),
        settings.threads,
        settings.seed,
        scratch.path(),
    )?;
    warm_up.run_once();
    let before = Usage::now();

    let workers = (0..settings.threads)
        .map(|number| Worker::new(bucket.clone(), number, settings.seed, scratch.path()))
        .collect::<Result<_>>()?;
    let time = Duration::from_secs_f64(settings.minutes * 60.0);
    let workers = run(time / 4, workers, &disturber)?;
    let early = Memory::now(&workers, &service);
    let workers = run(time - time / 4, workers, &disturber)?;
    let late = Memory::now(&workers, &service);
    let ledgers = workers.into_iter().map(Worker::into_ledger);
    let ledger = ledgers.fold(warm_up.into_ledger(), Ledger::with);
    let restarts = service.restarts();
    // From here on the service behaves.
    service.restart(false)?;
    drop(bucket);
    drop(api);

    let checked = check::compare(&service, &ledger)?;
    let after = Usage::now();
    println!("{}", ledger.report());
    println!(
        "service restarts {restarts}, keys replaced {}, disk filled {}",
        disturber.keys_replaced(),
        disturber.disks_filled()
    );
    println!("{checked}");
    println!("before {before}; after {after}");
    println!("after a quarter: {early}");
    println!("at the end: {late}");
    let growth = late.client().saturating_sub(early.client());
    println!(
        "the client's part grew by {growth} bytes in {} versions; {MOST_GROWTH} are allowed",
        late.versions() - early.versions()
    );
    Ok(checked.is_clean()
        && after.is_no_more_than(&before)
        && !ledger.has_surprises()
        && growth <= MOST_GROWTH)
}

/// The client under test: its key comes from a provider, and its store lies on the small disk.
fn client(service: &Service, store_dir: &Path, disturber: &Disturber) -> Result<B2Api> {
    let store = SqliteAccountInfo::open(store_dir.join("account_info"))?;
    let api = service.builder(store).build()?;
    api.authorize_with(disturber.credentials())?;
    Ok(api)
}

/// Runs the workers and what disturbs them for a time, and returns the workers.
fn run(time: Duration, workers: Vec<Worker>, disturber: &Disturber) -> Result<Vec<Worker>> {
    let end = Instant::now() + time;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_over = &is_over;
        let threads: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        worker.run_once();
                    }
                    worker
                })
            })
            .collect();
        let disturbed = disturber.run_until(end);
        is_over.store(true, Ordering::Relaxed);
        let mut workers = Vec::new();
        for thread in threads {
            let Ok(worker) = thread.join() else {
                bail!("a worker panicked");
            };
            workers.push(worker);
        }
        disturbed?;
        Ok(workers)
    })
}
