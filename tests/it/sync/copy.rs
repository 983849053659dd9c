//! From a folder of a bucket to another one.

use std::time::Duration;

use b2sdk::sync::{OldVersions, Orphans, RemovalLimit, SyncOptions, Synchronizer};
use b2sdk::{FileInfo, Operation, UploadOptions};

use super::support::{Places, plan};

fn copying(places: &Places, options: SyncOptions) -> Synchronizer {
    let bucket = &places.world.bucket;
    Synchronizer::new(bucket.folder("from"), bucket.folder("home")).options(options)
}

/// A second run plans nothing, also for files without a recorded time.
#[test]
fn p8_files_are_copied_once_whether_they_have_a_time_or_not() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"without", "from/a").unwrap();
    let info = FileInfo::new()
        .with("src_last_modified_millis", "5")
        .with("color", "blue");
    let with = UploadOptions::new()
        .file_info(info)
        .content_type("text/plain");
    bucket.upload_bytes_with(b"with", "from/b", &with).unwrap();
    let without = FileInfo::new().with("color", "red");
    let without = UploadOptions::new()
        .file_info(without)
        .content_type("text/html");
    bucket
        .upload_bytes_with(b"without", "from/c", &without)
        .unwrap();
    let sync = copying(&places, SyncOptions::new());
    assert_eq!(plan(&sync), ["copy a", "copy b", "copy c"]);
    places.world.service.log().clear();
    assert_eq!(sync.run().unwrap().copied.files, 3);
    assert_eq!(places.world.count(Operation::CopyFile), 3);
    assert_eq!(places.world.total(), 5);
    assert_eq!(plan(&sync), Vec::<String>::new());
    let copy = &places.world.versions("home/c")[0];
    assert_eq!(copy.content_type.as_deref(), Some("text/html"));
    assert_eq!(copy.file_info.get("color"), Some("red"));
    let copy = &places.world.versions("home/b")[0];
    assert_eq!(copy.file_info.get("src_last_modified_millis"), Some("5"));
}

/// Hidden at the source is absent, and hidden at the destination too.
#[test]
fn c17_hidden_files_are_absent_on_either_side() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in ["from/gone", "from/back", "from/same"] {
        bucket.upload_bytes(b"1", name).unwrap();
    }
    let options = SyncOptions::new()
        .orphans(Orphans::Hide)
        .removal_limit(RemovalLimit::None);
    copying(&places, options.clone()).run().unwrap();
    bucket.hide_file("from/gone").unwrap();
    bucket.hide_file("home/back").unwrap();
    let sync = copying(&places, options);
    assert_eq!(plan(&sync), ["copy back", "hide gone"]);
    sync.run().unwrap();
    assert_eq!(
        places.stored().into_keys().collect::<Vec<_>>(),
        ["back", "same"]
    );
    assert_eq!(plan(&sync), Vec::<String>::new());
}

#[test]
fn a_folder_is_restored_as_it_was() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"first", "from/a").unwrap();
    bucket.upload_bytes(b"1", "from/hidden-later").unwrap();
    bucket.upload_bytes(b"1", "from/hidden-before").unwrap();
    bucket.hide_file("from/hidden-before").unwrap();
    let service = &places.world.service;
    service.advance_clock(Duration::from_secs(10));
    let then = service.now();
    service.advance_clock(Duration::from_secs(10));
    bucket.upload_bytes(b"second", "from/a").unwrap();
    bucket.upload_bytes(b"1", "from/later").unwrap();
    bucket.hide_file("from/hidden-later").unwrap();
    let source = bucket.folder("from").as_of(then);
    Synchronizer::new(source, places.local()).run().unwrap();
    let expected = [("a", "first"), ("hidden-later", "1")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(places.files(), expected.into());
}

#[test]
fn old_versions_go_after_the_new_one_is_stored() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    places.write("b", "1", 1_000_000_000);
    let sync = places.up(SyncOptions::new().old_versions(OldVersions::Delete));
    sync.run().unwrap();
    places.write("a", "22", 1_000_000_001);
    assert_eq!(plan(&sync), ["upload a", "delete a (old version)"]);
    sync.run().unwrap();
    let left = [("home/a", 2), ("home/b", 1)];
    let left = left.map(|(name, size)| (name.to_owned(), "upload".to_owned(), size));
    assert_eq!(places.versions(), left);
}
