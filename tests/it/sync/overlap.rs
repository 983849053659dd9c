//! Two runs on one destination, and what other programs and earlier runs do to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::Fault;
use b2sdk::sync::{
    Orphans, ProblemKind, RemovalLimit, SyncObserver, SyncOptions, SyncRun, SyncStep, Synchronizer,
    WithheldReason,
};
use b2sdk::{DownloadOptions, Error, Operation};

use super::support::{Places, incomplete, plan};
use crate::support::World;

fn deleting() -> SyncOptions {
    SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None)
}

/// The names in a directory that downloads leave.
fn left_by_downloads(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with(".b2-download-"))
        .collect()
}

/// Three files in the bucket, of which two have something else in their place, and an orphan.
#[cfg(unix)]
fn fill_with_what_is_in_the_way(places: &Places, below: &str) {
    for name in ["p", "q/f", "z"] {
        let name = format!("home/{below}{name}");
        places.world.bucket.upload_bytes(b"content", &name).unwrap();
    }
    for name in [
        format!("{below}p/old"),
        format!("{below}q"),
        "orphan".into(),
    ] {
        places.write(&name, "old", 1_000_000_000);
    }
}

/// A run that has nothing to do but to scan this directory, and to remove what is left there.
#[cfg(unix)]
fn another_run(places: &Places, directory: &Path) -> Synchronizer {
    let others = b2sdk::sync::LocalFolder::new(directory);
    Synchronizer::new(places.world.bucket.folder("nothing"), others)
        .options(SyncOptions::new().allow_empty_source(true))
}

/// Another run into the same directory, the one above or one below, comes while files wait for their places.
/// It removes what a killed run has left, and only that.
#[cfg(unix)]
#[test]
fn another_run_leaves_files_that_wait_for_their_places() {
    for (root, resumes) in ["", "..", "d"]
        .into_iter()
        .flat_map(|root| [(root, false), (root, true)])
    {
        // One after the other, so that the first file waits when the last one is downloaded.
        let places = Places::of(World::with(|builder| builder.workers(1)));
        fill_with_what_is_in_the_way(&places, "d/");
        let other = another_run(&places, &places.path(root));
        let waiting = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (seen, directory) = (std::sync::Arc::clone(&waiting), places.path("d"));
        let download =
            DownloadOptions::new()
                .resume(resumes)
                .progress(move |progress: &TransferProgress| {
                    if &*progress.file_name == "home/d/z" && seen.load(Ordering::SeqCst) == 0 {
                        seen.store(left_by_downloads(&directory).len(), Ordering::SeqCst);
                        other.run().unwrap();
                    }
                });
        let report = places.down(deleting().download(download)).run().unwrap();
        assert!(waiting.load(Ordering::SeqCst) >= 2, "they waited");
        assert_eq!((report.downloaded.files, report.deleted_local), (3, 3));
        assert_eq!(places.files(), places.stored(), "{root:?} {resumes}");
        // Nobody waits any more, so that what is left over is removed.
        let left = format!("d/.b2-download-{}.tmp", "a".repeat(24));
        places.write(&left, "half", 1_000_000_000);
        places.down(deleting()).run().unwrap();
        assert_eq!(places.files(), places.stored());
    }
}

/// The scan of another run holds the directory for as long as it removes a large file. A run that cannot lock it
/// then for its first file does so for the next one.
#[cfg(unix)]
#[test]
fn a_run_that_could_not_lock_its_directory_at_first_locks_it_later() {
    // One after the other, so that the first file waits when the last one is downloaded.
    let places = Places::of(World::with(|builder| builder.workers(1)));
    fill_with_what_is_in_the_way(&places, "");
    let other = another_run(&places, &places.root());
    let held = fs::File::open(places.root()).unwrap();
    held.try_lock().unwrap();
    let (held, has_run) = (parking_lot::Mutex::new(Some(held)), AtomicBool::new(false));
    let download = DownloadOptions::new().progress(move |progress: &TransferProgress| {
        match &*progress.file_name {
            "home/p" => drop(held.lock().take()),
            "home/z" if !has_run.swap(true, Ordering::SeqCst) => drop(other.run().unwrap()),
            _ => {}
        }
    });
    let report = places.down(deleting().download(download)).run().unwrap();
    assert_eq!((report.downloaded.files, report.deleted_local), (3, 3));
    assert_eq!(places.files(), places.stored());
}

/// The run has begun to download when its scan comes to what a killed run has left, and a file waits for its
/// place, so that the directories are locked by the run itself.
#[cfg(unix)]
#[test]
fn what_a_killed_run_left_is_removed_although_files_of_this_one_wait_by_then() {
    let places = Places::of(World::with(|builder| builder.workers(1)));
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"content", "home/a").unwrap();
    places.write("a/old", "old", 1_000_000_000);
    // More than are handed out before the first is made.
    for number in 0..8 {
        let name = format!("b{number}");
        bucket
            .upload_bytes(b"content", &format!("home/{name}"))
            .unwrap();
        places.write(&name, "old", 1_000_000_000);
    }
    bucket.upload_bytes(b"1", "home/z/kept").unwrap();
    let left = format!("z/.b2-download-{}.tmp", "a".repeat(24));
    places.write(&left, "half", 1_000_000_000);
    let left = places.path(&left);
    let was_left = std::sync::Arc::new(AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&was_left);
    let download = DownloadOptions::new().progress(move |progress: &TransferProgress| {
        if &*progress.file_name == "home/z/kept" {
            seen.fetch_or(left.exists(), Ordering::SeqCst);
        }
    });
    let report = places.down(deleting().download(download)).run().unwrap();
    assert_eq!((report.downloaded.files, report.deleted_local), (10, 1));
    assert!(was_left.load(Ordering::SeqCst), "the scan could not");
    assert_eq!(places.files(), places.stored());
}

/// Another program takes a file that waits for its place for one that nobody needs. What is in its way stays
/// then, and the next run puts it there.
#[cfg(unix)]
#[test]
fn what_is_in_the_way_stays_if_another_program_removes_the_file_that_waits_for_it() {
    for despite_failures in [false, true] {
        // One after the other, so that the first file waits when the last one is downloaded.
        let places = Places::of(World::with(|builder| builder.workers(1)));
        let bucket = &places.world.bucket;
        for name in ["p", "q/f", "z"] {
            bucket
                .upload_bytes(b"content", &format!("home/{name}"))
                .unwrap();
        }
        for name in ["p/old", "q", "orphan"] {
            places.write(name, "old", 1_000_000_000);
        }
        let (root, has_run) = (places.root(), AtomicBool::new(false));
        let download = DownloadOptions::new().progress(move |progress: &TransferProgress| {
            if &*progress.file_name == "home/z" && !has_run.swap(true, Ordering::SeqCst) {
                for name in left_by_downloads(&root) {
                    let locked = fs::File::open(root.join(&name)).unwrap();
                    if locked.try_lock().is_ok() {
                        fs::remove_file(root.join(name)).unwrap();
                    }
                }
            }
        });
        let options = deleting()
            .download(download)
            .remove_despite_failures(despite_failures);
        let report = incomplete(places.down(options).run());
        assert_eq!((report.downloaded.files, report.failures), (1, 2));
        let ProblemKind::Failed(Error::LocalFile { source, .. }) = &report.problems[0].kind else {
            panic!("{:?}", report.problems);
        };
        assert!(source.to_string().contains("another program"), "{source}");
        let mut expected = vec!["orphan", "p/old", "q", "z"];
        if despite_failures {
            expected.remove(0);
        } else {
            let withheld = report.withheld.unwrap();
            assert_eq!(withheld.reason, WithheldReason::TransferFailed);
        }
        assert_eq!(places.files().into_keys().collect::<Vec<_>>(), expected);
        places.down(deleting()).run().unwrap();
        assert_eq!(places.files(), places.stored());
    }
}

/// It is looked again before each file that is in the way is removed.
#[cfg(unix)]
#[test]
fn what_is_in_the_way_stays_if_the_file_that_waits_for_it_is_removed_later() {
    struct Remove(PathBuf);
    impl SyncObserver for Remove {
        fn step(&self, step: &SyncStep) {
            if step.name == "z" {
                for name in left_by_downloads(&self.0) {
                    fs::remove_file(self.0.join(name)).unwrap();
                }
            }
        }
    }
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"content", "home/p").unwrap();
    for name in ["p/old", "z"] {
        places.write(name, "old", 1_000_000_000);
    }
    let settings = SyncRun::new().observer(Remove(places.root()));
    let report = incomplete(places.down(deleting()).run_with(&settings));
    assert_eq!((report.deleted_local, report.failures), (1, 1));
    let left: Vec<_> = places.files().into_keys().collect();
    assert_eq!(left, ["p/old"]);
    places.down(deleting()).run().unwrap();
    assert_eq!(places.files(), places.stored());
}

/// Without the file, nothing needs the place of what is in its way, whatever else is to be removed.
#[test]
fn what_is_in_the_way_of_a_failed_download_stays_despite_failures() {
    let places = Places::of(World::with(|builder| {
        builder.retry(b2sdk::RetryPolicy::none())
    }));
    let bucket = &places.world.bucket;
    for name in ["p", "q/f"] {
        bucket
            .upload_bytes(b"content", &format!("home/{name}"))
            .unwrap();
    }
    for name in ["p/old", "q", "q-orphan", "p-orphan"] {
        places.write(name, "old", 1_000_000_000);
    }
    let refused = Fault::on(Operation::DownloadFileById).status(403, "access_denied", "no");
    places.world.inject(refused.always());
    let options = deleting().remove_despite_failures(true);
    let report = incomplete(places.down(options).run());
    assert_eq!((report.deleted_local, report.failures), (2, 2));
    let left: Vec<_> = places.files().into_keys().collect();
    assert_eq!(left, ["p/old", "q"]);
}

const RANGE: usize = 10_000;

fn resuming() -> SyncOptions {
    let download = DownloadOptions::new().resume(true).part_size(RANGE as u64);
    deleting().download(download)
}

/// A large file of the bucket that was begun beside the directory that has its place, and what of it has arrived.
fn begun() -> (Places, Vec<u8>) {
    let places = Places::of(World::with(|builder| builder.workers(1)));
    let content = crate::support::noise(9 * RANGE);
    let bucket = &places.world.bucket;
    bucket.upload_bytes(&content, "home/d/p").unwrap();
    places.write("d/p/old", "old", 1_000_000_000);
    let refused = Fault::on(Operation::DownloadFileById).status(403, "access_denied", "no");
    places.world.inject(refused.after(4).always());
    incomplete(places.down(resuming()).run());
    assert_eq!(left_by_downloads(&places.path("d")).len(), 2);
    places.world.service.faults().clear();
    fs::remove_dir_all(places.path("d/p")).unwrap();
    (places, content)
}

/// What arrived beside a directory is of no use once somebody has removed that directory.
#[test]
fn what_arrived_beside_a_place_that_became_free_is_removed() {
    let (places, content) = begun();
    places.down(resuming()).run().unwrap();
    assert!(fs::read(places.path("d/p")).unwrap() == content);
    assert_eq!(left_by_downloads(&places.path("d")), Vec::<String>::new());
    assert_eq!(plan(&places.down(resuming())), Vec::<String>::new());
}

/// Another run may be writing it.
#[test]
fn what_another_download_has_locked_beside_a_place_stays() {
    let (places, content) = begun();
    let left = left_by_downloads(&places.path("d"));
    let record = left.iter().find(|name| name.ends_with(".record")).unwrap();
    let record = fs::File::open(places.path("d").join(record)).unwrap();
    record.lock().unwrap();
    places.down(resuming()).run().unwrap();
    assert!(fs::read(places.path("d/p")).unwrap() == content);
    assert_eq!(left_by_downloads(&places.path("d")).len(), 2);
    drop(record);
}

/// A person removes a directory during the run. The files that were to be deleted are gone, as they should be.
#[test]
fn a_directory_that_is_gone_when_its_files_are_to_be_deleted_is_no_failure() {
    struct Remove(PathBuf);
    impl SyncObserver for Remove {
        fn step(&self, step: &SyncStep) {
            if step.is_removal() {
                let _ = fs::remove_dir_all(&self.0);
            }
        }
    }
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"1", "home/kept").unwrap();
    places.write("d/sub/a", "1", 1_000_000_000);
    places.write("d/sub/b", "1", 1_000_000_000);
    let settings = SyncRun::new().observer(Remove(places.path("d")));
    let report = places.down(deleting()).run_with(&settings).unwrap();
    assert_eq!((report.deleted_local, report.failures), (2, 0));
    assert_eq!(places.files(), places.stored());
}

/// Such a file can have no place here, whatever is there, so that it is no reason to keep other files.
#[test]
fn a_name_of_a_left_over_in_the_bucket_withholds_no_removals() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"1", "home/kept").unwrap();
    bucket
        .upload_bytes(b"1", "home/.b2-download-x.part")
        .unwrap();
    places.write(".b2-download-x.part", "half", 1_000_000_000);
    places.write("orphan", "1", 1_000_000_000);
    let report = incomplete(places.down(deleting()).run());
    assert!(report.withheld.is_none());
    assert_eq!((report.failures, report.deleted_local), (1, 1));
    assert!(matches!(
        report.problems[0].kind,
        ProblemKind::UnsafeName(_)
    ));
    let left: Vec<_> = places.files().into_keys().collect();
    assert_eq!(left, [".b2-download-x.part", "kept"]);
}
