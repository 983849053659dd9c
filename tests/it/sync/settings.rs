//! Options that few need: appended files, keys, existing files, limits, saved plans in each direction.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use b2sdk::encryption::{Encryption, EncryptionMode, SseCustomerKey};
use b2sdk::sync::{
    Compare, EncryptionPerSide, Existing, LocalFolder, Newer, Orphans, ProblemKind, Refused,
    RemovalLimit, SyncEncryption, SyncError, SyncObserver, SyncOptions, SyncRun, SyncStep,
    Synchronizer, Touched, WithheldReason,
};
use b2sdk::testing::Clock;
use b2sdk::{FileId, Operation, UploadOptions};
use parking_lot::Mutex;

use super::support::{Places, incomplete, plan, run};
use crate::support::World;
use crate::support::settings::{content, key, mode};

/// Of a log that has grown only what is new is sent.
#[test]
fn of_a_file_that_has_grown_only_what_is_new_is_sent() {
    let places = Places::of(World::of_small_parts(100, 1000));
    let old = crate::support::noise(3000);
    fs::write(places.path("log"), &old).unwrap();
    let sync = places.up(SyncOptions::new().appended(true));
    assert_eq!(plan(&sync), ["upload log"]);
    sync.run().unwrap();
    let mut file = fs::File::options()
        .append(true)
        .open(places.path("log"))
        .unwrap();
    file.write_all(b"and some more").unwrap();
    drop(file);
    let later = 4_000_000_000;
    super::support::set_time(&places.path("log"), later);
    assert_eq!(plan(&sync), ["append log"]);
    places.world.service.log().clear();
    let report = sync.run().unwrap();
    assert_eq!(report.uploaded.files, 1);
    let log = places.world.service.log().entries();
    let sent: u64 = log
        .iter()
        .filter(|entry| entry.operation == Some(Operation::UploadPart))
        .map(|entry| entry.body_bytes)
        .sum();
    assert!(sent < 1000, "{sent}");
    assert!(places.world.count(Operation::CopyPart) > 0);
    assert_eq!(
        places.world.content("home/log"),
        fs::read(places.path("log")).unwrap()
    );
    assert_eq!(plan(&sync), Vec::<String>::new());
    // What was changed in the middle is uploaded.
    let mut changed = fs::read(places.path("log")).unwrap();
    changed[7] ^= 1;
    changed.extend_from_slice(b"!");
    fs::write(places.path("log"), &changed).unwrap();
    super::support::set_time(&places.path("log"), later + 1);
    sync.run().unwrap();
    assert_eq!(places.world.content("home/log"), changed);
}

/// A log that is cut back before its turn makes no new version, so the one that is there stays.
#[test]
fn p1_a_file_that_has_not_grown_after_all_keeps_its_version() {
    struct Cut(PathBuf, u64);
    impl SyncObserver for Cut {
        fn step(&self, step: &SyncStep) {
            if !step.is_removal() {
                let file = fs::File::options().write(true).open(&self.0).unwrap();
                file.set_len(self.1).unwrap();
            }
        }
    }
    let places = Places::of(World::of_small_parts(100, 1000));
    let old = crate::support::noise(3000);
    fs::write(places.path("log"), &old).unwrap();
    let options = SyncOptions::new()
        .appended(true)
        .old_versions(b2sdk::sync::OldVersions::Delete);
    let sync = places.up(options);
    sync.run().unwrap();
    fs::write(places.path("log"), [&old[..], b"more"].concat()).unwrap();
    super::support::set_time(&places.path("log"), 4_000_000_000);
    assert_eq!(plan(&sync), ["append log", "delete log (old version)"]);
    let cut = Cut(places.path("log"), 3000);
    let report = incomplete(sync.run_with(&SyncRun::new().observer(cut)));
    assert_eq!((report.failures, report.deleted_versions), (1, 0));
    assert_eq!(places.world.content("home/log"), old);
}

/// A provider that has a key for each name, and is asked for those alone that need one.
#[derive(Clone, Default)]
struct KeyOfName(Arc<Mutex<Vec<String>>>);

fn key_of(name: &str) -> SseCustomerKey {
    key(name.bytes().last().unwrap())
}

impl SyncEncryption for KeyOfName {
    fn write(&self, file_name: &str, size: u64) -> Option<Encryption> {
        self.0.lock().push(format!("write {file_name} {size}"));
        (!file_name.ends_with("plain")).then(|| Encryption::SseC(key_of(file_name)))
    }

    fn read(&self, file_name: &str, _: &FileId) -> Option<SseCustomerKey> {
        self.0.lock().push(format!("read {file_name}"));
        Some(key_of(file_name))
    }
}

/// Each file is uploaded, copied and downloaded with its own key.
#[test]
fn a_provider_says_for_each_file_how_it_is_encrypted() {
    let places = Places::new();
    for name in ["a", "b", "plain"] {
        places.write(name, name, 1_000_000_000);
    }
    let provider = KeyOfName::default();
    let options = SyncOptions::new().encryption(provider.clone());
    places.up(options.clone()).run().unwrap();
    let asked = std::mem::take(&mut *provider.0.lock());
    assert_eq!(asked.len(), 3);
    assert!(
        asked.contains(&"write home/plain 5".to_owned()),
        "{asked:?}"
    );
    let bucket = &places.world.bucket;
    assert_eq!(content(bucket, "home/a", Some(&key_of("home/a"))), b"a");
    let plain = &places.world.versions("home/plain")[0];
    assert_ne!(mode(plain), Some(EncryptionMode::SseC));

    let copy = Synchronizer::new(bucket.folder("home"), bucket.folder("copy"));
    let copy = copy.options(options.clone());
    assert_eq!(copy.run().unwrap().copied.files, 3);
    assert_eq!(content(bucket, "copy/b", Some(&key_of("copy/b"))), b"b");
    assert_eq!(plan(&copy), Vec::<String>::new());
    let asked = std::mem::take(&mut *provider.0.lock());
    assert!(asked.contains(&"read home/a".to_owned()), "{asked:?}");
    assert!(!asked.contains(&"read home/plain".to_owned()), "{asked:?}");

    fs::remove_dir_all(places.root()).unwrap();
    let down = places.down(options);
    assert_eq!(down.run().unwrap().downloaded.files, 3);
    assert_eq!(places.files()["b"], "b");
    assert_eq!(plan(&down), Vec::<String>::new());
}

/// Without its key, a file is a problem before any request about it, and the others are synchronized.
#[test]
fn a_file_without_its_key_is_one_problem_and_no_request() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let encrypted = UploadOptions::new().encryption(Encryption::SseC(key(7)));
    bucket
        .upload_bytes_with(b"secret", "home/a", &encrypted)
        .unwrap();
    bucket.upload_bytes(b"plain", "home/b").unwrap();
    let copy =
        |options| Synchronizer::new(bucket.folder("home"), bucket.folder("copy")).options(options);
    for sync in [places.down(SyncOptions::new()), copy(SyncOptions::new())] {
        places.world.service.log().clear();
        let (outcome, told) = run(&sync);
        let report = incomplete(outcome);
        assert_eq!(report.failures, 1);
        assert!(matches!(report.problems[0].kind, ProblemKind::NoKey));
        assert_eq!(told.lines().len(), 1);
        let log = places.world.service.log().entries();
        let transfers = log.iter().filter(|entry| {
            let operation = entry.operation;
            matches!(
                operation,
                Some(Operation::DownloadFileById | Operation::CopyFile)
            )
        });
        assert_eq!(transfers.count(), 1);
    }
    // With one key for all that is read, and one setting for all that is written.
    let both = EncryptionPerSide::new()
        .read(&key(7))
        .write(Encryption::SseB2);
    let report = places
        .down(SyncOptions::new().encryption(both.clone()))
        .run()
        .unwrap();
    assert_eq!(report.downloaded.files, 1);
    assert_eq!(places.files()["a"], "secret");
    assert_eq!(
        copy(SyncOptions::new().encryption(both))
            .run()
            .unwrap()
            .copied
            .files,
        1
    );
    assert_eq!(
        mode(&places.world.versions("copy/a")[0]),
        Some(EncryptionMode::SseB2)
    );
}

/// A touched or renamed file whose copy takes a key that was not given is uploaded.
#[test]
fn what_cannot_be_copied_without_its_key_is_uploaded() {
    let places = Places::new();
    let encrypted = UploadOptions::new().encryption(Encryption::SseC(key(7)));
    let options = SyncOptions::new()
        .upload(encrypted)
        .touched(Touched::Refresh { from: 1 })
        .renames(b2sdk::sync::Renames::Sha1 { from: 1 });
    places.write("touched", "content 1", 1_000_000_000);
    places.write("old name", "content 2", 1_000_000_000);
    places.up(options.clone()).run().unwrap();
    super::support::set_time(&places.path("touched"), 1_000_000_001);
    fs::rename(places.path("old name"), places.path("new name")).unwrap();
    let without = places.up(options.clone());
    let mut planned = plan(&without);
    planned.sort();
    assert_eq!(planned, ["upload new name", "upload touched"]);
    let with = options.copy(
        b2sdk::CopyOptions::new()
            .source_encryption_key(&key(7))
            .encryption(Encryption::SseC(key(7))),
    );
    let mut planned = plan(&places.up(with));
    planned.sort();
    assert_eq!(planned, ["copy new name (from old name)", "touch touched"]);
    assert_eq!(without.run().unwrap().uploaded.files, 2);
}

/// What the destination has below a hide marker may be all that there is of a file that cannot be
/// copied.
#[test]
fn older_versions_of_a_file_without_its_key_stay() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let encrypted = UploadOptions::new().encryption(Encryption::SseC(key(7)));
    bucket
        .upload_bytes_with(b"secret", "home/a", &encrypted)
        .unwrap();
    bucket.upload_bytes(b"old", "copy/a").unwrap();
    bucket.hide_file("copy/a").unwrap();
    let options = SyncOptions::new()
        .old_versions(b2sdk::sync::OldVersions::Delete)
        .remove_despite_failures(true);
    let sync = Synchronizer::new(bucket.folder("home"), bucket.folder("copy")).options(options);
    let report = incomplete(sync.run());
    assert_eq!((report.failures, report.deleted_versions), (1, 0));
    assert_eq!(places.world.versions("copy/a").len(), 2);
}

/// The service refuses a key for a file that is not encrypted with one, so it goes with no such file.
#[test]
fn a_key_for_all_is_sent_only_with_the_files_that_take_it() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let encrypted = UploadOptions::new().encryption(Encryption::SseC(key(7)));
    bucket
        .upload_bytes_with(b"secret", "home/a", &encrypted)
        .unwrap();
    bucket.upload_bytes(b"plain", "home/b").unwrap();
    let download = b2sdk::DownloadOptions::new().encryption_key(&key(7));
    let copy = b2sdk::CopyOptions::new().source_encryption_key(&key(7));
    let report = places.down(SyncOptions::new().download(download)).run();
    assert_eq!(report.unwrap().downloaded.files, 2);
    assert_eq!(
        places.files(),
        [("a", "secret"), ("b", "plain")]
            .map(|(name, content)| (name.to_owned(), content.to_owned()))
            .into()
    );
    let copying = Synchronizer::new(bucket.folder("home"), bucket.folder("copy"))
        .options(SyncOptions::new().copy(copy));
    assert_eq!(copying.run().unwrap().copied.files, 2);
    assert_eq!(content(bucket, "copy/b", None), b"plain");
}

#[test]
fn existing_files_are_kept_or_may_not_change() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    places.write("b", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    places.write("a", "22", 1_000_000_001);
    places.write("new", "1", 1_000_000_000);
    let keep = places.up(SyncOptions::new().existing(Existing::Keep));
    assert_eq!(plan(&keep), ["upload new"]);
    assert_eq!(keep.run().unwrap().unchanged, 2);
    let immutable = places.up(SyncOptions::new().existing(Existing::Immutable));
    let report = incomplete(immutable.run());
    assert_eq!((report.failures, report.unchanged), (1, 2));
    assert!(matches!(report.problems[0].kind, ProblemKind::Immutable));
    assert_eq!(report.problems[0].name, "a");
    assert_eq!(places.stored()["a"], "1");
}

/// Also where the content decides, by its checksum or for a new time.
#[test]
fn a_file_that_may_not_change_stays_where_the_content_decides() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    for name in ["other", "touched"] {
        places.write(name, "1", 1_000_000_000);
        let stored = format!("home/{name}");
        bucket
            .upload_local_file(places.path(name), &stored)
            .unwrap();
    }
    bucket.upload_bytes(b"1", "home/untimed").unwrap();
    let before = places.versions();
    places.write("other", "2", 1_000_000_009);
    places.write("touched", "1", 1_000_000_009);
    places.write("untimed", "2", 1_000_000_000);
    let immutable = SyncOptions::new()
        .existing(Existing::Immutable)
        .newer(Newer::Replace);
    let refresh = Touched::Refresh { from: 1 };
    for (options, expected) in [
        (
            immutable.clone().compare(Compare::Sha1),
            vec!["other", "untimed"],
        ),
        (
            immutable.clone().touched(refresh),
            vec!["other", "touched", "untimed"],
        ),
        (immutable, vec!["other", "touched", "untimed"]),
    ] {
        let report = incomplete(places.up(options).run());
        let names: Vec<_> = report
            .problems
            .iter()
            .map(|problem| &*problem.name)
            .collect();
        assert_eq!(names, expected);
        assert_eq!(report.failures, expected.len() as u64);
        let mut kinds = report.problems.iter().map(|problem| &problem.kind);
        assert!(kinds.all(|kind| matches!(kind, ProblemKind::Immutable)));
        assert_eq!(places.versions(), before);
    }
}

/// However it is written, and through links.
#[cfg(unix)]
#[test]
fn a_directory_for_files_set_aside_is_refused_if_it_or_the_destination_lies_in_the_other() {
    let places = Places::new();
    fs::create_dir(places.path("old")).unwrap();
    let around = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(places.root(), around.path().join("link")).unwrap();
    let name = places.root().file_name().unwrap().to_owned();
    let relative = |path: &Path| {
        let up = std::env::current_dir().unwrap();
        let mut all: PathBuf = up.components().skip(1).map(|_| "..").collect();
        all.extend(path.components().skip(1));
        all
    };
    for aside in [
        places.root(),
        // A file `home/a` would be set aside into it.
        places.root().parent().unwrap().to_owned(),
        places.path("old"),
        places.path("old/not/there"),
        places.path("new"),
        places.root().join("..").join(&name).join("old"),
        relative(&places.path("old")),
        around.path().join("link/old"),
        around.path().join("link/new"),
        around.path().join("none/../link/new"),
    ] {
        let sync = places.down(SyncOptions::new().set_aside(&aside));
        let refused = matches!(
            sync.run(),
            Err(SyncError::Refused(Refused::Contradiction { .. }))
        );
        assert!(refused, "{}", aside.display());
    }
    // The destination is named in another way too.
    let elsewhere = around.path().join("link");
    let down = |aside: PathBuf| {
        let folder = places.world.bucket.folder("home");
        Synchronizer::new(folder, LocalFolder::new(&elsewhere))
            .options(SyncOptions::new().set_aside(aside).allow_empty_source(true))
    };
    assert!(down(places.path("old")).run().is_err());
    for aside in [
        around.path().join("aside"),
        places.root().with_extension("2"),
    ] {
        down(aside).run().unwrap();
    }
}

/// Nothing starts after the time is over, what runs is finished, and nothing is removed.
#[test]
fn a_run_stops_after_its_time() {
    struct OneSecondAStep(Clock);
    impl SyncObserver for OneSecondAStep {
        fn step(&self, _: &SyncStep) {
            self.0.advance(Duration::from_secs(1));
        }
    }
    let places = Places::new();
    places.write("zzz", "1", 1_000_000_000);
    places.up(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("zzz")).unwrap();
    for n in 0..10 {
        places.write(&format!("f{n}"), "1", 1_000_000_000);
    }
    let options = SyncOptions::new().orphans(Orphans::Hide);
    let settings = SyncRun::new()
        .stop_after(Duration::from_secs(4))
        .observer(OneSecondAStep(places.world.clock.clone()));
    let report = incomplete(places.up(options.clone()).run_with(&settings));
    assert!(report.stopped);
    assert_eq!(
        (report.uploaded.files, report.hidden, report.failures),
        (4, 0, 0)
    );
    assert_eq!(report.withheld.unwrap().reason, WithheldReason::Stopped);
    let report = places.up(options).run().unwrap();
    assert_eq!((report.uploaded.files, report.hidden), (6, 1));
}

/// A saved plan of downloads, and one of copies: what still holds is done, what does not is a problem.
#[test]
fn saved_plans_of_downloads_and_copies_are_executed_as_far_as_they_hold() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .remove_despite_failures(true)
        .removal_limit(RemovalLimit::None);
    let down = Synchronizer::new(bucket.folder("from"), places.local()).options(options.clone());
    let copy = Synchronizer::new(bucket.folder("from"), bucket.folder("home")).options(options);
    for name in ["changed", "gone", "same"] {
        bucket
            .upload_bytes(b"source", &format!("from/{name}"))
            .unwrap();
    }
    for name in ["orphan", "found"] {
        places.write(name, "orphan", 1_000_000_000);
        bucket
            .upload_bytes(b"orphan", &format!("home/{name}"))
            .unwrap();
    }
    let saved = |sync: &Synchronizer| {
        let steps: Vec<SyncStep> = sync.plan().unwrap().map(Result::unwrap).collect();
        let json = serde_json::to_string(&steps).unwrap();
        serde_json::from_str::<Vec<SyncStep>>(&json).unwrap()
    };
    let plans = [(&down, saved(&down)), (&copy, saved(&copy))];
    bucket.upload_bytes(b"other", "from/changed").unwrap();
    bucket.hide_file("from/gone").unwrap();
    bucket.upload_bytes(b"found", "from/found").unwrap();
    for (sync, steps) in plans {
        assert_eq!(steps.len(), 5);
        let report = incomplete(sync.execute(steps));
        assert_eq!(report.failures, 3);
        assert_eq!(report.downloaded.files + report.copied.files, 1);
        assert_eq!(report.deleted_local + report.deleted_versions, 1);
    }
    let files = places.files();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["found", "same"]);
    assert_eq!(places.stored().into_keys().collect::<Vec<_>>(), names);
    // Steps of other places are refused, each as a problem.
    let steps = saved(&down);
    let elsewhere = places.up(SyncOptions::new());
    assert!(incomplete(elsewhere.execute(steps)).failures > 0);
}

/// Another file system below the source is left out, and what the bucket has of it stays.
#[cfg(target_os = "linux")]
#[test]
fn other_file_systems_are_left_out_if_asked_for() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    // There is one on each machine that runs Linux; a link leads there, as mounting takes the right to.
    std::os::unix::fs::symlink("/proc/sys/kernel/random", places.path("other")).unwrap();
    let folder = places.local().one_file_system(true);
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"1", "home/other/uuid").unwrap();
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(RemovalLimit::None);
    let sync = Synchronizer::new(folder, bucket.folder("home")).options(options.clone());
    assert_eq!(plan(&sync), ["upload a"]);
    assert_eq!(sync.run().unwrap().excluded, 2);
    assert!(places.stored().contains_key("other/uuid"));
    let all = places.up(options);
    assert!(plan(&all).len() > 1);
}
