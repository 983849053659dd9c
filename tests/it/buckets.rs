//! Buckets: making, finding, changing, deleting, and what is remembered of them.

use b2sdk::error::ErrorCode;
use b2sdk::rules::{CorsRule, LifecycleRule};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{BucketType, CreateBucketOptions, Error, Operation, UpdateBucketOptions};

use crate::support::{BUCKET, World};

#[test]
fn settings_of_a_new_bucket_are_kept() {
    let world = World::new();
    let rule = LifecycleRule::new("logs/")
        .hide_after_days(30)
        .delete_hidden_after_days(1);
    let cors = CorsRule::new(
        "downloads",
        ["https://example.com"],
        ["b2_download_file_by_name"],
        3600,
    )
    .allowed_headers(["range"]);
    let options = CreateBucketOptions::new()
        .info([("purpose", "photos")])
        .lifecycle_rules([rule.clone()])
        .cors_rules([cors.clone()]);
    let bucket = world
        .api
        .create_bucket_with("settings-bucket", BucketType::AllPublic, &options)
        .unwrap();
    let details = bucket.details().unwrap();
    assert_eq!(
        (details.bucket_id, details.bucket_type),
        (bucket.id(), BucketType::AllPublic)
    );
    assert_eq!(
        (
            details.bucket_info["purpose"].as_str(),
            details.lifecycle_rules,
            details.cors_rules
        ),
        ("photos", vec![rule], vec![cors])
    );
}

#[test]
fn a_bucket_that_was_found_once_is_not_looked_up_again() {
    let world = World::new();
    world
        .api
        .create_bucket("second-bucket", BucketType::AllPrivate)
        .unwrap();
    world.service.log().clear();
    let bucket = world.api.get_bucket_by_name("second-bucket").unwrap();
    assert_eq!(
        world.api.get_bucket_by_id(bucket.id()).unwrap().name(),
        "second-bucket"
    );
    assert_eq!(world.total(), 0);
    world.api.account_info().clear().unwrap();
    crate::support::authorize(&world.api, &world.service);
    for _ in 0..3 {
        assert_eq!(
            world.api.get_bucket_by_name("second-bucket").unwrap().id(),
            bucket.id()
        );
    }
    assert_eq!(world.count(Operation::ListBuckets), 1);
}

#[test]
fn listing_tells_all_buckets_and_remembers_them() {
    let world = World::new();
    world
        .api
        .create_bucket("a-bucket", BucketType::AllPrivate)
        .unwrap();
    let names: Vec<_> = world
        .api
        .list_buckets()
        .unwrap()
        .iter()
        .map(|bucket| bucket.name().to_owned())
        .collect();
    assert_eq!(names, ["a-bucket", BUCKET]);
    let owner = world
        .api
        .account_info()
        .auth()
        .unwrap()
        .unwrap()
        .identity()
        .clone();
    assert_eq!(world.api.account_info().buckets(&owner).unwrap().len(), 2);
}

#[test]
fn a_name_that_is_taken_is_its_own_error() {
    let world = World::new();
    for name in [BUCKET.to_owned(), BUCKET.to_uppercase()] {
        let name = name.replace("B2-1", "b2-1");
        let error = world
            .api
            .create_bucket(&name, BucketType::AllPrivate)
            .unwrap_err();
        assert!(
            matches!(&error, Error::BucketNameTaken { name: taken, .. } if **taken == *name),
            "{error:?}"
        );
    }
}

#[test]
fn updates_replace_what_they_name_and_nothing_else() {
    let world = World::new();
    let before = world.bucket.set_info([("a", "1")]).unwrap();
    let after = world.bucket.set_type(BucketType::AllPublic).unwrap();
    assert_eq!(
        (after.bucket_info, after.bucket_type),
        (before.bucket_info, BucketType::AllPublic)
    );
    assert!(after.revision > before.revision);
    let stale = UpdateBucketOptions::new()
        .info([("b", "2")])
        .if_revision_is(before.revision);
    assert!(matches!(
        world.bucket.update(&stale).unwrap_err(),
        Error::Conflict(_)
    ));
    let fresh = UpdateBucketOptions::new()
        .info([("b", "2")])
        .if_revision_is(after.revision);
    assert_eq!(world.bucket.update(&fresh).unwrap().bucket_info["b"], "2");
    assert_eq!(world.bucket.details().unwrap().bucket_info["b"], "2");
}

#[test]
fn a_key_for_one_bucket_finds_it_without_asking() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["readFiles"]).bucket(BUCKET));
    assert_eq!(
        api.get_bucket_by_name(BUCKET).unwrap().id(),
        world.bucket.id()
    );
    assert_eq!(
        api.get_bucket_by_id(world.bucket.id()).unwrap().name(),
        BUCKET
    );
    assert_eq!(world.total(), 0);
}

#[test]
fn a_restricted_key_is_told_at_once_that_other_buckets_are_not_its() {
    let world = World::new();
    world
        .api
        .create_bucket("other-bucket", BucketType::AllPrivate)
        .unwrap();
    let api = world.restricted(KeyRequest::new(["listBuckets"]).bucket(BUCKET));
    let error = api.get_bucket_by_name("other-bucket").unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    assert!(
        error.to_string().contains("other-bucket") && error.to_string().contains(BUCKET),
        "{error}"
    );
    assert_eq!(world.total(), 0);
}

#[test]
fn a_key_for_two_buckets_lists_exactly_those() {
    let world = World::new();
    for name in ["first-of-two", "second-of-two"] {
        world
            .api
            .create_bucket(name, BucketType::AllPrivate)
            .unwrap();
    }
    let api = world.restricted(
        KeyRequest::new(["listBuckets"])
            .bucket("first-of-two")
            .bucket("second-of-two")
            .name_prefix("p/"),
    );
    let names: Vec<_> = api
        .list_buckets()
        .unwrap()
        .iter()
        .map(|bucket| bucket.name().to_owned())
        .collect();
    assert_eq!(names, ["first-of-two", "second-of-two"]);
    let allowed = api.allowed().unwrap();
    assert_eq!(
        (
            allowed.buckets.unwrap().len(),
            allowed.name_prefix.as_deref()
        ),
        (2, Some("p/"))
    );
}

#[test]
fn a_bucket_that_was_made_anew_is_found_by_its_name() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let old = world.bucket.id();
    // Behind our back, as another program would do it.
    let other = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    crate::support::authorize(&other, &world.service);
    let theirs = other.get_bucket_by_name(BUCKET).unwrap();
    let version = theirs.get_file_info_by_name("x").unwrap();
    theirs.delete_file_version(&version.file_id, "x").unwrap();
    other.delete_bucket(&theirs).unwrap();
    let new = other.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();

    assert_eq!(world.bucket.ls("").unwrap().count(), 0);
    assert_ne!(world.bucket.id(), old);
    assert_eq!(world.bucket.id(), new.id());
    world.bucket.upload_bytes(b"y", "y").unwrap();
    assert_eq!(world.api.get_bucket_by_name(BUCKET).unwrap().id(), new.id());
}

#[test]
fn deleting_never_reaches_a_bucket_that_only_has_the_same_name() {
    let world = World::new();
    let other = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    crate::support::authorize(&other, &world.service);
    other
        .delete_bucket(&other.get_bucket_by_name(BUCKET).unwrap())
        .unwrap();
    let new = other.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    assert!(
        world
            .api
            .delete_bucket(&world.bucket)
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(other.list_buckets().unwrap()[0].id(), new.id());
}

#[test]
fn a_bucket_with_files_is_not_deleted() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let error = world.api.delete_bucket(&world.bucket).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::CannotDeleteNonEmptyBucket));
    assert_eq!(
        world.api.get_bucket_by_name(BUCKET).unwrap().id(),
        world.bucket.id(),
        "still remembered"
    );
}

#[test]
fn a_bucket_that_is_gone_is_an_error_that_names_it() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListFileNames).status(
        400,
        "bad_bucket_id",
        "Bucket does not exist",
    ));
    world.inject(
        Fault::on(Operation::ListBuckets).edit_json(|json| json["buckets"] = serde_json::json!([])),
    );
    let error = world.bucket.ls("").unwrap().next().unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::BucketNotFound { bucket, .. } if **bucket == *BUCKET),
        "{error:?}"
    );
}

#[test]
fn many_programs_that_need_the_same_bucket_end_up_with_one() {
    let world = World::new();
    let ids = std::sync::Mutex::new(std::collections::BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
                crate::support::authorize(&api, &world.service);
                let bucket = api
                    .get_or_create_bucket("shared-bucket", BucketType::AllPrivate)
                    .unwrap();
                ids.lock().unwrap().insert(bucket.id());
            });
        }
    });
    assert_eq!(ids.lock().unwrap().len(), 1);
    world.inject(Fault::on(Operation::CreateBucket).status(
        400,
        "duplicate_bucket_name",
        "Bucket name is already in use.",
    ));
    let error = world
        .api
        .get_or_create_bucket("somebody-elses", BucketType::AllPrivate)
        .unwrap_err();
    assert!(matches!(error, Error::BucketNameTaken { .. }), "{error:?}");
}
