//! How much memory open connections take, in a process of its own: this test program started again.

use std::env;
use std::fs;
use std::io::Read as _;
use std::process::Command;

use b2sdk::simulator::{Simulator, Tls};
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};

use crate::support::{BUCKET, authorize, noise};

/// Holds realm, key id, key, and the files for the certificate and for the result.
const ROLE: &str = "B2SDK_TEST_CONNECTION_MEMORY";
const CONNECTIONS: u64 = 64;

/// The most memory that this process ever used, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Holds many downloads open, if it was started for that: otherwise it has nothing to do.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let lines: Vec<_> = role.lines().collect();
    let [realm, key_id, key, certificate, result] = lines[..] else {
        panic!("{role}");
    };
    let builder = B2Api::builder(InMemoryAccountInfo::new());
    let certificate = fs::read(certificate).unwrap();
    let b2_api = builder.root_certificates(certificate).build().unwrap();
    b2_api.authorize_account(realm, key_id, key).unwrap();
    let bucket = b2_api.get_bucket_by_name(BUCKET).unwrap();
    let open = || {
        let download = bucket.download_file_by_name("x").unwrap();
        let mut reader = download.into_reader();
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        reader
    };
    let _first = open();
    let before = peak();
    let readers: Vec<_> = (0..CONNECTIONS).map(|_| open()).collect();
    fs::write(result, ((peak() - before) / CONNECTIONS).to_string()).unwrap();
    drop(readers);
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_with_tls_takes_less_than_640_kib() {
    let service = Simulator::builder().tls(Tls::generated());
    let service = service.start().unwrap();
    let authority = service.ca_certificate().unwrap();
    let builder = B2Api::builder(InMemoryAccountInfo::new());
    let b2_api = builder.root_certificates(authority).build().unwrap();
    authorize(&b2_api, &service);
    let bucket = b2_api.create_bucket(BUCKET, BucketType::AllPrivate);
    // More than any buffer holds, so that every response stays open.
    let stored = bucket.unwrap().upload_bytes(&noise(8_000_000), "x");
    stored.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("ca.pem");
    let result = directory.path().join("result");
    fs::write(&certificate, authority).unwrap();
    let role = [
        service.url(),
        service.application_key_id(),
        service.application_key(),
        certificate.to_str().unwrap(),
        result.to_str().unwrap(),
    ];
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "connection_memory::child", "--nocapture"])
        .env(ROLE, role.join("\n"))
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let each: u64 = fs::read_to_string(result).unwrap().parse().unwrap();
    // A response that is open has its buffers.
    assert!((300..640).contains(&each), "{each} KiB");
}
