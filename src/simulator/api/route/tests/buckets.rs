//! Buckets and their settings.

use super::*;

fn create(user: &User<'_>, name: &str, more: Value) -> Answer {
    let mut body = json!({ "bucketName": name, "bucketType": "allPrivate" });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    user.account_call("b2_create_bucket", body)
}

#[test]
fn a_new_bucket_has_every_field() {
    let world = world();
    let user = User::master(&world);
    let bucket = create(&user, "bucket-1", json!({ "bucketInfo": null })).ok();
    assert_eq!(bucket["revision"], 2);
    assert_eq!(bucket["options"], json!(["s3"]));
    assert_eq!(bucket["bucketInfo"], json!({}));
    let encryption = json!({ "algorithm": "AES256", "mode": "SSE-B2" });
    let wrapped = json!({ "isClientAuthorizedToRead": true, "value": encryption });
    assert_eq!(bucket["defaultServerSideEncryption"], wrapped);
    assert_eq!(
        bucket["fileLockConfiguration"]["value"]["defaultRetention"]["period"],
        Value::Null
    );
    assert_eq!(bucket["replicationConfiguration"]["value"], Value::Null);

    let weak = User::restricted(&world, &["listBuckets"], None, None);
    let seen = weak.account_call("b2_list_buckets", json!({})).ok();
    let hidden = json!({ "isClientAuthorizedToRead": false, "value": null });
    assert_eq!(seen["buckets"][0]["defaultServerSideEncryption"], hidden);
    assert_eq!(seen["buckets"][0]["fileLockConfiguration"], hidden);
}

#[test]
fn encryption_defaults_follow_the_setting() {
    let settings = Settings {
        encrypt_by_default: false,
        ..Settings::default()
    };
    let old = World::in_memory(settings);
    let user = User::master(&old);
    let none = json!({ "defaultServerSideEncryption": { "mode": "none" } });
    let bucket = create(&user, "bucket-1", none.clone()).ok();
    let value = &bucket["defaultServerSideEncryption"]["value"];
    assert_eq!(*value, json!({ "algorithm": null, "mode": null }));
    let file = user.upload(&id_of(&bucket, "bucketId"), "a", b"x");
    assert_eq!(
        file["serverSideEncryption"],
        json!({ "algorithm": null, "mode": null })
    );

    let new = world();
    let user = User::master(&new);
    create(&user, "bucket-1", none).refused(400, "bad_request");
    let reset = json!({ "defaultServerSideEncryption": { "mode": null } });
    let bucket = create(&user, "bucket-1", reset).ok();
    assert_eq!(
        bucket["defaultServerSideEncryption"]["value"]["mode"],
        "SSE-B2"
    );
    let weak = User::restricted(&new, &["writeBuckets"], None, None);
    let explicit = json!({ "mode": "SSE-B2", "algorithm": "AES256" });
    let explicit = json!({ "defaultServerSideEncryption": explicit });
    create(&weak, "bucket-2", explicit).refused(401, "unauthorized");
    create(&weak, "bucket-2", json!({})).ok();
}

#[test]
fn names_are_taken_whatever_their_case() {
    let world = world();
    let user = User::master(&world);
    create(&user, "Bucket-1", json!({})).ok();
    let message = create(&user, "bucket-1", json!({})).refused(400, "duplicate_bucket_name");
    assert_eq!(message, "Bucket name is already in use.");
    let short = create(&user, "tiny", json!({})).refused(400, "bad_request");
    assert_eq!(short, "bucketName must be at least 6 characters long");
    let odd = create(&user, "under_score", json!({})).refused(400, "bad_request");
    assert_eq!(
        odd,
        "Invalid characters in bucketName: must be alphanumeric or '-'"
    );
    for bad in ["with.dot", "b2-bucket", "B2-bucket", &"x".repeat(64)] {
        create(&user, bad, json!({})).refused(400, "bad_request");
    }
    for length in [6, 50, 51, 63] {
        create(&user, &"x".repeat(length), json!({})).ok();
    }
    let wrong = json!({ "accountId": "000000000000", "bucketName": "x", "bucketType": "x" });
    user.call("b2_create_bucket", wrong)
        .refused(401, "unauthorized");
}

#[test]
fn settings_are_checked() {
    let world = world();
    let user = User::master(&world);
    let rule = |prefix: &str| json!({ "fileNamePrefix": prefix, "daysFromUploadingToHiding": 3 });
    let cors = |operation: &str, age: i64| {
        json!({ "corsRules": [{ "corsRuleName": "rule-1", "allowedOrigins": ["*"],
            "allowedOperations": [operation], "maxAgeSeconds": age }] })
    };
    let pairs = |count: u32| -> Value {
        let pairs = (0..count).map(|number| (format!("name-{number}"), json!("x")));
        json!({ "bucketInfo": Value::Object(pairs.collect()) })
    };
    for bad in [
        pairs(11),
        json!({ "bucketInfo": { ("n".repeat(51)): "x" } }),
        json!({ "bucketType": "shared" }),
        json!({ "bucketInfo": { "sp ace": "x" } }),
        json!({ "bucketInfo": { "number": 1 } }),
        json!({ "lifecycleRules": [{ "fileNamePrefix": "" }] }),
        json!({ "lifecycleRules": [{ "daysFromUploadingToHiding": 1 }] }),
        json!({ "lifecycleRules": [rule("a/"), rule("a/b")] }),
        json!({ "lifecycleRules": [{ "fileNamePrefix": "", "daysFromHidingToDeleting": 0 }] }),
        cors("b2_fly", 1),
        cors("b2_upload_file", -1),
        json!({ "bucketInfo": { "b2-own": "x" } }),
        json!({ "bucketInfo": { "n": "x".repeat(5001), "m": "x".repeat(5000) } }),
        json!({ "fileLockEnabled": "yes" }),
        json!({ "bucketInfo": "text" }),
    ] {
        create(&user, "bucket-1", bad).refused(400, "bad_request");
    }
    let good = json!({ "lifecycleRules": [rule("a/"), rule("b/")], "fileLockEnabled": false });
    let bucket = create(&user, "bucket-1", good).ok();
    let shown = json!({ "fileNamePrefix": "a/", "daysFromUploadingToHiding": 3,
        "daysFromHidingToDeleting": null });
    assert_eq!(bucket["lifecycleRules"][0], shown);
    create(&user, "bucket-2", cors("b2_upload_file", 0)).ok();
    create(&user, "bucket-4", pairs(10)).ok();
    let longest = json!({ "bucketInfo": { ("n".repeat(50)): "x" } });
    create(&user, "bucket-5", longest).ok();
    let info = json!({ "with.dot`~": "x".repeat(9999), "b2-cache-control": "a" });
    let bucket = create(&user, "bucket-3", json!({ "bucketInfo": info })).ok();
    assert_eq!(bucket["bucketInfo"], info);
}

#[test]
fn updates_replace_what_they_name_and_count_revisions() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("bucket-1");
    let update = |mut body: Value| {
        body["bucketId"] = json!(id);
        user.account_call("b2_update_bucket", body)
    };
    let changed = update(json!({ "bucketType": "allPublic", "bucketInfo": { "a": "1" } })).ok();
    assert_eq!(
        (&changed["revision"], &changed["bucketType"]),
        (&json!(3), &json!("allPublic"))
    );
    let message = update(json!({ "ifRevisionIs": 2, "bucketInfo": {} })).refused(409, "conflict");
    assert_eq!(message, "simultaneous updates to bucket");
    let changed = update(json!({ "ifRevisionIs": 3, "bucketInfo": {} })).ok();
    assert_eq!(
        (&changed["revision"], &changed["bucketInfo"]),
        (&json!(4), &json!({}))
    );
    update(json!({})).refused(400, "bad_request");
    let retention = json!({ "mode": "governance", "period": { "duration": 1, "unit": "days" } });
    let message = update(json!({ "defaultRetention": retention }));
    let message = message.refused(400, "bucket_missing_file_lock");
    assert_eq!(message, "The bucket is not file lock enabled");
}

#[test]
fn only_empty_buckets_are_deleted() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("bucket-1");
    let delete = || user.account_call("b2_delete_bucket", json!({ "bucketId": id }));
    let file = user.upload(&id, "a", b"x");
    delete().refused(400, "cannot_delete_non_empty_bucket");
    let file = json!({ "fileName": "a", "fileId": file["fileId"] });
    user.call("b2_delete_file_version", file).ok();
    assert_eq!(delete().ok()["revision"], 3);
    assert_eq!(
        delete().refused(400, "bad_bucket_id"),
        format!("Bucket {id} does not exist")
    );
    user.create_bucket("bucket-1");
}

#[test]
fn lists_are_sorted_and_filtered() {
    let world = world();
    let user = User::master(&world);
    user.create_bucket("bucket-b");
    create(&user, "Bucket-a", json!({ "bucketType": "allPublic" })).ok();
    let list = |body: Value| {
        let answer = user.account_call("b2_list_buckets", body).ok();
        let buckets = answer["buckets"].as_array().unwrap().clone();
        buckets
            .iter()
            .map(|b| id_of(b, "bucketName"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(json!({ "bucketTypes": ["all"] })),
        ["Bucket-a", "bucket-b"]
    );
    assert_eq!(list(json!({ "bucketTypes": ["allPublic"] })), ["Bucket-a"]);
    assert_eq!(
        list(json!({ "bucketName": "BUCKET-B", "bucketId": null })),
        ["bucket-b"]
    );
    assert_eq!(list(json!({ "bucketName": "absent" })), [""; 0]);
    let bad = json!({ "bucketTypes": ["nonsense"] });
    user.account_call("b2_list_buckets", bad)
        .refused(400, "bad_request");
}

#[test]
fn there_can_be_too_many_buckets() {
    let world = World::in_memory(Settings {
        max_buckets: 1,
        ..Settings::default()
    });
    let user = User::master(&world);
    user.create_bucket("bucket-1");
    create(&user, "bucket-2", json!({})).refused(400, "too_many_buckets");
}

/// Section 2.0: authorization comes before the request's own validity.
#[test]
fn a_missing_capability_is_told_before_a_bad_name() {
    let world = world();
    let weak = User::restricted(&world, &["writeBuckets"], None, None);
    let encrypted = json!({ "defaultServerSideEncryption": { "mode": null } });
    create(&weak, "tiny", encrypted).refused(401, "unauthorized");
    create(&weak, "tiny", json!({})).refused(400, "bad_request");
}

/// Section 3.6: full origins, wildcard hosts, schemes, or `*` alone; headers, prefixes of headers, or
/// `*`; at most a day.
#[test]
fn cors_rules_are_checked() {
    let world = world();
    let user = User::master(&world);
    let rule = |change: &[(&str, Value)]| {
        let mut rule = json!({ "corsRuleName": "rule-1", "allowedOrigins": ["*"],
            "allowedOperations": ["s3_get"], "maxAgeSeconds": 86_400 });
        for (field, value) in change {
            rule[*field] = value.clone();
        }
        rule
    };
    for change in [
        ("allowedOrigins", json!(["https://a.example:8443", "https"])),
        (
            "allowedOrigins",
            json!(["https://*.example.com", "http://b"]),
        ),
        ("allowedOrigins", json!(["https://*:8443", "http://*"])),
        ("allowedHeaders", json!(["range", "x-bz-info-*"])),
        ("allowedHeaders", json!(["*"])),
        ("exposeHeaders", json!(["x-bz-content-sha1"])),
        ("maxAgeSeconds", json!(0)),
        ("corsRuleName", json!("r".repeat(63))),
    ] {
        let rules = json!({ "corsRules": [rule(std::slice::from_ref(&change))] });
        let bucket = create(&user, "bucket-1", rules).ok();
        assert_eq!(bucket["corsRules"][0][change.0], change.1);
        let id = json!({ "bucketId": bucket["bucketId"] });
        user.account_call("b2_delete_bucket", id).ok();
    }
    for (field, value) in [
        ("allowedOrigins", json!(["*", "https"])),
        ("allowedOrigins", json!([])),
        ("allowedOrigins", json!(["a.example"])),
        ("allowedOrigins", json!(["https://a.example/path"])),
        ("allowedOrigins", json!(["https://a.example:port"])),
        ("allowedOrigins", json!(["https://a.*.example"])),
        ("allowedHeaders", json!(["x bz"])),
        ("allowedHeaders", json!(["x bz*"])),
        ("allowedHeaders", json!(["range", "*"])),
        ("exposeHeaders", json!(["x-bz-*"])),
        ("exposeHeaders", json!(["*"])),
        ("exposeHeaders", json!([""])),
        ("exposeHeaders", json!(["x".repeat(900)])),
        ("maxAgeSeconds", json!(-1)),
        ("corsRuleName", json!("r".repeat(64))),
        ("maxAgeSeconds", json!(86_401)),
        ("corsRuleName", json!("b2-rule")),
        ("corsRuleName", json!("short")),
        ("allowedOperations", json!([])),
    ] {
        let rules = json!({ "corsRules": [rule(&[(field, value.clone())])] });
        let answer = create(&user, "bucket-1", rules);
        let message = answer.refused(400, "bad_request");
        assert!(!message.is_empty(), "{field} {value}");
    }
    let twins = json!({ "corsRules": [rule(&[]), rule(&[])] });
    create(&user, "bucket-1", twins).refused(400, "bad_request");
}
