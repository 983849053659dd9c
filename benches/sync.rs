//! What synchronizing costs: CPU time, wall time, peak memory and requests of a process that does nothing else.
//!
//! ```text
//! cargo bench --features simulator --bench sync
//! B2SDK_BENCH_SYNC_FILES=100000 cargo bench --features simulator --bench sync
//! ```
//!
//! The tree has 20,000 files of 1 KiB in directories of 200 unless the variable says otherwise, below
//! `B2SDK_BENCH_DIR` or the directory for temporary files. The simulator runs in the parent process, so that its
//! cost does not count. Each row is a process of its own that authorizes anew.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use b2sdk::simulator::Simulator;
use b2sdk::sync::{LocalFolder, SyncOptions, SyncPlace, Synchronizer};
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};
use nix::sys::resource::{UsageWho, getrusage};

/// What a child is to do: the account, then the job and the directory.
const ROLE: &str = "B2SDK_BENCH_SYNC";
const BUCKET: &str = "bench-synchronizing";

fn main() -> ExitCode {
    let outcome = match env::var(ROLE) {
        Ok(role) => child(&role),
        Err(_) => parent(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sync: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a child used.
struct Used {
    cpu: f64,
    wall: f64,
    peak_mib: f64,
}

fn parent() -> Result<()> {
    let files: usize = match env::var("B2SDK_BENCH_SYNC_FILES") {
        Ok(number) => number.parse()?,
        Err(_) => 20_000,
    };
    let base = env::var_os("B2SDK_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base)?;
    let tree = directory.path().join("tree");
    make_tree(&tree, files)?;
    let service = Simulator::start()?;
    let b2_api = B2Api::new(InMemoryAccountInfo::new());
    b2_api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )?;
    b2_api.create_bucket(BUCKET, BucketType::AllPrivate)?;
    let mut out = io::stdout();
    writeln!(out, "{files} files of 1 KiB\n")?;
    writeln!(
        out,
        "| job | CPU s | wall s | peak MiB | requests |\n|---|---|---|---|---|"
    )?;
    let restored = directory.path().join("restored");
    for (job, local) in [
        ("plan", &tree),
        ("up", &tree),
        ("up", &tree),
        ("down", &restored),
        ("down", &restored),
    ] {
        service.log().clear();
        let used = run(&service, job, local)?;
        let Used {
            cpu,
            wall,
            peak_mib,
        } = used;
        let requests = service.log().total();
        writeln!(
            out,
            "| {job} | {cpu:.2} | {wall:.2} | {peak_mib:.1} | {requests} |"
        )?;
    }
    Ok(())
}

fn make_tree(tree: &Path, files: usize) -> Result<()> {
    for at in 0..files {
        let directory = tree.join(format!("directory {:05}", at / 200));
        if at % 200 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("file {at:07}")), [b'x'; 1024])?;
    }
    Ok(())
}

fn run(service: &Simulator, job: &str, local: &Path) -> Result<Used> {
    let (url, key_id, key) = (
        service.url(),
        service.application_key_id(),
        service.application_key(),
    );
    let role = format!("{url}\n{key_id}\n{key}\n{job}\n{}", local.display());
    let output = Command::new(env::current_exe()?).env(ROLE, role).output()?;
    if !output.status.success() {
        bail!("{job}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [cpu, wall, peak_mib] => Ok(Used {
            cpu,
            wall,
            peak_mib,
        }),
        _ => bail!("{job} printed {text:?}"),
    }
}

fn child(role: &str) -> Result<()> {
    let lines: Vec<_> = role.lines().collect();
    let [url, key_id, key, job, local] = lines[..] else {
        bail!("the role has {} lines", lines.len());
    };
    let began = wall();
    let b2_api = B2Api::new(InMemoryAccountInfo::new());
    b2_api.authorize_account(url, key_id, key)?;
    let folder = SyncPlace::from(b2_api.get_bucket_by_name(BUCKET)?.folder("tree"));
    let local = SyncPlace::from(LocalFolder::new(local));
    let sync = match job {
        "down" => Synchronizer::new(folder, local),
        _ => Synchronizer::new(local, folder),
    };
    let sync = sync.options(SyncOptions::new());
    match job {
        "plan" => drop(
            sync.plan()?
                .try_fold(0, |count, step| step.map(|_| count + 1))?,
        ),
        _ => drop(sync.run().context("the run is not complete")?),
    }
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    let peak_mib = usage.max_rss() as f64 / 1024.0;
    let wall = wall().saturating_sub(began).as_secs_f64();
    writeln!(io::stdout(), "{cpu} {wall} {peak_mib}")?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the time")]
fn wall() -> Duration {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}
