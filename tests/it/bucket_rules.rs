//! Lifecycle rules, CORS rules and bucket info: checked before anything is sent, and changed by
//! several at once without a loss.

use std::sync::Barrier;

use b2sdk::rules::{CorsRule, LifecycleRule};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, B2ApiBuilder, BucketDetails, BucketType, CreateBucketOptions, Error,
    InMemoryAccountInfo, Operation, RetryPolicy, UpdateBucketOptions,
};

use crate::support::{BUCKET, World, authorize};

/// What a refusal of these settings says; nothing may have been sent for them.
#[track_caller]
fn refused(world: &World, update: &UpdateBucketOptions) -> String {
    let error = world.bucket.update(update).unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert_eq!(world.total(), 0);
    error.to_string()
}

#[test]
fn rules_that_the_service_would_refuse_are_not_sent() {
    let world = World::new();
    let update = UpdateBucketOptions::new;
    let idle = LifecycleRule::new("a/");
    assert!(refused(&world, &update().lifecycle_rules([idle])).contains("lifecycle rules"));
    let pathful = CorsRule::new("downloads", ["https://example.com/"], ["s3_get"], 60);
    assert!(refused(&world, &update().cors_rules([pathful.clone()])).contains("CORS rules"));
    assert!(refused(&world, &update().info([("a b", "x")])).contains("bucket info"));
    let options = CreateBucketOptions::new().cors_rules([pathful]);
    let error = world
        .api
        .create_bucket_with("new-bucket", BucketType::AllPrivate, &options)
        .unwrap_err();
    assert!(error.to_string().contains("\"downloads\""), "{error}");
    assert_eq!(world.total(), 0);
}

/// What we let pass, the service takes: at the limits of every rule.
#[test]
fn rules_at_the_limits_are_taken_by_the_service() {
    let world = World::new();
    let hundred = (0..100).map(|n| LifecycleRule::new(format!("{n:03}/")).hide_after_days(1));
    let cors = ["six-ch".to_owned(), "x".repeat(50)]
        .map(|name| CorsRule::new(name, ["https://*.example.com"], ["s3_get"], 86_400));
    let update = UpdateBucketOptions::new()
        .lifecycle_rules(hundred)
        .cors_rules(cors)
        .info([("owner_1-a", "Zoë"), ("Cache-Control", "max-age=3600")]);
    let details = world.bucket.update(&update).unwrap();
    assert_eq!(
        (details.lifecycle_rules.len(), details.cors_rules.len()),
        (100, 2)
    );
}

/// Adds one name to the bucket's info.
fn add(details: &BucketDetails, name: &str) -> UpdateBucketOptions {
    let mut info = details.bucket_info.clone();
    info.insert(name.to_owned(), "1".to_owned());
    UpdateBucketOptions::new().info(info)
}

#[test]
fn a_change_that_somebody_else_overtook_is_made_on_top_of_theirs() {
    let world = World::new();
    let mut tries = 0;
    let details = world
        .bucket
        .modify(|details| {
            tries += 1;
            if tries == 1 {
                world.bucket.set_info([("theirs", "1")])?;
            }
            Ok(add(details, "ours"))
        })
        .unwrap();
    assert_eq!((tries, world.count(Operation::UpdateBucket)), (2, 3));
    let names: Vec<_> = details.bucket_info.keys().map(String::as_str).collect();
    assert_eq!(names, ["ours", "theirs"]);
    assert_eq!(world.bucket.details().unwrap(), details);
}

#[test]
fn two_writers_at_once_lose_no_change() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(100)));
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for writer in ["a", "b"] {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                let api = another_api(world, |builder| {
                    builder.retry(RetryPolicy::default().max_attempts(100))
                });
                let bucket = api.get_bucket_by_name(BUCKET).unwrap();
                for n in 0..5 {
                    start.wait();
                    bucket
                        .modify(|details| Ok(add(details, &format!("{writer}{n}"))))
                        .unwrap();
                }
            });
        }
    });
    let info = world.bucket.details().unwrap().bucket_info;
    assert_eq!(info.len(), 10, "{info:?}");
}

fn another_api(world: &World, settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder) -> B2Api {
    let clock = Clock::manual();
    let builder = B2Api::builder(InMemoryAccountInfo::with_clock(clock.clone())).clock(&clock);
    let api = settings(builder).build().unwrap();
    let service: &Simulator = &world.service;
    authorize(&api, service);
    api
}

#[test]
fn whoever_is_always_overtaken_gives_up() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(4)));
    world.inject(
        Fault::on(Operation::UpdateBucket)
            .status(409, "conflict", "simultaneous updates to bucket")
            .always(),
    );
    let error = world
        .bucket
        .modify(|details| Ok(add(details, "ours")))
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(
        (
            world.count(Operation::UpdateBucket),
            world.count(Operation::ListBuckets)
        ),
        (4, 4)
    );
}

#[test]
fn a_change_to_nothing_is_not_written_and_a_failed_one_neither() {
    let world = World::new();
    let details = world
        .bucket
        .modify(|_| Ok(UpdateBucketOptions::new()))
        .unwrap();
    assert_eq!(details, world.bucket.details().unwrap());
    let error = world.bucket.modify(|_| Err(Error::Cancelled)).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
    assert_eq!(world.count(Operation::UpdateBucket), 0);
}

/// Nobody can tell a change that was made from one that was not: the caller must know.
#[test]
fn a_change_whose_answer_is_lost_is_not_made_twice() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UpdateBucket)
            .reset_connection()
            .after_effect(),
    );
    let mut tries = 0;
    let error = world
        .bucket
        .modify(|details| {
            tries += 1;
            Ok(add(details, "ours"))
        })
        .unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert_eq!((tries, world.count(Operation::UpdateBucket)), (1, 1));
    assert_eq!(world.bucket.details().unwrap().bucket_info["ours"], "1");
}

/// Rules that a newer service answered survive a change of something else in the same list.
#[test]
fn rules_with_members_that_came_later_can_be_changed() {
    let world = World::new();
    let rule = LifecycleRule::new("logs/").hide_after_days(30);
    let update = UpdateBucketOptions::new().lifecycle_rules([rule]);
    world.bucket.update(&update).unwrap();
    world.inject(Fault::on(Operation::ListBuckets).edit_json(|json| {
        json["buckets"][0]["lifecycleRules"][0]["freezeAfter"] = serde_json::json!({"days": 7});
    }));
    let mut kept = None;
    world
        .bucket
        .modify(|details| {
            let mut rules = details.lifecycle_rules.clone();
            kept = rules[0].extra.get("freezeAfter").cloned();
            rules.push(LifecycleRule::new("tmp/").hide_after_days(1));
            Ok(UpdateBucketOptions::new().lifecycle_rules(rules))
        })
        .unwrap();
    assert_eq!(kept.unwrap()["days"], 7);
}
