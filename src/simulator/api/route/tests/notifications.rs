//! Event notification rules.

use super::*;

fn rule(name: &str, types: &[&str], prefix: &str) -> Value {
    json!({ "name": name, "eventTypes": types, "objectNamePrefix": prefix, "isEnabled": true,
        "targetConfiguration": { "targetType": "webhook", "url": "https://hooks.test/b2" } })
}

fn with(field: &str, value: Value) -> Value {
    let mut rule = rule("rule-1", &["b2:ObjectCreated:*"], "");
    rule[field] = value;
    rule
}

fn with_target(field: &str, value: Value) -> Value {
    let mut rule = rule("rule-1", &["b2:ObjectCreated:*"], "");
    rule["targetConfiguration"][field] = value;
    rule
}

fn set(user: &User<'_>, bucket: &str, rules: Value) -> Answer {
    let body = json!({ "bucketId": bucket, "eventNotificationRules": rules });
    user.call("b2_set_bucket_notification_rules", body)
}

#[test]
fn rules_are_replaced_and_listed_by_name() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let rules = json!([
        rule("zebra-1", &["b2:ObjectCreated:Copy"], ""),
        rule("alpha-1", &["b2:HideMarkerCreated:*"], "")
    ]);
    let answer = set(&user, &bucket, rules).ok();
    let first = &answer["eventNotificationRules"][0];
    assert_eq!(first["name"], "alpha-1");
    assert_eq!(first["isSuspended"], false);
    assert_eq!(first["suspensionReason"], "");
    assert_eq!(first["maxEventsPerBatch"], 1);
    let target = &first["targetConfiguration"];
    assert_eq!(target["customHeaders"], Value::Null);
    assert_eq!(target["hmacSha256SigningSecret"], Value::Null);
    let url = format!("/b2api/v4/b2_get_bucket_notification_rules?bucketId={bucket}");
    assert_eq!(user.get(&url).ok(), answer);
    let empty = set(&user, &bucket, json!([])).ok();
    assert_eq!(empty["eventNotificationRules"], json!([]));
    let reader = User::restricted(&world, &["readBucketNotifications"], None, None);
    reader.get(&url).ok();
    set(&reader, &bucket, json!([])).refused(401, "unauthorized");
    set(&user, "a70c34e19f10595d73db0e28", json!([])).refused(400, "bad_bucket_id");
}

#[test]
fn bad_rules_are_refused() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let header = |name: &str| json!([{ "name": name, "value": "x" }]);
    for bad in [
        with("name", json!("tiny")),
        with("name", json!("b2-rule")),
        with("isEnabled", Value::Null),
        with("objectNamePrefix", Value::Null),
        with("maxEventsPerBatch", json!(51)),
        with("targetConfiguration", Value::Null),
        with_target("url", json!("http://hooks.test/")),
        with_target("targetType", json!("mail")),
        with_target("hmacSha256SigningSecret", json!("short")),
        with_target("customHeaders", header("X-Bz-Own")),
    ] {
        set(&user, &bucket, json!([bad])).refused(400, "bad_request");
    }
    for (types, code) in [
        (vec![], "event_types_empty"),
        (vec!["b2:ObjectCreated:Hide"], "event_type_invalid"),
        (vec!["b2:*"], "event_type_invalid"),
        (
            vec!["b2:ObjectCreated:*", "b2:ObjectCreated:Copy"],
            "event_type_overlap",
        ),
    ] {
        set(&user, &bucket, json!([rule("rule-1", &types, "")])).refused(400, code);
    }
    let created = ["b2:ObjectCreated:*"];
    let two = json!([
        rule("rule-1", &created, "a"),
        rule("rule-2", &created, "ab")
    ]);
    set(&user, &bucket, two).refused(400, "event_type_overlap");
    let twins = json!([rule("rule-1", &created, "a"), rule("rule-1", &created, "b")]);
    set(&user, &bucket, twins).refused(400, "bad_request");
    user.call(
        "b2_set_bucket_notification_rules",
        json!({ "bucketId": bucket }),
    )
    .refused(400, "bad_request");
}

/// Section 12 #21: accepted in the rule and in its target, answered in the rule.
#[test]
fn every_family_of_events_is_taken_whole_or_in_its_parts() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let families = [
        "ObjectCreated",
        "MultipartUploadCreated",
        "ObjectDeleted",
        "HideMarkerCreated",
    ];
    let whole: Vec<String> = families
        .iter()
        .map(|family| format!("b2:{family}:*"))
        .collect();
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    set(&user, &bucket, json!([rule("rule-1", &whole, "")])).ok();
    let part = ["b2:MultipartUploadCreated:LiveRead"];
    set(&user, &bucket, json!([rule("rule-1", &part, "")])).ok();
    let both = ["b2:MultipartUploadCreated:*", part[0]];
    set(&user, &bucket, json!([rule("rule-1", &both, "")])).refused(400, "event_type_overlap");
}

#[test]
fn the_size_of_batches_is_taken_from_either_place() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    for given in [
        with("maxEventsPerBatch", json!(7)),
        with_target("maxEventsPerBatch", json!(7)),
    ] {
        let shown = set(&user, &bucket, json!([given])).ok();
        let rule = &shown["eventNotificationRules"][0];
        assert_eq!(rule["maxEventsPerBatch"], 7);
        assert_eq!(rule["targetConfiguration"].get("maxEventsPerBatch"), None);
    }
}
