//! Which files take part: by sizes, times, closures, and regular expressions.

use std::time::{Duration, UNIX_EPOCH};

use b2sdk::sync::{Orphans, RemovalLimit, SyncOptions, Synchronizer};
#[cfg(feature = "regex")]
use b2sdk::sync::{Refused, SyncError};

#[cfg(feature = "regex")]
use super::support::run;
use super::support::{Places, plan};

const OLD: u64 = 1_000_000_000;
const NEW: u64 = 1_100_000_000;

/// The folder `home` and the directory have the same files, of other sizes and times; `from` has those of the
/// directory.
fn places() -> Places {
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in ["big", "small", "old", "odd", "gone"] {
        places.write(name, "before", OLD);
    }
    places.up(SyncOptions::new()).run().unwrap();
    std::fs::remove_file(places.path("gone")).unwrap();
    for (name, content, seconds) in [
        ("big", "content of some length", NEW),
        ("small", "content", NEW),
        ("old", "contents", OLD + 1),
        ("odd", "content", NEW),
    ] {
        places.write(name, content, seconds);
        bucket
            .upload_local_file(places.path(name), &format!("from/{name}"))
            .unwrap();
    }
    places
}

fn filtered() -> SyncOptions {
    SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None)
        .min_size(1)
        .max_size(10)
        .modified_after(UNIX_EPOCH + Duration::from_secs(NEW))
        .modified_before(UNIX_EPOCH + Duration::from_secs(NEW))
        .file_filter(|file| file.name != "odd")
}

/// What sizes, times and closures leave out at the source stays as it is at the destination.
#[test]
fn what_is_left_out_by_size_time_or_closure_stays_at_the_destination() {
    let places = places();
    let bucket = &places.world.bucket;
    let copy = Synchronizer::new(bucket.folder("from"), bucket.folder("home"));
    for sync in [places.up(filtered()), copy.options(filtered())] {
        let steps = plan(&sync);
        let verb = steps[0].split(' ').next().unwrap();
        assert_eq!(steps, [format!("{verb} small"), "delete gone".to_owned()]);
    }
    let sync = places.up(filtered());
    let report = sync.run().unwrap();
    // Each of the three at the source, and what the destination has of it.
    assert_eq!((report.excluded, report.deleted_versions), (6, 1));
    assert_eq!(
        report.unused_filters,
        ["min_size 1", &format!("modified_before {}", time(NEW))]
    );
    assert_eq!(places.stored()["big"], "before");
    assert_eq!(plan(&sync), Vec::<String>::new());
}

fn time(seconds: u64) -> b2sdk::Timestamp {
    b2sdk::Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[test]
fn what_is_left_out_is_an_orphan_if_that_is_asked_for() {
    let places = places();
    let options = filtered()
        .filters([b2sdk::listing::Filter::exclude("*dd")])
        .also_remove_excluded(true);
    let sync = places.up(options);
    assert_eq!(
        plan(&sync),
        [
            "upload small",
            "delete old",
            "delete odd",
            "delete gone",
            "delete big"
        ]
    );
    sync.run().unwrap();
    assert_eq!(places.stored().into_keys().collect::<Vec<_>>(), ["small"]);
    assert_eq!(plan(&sync), Vec::<String>::new());
    // The same at a local destination.
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None)
        .filters([b2sdk::listing::Filter::exclude("o*")])
        .also_remove_excluded(true);
    let sync = places.down(options);
    assert_eq!(plan(&sync), ["delete old", "delete odd", "delete big"]);
    sync.run().unwrap();
    assert_eq!(places.files().into_keys().collect::<Vec<_>>(), ["small"]);
}

/// An expression that leaves a name out leaves it out on both sides, whichever way files go.
#[cfg(feature = "regex")]
#[test]
fn regular_expressions_hold_for_both_sides() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in ["a.tmp", "keep.tmp", "x/f", "x/y/f", "z"] {
        places.write(name, "source", NEW);
        bucket
            .upload_bytes(b"other", &format!("home/{name}"))
            .unwrap();
        bucket
            .upload_bytes(b"other", &format!("home/gone-{}", name.replace('/', "-")))
            .unwrap();
    }
    let filters = b2sdk::sync::RegexFilters::new()
        .exclude_directories(["x$".to_owned(), "never".to_owned()])
        .exclude_files([r".*\.tmp$".to_owned()])
        .include_files(["keep".to_owned()]);
    let options = SyncOptions::new()
        .regex_filters(filters)
        .newer(b2sdk::sync::Newer::Replace)
        .removal_limit(RemovalLimit::None)
        .orphans(Orphans::Delete);
    let up = places.up(options.clone());
    let removals = ["delete gone-z", "delete gone-x-y-f", "delete gone-x-f"];
    let uploads = ["upload keep.tmp", "upload z"];
    assert_eq!(plan(&up), [&uploads[..], &removals].concat());
    let (outcome, told) = run(&places.down(options));
    let report = outcome.unwrap();
    assert_eq!(report.unused_filters, ["never"]);
    let downloads = told.lines();
    assert_eq!(
        downloads,
        [
            "download gone-x-f",
            "download gone-x-y-f",
            "download gone-z",
            "download keep.tmp",
            "download z"
        ]
    );
    let broken = b2sdk::sync::RegexFilters::new().exclude_files(["(".to_owned()]);
    let refused = places.up(SyncOptions::new().regex_filters(broken)).run();
    assert!(matches!(
        refused,
        Err(SyncError::Refused(Refused::Regex { .. }))
    ));
}
