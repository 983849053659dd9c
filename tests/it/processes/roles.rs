//! What the child processes do. A role ends when its parent closes the pipe, or is killed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use b2sdk::account_info::{AccountAuth, AccountInfo, AuthSnapshot, Identity, Refresh};
use b2sdk::compose::{ComposeOptions, Piece};
use b2sdk::credentials::Credentials;
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, Bucket, BucketId, DownloadOptions, Error, FileId, Resume, SqliteAccountInfo,
    UploadOptions,
};

use super::{has_log, target};

/// The test that a child process runs, which does nothing in any other process.
pub(super) const TEST: &str = "processes::roles::in_a_child_process";
/// The variable that names the role.
pub(super) const ROLE: &str = "B2SDK_TEST_ROLE";

/// Before the path of an account info that is to be opened as in a network home.
pub(super) const NETWORK_HOME: &str = "network home ";

/// How many parts an uploader sends at a time.
pub(super) const UPLOAD_WORKERS: usize = 3;
/// How many ranges a downloader receives at a time.
pub(super) const DOWNLOAD_WORKERS: usize = 3;

pub(super) fn variable(name: &str) -> String {
    format!("B2SDK_TEST_{name}")
}

fn given(name: &str) -> String {
    std::env::var(variable(name)).unwrap()
}

fn number(name: &str) -> usize {
    given(name).parse().unwrap()
}

fn path() -> PathBuf {
    given("PATH").into()
}

#[test]
fn in_a_child_process() {
    match std::env::var(ROLE).as_deref() {
        Err(_) => {}
        Ok("mixed") => mixed(),
        Ok("caller") => caller(),
        Ok("daemon") => daemon(),
        Ok("holder") => holder(),
        Ok("opener") => opener(),
        Ok("writer") => writer(),
        Ok("uploader") => uploader(),
        Ok("composer") => composer(),
        Ok("downloader") => downloader(),
        #[cfg(target_os = "linux")]
        Ok("mover") => mover(),
        Ok(other) => panic!("there is no role {other}"),
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // The harness may have begun a line. A parent that is gone is no failure of ours.
    let _ = writeln!(out, "\n@{line}");
    let _ = out.flush();
}

/// The next line of the parent; nothing when there is none to come.
fn ask() -> Option<String> {
    let mut line = String::new();
    let length = std::io::stdin().read_line(&mut line).unwrap();
    (length > 0).then(|| line.trim_end().to_owned())
}

pub(super) fn open(path: &Path, network_home: bool) -> SqliteAccountInfo {
    SqliteAccountInfo::builder()
        .path(path)
        .network_home(network_home)
        .open()
        .unwrap()
}

/// An authorization in which everything says which one it is.
pub(super) fn auth(number: u64) -> AccountAuth {
    let auth = serde_json::json!({
        "realm": format!("https://realm-{number}"),
        "accountId": format!("account-{number}"),
        "applicationKeyId": format!("key-id-{number}"),
        "applicationKey": format!("key-{number}"),
        "authorizationToken": format!("token-{number}"),
        "apiUrl": format!("https://api-{number}"),
        "downloadUrl": format!("https://download-{number}"),
        "s3ApiUrl": format!("https://s3-{number}"),
        "absoluteMinimumPartSize": number,
        "recommendedPartSize": number,
        "allowed": {
            "buckets": [{"id": format!("id-{number}"), "name": format!("bucket-{number}")}],
            "capabilities": ["listFiles"],
            "namePrefix": format!("prefix-{number}"),
        },
    });
    AuthSnapshot::from_json(&auth.to_string())
        .unwrap()
        .auth()
        .clone()
}

/// The buckets that are known right after that authorization was saved.
pub(super) fn buckets_of(number: u64) -> Vec<(String, BucketId)> {
    let id = format!("id-{number}");
    vec![(format!("bucket-{number}"), id.as_str().into())]
}

pub(super) fn number_of(auth: &AccountAuth) -> u64 {
    auth.absolute_minimum_part_size
}

/// The same identity with another token.
pub(super) fn auth_with_token(number: u64, token: u64) -> AccountAuth {
    let mut auth = auth(number);
    auth.token = format!("token-{token}").into();
    auth
}

/// Which buckets a process of that number has saved and not removed in that many rounds.
pub(super) fn kept_buckets(number: usize, rounds: usize) -> Vec<String> {
    (0..rounds)
        .filter(|round| round % 8 == 4)
        .filter(|round| round % 16 != 4 || round + 11 >= rounds)
        .map(|round| format!("p{number}-{round}"))
        .collect()
}

/// Every operation in turn. Says in the end how many tokens it saved.
fn mixed() {
    let (path, number, rounds) = (path(), number("NUMBER"), number("ROUNDS"));
    let network_home = given("NETWORK") == "1";
    let store = open(&path, network_home);
    let owner = store.auth().unwrap().unwrap().identity().clone();
    tell("ready");
    ask();
    let mut saved = 0;
    for round in 0..rounds {
        let name = |round: usize| format!("p{number}-{round}");
        match round % 16 {
            4 | 12 => {
                let name = name(round);
                store
                    .save_bucket(&owner, &name, &name.as_str().into())
                    .unwrap();
            }
            5 | 13 => {
                let name = name(round - 1);
                let found = store.bucket_id(&owner, &name).unwrap();
                assert_eq!(found, Some(name.as_str().into()), "what was saved is gone");
            }
            6 | 14 => {
                let snapshot = store.auth().unwrap().unwrap();
                assert_eq!(*snapshot.identity(), owner);
            }
            7 => saved += u64::from(replace_token(&store)),
            15 => {
                let name = name(round - 11);
                store.remove_bucket(&owner, &name.as_str().into()).unwrap();
            }
            _ => use_url(&store, &owner, &path),
        }
        if network_home {
            assert!(!has_log(path.parent().unwrap()), "there is a log");
        }
    }
    tell(&saved.to_string());
}

/// Saves the token that comes after the present one, if nobody else is at it.
fn replace_token(store: &SqliteAccountInfo) -> bool {
    let current = store.auth().unwrap().unwrap();
    let lease = Duration::from_secs(600);
    match store
        .begin_refresh(Some(current.generation()), lease)
        .unwrap()
    {
        Refresh::Lease(ticket) => {
            let (_, token) = current.auth().token.expose().split_once('-').unwrap();
            let next = token.parse::<u64>().unwrap() + 1;
            store
                .save_auth(auth_with_token(0, next), Some(ticket))
                .unwrap();
            true
        }
        Refresh::Busy | Refresh::Newer(_) => false,
    }
}

/// Takes a URL and puts it back; meanwhile a file says that it is in use.
fn use_url(store: &SqliteAccountInfo, owner: &Identity, path: &Path) {
    if let Some(url) = store.take_upload_url(owner, &target()).unwrap() {
        let held = path.with_file_name("held").join(&url.url);
        drop(File::create_new(&held).expect("a URL is in two hands"));
        std::thread::yield_now();
        std::fs::remove_file(held).unwrap();
        store.put_upload_url(owner, &target(), url).unwrap();
    }
}

/// Makes one call, with whatever token there is.
fn caller() {
    let clock = Clock::ahead(Duration::from_secs(number("AHEAD") as u64));
    let store = SqliteAccountInfo::open_with_clock(path(), clock.clone()).unwrap();
    let api = B2Api::builder(store).clock(&clock).build().unwrap();
    tell("ready");
    ask();
    assert_eq!(api.list_buckets().unwrap().len(), 1);
}

/// Does what it is told, under the key that a file names.
fn daemon() {
    let clock = Clock::ahead(Duration::from_secs(number("AHEAD") as u64));
    let store = SqliteAccountInfo::open_with_clock(path(), clock.clone()).unwrap();
    let api = B2Api::builder(store).clock(&clock).build().unwrap();
    let (file, realm) = (given("FILE"), given("REALM"));
    let named = move || -> Result<Credentials, std::io::Error> {
        let secret = std::fs::read_to_string(&file)?;
        let (id, key) = secret.split_once(' ').unwrap();
        Ok(Credentials::new(id, key).realm(realm.as_str()))
    };
    api.authorize_with(named).unwrap();
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    tell("ready");
    while let Some(order) = ask().filter(|order| order != "end") {
        match obey(&bucket, &order) {
            Ok(()) => tell("done"),
            Err(error) => {
                let shown = format!("{error:?}");
                let variant = shown.split(|c: char| !c.is_alphanumeric()).next();
                tell(variant.unwrap_or_default());
            }
        }
    }
}

fn obey(bucket: &Bucket, order: &str) -> Result<(), Error> {
    match order.split_once(' ') {
        Some(("upload", name)) => bucket.upload_bytes(name.as_bytes(), name).map(drop),
        Some(("download", name)) => {
            let content = bucket.download_file_by_name(name)?.read_to_vec()?;
            assert_eq!(content, name.as_bytes());
            Ok(())
        }
        _ => bucket.ls("")?.try_for_each(|entry| entry.map(drop)),
    }
}

/// Takes a URL and never gives it back.
fn holder() {
    let store = open(&path(), false);
    let snapshot = store.auth().unwrap().unwrap();
    let url = store
        .take_upload_url(snapshot.identity(), &target())
        .unwrap();
    tell(&url.unwrap().url);
    ask();
}

/// Opens the files that it is told, and says whose they are.
fn opener() {
    tell("ready");
    while let Some(order) = ask().filter(|order| order != "end") {
        let store = match order.strip_prefix(NETWORK_HOME) {
            Some(path) => open(Path::new(path), true),
            None => open(Path::new(&order), false),
        };
        let snapshot = store.auth().unwrap();
        let account = snapshot.map(|snapshot| snapshot.identity().account_id.to_string());
        tell(account.as_deref().unwrap_or("none"));
    }
}

/// Saves one authorization after the other, and says which is there.
fn writer() {
    let store = SqliteAccountInfo::open(path()).unwrap();
    for number in number("FIRST") as u64.. {
        store.save_auth(auth(number), None).unwrap();
        tell(&number.to_string());
    }
}

/// Uploads a file, or what is missing of it.
fn uploader() {
    let api = B2Api::builder(SqliteAccountInfo::open(path()).unwrap())
        .workers(UPLOAD_WORKERS)
        .build()
        .unwrap();
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    let options = UploadOptions::new().resume(Resume::Matching);
    let uploaded = bucket
        .upload_local_file_with(given("FILE"), "x", &options)
        .unwrap();
    tell(&uploaded.resumed_parts().to_string());
}

/// Composes a file of the stored one and of the local one, and goes on with what was left; tells how
/// much there was.
fn composer() {
    let api = B2Api::builder(SqliteAccountInfo::open(path()).unwrap())
        .workers(UPLOAD_WORKERS)
        .build()
        .unwrap();
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    let options = ComposeOptions::new()
        .part_size(10_000)
        .resume(Resume::Matching);
    let pieces = [
        Piece::remote(&FileId::from(given("STORED").as_str())),
        Piece::local_file(given("FILE")),
    ];
    let made = bucket.concatenate_with(&pieces, "x", &options).unwrap();
    tell(&made.resumed_parts().to_string());
}

/// Downloads a file, or what is missing of it. Says how many bytes were there already.
fn downloader() {
    let api = B2Api::builder(SqliteAccountInfo::open(path()).unwrap())
        .workers(DOWNLOAD_WORKERS)
        .build()
        .unwrap();
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    let options = DownloadOptions::new()
        .part_size(number("RANGE") as u64)
        .resume(true);
    let saved = bucket
        .download_file_by_name_with("x", &options)
        .unwrap()
        .save_to(given("FILE"))
        .unwrap();
    tell(&saved.resumed_bytes().to_string());
}

/// The most memory that this process ever used, in bytes.
#[cfg(target_os = "linux")]
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// Uploads a file in large parts and downloads it in large ranges, ten at a time. Says after each how much
/// more memory it took than before.
#[cfg(target_os = "linux")]
fn mover() {
    let api = B2Api::builder(SqliteAccountInfo::open(path()).unwrap())
        .workers(10)
        .build()
        .unwrap();
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    bucket.upload_bytes(b"warm", "warm").unwrap();
    let before = most_memory();
    let part = number("PART") as u64;
    let (file, options) = (given("FILE"), UploadOptions::new().part_size(part));
    bucket.upload_local_file_with(&file, "x", &options).unwrap();
    tell(&(most_memory() - before).to_string());
    let options = DownloadOptions::new().part_size(part);
    let download = bucket.download_file_by_name_with("x", &options).unwrap();
    download.save_to(file + "-saved").unwrap();
    tell(&(most_memory() - before).to_string());
}
