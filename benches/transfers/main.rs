//! Moves large and small files with this crate, with a bare program that only moves and hashes the
//! same bytes (the floor), with Python's b2sdk, rclone and curl, against a server that costs next to
//! nothing, one after the other in the same run; prints a table of medians for each case.
//!
//! ```text
//! cargo bench --bench transfers                        # everything
//! cargo bench --bench transfers -- "tls:+up" start     # cases with all of `tls:` and `up`, or with `start`
//! B2SDK_BENCH_ROWS="this crate,floor" cargo bench --bench transfers -- tls:
//! cargo bench --bench transfers -- picture FIGURES DIRECTORY    # see `picture.rs`
//! ```
//!
//! Words after `--` choose cases by their headings: one of the words must fit, and of a word with `+` in it, each
//! piece. `B2SDK_BENCH_ROWS` chooses rows by their beginnings. `sizes.rs` names the variables for sizes and
//! repetitions; `B2SDK_BENCH_DIR` is where the files lie, otherwise Cargo's target directory;
//! `B2SDK_INTEROP_VENV` where Python's b2sdk is.
#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the real clock, and its server sleeps"
)]

mod bare;
mod cases;
mod floor;
mod measure;
mod ours;
mod peers;
mod picture;
mod place;
mod relay;
mod server;
mod service;
mod sizes;
mod task;
mod tls;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::cases::{Case, FLOOR};
use crate::measure::Used;
use crate::peers::{Peers, Service};
use crate::picture::Figures;
use crate::place::Place;
use crate::relay::Relay;
use crate::service::Server;
use crate::sizes::Sizes;
use crate::task::Task;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next().unwrap_or_default();
    // Cargo adds a word of its own.
    let words = || {
        let words = std::env::args().skip(2);
        words.filter(|word| word != "--bench").collect::<Vec<_>>()
    };
    match role.to_str() {
        Some(measure::ROLE) => measure::measure(arguments),
        Some(relay::ROLE) => relay::relay(&words()),
        Some(picture::ROLE) => picture::draw(&words()),
        Some("serve") => {
            let certificates = arguments.next().context("no directory")?;
            server::serve(&Sizes::from_environment()?, Path::new(&certificates))
        }
        Some(role @ ("ours" | "floor" | "bare")) => {
            let words = words();
            let [task, realm, directory] = words.as_slice() else {
                bail!("{role} takes a task, a realm and a directory");
            };
            let run = match role {
                "ours" => ours::run,
                "bare" => bare::run,
                _ => floor::run,
            };
            run(&task.parse()?, realm, Path::new(directory))
        }
        _ => {
            let words = std::env::args().skip(1).filter(|word| word != "--bench");
            compare(&words.collect::<Vec<_>>())
        }
    }
}

fn compare(words: &[String]) -> Result<()> {
    let sizes = Sizes::from_environment()?;
    let cases = chosen(cases::all(&sizes), words);
    let peers = Peers::find();
    let tasks = cases.iter().flat_map(|case| &case.rows);
    let lengths = tasks.filter_map(|(_, _, task)| match task {
        Task::Large { length, .. } => Some(*length),
        _ => None,
    });
    let place = Place::new(&sizes, &lengths.collect::<BTreeSet<_>>())?;
    let bench = Bench {
        server: Server::start(place.path())?,
        peers,
        place,
        sizes,
    };
    say(&format!("load before: {}", load()))?;
    for case in &cases {
        bench.run_case(case)?;
    }
    say(&format!("\nload after: {}", load()))
}

/// The cases and rows that are asked for.
fn chosen(cases: Vec<Case>, words: &[String]) -> Vec<Case> {
    let is_chosen = |case: &Case| {
        let fits = |word: &String| word.split('+').all(|piece| case.heading.contains(piece));
        words.is_empty() || words.iter().any(fits)
    };
    let rows = std::env::var("B2SDK_BENCH_ROWS").unwrap_or_default();
    let is_wanted = |name: &str| rows.split(',').any(|start| name.starts_with(start.trim()));
    let mut cases: Vec<_> = cases.into_iter().filter(is_chosen).collect();
    for case in &mut cases {
        case.rows.retain(|(name, ..)| is_wanted(name));
    }
    cases
}

/// One run of one row.
struct Run {
    used: Used,
    requests: u64,
    /// Seconds of CPU time of the relay.
    relay: f64,
}

struct Bench {
    server: Server,
    peers: Peers,
    place: Place,
    sizes: Sizes,
}

impl Bench {
    fn run_case(&self, case: &Case) -> Result<()> {
        eprintln!("{}", case.heading);
        let mut runs: Vec<Vec<Run>> = case.rows.iter().map(|_| Vec::new()).collect();
        if case.is_warm {
            self.place.forget_account_info()?;
        }
        let server_port = self.server.port(case.has_tls);
        let relay = match case.network == relay::LOOPBACK {
            true => None,
            false => Some(Relay::start(&case.network, server_port)?),
        };
        let port = relay.as_ref().map_or(server_port, |relay| relay.port);
        let scheme = if case.has_tls { "https" } else { "http" };
        let realm = format!("{scheme}://127.0.0.1:{port}");
        for round in 0..case.rounds() {
            // Each row comes first in its turn: what the one before it leaves to the system to do would
            // otherwise always meet the same one.
            let start = round % case.rows.len().max(1);
            for at in (start..case.rows.len()).chain(0..start) {
                let run = self.run_row(case, (round, at), &realm, relay.as_ref())?;
                if let Some(run) = run.filter(|_| !(case.is_warm && round == 0)) {
                    runs[at].push(run);
                }
            }
        }
        self.print(case, &runs)
    }

    /// Runs a row once, if it has its turn in this round and its program is installed.
    fn run_row(
        &self,
        case: &Case,
        (round, at): (usize, usize),
        realm: &str,
        relay: Option<&Relay>,
    ) -> Result<Option<Run>> {
        let (name, contestant, task) = &case.rows[at];
        if !case.runs_in(round, *contestant) {
            return Ok(None);
        }
        let directory = self.place.prepare(task, *contestant, case.is_warm)?;
        let service = Service {
            realm,
            authority: case.has_tls.then_some(&self.server.authority),
        };
        let command = self
            .peers
            .command(*contestant, task, &service, &directory)?;
        let Some(command) = command else {
            return Ok(None);
        };
        self.server
            .ask(&format!("/bench/reset?latency={}", case.latency))?;
        let cpu_of_relay = || relay.map_or(0.0, Relay::cpu);
        let before = cpu_of_relay();
        let used = measure::run(&command).with_context(|| format!("{name}: {task}"))?;
        let counts = self.server.counts()?;
        self.place.check(task, &counts)?;
        Ok(Some(Run {
            used,
            requests: counts.requests.values().sum(),
            relay: cpu_of_relay() - before,
        }))
    }

    fn print(&self, case: &Case, runs: &[Vec<Run>]) -> Result<()> {
        let mut text = format!("\n{}; median of {}", case.heading, case.runs);
        if case.peer_runs != case.runs {
            text += &format!(", of the others {}", case.peer_runs);
        }
        let is_relayed = case.network != relay::LOOPBACK;
        text += "\n\n| | wall s | CPU s | CPU / floor | RSS MiB | requests |";
        text += if is_relayed {
            " MiB/s | relay CPU s |"
        } else {
            ""
        };
        text += "\n|---|--:|--:|--:|--:|--:|";
        text += if is_relayed { "--:|--:|\n" } else { "\n" };
        let mut rows = case.rows.iter().zip(runs);
        let floor = rows.find(|((name, ..), _)| *name == FLOOR);
        let floor = floor.map_or(f64::NAN, |(_, runs)| median(runs, |run| run.used.cpu));
        let mib = case.bytes(&self.sizes) as f64 / f64::from(1 << 20);
        let mut kept = Vec::new();
        for ((name, ..), runs) in case.rows.iter().zip(runs) {
            if runs.is_empty() {
                continue;
            }
            let cpu = median(runs, |run| run.used.cpu);
            let wall = median(runs, |run| run.used.wall);
            let ratio = match floor.is_nan() {
                true => String::new(),
                false => format!("{:.2}", cpu / floor),
            };
            text += &format!(
                "| {name} | {wall:.3} | {cpu:.3} | {ratio} | {:.1} | {:.0} |",
                median(runs, |run| run.used.rss),
                median(runs, |run| run.requests as f64),
            );
            if is_relayed {
                let relay = median(runs, |run| run.relay);
                text += &format!(" {:.2} | {relay:.2} |", mib / wall);
            }
            text += "\n";
            kept.push(picture::Row {
                name: name.clone(),
                wall,
                cpu,
                rss: median(runs, |run| run.used.rss),
                requests: median(runs, |run| run.requests as f64),
                mib_a_second: mib / wall,
            });
        }
        picture::keep(&Figures {
            case: case.heading.clone(),
            rows: kept,
        })?;
        say(text.trim_end())
    }
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<_> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
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
