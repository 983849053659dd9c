//! How much memory a run takes, in a process of its own: this test program started again.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, FileTimes};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::simulator::Simulator;
use b2sdk::sync::{LocalFolder, Synchronizer};
use b2sdk::{B2Api, InMemoryAccountInfo};
use serde_json::json;

use super::support::Places;
use crate::support::BUCKET;

/// Holds realm, key id, key, bucket's folder, directory, and the file for the result.
const ROLE: &str = "B2SDK_TEST_SYNC_MEMORY";
const SECONDS: u64 = 1_700_000_000;

/// The run, if it was started for that: it has nothing to do.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let lines: Vec<_> = role.lines().collect();
    let [realm, key_id, key, folder, directory, result] = lines[..] else {
        panic!("{role}");
    };
    let b2_api = B2Api::new(InMemoryAccountInfo::new());
    b2_api.authorize_account(realm, key_id, key).unwrap();
    let bucket = b2_api.get_bucket_by_name(BUCKET).unwrap();
    let sync = Synchronizer::new(LocalFolder::new(directory), bucket.folder(folder));
    let report = sync.run().unwrap();
    assert_eq!(report.uploaded.files, 0);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    fs::write(result, format!("{} {kib}", report.unchanged)).unwrap();
}

fn name(at: usize) -> String {
    format!(
        "directory {:04}/a file with a name of usual length {at:06}",
        at / 100
    )
}

fn fill(places: &Places, service: &Simulator, folder: &str, files: usize) {
    let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(SECONDS));
    let millis = (SECONDS * 1000).to_string();
    for at in 0..files {
        let path = places.path(folder).join(name(at));
        if at % 100 == 0 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        File::create(path).unwrap().set_times(times).unwrap();
        let file = json!({
            "fileName": format!("{folder}/{}", name(at)),
            "content": "",
            "fileInfo": {"src_last_modified_millis": millis},
        });
        service.plant_file(BUCKET, &file).unwrap();
    }
}

/// The peak with 25,000 files on both sides, which are three pages, is within 8 MiB of that with 1,000.
#[test]
fn c1_memory_does_not_grow_with_the_number_of_files() {
    let places = Places::new();
    let service = &places.world.service;
    let mut peaks = BTreeMap::new();
    for files in [1_000, 25_000] {
        let folder = format!("of {files}");
        fill(&places, service, &folder, files);
        let result = tempfile::NamedTempFile::new().unwrap();
        let directory = places.path(&folder);
        let role = [
            service.url(),
            service.application_key_id(),
            service.application_key(),
            &folder,
            directory.to_str().unwrap(),
            result.path().to_str().unwrap(),
        ];
        let child = Command::new(env::current_exe().unwrap())
            .args(["sync::memory::child", "--exact", "--nocapture"])
            .env(ROLE, role.join("\n"))
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        let text = fs::read_to_string(result.path()).unwrap();
        let (unchanged, kib) = text.split_once(' ').unwrap();
        assert_eq!(unchanged, files.to_string());
        peaks.insert(files, kib.parse::<usize>().unwrap());
    }
    let grown = peaks[&25_000].saturating_sub(peaks[&1_000]);
    assert!(grown <= 8 << 10, "{peaks:?} KiB");
}
