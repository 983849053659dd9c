//! Files that this crate stores and others read, and the other way round: names and info that are
//! encoded on their way must arrive as they were, whoever is at the other end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use b2sdk::{Bucket, BucketType, FileInfo, Operation, UploadOptions};
use serde_json::{Value, json};

use crate::curl::Account;
use crate::python::python_client;
use crate::rclone::rclone;
use crate::support::{World, fetch, noise, run};

const BUCKET: &str = "exchange-bucket-1";

/// Names that are spoilt by encoding once too often, once too rarely or in another way, and in the
/// order of a listing.
const NAMES: [&str; 8] = [
    "%41 and 100%.txt",
    "(~!@$^).txt",
    "a'b&c=d;e,f.txt",
    "empty",
    "what?#.txt",
    "with space/and+plus.bin",
    "with%2Fslash.txt",
    "ünï/日本語/😀.bin",
];

/// Info whose values have the same traps.
const INFO: [(&str, &str); 3] = [
    ("color", "blue & grün + %41"),
    ("note", "日本語 😀"),
    ("src_last_modified_millis", "1709972134567"),
];

const CONTENT_TYPE: &str = "application/x-exchange";

fn content(name: &str) -> Vec<u8> {
    match name {
        "empty" => Vec::new(),
        _ => noise(1000 + name.len()),
    }
}

/// By name, the content of a file.
type Files = BTreeMap<String, Vec<u8>>;

fn all_files() -> Files {
    let with_content = |name: &str| (name.to_owned(), content(name));
    NAMES.into_iter().map(with_content).collect()
}

fn bucket(world: &World) -> Bucket {
    world
        .api()
        .create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap()
}

/// Stores all files with this crate.
fn store(bucket: &Bucket) {
    let mut info = FileInfo::new();
    for (name, value) in INFO {
        info.insert(name, value);
    }
    let options = UploadOptions::new()
        .content_type(CONTENT_TYPE)
        .file_info(info);
    for (name, content) in all_files() {
        bucket.upload_bytes_with(&content, &name, &options).unwrap();
    }
}

/// Every file below a folder.
fn tree(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn info_as_json() -> Value {
    INFO.into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_reads_what_this_crate_stored() {
    let world = World::new();
    store(&bucket(&world));
    let out = run(python_client(&world).args(["download", BUCKET, "."]));
    let manifest: Vec<Value> = serde_json::from_str(&out).unwrap();
    let mut found = Files::new();
    for file in manifest {
        assert_eq!(file["info"], info_as_json());
        assert_eq!(file["content_type"], CONTENT_TYPE);
        let name = file["name"].as_str().unwrap();
        let path = world.home.path(file["path"].as_str().unwrap());
        found.insert(name.to_owned(), fs::read(path).unwrap());
    }
    assert!(found == all_files(), "{:?}", found.keys());
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn this_crate_reads_what_python_stored() {
    let world = World::new();
    let bucket = bucket(&world);
    let mut manifest = Vec::new();
    for (number, (name, content)) in all_files().into_iter().enumerate() {
        let path = world.home.write(&number.to_string(), &content);
        manifest.push(json!({"name": name, "path": path, "info": info_as_json(), "content_type": CONTENT_TYPE}));
    }
    world
        .home
        .write("manifest", json!(manifest).to_string().as_bytes());
    run(python_client(&world).args(["upload", BUCKET, "manifest"]));
    for name in NAMES {
        assert!(fetch(&bucket, name) == content(name), "{name}");
        let version = bucket.get_file_info_by_name(name).unwrap();
        for (key, value) in INFO {
            assert_eq!(version.file_info.get(key), Some(value), "{name}");
        }
        assert_eq!(version.content_type.as_deref(), Some(CONTENT_TYPE));
    }
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_reads_what_this_crate_stored() {
    let world = World::new();
    store(&bucket(&world));
    run(&mut rclone(
        &world,
        &["copy", &format!("sim:{BUCKET}"), "down"],
    ));
    let down = world.home.path("down");
    let found = tree(&down);
    assert!(found == all_files(), "{:?}", found.keys());
    let modified = down.join("empty").metadata().unwrap().modified().unwrap();
    assert_eq!(
        b2sdk::Timestamp::from(modified).as_millis().to_string(),
        INFO[2].1,
        "the source's time"
    );
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn this_crate_reads_what_rclone_stored() {
    let world = World::new();
    let bucket = bucket(&world);
    for (name, content) in all_files() {
        world.home.write(&format!("up/{name}"), &content);
    }
    run(&mut rclone(
        &world,
        &["copy", "up", &format!("sim:{BUCKET}")],
    ));
    for name in NAMES {
        assert!(fetch(&bucket, name) == content(name), "{name}");
        let version = bucket.get_file_info_by_name(name).unwrap();
        let source = world.home.path("up").join(name);
        let modified = source.metadata().unwrap().modified().unwrap();
        assert_eq!(
            version.file_info.src_last_modified(),
            Some(modified.into()),
            "{name}"
        );
    }
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_reads_what_this_crate_stored() {
    let world = World::new();
    store(&bucket(&world));
    let account = Account::authorize(&world);
    for name in NAMES {
        account.download(BUCKET, &encoded(name), "copy", &[]);
        let copy = fs::read(world.home.path("copy")).unwrap();
        assert!(copy == content(name), "{name}");
    }
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_reads_a_large_file_of_this_crate() {
    let world = World::with_small_parts();
    let large = noise(450_000);
    let bucket = bucket(&world);
    bucket.upload_bytes(&large, "large ü.bin").unwrap();
    assert!(world.service.log().count(Operation::UploadPart) > 1);
    run(python_client(&world).args(["download", BUCKET, "."]));
    assert!(fs::read(world.home.path("0")).unwrap() == large);
}

#[test]
#[ignore = "needs rclone: tests/scripts/install-clients.sh"]
fn rclone_reads_a_large_file_of_this_crate() {
    let world = World::with_small_parts();
    let large = noise(450_000);
    let bucket = bucket(&world);
    bucket.upload_bytes(&large, "large ü.bin").unwrap();
    assert!(world.service.log().count(Operation::UploadPart) > 1);
    let remote = format!("sim:{BUCKET}/large ü.bin");
    run(&mut rclone(&world, &["copyto", &remote, "down.bin"]));
    assert!(fs::read(world.home.path("down.bin")).unwrap() == large);
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn this_crate_reads_a_large_file_of_python() {
    let world = World::with_small_parts();
    let bucket = bucket(&world);
    let large = noise(450_000);
    let path = world.home.write("large.bin", &large);
    let manifest = json!([
        {"name": "large ü.bin", "path": path, "info": {}, "content_type": CONTENT_TYPE}
    ]);
    world
        .home
        .write("manifest", manifest.to_string().as_bytes());
    run(python_client(&world).args(["upload", BUCKET, "manifest"]));
    assert!(world.service.log().count(Operation::UploadPart) > 1);
    assert!(fetch(&bucket, "large ü.bin") == large);
}

/// As the documentation says it, and without the crate's own code: all but a few characters.
fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
