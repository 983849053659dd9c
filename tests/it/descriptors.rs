//! Who owns a connection: short-lived handles leave none open, whichever of a `B2Api` and a token lives
//! longer. And what a process does that may open hardly any. The child processes count their descriptors; the
//! service is in the parent.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::error::TransportKind;
use b2sdk::{B2Api, Bucket, CancelToken, Error, InMemoryAccountInfo, RetryPolicy, UploadOptions};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{BUCKET, World, noise};

const ROLE: &str = "B2SDK_TEST_COUNTS_DESCRIPTORS";
const HANDLES: usize = 1000;

#[test]
fn short_lived_handles_leave_no_connection_open() {
    let world = World::new();
    world
        .bucket
        .upload_bytes(&vec![7; 3 << 20], "large")
        .unwrap();
    world.bucket.upload_bytes(b"small", "small").unwrap();
    run(&world, "descriptors::role_that_counts_descriptors");
}

#[test]
fn few_descriptors_mean_fewer_workers_and_none_is_named_as_that() {
    let world = World::of_small_parts(1_000, 20_000);
    world.bucket.upload_bytes(&noise(400_000), "large").unwrap();
    run(&world, "descriptors::role_that_has_few_descriptors");
}

/// Runs a test of this file in a process of its own, which finds the service in its environment.
fn run(world: &World, test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ROLE, "1")
        .env("B2_APPLICATION_KEY_ID", world.service.application_key_id())
        .env("B2_APPLICATION_KEY", world.service.application_key())
        .env("B2_ENVIRONMENT", world.service.url())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn connect() -> (B2Api, Bucket) {
    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_with(EnvironmentCredentials::new()).unwrap();
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    (api, bucket)
}

/// What the child process does, and no other one.
#[test]
fn role_that_counts_descriptors() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let (_api, bucket) = connect();
    let token = CancelToken::new();
    let kinds: [(&str, &dyn Fn()); 5] = [
        ("APIs under a token that lives on", &|| {
            let (_api, bucket) = connect();
            bucket.with_cancel(&token).upload_bytes(b"x", "x").unwrap();
        }),
        ("tokens of an API that lives on", &|| {
            let own = CancelToken::new();
            bucket.with_cancel(&own).upload_bytes(b"x", "x").unwrap();
        }),
        ("tokens that were cancelled", &|| {
            let own = token.child();
            bucket.with_cancel(&own).upload_bytes(b"x", "x").unwrap();
            own.cancel();
        }),
        ("downloads that nobody reads to their end", &|| {
            let mut reader = bucket.download_file_by_name("large").unwrap().into_reader();
            reader.read_exact(&mut [0; 10]).unwrap();
        }),
        ("downloads whose API is gone", &|| {
            let (_api, bucket) = connect();
            let download = bucket.download_file_by_name("small").unwrap();
            drop(bucket);
            assert_eq!(download.read_to_vec().unwrap(), b"small");
        }),
    ];
    for (kind, use_one) in kinds {
        use_one();
        let before = descriptors();
        for _ in 0..HANDLES {
            use_one();
        }
        let after = descriptors();
        // A connection or two may be in a pool at one time and not at the other.
        assert!(after <= before + 4, "{kind}: {before} and then {after}");
    }
}

/// Opens files until no descriptor is left.
fn use_up_descriptors() -> Vec<File> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, most).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// What the child process does, and no other one.
#[test]
fn role_that_has_few_descriptors() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(5));
    let info = Arc::new(InMemoryAccountInfo::new());
    let api_with = |policy| {
        let api = B2Api::builder(Arc::clone(&info)).retry(policy);
        // Only what closes idle connections frees their descriptors.
        let api = api.idle_connections_for(Duration::from_secs(3600));
        let api = api.build().unwrap();
        api.authorize_with(EnvironmentCredentials::new()).unwrap();
        let bucket = api.get_bucket_by_name(BUCKET).unwrap();
        (api, bucket)
    };
    let directory = tempfile::tempdir().unwrap();
    let (source, saved) = (
        directory.path().join("source"),
        directory.path().join("saved"),
    );
    std::fs::write(&source, noise(400_000)).unwrap();

    // Attempts that find no descriptor do not count: two would not be enough.
    let (api, bucket) = api_with(policy.max_attempts(2));
    // What the store knows spares it every request, so it has no idle connection to close.
    let (_hasty, hasty_bucket) = api_with(policy.total_time(Duration::from_millis(50)));
    let mut held = use_up_descriptors();
    held.truncate(held.len() - 6);
    let options = UploadOptions::new().part_size(20_000);
    bucket
        .upload_local_file_with(&source, "parts", &options)
        .unwrap();
    assert!(api.workers() < 10, "{} workers", api.workers());
    api.set_workers(10);
    let download = bucket.download_file_by_name("parts").unwrap();
    download.save_to(&saved).unwrap();
    assert!(std::fs::read(&saved).unwrap() == noise(400_000));

    held.extend(use_up_descriptors());
    let hint = "no file descriptor is left";
    let error = hasty_bucket.upload_bytes(b"x", "x").unwrap_err();
    assert!(
        matches!(&error, Error::Connection(failure) if failure.kind == TransportKind::NoDescriptors),
        "{error:?}"
    );
    assert!(error.to_string().contains(hint), "{error}");
    let error = hasty_bucket.upload_local_file(&source, "x").unwrap_err();
    assert!(matches!(error, Error::LocalFile { .. }), "{error:?}");
    assert!(error.to_string().contains(hint), "{error}");
    drop(held);
    hasty_bucket.upload_local_file(&source, "x").unwrap();
}
