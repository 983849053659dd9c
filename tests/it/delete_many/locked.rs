//! Versions that object lock holds: each is reported for itself, and the others go.

use std::collections::BTreeMap;
use std::time::Duration;

use b2sdk::delete::{DeleteManyOptions, DeleteMode, DeleteOutcome};
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{Bucket, Error, Operation, Timestamp, UploadOptions};

use super::all;
use crate::support::World;

const DAY: i64 = 24 * 3600 * 1000;

/// A bucket with a file of each kind of lock, named after it; `soon` is governed for a day, all others
/// that are retained for ten.
fn world() -> World {
    let world = World::with_object_lock(Simulator::start().unwrap());
    let free = world.bucket.upload_bytes(b"x", "free").unwrap();
    let now = free.version().upload_timestamp.as_millis();
    let days = |days: i64| Timestamp::from_millis(now + days * DAY);
    let retained = |retention| UploadOptions::new().retention(retention);
    for (name, options) in [
        ("compliance", retained(FileRetention::compliance(days(10)))),
        ("governance", retained(FileRetention::governance(days(10)))),
        ("held", UploadOptions::new().legal_hold(LegalHold::On)),
        (
            "held and governed",
            retained(FileRetention::governance(days(10))).legal_hold(LegalHold::On),
        ),
        ("soon", retained(FileRetention::governance(days(1)))),
    ] {
        world
            .bucket
            .upload_bytes_with(b"x", name, &options)
            .unwrap();
    }
    world.service.log().clear();
    world
}

/// Deletes all; the names that went, and those that object lock held.
fn delete_all(bucket: &Bucket, options: &DeleteManyOptions) -> (Vec<String>, Vec<String>) {
    let (mut gone, mut held) = (Vec::new(), Vec::new());
    for result in bucket.delete_many("", &all(), options).unwrap() {
        match result {
            Ok(removed) => {
                assert_eq!(removed.outcome, DeleteOutcome::Deleted);
                gone.push(removed.file.file_name);
            }
            Err(failed) => {
                assert!(matches!(failed.error, Error::Locked { .. }), "{failed:?}");
                held.push(failed.file.unwrap().file_name);
            }
        }
    }
    gone.sort();
    held.sort();
    (gone, held)
}

#[test]
fn what_is_locked_is_reported_for_each_file_and_the_others_go() {
    let world = world();
    let (plain, bypass) = (
        DeleteManyOptions::new(),
        DeleteManyOptions::new().bypass_governance(true),
    );
    let (gone, held) = delete_all(&world.bucket, &plain);
    assert_eq!(gone, ["free"]);
    assert_eq!(
        held,
        [
            "compliance",
            "governance",
            "held",
            "held and governed",
            "soon"
        ]
    );
    assert_eq!(
        world.count(Operation::AuthorizeAccount),
        0,
        "a lock is no matter of the token"
    );
    assert_eq!(world.count(Operation::DeleteFileVersion), 6, "each once");

    world
        .service
        .advance_clock(Duration::from_secs(2 * 24 * 3600));
    let (gone, held) = delete_all(&world.bucket, &plain);
    assert_eq!(gone, ["soon"], "its retention has ended");
    assert_eq!(
        held,
        ["compliance", "governance", "held", "held and governed"]
    );

    let (gone, held) = delete_all(&world.bucket, &bypass);
    assert_eq!(gone, ["governance"]);
    assert_eq!(held, ["compliance", "held", "held and governed"]);

    world
        .service
        .advance_clock(Duration::from_secs(9 * 24 * 3600));
    let (gone, held) = delete_all(&world.bucket, &plain);
    assert_eq!(gone, ["compliance"]);
    assert_eq!(held, ["held", "held and governed"], "a hold has no end");
}

#[test]
fn a_bypass_takes_only_the_governed_ones_at_once() {
    let world = world();
    let (gone, held) = delete_all(
        &world.bucket,
        &DeleteManyOptions::new().bypass_governance(true),
    );
    assert_eq!(gone, ["free", "governance", "soon"]);
    assert_eq!(held, ["compliance", "held", "held and governed"]);
}

#[test]
fn a_key_that_may_not_bypass_is_told_so_before_anything_is_sent() {
    let world = world();
    let capabilities = ["listBuckets", "listFiles", "deleteFiles", "writeFiles"];
    let api = world.restricted(KeyRequest::new(capabilities));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    let options = DeleteManyOptions::new().bypass_governance(true);
    let error = bucket.delete_many("", &all(), &options).unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    assert!(
        error.to_string().contains("needs bypassGovernance"),
        "{error}"
    );
    assert_eq!(world.total(), 0);

    let dry = options.clone().dry_run(true);
    assert_eq!(bucket.delete_many("", &all(), &dry).unwrap().count(), 6);
    let (gone, _) = delete_all(&bucket, &DeleteManyOptions::new());
    assert_eq!(gone, ["free"], "no bypass is asked for unless it is said");

    let able = capabilities.into_iter().chain(["bypassGovernance"]);
    let api = world.restricted(KeyRequest::new(able));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    let (gone, _) = delete_all(&bucket, &options);
    assert_eq!(gone, ["governance", "soon"]);
}

#[test]
fn a_bypass_that_the_service_refuses_fails_for_each_file_and_asks_for_no_token() {
    let world = world();
    // The key had it when the program authorized, as far as the program knows.
    world.inject(Fault::on(Operation::AuthorizeAccount).edit_json(|json| {
        let capabilities = &mut json["apiInfo"]["storageApi"]["allowed"]["capabilities"];
        capabilities
            .as_array_mut()
            .unwrap()
            .push("bypassGovernance".into());
    }));
    let api = world.restricted(KeyRequest::new(["listBuckets", "listFiles", "deleteFiles"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    let options = DeleteManyOptions::new().bypass_governance(true);
    let results = bucket.delete_many("", &all(), &options).unwrap();
    let files: BTreeMap<_, _> = results
        .map(|result| {
            let failed = result.unwrap_err();
            assert!(matches!(failed.error, Error::NotAllowed(_)), "{failed:?}");
            (failed.file.unwrap().file_name, failed.error.attempts())
        })
        .collect();
    assert_eq!(files.len(), 6);
    assert!(files.values().all(|attempts| *attempts == 1), "{files:?}");
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);
}

#[test]
fn hiding_is_hindered_by_no_lock_and_needs_no_bypass() {
    let world = world();
    let api = world.restricted(KeyRequest::new(["listBuckets", "listFiles", "writeFiles"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    let options = DeleteManyOptions::new()
        .mode(DeleteMode::Hide)
        .bypass_governance(true);
    let listing = b2sdk::LsOptions::new().recursive(true);
    let results = bucket.delete_many("", &listing, &options).unwrap();
    let outcomes: Vec<_> = results.map(|result| result.unwrap().outcome).collect();
    assert_eq!(outcomes, [DeleteOutcome::Hidden; 6]);
    let (gone, held) = delete_all(&world.bucket, &DeleteManyOptions::new());
    assert_eq!(gone.len(), 7, "six markers and a file");
    assert_eq!(held.len(), 5);
}
