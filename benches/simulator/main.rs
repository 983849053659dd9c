//! What the simulator takes: memory while it stores much, time for pages of a long listing, the speed
//! of large bodies beside that of the disk and of hashing, and how evenly it serves many connections.
//!
//! `cargo bench --features simulator --bench simulator`, with words after `--` to choose cases:
//! `transfer`, `store`, `fair`, `listing`, `listing-disk`. `B2SDK_BENCH_DIR` says where files lie;
//! `B2SDK_BENCH_SIMULATOR_SCALE` (otherwise 1) multiplies all sizes. The simulator is a process of its
//! own, on the same cores as the client.
#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the real clock"
)]

mod client;
mod listing;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use md5::Md5;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use client::{Program, Session};

const MIB: u64 = 1024 * 1024;
/// What clients send, again and again.
const PIECE: usize = 1024 * 1024;

pub(crate) struct Setting {
    dir: PathBuf,
    scale: f64,
    cases: Vec<String>,
}

impl Setting {
    fn read() -> Result<Self> {
        let dir = std::env::var_os("B2SDK_BENCH_DIR");
        let scale = std::env::var("B2SDK_BENCH_SIMULATOR_SCALE").ok();
        Ok(Self {
            dir: dir.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), Into::into),
            scale: scale.map_or(Ok(1.0), |scale| scale.parse())?,
            cases: std::env::args()
                .skip(1)
                .filter(|word| !word.starts_with("--"))
                .collect(),
        })
    }

    fn runs(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|word| word == case)
    }

    pub(crate) fn scaled(&self, count: u64) -> u64 {
        ((count as f64 * self.scale) as u64).max(1)
    }

    pub(crate) fn directory(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::tempdir_in(&self.dir)?)
    }
}

pub(crate) fn print(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

fn main() -> Result<()> {
    let setting = Setting::read()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    print(&format!("load before: {load}"))?;
    if setting.runs("transfer") {
        transfer(&setting)?;
    }
    if setting.runs("store") {
        store(&setting)?;
    }
    if setting.runs("fair") {
        fair(&setting)?;
    }
    if setting.runs("listing") {
        listing::in_memory(&setting)?;
    }
    if setting.runs("listing-disk") {
        listing::on_disk(&setting)?;
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    print(&format!("load after: {load}"))
}

/// Arguments that keep everything in this directory.
pub(crate) fn kept_in(dir: &Path) -> [&OsStr; 2] {
    [OsStr::new("--data-dir"), dir.as_os_str()]
}

fn piece() -> Vec<u8> {
    (0..PIECE).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn speed(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / MIB as f64 / time.as_secs_f64()
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let started = Instant::now();
    let value = work()?;
    Ok((value, started.elapsed()))
}

/// One file of 1 GiB up and down, one connection, beside what the machine can do.
fn transfer(setting: &Setting) -> Result<()> {
    let length = setting.scaled(1024) * MIB;
    let dir = setting.directory()?;
    print(&format!(
        "\ntransfer: one file of {} MiB, one connection; the best of 3\n",
        length / MIB
    ))?;
    print("| | MiB/s |\n|---|--:|")?;
    let best = |name: &str, work: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        let mut least = Duration::MAX;
        for _ in 0..3 {
            least = least.min(timed(&mut *work)?.1);
        }
        print(&format!("| {name} | {:.0} |", speed(length, least)))
    };
    let piece = piece();
    let pieces = length / PIECE as u64;
    best("SHA-1 alone", &mut || {
        let mut hash = Sha1::new();
        (0..pieces).for_each(|_| hash.update(&piece));
        std::hint::black_box(hash.finalize());
        Ok(())
    })?;
    best("MD5 alone", &mut || {
        let mut hash = Md5::new();
        (0..pieces).for_each(|_| hash.update(&piece));
        std::hint::black_box(hash.finalize());
        Ok(())
    })?;
    let floor = dir.path().join("floor");
    best("writing a file and waiting for the disk", &mut || {
        let mut file = File::create(&floor)?;
        for _ in 0..pieces {
            file.write_all(&piece)?;
        }
        Ok(file.sync_all()?)
    })?;
    let mut buffer = vec![0; PIECE];
    best("reading it again", &mut || {
        let mut file = File::open(&floor)?;
        while file.read(&mut buffer)? > 0 {}
        Ok(())
    })?;
    std::fs::remove_file(&floor)?;
    best("through a socket, and nothing else", &mut || {
        loopback(&piece, pieces)
    })?;
    let data = dir.path().join("data");
    for (name, arguments) in [("memory", &[][..]), ("--data-dir", &kept_in(&data))] {
        let program = Program::start(arguments)?;
        let mut session = program.session()?;
        let bucket = session.create_bucket("bench-bucket")?;
        let target = session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
        best(&format!("upload, {name}"), &mut || {
            let file = session.upload(&target, "x-bz-file-name: file", &piece, length)?;
            // The next one is to find the memory or the disk free.
            let body = json!({ "fileName": "file", "fileId": file["fileId"] });
            session.call("b2_delete_file_version", &body)?;
            Ok(())
        })?;
        session.upload(&target, "x-bz-file-name: file", &piece, length)?;
        let mut buffer = vec![0; PIECE];
        best(&format!("download, {name}"), &mut || {
            session.download("/file/bench-bucket/file", &mut buffer)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Sends so many pieces from one thread to another.
fn loopback(piece: &[u8], pieces: u64) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || -> Result<()> {
            let mut stream = TcpStream::connect(address)?;
            (0..pieces).try_for_each(|_| stream.write_all(piece))?;
            Ok(())
        });
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; PIECE];
        while stream.read(&mut buffer)? > 0 {}
        sender.join().ok().context("a thread panicked")?
    })
}

/// A little more than 5 GiB into a directory: a large file over 4 connections, and 1000 small ones.
fn store(setting: &Setting) -> Result<()> {
    const PARTS: u64 = 49;
    let part = setting.scaled(100) * MIB;
    let small = setting.scaled(320) * 1024;
    let dir = setting.directory()?;
    let mut arguments = kept_in(dir.path()).to_vec();
    // Also with a scale at which no part is as large as those of the service.
    arguments.push(OsStr::new("--minimum-part-size=1"));
    let program = Program::start(&arguments)?;
    let mut session = program.session()?;
    let bucket = session.create_bucket("bench-bucket")?;
    let piece = piece();
    let (idle, _) = program.memory()?;

    let body = json!({ "bucketId": bucket, "fileName": "large", "contentType": "a/b" });
    let file = session.call("b2_start_large_file", &body)?["fileId"].clone();
    let ((), time) = timed(|| parts(&session, &file, &piece, PARTS, part))?;
    print(&format!(
        "\nstore: {} MiB in {PARTS} parts, 4 connections: {:.0} MiB/s",
        PARTS * part / MIB,
        speed(PARTS * part, time)
    ))?;
    let listed = session.call(
        "b2_list_parts",
        &json!({ "fileId": file, "maxPartCount": 1000 }),
    )?;
    let sums: Vec<&Value> = listed["parts"]
        .as_array()
        .context("no parts")?
        .iter()
        .map(|part| &part["contentSha1"])
        .collect();
    session.call(
        "b2_finish_large_file",
        &json!({ "fileId": file, "partSha1Array": sums }),
    )?;
    let target = session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
    let ((), time) = timed(|| {
        for number in 0..1000 {
            session.upload(
                &target,
                &format!("x-bz-file-name: small/{number}"),
                &piece,
                small,
            )?;
        }
        Ok(())
    })?;
    print(&format!(
        "1000 files of {} KiB, one connection: {:.2} s",
        small / 1024,
        time.as_secs_f64()
    ))?;
    let mut buffer = vec![0; PIECE];
    let (read, time) = timed(|| session.download("/file/bench-bucket/large", &mut buffer))?;
    print(&format!(
        "the large file down: {:.0} MiB/s",
        speed(read, time)
    ))?;
    let (now, most) = program.memory()?;
    print(&format!(
        "RSS: {idle:.0} MiB before, {now:.0} MiB after, {most:.0} MiB at most"
    ))
}

fn parts(session: &Session, file: &Value, piece: &[u8], count: u64, length: u64) -> Result<()> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                scope.spawn(move || -> Result<()> {
                    let mut session = session.another()?;
                    let target =
                        session.target("b2_get_upload_part_url", &json!({ "fileId": file }))?;
                    for number in (worker..count).step_by(4) {
                        let header = format!("x-bz-part-number: {}", number + 1);
                        session.upload(&target, &header, piece, length)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().ok().context("a thread panicked")?)
    })
}

/// 64 connections at once, each doing the same as often as it can.
fn fair(setting: &Setting) -> Result<()> {
    const CONNECTIONS: usize = 64;
    let time = Duration::from_secs_f64(10.0 * setting.scale);
    print(&format!(
        "\nfair: {CONNECTIONS} connections for {:.0} s; how often each of them did it\n",
        time.as_secs_f64()
    ))?;
    print(
        "| | in all, each second | least | median | most | most / least | slowest ms |\n|---|--:|--:|--:|--:|--:|--:|",
    )?;
    let dir = setting.directory()?;
    let data = dir.path().join("data");
    for (name, arguments) in [("memory", &[][..]), ("--data-dir", &kept_in(&data))] {
        let program = Program::start(arguments)?;
        let mut session = program.session()?;
        let bucket = session.create_bucket("bench-bucket")?;
        let target = session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
        session.upload(&target, "x-bz-file-name: file", &piece(), MIB)?;
        for case in ["256 KiB up, deleted", "1 MiB down", "b2_get_file_info"] {
            let of_each = many(&session, &bucket, case, time, CONNECTIONS)?;
            let mut counts: Vec<usize> = of_each.iter().map(|(count, _)| *count).collect();
            counts.sort_unstable();
            let total: usize = counts.iter().sum();
            let (least, most) = (counts[0], counts[CONNECTIONS - 1]);
            let slowest = of_each
                .iter()
                .map(|(_, slowest)| *slowest)
                .max()
                .unwrap_or_default();
            print(&format!(
                "| {case}, {name} | {:.0} | {least} | {} | {most} | {:.2} | {} |",
                total as f64 / time.as_secs_f64(),
                counts[CONNECTIONS / 2],
                most as f64 / least.max(1) as f64,
                slowest.as_millis()
            ))?;
        }
    }
    Ok(())
}

/// How often each connection did it, and the longest that it took.
fn many(
    session: &Session,
    bucket: &str,
    case: &str,
    time: Duration,
    connections: usize,
) -> Result<Vec<(usize, Duration)>> {
    let mut first = session.another()?;
    let body = json!({ "bucketId": bucket, "startFileName": "file", "maxFileCount": 1 });
    let file = first.call("b2_list_file_names", &body)?["files"][0]["fileId"].clone();
    let piece = piece();
    let barrier = std::sync::Barrier::new(connections);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|number| {
                let (file, piece, barrier) = (&file, &piece, &barrier);
                scope.spawn(move || -> Result<(usize, Duration)> {
                    let mut session = session.another()?;
                    let target =
                        session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
                    let mut buffer = vec![0; 64 * 1024];
                    barrier.wait();
                    let started = Instant::now();
                    let (mut count, mut slowest) = (0, Duration::ZERO);
                    while started.elapsed() < time {
                        let one = Instant::now();
                        match case {
                            "256 KiB up, deleted" => {
                                let name = format!("{number}/{count}");
                                let header = format!("x-bz-file-name: {name}");
                                let file = session.upload(&target, &header, piece, MIB / 4)?;
                                // Or what is kept in memory would soon be all of it.
                                let body = json!({ "fileName": name, "fileId": file["fileId"] });
                                session.call_raw("b2_delete_file_version", &body)?;
                            }
                            "1 MiB down" => {
                                session.download("/file/bench-bucket/file", &mut buffer)?;
                            }
                            _ => {
                                session.call_raw("b2_get_file_info", &json!({ "fileId": file }))?;
                            }
                        }
                        slowest = slowest.max(one.elapsed());
                        count += 1;
                    }
                    Ok((count, slowest))
                })
            })
            .collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().ok().context("a thread panicked")?);
        joined.collect()
    })
}
