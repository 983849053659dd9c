//! Object lock: retention, legal hold, what they forbid, and custom upload timestamps.

use super::*;

const NO_LOCK: &str = "The bucket is not file lock enabled";

fn locked_bucket(user: &User<'_>, name: &str) -> String {
    let body = json!({ "bucketName": name, "bucketType": "allPrivate", "fileLockEnabled": true });
    id_of(
        &user.account_call("b2_create_bucket", body).ok(),
        "bucketId",
    )
}

fn in_days(world: &World, days: u64) -> u64 {
    world.clock().now_millis() + days * 86_400_000
}

fn retention(mode: &str, until: u64) -> Value {
    json!({ "mode": mode, "retainUntilTimestamp": until })
}

fn upload_retained(user: &User<'_>, bucket: &str, mode: &str, until: u64) -> Value {
    let until = until.to_string();
    let headers = [
        ("X-Bz-File-Retention-Mode", mode),
        ("X-Bz-File-Retention-Retain-Until-Timestamp", until.as_str()),
    ];
    UploadUrl::get(user, bucket)
        .upload("a", b"x", &headers)
        .ok()
}

fn about(file: &Value, field: &str, value: Value) -> Value {
    let mut body = json!({ "fileName": file["fileName"], "fileId": file["fileId"] });
    body[field] = value;
    body
}

fn delete(user: &User<'_>, file: &Value, bypass: bool) -> Answer {
    let body = about(file, "bypassGovernance", json!(bypass));
    user.call("b2_delete_file_version", body)
}

fn set_retention(user: &User<'_>, file: &Value, retention: Value, bypass: bool) -> Answer {
    let mut body = about(file, "fileRetention", retention);
    body["bypassGovernance"] = json!(bypass);
    user.call("b2_update_file_retention", body)
}

fn set_hold(user: &User<'_>, file: &Value, hold: &str) -> Answer {
    user.call(
        "b2_update_file_legal_hold",
        about(file, "legalHold", json!(hold)),
    )
}

#[test]
fn locks_on_new_files_are_shown() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let until = in_days(&world, 1);
    let url = UploadUrl::get(&user, &bucket);
    let text = until.to_string();
    let headers = [
        ("X-Bz-File-Retention-Mode", "governance"),
        ("X-Bz-File-Retention-Retain-Until-Timestamp", text.as_str()),
        ("X-Bz-File-Legal-Hold", "on"),
    ];
    let file = url.upload("a", b"x", &headers).ok();
    let (retention, hold) = (retention("governance", until), json!("on"));
    let is_locked = |file: &Value| {
        assert_eq!(file["fileRetention"]["value"], retention);
        assert_eq!(file["legalHold"]["value"], hold);
    };
    is_locked(&file);
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b",
        "fileRetention": retention, "legalHold": "on" });
    is_locked(&user.call("b2_start_large_file", start).ok());
    let copy = json!({ "sourceFileId": file["fileId"], "fileName": "copy" });
    let plain = user.call("b2_copy_file", copy.clone()).ok();
    assert_eq!(plain["legalHold"]["value"], Value::Null);
    assert_eq!(plain["fileRetention"]["value"]["mode"], Value::Null);
    let mut locked = copy;
    locked["fileRetention"] = retention.clone();
    locked["legalHold"] = json!("on");
    is_locked(&user.call("b2_copy_file", locked).ok());
    let answer = user.get("/file/bucket-1/a");
    for (name, value) in headers {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("X-Bz-Client-Unauthorized-To-Read"), None);
}

#[test]
fn keys_see_locks_only_with_the_capability() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let file = upload_retained(&user, &bucket, "compliance", in_days(&world, 1));
    let capabilities = ["readFiles", "listBuckets", "readFileLegalHolds"];
    let reader = User::restricted(&world, &capabilities, None, None);
    let info = reader
        .call("b2_get_file_info", json!({ "fileId": file["fileId"] }))
        .ok();
    let hidden = json!({ "isClientAuthorizedToRead": false, "value": null });
    assert_eq!(info["fileRetention"], hidden);
    assert_eq!(info["legalHold"]["isClientAuthorizedToRead"], true);
    let answer = reader.get("/file/bucket-1/a");
    assert_eq!(answer.header("X-Bz-File-Retention-Mode"), None);
    assert_eq!(
        answer.header("X-Bz-Client-Unauthorized-To-Read"),
        Some("X-Bz-File-Retention-Mode,X-Bz-File-Retention-Retain-Until-Timestamp")
    );
    let buckets = reader.account_call("b2_list_buckets", json!({})).ok();
    assert_eq!(buckets["buckets"][0]["fileLockConfiguration"], hidden);
    // Buckets without lock have nothing to hide.
    user.upload(&user.create_bucket("bucket-2"), "a", b"x");
    let answer = reader.get("/file/bucket-2/a");
    assert_eq!(answer.header("X-Bz-Client-Unauthorized-To-Read"), None);
}

#[test]
fn locks_need_a_bucket_with_file_lock_and_capabilities() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let file = user.upload(&bucket, "a", b"x");
    // The past would be refused as well, but later (docs/protocol.md, section 2.0).
    let past = retention("governance", 1000);
    let refused = |answer: Answer| {
        assert_eq!(answer.refused(400, "bucket_missing_file_lock"), NO_LOCK);
    };
    refused(set_retention(&user, &file, past.clone(), false));
    refused(set_hold(&user, &file, "on"));
    let marker = user.hide(&bucket, "a").ok();
    refused(set_hold(&user, &marker, "on"));
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b",
        "fileRetention": past });
    refused(user.call("b2_start_large_file", start.clone()));
    let copy = json!({ "sourceFileId": file["fileId"], "fileName": "b", "legalHold": "off" });
    refused(user.call("b2_copy_file", copy.clone()));
    let writer = User::restricted(&world, &["writeFiles", "readFiles"], None, None);
    writer
        .call("b2_start_large_file", start)
        .refused(401, "unauthorized");
    writer
        .call("b2_copy_file", copy)
        .refused(401, "unauthorized");
    let url = UploadUrl::get(&writer, &bucket);
    url.upload("a", b"x", &[("X-Bz-File-Legal-Hold", "on")])
        .refused(401, "unauthorized");
    set_retention(&writer, &file, past, false).refused(403, "access_denied");
    set_hold(&writer, &file, "on").refused(403, "access_denied");
}

#[test]
fn bad_locks_are_refused() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let future = in_days(&world, 1).to_string();
    const MODE: &str = "X-Bz-File-Retention-Mode";
    const UNTIL: &str = "X-Bz-File-Retention-Retain-Until-Timestamp";
    for bad in [
        vec![(MODE, "governance")],
        vec![(UNTIL, future.as_str())],
        vec![(MODE, "strict"), (UNTIL, future.as_str())],
        vec![(MODE, "governance"), (UNTIL, "soon")],
        vec![("X-Bz-File-Legal-Hold", "yes")],
    ] {
        url.upload("a", b"x", &bad).refused(400, "bad_request");
    }
    let now = world.clock().now_millis().to_string();
    let past = [(MODE, "governance"), (UNTIL, now.as_str())];
    let message = url
        .upload("a", b"x", &past)
        .refused(400, "retain_until_timestamp_must_be_in_future");
    assert_eq!(message, "The retainUntilTimestamp must be in future");
    let file = user.upload(&bucket, "a", b"x");
    for bad in [
        json!({ "mode": "governance" }),
        json!({ "mode": null, "retainUntilTimestamp": in_days(&world, 1) }),
        json!({ "mode": "governance", "retainUntilTimestamp": -1 }),
        json!({ "mode": "governance", "retainUntilTimestamp": 253_402_300_800_000_u64 }),
        json!("governance"),
        json!(null),
    ] {
        set_retention(&user, &file, bad, false).refused(400, "bad_request");
    }
    set_retention(&user, &file, retention("compliance", 1000), false)
        .refused(400, "retain_until_timestamp_must_be_in_future");
    set_hold(&user, &file, "maybe").refused(400, "bad_request");
    let mut other = file.clone();
    other["fileName"] = json!("b");
    set_hold(&user, &other, "on").refused(400, "file_not_present");
    let marker = user.hide(&bucket, "a").ok();
    set_hold(&user, &marker, "on").refused(400, "bad_request");
    delete(&user, &marker, false).ok();
}

#[test]
fn governed_versions_go_only_with_a_bypass() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let until = in_days(&world, 10);
    let file = upload_retained(&user, &bucket, "governance", until);
    assert_eq!(
        delete(&user, &file, false).refused(401, "access_denied"),
        "Access Denied"
    );
    let capabilities = ["deleteFiles", "writeFileRetentions"];
    let weak = User::restricted(&world, &capabilities, None, None);
    delete(&weak, &file, true).refused(401, "unauthorized");
    let none = json!({ "mode": null, "retainUntilTimestamp": null });
    let earlier = retention("governance", until - 1);
    set_retention(&user, &file, none.clone(), false).refused(403, "access_denied");
    set_retention(&user, &file, earlier.clone(), false).refused(403, "access_denied");
    set_retention(&weak, &file, earlier.clone(), true).refused(403, "access_denied");
    let longer = set_retention(&weak, &file, retention("governance", until + 1), false).ok();
    assert_eq!(
        longer,
        json!({ "fileId": file["fileId"], "fileName": "a",
            "fileRetention": retention("governance", until + 1) })
    );
    set_retention(&user, &file, earlier, true).ok();
    set_retention(&user, &file, none, true).ok();
    let again = retention("governance", until);
    set_retention(&user, &file, again, false).ok();
    delete(&user, &file, true).ok();
}

#[test]
fn compliance_holds_until_its_time_has_come() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let until = in_days(&world, 1);
    let file = upload_retained(&user, &bucket, "compliance", until);
    let none = json!({ "mode": null, "retainUntilTimestamp": null });
    for weaker in [
        none.clone(),
        retention("compliance", until - 1),
        retention("governance", until + 1),
    ] {
        set_retention(&user, &file, weaker, true).refused(403, "access_denied");
    }
    set_retention(&user, &file, retention("compliance", until + 1), false).ok();
    delete(&user, &file, true).refused(401, "access_denied");
    world.clock().advance(DAY + Duration::from_secs(1));
    let user = User::master(&world);
    set_retention(&user, &file, none, false).ok();
    delete(&user, &file, false).ok();
}

#[test]
fn a_legal_hold_keeps_a_version_whatever_else_holds() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let file = user.upload(&bucket, "a", b"x");
    let set = set_hold(&user, &file, "on").ok();
    assert_eq!(
        set,
        json!({ "fileId": file["fileId"], "fileName": "a", "legalHold": "on" })
    );
    delete(&user, &file, true).refused(401, "access_denied");
    // Hiding is always possible.
    user.hide(&bucket, "a").ok();
    set_hold(&user, &file, "off").ok();
    let info = user.call("b2_get_file_info", json!({ "fileId": file["fileId"] }));
    assert_eq!(info.ok()["legalHold"]["value"], "off");
    delete(&user, &file, false).ok();
}

#[test]
fn buckets_put_their_retention_on_new_files() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let update = |more: Value| {
        let mut body = json!({ "bucketId": bucket });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        user.account_call("b2_update_bucket", body)
    };
    let period = json!({ "duration": 2, "unit": "days" });
    let default = json!({ "mode": "governance", "period": period });
    let shown = update(json!({ "defaultRetention": default })).ok();
    assert_eq!(
        shown["fileLockConfiguration"]["value"],
        json!({ "defaultRetention": default, "isFileLockEnabled": true })
    );
    let now = world.clock().now_millis();
    let file = user.upload(&bucket, "a", b"x");
    let until = file["fileRetention"]["value"]["retainUntilTimestamp"].as_u64();
    let expected = now + 2 * 86_400_000;
    assert!((expected..expected + 60_000).contains(&until.unwrap()));
    // What is asked for wins.
    let own = upload_retained(&user, &bucket, "compliance", in_days(&world, 1));
    assert_eq!(own["fileRetention"]["value"]["mode"], "compliance");
    for bad in [
        json!({ "mode": "governance" }),
        json!({ "mode": "governance", "period": { "duration": 0, "unit": "days" } }),
        json!({ "mode": "governance", "period": { "duration": 1, "unit": "weeks" } }),
        json!({ "mode": "strict", "period": period }),
        json!({ "mode": null, "period": period }),
    ] {
        update(json!({ "defaultRetention": bad })).refused(400, "bad_request");
    }
    let years = json!({ "mode": "compliance", "period": { "duration": 1, "unit": "years" } });
    update(json!({ "defaultRetention": years })).ok();
    update(json!({ "defaultRetention": { "mode": null } })).ok();
    let file = user.upload(&bucket, "a", b"x");
    assert_eq!(file["fileRetention"]["value"]["mode"], Value::Null);
}

#[test]
fn no_default_retention_outlasts_the_year_9999() {
    let world = world();
    let user = User::master(&world);
    let bucket = locked_bucket(&user, "bucket-1");
    let set = |duration: u64, unit: &str| {
        let period = json!({ "duration": duration, "unit": unit });
        let body = json!({ "bucketId": bucket,
            "defaultRetention": { "mode": "governance", "period": period } });
        user.account_call("b2_update_bucket", body)
    };
    for (duration, unit) in [
        (1_000_000_000, "years"),
        (3001, "years"),
        (1_095_001, "days"),
    ] {
        set(duration, unit).refused(400, "bad_request");
    }
    set(3000, "years").ok();
    // However late it is.
    world.clock().advance(DAY * 1_200_000);
    let user = User::master(&world);
    user.upload(&bucket, "a", b"x");
    let page = user
        .call("b2_list_file_names", json!({ "bucketId": bucket }))
        .ok();
    let until = &page["files"][0]["fileRetention"]["value"]["retainUntilTimestamp"];
    assert!(
        until
            .as_i64()
            .is_some_and(|until| until <= 253_402_300_799_999),
        "{until}"
    );
}

#[test]
fn file_lock_is_never_taken_back() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let update = |enabled: bool| {
        let body = json!({ "bucketId": bucket, "fileLockEnabled": enabled });
        user.account_call("b2_update_bucket", body)
    };
    update(false).ok();
    let weak = User::restricted(&world, &["writeBuckets"], None, None);
    let body = json!({ "bucketId": bucket, "fileLockEnabled": true });
    weak.account_call("b2_update_bucket", body)
        .refused(401, "unauthorized");
    let shown = update(true).ok();
    assert_eq!(
        shown["fileLockConfiguration"]["value"]["isFileLockEnabled"],
        true
    );
    update(true).ok();
    update(false).refused(400, "file_lock_conflict");
    let value = "x".repeat(3000);
    let url = UploadUrl::get(&user, &bucket);
    url.upload("a", b"x", &[("X-Bz-Info-k", &value)])
        .refused(400, "bad_request");
}

#[test]
fn some_accounts_choose_upload_timestamps() {
    let world = World::in_memory(Settings {
        custom_timestamps: true,
        ..Settings::default()
    });
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    const NAME: &str = "X-Bz-Custom-Upload-Timestamp";
    let newest = user.upload(&bucket, "a", b"new");
    let old = url.upload("a", b"old", &[(NAME, "1000")]).ok();
    let twin = url.upload("a", b"two", &[(NAME, "1000")]).ok();
    assert_eq!(old["uploadTimestamp"], 1000);
    assert_eq!(user.get("/file/bucket-1/a").body, b"new");
    let list = |more: Value| {
        let mut body = json!({ "bucketId": bucket, "maxFileCount": 1 });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        user.call("b2_list_file_versions", body).ok()
    };
    let (mut start, mut seen) = (json!({}), Vec::new());
    loop {
        let page = list(start);
        seen.push(id_of(&page["files"][0], "fileId"));
        if page["nextFileId"].is_null() {
            break;
        }
        start = json!({ "startFileName": page["nextFileName"], "startFileId": page["nextFileId"] });
    }
    let mut twins = [id_of(&old, "fileId"), id_of(&twin, "fileId")];
    twins.sort();
    assert_eq!(
        seen,
        [vec![id_of(&newest, "fileId")], twins.to_vec()].concat()
    );
    let future = (world.clock().now_millis() + 60_000).to_string();
    for bad in ["", "-1", "1.5", future.as_str()] {
        url.upload("a", b"x", &[(NAME, bad)])
            .refused(400, "custom_timestamp_invalid");
    }
    let start = |time: Value| {
        let body = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b",
            "customUploadTimestamp": time });
        user.call("b2_start_large_file", body)
    };
    assert_eq!(start(json!("2000")).ok()["uploadTimestamp"], 2000);
    start(json!(2000)).refused(400, "bad_request");
}
