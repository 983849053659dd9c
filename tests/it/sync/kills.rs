//! Runs that are killed: in between any two requests, in every direction, with `Orphans::Delete`.
//!
//! The run is the program of `examples/sync.rs`, in this test program started again. It is killed when the
//! simulator has seen so many requests. There are few rounds at first; in full (200 kills):
//!
//! ```text
//! B2SDK_FULL_ROUNDS=1 cargo test --release --all-features --test it sync::kills::
//! ```

use std::collections::BTreeMap;
use std::env;
use std::process::{Child, Command, Stdio};

use b2sdk::credentials::Credentials;
use b2sdk::simulator::Fault;
use b2sdk::{Error, LsOptions, Operation};

use super::program::{Account, Console, sync};
use super::support::Places;
use crate::support::{BUCKET, World};

/// Holds the arguments of the program, one a line, after the account.
const ROLE: &str = "B2SDK_TEST_SYNC";

/// The program, if it was started for that.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let mut lines = role.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap();
    let (realm, key_id, key) = (next(), next(), next());
    let account = Account {
        credentials: Credentials::new(key_id, key).realm(realm),
        store: None,
    };
    let arguments: Vec<_> = lines.collect();
    let sink = || Box::new(std::io::sink());
    let console = Console::new(sink(), sink(), false);
    assert_eq!(sync(&arguments, Ok(account), console), 0);
}

fn start(places: &Places, arguments: &[String]) -> Child {
    let service = &places.world.service;
    let account = [
        service.url(),
        service.application_key_id(),
        service.application_key(),
    ];
    let lines: Vec<&str> = account
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    Command::new(env::current_exe().unwrap())
        .args(["sync::kills::child", "--exact"])
        .env(ROLE, lines.join("\n"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs the program until the simulator has seen so many requests, and kills it.
fn kill_after(places: &Places, arguments: &[String], requests: usize) {
    places.world.service.log().clear();
    let mut child = start(places, arguments);
    while child.try_wait().unwrap().is_none() {
        if places.world.total() >= requests {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::thread::yield_now();
    }
}

/// The files of the folder `home`. The service may still be carrying out the last request of a killed
/// run, so what is listed may be gone by now.
fn stored_now(places: &Places) -> BTreeMap<String, String> {
    let bucket = &places.world.bucket;
    let options = LsOptions::new().recursive(true);
    let entries = bucket.ls_with("home", &options).unwrap();
    let names = entries.map(|entry| entry.unwrap().version.file_name);
    let mut found = BTreeMap::new();
    for name in names {
        match bucket.download_file_by_name(&name) {
            Ok(download) => {
                let content = String::from_utf8(download.read_to_vec().unwrap()).unwrap();
                found.insert(name["home/".len()..].to_owned(), content);
            }
            Err(Error::FileNotFound { .. }) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    found
}

fn content(seed: usize) -> String {
    format!("{seed}").repeat(20_000)
}

/// No name loses its last good version, every local file is whole, the next run finishes, and nothing
/// temporary is left after it.
#[cfg(unix)]
#[test]
fn c20_after_a_kill_every_name_is_old_or_new_and_the_next_run_finishes() {
    let rounds = match env::var_os("B2SDK_FULL_ROUNDS") {
        Some(_) => 67,
        None => 6,
    };
    for direction in ["up", "down", "copy"] {
        for round in 0..rounds {
            let places = Places::new();
            let bucket = &places.world.bucket;
            let (home, from) = (places.root(), format!("b2://{BUCKET}/from"));
            let (local, stored) = (
                home.to_str().unwrap().to_owned(),
                format!("b2://{BUCKET}/home"),
            );
            let (old, new) = (content(1), content(22));
            for n in 0..8 {
                let (old_name, new_name) = (format!("f{n}"), format!("f{}", n + 4));
                places.write(&new_name, &new, 1_100_000_000);
                bucket
                    .upload_local_file(places.path(&new_name), &format!("from/{new_name}"))
                    .unwrap();
                std::fs::remove_file(places.path(&new_name)).unwrap();
                match direction {
                    "down" => places.write(&old_name, &old, 1_000_000_000),
                    _ => drop(
                        bucket
                            .upload_bytes(old.as_bytes(), &format!("home/{old_name}"))
                            .unwrap(),
                    ),
                }
            }
            if direction == "up" {
                for n in 4..12 {
                    places.write(&format!("f{n}"), &new, 1_100_000_000);
                }
            }
            let (source, destination) = match direction {
                "up" => (local, stored),
                "down" => (from, local),
                _ => (from, stored),
            };
            let options = ["--delete", "--newer", "replace", "--threads", "3"];
            let arguments: Vec<_> = options
                .into_iter()
                .map(str::to_owned)
                .chain([source, destination])
                .collect();
            // Authorizing and listing buckets come first.
            kill_after(&places, &arguments, 3 + round * 24 / rounds);
            let case = format!("{direction} {round}");
            let found = |places: &Places| -> BTreeMap<String, String> {
                let all = if direction == "down" {
                    places.files()
                } else {
                    stored_now(places)
                };
                let is_file = |name: &String| !name.starts_with(".b2-download-");
                all.into_iter().filter(|(name, _)| is_file(name)).collect()
            };
            let after = found(&places);
            for n in 4..8 {
                let name = format!("f{n}");
                assert!(after.contains_key(&name), "{case}: {name} is gone");
            }
            assert!(
                after
                    .values()
                    .all(|content| *content == old || *content == new),
                "{case}"
            );
            let mut child = start(&places, &arguments);
            assert!(child.wait().unwrap().success(), "{case}");
            let end: BTreeMap<_, _> = (4..12).map(|n| (format!("f{n}"), new.clone())).collect();
            assert_eq!(found(&places).len(), end.len(), "{case}");
            assert!(found(&places) == end, "{case}");
            if direction == "down" {
                assert_eq!(places.files().len(), end.len(), "{case}: something is left");
            }
        }
    }
}

/// Starts the program, and kills it once the simulator has seen so many requests of one kind.
fn kill_during(places: &Places, arguments: &[String], operation: Operation, requests: usize) {
    places.world.service.log().clear();
    let mut child = start(places, arguments);
    while places.world.count(operation) < requests {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it has ended by itself"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The program completes the large file that a killed run has begun, without being asked to.
#[test]
fn c21_a_killed_large_file_is_completed_by_the_next_run() {
    const PARTS: usize = 200;
    let places = Places::of(World::of_small_parts(100, 1000));
    let content = crate::support::noise(PARTS * 1000);
    std::fs::write(places.path("large"), &content).unwrap();
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let up: Vec<_> = ["--threads", "2", home.to_str().unwrap(), &bucket]
        .into_iter()
        .map(str::to_owned)
        .collect();
    // What follows hangs, so that the program cannot end before it is killed.
    let stalled = Fault::on(Operation::UploadPart).stall();
    places.world.inject(stalled.after(10).always());
    kill_during(&places, &up, Operation::UploadPart, 10);
    let files = places.world.bucket.list_unfinished_large_files("").unwrap();
    let left: Vec<_> = files.map(Result::unwrap).collect();
    assert_eq!(left.len(), 1);
    let stored = places
        .world
        .api
        .list_parts(&left[0].file_id)
        .unwrap()
        .count();
    // The answer to one of the ten may have been lost with the program, and its part with it.
    assert!((1..=10).contains(&stored), "{stored}");
    places.world.service.faults().clear();
    places.world.service.log().clear();
    assert!(start(&places, &up).wait().unwrap().success());
    assert_eq!(places.world.count(Operation::StartLargeFile), 0);
    // Those that hung when the program was killed may be noted late.
    let log = places.world.service.log().entries();
    let sent = log.iter().filter(|entry| {
        entry.operation == Some(Operation::UploadPart) && entry.status == Some(200)
    });
    assert!(sent.count() <= PARTS - stored);
    let left = places.world.bucket.list_unfinished_large_files("").unwrap();
    assert_eq!(left.count(), 0);
    assert_eq!(places.world.content("home/large"), content);
}
