//! Pages of a bucket with 1 000 000 versions.
//!
//! In memory they are uploaded, as empty files. In a directory that would wait for the disk a million
//! times, so one is uploaded, and its record is copied while the simulator is stopped.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::client::{Program, Session};
use super::{Setting, kept_in, print};

const VERSIONS: u64 = 1_000_000;
/// Uploading at once.
const THREADS: u64 = 8;

/// How many versions there are at this scale: two of each name.
fn versions(setting: &Setting) -> u64 {
    setting.scaled(VERSIONS).max(2) / 2 * 2
}

/// Uploads all versions into memory, and reads pages of them.
pub(crate) fn in_memory(setting: &Setting) -> Result<()> {
    let versions = versions(setting);
    let program = Program::start(&[])?;
    let session = program.session()?;
    let bucket = session.another()?.create_bucket("bench-bucket")?;
    let started = Instant::now();
    upload(&session, &bucket, versions)?;
    let rate = versions as f64 / started.elapsed().as_secs_f64();
    print(&format!(
        "\nlisting, memory: {versions} versions of {} names; {rate:.0} uploads/s, {:.0} MiB resident",
        versions / 2,
        program.memory()?.0
    ))?;
    // Another connection: this one was silent for too long.
    pages(&mut program.session()?, &bucket, versions)?;
    print(&format!("{:.0} MiB at most", program.memory()?.1))
}

/// Starts with all versions in a directory, and reads pages of them.
pub(crate) fn on_disk(setting: &Setting) -> Result<()> {
    let versions = versions(setting);
    let dir = setting.directory()?;
    let bucket = {
        let program = Program::start(&kept_in(dir.path()))?;
        let mut session = program.session()?;
        let bucket = session.create_bucket("bench-bucket")?;
        let target = session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
        session.upload(&target, "x-bz-file-name: 0", &[], 0)?;
        bucket
    };
    multiply(&dir.path().join("simulator.sqlite"), versions)?;
    let started = Instant::now();
    let program = Program::start(&kept_in(dir.path()))?;
    let time = started.elapsed();
    let (now, most) = program.memory()?;
    print(&format!(
        "\nlisting, --data-dir: {versions} versions of {} names; started in {:.1} s, \
         {now:.0} MiB resident, {most:.0} MiB at most",
        versions / 2,
        time.as_secs_f64()
    ))?;
    pages(&mut program.session()?, &bucket, versions)?;
    print(&format!("{:.0} MiB at most", program.memory()?.1))
}

fn upload(session: &Session, bucket: &str, versions: u64) -> Result<()> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                scope.spawn(move || -> Result<()> {
                    let mut session = session.another()?;
                    let target =
                        session.target("b2_get_upload_url", &json!({ "bucketId": bucket }))?;
                    for number in (worker..versions / 2).step_by(THREADS as usize) {
                        let header =
                            format!("x-bz-file-name: dir-{:03}/{number:07}", number / 1000);
                        session.upload(&target, &header, &[], 0)?;
                        session.upload(&target, &header, &[], 0)?;
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

/// Makes that many versions of the one that is there.
fn multiply(database: &Path, versions: u64) -> Result<()> {
    let database = Connection::open(database)?;
    database.execute(
        "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?1),
              one AS (SELECT json, json ->> 'file_id' AS id, json ->> 'uploaded' AS time FROM record WHERE kind = 'version'),
              made AS (SELECT json, n, time + n % 2 AS time,
                              substr(id, 1, 30) || printf('%015x', n) || substr(id, 46, length(id) - 59) || printf('%014d', time + n % 2) AS id
                       FROM number, one)
         INSERT INTO record SELECT 'version', id,
             json_set(json, '$.file_id', id, '$.uploaded', time, '$.name', printf('dir-%03d/%07d', n / 2000, n / 2))
         FROM made",
        [i64::try_from(versions)?],
    )?;
    Ok(())
}

fn pages(session: &mut Session, bucket: &str, versions: u64) -> Result<()> {
    print("\n| page | first ms | median ms | slowest ms |\n|---|--:|--:|--:|")?;
    let name = |number: u64| format!("dir-{:03}/{number:07}", number / 1000);
    let last = versions / 2 - 1;
    for (place, start) in [
        ("start", 0),
        ("middle", last / 2),
        ("end", last.saturating_sub(499)),
    ] {
        for count in [100, 1000, 10_000] {
            let body =
                json!({ "bucketId": bucket, "maxFileCount": count, "startFileName": name(start) });
            measure(
                session,
                "b2_list_file_versions",
                &format!("{count} versions from the {place}"),
                &body,
            )?;
        }
        let body =
            json!({ "bucketId": bucket, "maxFileCount": 1000, "startFileName": name(start) });
        measure(
            session,
            "b2_list_file_names",
            &format!("1000 names from the {place}"),
            &body,
        )?;
    }
    let body = json!({ "bucketId": bucket, "maxFileCount": 1000, "delimiter": "/" });
    measure(session, "b2_list_file_names", "1000 folders", &body)?;
    let body = json!({ "bucketId": bucket, "maxFileCount": 1000, "prefix": "zzz" });
    measure(
        session,
        "b2_list_file_names",
        "a prefix that nothing has",
        &body,
    )
}

fn measure(session: &mut Session, call: &str, name: &str, body: &Value) -> Result<()> {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..21 {
        let started = Instant::now();
        let answer = session.call_raw(call, body)?;
        times.push(started.elapsed());
        ensure!(answer.starts_with(b"{"), "no page");
    }
    let first = times[0];
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    print(&format!(
        "| {name} | {:.2} | {:.2} | {:.2} |",
        milliseconds(first),
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1])
    ))
}
