//! Pages of names, versions and unfinished files.

use super::*;

fn names(user: &User<'_>, bucket: &str, more: Value) -> Value {
    list(user, "b2_list_file_names", bucket, more).ok()
}

fn list(user: &User<'_>, operation: &str, bucket: &str, more: Value) -> Answer {
    let mut body = json!({ "bucketId": bucket });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    user.call(operation, body)
}

/// All rows of a listing, page by page.
fn all_names(user: &User<'_>, bucket: &str, more: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut start = Value::Null;
    loop {
        let mut body = more.clone();
        body["startFileName"] = start;
        let page = names(user, bucket, body);
        found.extend(names_in(&page).into_iter().map(str::to_owned));
        start = page["nextFileName"].clone();
        if start.is_null() {
            return found;
        }
    }
}

#[test]
fn names_come_in_byte_order_with_prefix_and_start() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    for name in ["b", "%F0%9F%98%80", "%EF%BC%A1", "a/1", "a/2", "B"] {
        user.upload(&bucket, name, b"x");
    }
    let page = names(
        &user,
        &bucket,
        json!({ "delimiter": null, "maxFileCount": null }),
    );
    assert_eq!(names_in(&page), ["B", "a/1", "a/2", "b", "Ａ", "😀"]);
    assert_eq!(page["nextFileName"], Value::Null);
    let page = names(&user, &bucket, json!({ "prefix": "a/" }));
    assert_eq!(names_in(&page), ["a/1", "a/2"]);
    let page = names(
        &user,
        &bucket,
        json!({ "startFileName": "a/2", "maxFileCount": 1 }),
    );
    assert_eq!(
        (names_in(&page), &page["nextFileName"]),
        (vec!["a/2"], &json!("b"))
    );
}

#[test]
fn folders_are_rows_and_are_jumped_over() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    for name in [
        "a.txt",
        "dir/1",
        "dir/2",
        "dir/sub/3",
        "dir0",
        "gone/x",
        "z",
    ] {
        user.upload(&bucket, name, b"x");
    }
    user.hide(&bucket, "gone/x").ok();
    let top = json!({ "delimiter": "/", "maxFileCount": 1 });
    assert_eq!(
        all_names(&user, &bucket, &top),
        ["a.txt", "dir/", "dir0", "z"]
    );
    let inside = json!({ "delimiter": "/", "prefix": "dir/", "startFileName": "dir/" });
    let page = names(&user, &bucket, inside);
    assert_eq!(names_in(&page), ["dir/1", "dir/2", "dir/sub/"]);
    let folder = &page["files"][2];
    assert_eq!(folder["action"], "folder");
    assert_eq!(folder["uploadTimestamp"], 0);
    assert_eq!(folder["fileId"], Value::Null);
    assert_eq!(folder["fileInfo"], json!({}));
    // Versions show folders of hidden files too.
    let versions = list(
        &user,
        "b2_list_file_versions",
        &bucket,
        json!({ "delimiter": "/" }),
    )
    .ok();
    assert_eq!(names_in(&versions), ["a.txt", "dir/", "dir0", "gone/", "z"]);
}

#[test]
fn only_the_visible_latest_version_has_a_name() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    user.upload(&bucket, "a", b"old");
    let new = user.upload(&bucket, "a", b"new");
    user.upload(&bucket, "h", b"x");
    let marker = user.hide(&bucket, "h").ok();
    let start = json!({ "bucketId": bucket, "fileName": "a", "contentType": "a/b" });
    user.call("b2_start_large_file", start).ok();
    let page = names(&user, &bucket, json!({}));
    assert_eq!(names_in(&page), ["a"]);
    assert_eq!(page["files"][0]["fileId"], new["fileId"]);
    // Without the marker the older version is back.
    let body = json!({ "fileName": "h", "fileId": marker["fileId"] });
    user.call("b2_delete_file_version", body).ok();
    assert_eq!(names_in(&names(&user, &bucket, json!({}))), ["a", "h"]);
}

#[test]
fn pages_may_be_empty_although_more_follows() {
    let world = World::in_memory(Settings {
        listing_scan_limit: 2,
        ..Settings::default()
    });
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    for name in ["a", "b", "c", "d", "e", "f"] {
        user.upload(&bucket, name, b"x");
        if name != "f" {
            user.hide(&bucket, name).ok();
        }
    }
    let first = names(&user, &bucket, json!({}));
    assert_eq!(names_in(&first), [""; 0]);
    assert_eq!(first["nextFileName"], "c");
    assert_eq!(all_names(&user, &bucket, &json!({})), ["f"]);
    // However many unfinished files stand before a marker, the next page gets beyond it.
    for _ in 0..5 {
        let start = json!({ "bucketId": bucket, "fileName": "c", "contentType": "a/b" });
        user.call("b2_start_large_file", start).ok();
    }
    assert_eq!(all_names(&user, &bucket, &json!({})), ["f"]);
}

#[test]
fn versions_are_newest_first_and_page_by_name_and_id() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let ids: Vec<Value> = (0..3)
        .map(|_| user.upload(&bucket, "a", b"x")["fileId"].clone())
        .collect();
    user.hide(&bucket, "a").ok();
    user.upload(&bucket, "b", b"x");
    let versions = |more: Value| list(&user, "b2_list_file_versions", &bucket, more);
    let page = versions(json!({ "maxFileCount": 2 })).ok();
    assert_eq!(page["files"][0]["action"], "hide");
    assert_eq!(page["files"][0].get("fileRetention"), None);
    assert_eq!(page["files"][1]["fileId"], ids[2]);
    assert_eq!(
        (&page["nextFileName"], &page["nextFileId"]),
        (&json!("a"), &ids[1])
    );
    let start = json!({ "startFileName": "a", "startFileId": ids[1] });
    assert_eq!(names_in(&versions(start.clone()).ok()), ["a", "a", "b"]);
    // A version that is gone: on from the first one after it.
    let gone = json!({ "fileName": "a", "fileId": ids[1] });
    user.call("b2_delete_file_version", gone).ok();
    assert_eq!(versions(start).ok()["files"][0]["fileId"], ids[0]);
    versions(json!({ "startFileId": ids[0] })).refused(400, "bad_request");
    let bad = json!({ "startFileName": "a", "startFileId": "x" });
    versions(bad).refused(400, "invalid_file_id");
}

#[test]
fn counts_and_ids_are_checked() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let refused = |operation: &str, count: i64| {
        list(&user, operation, &bucket, json!({ "maxFileCount": count }))
            .refused(400, "out_of_range")
    };
    let message = refused("b2_list_file_names", 10_001);
    assert_eq!(message, "maxFileCount out of range: 10001");
    refused("b2_list_file_versions", -1);
    refused("b2_list_unfinished_large_files", 101);
    let malformed = list(&user, "b2_list_file_names", "nope", json!({}));
    assert_eq!(
        malformed.refused(400, "invalid_bucket_id"),
        "Invalid bucketId: nope"
    );
    let unknown = "a70c34e19f10595d73db0e28";
    list(&user, "b2_list_file_names", unknown, json!({})).refused(400, "bad_bucket_id");
    list(&user, "b2_list_file_names", &bucket, json!({ "prefix": 7 })).refused(400, "bad_request");
}

#[test]
fn version_1_has_rows_of_its_own() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    user.upload(&bucket, "a", b"hello");
    user.upload(&bucket, "dir/b", b"hello");
    let body = json!({ "bucketId": bucket, "delimiter": "/" });
    let page = user.call_version(1, "b2_list_file_names", body).ok();
    let file = &page["files"][0];
    assert_eq!(
        (&file["size"], &file["contentLength"]),
        (&json!(5), &json!(5))
    );
    for absent in ["accountId", "bucketId", "fileRetention", "legalHold"] {
        assert_eq!(file.get(absent), None, "{absent}");
    }
    let folder = &page["files"][1];
    assert_eq!(
        (&folder["size"], &folder["uploadTimestamp"]),
        (&json!(0), &json!(0))
    );
    let v2 = user
        .call_version(2, "b2_list_file_names", json!({ "bucketId": bucket }))
        .ok();
    assert_eq!(v2["files"][0].get("size"), None);
}

#[test]
fn hiding_answers_the_marker_once() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let message = user.hide(&bucket, "a").refused(400, "no_such_file");
    assert_eq!(message, "File not present: a");
    user.upload(&bucket, "a", b"x");
    let marker = user.hide(&bucket, "a").ok();
    assert_eq!(marker["action"], "hide");
    assert_eq!(marker["contentType"], "application/x-bz-hide-marker");
    assert_eq!(marker["contentSha1"], sha1_of(b""));
    assert_eq!(marker.get("legalHold"), None);
    assert_eq!(marker.get("serverSideEncryption"), None);
    let message = user.hide(&bucket, "a").refused(400, "already_hidden");
    assert_eq!(message, "File already hidden: a");
    user.hide("nope", "a").refused(400, "bad_request");
    user.hide("a70c34e19f10595d73db0e28", "a")
        .refused(400, "bad_bucket_id");
}

#[test]
fn deleting_needs_name_and_id_to_match() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let file = user.upload(&bucket, "a", b"x");
    let id = id_of(&file, "fileId");
    let delete = |name: &str, id: &str| {
        user.call(
            "b2_delete_file_version",
            json!({ "fileName": name, "fileId": id }),
        )
    };
    let message = delete("b", &id).refused(400, "file_not_present");
    assert_eq!(message, format!("File not present: b {id}"));
    let message = delete("a", "bad-id").refused(400, "bad_request");
    assert_eq!(message, "Invalid fileId: bad-id");
    assert_eq!(
        delete("a", &id).ok(),
        json!({ "fileId": id, "fileName": "a" })
    );
    delete("a", &id).refused(400, "file_not_present");
    user.call("b2_get_file_info", json!({ "fileId": id }))
        .refused(404, "not_found");
}

#[test]
fn pages_of_every_length_are_formatted_as_other_answers() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    // More than a page that is written as a whole.
    for number in 0..1002 {
        let name = format!("{}/{number:04}", number / 100);
        url.upload(&name, b"", &[]).ok();
    }
    let check = |version: u8, operation: &str, rows: usize, more: Value| {
        let mut body = json!({ "bucketId": bucket, "maxFileCount": 10_000 });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        let answer = user.call_version(version, operation, body);
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/json;charset=UTF-8")
        );
        let value = answer.json();
        assert_eq!(names_in(&value).len(), rows, "{more}");
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            format!("{value:#}\n"),
            "{more}"
        );
        value
    };
    for version in [1, 4] {
        for (rows, more) in [
            (0, json!({ "prefix": "none" })),
            (1, json!({ "maxFileCount": 1 })),
            (1000, json!({ "maxFileCount": 1000 })),
            (1001, json!({ "maxFileCount": 1001 })),
            (1002, json!({})),
            (11, json!({ "delimiter": "/" })),
        ] {
            let names = check(version, "b2_list_file_names", rows, more.clone());
            assert!(names.get("nextFileId").is_none());
            let versions = check(version, "b2_list_file_versions", rows, more);
            assert!(versions.get("nextFileId").is_some());
        }
    }
}
