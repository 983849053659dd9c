//! What users of other tools complain of, each as a test: those that belong nowhere else.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use b2sdk::progress::{Progress, TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::sync::{
    LocalFolder, OldVersions, Orphans, ProblemKind, SyncError, SyncObserver, SyncOptions,
    SyncProgress, SyncRun, SyncStep, Synchronizer,
};
use b2sdk::testing::Clock;
use b2sdk::{CancelToken, Error, Operation, UploadOptions};
use parking_lot::Mutex;

use super::support::{Places, incomplete, plan, run, set_time};
use crate::support::World;

fn wait_for(condition: impl Fn() -> bool) {
    let mut rounds = 0_u64;
    while !condition() {
        std::thread::yield_now();
        rounds += 1;
        assert!(rounds < 1_000_000_000, "it never came");
    }
}

/// Counts reports.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<SyncProgress>>>);

impl SyncObserver for Reports {
    fn progress(&self, progress: &SyncProgress) {
        self.0.lock().push(*progress);
    }
}

/// Has the answer to the next listing wait until so many more reports have come, each a second later.
fn report_while_listing(world: &World, operation: Operation, reports: &Reports) {
    let (clock, reports): (Clock, Reports) = (world.clock.clone(), reports.clone());
    world.inject(Fault::on(operation).edit_json(move |_| {
        for _ in 0..3 {
            let before = reports.0.lock().len();
            clock.advance(Duration::from_secs(1));
            wait_for(|| reports.0.lock().len() > before);
        }
    }));
}

/// A report each second, also as long as nothing but a slow listing happens, with a run and with a plan.
#[test]
fn c2_progress_is_reported_while_a_bucket_is_listed() {
    for is_plan in [false, true] {
        let places = Places::new();
        places.write("a", "1", 1_000_000_000);
        places.world.bucket.upload_bytes(b"1", "home/b").unwrap();
        let reports = Reports::default();
        report_while_listing(&places.world, Operation::ListFileNames, &reports);
        let settings = SyncRun::new().observer(reports.clone());
        let sync = places.up(SyncOptions::new());
        match is_plan {
            true => assert_eq!(sync.plan_with(&settings).unwrap().count(), 1),
            false => drop(sync.run_with(&settings).unwrap()),
        }
        let reports = reports.0.lock().clone();
        let (last, before) = reports.split_last().unwrap();
        assert!(before.len() >= 3 && !before[2].scan_ended);
        assert!(last.scan_ended);
        assert_eq!((last.source_files, last.destination_files), (1, 1));
        assert_eq!(last.steps_planned, 1);
    }
}

/// A file in parts, and its name at the service.
fn large(places: &Places, name: &str) {
    fs::write(places.path(name), crate::support::noise(5000)).unwrap();
    set_time(&places.path(name), 1_000_000_000);
}

/// The large files below the folder that are unfinished.
fn unfinished(places: &Places) -> Vec<b2sdk::FileVersion> {
    let files = places.world.bucket.list_unfinished_large_files("home/");
    files.unwrap().map(Result::unwrap).collect()
}

/// Two large files whose parts are refused after the first four, and a small one.
fn of_refused_parts(workers: usize) -> Places {
    let service = Simulator::builder()
        .minimum_part_size(100)
        .recommended_part_size(1000)
        .start();
    let world = World::of(service.unwrap(), |builder| builder.workers(workers));
    let places = Places::of(world);
    for name in ["one", "two"] {
        large(&places, name);
    }
    places.write("small", "1", 1_000_000_000);
    let refused = Fault::on(Operation::UploadPart).status(403, "forbidden", "no");
    places.world.inject(refused.after(4).always());
    places
}

/// Uploads whose parts are refused leave those that are stored. With one worker these are the first four of one
/// file: the next run sends the other six alone.
#[test]
fn c21_large_files_are_resumed_with_the_parts_that_are_missing() {
    let places = of_refused_parts(1);
    let sync = places.up(SyncOptions::new());
    let (outcome, told) = run(&sync);
    let report = incomplete(outcome);
    assert_eq!((report.uploaded.files, report.failures), (1, 2));
    let problems = told.problems.lock().clone();
    let (one, two) = (&problems[0], &problems[1]);
    assert!(one.starts_with("one: ") && one.ends_with("is left to be resumed"));
    assert!(two.starts_with("two: ") && two.ends_with("is left to be resumed"));
    let left = unfinished(&places);
    let parts = |file: &b2sdk::FileVersion| {
        let parts = places.world.api.list_parts(&file.file_id).unwrap();
        parts
            .map(|part| part.unwrap().part_number)
            .collect::<Vec<_>>()
    };
    let parts: Vec<_> = left.iter().map(parts).collect();
    assert_eq!(parts, [vec![1, 2, 3, 4], vec![]]);
    places.world.service.faults().clear();
    places.world.service.log().clear();
    assert_eq!(sync.run().unwrap().uploaded.files, 2);
    assert_eq!(places.world.count(Operation::UploadPart), 6);
    assert_eq!(places.world.count(Operation::StartLargeFile), 0);
    assert_eq!(places.world.count(Operation::ListUnfinishedLargeFiles), 1);
    assert!(unfinished(&places).is_empty());
    assert_eq!(plan(&sync), Vec::<String>::new());
}

/// What is unfinished is listed once in a run, however many large files are uploaded side by side, and not at
/// all if there are none.
#[test]
fn c21_what_is_unfinished_is_listed_once_in_a_run() {
    // How many parts are stored depends on which requests are on their way when the first one is refused.
    let places = of_refused_parts(4);
    let sync = places.up(SyncOptions::new());
    let report = incomplete(sync.run());
    assert_eq!((report.uploaded.files, report.failures), (1, 2));
    assert_eq!(unfinished(&places).len(), 2);
    places.world.service.faults().clear();
    places.world.service.log().clear();
    assert_eq!(sync.run().unwrap().uploaded.files, 2);
    assert_eq!(places.world.count(Operation::StartLargeFile), 0);
    assert_eq!(places.world.count(Operation::ListUnfinishedLargeFiles), 1);
    assert!(unfinished(&places).is_empty());
    for name in ["one", "two"] {
        let content = fs::read(places.path(name)).unwrap();
        assert!(
            places.world.content(&format!("home/{name}")) == content,
            "{name}"
        );
    }
    assert_eq!(plan(&sync), Vec::<String>::new());
    places.write("small", "22", 1_000_000_000);
    places.world.service.log().clear();
    sync.run().unwrap();
    assert_eq!(places.world.count(Operation::ListUnfinishedLargeFiles), 0);
}

/// Without resuming, an upload that fails leaves nothing that is billed.
#[test]
fn c21_a_large_file_that_is_not_to_be_resumed_leaves_nothing() {
    let places = Places::of(World::of_small_parts(100, 1000));
    large(&places, "one");
    let refused = Fault::on(Operation::UploadPart).status(403, "forbidden", "no");
    places.world.inject(refused.after(2).always());
    let sync = places.up(SyncOptions::new().restart_large_files(true));
    incomplete(sync.run());
    let unfinished = places.world.bucket.list_unfinished_large_files("").unwrap();
    assert_eq!(unfinished.count(), 0);
    assert_eq!(places.world.count(Operation::ListUnfinishedLargeFiles), 1);
}

/// Appends to a file as long as it is being read, so many times.
struct Writer(PathBuf, AtomicUsize);

impl Progress for Writer {
    fn update(&self, _: &TransferProgress) {
        let left = self.1.load(Ordering::Relaxed);
        if left > 0 {
            self.1.store(left - 1, Ordering::Relaxed);
            let mut file = File::options().append(true).open(&self.0).unwrap();
            file.write_all(b"more").unwrap();
        }
    }
}

/// Changed while it is uploaded: tried again once at the end, then one problem. What is stored is whole.
#[test]
fn c22_a_file_that_changes_while_it_is_read_is_tried_again_once() {
    for (length, changes, is_stored) in [
        (500, 1, true),
        (5000, 1, true),
        (500, usize::MAX, false),
        (5000, usize::MAX, false),
    ] {
        let places = Places::of(World::of_small_parts(100, 1000));
        fs::write(places.path("log"), vec![b'x'; length]).unwrap();
        places.write("other", "1", 1_000_000_000);
        let writer = Writer(places.path("log"), AtomicUsize::new(changes));
        let upload = UploadOptions::new().progress(writer);
        let (outcome, told) = run(&places.up(SyncOptions::new().upload(upload)));
        let case = format!("{length} {changes}");
        if is_stored {
            assert_eq!(outcome.unwrap().uploaded.files, 2, "{case}");
            assert_eq!(places.stored(), places.files(), "{case}");
        } else {
            let report = incomplete(outcome);
            assert_eq!((report.uploaded.files, report.failures), (1, 1), "{case}");
            assert!(
                matches!(report.problems[0].kind, ProblemKind::Changed),
                "{case}"
            );
            assert_eq!(told.problems.lock().len(), 1, "{case}");
            assert!(!places.stored().contains_key("log"), "{case}");
        }
        let unfinished = places.world.bucket.list_unfinished_large_files("").unwrap();
        assert_eq!(unfinished.count(), 0, "{case}");
    }
}

/// The parts of a file that changed while they were sent are those of no file any more.
#[test]
fn c22_the_parts_of_a_file_that_changed_are_cancelled() {
    for may_cancel in [true, false] {
        let places = Places::of(World::of_small_parts(100, 1000));
        fs::write(places.path("log"), vec![b'x'; 5000]).unwrap();
        if !may_cancel {
            let refused = Fault::on(Operation::CancelLargeFile).status(403, "forbidden", "no");
            places.world.inject(refused.always());
        }
        let (path, changes) = (places.path("log"), AtomicUsize::new(0));
        let upload = UploadOptions::new().progress(move |progress: &TransferProgress| {
            let is_sent = progress.stage == TransferStage::Transferring;
            if is_sent && changes.fetch_add(1, Ordering::Relaxed) == 0 {
                let mut file = File::options().append(true).open(&path).unwrap();
                file.write_all(b"more").unwrap();
            }
        });
        let (outcome, _) = run(&places.up(SyncOptions::new().upload(upload)));
        assert_eq!(outcome.unwrap().uploaded.files, 1);
        assert_eq!(places.stored(), places.files());
        assert_eq!(places.world.count(Operation::StartLargeFile), 2);
        // Where it cannot be cancelled, it stays as after any failure.
        let unfinished = places.world.bucket.list_unfinished_large_files("").unwrap();
        assert_eq!(unfinished.count(), usize::from(!may_cancel));
    }
}

/// Has every file change while any is read, so many times.
struct Restless(PathBuf, Arc<AtomicUsize>);

impl Progress for Restless {
    fn update(&self, _: &TransferProgress) {
        let left = self.1.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        self.1.store(left - 1, Ordering::Relaxed);
        for entry in fs::read_dir(&self.0).unwrap() {
            let mut file = File::options()
                .append(true)
                .open(entry.unwrap().path())
                .unwrap();
            file.write_all(b"more").unwrap();
        }
    }
}

/// What changed is not tried again after a limit, nor after an error that concerns all steps.
#[test]
fn nothing_is_tried_again_when_nothing_more_is_to_be_sent() {
    const FILES: usize = 12;
    let run = |changes: usize, stop_after: u64, is_full: bool| {
        let places = Places::of(World::with(|builder| builder.workers(1)));
        for n in 0..FILES {
            places.write(&format!("f{n:02}"), &"x".repeat(100), 1_000_000_000);
        }
        if is_full {
            let full = Fault::on(Operation::UploadFile).status(403, "storage_cap_exceeded", "");
            places.world.inject(full.always());
        }
        let left = Arc::new(AtomicUsize::new(changes));
        let restless = Restless(places.root(), Arc::clone(&left));
        let upload = UploadOptions::new().progress(restless);
        // Because of the limit on removals, both scans end before a file changes.
        let options = SyncOptions::new().orphans(Orphans::Hide).upload(upload);
        let sync = places.up(options);
        let settings = SyncRun::new().stop_after_bytes(stop_after);
        let report = incomplete(sync.run_with(&settings));
        let sent = places.world.count(Operation::UploadFile);
        (report, sent, changes - left.load(Ordering::Relaxed))
    };
    let (report, ..) = run(usize::MAX, u64::MAX, false);
    assert_eq!(report.failures, FILES as u64);
    let (report, sent, changes) = run(usize::MAX, FILES as u64 * 100, false);
    assert!(report.stopped && report.fatal.is_none());
    // A request of a file that changes before any of it is read does not arrive.
    assert!(report.failures == 0 && sent <= FILES, "{sent}");
    let (report, sent, _) = run(changes, u64::MAX, true);
    assert!(matches!(report.fatal, Some(Error::CapExceeded(_))));
    // The first that is refused, and what was in the queue by then.
    assert!(sent <= 4, "{sent}");
}

/// A name whose place is taken by a file that the scan did not see, as on a file system that takes two names for
/// one: it is a problem, and the file that is there is not overwritten.
#[cfg(unix)]
#[test]
fn c26_a_file_that_is_found_in_a_free_place_is_one_problem() {
    /// Has the second name be there as soon as the first one is.
    struct SecondName(PathBuf);
    impl SyncObserver for SecondName {
        fn step(&self, step: &SyncStep) {
            if step.name == "a" {
                wait_for(|| self.0.join("A").exists());
                fs::hard_link(self.0.join("A"), self.0.join("a")).unwrap();
            }
        }
    }
    let places = of_names(&["A", "a", "b"]);
    let settings = SyncRun::new().observer(SecondName(places.root()));
    let report = incomplete(places.down(SyncOptions::new()).run_with(&settings));
    assert_eq!((report.downloaded.files, report.failures), (2, 1));
    assert_eq!(report.problems[0].name, "a");
    // Under that very name, so it is another program's; `sync::write` tells a collision of names from it.
    assert!(matches!(report.problems[0].kind, ProblemKind::Changed));
    let files = places.files();
    assert_eq!((&*files["A"], &*files["a"], &*files["b"]), ("A", "A", "b"));
}

/// On a file system that does not tell upper case from lower case, two names are one file and one problem: run it with
/// `B2SDK_CASE_INSENSITIVE` set to a directory of such a file system.
#[test]
fn c26_names_that_the_file_system_takes_for_one_are_one_file_and_one_problem() {
    let Some(base) = std::env::var_os("B2SDK_CASE_INSENSITIVE") else {
        return;
    };
    let directory = tempfile::tempdir_in(base).unwrap();
    let places = of_names(&["A", "a", "b"]);
    let folder = places.world.bucket.folder("home");
    let down = Synchronizer::new(folder, LocalFolder::new(directory.path()));
    let report = incomplete(down.run());
    assert_eq!((report.downloaded.files, report.failures), (2, 1));
    // A file system that stores one of the two names as the other one lists that.
    assert!(matches!(
        report.problems[0].kind,
        ProblemKind::Collision | ProblemKind::Changed
    ));
    let content = fs::read(directory.path().join("A")).unwrap();
    assert!(content == b"A" || content == b"a");
}

/// The bucket's folder has files that contain their names.
fn of_names(names: &[&str]) -> Places {
    let places = Places::new();
    for name in names {
        let bucket = &places.world.bucket;
        bucket
            .upload_bytes(name.as_bytes(), &format!("home/{name}"))
            .unwrap();
    }
    places
}

/// Names of 400 and of 1024 characters go up and down; what the service or the file system does not take is a problem
/// that names it.
#[test]
fn c27_long_names_go_both_ways_and_unfit_ones_are_problems() {
    let places = Places::new();
    let part = "x".repeat(200);
    let deep = format!("{part}/{part}");
    let segment = "y".repeat(250);
    let segments = [&*segment; 4].join("/");
    // The longest that the service takes, with the folder's name before it.
    let longest = format!(
        "{segments}/{}",
        "z".repeat(1024 - "home/".len() - segments.len() - 1)
    );
    for name in [&deep, &longest, "fine"] {
        places.write(name, name, 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    assert_eq!(places.stored(), places.files());
    let restored = tempfile::tempdir().unwrap();
    let restored = LocalFolder::new(restored.path());
    let folder = places.world.bucket.folder("home");
    let down = Synchronizer::new(folder.clone(), restored.clone());
    assert_eq!(down.run().unwrap().downloaded.files, 3);
    let back = Synchronizer::new(restored.clone(), folder);
    let report = back.run().unwrap();
    assert_eq!((report.unchanged, report.uploaded.files), (3, 0));
    // One part of a name has at most 250 bytes at the service, and the whole 1024.
    let unfit = ["y".repeat(251), format!("{longest}z")];
    for name in &unfit {
        places.write(name, "1", 1_000_000_000);
    }
    places.write("new", "1", 1_000_000_000);
    let report = incomplete(places.up(SyncOptions::new()).run());
    assert_eq!((report.uploaded.files, report.failures), (1, 2));
    for problem in &report.problems {
        assert!(unfit.contains(&problem.name), "{problem}");
        assert!(
            matches!(problem.kind, ProblemKind::UnfitName(_)),
            "{problem}"
        );
    }
    // A part of 256 bytes fits on no common file system.
    let unfit = "y".repeat(256);
    let listed = format!("home/{unfit}");
    places
        .world
        .inject(Fault::on(Operation::ListFileNames).edit_json(move |json| {
            let mut row = json["files"][0].clone();
            row["fileName"] = listed.clone().into();
            let files = json["files"].as_array_mut().unwrap();
            files.retain(|file| file["fileName"].as_str() < Some(&listed));
            files.push(row);
        }));
    let report = incomplete(down.run());
    assert_eq!((report.downloaded.files, report.failures), (1, 1));
    assert_eq!(report.problems[0].name, unfit);
    assert!(matches!(
        report.problems[0].kind,
        ProblemKind::UnsafeName(_)
    ));
}

/// The bill: of a folder that has not changed, each page of 10,000 rows is asked for once, and nothing else.
#[test]
fn c35_requests_are_as_many_as_pages_and_files() {
    let service = Simulator::builder().max_rows(10).start().unwrap();
    let places = Places::of(World::of(service, |builder| builder));
    for n in 0..25 {
        places.write(&format!("f{n:02}"), "1", 1_000_000_000);
    }
    let bucket = &places.world.bucket;
    let copy = Synchronizer::new(bucket.folder("home"), bucket.folder("copy"));
    let old_versions = SyncOptions::new().old_versions(OldVersions::days(1));
    places.up(SyncOptions::new()).run().unwrap();
    places.world.service.log().clear();
    copy.run().unwrap();
    assert_eq!(places.world.count(Operation::CopyFile), 25);
    // Three pages of the source, and one of the empty destination.
    assert_eq!(places.world.total(), 25 + 3 + 1);
    for (sync, operation, requests) in [
        (places.up(SyncOptions::new()), Operation::ListFileNames, 3),
        (places.down(SyncOptions::new()), Operation::ListFileNames, 3),
        (copy, Operation::ListFileNames, 6),
        (places.up(old_versions), Operation::ListFileVersions, 3),
    ] {
        places.world.service.log().clear();
        assert_eq!(plan(&sync), Vec::<String>::new());
        assert_eq!(places.world.count(operation), requests);
        assert_eq!(places.world.total(), requests);
        places.world.service.log().clear();
        sync.run().unwrap();
        assert_eq!(places.world.total(), requests);
    }
}

/// Asked to slow down in the middle of both listings: the wait is as long as asked for, and only the page that
/// was refused is asked for again.
#[test]
fn c36_a_listing_that_is_told_to_slow_down_waits_and_goes_on() {
    let service = Simulator::builder().max_rows(10).start().unwrap();
    let places = Places::of(World::of(service, |builder| builder));
    let bucket = &places.world.bucket;
    for n in 0..25 {
        for folder in ["from", "home"] {
            bucket
                .upload_bytes(b"1", &format!("{folder}/f{n:02}"))
                .unwrap();
        }
    }
    let copy = Synchronizer::new(bucket.folder("from"), bucket.folder("home"));
    places.world.service.log().clear();
    let busy = Fault::on(Operation::ListFileNames)
        .status(429, "too_many_requests", "slow down")
        .retry_after(7);
    places.world.inject(busy.after(2).times(2));
    let report = copy.run().unwrap();
    assert_eq!((report.unchanged, report.copied.files), (25, 0));
    assert_eq!(places.world.count(Operation::ListFileNames), 6 + 2);
    let waits = places.world.clock.sleeps();
    let asked_for = waits.iter().filter(|wait| **wait >= Duration::from_secs(7));
    assert_eq!(asked_for.count(), 2, "{waits:?}");
}

/// As many copies hang at the same time as there are workers.
#[test]
fn c37_copies_are_made_side_by_side() {
    let places = Places::of(World::with(|builder| builder.workers(5)));
    let bucket = &places.world.bucket;
    for n in 0..20 {
        bucket.upload_bytes(b"1", &format!("from/f{n:02}")).unwrap();
    }
    let copy = Synchronizer::new(bucket.folder("from"), bucket.folder("home"));
    let faults = places.world.service.faults();
    faults.inject(Fault::on(Operation::CopyFile).stall().times(6));
    let token = CancelToken::new();
    let settings = SyncRun::new().cancel(&token);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| copy.run_with(&settings));
        wait_for(|| faults.remaining() <= 1);
        token.cancel();
        let outcome = running.join().unwrap();
        // The sixth one never began.
        assert_eq!(faults.remaining(), 1);
        assert!(matches!(
            outcome,
            Err(SyncError::Incomplete(report)) if matches!(report.fatal, Some(Error::Cancelled))
        ));
    });
    faults.clear();
    assert_eq!(copy.run().unwrap().copied.files, 20);
}

/// Hidden in the bucket and older here: it is uploaded, an empty one too.
#[test]
fn p7_a_hidden_file_is_uploaded_again_whatever_its_time() {
    let places = Places::new();
    places.write("old", "1", 1_000_000_000);
    places.write("empty", "", 1_000_000_000);
    let sync = places.up(SyncOptions::new());
    sync.run().unwrap();
    for name in ["home/old", "home/empty"] {
        places.world.bucket.hide_file(name).unwrap();
    }
    assert_eq!(plan(&sync), ["upload empty", "upload old"]);
    sync.run().unwrap();
    assert_eq!(places.stored(), places.files());
    assert_eq!(plan(&sync), Vec::<String>::new());
}
