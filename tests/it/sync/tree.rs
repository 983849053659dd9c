//! What stands in a local tree: links, special files, unfit names, files that change.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use b2sdk::listing::Filter;
use b2sdk::progress::TransferProgress;
use b2sdk::sync::{
    Compare, Links, Orphans, Refused, SourceFile, SyncError, SyncObserver, SyncOptions, SyncRun,
    SyncStep, Synchronizer, WithheldReason,
};
use b2sdk::{Operation, UploadOptions};

use super::support::{Places, incomplete, plan, run, set_time};
use crate::support::{World, in_time};

/// All others are synchronized, and each problem is reported once with its reason.
#[test]
fn c3_c28_one_bad_entry_ends_nothing() {
    let places = Places::new();
    places.write("fine", "1", 1_000_000_000);
    places.write("z/fine", "1", 1_000_000_000);
    symlink("nowhere", places.path("dangling")).unwrap();
    symlink("round", places.path("round")).unwrap();
    symlink("..", places.path("z/loop")).unwrap();
    let _socket = UnixListener::bind(places.path("socket")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd-\xff");
    fs::write(places.root().join(odd), "1").unwrap();
    places.write("back\\slash", "1", 1_000_000_000);
    places.write(&"x".repeat(251), "1", 1_000_000_000);
    let (outcome, told) = run(&places.up(SyncOptions::new()));
    let report = incomplete(outcome);
    assert_eq!(told.lines(), ["upload fine", "upload z/fine"]);
    assert_eq!(
        (report.uploaded.files, report.failures, report.notices),
        (2, 5, 2)
    );
    let mut problems = told.problems.lock().clone();
    problems.sort();
    let starts = [
        "back\\\\slash: a file name must not",
        "dangling: the link leads nowhere",
        "odd-\u{fffd}: the name is not UTF-8",
        "round: it cannot be read",
        "socket: it is a pipe, a socket or a device",
        "xxx",
        "z/loop: the link leads to a directory",
    ];
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
    assert_eq!(problems.len(), starts.len());
}

/// Three settings; a loop yields no duplicate, and two links to one directory yield both.
#[test]
fn c29_links_are_followed_or_skipped_as_asked_for() {
    let places = Places::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("f"), "1").unwrap();
    places.write("a", "1", 1_000_000_000);
    symlink("a", places.path("file")).unwrap();
    symlink(elsewhere.path(), places.path("one")).unwrap();
    symlink(elsewhere.path(), places.path("two")).unwrap();
    symlink(".", places.path("self")).unwrap();
    let sync = |links| {
        Synchronizer::new(
            places.local().links(links),
            places.world.bucket.folder("home"),
        )
        .options(SyncOptions::new().orphans(Orphans::Delete))
    };
    let follow = ["upload a", "upload file", "upload one/f", "upload two/f"];
    assert_eq!(plan(&sync(Links::Follow)), follow);
    assert_eq!(plan(&sync(Links::FilesOnly)), follow[..2]);
    assert_eq!(plan(&sync(Links::Skip)), follow[..1]);
    sync(Links::Follow).run().unwrap();
    // What is skipped is not absent.
    assert_eq!(plan(&sync(Links::FilesOnly)), Vec::<String>::new());
    assert_eq!(plan(&sync(Links::Skip)), Vec::<String>::new());
}

/// An excluded name is in no step, whatever is removed, and an excluded directory is not entered.
#[test]
fn p3_c11_c12_what_is_excluded_stays_at_the_destination() {
    let places = Places::new();
    for name in ["a.tmp", "keep", "cache/1", "cache/sub/2"] {
        places.write(name, "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("a.tmp")).unwrap();
    fs::remove_dir_all(places.path("cache")).unwrap();
    symlink("nowhere", places.path("cache")).unwrap();
    let filters = [
        Filter::exclude("*.tmp"),
        Filter::exclude("cache*"),
        Filter::exclude("typo/*"),
    ];
    let options = SyncOptions::new().orphans(Orphans::Delete).filters(filters);
    let report = places.up(options).run().unwrap();
    assert_eq!((report.deleted_versions, report.unchanged), (0, 1));
    assert_eq!(places.stored().len(), 4);
    // A filter that matched nothing is named.
    assert_eq!(report.unused_filters, ["typo/*"]);
}

/// What was below a directory is not absent because a link that leads nowhere has its place, also if
/// the filters are not about the name of the link.
#[test]
fn p2_filters_do_not_make_absent_what_a_link_leads_to_no_more() {
    let kept = [Filter::exclude("photos*"), Filter::include("photos/keep/*")];
    let only = [Filter::include("photos/keep/*"), Filter::include("z*")];
    // Of the first, the name of the link is left out; of the second, it is none of those included.
    for (filters, failures) in [(kept, 0), (only, 1)] {
        for dangles in [true, false] {
            let places = Places::new();
            let options = SyncOptions::new()
                .orphans(Orphans::Delete)
                .filters(filters.clone());
            for name in ["photos/keep/1", "z1", "z2"] {
                places.write(name, "1", 1_000_000_000);
            }
            places.up(options.clone()).run().unwrap();
            fs::rename(places.path("photos"), places.path("moved")).unwrap();
            fs::remove_file(places.path("z2")).unwrap();
            let (target, links) = match dangles {
                true => ("nowhere", Links::Follow),
                false => ("moved", Links::Skip),
            };
            symlink(target, places.path("photos")).unwrap();
            let folder = places.local().links(links);
            let sync = Synchronizer::new(folder, places.world.bucket.folder("home"));
            let report = match sync.options(options).run() {
                Err(SyncError::Incomplete(report)) => *report,
                complete => complete.unwrap(),
            };
            let expected = if dangles { failures } else { 0 };
            assert_eq!((report.failures, report.protected), (expected, 1));
            let stored: Vec<_> = places.stored().into_keys().collect();
            assert!(stored.contains(&"photos/keep/1".to_owned()), "{stored:?}");
            assert!(!stored.contains(&"z2".to_owned()), "{stored:?}");
        }
    }
}

/// What lies outside of the source is not uploaded because a directory became a link.
#[test]
fn a_directory_that_becomes_a_link_is_not_followed_if_links_are_skipped() {
    struct Swap(std::path::PathBuf, std::path::PathBuf);
    impl SyncObserver for Swap {
        fn step(&self, step: &SyncStep) {
            let folder = self.0.join(step.name.split_once('/').unwrap().0);
            if fs::rename(&folder, folder.with_extension("moved")).is_ok() {
                symlink(&self.1, folder).unwrap();
            }
        }
    }
    for links in [Links::Skip, Links::FilesOnly] {
        let places = Places::new();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "outside").unwrap();
        places.write("dir/secret", "inside", 1_000_000_000);
        let folder = places.local().links(links);
        let sync = Synchronizer::new(folder, places.world.bucket.folder("home"));
        let swap = Swap(places.root(), outside.path().to_owned());
        let report = incomplete(sync.run_with(&SyncRun::new().observer(swap)));
        assert_eq!((report.uploaded.files, report.failures), (0, 1));
    }
}

/// Unmounted while running: no removal.
#[test]
fn c14_a_source_that_is_replaced_at_the_barrier_removes_nothing() {
    struct Unmount(std::path::PathBuf);
    impl SyncObserver for Unmount {
        fn step(&self, _: &SyncStep) {
            if fs::rename(&self.0, self.0.with_extension("gone")).is_ok() {
                fs::create_dir(&self.0).unwrap();
                fs::write(self.0.join("new"), "1").unwrap();
            }
        }
    }
    let places = Places::new();
    places.write("old", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("old")).unwrap();
    places.write("new", "1", 1_000_000_000);
    let settings = SyncRun::new().observer(Unmount(places.root()));
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let report = incomplete(places.up(options).run_with(&settings));
    let withheld = report.withheld.unwrap();
    assert_eq!(
        (withheld.removals, withheld.reason),
        (1, WithheldReason::SourceReplaced)
    );
    assert!(places.stored().contains_key("old"));
}

#[test]
fn c13_without_the_marker_file_nothing_is_even_listed() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let sync = Synchronizer::new(
        places.local().marker(".mounted"),
        places.world.bucket.folder("home"),
    );
    assert!(matches!(
        sync.run(),
        Err(SyncError::Refused(Refused::MarkerMissing { .. }))
    ));
    assert_eq!(places.world.total(), 0);
    places.write(".mounted", "", 1_000_000_000);
    assert_eq!(sync.run().unwrap().uploaded.files, 2);
}

#[test]
fn c34_a_single_file_is_no_source() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let sync = Synchronizer::new(
        b2sdk::sync::LocalFolder::new(places.path("a")),
        places.world.bucket.folder("home"),
    );
    let error = sync.run().unwrap_err();
    assert!(
        error.to_string().contains("Bucket::upload_local_file"),
        "{error}"
    );
}

/// Files that `upload_local_file` uploaded are not sent again, whatever the nanoseconds of their times.
#[test]
fn c6_c7_files_uploaded_otherwise_are_not_sent_again() {
    let places = Places::new();
    for nanos in [0, 1, 499_999, 500_000, 999_999, 999_999_999] {
        let name = format!("f{nanos}");
        places.write(&name, "1", 1_000_000_000);
        let time = std::time::UNIX_EPOCH + Duration::new(1_079_999_999, nanos);
        let file = fs::File::options()
            .write(true)
            .open(places.path(&name))
            .unwrap();
        file.set_modified(time).unwrap();
        let bucket = &places.world.bucket;
        bucket
            .upload_local_file(places.path(&name), &format!("home/{name}"))
            .unwrap();
    }
    assert_eq!(plan(&places.up(SyncOptions::new())), Vec::<String>::new());
    assert_eq!(plan(&places.down(SyncOptions::new())), Vec::<String>::new());
}

/// Counted as vanished, not as a failure; the destination is untouched, and its versions too.
#[test]
fn c23_a_file_that_vanishes_is_no_failure() {
    struct Remove(std::path::PathBuf);
    impl SyncObserver for Remove {
        fn step(&self, step: &SyncStep) {
            let _ = fs::remove_file(self.0.join(&step.name));
        }
    }
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let options = SyncOptions::new().old_versions(b2sdk::sync::OldVersions::Delete);
    places.up(options.clone()).run().unwrap();
    places.write("a", "22", 1_000_000_000);
    let settings = SyncRun::new().observer(Remove(places.root()));
    let report = places.up(options).run_with(&settings).unwrap();
    assert_eq!((report.vanished, report.failures), (1, 0));
    assert_eq!(places.versions().len(), 1);
}

/// A file that vanishes after its directory was read, and before it is looked at, is not absent.
#[test]
fn p2_what_vanishes_during_the_scan_is_not_removed_from_the_destination() {
    let places = Places::new();
    for name in ["a", "b", "c"] {
        places.write(name, "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    let path = places.path("b");
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .file_filter(move |file| {
            if file.name == "a" {
                let _ = fs::remove_file(&path);
            }
            true
        });
    let report = places.up(options).run().unwrap();
    assert_eq!((report.protected, report.deleted_versions), (1, 0));
    assert!(places.stored().contains_key("b"));
}

/// A file that vanishes while the destination is scanned is absent there, and is downloaded again.
#[test]
fn what_vanishes_at_the_destination_during_the_scan_is_downloaded() {
    let places = Places::new();
    for name in ["a", "b", "c/d"] {
        places.write(name, "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    let root = places.root();
    let options = SyncOptions::new().file_filter(move |file| {
        if file.name == "a" {
            let _ = fs::remove_file(root.join("b"));
            let _ = fs::remove_dir_all(root.join("c"));
        }
        true
    });
    let (outcome, told) = run(&places.down(options));
    assert_eq!(told.lines(), ["download b", "download c/d"]);
    assert_eq!(outcome.unwrap().unchanged, 1);
    assert_eq!(places.files(), places.stored());
}

/// A directory with the tag file at the destination takes no part, whatever the source has there.
#[test]
fn tagged_directories_of_the_destination_are_left_alone() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in ["home/cache/new", "home/cache/changed", "home/other"] {
        bucket.upload_bytes(b"theirs", name).unwrap();
    }
    places.write("cache/CACHEDIR.TAG", "", 1_000_000_000);
    places.write("cache/changed", "mine", 1_000_000_000);
    places.write("cache/orphan", "mine", 1_000_000_000);
    places.write("orphan", "mine", 1_000_000_000);
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let tagged = places.local().exclude_if_present("CACHEDIR.TAG");
    let sync = Synchronizer::new(bucket.folder("home"), tagged).options(options.clone());
    assert_eq!(plan(&sync), ["download other", "delete orphan"]);
    let report = sync.run().unwrap();
    // The directory, and two files of the source.
    assert_eq!((report.excluded, report.failures), (3, 0));
    let files = places.files();
    assert_eq!(files["cache/changed"], "mine");
    assert_eq!(files.len(), 4);
    assert_eq!(plan(&sync), Vec::<String>::new());
    // Without the setting, the tag is a file like any other.
    let expected = [
        "download cache/changed",
        "download cache/new",
        "delete cache/orphan",
        "delete cache/CACHEDIR.TAG",
    ];
    assert_eq!(plan(&places.down(options)), expected);
}

#[test]
fn tagged_directories_and_other_file_systems_are_left_out_and_not_removed() {
    let places = Places::new();
    places.write("a/CACHEDIR.TAG", "", 1_000_000_000);
    places.write("a/1", "1", 1_000_000_000);
    places.write("b/1", "1", 1_000_000_000);
    let sync = |folder| {
        Synchronizer::new(folder, places.world.bucket.folder("home"))
            .options(SyncOptions::new().orphans(Orphans::Delete))
    };
    sync(places.local()).run().unwrap();
    let tagged = places
        .local()
        .exclude_if_present("CACHEDIR.TAG")
        .one_file_system(true);
    let report = sync(tagged).run().unwrap();
    assert_eq!((report.deleted_versions, report.unchanged), (0, 1));
    assert_eq!(places.stored().len(), 3);
}

/// Names in the other Unicode form are the same files with `nfc`, and other files without.
#[test]
fn names_are_brought_into_one_unicode_form_if_asked_for() {
    let places = Places::new();
    places.write("e\u{301}/e\u{301}", "1", 1_000_000_000);
    places.write("f", "1", 1_000_000_000);
    let bucket = &places.world.bucket;
    let sync = Synchronizer::new(places.local().nfc(true), bucket.folder("home"));
    assert_eq!(plan(&sync), ["upload f", "upload é/é"]);
    sync.run().unwrap();
    assert_eq!(plan(&sync), Vec::<String>::new());
    assert_eq!(
        plan(&places.up(SyncOptions::new())),
        ["upload e\u{301}/e\u{301}"]
    );
    // The file is replaced where it is, under the name that it has on disk.
    bucket.upload_bytes(b"22", "home/é/é").unwrap();
    let down = Synchronizer::new(bucket.folder("home"), places.local().nfc(true));
    down.run().unwrap();
    let names: Vec<_> = places.files().into_iter().collect();
    assert_eq!(names[0], ("e\u{301}/e\u{301}".to_owned(), "22".to_owned()));
    assert_eq!(names.len(), 2);
}

/// Of two directories with one name in NFC, the files of the first are synchronized, and what the
/// bucket has of the other one stays.
#[test]
fn a_second_directory_of_one_name_in_nfc_is_not_absent() {
    let places = Places::new();
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(b2sdk::sync::RemovalLimit::None);
    let bucket = &places.world.bucket;
    let sync = Synchronizer::new(places.local().nfc(true), bucket.folder("home")).options(options);
    places.write("e\u{301}/x", "1", 1_000_000_000);
    places.write("e\u{301}/z/x", "1", 1_000_000_000);
    places.write("gone", "1", 1_000_000_000);
    sync.run().unwrap();
    fs::remove_file(places.path("gone")).unwrap();
    places.write("é/a", "1", 1_000_000_000);
    // What is below a marker of its own hides no other one.
    symlink("nowhere", places.path("é/b")).unwrap();
    let report = incomplete(sync.run());
    assert_eq!((report.failures, report.protected), (2, 2));
    assert_eq!((report.uploaded.files, report.deleted_versions), (1, 1));
    let stored: Vec<_> = places.stored().into_keys().collect();
    assert_eq!(stored, ["é/a", "é/x", "é/z/x"]);
    // The first one is left out as a whole.
    let tagged = places.local().nfc(true).exclude_if_present("a");
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .allow_empty_source(true);
    let sync = Synchronizer::new(tagged, bucket.folder("home")).options(options);
    let report = incomplete(sync.run());
    assert_eq!(
        (report.failures, report.protected + report.excluded),
        (1, 4)
    );
    assert!(report.fatal.is_none());
    assert_eq!(places.stored().len(), 3);
}

/// Of two files with one name in NFC, one is synchronized, and nothing is removed: what would be
/// removed may be all that the bucket has of the other one.
#[test]
fn a_second_file_of_one_name_in_nfc_withholds_removals() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let sync = |options| {
        Synchronizer::new(places.local().nfc(true), bucket.folder("home")).options(options)
    };
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .old_versions(b2sdk::sync::OldVersions::Delete);
    places.write("e\u{301}", "first", 1_000_000_000);
    places.write("gone", "1", 1_000_000_000);
    sync(options.clone()).run().unwrap();
    fs::remove_file(places.path("gone")).unwrap();
    places.write("é", "another", 1_000_000_001);
    let mut planned = sync(options.clone()).plan().unwrap();
    let lines: Vec<_> = planned
        .by_ref()
        .map(|step| step.unwrap().to_string())
        .collect();
    assert_eq!(lines, ["upload é"]);
    assert_eq!(
        incomplete(planned.into_report()).withheld.unwrap().removals,
        2
    );
    let report = incomplete(sync(options.clone()).run());
    let withheld = report.withheld.unwrap();
    assert_eq!(
        (withheld.removals, withheld.reason, report.failures),
        (2, WithheldReason::TransferFailed, 1)
    );
    // The content of the other one is an older version.
    assert_eq!(places.versions().len(), 3);
    let report = incomplete(sync(options.remove_despite_failures(true)).run());
    assert_eq!(report.deleted_versions, 2);
}

/// Old versions of a file below a second directory of its name may be those of that one's files.
#[test]
fn old_versions_below_a_second_directory_of_one_name_stay() {
    let places = Places::new();
    let options = SyncOptions::new().old_versions(b2sdk::sync::OldVersions::Delete);
    let bucket = &places.world.bucket;
    let sync = Synchronizer::new(places.local().nfc(true), bucket.folder("home")).options(options);
    places.write("e\u{301}/x", "first", 1_000_000_000);
    places.write("other", "1", 1_000_000_000);
    sync.run().unwrap();
    places.write("é/x", "another", 1_000_000_001);
    places.write("other", "22", 1_000_000_001);
    let report = incomplete(sync.run());
    assert_eq!((report.uploaded.files, report.deleted_versions), (2, 1));
    let versions = places.versions();
    let sizes: Vec<_> = versions
        .iter()
        .map(|(name, _, size)| (name.as_str(), *size))
        .collect();
    assert_eq!(sizes, [("home/other", 2), ("home/é/x", 7), ("home/é/x", 5)]);
}

/// A link to the directory around it stands where a directory would, after `loop.txt`.
#[test]
fn a_link_loop_beside_a_similar_name_ends_nothing() {
    let places = Places::new();
    places.write("loop.txt", "1", 1_000_000_000);
    symlink(".", places.path("loop")).unwrap();
    let report = places.up(SyncOptions::new()).run().unwrap();
    assert_eq!((report.uploaded.files, report.notices), (1, 1));
}

/// Touched: the content is not sent, and the next run plans nothing.
#[test]
fn c8_a_touched_file_gets_its_time_without_its_content() {
    let places = Places::new();
    places.write("a", "content", 1_000_000_000);
    let touched = b2sdk::sync::Touched::Refresh { from: 1 };
    let sync = places.up(SyncOptions::new().touched(touched));
    sync.run().unwrap();
    set_time(&places.path("a"), 1_000_000_009);
    assert_eq!(plan(&sync), ["touch a"]);
    places.world.service.log().clear();
    let report = sync.run().unwrap();
    assert_eq!((report.refreshed.files, report.uploaded.files), (1, 0));
    assert_eq!(places.world.count(Operation::CopyFile), 1);
    assert_eq!(places.world.total(), 2);
    assert_eq!(plan(&sync), Vec::<String>::new());
    let down = places.down(
        SyncOptions::new()
            .touched(touched)
            .newer(b2sdk::sync::Newer::Replace),
    );
    set_time(&places.path("a"), 1_000_000_000);
    assert_eq!(plan(&down), ["touch a"]);
    down.run().unwrap();
    // In the middle of the millisecond, as after a download.
    let modified = fs::metadata(places.path("a")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_micros(), 1_000_000_009_000_500);
    assert_eq!(places.world.count(Operation::DownloadFileById), 0);
    assert_eq!(plan(&sync), Vec::<String>::new());
}

/// The same size and time with other content is transferred; another time with the same content is not.
#[test]
fn c9_files_can_be_compared_by_content() {
    let places = Places::new();
    places.write("content", "1", 1_000_000_000);
    places.write("time", "1", 1_000_000_000);
    let sync = places.up(SyncOptions::new().compare(b2sdk::sync::Compare::Sha1));
    sync.run().unwrap();
    places.write("content", "2", 1_000_000_000);
    places.write("time", "1", 1_000_000_009);
    assert_eq!(plan(&sync), ["upload content"]);
    sync.run().unwrap();
    assert_eq!(plan(&sync), Vec::<String>::new());
}

/// A directory renamed: no content is sent, and the old names go after the copies.
#[test]
fn c10_renamed_files_are_copied() {
    let places = Places::new();
    for n in 0..5 {
        places.write(
            &format!("old/{n}"),
            &format!("content {n}"),
            1_000_000_000 + n,
        );
    }
    let options = SyncOptions::new()
        .orphans(Orphans::Hide)
        .removal_limit(b2sdk::sync::RemovalLimit::None)
        .renames(b2sdk::sync::Renames::Sha1 { from: 1 });
    let sync = places.up(options);
    sync.run().unwrap();
    fs::rename(places.path("old"), places.path("new")).unwrap();
    // As long as each of them, and something else.
    places.write("new/other", "different", 1_000_000_000);
    let expected = ["copy new/0 (from old/0)", "hide old/0"];
    let planned = plan(&sync);
    assert!(
        expected
            .iter()
            .all(|line| planned.iter().any(|own| own == line)),
        "{planned:?}"
    );
    places.world.service.log().clear();
    let report = sync.run().unwrap();
    assert_eq!(
        (report.copied.files, report.uploaded.files, report.hidden),
        (5, 1, 5)
    );
    assert_eq!(places.world.count(Operation::CopyFile), 5);
    assert_eq!(places.stored(), places.files());
    assert_eq!(plan(&sync), Vec::<String>::new());
    // Content that replaces other content is uploaded.
    fs::rename(places.path("new/1"), places.path("new/0")).unwrap();
    assert_eq!(plan(&sync), ["upload new/0", "hide new/1"]);
}

/// What another program puts in the place of a file: nobody writes to it.
fn put_pipe(path: &std::path::Path) {
    fs::remove_file(path).unwrap();
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

/// Between the scan and the reading of a file: it is read to compare its content, or to be uploaded.
#[test]
fn c3_a_file_that_becomes_a_pipe_after_the_scan_is_one_problem() {
    for is_compared in [true, false] {
        let places = Places::new();
        let files = |content: &str, seconds| {
            for name in ["a", "log", "z"] {
                places.write(name, content, seconds);
            }
        };
        if is_compared {
            files("old", 1_000_000_000);
            places.up(SyncOptions::new()).run().unwrap();
        }
        files("new", 1_000_000_100);
        let path = places.path("log");
        let becomes = move |file: &SourceFile<'_>| {
            if file.name == "log" && path.is_file() {
                put_pipe(&path);
            }
            true
        };
        let options = SyncOptions::new()
            .compare(Compare::Sha1)
            .file_filter(becomes);
        let (outcome, told) = in_time(|| run(&places.up(options)));
        let report = incomplete(outcome);
        assert_eq!((report.uploaded.files, report.failures), (2, 1));
        let problems = told.problems.lock().clone();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("log: "), "{problems:?}");
        assert!(problems[0].contains("is a named pipe"), "{problems:?}");
        assert_eq!(places.stored()["z"], "new");
    }
}

/// Between the look at a file that begins its upload, and its opening.
#[test]
fn c3_a_file_that_becomes_a_pipe_when_its_upload_begins_is_one_problem() {
    for length in [500, 5000] {
        let places = Places::of(World::of_small_parts(100, 1000));
        fs::write(places.path("log"), vec![b'x'; length]).unwrap();
        places.write("z", "1", 1_000_000_000);
        let path = places.path("log");
        let upload = UploadOptions::new().progress(move |progress: &TransferProgress| {
            if &*progress.file_name == "home/log" && path.is_file() {
                put_pipe(&path);
            }
        });
        let (outcome, told) = in_time(|| run(&places.up(SyncOptions::new().upload(upload))));
        let report = incomplete(outcome);
        assert_eq!((report.uploaded.files, report.failures), (1, 1));
        let problems = told.problems.lock().clone();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("log: "), "{problems:?}");
        assert!(problems[0].contains("is a named pipe"), "{problems:?}");
        let unfinished = places.world.bucket.list_unfinished_large_files("").unwrap();
        assert_eq!(unfinished.count(), 0);
    }
}
