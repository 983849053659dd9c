//! A process that forks with an open store: parent and child use the store at the same time, and neither gets
//! an answer or an upload URL of the other.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use b2sdk::account_info::{AccountInfo, AuthSnapshot, Identity, UploadTarget, UploadUrl};
use b2sdk::testing::Clock;
use fork::{Fork, fork, waitpid};

use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;
use crate::server::{self, Server as _};

/// The URL of the server, in the process that forks.
const ROLE: &str = "B2SDK_TEST_FORKING";
const TEST: &str = "forked::in_a_process_that_forks";
const URLS: usize = 300;

fn targets() -> [UploadTarget; 2] {
    // Those of buckets are kept in memory while they are in use, and those of large files are not.
    [
        UploadTarget::Bucket("b".into()),
        UploadTarget::LargeFile("f".into()),
    ]
}

fn saved(store: &dyn AccountInfo) -> Identity {
    let stored = r#"{"realm": "production", "accountId": "ada", "applicationKeyId": "key-id",
        "applicationKey": "key", "authorizationToken": "token",
        "apiUrl": "https://api001.backblazeb2.com", "downloadUrl": "https://f001.backblazeb2.com",
        "s3ApiUrl": "", "absoluteMinimumPartSize": 5000000, "recommendedPartSize": 100000000,
        "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    let auth = AuthSnapshot::from_json(stored).unwrap().auth().clone();
    let saved = store.save_auth(auth, None).unwrap();
    saved.identity().clone()
}

/// Takes all URLs that it gets, and writes them into a file. In between it asks what has another answer.
fn take_all(store: &dyn AccountInfo, owner: &Identity, who: &str, place: &Path) {
    let mut taken = String::new();
    for target in targets() {
        while let Some(url) = store.take_upload_url(owner, &target).unwrap() {
            taken += &url.url;
            taken.push('\n');
            let name = store.bucket_name(owner, &who.into()).unwrap();
            assert_eq!(name.as_deref(), Some(&*format!("bucket-of-{who}")));
            assert_eq!(store.auth().unwrap().unwrap().identity(), owner);
        }
    }
    std::fs::write(place.join(who), taken).unwrap();
}

#[test]
#[expect(
    clippy::exit,
    reason = "the child must not return into the test program"
)]
fn in_a_process_that_forks() {
    let Ok(url) = std::env::var(ROLE) else { return };
    let place = std::env::var_os("B2SDK_TEST_PLACE").unwrap();
    let place = Path::new(&place);
    let clock = Clock::default();
    let store = server::open(&url, Duration::ZERO, &clock);
    let owner = saved(&*store);
    for who in ["parent", "child"] {
        let name = format!("bucket-of-{who}");
        store.save_bucket(&owner, &name, &who.into()).unwrap();
    }
    for (at, target) in targets().iter().enumerate() {
        for number in 0..URLS {
            let url = UploadUrl::new(
                format!("https://pod.example.com/{at}/{number}"),
                "token".into(),
                clock.now().into(),
            );
            store.put_upload_url(&owner, target, url).unwrap();
        }
    }
    match fork().unwrap() {
        Fork::Child => {
            let work = std::panic::AssertUnwindSafe(|| take_all(&*store, &owner, "child", place));
            let is_done = std::panic::catch_unwind(work).is_ok();
            std::process::exit(i32::from(!is_done));
        }
        Fork::Parent(child) => {
            take_all(&*store, &owner, "parent", place);
            assert_eq!(waitpid(child).unwrap(), 0, "the child failed");
            // Its end closed nothing of ours.
            assert_eq!(store.auth().unwrap().unwrap().identity(), &owner);
        }
    }
}

fn fork_with_a_store_on(url: &str) {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(ROLE, url)
        .env("B2SDK_TEST_PLACE", place.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let taken = |who: &str| -> Vec<String> {
        let text = std::fs::read_to_string(place.path().join(who)).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let (parent, child) = (taken("parent"), taken("child"));
    assert!(!parent.is_empty() && !child.is_empty(), "both got some");
    let different: HashSet<_> = parent.iter().chain(&child).collect();
    assert_eq!(
        different.len(),
        parent.len() + child.len(),
        "a URL is in two hands"
    );
    assert_eq!(different.len(), 2 * URLS, "none is lost");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_store_on_redis_can_be_used_on_both_sides_of_a_fork() {
    fork_with_a_store_on(&RedisServer::start().url());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_store_on_postgres_can_be_used_on_both_sides_of_a_fork() {
    fork_with_a_store_on(&PostgresServer::start().url());
}
