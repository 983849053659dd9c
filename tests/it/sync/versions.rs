//! Old versions: which are deleted, when, and in which order.

use std::fs;
use std::time::Duration;

use b2sdk::keys::Capability;
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::rules::LifecycleRule;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::sync::{
    LocalFolder, OldVersions, Orphans, Refused, RemovalLimit, SyncError, SyncObserver, SyncOptions,
    SyncRun, SyncStep, Synchronizer,
};
use b2sdk::{Operation, UploadOptions};

use super::support::{Places, incomplete, plan, run};
use crate::support::World;

const DAY: Duration = Duration::from_secs(86_400);

fn keeping(days: u32) -> SyncOptions {
    SyncOptions::new()
        .orphans(Orphans::Hide)
        .old_versions(OldVersions::days(days))
        .removal_limit(RemovalLimit::None)
}

/// A file of 2001 that is uploaded today and replaced tomorrow: with 30 days its first version is there on
/// day 30, and gone on day 32.
#[test]
fn p6_c18_age_counts_from_when_the_service_saw_a_version_superseded() {
    let places = Places::new();
    places.write("a", "of 2001", 990_000_000);
    let sync = places.up(keeping(30));
    sync.run().unwrap();
    let service = &places.world.service;
    let later = |days: u32| {
        service.advance_clock(DAY * days);
        places.world.clock.advance(DAY * days);
    };
    later(1);
    places.write("a", "new", 1_000_000_000);
    sync.run().unwrap();
    later(29);
    assert_eq!(plan(&sync), Vec::<String>::new());
    later(2);
    assert_eq!(plan(&sync), ["delete a (old version)"]);
    sync.run().unwrap();
    assert_eq!(places.versions().len(), 1);
}

/// A local clock that is ten years ahead prunes nothing.
#[test]
fn c42_a_wrong_local_clock_makes_no_version_old() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let sync = places.up(keeping(30));
    sync.run().unwrap();
    places.write("a", "22", 1_000_000_001);
    sync.run().unwrap();
    places.world.clock.advance(DAY * 3650);
    assert_eq!(plan(&sync), Vec::<String>::new());
}

/// The versions after a run are those that a lifecycle rule would have left.
#[test]
fn c19_days_mean_what_they_mean_in_a_lifecycle_rule() {
    let (ours, rule) = (Places::new(), Places::new());
    let rules = [LifecycleRule::new("home/").delete_hidden_after_days(10)];
    let update = b2sdk::UpdateBucketOptions::new().lifecycle_rules(rules);
    rule.world.bucket.update(&update).unwrap();
    for places in [&ours, &rule] {
        let bucket = &places.world.bucket;
        let service = &places.world.service;
        let later = |days: u32| {
            service.advance_clock(DAY * days);
            places.world.clock.advance(DAY * days);
        };
        places.write("a", "333", 1_000_000_000);
        bucket.upload_bytes(b"1", "home/a").unwrap();
        bucket.upload_bytes(b"1", "home/gone").unwrap();
        later(5);
        bucket.upload_bytes(b"22", "home/a").unwrap();
        bucket.hide_file("home/gone").unwrap();
        later(9);
        places
            .up(SyncOptions::new().newer(b2sdk::sync::Newer::Replace))
            .run()
            .unwrap();
        later(2);
    }
    rule.world.service.run_lifecycle_rules().unwrap();
    ours.up(keeping(10)).run().unwrap();
    assert_eq!(ours.versions(), rule.versions());
    assert_eq!(ours.versions().len(), 2);
}

/// Oldest first, and a failure ends the name: old content is never visible again.
#[test]
fn p12_a_failure_in_the_middle_uncovers_nothing() {
    for failing in 0..3 {
        let places = Places::new();
        for content in ["first", "second", "third"] {
            places
                .world
                .bucket
                .upload_bytes(content.as_bytes(), "home/a")
                .unwrap();
        }
        places.write("other", "1", 1_000_000_000);
        let fault = Fault::on(Operation::DeleteFileVersion)
            .after(failing)
            .status(403, "no", "no");
        places.world.inject(fault.times(1));
        let options = SyncOptions::new().orphans(Orphans::Delete);
        let report = incomplete(places.up(options.clone()).run());
        assert_eq!(
            (report.failures, report.deleted_versions),
            (1, failing as u64)
        );
        assert_eq!(places.stored()["a"], "third");
        places.up(options).run().unwrap();
        assert_eq!(places.stored().keys().collect::<Vec<_>>(), ["other"]);
    }
}

/// More versions than a thread is given at a time: those that follow wait for them.
#[test]
fn p12_a_failure_among_many_versions_uncovers_nothing() {
    const VERSIONS: usize = 250;
    let places = Places::of(World::with(|builder| builder.workers(4)));
    for number in 0..VERSIONS {
        let content = number.to_string();
        let bucket = &places.world.bucket;
        bucket.upload_bytes(content.as_bytes(), "home/a").unwrap();
    }
    places.write("other", "1", 1_000_000_000);
    let fault = Fault::on(Operation::DeleteFileVersion)
        .after(90)
        .status(403, "no", "no");
    places.world.inject(fault.times(1));
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let report = incomplete(places.up(options.clone()).run());
    assert_eq!((report.failures, report.deleted_versions), (1, 90));
    assert_eq!(places.world.count(Operation::DeleteFileVersion), 91);
    assert_eq!(places.stored()["a"], (VERSIONS - 1).to_string());
    // The next run deletes the others, and each of them after all that are older.
    places.world.service.log().clear();
    let report = places.up(options).run().unwrap();
    assert_eq!(report.deleted_versions, VERSIONS as u64 - 90);
    assert_eq!(places.stored().keys().collect::<Vec<_>>(), ["other"]);
}

/// Somebody protects a version after it was listed, when it is about to be deleted.
#[test]
fn c39_a_version_that_is_locked_after_it_was_listed_is_no_failure() {
    struct Hold(b2sdk::Bucket);
    impl SyncObserver for Hold {
        fn step(&self, step: &SyncStep) {
            if step.name == "a" {
                let version = self.0.get_file_info_by_name("a").unwrap();
                self.0
                    .update_file_legal_hold(&version.file_id, "a", &LegalHold::On)
                    .unwrap();
            }
        }
    }
    let places = Places::new();
    let lockable = b2sdk::CreateBucketOptions::new().file_lock(true);
    let kind = b2sdk::BucketType::AllPrivate;
    let api = &places.world.api;
    let bucket = api.create_bucket_with("example-locked", kind, &lockable);
    let bucket = bucket.unwrap();
    for name in ["a", "b"] {
        bucket.upload_bytes(b"1", name).unwrap();
    }
    places.write("kept", "1", 1_000_000_000);
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let sync = Synchronizer::new(places.local(), bucket.folder("")).options(options);
    let settings = SyncRun::new().observer(Hold(bucket.clone()));
    let report = sync.run_with(&settings).unwrap();
    assert_eq!(
        (report.retained, report.deleted_versions, report.failures),
        (1, 1, 0)
    );
    assert_eq!(places.world.count(Operation::DeleteFileVersion), 2);
    let left = bucket.ls("").unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().version.file_name).collect();
    assert_eq!(left, ["a", "kept"]);
}

/// Retained versions are kept and counted, each run anew, and nothing that covers them goes.
#[test]
fn c39_retained_versions_are_no_failures() {
    let places = Places::new();
    let bucket = places
        .world
        .api
        .create_bucket_with(
            "example-locked",
            b2sdk::BucketType::AllPrivate,
            &b2sdk::CreateBucketOptions::new().file_lock(true),
        )
        .unwrap();
    let until = places.world.service.now() + DAY * 10;
    let retained = UploadOptions::new().retention(FileRetention::governance(until));
    let held = UploadOptions::new().legal_hold(LegalHold::On);
    bucket.upload_bytes_with(b"1", "a", &retained).unwrap();
    bucket.upload_bytes(b"2", "a").unwrap();
    bucket.upload_bytes_with(b"1", "b", &held).unwrap();
    bucket.upload_bytes(b"1", "c").unwrap();
    bucket.upload_bytes(b"2", "c").unwrap();
    places.write("kept", "1", 1_000_000_000);
    let options = SyncOptions::new().orphans(Orphans::Delete);
    let sync = Synchronizer::new(places.local(), bucket.folder("")).options(options);
    for round in 0..2 {
        let (outcome, _) = run(&sync);
        let report = outcome.unwrap();
        let deleted = if round == 0 { 2 } else { 0 };
        assert_eq!((report.retained, report.deleted_versions), (3, deleted));
        let left = bucket
            .ls("")
            .unwrap()
            .map(|entry| entry.unwrap().version.file_name);
        assert_eq!(left.collect::<Vec<_>>(), ["a", "b", "kept"]);
    }
}

/// A hidden name that the source does not have is not hidden once more, although its versions are listed.
#[test]
fn what_is_hidden_is_not_hidden_again() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    bucket.upload_bytes(b"1", "home/gone").unwrap();
    bucket.hide_file("home/gone").unwrap();
    places.write("other", "1", 1_000_000_000);
    let sync = places.up(keeping(30));
    assert_eq!(plan(&sync), ["upload other"]);
    assert_eq!(sync.run().unwrap().hidden, 0);
    assert_eq!(places.world.count(Operation::HideFile), 1);
}

/// What the key cannot do is refused before the first transfer, with the capability named.
#[test]
fn c38_a_key_that_may_not_delete_is_refused_at_once() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let capabilities = ["listBuckets", "listFiles", "readFiles", "writeFiles"];
    let api = places.world.restricted(KeyRequest::new(capabilities));
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    places.world.service.log().clear();
    let sync = |options| {
        Synchronizer::new(LocalFolder::new(places.root()), bucket.folder("home")).options(options)
    };
    let refusal = |outcome| match outcome {
        Err(SyncError::Refused(Refused::NotAllowed(error))) => match *error {
            b2sdk::Error::NotAllowed(refusal) => refusal.missing.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let deleting = SyncOptions::new().orphans(Orphans::Delete);
    assert_eq!(refusal(sync(deleting).run()), [Capability::DeleteFiles]);
    let pruning = SyncOptions::new().old_versions(OldVersions::Delete);
    assert_eq!(refusal(sync(pruning).run()), [Capability::DeleteFiles]);
    assert_eq!(places.world.total(), 0);
    sync(SyncOptions::new()).run().unwrap();
    fs::remove_file(places.path("a")).unwrap();
    places.write("b", "1", 1_000_000_000);
    let report = sync(SyncOptions::new().orphans(Orphans::Hide))
        .run()
        .unwrap();
    assert_eq!(report.hidden, 1);
}

/// Hiding orphans keeps their versions, and deleting old versions does not.
#[test]
fn contradictions_are_refused() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    let options = SyncOptions::new()
        .orphans(Orphans::Hide)
        .old_versions(OldVersions::Delete);
    let inside = SyncOptions::new()
        .orphans(Orphans::Delete)
        .set_aside(places.path("aside"));
    for sync in [
        places.up(options),
        places.up(inside.clone()),
        places.down(inside),
        places.down(SyncOptions::new().old_versions(OldVersions::Delete)),
    ] {
        let outcome = sync.run();
        assert!(matches!(
            outcome,
            Err(SyncError::Refused(Refused::Contradiction { .. }))
        ));
    }
    assert_eq!(places.world.total(), 0);
}

/// Hidden names do not count for the limit on removals, although their versions are deleted.
#[test]
fn what_is_hidden_is_deleted_whatever_the_limit() {
    let places = Places::new();
    let bucket = &places.world.bucket;
    places.write("kept", "1", 1_000_000_000);
    bucket.upload_bytes(b"1", "home/hidden").unwrap();
    bucket.hide_file("home/hidden").unwrap();
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .removal_limit(b2sdk::sync::RemovalLimit::Count(0));
    let report = places.up(options).run().unwrap();
    assert_eq!((report.uploaded.files, report.deleted_versions), (1, 2));
}

/// Somebody else has done what a removal is for, when its turn comes.
#[test]
fn what_is_gone_or_hidden_already_is_no_failure() {
    struct Faster(b2sdk::Bucket);
    impl b2sdk::sync::SyncObserver for Faster {
        fn step(&self, step: &b2sdk::sync::SyncStep) {
            let name = format!("home/{}", step.name);
            match &step.action {
                b2sdk::sync::Action::Hide if step.name == "hidden" => {
                    self.0.hide_file(&name).unwrap();
                }
                b2sdk::sync::Action::Hide => {
                    let version = self.0.list_file_versions(&name).unwrap().next();
                    let id = version.unwrap().unwrap().file_id;
                    self.0.delete_file_version(&id, &name).unwrap();
                }
                b2sdk::sync::Action::DeleteVersion { file_id, .. } => {
                    self.0.delete_file_version(file_id, &name).unwrap();
                }
                _ => {}
            }
        }
    }
    for (orphans, expected) in [(Orphans::Hide, 2), (Orphans::Delete, 2)] {
        let places = Places::new();
        let bucket = &places.world.bucket;
        places.write("kept", "1", 1_000_000_000);
        for name in ["home/hidden", "home/gone"] {
            bucket.upload_bytes(b"1", name).unwrap();
        }
        let settings = b2sdk::sync::SyncRun::new().observer(Faster(bucket.clone()));
        let sync = places.up(SyncOptions::new().orphans(orphans));
        let report = sync.run_with(&settings).unwrap();
        assert_eq!(report.hidden + report.deleted_versions, expected);
        assert_eq!(places.stored().len(), 1);
    }
}

/// The file that was to be copied to its new name stays under the old one if that fails.
#[test]
fn what_could_not_be_copied_to_its_new_name_is_not_removed() {
    let places = Places::new();
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .renames(b2sdk::sync::Renames::Sha1 { from: 1 })
        .remove_despite_failures(true);
    places.write("old", "content", 1_000_000_000);
    places.write("gone", "1", 1_000_000_000);
    let sync = places.up(options);
    sync.run().unwrap();
    fs::rename(places.path("old"), places.path("new")).unwrap();
    fs::remove_file(places.path("gone")).unwrap();
    let refused = Fault::on(Operation::CopyFile).status(403, "access_denied", "no");
    places.world.inject(refused.always());
    let report = incomplete(sync.run());
    assert_eq!((report.failures, report.deleted_versions), (1, 1));
    assert_eq!(places.stored().into_keys().collect::<Vec<_>>(), ["old"]);
}

/// An older version that is not to be deleted keeps the newer ones of its name.
#[test]
fn what_is_newer_than_a_declined_version_stays() {
    struct KeepsOldest(std::sync::atomic::AtomicBool);
    impl b2sdk::sync::SyncObserver for KeepsOldest {
        fn approve(&self, step: &b2sdk::sync::SyncStep) -> bool {
            !step.is_removal() || self.0.swap(true, std::sync::atomic::Ordering::Relaxed)
        }
    }
    let places = Places::new();
    places.write("kept", "1", 1_000_000_000);
    for content in ["1", "22", "333"] {
        let bucket = &places.world.bucket;
        bucket.upload_bytes(content.as_bytes(), "home/a").unwrap();
    }
    let observer = KeepsOldest(std::sync::atomic::AtomicBool::new(false));
    let settings = b2sdk::sync::SyncRun::new().observer(observer);
    let sync = places.up(SyncOptions::new().orphans(Orphans::Delete));
    let report = sync.run_with(&settings).unwrap();
    assert_eq!((report.declined, report.deleted_versions), (1, 0));
}

/// After a file has vanished, old versions are deleted, and orphans are not.
#[test]
fn a_file_that_vanishes_keeps_orphans_alone() {
    struct Remove(std::path::PathBuf);
    impl b2sdk::sync::SyncObserver for Remove {
        fn step(&self, step: &b2sdk::sync::SyncStep) {
            if step.name == "vanishing" {
                fs::remove_file(&self.0).unwrap();
            }
        }
    }
    let places = Places::new();
    for name in ["changed", "orphan", "kept"] {
        places.write(name, "1", 1_000_000_000);
    }
    let options = SyncOptions::new()
        .orphans(Orphans::Delete)
        .old_versions(OldVersions::Delete);
    let sync = places.up(options);
    sync.run().unwrap();
    fs::remove_file(places.path("orphan")).unwrap();
    places.write("changed", "22", 1_000_000_001);
    places.write("vanishing", "1", 1_000_000_000);
    let observer = Remove(places.path("vanishing"));
    let report = incomplete(sync.run_with(&b2sdk::sync::SyncRun::new().observer(observer)));
    assert_eq!((report.vanished, report.deleted_versions), (1, 1));
    assert!(places.stored().contains_key("orphan"));
}
