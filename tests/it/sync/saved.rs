//! Saved plans of special sources: a folder as it was at a time, and sources of which filters leave files out.

use std::time::Duration;

use b2sdk::listing::Filter;
use b2sdk::sync::{Orphans, RemovalLimit, SyncOptions, SyncStep, Synchronizer};

use super::support::{Places, incomplete};

fn saved(sync: &Synchronizer) -> Vec<SyncStep> {
    sync.plan().unwrap().map(Result::unwrap).collect()
}

fn deleting() -> SyncOptions {
    SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None)
}

/// What happened at the source after its time changes nothing; a version of that time that is deleted does.
#[test]
fn a_saved_plan_of_a_restore_holds_whatever_was_uploaded_later() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let deleted = bucket.upload_bytes(b"1", "from/deleted").unwrap();
    for name in ["changed", "hidden"] {
        bucket
            .upload_bytes(b"then", &format!("from/{name}"))
            .unwrap();
    }
    places.write("later", "orphan", 1_000_000_000);
    bucket.upload_bytes(b"orphan", "home/later").unwrap();
    let service = &places.world.service;
    service.advance_clock(Duration::from_secs(10));
    let then = service.now();
    service.advance_clock(Duration::from_secs(10));
    for round in 0..2 {
        bucket
            .upload_bytes(format!("{round}").as_bytes(), "from/changed")
            .unwrap();
    }
    bucket.hide_file("from/hidden").unwrap();
    bucket.upload_bytes(b"new", "from/later").unwrap();
    let source = || bucket.folder("from").as_of(then);
    let options = deleting().remove_despite_failures(true);
    let down = Synchronizer::new(source(), places.local()).options(options.clone());
    let copy = Synchronizer::new(source(), bucket.folder("home")).options(options);
    let plans = [(&down, saved(&down)), (&copy, saved(&copy))];
    bucket
        .delete_file_version(&deleted.version().file_id, "from/deleted")
        .unwrap();
    for (sync, steps) in plans {
        assert_eq!(steps.len(), 4);
        let report = incomplete(sync.execute(steps));
        assert_eq!(report.downloaded.files + report.copied.files, 2);
        assert_eq!(report.deleted_local + report.deleted_versions, 1);
        assert_eq!(report.failures, 1);
    }
    let files = places.files();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["changed", "hidden"]);
    assert_eq!(files["changed"], "then");
    assert_eq!(places.stored(), files);
}

/// What the filters leave out is absent when the plan is executed, as it was when it was made.
#[test]
fn a_saved_plan_removes_what_the_filters_leave_out() {
    let names = ["a.tmp", "cache/1", "big", "odd", "old", "kept", "new.tmp"];
    let options = deleting()
        .remove_despite_failures(true)
        .also_remove_excluded(true)
        .max_size(10)
        .modified_after(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .file_filter(|file| file.name != "odd")
        .filters([
            Filter::exclude("*.tmp"),
            Filter::exclude("cache/*"),
            Filter::include("new.tmp"),
        ]);
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in names {
        let content = if name == "big" { "much too long" } else { "1" };
        let seconds = if name == "old" {
            900_000_000
        } else {
            1_000_000_000
        };
        places.write(name, content, seconds);
    }
    for folder in ["home", "from"] {
        Synchronizer::new(places.local(), bucket.folder(folder))
            .run()
            .unwrap();
    }
    // From a directory to a bucket, from there to the directory, and from one folder to another.
    let up = Synchronizer::new(places.local(), bucket.folder("up"));
    up.run().unwrap();
    let up = up.options(options.clone());
    let copy =
        Synchronizer::new(bucket.folder("from"), bucket.folder("home")).options(options.clone());
    let down = Synchronizer::new(bucket.folder("from"), places.local()).options(options);
    let write_big = |content: &str| {
        places.write("big", content, 1_000_000_000);
        bucket
            .upload_local_file(places.path("big"), "from/big")
            .unwrap();
    };
    for sync in [up, copy, down] {
        let steps = saved(&sync);
        assert_eq!(steps.len(), 5, "{steps:?}");
        // It takes part from now on.
        write_big("short");
        let report = incomplete(sync.execute(steps));
        assert_eq!(report.deleted_versions + report.deleted_local, 4);
        assert_eq!(report.failures, 1);
        write_big("much too long");
    }
    let left: Vec<_> = places.files().into_keys().collect();
    assert_eq!(left, ["big", "kept", "new.tmp"]);
    assert_eq!(places.stored().into_keys().collect::<Vec<_>>(), left);
}
