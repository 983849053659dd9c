//! What synchronizing costs: CPU time, wall time, peak memory and requests of processes that do nothing else, with
//! this crate, Python's b2sdk and rclone.
//!
//! ```text
//! cargo bench --all-features --bench sync -- --files 20000
//! cargo bench --all-features --bench sync -- --memory 1000000
//! cargo bench --all-features --bench sync -- --removals 1000000
//! ```
//!
//! With `--files N` there are N files of 1 KiB in directories of 200, which each program uploads, finds unchanged,
//! downloads and finds unchanged again; then a tree of 5 N files is scanned, and N / 20 files are copied within the
//! service at a latency of 100 ms. With `--memory N` a directory and a bucket have 10,000 and then N equal files each,
//! without content, and a run finds that. With `--removals N` a folder has 10,000 and then N files that the directory does
//! not have, and another one has a file with so many versions; their removal is planned. The trees lie below `B2SDK_BENCH_DIR` or the directory for temporary files.
//!
//! The simulator runs in this process and is not counted. Each row is a process of its own that authorizes anew.
//! rclone is not measured with new files: it waits 10 ms before each call, which is what its figures would be.

#[path = "../transfers/measure.rs"]
#[expect(clippy::disallowed_methods, reason = "a bench reads the time")]
mod measure;
mod ours;
mod tree;

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use b2sdk::simulator::{Shaping, Simulator};
use b2sdk::{B2Api, Bucket, BucketType, InMemoryAccountInfo};

const BUCKET: &str = "bench-synchronizing";
/// How many transfers each program makes at a time.
const THREADS: usize = 10;
const LATENCY: Duration = Duration::from_millis(100);
const COPY_THREADS: usize = 20;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).peekable();
    let role = arguments
        .peek()
        .and_then(|role| role.to_str())
        .map(str::to_owned);
    let outcome = match role.as_deref() {
        Some(measure::ROLE) => measure::measure(arguments.skip(1)),
        Some(ours::ROLE) => ours::run(arguments.skip(1)),
        _ => bench(env::args().skip(1)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sync: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: impl Iterator<Item = String>) -> Result<()> {
    // Cargo adds an argument of its own.
    let arguments: Vec<_> = arguments.filter(|argument| argument != "--bench").collect();
    let base = env::var_os("B2SDK_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base)?;
    let world = World::new(directory.path())?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => speed(&world, 1000),
        ["--files", files] => speed(&world, files.parse()?),
        ["--memory", files] => memory(&world, files.parse()?),
        ["--removals", number] => removals(&world, number.parse()?),
        _ => bail!("usage: [--files N | --memory N | --removals N]"),
    }
}

/// The simulator, with a bucket, and a directory for trees.
struct World<'a> {
    service: Simulator,
    bucket: Bucket,
    directory: &'a Path,
}

/// A program that synchronizes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Ours,
    Python,
    Rclone,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "b2sdk for Rust",
            Self::Python => "b2sdk for Python",
            Self::Rclone => "rclone --fast-list",
        }
    }
}

/// One run of a program.
struct Job<'a> {
    /// `up`, `down`, `copy`, `scan`, `orphans` or `versions`.
    kind: &'a str,
    local: &'a Path,
    folder: &'a str,
    threads: usize,
}

impl<'a> World<'a> {
    fn new(directory: &'a Path) -> Result<Self> {
        let service = Simulator::start()?;
        let b2_api = B2Api::new(InMemoryAccountInfo::new());
        b2_api.authorize_account(
            service.url(),
            service.application_key_id(),
            service.application_key(),
        )?;
        let bucket = b2_api.create_bucket(BUCKET, BucketType::AllPrivate)?;
        Ok(Self {
            service,
            bucket,
            directory,
        })
    }

    /// Prints a row with what the job used; nothing if the program is not on this machine.
    fn measure(&self, what: &str, program: Program, job: &Job<'_>) -> Result<()> {
        let Some(command) = self.command(program, job)? else {
            return Ok(());
        };
        self.service.log().clear();
        let measure::Used { wall, cpu, rss } = measure::run(&command)?;
        let (name, requests) = (program.name(), self.service.log().total());
        let mut out = io::stdout();
        writeln!(
            out,
            "| {what} | {name} | {cpu:.2} | {wall:.2} | {rss:.1} | {requests} |"
        )?;
        Ok(out.flush()?)
    }

    fn command(&self, program: Program, job: &Job<'_>) -> Result<Option<Command>> {
        let folder = format!("b2://{BUCKET}/{}", job.folder);
        let mut command = match program {
            Program::Ours => {
                let mut command = Command::new(env::current_exe()?);
                command.arg(ours::ROLE).arg(job.kind).arg(job.local);
                command.arg(folder).arg(job.threads.to_string());
                command
            }
            Program::Python => {
                let Some(python) = python() else {
                    return Ok(None);
                };
                let root = env!("CARGO_MANIFEST_DIR");
                let mut command = Command::new(python);
                command.arg(format!("{root}/tests/scripts/bench_sync.py"));
                command.arg(job.kind).arg(job.local).arg(folder);
                command
            }
            Program::Rclone => {
                if job.kind == "scan" || !runs(Command::new("rclone").arg("version")) {
                    return Ok(None);
                }
                self.rclone(job)
            }
        };
        command
            .env("B2_ENVIRONMENT", self.service.url())
            .env("B2_APPLICATION_KEY_ID", self.service.application_key_id())
            .env("B2_APPLICATION_KEY", self.service.application_key());
        Ok(Some(command))
    }

    fn rclone(&self, job: &Job<'_>) -> Command {
        let folder = format!("bench:{BUCKET}/{}", job.folder);
        let local = job.local.to_string_lossy().into_owned();
        let (from, to) = match job.kind {
            "up" => (local, folder),
            _ => (folder, local),
        };
        let mut command = Command::new("rclone");
        command
            .env("RCLONE_CONFIG", self.directory.join("rclone.conf"))
            .env("RCLONE_CONFIG_BENCH_TYPE", "b2")
            .env("RCLONE_CONFIG_BENCH_ENDPOINT", self.service.url())
            .env(
                "RCLONE_CONFIG_BENCH_ACCOUNT",
                self.service.application_key_id(),
            )
            .env("RCLONE_CONFIG_BENCH_KEY", self.service.application_key())
            .args([
                "sync",
                "--fast-list",
                "--retries",
                "1",
                "--log-level",
                "ERROR",
            ])
            .args(["--transfers", &job.threads.to_string()])
            .args([from, to]);
        command
    }
}

fn runs(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The Python that `tests/scripts/install-clients.sh` has installed.
fn python() -> Option<PathBuf> {
    let venv = env::var_os("B2SDK_INTEROP_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop-venv"),
        PathBuf::from,
    );
    let python = venv.join("bin/python");
    runs(Command::new(&python).args(["-c", "import b2sdk.v3"])).then_some(python)
}

const HEAD: &str =
    "| job | program | CPU s | wall s | peak MiB | requests |\n|---|---|---|---|---|---|";

fn speed(world: &World<'_>, files: usize) -> Result<()> {
    let mut out = io::stdout();
    let tree = world.directory.join("tree");
    tree::make(&tree, files, &[b'x'; 1024])?;
    writeln!(out, "{files} files of 1 KiB\n\n{HEAD}")?;
    for program in [Program::Ours, Program::Python, Program::Rclone] {
        let (folder, restored) = match program {
            // Over what was uploaded and downloaded by us.
            Program::Ours | Program::Rclone => ("ours", "restored"),
            Program::Python => ("python", "restored by python"),
        };
        let restored = world.directory.join(restored);
        let job = |kind, local| Job {
            kind,
            local,
            folder,
            threads: THREADS,
        };
        let (up, down) = (job("up", &tree), job("down", &restored));
        if program != Program::Rclone {
            world.measure("up, new", program, &up)?;
        }
        world.measure("up, unchanged", program, &up)?;
        if program != Program::Rclone {
            world.measure("down, new", program, &down)?;
        }
        world.measure("down, unchanged", program, &down)?;
    }
    let wide = world.directory.join("wide");
    tree::make(&wide, 5 * files, &[])?;
    for program in [Program::Ours, Program::Python] {
        let scan = Job {
            kind: "scan",
            local: &wide,
            folder: "nothing",
            threads: THREADS,
        };
        world.measure(&format!("scan of {}", 5 * files), program, &scan)?;
    }
    copies(world, files / 20)
}

/// Copies within the service that take 100 ms each.
fn copies(world: &World<'_>, files: usize) -> Result<()> {
    for at in 0..files {
        world.bucket.upload_bytes(b"", &format!("from/{at:07}"))?;
    }
    let faults = world.service.faults();
    faults.shape(Shaping::new().latency(LATENCY));
    let copy = Job {
        kind: "copy",
        local: Path::new("from"),
        folder: "copies",
        threads: COPY_THREADS,
    };
    let what = format!("{files} copies, {COPY_THREADS} at a time, 100 ms each");
    let outcome = world.measure(&what, Program::Ours, &copy);
    faults.shape(Shaping::new());
    outcome
}

/// Plans to remove many names, and many versions of one name.
fn removals(world: &World<'_>, most: usize) -> Result<()> {
    writeln!(io::stdout(), "{HEAD}")?;
    let local = world.directory.join("tree");
    tree::make(&local, 1, &[])?;
    for number in [10_000, most] {
        for kind in ["orphans", "versions"] {
            let folder = format!("{number} {kind}");
            match kind {
                "orphans" => tree::plant(&world.service, BUCKET, &folder, number)?,
                _ => tree::plant_versions(&world.service, BUCKET, &folder, number)?,
            }
            let job = Job {
                kind,
                local: &local,
                folder: &folder,
                threads: THREADS,
            };
            world.measure(&format!("plan, {folder}"), Program::Ours, &job)?;
        }
    }
    Ok(())
}

fn memory(world: &World<'_>, files: usize) -> Result<()> {
    writeln!(io::stdout(), "{HEAD}")?;
    for files in [10_000, files] {
        let (folder, local) = (format!("all of {files}"), world.directory.join("tree"));
        tree::make(&local, files, &[])?;
        tree::plant(&world.service, BUCKET, &folder, files)?;
        for kind in ["up", "down"] {
            let job = Job {
                kind,
                local: &local,
                folder: &folder,
                threads: THREADS,
            };
            world.measure(&format!("{kind}, {files} unchanged"), Program::Ours, &job)?;
        }
    }
    Ok(())
}
