//! Setting replication up: what it takes, what it leaves alone, and going on after a failure.

use std::sync::Barrier;

use b2sdk::keys::{Capability, CreateKeyOptions, KeyDetails};
use b2sdk::replication::{
    ReplicationConfiguration, ReplicationRule, SetupOptions, set_up, set_up_with,
};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    ApplicationKeyId, B2Api, Bucket, BucketDetails, Error, Operation, UpdateBucketOptions,
};

use super::bucket;
use crate::support::{BUCKET, World};

fn configuration(details: &BucketDetails) -> ReplicationConfiguration {
    let readable = details.replication_configuration.readable();
    readable.cloned().unwrap_or_default()
}

fn of(bucket: &Bucket) -> ReplicationConfiguration {
    configuration(&bucket.details().unwrap())
}

/// Which source keys a bucket accepts.
fn accepted(bucket: &Bucket) -> Vec<(ApplicationKeyId, ApplicationKeyId)> {
    let half = of(bucket).as_replication_destination.unwrap_or_default();
    half.source_to_destination_key_mapping.into_iter().collect()
}

fn source_key(bucket: &Bucket) -> Option<ApplicationKeyId> {
    of(bucket).as_replication_source?.source_application_key_id
}

fn keys(api: &B2Api) -> Vec<KeyDetails> {
    api.list_keys().unwrap().map(Result::unwrap).collect()
}

fn configure(bucket: &Bucket, configuration: ReplicationConfiguration) {
    let update = UpdateBucketOptions::new().replication_configuration(configuration);
    bucket.update(&update).unwrap();
}

/// Requests that change something.
fn changes(world: &World) -> usize {
    world.count(Operation::CreateKey) + world.count(Operation::UpdateBucket)
}

#[test]
fn two_buckets_get_keys_a_mapping_and_a_rule() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let options = SetupOptions::new()
        .file_name_prefix("photos/")
        .include_existing_files(true);
    let done = set_up_with(&world.bucket, &west, &options).unwrap();
    assert_eq!(configuration(&done.source), of(&world.bucket));
    assert_eq!(configuration(&done.destination), of(&west));
    let rule = ReplicationRule::new("west-bucket", west.id())
        .file_name_prefix("photos/")
        .include_existing_files(true);
    assert_eq!(of(&world.bucket).rules(), std::slice::from_ref(&rule));
    assert_eq!(done.rule, rule);
    assert_eq!(source_key(&world.bucket), Some(done.source_key.clone()));
    let mapping = (done.source_key.clone(), done.destination_key.clone());
    assert_eq!(accepted(&west), [mapping]);
    for (id, bucket, capability) in [
        (&done.source_key, &world.bucket, Capability::ReadFiles),
        (&done.destination_key, &west, Capability::WriteFiles),
    ] {
        let key = world.api.get_key(id).unwrap().unwrap();
        assert_eq!(key.bucket_ids, Some(vec![bucket.id()]));
        assert!(key.capabilities.contains(&capability));
        assert!(!key.capabilities.contains(&Capability::ListBuckets));
    }
}

#[test]
fn a_second_call_changes_nothing() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let first = set_up(&world.bucket, &west).unwrap();
    world.service.log().clear();
    assert_eq!(set_up(&world.bucket, &west).unwrap(), first);
    assert_eq!(changes(&world), 0);
}

/// Two keys stand for two accounts: the simulator has one account, and knows no bucket of another.
#[test]
fn each_side_is_set_up_by_the_account_that_its_bucket_came_from() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let capabilities = [
        "listBuckets",
        "writeBuckets",
        "readBucketReplications",
        "writeBucketReplications",
        "listKeys",
    ];
    let api = world.restricted(KeyRequest::new(capabilities));
    let theirs = api.get_bucket_by_name("west-bucket").unwrap();
    let error = set_up(&world.bucket, &theirs).unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    let name = |key: &KeyDetails| key.key_name.ends_with("-replication-source");
    assert_eq!(keys(&world.api).iter().filter(|key| name(key)).count(), 1);
    let api = world.restricted(KeyRequest::new(capabilities.into_iter().chain([
        "writeKeys",
        "writeFiles",
        "writeFileLegalHolds",
        "writeFileRetentions",
        "deleteFiles",
    ])));
    let theirs = api.get_bucket_by_name("west-bucket").unwrap();
    let done = set_up(&world.bucket, &theirs).unwrap();
    assert_eq!(accepted(&west), [(done.source_key, done.destination_key)]);
}

#[test]
fn what_is_configured_already_stays() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let north = bucket(&world.api, "north-bucket");
    set_up(&world.bucket, &north).unwrap();
    // Around in a circle, so that each bucket is a source and a destination.
    set_up(&north, &west).unwrap();
    set_up(&west, &world.bucket).unwrap();
    let before = [&world.bucket, &west, &north].map(of);
    let done = set_up(&world.bucket, &west).unwrap();
    let rules = of(&world.bucket).rules().to_vec();
    assert_eq!(rules, [before[0].rules()[0].clone(), done.rule.clone()]);
    assert_eq!(done.rule.priority, 133);
    assert_eq!(source_key(&world.bucket), Some(done.source_key.clone()));
    assert_eq!(
        of(&world.bucket).as_replication_destination,
        before[0].as_replication_destination
    );
    assert_eq!(
        of(&west).as_replication_source,
        before[1].as_replication_source
    );
    assert_eq!(accepted(&west).len(), 2);
    assert!(accepted(&west).contains(&(done.source_key, done.destination_key)));
    assert_eq!(of(&north), before[2]);
    // A key a bucket and side: those of the first round were used again.
    assert_eq!(keys(&world.api).len(), 6);
}

#[test]
fn after_a_failure_the_same_call_goes_on() {
    let lost = || {
        Fault::on(Operation::CreateKey)
            .reset_connection()
            .after_effect()
    };
    let refused = |operation| Fault::on(operation).status(400, "bad_request", "not now");
    for fault in [
        lost(),
        lost().after(1),
        refused(Operation::CreateKey).after(1),
        refused(Operation::UpdateBucket),
        refused(Operation::UpdateBucket).after(1),
        Fault::on(Operation::UpdateBucket)
            .reset_connection()
            .after_effect()
            .after(1),
    ] {
        let world = World::new();
        let west = bucket(&world.api, "west-bucket");
        world.inject(fault);
        set_up(&world.bucket, &west).unwrap_err();
        assert_eq!(world.service.faults().remaining(), 0);
        let done = set_up(&world.bucket, &west).unwrap();
        assert_eq!(of(&world.bucket).rules(), [done.rule]);
        assert_eq!(accepted(&west), [(done.source_key, done.destination_key)]);
        assert_eq!(keys(&world.api).len(), 2, "no key was made twice");
    }
}

#[test]
fn no_rule_leads_to_a_bucket_that_does_not_accept_it() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    world.inject(
        Fault::on(Operation::UpdateBucket)
            .after(1)
            .status(400, "bad_request", "not now"),
    );
    set_up(&world.bucket, &west).unwrap_err();
    assert!(of(&world.bucket).is_empty());
    assert_eq!(accepted(&west).len(), 1);
}

#[test]
fn what_cannot_be_set_up_makes_no_key() {
    let world = World::new();
    let north = bucket(&world.api, "north-bucket");
    let west = bucket(&world.api, "west-bucket");
    let south = bucket(&world.api, "south-bucket");
    for other in [&north, &west] {
        set_up(&world.bucket, other).unwrap();
    }
    world.service.log().clear();
    let refuse = |destination: &Bucket, options: &SetupOptions, wanted: &str| {
        let error = set_up_with(&world.bucket, destination, options).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refuse(&world.bucket, &SetupOptions::new(), "into itself");
    refuse(&south, &SetupOptions::new(), "at most 2");
    let taken = SetupOptions::new().rule_name("north-bucket");
    refuse(&west, &taken, "choose another name");
    refuse(&west, &SetupOptions::new().priority(0), "priority is 0");
    assert_eq!(changes(&world), 0);
}

#[test]
fn what_is_wrong_with_the_call_is_found_before_anything_is_made() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    world.service.log().clear();
    let error = set_up(&world.bucket, &world.bucket).unwrap_err();
    assert!(error.to_string().contains("into itself"), "{error}");
    for (options, wanted) in [
        (SetupOptions::new().priority(0), "priority is 0"),
        (SetupOptions::new().rule_name("a b"), "letters, digits"),
    ] {
        let error = set_up_with(&world.bucket, &west, &options).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    assert_eq!(changes(&world), 0);
}

#[test]
fn a_configuration_that_the_key_may_not_read_is_not_overwritten() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let api = world.restricted(KeyRequest::new([
        "listBuckets",
        "writeBuckets",
        "writeBucketReplications",
        "listKeys",
        "writeKeys",
    ]));
    let blind = api.get_bucket_by_name(BUCKET).unwrap();
    let error = set_up(&blind, &west).unwrap_err();
    assert!(
        error.to_string().contains("readBucketReplications"),
        "{error}"
    );
    assert_eq!(changes(&world), 0);
}

#[test]
fn a_key_that_was_deleted_is_replaced() {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let old = set_up(&world.bucket, &west).unwrap();
    for key in [&old.source_key, &old.destination_key] {
        world.api.delete_key(key).unwrap();
    }
    let new = set_up(&world.bucket, &west).unwrap();
    assert_ne!(new.source_key, old.source_key);
    assert_eq!(source_key(&world.bucket), Some(new.source_key.clone()));
    assert!(accepted(&west).contains(&(new.source_key, new.destination_key)));
    assert_eq!(of(&world.bucket).rules(), [new.rule]);
}

#[test]
fn a_living_key_that_other_rules_depend_on_is_not_replaced() {
    let world = World::new();
    let north = bucket(&world.api, "north-bucket");
    let west = bucket(&world.api, "west-bucket");
    let only = CreateKeyOptions::new().buckets([world.bucket.id()]);
    let weak = world
        .api
        .create_key_with("weak", [Capability::ReadFiles], &only)
        .unwrap();
    let weak = weak.details.application_key_id;
    let rule = ReplicationRule::new("to-north", north.id());
    let by_hand = ReplicationConfiguration::new().source(&weak, [rule]);
    configure(&world.bucket, by_hand.clone());
    world.service.log().clear();
    let error = set_up(&world.bucket, &west).unwrap_err();
    assert!(error.to_string().contains(weak.as_str()), "{error}");
    assert_eq!(changes(&world), 0);
    assert_eq!(of(&world.bucket), by_hand);
    // Nobody else depends on it here.
    let done = set_up(&world.bucket, &north).unwrap();
    assert_ne!(done.source_key, weak);
}

#[test]
fn two_that_set_up_at_once_agree_on_a_key() {
    let world = World::new();
    let others = ["north-bucket", "west-bucket"].map(|name| bucket(&world.api, name));
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for other in &others {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                start.wait();
                set_up(&world.bucket, other).unwrap();
            });
        }
    });
    assert_eq!(of(&world.bucket).rules().len(), 2);
    let key = source_key(&world.bucket).unwrap();
    for other in &others {
        let accepts = accepted(other).into_iter().any(|(source, _)| source == key);
        assert!(accepts, "{}", other.name());
    }
}

/// Each makes keys before it sees those of the others: what nobody uses is deleted again.
#[test]
fn several_that_set_up_at_once_leave_one_key_for_each_bucket() {
    let world = World::new();
    let make = |name: &str| {
        let made = world.api.create_bucket(name, b2sdk::BucketType::AllPrivate);
        made.unwrap()
    };
    let (source, destination) = (make("crowded-source"), make("crowded-destination"));
    let start = Barrier::new(6);
    std::thread::scope(|threads| {
        for _ in 0..6 {
            threads.spawn(|| {
                start.wait();
                set_up(&source, &destination).unwrap();
            });
        }
    });
    let keys: Vec<_> = world.api.list_keys().unwrap().map(Result::unwrap).collect();
    let names: Vec<_> = keys.iter().map(|key| key.key_name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let used = set_up(&source, &destination).unwrap();
    for id in [&used.source_key, &used.destination_key] {
        assert!(keys.iter().any(|key| key.application_key_id == *id));
    }
}

/// In each try, another program gives the source another key after its settings were read.
#[test]
fn others_that_keep_winning_are_a_conflict() {
    let world = World::new();
    let [north, west] = ["north-bucket", "west-bucket"].map(|name| bucket(&world.api, name));
    set_up(&world.bucket, &west).unwrap();
    let before = of(&world.bucket);
    let key = source_key(&world.bucket).unwrap();
    let keys = keys(&world.api);
    let like = keys.iter().find(|like| like.application_key_id == key);
    let options = CreateKeyOptions::new().buckets([world.bucket.id()]);
    let capabilities = like.unwrap().capabilities.clone();
    let earlier = world.api.create_key_with("earlier", capabilities, &options);
    let earlier = earlier.unwrap().details.application_key_id;
    // Each try reads the settings twice. The first time it sees those from before the other's change.
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let stale = Fault::on(Operation::ListBuckets).edit_json(move |answer| {
        let bucket = &mut answer["buckets"][0];
        if bucket["bucketName"] == BUCKET
            && reads
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
                .is_multiple_of(2)
        {
            bucket["revision"] = 1.into();
            let source = &mut bucket["replicationConfiguration"]["value"]["asReplicationSource"];
            assert!(source["sourceApplicationKeyId"].is_string());
            source["sourceApplicationKeyId"] = earlier.as_str().into();
        }
    });
    world.inject(stale.always());
    world.service.log().clear();
    let error = set_up(&world.bucket, &north).unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    // The destination accepts the key, and the source is asked for its change once.
    assert_eq!(world.count(Operation::UpdateBucket), 2);
    world.service.faults().clear();
    assert_eq!(of(&world.bucket), before);
}
