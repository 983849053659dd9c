//! Who owns a connection: short-lived handles leave none open, whichever of a `B2Api` and a token lives
//! longer. The child process counts its descriptors; the service is in the parent.
#![cfg(target_os = "linux")]

use std::io::Read as _;

use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::{B2Api, Bucket, CancelToken, InMemoryAccountInfo};

use crate::support::{BUCKET, World};

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
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "descriptors::role_that_counts_descriptors",
            "--exact",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .env("B2_APPLICATION_KEY_ID", world.service.application_key_id())
        .env("B2_APPLICATION_KEY", world.service.application_key())
        .env("B2_ENVIRONMENT", world.service.url())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
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
