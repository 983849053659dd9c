//! From a local directory to a bucket.

use std::fs;

use b2sdk::Operation;
use b2sdk::simulator::Fault;
use b2sdk::sync::{Newer, Orphans, Refused, SyncError, SyncOptions};

use super::support::{Places, incomplete, plan, run};

#[test]
fn a_tree_is_uploaded_and_a_second_run_plans_nothing() {
    let places = Places::new();
    for name in [
        "a",
        "a b/x",
        "a.txt",
        "a-b",
        "a0",
        "dir/sub/deep",
        "dir/é",
        "dir/\u{1f600}",
    ] {
        places.write(name, name, 1_000_000_000);
    }
    let sync = places.up(SyncOptions::new());
    let planned = plan(&sync);
    let (outcome, told) = run(&sync);
    let report = outcome.unwrap();
    assert_eq!(told.lines(), planned);
    assert_eq!(report.uploaded.files, 8);
    assert_eq!(report.uploaded.bytes, 42);
    assert_eq!(places.stored(), places.files());
    assert_eq!(plan(&sync), Vec::<String>::new());
    let report = sync.run().unwrap();
    assert_eq!((report.unchanged, report.uploaded.files), (8, 0));
}

#[test]
fn a_plan_sends_list_requests_only_and_a_run_one_upload_for_each_file() {
    let places = Places::new();
    for n in 0..5 {
        places.write(&format!("f{n}"), "x", 1_000_000_000);
    }
    let sync = places.up(SyncOptions::new());
    assert_eq!(plan(&sync).len(), 5);
    assert_eq!(places.world.count(Operation::ListFileNames), 1);
    assert_eq!(places.world.total(), 1);
    places.world.service.log().clear();
    sync.run().unwrap();
    assert_eq!(places.world.count(Operation::ListFileNames), 1);
    assert_eq!(places.world.count(Operation::UploadFile), 5);
    let urls = places.world.count(Operation::GetUploadUrl);
    assert!(urls <= 5 && places.world.total() == 6 + urls);
    places.world.service.log().clear();
    sync.run().unwrap();
    assert_eq!(places.world.total(), 1);
}

#[test]
fn p11_what_changed_in_size_or_time_is_sent_again() {
    let places = Places::new();
    places.write("size", "1", 1_000_000_000);
    places.write("time", "1", 1_000_000_000);
    places.write("same", "1", 1_000_000_000);
    let sync = places.up(SyncOptions::new());
    sync.run().unwrap();
    places.write("size", "22", 1_000_000_000);
    places.write("time", "2", 1_000_000_001);
    assert_eq!(plan(&sync), ["upload size", "upload time"]);
    sync.run().unwrap();
    assert_eq!(places.stored(), places.files());
}

/// The destination is newer: one file is one problem, and the others are synchronized.
#[test]
fn c5_one_newer_file_is_one_problem() {
    let places = Places::new();
    for n in 0..30 {
        places.write(&format!("f{n:02}"), "old", 1_000_000_000);
    }
    let sync = places.up(SyncOptions::new());
    sync.run().unwrap();
    for n in 0..30 {
        let seconds = if n == 7 { 999_999_999 } else { 1_000_000_001 };
        places.write(&format!("f{n:02}"), "new", seconds);
    }
    let (outcome, told) = run(&sync);
    let report = incomplete(outcome);
    assert_eq!((report.uploaded.files, report.failures), (29, 1));
    let problems = told.problems.lock().clone();
    assert_eq!(
        problems,
        [
            "f07: the destination is newer: it was changed at 2001-09-09T01:46:40.000Z, and the source at 2001-09-09T01:46:39.000Z"
        ]
    );
    let skipping = places.up(SyncOptions::new().newer(Newer::Skip));
    assert_eq!(skipping.run().unwrap().newer_skipped, 1);
    let replacing = places.up(SyncOptions::new().newer(Newer::Replace));
    assert_eq!(replacing.run().unwrap().uploaded.files, 1);
    assert_eq!(sync.run().unwrap().unchanged, 30);
}

#[test]
fn orphans_are_kept_hidden_or_deleted_as_asked_for() {
    let places = Places::new();
    places.write("kept", "1", 1_000_000_000);
    places.write("orphan", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    places.write("orphan", "22", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("orphan")).unwrap();

    let report = places.up(SyncOptions::new()).run().unwrap();
    assert_eq!((report.kept_orphans, places.stored().len()), (1, 2));

    let hiding = places.up(SyncOptions::new().orphans(Orphans::Hide));
    assert_eq!(plan(&hiding), ["hide orphan"]);
    assert_eq!(hiding.run().unwrap().hidden, 1);
    assert_eq!(places.stored().len(), 1);
    assert_eq!(places.world.versions("home/orphan").len(), 3);
    assert_eq!(plan(&hiding), Vec::<String>::new());

    let deleting = places.up(SyncOptions::new().orphans(Orphans::Delete));
    assert_eq!(
        plan(&deleting),
        [
            "delete orphan (old version)",
            "delete orphan (old version)",
            "delete orphan (hide marker)"
        ]
    );
    assert_eq!(deleting.run().unwrap().deleted_versions, 3);
    assert_eq!(places.versions().len(), 1);
}

#[test]
fn p5_c13_an_empty_source_is_refused_before_anything_is_removed() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("a")).unwrap();
    fs::create_dir(places.path("lost+found")).unwrap();
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let outcome = places.up(options.clone()).run();
    assert!(matches!(
        outcome,
        Err(SyncError::Refused(Refused::SourceEmpty {
            destination: 1,
            ..
        }))
    ));
    assert_eq!(places.stored().len(), 1);
    places.up(options.allow_empty_source(true)).run().unwrap();
    assert_eq!(places.stored().len(), 0);
}

#[test]
fn c15_more_removals_than_the_limit_change_nothing() {
    let places = Places::new();
    for n in 0..20 {
        places.write(&format!("old{n}"), "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_dir_all(places.root()).unwrap();
    places.write("new", "1", 1_000_000_000);
    let outcome = places.up(SyncOptions::new().orphans(Orphans::Hide)).run();
    assert!(matches!(
        outcome,
        Err(SyncError::Refused(Refused::RemovalLimit {
            removals: 20,
            names: 20,
            limit: 10,
            ..
        }))
    ));
    assert_eq!(places.stored().len(), 20);
    // As many as the limit are removed.
    for n in 0..10 {
        places.write(&format!("old{n}"), "1", 1_000_000_000);
    }
    let report = places.up(SyncOptions::new().orphans(Orphans::Hide)).run();
    assert_eq!(report.unwrap().hidden, 10);
}

/// Every upload fails: the bucket after the run is the bucket before it.
#[test]
fn p1_nothing_is_removed_if_a_transfer_failed() {
    let places = Places::new();
    places.write("changed", "1", 1_000_000_000);
    places.write("orphan", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    places.write("changed", "2", 1_000_000_001);
    fs::remove_file(places.path("orphan")).unwrap();
    let before = places.versions();
    places.world.inject(
        Fault::on(Operation::UploadFile)
            .status(403, "forbidden", "no")
            .times(99),
    );
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .old_versions(b2sdk::sync::OldVersions::Delete);
    let report = incomplete(places.up(options).run());
    assert_eq!(report.failures, 1);
    let withheld = report.withheld.unwrap();
    assert_eq!(withheld.reason, b2sdk::sync::WithheldReason::TransferFailed);
    assert_eq!(withheld.removals, 2);
    assert_eq!(places.versions(), before);
}

/// One unreadable directory blocks its own range and nothing else.
#[cfg(unix)]
#[test]
fn p2_c16_what_the_scan_does_not_know_is_never_removed() {
    let places = Places::new();
    for name in ["a/1", "b/1", "c", "link", "link/below", "z"] {
        if name != "link" {
            places.write(name, "1", 1_000_000_000);
        }
    }
    places.up(SyncOptions::new()).run().unwrap();
    places.world.bucket.upload_bytes(b"1", "home/link").unwrap();
    places
        .world
        .bucket
        .upload_bytes(b"1", "home/link-2")
        .unwrap();
    fs::remove_dir_all(places.path("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", places.path("link")).unwrap();
    fs::remove_dir_all(places.path("b")).unwrap();
    fs::remove_file(places.path("c")).unwrap();
    let (outcome, told) = run(&places.up(SyncOptions::new().orphans(Orphans::Delete)));
    let report = incomplete(outcome);
    assert_eq!(told.lines(), ["delete link-2", "delete c", "delete b/1"]);
    assert_eq!(
        (report.failures, report.protected, report.deleted_versions),
        (1, 2, 3)
    );
    let left: Vec<_> = places.stored().into_keys().collect();
    assert_eq!(left, ["a/1", "link", "link/below", "z"]);
}
