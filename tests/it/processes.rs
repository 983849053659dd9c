//! Many processes on one account info, and processes that are killed.
//!
//! The processes are this program again, in one of the roles of `processes/roles.rs`. They speak with
//! their parent through pipes, and nobody waits without a watchdog. The rounds are few at first; in
//! full (1,000 operations in each of 16 processes, 200 kills):
//!
//! ```text
//! B2SDK_FULL_ROUNDS=1 cargo test --release --all-features --test it processes::
//! ```

mod children;
mod roles;
mod rotation;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use b2sdk::account_info::{AccountInfo, UploadTarget, UploadUrl};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, BucketType, LargeFileSha1, Operation, SqliteAccountInfo, Timestamp, UploadOptions,
};
use tempfile::TempDir;

use self::children::{Children, Worker};
use self::roles::{auth, open};
use crate::support::{BUCKET, authorize, noise};

const FIXTURES: [&str; 7] = [
    include_str!("../../fixtures/account_info/schema_0.sql"),
    include_str!("../../fixtures/account_info/schema_1.sql"),
    include_str!("../../fixtures/account_info/schema_2.sql"),
    include_str!("../../fixtures/account_info/schema_3.sql"),
    include_str!("../../fixtures/account_info/schema_4.sql"),
    include_str!("../../fixtures/account_info/schema_5.sql"),
    include_str!("../../fixtures/account_info/schema_6.sql"),
];
const JSON: &str = include_str!("../../fixtures/account_info/legacy.json");

/// As many as the issue wants, or fewer for everyday use.
fn rounds(full: usize, reduced: usize) -> usize {
    match std::env::var_os("B2SDK_FULL_ROUNDS") {
        Some(_) => full,
        None => reduced,
    }
}

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    (directory, path)
}

fn target() -> UploadTarget {
    UploadTarget::Bucket("b".into())
}

/// Puts that many URLs into the pool, as received just now.
fn fill(store: &SqliteAccountInfo, count: usize) {
    let snapshot = store.auth().unwrap().unwrap();
    for number in 0..count {
        let received = Timestamp::from(fs::metadata(store.path()).unwrap().modified().unwrap());
        let url = UploadUrl::new(number.to_string(), "upload-token".into(), received);
        store
            .put_upload_url(snapshot.identity(), &target(), url)
            .unwrap();
    }
}

/// What is left in the pool.
fn drain(store: &SqliteAccountInfo) -> BTreeSet<String> {
    let snapshot = store.auth().unwrap().unwrap();
    let next = || {
        store
            .take_upload_url(snapshot.identity(), &target())
            .unwrap()
    };
    std::iter::from_fn(next).map(|url| url.url).collect()
}

fn has_log(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with("-wal") || name.ends_with("-shm")
    })
}

/// 16 processes take and put URLs, save and remove buckets, and replace the token, each of which
/// says how many there were before it.
fn mixed_operations(network_home: bool) {
    const PROCESSES: usize = 16;
    const URLS: usize = 8;
    let rounds = rounds(1000, 48);
    let (directory, path) = directory();
    fs::create_dir(directory.path().join("held")).unwrap();
    let store = open(&path, network_home);
    store.save_auth(auth(0), None).unwrap();
    fill(&store, URLS);

    let network = if network_home { "1" } else { "" };
    let mut children = Children::of(PROCESSES, "mixed", |number| {
        vec![
            ("PATH", path.display().to_string()),
            ("NUMBER", number.to_string()),
            ("ROUNDS", rounds.to_string()),
            ("NETWORK", network.to_owned()),
        ]
    });
    children.start_together();
    let reports = children.finish(|| {
        assert!(
            !(network_home && has_log(directory.path())),
            "there is a log"
        );
    });

    let saved: u64 = reports
        .iter()
        .map(|saved| saved.parse::<u64>().unwrap())
        .sum();
    let last = store.auth().unwrap().unwrap();
    assert!(saved > 0);
    assert_eq!(
        *last.auth(),
        roles::auth_with_token(0, saved),
        "a token was lost"
    );
    let kept: BTreeSet<String> = (0..PROCESSES)
        .flat_map(|number| roles::kept_buckets(number, rounds))
        .collect();
    let found: BTreeSet<String> = store
        .buckets(last.identity())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with('p'))
        .collect();
    assert_eq!(found, kept, "a bucket was lost or came back");
    assert_eq!(drain(&store).len(), URLS, "a URL was lost or doubled");
}

#[test]
fn sixteen_processes_lose_no_update_and_share_no_url() {
    mixed_operations(false);
}

#[test]
fn sixteen_processes_on_a_network_home_do_so_without_a_log() {
    mixed_operations(true);
}

/// An account info whose token has expired, and the service that says so.
fn expired(path: &Path) -> Simulator {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(SqliteAccountInfo::open(path).unwrap());
    authorize(&api, &service);
    api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    service
}

fn callers(path: &Path, ahead: Duration) -> Children {
    Children::of(8, "caller", |_| {
        vec![
            ("PATH", path.display().to_string()),
            ("AHEAD", ahead.as_secs().to_string()),
        ]
    })
}

#[test]
fn eight_processes_with_an_expired_token_authorize_once() {
    for _ in 0..rounds(20, 2) {
        let (_directory, path) = directory();
        let service = expired(&path);
        let mut children = callers(&path, Duration::ZERO);
        children.start_together();
        children.finish(|| {});
        assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
        assert!(service.log().count(Operation::ListBuckets) <= 16);
    }
}

#[test]
fn a_killed_process_that_was_authorizing_leaves_it_to_one_other() {
    let (_directory, path) = directory();
    let service = expired(&path);
    service
        .faults()
        .inject(Fault::on(Operation::AuthorizeAccount).stall());
    let environment = vec![
        ("PATH", path.display().to_string()),
        ("AHEAD", "0".to_owned()),
    ];
    let mut holder = Worker::start("caller", environment);
    holder.hear();
    holder.say("go");
    holder.wait_until(|| service.log().count(Operation::AuthorizeAccount) == 1);
    holder.kill();

    // For these its lease is over.
    let mut children = callers(&path, Duration::from_secs(31));
    children.start_together();
    children.finish(|| {});
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 2);
}

#[test]
fn a_killed_holder_of_an_upload_url_loses_only_that_one() {
    let (_directory, path) = directory();
    let store = open(&path, false);
    store.save_auth(auth(0), None).unwrap();
    fill(&store, 4);
    let holder = Worker::start("holder", vec![("PATH", path.display().to_string())]);
    let held = holder.hear();
    holder.kill();
    let mut left: BTreeSet<String> = (0..4).map(|number| number.to_string()).collect();
    assert!(left.remove(&held));
    assert_eq!(drain(&open(&path, false)), left);
}

#[test]
fn sixteen_processes_may_open_upgrade_and_convert_one_file_at_once() {
    let (directory, _) = directory();
    let mut children = Children::of(16, "opener", |_| Vec::new());
    children.wait_until_ready();
    let mut paths = vec![(directory.path().join("new"), "none")];
    for (version, fixture) in FIXTURES.iter().enumerate() {
        let path = directory.path().join(version.to_string());
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(fixture)
            .unwrap();
        paths.push((path, "ada"));
    }
    let json = directory.path().join("json");
    fs::write(&json, JSON).unwrap();
    paths.push((json, "ada"));
    for (path, account) in paths {
        children.say(&path.display().to_string());
        for answer in children.hear_all() {
            assert_eq!(answer, account, "{}", path.display());
        }
        let done: String = rusqlite::Connection::open(&path)
            .unwrap()
            .query_row(
                "SELECT group_concat(update_number) FROM update_done",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(done, "1,2,3,4,5,6", "{}", path.display());
    }
    let network = directory.path().join("network");
    fs::create_dir(&network).unwrap();
    let new = network.join("account_info");
    children.say(&format!("{}{}", roles::NETWORK_HOME, new.display()));
    assert_eq!(children.hear_all(), ["none"; 16]);
    assert!(!has_log(&network));
    children.say("end");
    children.finish(|| {});
}

/// Lets a moment pass that is long enough for anything to happen in another process, or nothing.
fn linger() {
    let random = RandomState::new().hash_one(0_u8);
    for _ in 0..random % (1 << (random >> 32 & 0xf).min(14) << 6) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_the_old_or_the_new_credentials() {
    let (_directory, path) = directory();
    let mut saved = 0;
    for round in 0..rounds(200, 20) {
        let environment = vec![
            ("PATH", path.display().to_string()),
            ("FIRST", (saved + 1).to_string()),
        ];
        let writer = Worker::start("writer", environment);
        for _ in 0..=round % 4 {
            saved = writer.hear().parse().unwrap();
        }
        linger();
        saved = writer
            .kill()
            .last()
            .map_or(saved, |last| last.parse().unwrap());

        let store = SqliteAccountInfo::open(&path).unwrap();
        let snapshot = store.auth().unwrap().unwrap();
        let found = roles::number_of(snapshot.auth());
        assert!(
            found == saved || found == saved + 1,
            "{found} after {saved}"
        );
        assert_eq!(
            *snapshot.auth(),
            auth(found),
            "half of one and half of another"
        );
        assert_eq!(
            store.buckets(snapshot.identity()).unwrap(),
            roles::buckets_of(found)
        );
        saved = found;
    }
}

#[test]
fn a_conversion_that_is_killed_at_any_moment_keeps_the_credentials() {
    for _ in 0..rounds(200, 10) {
        let (directory, path) = directory();
        fs::write(&path, JSON).unwrap();
        let mut opener = Worker::start("opener", Vec::new());
        opener.hear();
        opener.say(&path.display().to_string());
        linger();
        opener.kill();
        let store = SqliteAccountInfo::open(&path).unwrap();
        let snapshot = store.auth().unwrap().unwrap();
        assert_eq!(
            snapshot.auth().application_key.expose(),
            "application-key-in-clear"
        );
        assert!(!directory.path().join("account_info-new").exists());
    }
}

#[test]
fn an_upload_that_is_killed_again_and_again_sends_only_what_is_missing() {
    const PARTS: usize = 60;
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    let (directory, path) = directory();
    let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let file = directory.path().join("file");
    let data = noise(PARTS * 10_000);
    fs::write(&file, &data).unwrap();
    let uploader = || {
        let environment = vec![
            ("PATH", path.display().to_string()),
            ("FILE", file.display().to_string()),
        ];
        Worker::start("uploader", environment)
    };
    let sent = || service.log().count(Operation::UploadPart);
    let kills = 5;
    for _ in 0..kills {
        // Ten more parts arrive; those after them are on their way when the process is killed.
        let stuck = Fault::on(Operation::UploadPart).after(10).stall();
        service.faults().inject(stuck.times(roles::UPLOAD_WORKERS));
        let child = uploader();
        child.wait_until(|| service.faults().remaining() == 0);
        linger();
        child.kill();
    }
    let child = uploader();
    let resumed: usize = child.hear().parse().unwrap();
    assert_eq!(resumed, 10 * kills);
    // What was on its way at each kill may have to go again.
    let wasted = kills * roles::UPLOAD_WORKERS;
    assert!(
        (PARTS..=PARTS + wasted).contains(&sent()),
        "{} parts",
        sent()
    );
    assert_eq!(service.log().count(Operation::StartLargeFile), 1);
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    assert_eq!(bucket.list_file_versions("x").unwrap().count(), 1);
    let download = bucket.download_file_by_name("x").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), data);
}

#[test]
fn a_composition_that_is_killed_again_and_again_makes_only_the_parts_that_are_missing() {
    const PARTS: usize = 30;
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    let (directory, path) = directory();
    let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let data = noise(2 * PARTS * 10_000);
    let (stored, local) = data.split_at(PARTS * 10_000);
    let stored = bucket.upload_bytes(stored, "stored").unwrap();
    let file = directory.path().join("file");
    fs::write(&file, local).unwrap();
    service.log().clear();
    let composer = || {
        let environment = vec![
            ("PATH", path.display().to_string()),
            ("FILE", file.display().to_string()),
            ("STORED", stored.version().file_id.to_string()),
        ];
        Worker::start("composer", environment)
    };
    let kills = 4;
    for round in 0..kills {
        // First among the copies, then among the uploads.
        let operation = match round {
            0 | 1 => Operation::CopyPart,
            _ => Operation::UploadPart,
        };
        let stuck = Fault::on(operation).after(7).stall();
        service.faults().inject(stuck.times(roles::UPLOAD_WORKERS));
        let child = composer();
        child.wait_until(|| service.faults().remaining() == 0);
        linger();
        child.kill();
    }
    let child = composer();
    let resumed: usize = child.hear().parse().unwrap();
    assert_eq!(resumed, PARTS + 2 * 7);
    for operation in [Operation::CopyPart, Operation::UploadPart] {
        let made = service.log().count(operation);
        let wasted = kills * roles::UPLOAD_WORKERS;
        assert!((PARTS..=PARTS + wasted).contains(&made), "{made} parts");
    }
    assert_eq!(service.log().count(Operation::StartLargeFile), 1);
    assert_eq!(bucket.list_file_versions("x").unwrap().count(), 1);
    let download = bucket.download_file_by_name("x").unwrap();
    assert!(download.read_to_vec().unwrap() == data);
}

/// A service with an "x" in it, and a directory for child processes to save it to.
struct Downloads {
    service: Simulator,
    directory: TempDir,
    data: Vec<u8>,
    range: usize,
}

impl Downloads {
    fn of(data: Vec<u8>, range: usize, sha1: LargeFileSha1) -> Self {
        let service = Simulator::builder()
            .minimum_part_size(1000)
            .recommended_part_size(1_000_000)
            .start()
            .unwrap();
        let (directory, path) = directory();
        let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        let options = UploadOptions::new()
            .part_size(data.len() as u64 / 2)
            .large_file_sha1(sha1);
        bucket.upload_bytes_with(&data, "x", &options).unwrap();
        fs::create_dir(directory.path().join("saved")).unwrap();
        service.log().clear();
        Self {
            service,
            directory,
            data,
            range,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("saved").join("x")
    }

    fn child(&self) -> Worker {
        Worker::start("downloader", self.environment())
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let info = self.directory.path().join("account_info");
        vec![
            ("PATH", info.display().to_string()),
            ("FILE", self.path().display().to_string()),
            ("RANGE", self.range.to_string()),
        ]
    }

    /// The ranges that were answered, in order.
    fn ranges(&self) -> Vec<String> {
        let entries = self.service.log().entries();
        let answered = entries.into_iter().filter(|entry| entry.status.is_some());
        answered.filter_map(|entry| entry.range).collect()
    }

    fn check_saved(&self) {
        assert!(fs::read(self.path()).unwrap() == self.data, "wrong bytes");
        let saved = self.path();
        let names: Vec<_> = fs::read_dir(saved.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["x"], "something is left");
    }
}

#[test]
fn a_download_that_is_killed_again_and_again_asks_only_for_what_is_missing() {
    const RANGES: usize = 60;
    const KILLS: usize = 5;
    for sha1 in [LargeFileSha1::Compute, LargeFileSha1::Omit] {
        let world = Downloads::of(noise(RANGES * 10_000), 10_000, sha1);
        for _ in 0..KILLS {
            // Ten more ranges arrive; those after them are on their way when the process is killed.
            let stuck = Fault::on(Operation::DownloadFileById).after(10).stall();
            world
                .service
                .faults()
                .inject(stuck.times(roles::DOWNLOAD_WORKERS));
            let child = world.child();
            child.wait_until(|| world.service.faults().remaining() == 0);
            linger();
            child.kill();
            assert!(!world.path().exists(), "half a file");
        }
        let resumed: usize = world.child().hear().parse().unwrap();
        assert_eq!(resumed, 10_000 * (10 * KILLS + 1), "and the first response");
        let ranges = world.ranges();
        let different: BTreeSet<_> = ranges.iter().collect();
        assert_eq!((ranges.len(), different.len()), (RANGES - 1, RANGES - 1));
        world.check_saved();
    }
}

#[test]
fn a_download_that_is_killed_at_any_moment_never_ends_in_a_wrong_file() {
    const RANGES: usize = 40;
    let mut resumed = 0;
    for round in 0..rounds(100, 6) {
        let sha1 = match round % 2 {
            0 => LargeFileSha1::Compute,
            _ => LargeFileSha1::Omit,
        };
        let world = Downloads::of(noise(RANGES * 10_000), 10_000, sha1);
        let mut kills = 0;
        let told = loop {
            let child = world.child();
            let goal = world.ranges().len() + 1 + round % 7;
            let is_time = || kills < 4 && world.ranges().len() >= goal;
            if let Some(told) = child.hear_unless(is_time) {
                break told;
            }
            linger();
            child.kill();
            kills += 1;
            if world.path().exists() {
                // It had all but told us, and the next one would begin anew.
                break "0".to_owned();
            }
        };
        resumed += told.parse::<usize>().unwrap();
        assert!(fs::read(world.path()).unwrap() == world.data, "wrong bytes");
        let most = RANGES - 1 + kills * roles::DOWNLOAD_WORKERS;
        assert!(world.ranges().len() <= most, "{:?}", world.ranges());
    }
    assert!(resumed > 0, "nothing was ever resumed");
}

#[test]
fn a_killed_download_goes_on_in_the_middle_of_a_range() {
    const MIB: usize = 1024 * 1024;
    let data: Vec<u8> = (0..40 * MIB).map(|at| (at / 1021) as u8).collect();
    for sha1 in [LargeFileSha1::Compute, LargeFileSha1::Omit] {
        let world = Downloads::of(data.clone(), 39 * MIB, sha1);
        let stuck = Fault::on(Operation::DownloadFileByName).stall_answer(20 * MIB as u64);
        world.service.faults().inject(stuck);
        let child = world.child();
        let record = world.path().with_file_name(".b2-download-x.record");
        // The version, sixteen of the first range's, and the second range.
        let lines = || {
            fs::read_to_string(&record)
                .unwrap_or_default()
                .lines()
                .count()
        };
        child.wait_until(|| lines() == 3);
        child.kill();
        let resumed: usize = world.child().hear().parse().unwrap();
        assert!((17 * MIB..=18 * MIB).contains(&resumed), "{resumed}");
        let first = resumed - MIB;
        let ranges = world.ranges();
        let missing = format!("bytes={first}-{}", 39 * MIB - 1);
        assert_eq!((ranges.len(), ranges.last()), (2, Some(&missing)));
        world.check_saved();
    }
}

/// A limit to the size of a file is met as a full disk is: a write fails.
#[cfg(unix)]
#[test]
fn a_download_that_the_disk_has_no_room_for_goes_on_when_there_is_room() {
    // A tenth or a twentieth of the file, depending on the shell; a quarter or half; nearly all.
    for (blocks, least) in [(100, 0), (500, 100_000), (970, 300_000)] {
        for sha1 in [LargeFileSha1::Compute, LargeFileSha1::Omit] {
            let world = Downloads::of(noise(1_000_000), 10_000, sha1);
            fs::write(world.path(), b"what was there").unwrap();
            let mut command = std::process::Command::new("sh");
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            command.args(["-c", &limited]);
            command.arg(std::env::current_exe().unwrap());
            let child = Worker::start_by(command, "downloader", world.environment());
            assert!(!child.ends_well(), "it had room");
            assert_eq!(fs::read(world.path()).unwrap(), b"what was there");

            let resumed: u64 = world.child().hear().parse().unwrap();
            assert!(resumed >= least, "{resumed}");
            world.check_saved();
        }
    }
}

/// 16 MiB, and 1 MiB for each of ten workers.
#[cfg(target_os = "linux")]
#[test]
fn large_files_move_in_little_memory_whatever_the_size_of_their_parts() {
    const MIB: u64 = 1024 * 1024;
    let (directory, path) = directory();
    let stored = directory.path().join("stored");
    let service = Simulator::builder().data_dir(stored).start().unwrap();
    let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
    authorize(&api, &service);
    api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let file = directory.path().join("file");
    // Ten parts at a time are all of it.
    fs::File::create(&file).unwrap().set_len(120 * MIB).unwrap();
    let mover = Worker::start(
        "mover",
        vec![
            ("PATH", path.display().to_string()),
            ("FILE", file.display().to_string()),
            ("PART", (12 * MIB).to_string()),
        ],
    );
    for what in ["up", "down"] {
        let grown: u64 = mover.hear().parse().unwrap();
        assert!(grown < 26 * MIB, "{what}: {grown} bytes more");
    }
    assert!(mover.ends_well());
    let saved = fs::read(directory.path().join("file-saved")).unwrap();
    assert!(saved.len() as u64 == 120 * MIB && saved.iter().all(|byte| *byte == 0));
}
