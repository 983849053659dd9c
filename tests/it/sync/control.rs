//! Steering a run: progress, cancelling, stopping, approving, saved plans.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use b2sdk::sync::{
    Action, Orphans, Problem, RemovalLimit, SyncObserver, SyncOptions, SyncProgress, SyncRun,
    SyncStep, WithheldReason,
};
use b2sdk::{CancelToken, Error, Operation};
use parking_lot::Mutex;

use super::support::{Places, incomplete, plan};

fn files(places: &Places, count: usize) {
    for n in 0..count {
        places.write(&format!("f{n:03}"), "content", 1_000_000_000);
    }
}

/// The last report comes after the last transfer, and its numbers are those of the run.
#[test]
fn c41_progress_ends_with_the_whole() {
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<SyncProgress>>>);
    impl SyncObserver for Seen {
        fn progress(&self, progress: &SyncProgress) {
            self.0.lock().push(*progress);
        }
    }
    let places = Places::new();
    files(&places, 30);
    let seen = Seen::default();
    let settings = SyncRun::new().observer(seen.clone());
    places.up(SyncOptions::new()).run_with(&settings).unwrap();
    let reports = seen.0.lock().clone();
    let last = reports.last().unwrap();
    assert!(!reports[0].scan_ended && last.scan_ended);
    assert_eq!((last.source_files, last.destination_files), (30, 0));
    assert_eq!((last.steps_planned, last.steps_made), (30, 30));
    assert_eq!((last.bytes_planned, last.bytes_moved), (210, 210));
    assert!(reports.is_sorted_by_key(|report| (report.source_files, report.steps_made)));
}

#[test]
fn a_cancelled_run_removes_nothing_and_its_error_has_the_report() {
    struct AtStep(AtomicUsize, CancelToken);
    impl SyncObserver for AtStep {
        fn step(&self, _: &SyncStep) {
            if self.0.fetch_add(1, Ordering::Relaxed) == 20 {
                self.1.cancel();
            }
        }
    }
    let places = Places::new();
    files(&places, 3);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("f000")).unwrap();
    for n in 100..200 {
        places.write(&format!("f{n}"), "content", 1_000_000_000);
    }
    let token = CancelToken::new();
    let settings = SyncRun::new()
        .cancel(&token)
        .observer(AtStep(AtomicUsize::new(0), token.clone()));
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let report = incomplete(places.up(options).run_with(&settings));
    assert!(matches!(report.fatal, Some(b2sdk::Error::Cancelled)));
    let withheld = report.withheld.unwrap();
    assert_eq!(
        (withheld.removals, withheld.reason),
        (1, WithheldReason::EndedEarly)
    );
    assert!(report.uploaded.files < 100);
    assert_eq!(places.world.count(Operation::DeleteFileVersion), 0);
    // An upload that was cancelled on its way may have been stored all the same.
    assert!(places.stored().len() as u64 >= 3 + report.uploaded.files);
}

#[test]
fn a_run_that_stops_at_its_limit_finishes_what_runs_and_removes_nothing() {
    let places = Places::new();
    places.write("zzz", "content", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("zzz")).unwrap();
    files(&places, 10);
    let options = SyncOptions::new().orphans(Orphans::Hide);
    let settings = SyncRun::new().stop_after_bytes(21);
    let report = incomplete(places.up(options.clone()).run_with(&settings));
    assert!(report.stopped && report.fatal.is_none());
    assert_eq!(
        (report.uploaded.files, report.hidden, report.failures),
        (3, 0, 0)
    );
    assert_eq!(report.withheld.unwrap().reason, WithheldReason::Stopped);
    let report = places
        .up(options)
        .run_with(&SyncRun::new().stop_after_bytes(1000))
        .unwrap();
    assert_eq!((report.uploaded.files, report.hidden), (7, 1));
}

#[test]
fn a_declined_step_is_not_made_nor_what_depends_on_it() {
    struct NoDeletes;
    impl SyncObserver for NoDeletes {
        fn approve(&self, step: &SyncStep) -> bool {
            step.action != Action::Upload || step.name != "f000"
        }
        fn problem(&self, problem: &Problem) {
            panic!("{problem}");
        }
    }
    let places = Places::new();
    files(&places, 2);
    let options = SyncOptions::new().old_versions(b2sdk::sync::OldVersions::Delete);
    places.up(options.clone()).run().unwrap();
    let before = places.versions();
    places.write("f000", "changed", 1_000_000_001);
    let settings = SyncRun::new().observer(NoDeletes);
    let report = places.up(options).run_with(&settings).unwrap();
    assert_eq!(
        (
            report.declined,
            report.uploaded.files,
            report.deleted_versions
        ),
        (1, 0, 0)
    );
    assert_eq!(places.versions(), before);
}

/// More names than are remembered: removals may depend on any of them, and are withheld.
#[test]
fn after_too_many_declined_steps_removals_are_withheld_and_counted() {
    struct NoUploads;
    impl SyncObserver for NoUploads {
        fn approve(&self, step: &SyncStep) -> bool {
            step.action != Action::Upload
        }
    }
    let places = Places::new();
    for n in 0..10_001 {
        fs::write(places.path(&format!("f{n:05}")), "").unwrap();
    }
    for name in ["orphan-1", "orphan-2"] {
        let name = format!("home/{name}");
        places.world.bucket.upload_bytes(b"1", &name).unwrap();
    }
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let settings = SyncRun::new().observer(NoUploads);
    let report = incomplete(places.up(options).run_with(&settings));
    assert_eq!((report.declined, report.deleted_versions), (10_001, 0));
    let withheld = report.withheld.unwrap();
    assert_eq!(
        (withheld.removals, withheld.reason),
        (2, WithheldReason::TooManyNotMade)
    );
}

/// Kept as JSON, and executed later.
#[test]
fn a_saved_plan_is_executed_as_far_as_it_still_holds() {
    let places = Places::new();
    files(&places, 4);
    places.write("orphan", "1", 1_000_000_000);
    places.write("orphan-2", "1", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let sync = places.up(options);
    sync.run().unwrap();
    for n in 0..4 {
        places.write(&format!("f{n:03}"), "changed", 1_000_000_001);
    }
    fs::remove_file(places.path("orphan")).unwrap();
    fs::remove_file(places.path("orphan-2")).unwrap();
    let steps: Vec<SyncStep> = sync.plan().unwrap().map(Result::unwrap).collect();
    let json = serde_json::to_string(&steps).unwrap();
    let steps: Vec<SyncStep> = serde_json::from_str(&json).unwrap();
    assert_eq!(steps.len(), 6);

    places.write("f001", "changed again", 1_000_000_002);
    places
        .world
        .bucket
        .upload_bytes(b"theirs", "home/f002")
        .unwrap();
    fs::remove_file(places.path("f003")).unwrap();
    places.write("orphan", "back", 1_000_000_000);
    let report = incomplete(sync.execute(steps.clone()));
    assert_eq!((report.uploaded.files, report.failures), (1, 3));
    assert_eq!(report.withheld.unwrap().removals, 2);
    assert_eq!(places.world.content("home/f002"), b"theirs");

    let removals = steps.iter().filter(|step| step.is_removal()).cloned();
    let report = incomplete(sync.execute(removals));
    assert_eq!((report.deleted_versions, report.failures), (1, 1));
    assert!(places.stored().contains_key("orphan") && !places.stored().contains_key("orphan-2"));

    let reversed: Vec<_> = steps.into_iter().rev().collect();
    let report = incomplete(sync.execute(reversed));
    assert!(matches!(report.fatal, Some(Error::InvalidInput { .. })));
    assert_eq!(report.uploaded.files, 0);
}

/// A removal of a saved plan is not made where the source has the file in another Unicode form, or
/// where it is not known any more; a directory in the place of the file does not keep it.
#[cfg(unix)]
#[test]
fn a_saved_removal_is_made_only_if_the_file_is_still_absent() {
    let places = Places::new();
    for name in ["é", "dir/f", "gone", "photos", "z"] {
        places
            .world
            .bucket
            .upload_bytes(b"1", &format!("home/{name}"))
            .unwrap();
    }
    places.write("z", "1", 1_000_000_000);
    places.write("photos/1", "1", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let bucket = &places.world.bucket;
    let sync = b2sdk::sync::Synchronizer::new(places.local().nfc(true), bucket.folder("home"))
        .options(options);
    let steps: Vec<SyncStep> = sync.plan().unwrap().map(Result::unwrap).collect();
    let removals: Vec<_> = steps.into_iter().filter(SyncStep::is_removal).collect();
    assert_eq!(removals.len(), 4);
    places.write("e\u{301}", "1", 1_000_000_000);
    std::os::unix::fs::symlink("nowhere", places.path("dir")).unwrap();
    let report = incomplete(sync.execute(removals));
    assert_eq!((report.deleted_versions, report.failures), (2, 2));
    let kept: Vec<_> = places.stored().into_keys().collect();
    assert_eq!(kept, ["dir/f", "z", "é"]);
}

/// What a killed run leaves is removed by the next one, what another one is writing is not.
#[cfg(unix)]
#[test]
fn c20_p9_temporary_files_are_removed_and_never_synchronized() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let killed = |c: char| format!(".b2-download-{}.tmp", c.to_string().repeat(24));
    let locked_name = killed('L');
    for name in [
        &format!("dir/{}", killed('9')),
        &locked_name,
        // Somebody else's, whatever it is.
        ".b2-download-AbCdEf",
        "b.b2.sync.tmp",
        "c.b2.sync.tmp",
    ] {
        places.write(name, "half", 1_000_000_000);
    }
    let up = places.up(SyncOptions::new());
    assert_eq!(plan(&up), ["upload a"]);
    // They are not backed up, which is told.
    assert_eq!(up.run().unwrap().notices, 5);
    let locked = fs::File::open(places.path(&locked_name)).unwrap();
    locked.lock().unwrap();
    // This one is being written by somebody.
    fs::write(places.path("c.b2.sync.tmp"), "half").unwrap();
    let down = places.down(SyncOptions::new().orphans(Orphans::Delete));
    assert_eq!(plan(&down), Vec::<String>::new());
    assert!(places.path("b.b2.sync.tmp").exists());
    down.run().unwrap();
    let left: Vec<_> = places.files().into_keys().collect();
    let expected = [".b2-download-AbCdEf", &locked_name, "a", "c.b2.sync.tmp"];
    assert_eq!(left, expected);
}
