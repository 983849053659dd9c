//! Deleting many versions at a time: what goes, what stays, and what a failure stops.

mod faults;
mod locked;
mod one_name;

use std::collections::BTreeSet;

use b2sdk::delete::{DeleteManyOptions, DeleteMode, DeleteOutcome, FileIdAndName};
use b2sdk::listing::Filter;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{CancelToken, Error, FileAction, LsOptions, Operation, Versions};

use crate::support::{BUCKET, World};

/// Files in and beside `a/`, and versions below some.
fn world() -> World {
    let world = World::new();
    for n in 0..30 {
        let name = format!("a/{n:02}");
        world.bucket.upload_bytes(b"1", &name).unwrap();
    }
    for name in ["a/00", "a/sub/x.tmp", "a/sub/y", "ab", "a.txt", "b/00"] {
        world.bucket.upload_bytes(b"2", name).unwrap();
    }
    world.bucket.hide_file("a/01").unwrap();
    world.service.log().clear();
    world
}

fn all() -> LsOptions {
    LsOptions::new().recursive(true).versions(Versions::All)
}

fn left(world: &World) -> Vec<String> {
    let listing = world.bucket.ls_with("", &all()).unwrap();
    listing
        .map(|entry| entry.unwrap().version.file_name)
        .collect()
}

#[test]
fn all_versions_of_a_folder_go_and_nothing_beside_it() {
    let world = world();
    let listing = all().page_size(7);
    let deletions = world
        .bucket
        .delete_many("a", &listing, &DeleteManyOptions::new())
        .unwrap();
    let removed: Vec<_> = deletions.map(Result::unwrap).collect();
    let distinct: BTreeSet<_> = removed.iter().map(|r| r.file.file_id.as_str()).collect();
    assert_eq!((removed.len(), distinct.len()), (34, 34));
    assert!(removed.iter().all(|r| r.outcome == DeleteOutcome::Deleted));
    assert_eq!(left(&world), ["a.txt", "ab", "b/00"]);
    assert_eq!(world.count(Operation::DeleteFileVersion), 34);
}

#[test]
fn only_the_latest_versions_go_if_only_they_are_listed_and_those_before_them_appear() {
    let world = world();
    let listing = LsOptions::new().recursive(true);
    let options = DeleteManyOptions::new();
    let count = world
        .bucket
        .delete_many("a", &listing, &options)
        .unwrap()
        .count();
    assert_eq!(count, 31, "a/01 is hidden, a/00 has two");
    assert_eq!(
        left(&world),
        ["a.txt", "a/00", "a/01", "a/01", "ab", "b/00"]
    );
}

#[test]
fn folders_are_left_alone_unless_the_listing_is_recursive() {
    let world = world();
    let listing = LsOptions::new().versions(Versions::All);
    let options = DeleteManyOptions::new();
    let results = world.bucket.delete_many("a", &listing, &options).unwrap();
    assert!(results.map(Result::unwrap).count() == 32);
    assert_eq!(
        left(&world),
        ["a.txt", "a/sub/x.tmp", "a/sub/y", "ab", "b/00"]
    );
}

#[test]
fn patterns_and_filters_choose_as_they_do_in_a_listing() {
    let world = world();
    let listing = all()
        .with_wildcard(true)
        .filters([Filter::exclude("*.tmp")]);
    let options = DeleteManyOptions::new();
    let results = world
        .bucket
        .delete_many("a/[!0-2]*", &listing, &options)
        .unwrap();
    let names: Vec<_> = results.map(|r| r.unwrap().file.file_name).collect();
    assert_eq!(names, ["a/sub/y"]);
}

#[test]
fn a_dry_run_tells_what_would_go_and_sends_nothing_but_listings() {
    let world = world();
    let options = DeleteManyOptions::new().dry_run(true);
    let results = world.bucket.delete_many("a", &all(), &options).unwrap();
    let outcomes: Vec<_> = results.map(|r| r.unwrap().outcome).collect();
    assert_eq!(outcomes, [DeleteOutcome::DryRun; 34]);
    assert_eq!(world.total(), world.count(Operation::ListFileVersions));
    assert_eq!(left(&world).len(), 37);
}

#[test]
fn hiding_keeps_all_versions_and_is_for_the_latest_only() {
    let world = world();
    let options = DeleteManyOptions::new().mode(DeleteMode::Hide);
    let latest = LsOptions::new().recursive(true);
    let results = world
        .bucket
        .delete_many("a/sub", &latest, &options)
        .unwrap();
    let outcomes: Vec<_> = results.map(|r| r.unwrap().outcome).collect();
    assert_eq!(outcomes, [DeleteOutcome::Hidden; 2]);
    let versions = world.versions("a/sub/y");
    let actions: Vec<_> = versions.iter().map(|version| &version.action).collect();
    assert_eq!(actions, [&FileAction::Hide, &FileAction::Upload]);
    let refused = world.bucket.delete_many("a", &all(), &options).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput { what: "mode", .. }));
    let again = versions.into_iter().map(Ok);
    let results = world.bucket.delete_versions(again, &options).unwrap();
    let outcomes: BTreeSet<_> = results
        .map(|r| format!("{:?}", r.unwrap().outcome))
        .collect();
    assert_eq!(outcomes, BTreeSet::from(["WasGone".to_owned()]));
}

#[test]
fn a_version_that_cannot_be_deleted_is_reported_and_the_others_go() {
    let world = world();
    world.inject(
        Fault::on(Operation::DeleteFileVersion)
            .after(3)
            .times(2)
            .status(401, "access_denied", "Access Denied"),
    );
    let options = DeleteManyOptions::new();
    let results = world.bucket.delete_many("a", &all(), &options).unwrap();
    let results: Vec<_> = results.collect();
    let failed: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert_eq!((results.len(), failed.len()), (34, 2));
    for failure in failed {
        let file = failure.file.as_ref().unwrap();
        assert_eq!(failure.error.status(), Some(401));
        assert!(left(&world).contains(&file.file_name));
        assert!(failure.to_string().contains(file.file_id.as_str()));
    }
    assert_eq!(left(&world).len(), 5);
}

#[test]
fn fail_fast_starts_nothing_after_the_first_failure() {
    let service = World::with(|builder| builder.workers(1));
    for n in 0..10 {
        service.bucket.upload_bytes(b"", &format!("{n}")).unwrap();
    }
    service.inject(Fault::on(Operation::DeleteFileVersion).after(3).status(
        401,
        "access_denied",
        "Access Denied",
    ));
    let options = DeleteManyOptions::new().fail_fast(true);
    let results = service.bucket.delete_many("", &all(), &options).unwrap();
    let results: Vec<_> = results.map(|r| r.is_ok()).collect();
    assert_eq!(results, [true, true, true, false]);
    assert_eq!(left(&service).len(), 7);
}

#[test]
fn an_error_that_every_file_would_meet_stops_all_of_it() {
    let world = world();
    world.service.expire_tokens().unwrap();
    world.inject(
        Fault::on(Operation::AuthorizeAccount)
            .always()
            .status(401, "unauthorized", ""),
    );
    let named = (0..500).map(|n| Ok(FileIdAndName::new(format!("4_z{n}"), "x")));
    let results = world
        .bucket
        .delete_versions(named, &DeleteManyOptions::new())
        .unwrap();
    let results: Vec<_> = results.collect();
    assert!(results.iter().all(Result::is_err));
    assert!(results.len() <= 20, "{}", results.len());
}

#[test]
fn a_listing_that_leaves_the_folder_deletes_nothing_outside() {
    let world = world();
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .always()
            .edit_json(|json| {
                // A service that ignores the prefix.
                if let Some(file) = json["files"].as_array_mut().unwrap().last_mut() {
                    file["fileName"] = "ab".into();
                }
            }),
    );
    let options = DeleteManyOptions::new();
    let results = world.bucket.delete_many("a", &all(), &options).unwrap();
    let names: Vec<_> = results.map(|r| r.unwrap().file.file_name).collect();
    assert_eq!(names.len(), 33);
    assert!(names.iter().all(|name| name.starts_with("a/")));
}

#[test]
fn a_listing_that_breaks_ends_the_results_with_its_error() {
    let world = world();
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .after(1)
            .always()
            .status(400, "bad_request", ""),
    );
    let options = DeleteManyOptions::new();
    let listing = all().page_size(5);
    let results = world.bucket.delete_many("a", &listing, &options).unwrap();
    let results: Vec<_> = results.collect();
    let broken: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(broken.len() == 1 && broken[0].file.is_none());
    assert_eq!(results.len(), 6, "what was listed is deleted and reported");
}

#[test]
fn versions_that_are_gone_already_are_no_failure() {
    let world = world();
    let versions = world.versions("a/00");
    for _ in 0..2 {
        let named = versions.clone().into_iter().map(Ok);
        let options = DeleteManyOptions::new();
        let results = world.bucket.delete_versions(named, &options).unwrap();
        let outcomes: Vec<_> = results.map(|r| r.unwrap().outcome).collect();
        let expected = match world.count(Operation::DeleteFileVersion) {
            2 => DeleteOutcome::Deleted,
            _ => DeleteOutcome::WasGone,
        };
        assert_eq!(outcomes, [expected; 2]);
    }
}

#[test]
fn nothing_is_deleted_ahead_of_results_that_nobody_takes() {
    let world = World::with(|builder| builder.workers(2));
    for n in 0..20 {
        world.bucket.upload_bytes(b"", &format!("{n:02}")).unwrap();
    }
    world.service.log().clear();
    let options = DeleteManyOptions::new();
    let mut results = world.bucket.delete_many("", &all(), &options).unwrap();
    assert_eq!(world.total(), 0);
    results.next().unwrap().unwrap();
    drop(results);
    assert!(world.count(Operation::DeleteFileVersion) <= 3);
    assert!(left(&world).len() >= 17);
}

#[test]
fn cancelling_ends_the_results() {
    let world = world();
    let token = CancelToken::new();
    let options = DeleteManyOptions::new().cancel(&token);
    let listing = all().page_size(1);
    let mut results = world.bucket.delete_many("", &listing, &options).unwrap();
    results.next().unwrap().unwrap();
    token.cancel();
    let rest: Vec<_> = results.collect();
    let cancelled = rest.iter().filter(|result| {
        let error = result.as_ref().err();
        error.is_some_and(|failed| matches!(failed.error, Error::Cancelled))
    });
    assert!(cancelled.count() >= 1);
    assert!(
        rest.len() <= 11 && left(&world).len() >= 26,
        "{}",
        rest.len()
    );
}

#[test]
fn a_key_that_may_not_delete_is_told_so_before_anything_is_sent() {
    let world = world();
    let key = KeyRequest::new(["listBuckets", "listFiles"]);
    let api = world.restricted(key);
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    world.service.log().clear();
    let options = DeleteManyOptions::new();
    let error = bucket.delete_many("a", &all(), &options).unwrap_err();
    assert!(
        error.to_string().contains("which needs deleteFiles"),
        "{error}"
    );
    assert_eq!(world.total(), 0);
    let dry = bucket
        .delete_many("a", &all(), &options.dry_run(true))
        .unwrap();
    assert_eq!(dry.count(), 34, "it may look what would go");
}
