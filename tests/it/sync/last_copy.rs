//! A file of the source that cannot be transferred may be what an orphan was renamed to: nothing is removed
//! that may be its last copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use b2sdk::simulator::Fault;
use b2sdk::sync::{
    Compare, Orphans, ProblemKind, SyncError, SyncObserver, SyncOptions, SyncReport, SyncRun,
    SyncStep, Synchronizer, WithheldReason,
};
use b2sdk::{Error, Operation, RetryPolicy};

use super::support::{Places, incomplete, plan};
use crate::support::World;

/// Does something to the file of a step before it is made.
struct Before<F>(F);

impl<F: Fn(&SyncStep) + Send + Sync> SyncObserver for Before<F> {
    fn step(&self, step: &SyncStep) {
        (self.0)(step);
    }
}

/// `a` is stored, and has become `b` at the source.
fn renamed() -> Places {
    let places = Places::new();
    for name in ["a", "x", "y"] {
        places.write(name, "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    fs::rename(places.path("a"), places.path("b")).unwrap();
    places
}

fn run_after(
    sync: &Synchronizer,
    before: impl Fn(&SyncStep) + Send + Sync + 'static,
) -> Result<SyncReport, SyncError> {
    sync.run_with(&SyncRun::new().observer(Before(before)))
}

fn withheld(report: &SyncReport) -> Option<(u64, WithheldReason)> {
    let withheld = report.withheld.as_ref();
    withheld.map(|withheld| (withheld.removals, withheld.reason))
}

/// A link to itself cannot be opened by anybody.
fn bar(path: PathBuf) -> impl Fn(&SyncStep) + Send + Sync + 'static {
    move |step| {
        if step.name == "b" {
            fs::remove_file(&path).unwrap();
            symlink(&path, &path).unwrap();
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_withholds_removals() {
    for orphans in [Orphans::Delete, Orphans::Hide] {
        let places = renamed();
        let options = SyncOptions::new().orphans(orphans);
        let sync = places.up(options.clone());
        assert_eq!(plan(&sync).len(), 2);
        let report = incomplete(run_after(&sync, bar(places.path("b"))));
        assert!(matches!(
            report.problems[0].kind,
            ProblemKind::Unreadable(_)
        ));
        assert_eq!(withheld(&report), Some((1, WithheldReason::TransferFailed)));
        assert_eq!(places.stored()["a"], "1");

        let places = renamed();
        let sync = places.up(options.remove_despite_failures(true));
        let report = incomplete(run_after(&sync, bar(places.path("b"))));
        assert_eq!((report.failures, withheld(&report)), (1, None));
        assert!(!places.stored().contains_key("a"));
    }
}

/// It may have been renamed once more, to a name that the scan had passed.
#[test]
fn a_file_that_vanishes_keeps_what_may_be_its_last_copy() {
    let places = renamed();
    let sync = places.up(SyncOptions::new().orphans(Orphans::Delete));
    let (from, to) = (places.path("b"), places.path("0"));
    let report = incomplete(run_after(&sync, move |step| {
        if step.name == "b" {
            fs::rename(&from, &to).unwrap();
        }
    }));
    assert_eq!((report.vanished, report.failures), (1, 0));
    assert_eq!(withheld(&report), Some((1, WithheldReason::SourceVanished)));
    assert_eq!(places.stored()["a"], "1");
    assert!(sync.run().is_ok());
    assert!(!places.stored().contains_key("a"));
    assert_eq!(places.stored()["0"], "1");
}

/// A file that has no place at the destination withholds removals, and the plan says so.
#[test]
fn a_file_without_a_place_withholds_removals_in_plan_and_run() {
    let places = Places::new();
    for name in ["home/f", "home/f/below", "home/g"] {
        places.world.bucket.upload_bytes(b"1", name).unwrap();
    }
    places.write("orphan", "1", 1_000_000_000);
    let sync = places.down(SyncOptions::new().orphans(Orphans::Delete));
    let mut planned = sync.plan().unwrap();
    let steps: Vec<_> = planned.by_ref().map(|step| step.unwrap().name).collect();
    assert_eq!(steps, ["f/below", "g"]);
    let expected = Some((1, WithheldReason::TransferFailed));
    assert_eq!(withheld(&incomplete(planned.into_report())), expected);
    assert_eq!(withheld(&incomplete(sync.run())), expected);
    assert!(places.path("orphan").exists());
}

/// Content that cannot be read is not taken for equal.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_content_cannot_be_compared_is_reported() {
    let places = Places::new();
    // A regular file without a byte that gives nobody its content.
    symlink("/proc/self/clear_refs", places.path("f")).unwrap();
    places.world.bucket.upload_bytes(b"", "home/f").unwrap();
    let sync = places.up(SyncOptions::new().compare(Compare::Sha1));
    let report = incomplete(sync.run());
    assert!(matches!(
        report.problems[0].kind,
        ProblemKind::Unreadable(_)
    ));
    assert_eq!((report.unchanged, report.failures), (0, 1));
}

/// The run ends once every thread has failed to connect and one of them again, and names the cause.
#[test]
fn a_service_that_is_gone_ends_the_run_early() {
    let world = World::with(|builder| builder.retry(RetryPolicy::none()).workers(2));
    let places = Places::of(world);
    for n in 0..40 {
        places.write(&format!("f{n:02}"), "1", 1_000_000_000);
    }
    let nobody = Fault::on(Operation::GetUploadUrl).edit_json(|json| {
        json["uploadUrl"] = "http://127.0.0.1:1/b2api/v3/b2_upload_file/nobody".into();
    });
    places.world.inject(nobody.always());
    let report = incomplete(places.up(SyncOptions::new()).run());
    assert!(matches!(report.fatal, Some(Error::Connection(_))));
    assert_eq!(report.failures, 2);
    assert!(report.to_string().contains("ended early: "), "{report}");
    places.world.service.faults().clear();
    assert_eq!(
        places.up(SyncOptions::new()).run().unwrap().uploaded.files,
        40
    );
}

/// Nothing is made at the destination before there is something to write.
#[test]
fn the_directory_of_the_destination_is_made_for_the_first_file() {
    let places = Places::new();
    let away = places.path("a/b");
    let folder = || b2sdk::sync::LocalFolder::new(&away);
    let bucket = &places.world.bucket;
    let empty = Synchronizer::new(bucket.folder("nosuch"), folder());
    assert!(matches!(empty.run(), Err(SyncError::Refused(_))));
    let allowed = SyncOptions::new().allow_empty_source(true);
    assert!(empty.options(allowed).run().is_ok());
    assert!(!places.path("a").exists());
    bucket.upload_bytes(b"1", "home/f").unwrap();
    Synchronizer::new(bucket.folder("home"), folder())
        .run()
        .unwrap();
    assert_eq!(places.files()["a/b/f"], "1");
}
