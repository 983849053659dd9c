//! Replication: setting it up between two buckets, and seeing how far it is.

mod moving;
mod setup;

use b2sdk::replication::{Monitor, Pair, PairState, ReplicationRule, ReplicationStatus, Side};
use b2sdk::simulator::Fault;
use b2sdk::{B2Api, Bucket, BucketType, CancelToken, Error, Operation, UploadOptions};

use crate::support::World;

fn bucket(api: &B2Api, name: &str) -> Bucket {
    api.create_bucket(name, BucketType::AllPrivate).unwrap()
}

/// A world with a second bucket, and a rule from the first to it.
fn two_buckets() -> (World, Bucket, ReplicationRule) {
    let world = World::new();
    let west = bucket(&world.api, "west-bucket");
    let rule = ReplicationRule::new("to-west", west.id());
    (world, west, rule)
}

fn put(bucket: &Bucket, name: &str, content: &[u8]) {
    bucket.upload_bytes(content, name).unwrap();
}

fn put_with_author(bucket: &Bucket, name: &str, author: &str) {
    let options = UploadOptions::new().file_info([("author", author)].into_iter().collect());
    bucket.upload_bytes_with(b"x", name, &options).unwrap();
}

/// Lets listings of that bucket tell this of files of these names.
fn tell_status(world: &World, bucket: &Bucket, statuses: &'static [(&'static str, &'static str)]) {
    let id = bucket.id();
    let edit = move |json: &mut serde_json::Value| {
        for file in json["files"].as_array_mut().unwrap() {
            let told = statuses.iter().find(|(name, _)| file["fileName"] == *name);
            if let Some((_, status)) = told
                && file["bucketId"] == id.as_str()
            {
                file["replicationStatus"] = (*status).into();
            }
        }
    };
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .edit_json(edit)
            .always(),
    );
}

fn names(pairs: impl Iterator<Item = b2sdk::Result<Pair>>) -> Vec<(String, PairState)> {
    let name = |pair: &Pair| {
        let version = pair.source.as_ref().or(pair.destination.as_ref());
        version.unwrap().file_name.clone()
    };
    pairs
        .map(|pair| pair.unwrap())
        .map(|pair| (name(&pair), pair.state()))
        .collect()
}

#[test]
fn each_name_is_compared_by_its_newest_version() {
    let (world, west, rule) = two_buckets();
    let east = &world.bucket;
    for name in ["a-same", "b-other-content", "d-missing"] {
        put(east, name, b"x");
    }
    put(&west, "a-same", b"old");
    put(&west, "a-same", b"x");
    put(&west, "b-other-content", b"y");
    put_with_author(east, "c-other-info", "Zoë");
    put_with_author(&west, "c-other-info", "Åsa");
    put(&west, "e-only-there", b"x");
    put(east, "f-hidden", b"x");
    put(&west, "f-hidden", b"x");
    east.hide_file("f-hidden").unwrap();
    let monitor = Monitor::new(east, &rule).destination(&west);
    let seen: Vec<_> = names(monitor.pairs().unwrap())
        .into_iter()
        .map(|(name, state)| {
            let differs = (state.content_differs, state.metadata_differs);
            (name, state.source, state.destination, differs)
        })
        .collect();
    let file = || Side::File(None);
    let expected = [
        ("a-same", file(), file(), (false, false)),
        ("b-other-content", file(), file(), (true, false)),
        ("c-other-info", file(), file(), (false, true)),
        ("d-missing", file(), Side::Missing, (false, false)),
        ("e-only-there", Side::Missing, file(), (false, false)),
        ("f-hidden", Side::Hidden, file(), (false, false)),
    ]
    .map(|(name, source, destination, differs)| (name.to_owned(), source, destination, differs));
    assert_eq!(seen, expected);
    let report = monitor.scan().unwrap();
    assert_eq!(
        (
            report.files(|_| true),
            report.missing_on_destination(),
            report.missing_on_source(),
            report.differing(),
            report.hidden_on_source(),
        ),
        (6, 1, 1, 2, 1)
    );
}

#[test]
fn files_are_counted_by_what_became_of_them() {
    let (world, west, rule) = two_buckets();
    for name in ["done-1", "done-2", "waiting", "broken", "no-rule"] {
        put(&world.bucket, name, b"12345");
    }
    for name in ["done-1", "done-2"] {
        put(&west, name, b"12345");
    }
    tell_status(
        &world,
        &world.bucket,
        &[
            ("done-1", "completed"),
            ("done-2", "COMPLETED"),
            ("waiting", "PENDING"),
            ("broken", "failed"),
        ],
    );
    let monitor = Monitor::new(&world.bucket, &rule).destination(&west);
    let report = monitor.scan().unwrap();
    let count = |status| report.with_status(status);
    assert_eq!(
        [
            count(Some(&ReplicationStatus::Completed)),
            count(Some(&ReplicationStatus::Pending)),
            count(Some(&ReplicationStatus::Failed)),
            count(None),
        ],
        [2, 1, 1, 1]
    );
    assert!(!report.is_complete());
    let (_, done) = report
        .counts
        .iter()
        .find(|(state, _)| state.source == Side::File(Some(ReplicationStatus::Completed)))
        .unwrap();
    assert_eq!((done.files, done.bytes), (2, 10));
    let (first, last) = done.samples.clone().unwrap();
    assert_eq!((first.as_str(), last.as_str()), ("done-1", "done-2"));
}

#[test]
fn replication_is_complete_when_all_that_a_rule_applies_to_is_there() {
    let (world, west, rule) = two_buckets();
    for name in ["done", "no-rule", "came-from-elsewhere"] {
        put(&world.bucket, name, b"x");
    }
    tell_status(
        &world,
        &world.bucket,
        &[("done", "completed"), ("came-from-elsewhere", "replica")],
    );
    let monitor = Monitor::new(&world.bucket, &rule).destination(&west);
    assert!(!monitor.scan().unwrap().is_complete());
    put(&west, "done", b"x");
    assert!(monitor.scan().unwrap().is_complete());
    put(&west, "done", b"y");
    assert!(!monitor.scan().unwrap().is_complete());
}

#[test]
fn without_a_destination_only_the_source_is_asked() {
    let (world, _, rule) = two_buckets();
    put(&world.bucket, "photos/a", b"x");
    put(&world.bucket, "other", b"x");
    world.service.log().clear();
    let rule = rule.file_name_prefix("photos/");
    let seen = names(Monitor::new(&world.bucket, &rule).pairs().unwrap());
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, "photos/a");
    assert_eq!(seen[0].1.destination, Side::NotScanned);
    assert_eq!(world.total(), 1);
}

#[test]
fn files_are_listed_no_further_than_they_are_looked_at() {
    let (world, west, rule) = two_buckets();
    for bucket in [&world.bucket, &west] {
        put(bucket, "a", b"x");
        put(bucket, "b", b"x");
    }
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .edit_json(|json| json["nextFileName"] = "c".into())
            .always(),
    );
    world.service.log().clear();
    let monitor = Monitor::new(&world.bucket, &rule).destination(&west);
    let mut pairs = monitor.pairs().unwrap();
    assert_eq!(world.total(), 0);
    pairs.next().unwrap().unwrap();
    assert_eq!(world.count(Operation::ListFileVersions), 2);
}

#[test]
fn names_out_of_order_are_an_error_and_not_a_thousand_missing_files() {
    let (world, west, rule) = two_buckets();
    for bucket in [&world.bucket, &west] {
        for name in ["a", "b", "c"] {
            put(bucket, name, b"x");
        }
    }
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .edit_json(|json| json["files"].as_array_mut().unwrap().reverse()),
    );
    let monitor = Monitor::new(&world.bucket, &rule).destination(&west);
    let error = monitor.scan().unwrap_err();
    assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
}

#[test]
fn a_listing_that_fails_ends_the_pairs_with_its_error() {
    let (world, west, rule) = two_buckets();
    put(&world.bucket, "a", b"x");
    put(&west, "a", b"x");
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .after(1)
            .status(400, "bad_request", "no"),
    );
    let monitor = Monitor::new(&world.bucket, &rule).destination(&west);
    let mut pairs = monitor.pairs().unwrap();
    assert!(matches!(pairs.next(), Some(Err(Error::Service(_)))));
    assert!(pairs.next().is_none());
    let cancel = CancelToken::new();
    cancel.cancel();
    let error = monitor.cancel(&cancel).scan().unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error:?}");
}

#[test]
fn another_bucket_than_the_rules_is_not_compared() {
    let (world, _, rule) = two_buckets();
    let north = bucket(&world.api, "north-bucket");
    world.service.log().clear();
    let monitor = Monitor::new(&world.bucket, &rule).destination(&north);
    let error = monitor.scan().unwrap_err();
    assert!(error.to_string().contains("north-bucket"), "{error}");
    assert_eq!(world.total(), 0);
}
