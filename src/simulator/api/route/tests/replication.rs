//! Replication configurations.

use md5::Md5;

use super::*;
use crate::simulator::maintenance::replication;

fn rule(name: &str, destination: &str) -> Value {
    json!({ "destinationBucketId": destination, "fileNamePrefix": "",
        "includeExistingFiles": false, "isEnabled": true, "priority": 1,
        "replicationRuleName": name })
}

fn source(rules: Value) -> Value {
    let source = json!({ "replicationRules": rules,
        "sourceApplicationKeyId": "0027c41f09d3be80000000006" });
    json!({ "asReplicationSource": source, "asReplicationDestination": null })
}

fn update(user: &User<'_>, bucket: &str, field: &str, value: Value) -> Answer {
    let mut body = json!({ "bucketId": bucket });
    body[field] = value;
    user.account_call("b2_update_bucket", body)
}

#[test]
fn a_configuration_is_shown_wrapped_and_cleared() {
    let world = world();
    let user = User::master(&world);
    let (from, to) = (
        user.create_bucket("bucket-1"),
        user.create_bucket("bucket-2"),
    );
    let field = "replicationConfiguration";
    let wanted = source(json!([rule("to-attic", &to)]));
    let shown = update(&user, &from, field, wanted.clone()).ok();
    let wrapped = json!({ "isClientAuthorizedToRead": true, "value": wanted });
    assert_eq!(shown[field], wrapped);
    let weak = User::restricted(&world, &["writeBuckets", "listBuckets"], None, None);
    update(&weak, &from, field, wanted).refused(401, "unauthorized");
    let seen = weak.account_call("b2_list_buckets", json!({})).ok();
    let hidden = json!({ "isClientAuthorizedToRead": false, "value": null });
    assert_eq!(seen["buckets"][0][field], hidden);
    update(&user, &from, "fileLockEnabled", json!(true))
        .refused(400, "source_replication_conflict");
    let mapping = json!({ "sourceToDestinationKeyMapping": { "key-1": "key-2" } });
    let taker = json!({ "asReplicationSource": null, "asReplicationDestination": mapping });
    update(&user, &to, field, taker).ok();
    update(&user, &to, "fileLockEnabled", json!(true)).ok();
    let none = json!({ "asReplicationSource": null, "asReplicationDestination": null });
    let cleared = update(&user, &from, field, none).ok();
    assert_eq!(cleared[field]["value"], Value::Null);
    update(&user, &from, "fileLockEnabled", json!(true)).ok();
}

#[test]
fn bad_configurations_are_refused() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let to = user.create_bucket("bucket-2");
    let with = |field: &str, value: Value| {
        let mut rule = rule("one", &to);
        rule[field] = value;
        source(json!([rule]))
    };
    let field = "replicationConfiguration";
    for bad in [
        source(json!([])),
        source(json!([rule("a", &to), rule("b", &to), rule("c", &to)])),
        source(json!([rule("a", &to), rule("a", &to)])),
        with("priority", json!(0)),
        with("priority", json!(2_147_483_648_u32)),
        with("replicationRuleName", json!("with space")),
        with("isEnabled", Value::Null),
        json!({ "asReplicationDestination": { "sourceToDestinationKeyMapping": {} } }),
        json!("none"),
    ] {
        update(&user, &bucket, field, bad).refused(400, "bad_request");
    }
    let unknown = with("destinationBucketId", json!("a70c34e19f10595d73db0e28"));
    update(&user, &bucket, field, unknown).refused(400, "bad_bucket_id");
}

/// A world with a source and a destination bucket that are set up for each other.
struct Pair {
    world: World,
    source: String,
    destination: String,
    keys: [String; 2],
}

impl Pair {
    fn new() -> Self {
        let world = world();
        let user = User::master(&world);
        let source = user.create_bucket("bucket-1");
        let destination = user.create_bucket("bucket-2");
        let keys = ["readFiles", "writeFiles"]
            .map(|capability| world.create_key("k", &[capability], None, None, None))
            .map(|key| key.unwrap().0);
        let pair = Self {
            world,
            source,
            destination,
            keys,
        };
        pair.accept(&pair.destination);
        pair.set_rules(json!([rule("one", &pair.destination)]));
        pair
    }

    fn user(&self) -> User<'_> {
        User::master(&self.world)
    }

    /// Lets this bucket take what the source's key reads.
    fn accept(&self, bucket: &str) {
        let mapping = json!({ &self.keys[0]: &self.keys[1] });
        let value = json!({ "asReplicationDestination":
            { "sourceToDestinationKeyMapping": mapping } });
        update(&self.user(), bucket, "replicationConfiguration", value).ok();
    }

    fn set_rules(&self, rules: Value) {
        let source = json!({ "replicationRules": rules, "sourceApplicationKeyId": &self.keys[0] });
        let value = json!({ "asReplicationSource": source });
        update(
            &self.user(),
            &self.source,
            "replicationConfiguration",
            value,
        )
        .ok();
    }

    fn run(&self) {
        replication::run(&self.world).unwrap();
    }

    /// Names and statuses of all versions.
    fn statuses(&self, bucket: &str) -> Vec<(String, Value)> {
        let page = self
            .user()
            .call("b2_list_file_versions", json!({ "bucketId": bucket }))
            .ok();
        let files = page["files"].as_array().unwrap().iter();
        files
            .map(|file| (id_of(file, "fileName"), file["replicationStatus"].clone()))
            .collect()
    }
}

fn statuses(expected: &[(&str, &str)]) -> Vec<(String, Value)> {
    let owned = |(name, status): &(&str, &str)| ((*name).to_owned(), json!(status));
    expected.iter().map(owned).collect()
}

/// Sections 3.3 and 8.3: the status is in every answer about the file and in a header of its download.
#[test]
fn a_replica_is_the_same_file_in_the_other_bucket() {
    let pair = Pair::new();
    let user = pair.user();
    let url = UploadUrl::get(&user, &pair.source);
    let file = url
        .upload("a", b"content", &[("X-Bz-Info-color", "blue")])
        .ok();
    assert_eq!(file["replicationStatus"], "PENDING");
    pair.run();
    assert_eq!(pair.statuses(&pair.source), statuses(&[("a", "COMPLETED")]));
    let page = user
        .call(
            "b2_list_file_versions",
            json!({ "bucketId": pair.destination }),
        )
        .ok();
    let replica = &page["files"][0];
    assert_eq!(replica["replicationStatus"], "REPLICA");
    for field in [
        "fileName",
        "contentSha1",
        "contentMd5",
        "fileInfo",
        "uploadTimestamp",
    ] {
        assert_eq!(replica[field], file[field], "{field}");
    }
    assert_ne!(replica["fileId"], file["fileId"]);
    let answer = user.get("/file/bucket-2/a");
    assert_eq!(answer.body, b"content");
    assert_eq!(answer.header("X-Bz-Replication-Status"), Some("REPLICA"));
    let delete = json!({ "fileName": "a", "fileId": file["fileId"] });
    user.call("b2_delete_file_version", delete).ok();
    assert_eq!(user.get("/file/bucket-2/a").body, b"content");
    // A deletion is not replicated.
    pair.run();
    assert_eq!(
        pair.statuses(&pair.destination),
        statuses(&[("a", "REPLICA")])
    );
}

#[test]
fn large_files_are_replicated_when_they_are_finished() {
    let pair = Pair::new();
    let user = pair.user();
    let start = json!({ "bucketId": pair.source, "fileName": "l", "contentType": "a/b" });
    user.call("b2_start_large_file", start).ok();
    pair.run();
    assert_eq!(pair.statuses(&pair.source), statuses(&[("l", "PENDING")]));
    assert_eq!(pair.statuses(&pair.destination), []);
}

/// Neither hide markers nor replicas are replicated, nor files with keys of their owners or with much
/// info: those have no status from the start.
#[test]
fn markers_replicas_and_files_with_their_own_key_stay() {
    let pair = Pair::new();
    let user = pair.user();
    let third = user.create_bucket("bucket-3");
    pair.accept(&third);
    let mut on = rule("on", &third);
    on["includeExistingFiles"] = json!(true);
    let onward = json!({ "replicationRules": [on],
        "sourceApplicationKeyId": &pair.keys[0] });
    let mapping = json!({ &pair.keys[0]: &pair.keys[1] });
    let both = json!({ "asReplicationSource": onward, "asReplicationDestination":
        { "sourceToDestinationKeyMapping": mapping } });
    update(&user, &pair.destination, "replicationConfiguration", both).ok();
    let url = UploadUrl::get(&user, &pair.source);
    let customer = |what: &str| format!("X-Bz-Server-Side-Encryption-Customer-{what}");
    let names = ["Algorithm", "Key", "Key-Md5"].map(customer);
    let key = base64::prelude::BASE64_STANDARD.encode([7; 32]);
    let md5 = base64::prelude::BASE64_STANDARD.encode(Md5::digest([7; 32]));
    let headers = [
        (names[0].as_str(), "AES256"),
        (names[1].as_str(), key.as_str()),
        (names[2].as_str(), md5.as_str()),
    ];
    let uploaded = url.upload("secret", b"x", &headers).ok();
    assert_eq!(uploaded["replicationStatus"], Value::Null);
    let much = "x".repeat(2100);
    let uploaded = url
        .upload("much", b"x", &[("X-Bz-Info-note", much.as_str())])
        .ok();
    assert_eq!(uploaded["replicationStatus"], Value::Null);
    user.upload(&pair.source, "plain", b"x");
    user.hide(&pair.source, "plain").ok();
    pair.run();
    pair.run();
    let mut expected = statuses(&[
        ("much", ""),
        ("plain", ""),
        ("plain", "COMPLETED"),
        ("secret", ""),
    ]);
    for without in [0, 1, 3] {
        expected[without].1 = Value::Null;
    }
    assert_eq!(pair.statuses(&pair.source), expected);
    assert_eq!(
        pair.statuses(&pair.destination),
        statuses(&[("plain", "REPLICA")])
    );
    assert_eq!(pair.statuses(&third), []);
}

/// A version that was there before a rule has no status until a round takes it up, and none at all under
/// a rule for new files only.
#[test]
fn versions_that_a_new_rule_includes_get_their_status_in_the_next_round() {
    let pair = Pair::new();
    let user = pair.user();
    pair.set_rules(
        json!([{ "destinationBucketId": pair.destination, "fileNamePrefix": "new/",
        "includeExistingFiles": false, "isEnabled": true, "priority": 1,
        "replicationRuleName": "new-ones" }]),
    );
    user.upload(&pair.source, "old", b"x");
    user.upload(&pair.source, "new/1", b"x");
    pair.run();
    let mut expected = statuses(&[("new/1", "COMPLETED"), ("old", "")]);
    expected[1].1 = Value::Null;
    assert_eq!(pair.statuses(&pair.source), expected);
    let mut all = rule("all", &pair.destination);
    pair.set_rules(json!([all]));
    pair.run();
    assert_eq!(pair.statuses(&pair.source), expected);
    all["includeExistingFiles"] = json!(true);
    pair.set_rules(json!([all]));
    assert_eq!(pair.statuses(&pair.source), expected);
    pair.run();
    expected[1].1 = json!("COMPLETED");
    assert_eq!(pair.statuses(&pair.source), expected);
}

/// Section 3.7: of two rules for one destination that with the higher priority holds; disabled rules
/// hold for nothing.
#[test]
fn the_rule_with_the_higher_priority_decides() {
    let pair = Pair::new();
    let mut off = rule("off", &pair.destination);
    off["isEnabled"] = json!(false);
    pair.set_rules(json!([off]));
    let user = pair.user();
    user.upload(&pair.source, "old", b"x");
    pair.run();
    assert_eq!(pair.statuses(&pair.destination), []);
    let with = |name: &str, priority: u32, includes: bool| {
        let mut rule = rule(name, &pair.destination);
        rule["priority"] = json!(priority);
        rule["includeExistingFiles"] = json!(includes);
        rule
    };
    pair.set_rules(json!([with("low", 1, true), with("high", 2, false)]));
    pair.run();
    assert_eq!(pair.statuses(&pair.destination), []);
    pair.set_rules(json!([with("low", 1, false), with("high", 2, true)]));
    pair.run();
    let replicas = statuses(&[("old", "REPLICA")]);
    assert_eq!(pair.statuses(&pair.destination), replicas);
}

/// A lock goes with the file where the destination's key may write it and its bucket has file lock.
#[test]
fn a_locked_file_needs_a_destination_with_file_lock() {
    let pair = Pair::new();
    let user = pair.user();
    let clear = json!({ "asReplicationSource": null, "asReplicationDestination": null });
    let configuration = "replicationConfiguration";
    update(&user, &pair.source, configuration, clear).ok();
    update(&user, &pair.source, "fileLockEnabled", json!(true)).ok();
    let capabilities = ["writeFiles", "writeFileLegalHolds"];
    let writer = pair
        .world
        .create_key("w", &capabilities, None, None, None)
        .unwrap();
    let mapping = json!({ &pair.keys[0]: writer.0 });
    let taker = json!({ "asReplicationDestination": { "sourceToDestinationKeyMapping": mapping } });
    update(&user, &pair.destination, configuration, taker).ok();
    pair.set_rules(json!([rule("one", &pair.destination)]));
    let url = UploadUrl::get(&user, &pair.source);
    url.upload("held", b"x", &[("X-Bz-File-Legal-Hold", "on")])
        .ok();
    pair.run();
    assert_eq!(pair.statuses(&pair.source), statuses(&[("held", "FAILED")]));
    update(&user, &pair.destination, "fileLockEnabled", json!(true)).ok();
    pair.run();
    assert_eq!(
        pair.statuses(&pair.source),
        statuses(&[("held", "COMPLETED")])
    );
    let page = user
        .call(
            "b2_list_file_versions",
            json!({ "bucketId": pair.destination }),
        )
        .ok();
    assert_eq!(page["files"][0]["legalHold"]["value"], "on");
}
