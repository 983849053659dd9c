//! Moves large and small files with this crate, with a bare program that only moves and hashes the
//! same bytes (the floor), with Python's b2sdk, rclone and curl, against a server that costs next to
//! nothing, one after the other in the same run; prints a table of medians for each case.
//!
//! `cargo bench --bench transfers`, with words after `--` only the cases that have one of them in
//! their heading. `sizes.rs` names the variables for sizes and repetitions; `B2SDK_BENCH_DIR` is where
//! the files lie, otherwise Cargo's target directory; `B2SDK_INTEROP_VENV` where Python's b2sdk is.
#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the real clock, and its server sleeps"
)]

mod floor;
mod measure;
mod ours;
mod peers;
mod server;
mod sizes;
mod task;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::measure::Used;
use crate::peers::{Contestant, Peers};
use crate::server::small_name;
use crate::sizes::Sizes;
use crate::task::{Direction, Store, Task};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next().unwrap_or_default();
    match role.to_str() {
        Some(measure::ROLE) => measure::measure(arguments),
        Some("serve") => server::serve(&Sizes::from_environment()?),
        Some(role @ ("ours" | "floor")) => {
            let words: Vec<_> = arguments
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            let [task, realm, directory] = words.as_slice() else {
                bail!("{role} takes a task, a realm and a directory");
            };
            let run = if role == "ours" {
                ours::run
            } else {
                floor::run
            };
            run(&task.parse()?, realm, Path::new(directory))
        }
        _ => {
            let words = std::env::args().skip(1).filter(|word| word != "--bench");
            compare(&words.collect::<Vec<_>>())
        }
    }
}

/// One table.
struct Case {
    heading: String,
    /// Milliseconds before each response.
    latency: u64,
    /// How often this crate and the floor run, whose ratio is what is asked for.
    runs: usize,
    /// How often the others run.
    peer_runs: usize,
    /// A warm start finds what an earlier process stored.
    is_warm: bool,
    rows: Vec<(&'static str, Contestant, Task)>,
}

impl Case {
    /// Every round has one run of whoever still runs; the first of a warm start is what fills the store.
    fn rounds(&self) -> usize {
        self.runs + usize::from(self.is_warm)
    }

    fn runs_in(&self, round: usize, contestant: Contestant) -> bool {
        let runs = match contestant {
            Contestant::Ours | Contestant::Floor => self.runs,
            Contestant::Python | Contestant::Rclone | Contestant::Curl => self.peer_runs,
        };
        round < runs + usize::from(self.is_warm)
    }
}

/// How many times as often as the others this crate and the floor run where that is quick.
const OFTEN: usize = 3;
const OURS: &str = "this crate";
const FLOOR: &str = "floor";
const PYTHON: &str = "Python b2sdk";
const RCLONE: &str = "rclone";

fn compare(words: &[String]) -> Result<()> {
    let sizes = Sizes::from_environment()?;
    let peers = Peers::find();
    let place = Place::new(&sizes)?;
    let server = Server::start()?;
    say(&format!("load before: {}", load()))?;
    for case in cases(&sizes) {
        if words.is_empty() || words.iter().any(|word| case.heading.contains(word)) {
            run_case(&case, &peers, &place, &server)?;
        }
    }
    say(&format!("\nload after: {}", load()))
}

fn cases(sizes: &Sizes) -> Vec<Case> {
    let mut cases = Vec::new();
    let mib = sizes.large >> 20;
    for (latency, runs) in [(0, sizes.runs), (1000, sizes.slow_runs)] {
        for workers in [4, 10] {
            let late = late(latency);
            let with = format!("large: {mib} MiB up, {workers} workers, large_file_sha1{late}");
            cases.push(large(with, Direction::Up, (workers, true), (latency, runs)));
            if latency == 0 {
                let without = format!("large: {mib} MiB up, {workers} workers, no large_file_sha1");
                let rows = large(without, Direction::Up, (workers, false), (latency, runs));
                cases.push(Case {
                    rows: rows.rows.into_iter().take(2).collect(),
                    ..rows
                });
            }
            let down = format!("large: {mib} MiB down, {workers} workers{late}");
            cases.push(large(
                down,
                Direction::Down,
                (workers, true),
                (latency, runs),
            ));
        }
    }
    for (files, latency) in [(sizes.files, 0), (sizes.slow_files, 50)] {
        for direction in [Direction::Up, Direction::Down] {
            cases.push(small(files, direction, (latency, sizes.runs)));
        }
    }
    for is_warm in [false, true] {
        let start = if is_warm { "warm" } else { "cold" };
        cases.push(Case {
            heading: format!("start: a process that uploads one small file, {start}"),
            latency: 0,
            runs: OFTEN * sizes.runs,
            peer_runs: sizes.runs,
            is_warm,
            rows: vec![
                (
                    "this crate, SqliteAccountInfo",
                    Contestant::Ours,
                    Task::Start,
                ),
                (FLOOR, Contestant::Floor, Task::Start),
                (
                    "Python b2sdk, SqliteAccountInfo",
                    Contestant::Python,
                    Task::Start,
                ),
                (
                    "rclone, which stores nothing",
                    Contestant::Rclone,
                    Task::Start,
                ),
            ],
        });
    }
    cases
}

fn late(latency: u64) -> String {
    match latency {
        0 => String::new(),
        millis => format!(", {millis} ms before each response"),
    }
}

fn large(
    heading: String,
    direction: Direction,
    (workers, whole_sha1): (usize, bool),
    (latency, runs): (u64, usize),
) -> Case {
    let task = Task::Large {
        direction,
        workers,
        whole_sha1,
    };
    let mut rows = vec![
        (OURS, Contestant::Ours, task.clone()),
        (FLOOR, Contestant::Floor, task.clone()),
        (PYTHON, Contestant::Python, task.clone()),
        (RCLONE, Contestant::Rclone, task.clone()),
    ];
    if latency == 0 && workers == 4 {
        let one = Task::Large {
            direction,
            workers: 1,
            whole_sha1,
        };
        rows.push(("floor, one connection", Contestant::Floor, one));
        rows.push(("curl and sha1sum, one connection", Contestant::Curl, task));
    }
    Case {
        heading,
        latency,
        runs: if latency == 0 { OFTEN * runs } else { runs },
        peer_runs: runs,
        is_warm: false,
        rows,
    }
}

fn small(files: usize, direction: Direction, (latency, runs): (u64, usize)) -> Case {
    let way = match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let task = |store| Task::Small {
        direction,
        files,
        threads: 10,
        store,
    };
    Case {
        heading: format!(
            "small: {files} files of 4 KiB {way}, 10 threads{}",
            late(latency)
        ),
        latency,
        runs: if latency == 0 { OFTEN * runs } else { runs },
        peer_runs: runs,
        is_warm: false,
        rows: vec![
            (
                "this crate, InMemoryAccountInfo",
                Contestant::Ours,
                task(Store::Memory),
            ),
            (
                "this crate, SqliteAccountInfo",
                Contestant::Ours,
                task(Store::Sqlite),
            ),
            (FLOOR, Contestant::Floor, task(Store::Memory)),
            (PYTHON, Contestant::Python, task(Store::Memory)),
            (RCLONE, Contestant::Rclone, task(Store::Memory)),
        ],
    }
}

/// One run of one row.
struct Run {
    used: Used,
    requests: u64,
}

fn run_case(case: &Case, peers: &Peers, place: &Place, server: &Server) -> Result<()> {
    eprintln!("{}", case.heading);
    let mut runs: Vec<Vec<Run>> = case.rows.iter().map(|_| Vec::new()).collect();
    if case.is_warm {
        place.forget_account_info()?;
    }
    for round in 0..case.rounds() {
        // Each row comes first in its turn: what the one before it leaves to the system to do would
        // otherwise always meet the same one.
        let start = round % case.rows.len();
        for at in (start..case.rows.len()).chain(0..start) {
            let (name, contestant, task) = &case.rows[at];
            if !case.runs_in(round, *contestant) {
                continue;
            }
            let directory = place.prepare(task, *contestant, case.is_warm)?;
            let realm = &server.realm;
            let Some(command) = peers.command(*contestant, task, realm, &directory)? else {
                continue;
            };
            server.ask(&format!("/bench/reset?latency={}", case.latency))?;
            let used = measure::run(&command).with_context(|| format!("{name}: {task}"))?;
            let counts = server.counts()?;
            place.check(task, &counts)?;
            if !(case.is_warm && round == 0) {
                let requests = counts.requests.values().sum();
                runs[at].push(Run { used, requests });
            }
        }
    }
    print(case, &runs)
}

fn print(case: &Case, runs: &[Vec<Run>]) -> Result<()> {
    let mut text = format!("\n{}; median of {}", case.heading, case.runs);
    if case.peer_runs != case.runs {
        text += &format!(", of the others {}", case.peer_runs);
    }
    text += "\n\n";
    text += "| | wall s | CPU s | CPU / floor | RSS MiB | requests |\n|---|--:|--:|--:|--:|--:|\n";
    let mut rows = case.rows.iter().zip(runs);
    let floor = rows.find(|((name, ..), _)| *name == FLOOR);
    let floor = floor.map_or(f64::NAN, |(_, runs)| median(runs, |run| run.used.cpu));
    for ((name, ..), runs) in case.rows.iter().zip(runs) {
        if runs.is_empty() {
            continue;
        }
        let cpu = median(runs, |run| run.used.cpu);
        text += &format!(
            "| {name} | {:.3} | {cpu:.3} | {:.2} | {:.1} | {:.0} |\n",
            median(runs, |run| run.used.wall),
            cpu / floor,
            median(runs, |run| run.used.rss),
            median(runs, |run| run.requests as f64),
        );
    }
    say(text.trim_end())
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<_> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
    }
}

/// The directory with the files to upload, and those that are downloaded.
struct Place {
    directory: tempfile::TempDir,
    sizes: Sizes,
}

impl Place {
    fn new(sizes: &Sizes) -> Result<Self> {
        let parent = std::env::var_os("B2SDK_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        let directory = tempfile::tempdir_in(parent)?;
        let block = server::block();
        fs::create_dir(directory.path().join("up"))?;
        for n in 0..sizes.files {
            let content = &block[..usize::try_from(sizes.small)?];
            fs::write(directory.path().join(small_name("up", n)), content)?;
        }
        // A folder of fewer files for those who are given a folder.
        fs::create_dir_all(directory.path().join("slow/up"))?;
        for n in 0..sizes.slow_files {
            let content = &block[..usize::try_from(sizes.small)?];
            fs::write(
                directory.path().join("slow").join(small_name("up", n)),
                content,
            )?;
        }
        let mut large = fs::File::create(directory.path().join("large"))?;
        let mut left = sizes.large;
        while left > 0 {
            let piece = &block[..usize::try_from(left)?.min(block.len())];
            large.write_all(piece)?;
            left -= piece.len() as u64;
        }
        // What is still to be written would disturb the first rows.
        large.sync_all()?;
        Ok(Self {
            directory,
            sizes: sizes.clone(),
        })
    }

    /// Removes what an earlier run left; the directory to run in.
    fn prepare(&self, task: &Task, contestant: Contestant, is_warm: bool) -> Result<PathBuf> {
        let root = self.directory.path();
        let root = match task {
            Task::Small { files, .. } if *files == self.sizes.slow_files => root.join("slow"),
            _ => root.to_owned(),
        };
        match fs::remove_file(root.join("copy")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        if root.join("copies").exists() {
            fs::remove_dir_all(root.join("copies"))?;
        }
        fs::create_dir(root.join("copies"))?;
        // What is still to be freed would disturb the next row.
        fs::File::open(&root)?.sync_all()?;
        // Python's store has another name, so that each starts with its own.
        if !is_warm && contestant != Contestant::Floor {
            forget(&root)?;
        }
        Ok(root)
    }

    fn forget_account_info(&self) -> Result<()> {
        forget(self.directory.path())
    }

    /// Whether everything was moved.
    fn check(&self, task: &Task, counts: &Counts) -> Result<()> {
        let root = self.directory.path();
        match task {
            Task::Large {
                direction: Direction::Up,
                ..
            } => {
                ensure!(
                    counts.uploaded == self.sizes.large,
                    "{} bytes came",
                    counts.uploaded
                );
            }
            Task::Large { .. } => {
                let length = root.join("copy").metadata()?.len();
                ensure!(length == self.sizes.large, "{length} bytes came");
            }
            Task::Small {
                direction: Direction::Up,
                files,
                ..
            } => {
                let expected = *files as u64 * self.sizes.small;
                ensure!(
                    counts.uploaded == expected,
                    "{} bytes came",
                    counts.uploaded
                );
            }
            Task::Small { files, .. } => {
                let is_slow = *files == self.sizes.slow_files;
                let root = if is_slow {
                    root.join("slow")
                } else {
                    root.to_owned()
                };
                let count = fs::read_dir(root.join("copies"))?.count();
                ensure!(count == *files, "{count} files came");
            }
            Task::Start => ensure!(counts.uploaded == self.sizes.small),
        }
        Ok(())
    }
}

/// Removes all account-info files.
fn forget(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains("account_info") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The server's process, ended with us.
struct Server {
    process: Child,
    realm: String,
}

#[derive(Deserialize)]
struct Counts {
    requests: BTreeMap<String, u64>,
    uploaded: u64,
}

impl Server {
    fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut port)?;
        let realm = format!("http://127.0.0.1:{}", port.trim());
        Ok(Self { process, realm })
    }

    fn counts(&self) -> Result<Counts> {
        Ok(serde_json::from_str(&self.ask("/bench/counts")?)?)
    }

    /// Asks for something that is no part of the service.
    fn ask(&self, path: &str) -> Result<String> {
        let host = self.realm.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host)?;
        let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").context("no answer")?.1;
        Ok(body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How busy the machine is: the load averages of 1, 5 and 15 minutes.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
