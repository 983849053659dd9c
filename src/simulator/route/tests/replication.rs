//! Replication configurations.

use super::*;

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
