//! What is compared: a case is a table.

use crate::peers::Contestant;
use crate::relay::{self, Network};
use crate::sizes::Sizes;
use crate::task::{self, Direction, Listing, Store, Task};

/// One table.
pub(crate) struct Case {
    pub(crate) heading: String,
    /// Milliseconds before each response.
    pub(crate) latency: u64,
    pub(crate) has_tls: bool,
    pub(crate) network: Network,
    /// How often this crate and the floor run, whose ratio is what is asked for.
    pub(crate) runs: usize,
    /// How often the others run.
    pub(crate) peer_runs: usize,
    /// A warm start finds what an earlier process stored.
    pub(crate) is_warm: bool,
    pub(crate) rows: Vec<Row>,
}

/// A row: its name, who runs, and what it has to do.
pub(crate) type Row = (String, Contestant, Task);

impl Case {
    /// Every round has one run of whoever still runs; the first of a warm start is what fills the store.
    pub(crate) fn rounds(&self) -> usize {
        self.runs.max(self.peer_runs) + usize::from(self.is_warm)
    }

    pub(crate) fn runs_in(&self, round: usize, contestant: Contestant) -> bool {
        let runs = match contestant {
            Contestant::Ours | Contestant::Floor | Contestant::Bare => self.runs,
            Contestant::Python | Contestant::Rclone | Contestant::Curl => self.peer_runs,
        };
        round < runs + usize::from(self.is_warm)
    }

    /// The bytes that a row moves.
    pub(crate) fn bytes(&self, sizes: &Sizes) -> u64 {
        match self.rows.first() {
            Some((_, _, Task::Large { length, .. })) => *length,
            Some((_, _, Task::Small { files, .. } | Task::Many { files, .. })) => {
                *files as u64 * sizes.small
            }
            _ => sizes.small,
        }
    }
}

/// How many times as often as the others this crate and the floor run where that is quick.
const OFTEN: usize = 3;
const OURS: &str = "this crate";
const OURS_IN_MEMORY: &str = "this crate, InMemoryAccountInfo";
/// The largest page of a listing.
const LARGEST_PAGE: usize = 10_000;
pub(crate) const FLOOR: &str = "floor";
const PYTHON: &str = "Python b2sdk";
const RCLONE: &str = "rclone";

/// The numbers of workers that the adaptive one is compared with.
const FIXED: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// How many of the smallest are left out where a connection carries next to nothing.
const TOO_FEW: usize = 3;
/// The ranges of a download there.
const LOSSY_RANGE: u64 = 1 << 20;
/// The parts of an upload where each connection is slow.
const CAPPED_PART: u64 = 8_000_000;

pub(crate) fn all(sizes: &Sizes) -> Vec<Case> {
    let mut cases = plain(sizes);
    cases.extend(with_tls(sizes));
    cases.extend(over_networks(sizes));
    cases.extend(by_workers(sizes));
    cases.extend(listings(sizes));
    cases.push(Case {
        heading: format!(
            "relay: {} MiB down, 10 workers, through the relay without shaping",
            sizes.large >> 20
        ),
        network: relay::NOTHING,
        rows: rows(large_task(Direction::Down, 10, sizes.large)),
        ..case(sizes.runs)
    });
    cases
}

/// A case without rows, on loopback.
fn case(runs: usize) -> Case {
    Case {
        heading: String::new(),
        latency: 0,
        has_tls: false,
        network: relay::LOOPBACK,
        runs,
        peer_runs: runs,
        is_warm: false,
        rows: Vec::new(),
    }
}

const fn large_task(direction: Direction, workers: usize, length: u64) -> Task {
    Task::Large {
        direction,
        workers,
        whole_sha1: true,
        length,
        part: 0,
    }
}

/// A task for a large file with parts or ranges of this size.
const fn in_parts(mut task: Task, size: u64) -> Task {
    if let Task::Large { part, .. } = &mut task {
        *part = size;
    }
    task
}

/// Everybody who has no peculiar task.
fn rows(task: Task) -> Vec<Row> {
    [
        (OURS, Contestant::Ours),
        (FLOOR, Contestant::Floor),
        (PYTHON, Contestant::Python),
        (RCLONE, Contestant::Rclone),
    ]
    .map(|(name, contestant)| (name.to_owned(), contestant, task.clone()))
    .into()
}

/// Over TLS on loopback, everybody with the same certificate authority.
fn with_tls(sizes: &Sizes) -> Vec<Case> {
    let mut cases = Vec::new();
    let mib = sizes.large >> 20;
    for direction in [Direction::Up, Direction::Down] {
        let way = direction.name();
        for workers in [4, 10] {
            let task = large_task(direction, workers, sizes.large);
            let mut rows = rows(task.clone());
            let one = large_task(direction, 1, sizes.large);
            rows.push(("floor, one connection".into(), Contestant::Floor, one));
            if workers == 4 {
                let name = "curl and sha1sum, one connection";
                rows.push((name.into(), Contestant::Curl, task));
            }
            cases.push(Case {
                heading: format!("tls: {mib} MiB {way}, {workers} workers"),
                has_tls: true,
                rows,
                ..case(sizes.runs)
            });
        }
        let small = small(sizes.files, direction, (0, sizes.runs));
        cases.push(Case {
            heading: format!("tls: {} files of 4 KiB {way}, 10 threads", sizes.files),
            has_tls: true,
            runs: sizes.runs,
            ..small
        });
    }
    for mut start in starts(sizes) {
        start.heading = start.heading.replace("start:", "tls: start:");
        start.has_tls = true;
        cases.push(start);
    }
    cases
}

/// With TLS over each network.
fn over_networks(sizes: &Sizes) -> Vec<Case> {
    let mut cases = Vec::new();
    for direction in [Direction::Up, Direction::Down] {
        for (network, length) in networks(sizes) {
            let task = large_task(direction, 10, length);
            let mut rows = rows(task.clone());
            if direction == Direction::Up && network == relay::CAPPED {
                let parts = in_parts(task, CAPPED_PART);
                let name = "this crate, parts of 8 MB";
                rows.push((name.into(), Contestant::Ours, parts.clone()));
                rows.push(("floor, parts of 8 MB".into(), Contestant::Floor, parts));
            }
            cases.push(Case {
                heading: format!(
                    "net: {} MiB {}, 10 workers, {}",
                    length >> 20,
                    direction.name(),
                    network.name
                ),
                has_tls: true,
                network,
                rows,
                ..case(sizes.slow_runs)
            });
            let small = small(sizes.slow_files, direction, (0, sizes.slow_runs));
            cases.push(Case {
                heading: format!(
                    "net: {} files of 4 KiB {}, 10 threads, {}",
                    sizes.slow_files,
                    direction.name(),
                    network.name
                ),
                has_tls: true,
                network,
                runs: sizes.slow_runs,
                ..small
            });
        }
    }
    cases
}

const fn networks(sizes: &Sizes) -> [(Network, u64); 3] {
    [
        (relay::NEAR, sizes.near),
        (relay::CAPPED, sizes.capped),
        (relay::LOSSY, sizes.lossy),
    ]
}

/// Fixed numbers of workers beside the adaptive one.
fn by_workers(sizes: &Sizes) -> Vec<Case> {
    let mut cases = Vec::new();
    let files = sizes.slow_files;
    for (network, length) in [(relay::LOOPBACK, sizes.large)]
        .into_iter()
        .chain(networks(sizes))
    {
        for direction in [Direction::Up, Direction::Down] {
            let large = |workers| large_task(direction, workers, length);
            let many = |workers| Task::Many {
                direction,
                files,
                workers,
            };
            let mut compared = vec![
                (format!("{} MiB", length >> 20), rows_by_workers(large)),
                (format!("{files} files of 4 KiB"), rows_by_workers(many)),
            ];
            if network == relay::LOSSY {
                compared.remove(0);
                if direction == Direction::Down {
                    let length = sizes.lossy_ranges;
                    let rows = rows_by_workers(|workers| {
                        in_parts(large_task(direction, workers, length), LOSSY_RANGE)
                    });
                    compared.push((format!("{} MiB in ranges of 1 MiB", length >> 20), rows));
                }
                for (_, rows) in &mut compared {
                    rows.drain(..TOO_FEW);
                }
            }
            for (what, rows) in compared {
                cases.push(Case {
                    heading: format!("workers: {what} {}, {}", direction.name(), network.name),
                    has_tls: true,
                    network,
                    rows,
                    ..case(sizes.slow_runs)
                });
            }
        }
    }
    cases
}

fn rows_by_workers(task: impl Fn(usize) -> Task) -> Vec<Row> {
    let mut rows: Vec<Row> = FIXED
        .map(|n| {
            let name = if n == 1 { "worker" } else { "workers" };
            (format!("{n} {name}"), Contestant::Ours, task(n))
        })
        .into();
    rows.push((
        "adaptive".to_owned(),
        Contestant::Ours,
        task(task::ADAPTIVE),
    ));
    rows
}

/// Listings of many names, without TLS, on loopback and with latency.
fn listings(sizes: &Sizes) -> Vec<Case> {
    let names = sizes.names;
    let task = |page, how| Task::List { names, page, how };
    let listing = |page: usize| {
        let mut rows = rows(task(page, Listing::OnDemand));
        let ahead = "this crate, read_ahead".to_owned();
        rows.insert(1, (ahead, Contestant::Ours, task(page, Listing::Ahead)));
        let all = "floor, all members".to_owned();
        rows.insert(3, (all, Contestant::Floor, task(page, Listing::AllMembers)));
        if page == LARGEST_PAGE {
            // rclone's pages have 1,000 rows.
            rows.pop();
            let name = "this crate, pages that grow";
            rows.push((name.into(), Contestant::Ours, task(0, Listing::OnDemand)));
        }
        rows
    };
    let mut cases = Vec::new();
    for (latency, runs) in [(0, sizes.runs), (100, sizes.slow_runs)] {
        for page in [1000, LARGEST_PAGE] {
            cases.push(Case {
                heading: format!("list: {names} names, pages of {page}{}", late(latency)),
                latency,
                rows: listing(page),
                ..case(runs)
            });
        }
    }
    cases
}

/// Without TLS, on loopback.
fn plain(sizes: &Sizes) -> Vec<Case> {
    let mut cases = Vec::new();
    let mib = sizes.large >> 20;
    for (latency, runs) in [(0, sizes.runs), (1000, sizes.slow_runs)] {
        for workers in [4, 10] {
            let late = late(latency);
            let with = format!("large: {mib} MiB up, {workers} workers, large_file_sha1{late}");
            let how = (latency, runs, sizes.large);
            cases.push(large(with, Direction::Up, (workers, true), how));
            if latency == 0 {
                let without = format!("large: {mib} MiB up, {workers} workers, no large_file_sha1");
                let mut case = large(without, Direction::Up, (workers, false), how);
                case.rows.truncate(2);
                cases.push(case);
            }
            let down = format!("large: {mib} MiB down, {workers} workers{late}");
            cases.push(large(down, Direction::Down, (workers, true), how));
        }
    }
    for (files, latency) in [(sizes.files, 0), (sizes.slow_files, 50)] {
        for direction in [Direction::Up, Direction::Down] {
            cases.push(small(files, direction, (latency, sizes.runs)));
        }
    }
    cases.extend(starts(sizes));
    cases
}

fn starts(sizes: &Sizes) -> [Case; 2] {
    [false, true].map(|is_warm| {
        let start = if is_warm { "warm" } else { "cold" };
        let rows = [
            ("this crate, SqliteAccountInfo", Contestant::Ours),
            (FLOOR, Contestant::Floor),
            ("Python b2sdk, SqliteAccountInfo", Contestant::Python),
            ("rclone, which stores nothing", Contestant::Rclone),
        ];
        Case {
            heading: format!("start: a process that uploads one small file, {start}"),
            runs: OFTEN * sizes.runs,
            is_warm,
            rows: rows
                .map(|(name, contestant)| (name.to_owned(), contestant, Task::Start))
                .into(),
            ..case(sizes.runs)
        }
    })
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
    (latency, runs, length): (u64, usize, u64),
) -> Case {
    let task = |workers| Task::Large {
        direction,
        workers,
        whole_sha1,
        length,
        part: 0,
    };
    let mut rows = rows(task(workers));
    if latency > 0 && direction == Direction::Up {
        let name = "bare program with our requests";
        rows.push((name.into(), Contestant::Bare, task(workers)));
        let name = "bare program, parts of 100 MB";
        let parts = in_parts(task(workers), 100_000_000);
        rows.push((name.into(), Contestant::Bare, parts));
    }
    if latency == 0 && workers == 4 {
        let name = "floor, one connection";
        rows.push((name.into(), Contestant::Floor, task(1)));
        let name = "curl and sha1sum, one connection";
        rows.push((name.into(), Contestant::Curl, task(workers)));
    }
    Case {
        heading,
        latency,
        runs: if latency == 0 { OFTEN * runs } else { runs },
        rows,
        ..case(runs)
    }
}

fn small(files: usize, direction: Direction, (latency, runs): (u64, usize)) -> Case {
    let task = |store| Task::Small {
        direction,
        files,
        threads: 10,
        store,
    };
    let mut rows = vec![
        (OURS_IN_MEMORY, Contestant::Ours, Store::Memory),
        (
            "this crate, SqliteAccountInfo",
            Contestant::Ours,
            Store::Sqlite,
        ),
        (FLOOR, Contestant::Floor, Store::Memory),
        (PYTHON, Contestant::Python, Store::Memory),
        (RCLONE, Contestant::Rclone, Store::Memory),
    ];
    if direction == Direction::Down {
        rows.insert(
            2,
            ("this crate, skip_flush", Contestant::Ours, Store::Unflushed),
        );
    }
    Case {
        heading: format!(
            "small: {files} files of 4 KiB {}, 10 threads{}",
            direction.name(),
            late(latency)
        ),
        latency,
        runs: if latency == 0 { OFTEN * runs } else { runs },
        rows: rows
            .into_iter()
            .map(|(name, contestant, store)| (name.to_owned(), contestant, task(store)))
            .collect(),
        ..case(runs)
    }
}
