//! From a bucket to a local directory.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::simulator::Fault;
use b2sdk::sync::{Orphans, ProblemKind, RemovalLimit, SyncOptions, WithheldReason};
use b2sdk::{FileInfo, Operation, RetryPolicy, UploadOptions};

use super::support::{Places, incomplete, plan, run};
use crate::support::World;

fn store(places: &Places, name: &str, content: &str, millis: i64) {
    let info = FileInfo::new().with("src_last_modified_millis", millis.to_string());
    let options = UploadOptions::new().file_info(info);
    let bucket = &places.world.bucket;
    bucket
        .upload_bytes_with(content.as_bytes(), &format!("home/{name}"), &options)
        .unwrap();
}

#[test]
fn a_folder_is_downloaded_with_times_in_the_middle_of_the_millisecond() {
    let places = Places::new();
    for name in [
        "a",
        "a b/x",
        "a.txt",
        "a-b",
        "a0",
        "dir/sub/deep",
        "12:30.txt",
    ] {
        store(&places, name, name, 1_079_999_999_001);
    }
    places
        .world
        .bucket
        .upload_bytes(b"elsewhere", "home")
        .unwrap();
    let sync = places.down(SyncOptions::new());
    let planned = plan(&sync);
    places.world.service.log().clear();
    let (outcome, told) = run(&sync);
    let report = outcome.unwrap();
    assert_eq!(told.lines(), planned);
    assert_eq!(report.downloaded.files, 7);
    assert_eq!(places.world.count(Operation::DownloadFileById), 7);
    assert_eq!(places.world.total(), 8);
    assert_eq!(places.stored(), places.files());
    let modified = fs::metadata(places.path("a")).unwrap().modified().unwrap();
    let expected = UNIX_EPOCH + Duration::from_micros(1_079_999_999_001_500);
    assert_eq!(modified, expected);
    assert_eq!(plan(&sync), Vec::<String>::new());
    assert_eq!(plan(&places.up(SyncOptions::new())), Vec::<String>::new());
}

#[test]
fn what_was_uploaded_without_a_time_has_that_of_its_upload_and_is_downloaded_once() {
    let places = Places::new();
    places.world.bucket.upload_bytes(b"1", "home/a").unwrap();
    let sync = places.down(SyncOptions::new());
    assert_eq!(sync.run().unwrap().downloaded.files, 1);
    assert_eq!(plan(&sync), Vec::<String>::new());
}

#[test]
fn c30_local_orphans_are_deleted_with_the_directories_that_they_leave_empty() {
    let places = Places::new();
    store(&places, "a", "1", 1_000_000_000_000);
    places.write("b/c/d", "1", 1_000_000_000);
    places.write("b/c/e", "1", 1_000_000_000);
    fs::create_dir(places.path("empty")).unwrap();
    let sync = places.down(SyncOptions::new().orphans(Orphans::Delete));
    assert_eq!(plan(&sync), ["download a", "delete b/c/e", "delete b/c/d"]);
    let report = sync.run().unwrap();
    assert_eq!(report.deleted_local, 2);
    assert!(!places.path("b").exists() && places.path("empty").exists());
}

#[test]
fn files_set_aside_are_moved_and_not_deleted() {
    let places = Places::new();
    let aside = tempfile::tempdir().unwrap();
    store(&places, "a", "new", 1_000_000_000_000);
    places.write("a", "old", 900_000_000);
    places.write("b/c", "orphan", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .set_aside(aside.path());
    let sync = places.down(options);
    assert_eq!(plan(&sync), ["download a", "set-aside b/c"]);
    sync.run().unwrap();
    assert_eq!(fs::read_to_string(aside.path().join("a")).unwrap(), "old");
    assert_eq!(
        fs::read_to_string(aside.path().join("b/c")).unwrap(),
        "orphan"
    );
    assert_eq!(places.files(), places.stored());
}

/// Names ending in `/`, `//`, `..` are one problem each, and all others are downloaded.
#[test]
fn c24_names_that_can_be_no_path_are_problems() {
    let places = Places::new();
    for name in ["home/fine", "home/../../evil", "home/x/./y"] {
        places.world.bucket.upload_bytes(b"1", name).unwrap();
    }
    // The service refuses these names today, but has files from before that.
    places
        .world
        .inject(Fault::on(Operation::ListFileNames).edit_json(|json| {
            let files = json["files"].as_array_mut().unwrap();
            for (at, name) in [(1, "home/a//b"), (2, "home/dir/")] {
                let mut row = files[0].clone();
                row["fileName"] = name.into();
                files.insert(at, row);
            }
        }));
    let (outcome, told) = run(&places.down(SyncOptions::new()));
    let report = incomplete(outcome);
    assert_eq!((report.failures, report.downloaded.files), (4, 1));
    assert_eq!(told.lines(), ["download fine"]);
    assert_eq!(places.files().into_keys().collect::<Vec<_>>(), ["fine"]);
}

/// It is there because another program has uploaded what it left, and would be removed by the next
/// run.
#[test]
fn p9_a_name_of_a_temporary_file_is_not_downloaded() {
    let places = Places::new();
    store(&places, "a.b2.sync.tmp", "1", 1_000_000_000_000);
    store(&places, "b", "1", 1_000_000_000_000);
    let sync = places.down(SyncOptions::new().orphans(Orphans::Delete));
    for round in 0..2 {
        let report = sync.run().unwrap();
        assert_eq!((report.downloaded.files, report.notices), (1 - round, 1));
        assert_eq!(places.files().into_keys().collect::<Vec<_>>(), ["b"]);
    }
}

/// `p` and `p/f`: the file below has the place, and the other one is the same problem each time.
#[test]
fn c25_a_file_and_a_folder_of_one_name() {
    let places = Places::new();
    store(&places, "p", "1", 1_000_000_000_000);
    store(&places, "p-q", "1", 1_000_000_000_000);
    store(&places, "p/f", "1", 1_000_000_000_000);
    for round in 0..3 {
        let (outcome, told) = run(&places.down(SyncOptions::new()));
        assert_eq!(incomplete(outcome).failures, 1);
        let problems = told.problems.lock().clone();
        assert_eq!(
            problems,
            ["p: another file or directory has its place"],
            "{round}"
        );
        assert_eq!(
            places.files().into_keys().collect::<Vec<_>>(),
            ["p-q", "p/f"]
        );
    }
}

#[test]
fn c25_what_stands_in_the_way_is_removed_first_if_it_may_be() {
    let places = Places::new();
    store(&places, "p", "1", 1_000_000_000_000);
    store(&places, "q/f", "1", 1_000_000_000_000);
    places.write("p/old", "1", 1_000_000_000);
    places.write("q", "1", 1_000_000_000);
    let (outcome, told) = run(&places.down(SyncOptions::new()));
    assert_eq!(incomplete(outcome).failures, 2);
    assert_eq!(told.problems.lock().len(), 2);
    // What has no place is not requested.
    assert_eq!(places.world.count(Operation::DownloadFileById), 0);
    assert_eq!(
        places.files().into_keys().collect::<Vec<_>>(),
        ["p/old", "q"]
    );
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let report = places.down(options.clone()).run().unwrap();
    assert_eq!((report.downloaded.files, report.deleted_local), (2, 2));
    assert_eq!(places.files(), places.stored());
    assert_eq!(plan(&places.down(options)), Vec::<String>::new());
}

/// What is in the way goes once the new file is there: if that cannot be downloaded, the old files stay, and
/// nothing temporary.
#[test]
fn c25_what_stands_in_the_way_stays_if_the_download_fails() {
    type Make = fn(Fault) -> Fault;
    let faults: [Make; 3] = [
        |fault| fault.status(403, "access_denied", "no"),
        |fault| fault.truncate_answer(3),
        |fault| fault.corrupt_byte(3),
    ];
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    for (kind, fault) in faults.into_iter().enumerate() {
        for failing in 0..2 {
            let case = format!("{kind} {failing}");
            // One after the other, so that it is known which of the two fails.
            let world = World::with(|builder| builder.workers(1).retry(RetryPolicy::none()));
            let places = Places::of(world);
            store(&places, "p", "content", 1_000_000_000_000);
            store(&places, "q/f", "content", 1_000_000_000_000);
            places.write("p/old", "old", 1_000_000_000);
            places.write("q", "old", 1_000_000_000);
            let before = places.files();
            let on = Fault::on(Operation::DownloadFileById).after(failing);
            places.world.inject(fault(on).always());
            let report = incomplete(places.down(options.clone()).run());
            assert_eq!((report.failures, report.deleted_local), (2, 0), "{case}");
            let withheld = report.withheld.unwrap();
            assert_eq!(withheld.reason, WithheldReason::TransferFailed, "{case}");
            assert_eq!(withheld.removals, 2, "{case}");
            assert_eq!(places.files(), before, "{case}");
            places.world.service.faults().clear();
            let report = places.down(options.clone()).run().unwrap();
            assert_eq!(report.downloaded.bytes, 14, "{case}");
            assert_eq!(places.files(), places.stored(), "{case}");
        }
    }
}

/// Its place is free for as short as can be: other files are removed after it is there.
#[test]
fn c25_a_file_takes_its_place_before_other_files_are_removed() {
    struct Look(
        std::path::PathBuf,
        std::sync::Arc<parking_lot::Mutex<Vec<String>>>,
    );
    impl b2sdk::sync::SyncObserver for Look {
        fn step(&self, step: &b2sdk::sync::SyncStep) {
            // Two steps may be waiting for the one thread.
            if step.name == "a-00" {
                let places = ["p", "q/f", "q/g/h"].map(|name| self.0.join(name).is_file());
                self.1.lock().push(format!("{places:?}"));
            }
        }
    }
    let places = Places::of(World::with(|builder| builder.workers(1)));
    for name in ["p", "q/f", "q/g/h"] {
        store(&places, name, "1", 1_000_000_000_000);
    }
    for n in 0..20 {
        places.write(&format!("a-{n:02}"), "old", 1_000_000_000);
    }
    for name in ["p/old/1", "p/old/2", "p/3", "q"] {
        places.write(name, "old", 1_000_000_000);
    }
    let looked = std::sync::Arc::default();
    let look = Look(places.root(), std::sync::Arc::clone(&looked));
    let settings = b2sdk::sync::SyncRun::new().observer(look);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let report = places.down(options).run_with(&settings).unwrap();
    assert_eq!((report.downloaded.files, report.deleted_local), (3, 24));
    assert_eq!(*looked.lock(), ["[true, true, true]"]);
    assert_eq!(places.files(), places.stored());
}

/// The next run completes what has arrived of a large file beside the directory in its place.
#[test]
fn c25_a_large_file_beside_its_place_is_completed_by_the_next_run() {
    const RANGE: usize = 10_000;
    // One after the other, so that four ranges are there when the fifth is refused.
    let places = Places::of(World::with(|builder| builder.workers(1)));
    let bucket = &places.world.bucket;
    let content = crate::support::noise(9 * RANGE);
    bucket.upload_bytes(&content, "home/p").unwrap();
    places.write("p/old", "old", 1_000_000_000);
    let download = b2sdk::DownloadOptions::new()
        .resume(true)
        .part_size(RANGE as u64);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .download(download);
    let refused = Fault::on(Operation::DownloadFileById).status(403, "access_denied", "no");
    places.world.inject(refused.after(4).always());
    let report = incomplete(places.down(options.clone()).run());
    assert_eq!((report.failures, report.deleted_local), (1, 0));
    assert!(places.path("p/old").is_file());
    places.world.service.faults().clear();
    places.world.service.log().clear();
    let report = places.down(options.clone()).run().unwrap();
    assert_eq!((report.downloaded.files, report.deleted_local), (1, 1));
    let ranges = places.world.count(Operation::DownloadFileById);
    assert!(ranges < 9, "{ranges}");
    assert!(fs::read(places.path("p")).unwrap() == content);
    assert_eq!(fs::read_dir(places.root()).unwrap().count(), 1);
    assert_eq!(plan(&places.down(options)), Vec::<String>::new());
}

/// A directory in the way that has something else in it stays, with what is not to be removed.
#[test]
fn c25_a_directory_that_is_not_emptied_stays_in_the_way() {
    let places = Places::new();
    store(&places, "p", "content", 1_000_000_000_000);
    places.write("p/kept.tmp", "kept", 1_000_000_000);
    places.write("p/orphan", "orphan", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .filters([b2sdk::listing::Filter::exclude("*.tmp")]);
    let report = incomplete(places.down(options).run());
    assert_eq!((report.failures, report.deleted_local), (1, 1));
    assert!(matches!(report.problems[0].kind, ProblemKind::InTheWay));
    assert_eq!(
        places.files().into_keys().collect::<Vec<_>>(),
        ["p/kept.tmp"]
    );
}

/// A directory that becomes a link while the run removes files leads to no removal behind it.
#[cfg(unix)]
#[test]
fn p10_no_directory_behind_a_link_is_removed() {
    struct Swap(std::path::PathBuf, std::path::PathBuf);
    impl b2sdk::sync::SyncObserver for Swap {
        fn step(&self, step: &b2sdk::sync::SyncStep) {
            if step.is_removal() {
                fs::rename(&self.0, self.0.with_extension("moved")).unwrap();
                std::os::unix::fs::symlink(&self.1, &self.0).unwrap();
            }
        }
    }
    let places = Places::new();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("p")).unwrap();
    store(&places, "dir/p", "content", 1_000_000_000_000);
    places.write("dir/p/old", "old", 1_000_000_000);
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let swap = Swap(places.path("dir"), outside.path().to_owned());
    let settings = b2sdk::sync::SyncRun::new().observer(swap);
    let report = incomplete(places.down(options).run_with(&settings));
    assert_eq!((report.downloaded.files, report.deleted_local), (0, 0));
    assert!(outside.path().join("p").is_dir());
    assert!(places.path("dir.moved/p/old").is_file());
}

/// Nothing is written outside of the destination.
#[cfg(unix)]
#[test]
fn p10_no_link_is_followed_at_the_destination() {
    use std::os::unix::fs::symlink;
    let places = Places::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "mine").unwrap();
    store(&places, "dir/file", "theirs", 2_000_000_000_000);
    store(&places, "link", "theirs", 2_000_000_000_000);
    symlink(outside.path(), places.path("dir")).unwrap();
    symlink(outside.path().join("file"), places.path("link")).unwrap();
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let (outcome, told) = run(&places.down(options));
    assert_eq!(incomplete(outcome).failures, 2);
    assert_eq!(told.lines(), Vec::<String>::new());
    assert_eq!(
        fs::read_to_string(outside.path().join("file")).unwrap(),
        "mine"
    );
    assert!(places.path("link").symlink_metadata().unwrap().is_symlink());
}

/// A local file that changed after it was scanned is not overwritten.
#[test]
fn c31_what_changed_since_the_scan_is_left_alone() {
    struct Editor(std::path::PathBuf);
    impl b2sdk::sync::SyncObserver for Editor {
        fn step(&self, step: &b2sdk::sync::SyncStep) {
            fs::write(self.0.join(&step.name), "edited meanwhile").unwrap();
        }
    }
    let places = Places::new();
    store(&places, "replaced", "theirs", 2_000_000_000_000);
    store(&places, "new", "theirs", 2_000_000_000_000);
    places.write("replaced", "mine", 1_000_000_000);
    places.write("orphan", "mine", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .remove_despite_failures(true);
    let settings = b2sdk::sync::SyncRun::new().observer(Editor(places.root()));
    let report = incomplete(places.down(options).run_with(&settings));
    assert_eq!(report.failures, 3);
    assert!(
        places
            .files()
            .values()
            .all(|content| content == "edited meanwhile")
    );
    assert_eq!(places.files().len(), 3);
}

#[test]
fn p4_an_empty_or_mistyped_source_deletes_nothing() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let options = SyncOptions::new().orphans(Orphans::Delete);
    places.down(options).run().unwrap_err();
    assert_eq!(places.files().len(), 1);
}
