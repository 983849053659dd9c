//! Copies of files and into parts.

use super::*;

fn copy(user: &User<'_>, source: &Value, more: Value) -> Answer {
    let mut body = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    user.call("b2_copy_file", body)
}

#[test]
fn a_copy_keeps_or_replaces_metadata() {
    let world = world();
    let user = User::master(&world);
    let (bucket, other) = (
        user.create_bucket("bucket-1"),
        user.create_bucket("bucket-2"),
    );
    let url = UploadUrl::get(&user, &bucket);
    let source = url.upload("a", b"0123456789", &[("X-Bz-Info-k", "v")]).ok();
    let kept = copy(&user, &source, json!({ "destinationBucketId": other })).ok();
    assert_eq!(
        (&kept["action"], &kept["bucketId"]),
        (&json!("copy"), &json!(other))
    );
    assert_eq!(kept["fileInfo"], json!({ "k": "v" }));
    assert_eq!(kept["contentSha1"], source["contentSha1"]);
    let listed = user
        .call("b2_list_file_names", json!({ "bucketId": other }))
        .ok();
    assert_eq!(listed["files"][0]["action"], "upload");
    let replace = json!({ "metadataDirective": "REPLACE", "contentType": "b2/x-auto",
        "fileInfo": { "x": "y" }, "range": "bytes=2-4", "fileName": "c.txt" });
    let replaced = copy(&user, &source, replace).ok();
    assert_eq!(replaced["contentType"], "text/plain");
    assert_eq!(replaced["fileInfo"], json!({ "x": "y" }));
    assert_eq!(replaced["contentSha1"], sha1_of(b"234"));
    assert_eq!(user.get("/file/bucket-1/c.txt").body, b"234");
    // The copy does not need its source.
    let delete = json!({ "fileName": "a", "fileId": source["fileId"] });
    user.call("b2_delete_file_version", delete).ok();
    assert_eq!(user.get("/file/bucket-2/copy").body, b"0123456789");
    copy(&user, &source, json!({})).refused(404, "not_found");
}

#[test]
fn bad_copies_are_refused() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let source = user.upload(&bucket, "a", b"0123456789");
    for bad in [
        json!({ "contentType": "a/b" }),
        json!({ "fileInfo": {} }),
        json!({ "metadataDirective": "REPLACE" }),
        json!({ "metadataDirective": "OTHER" }),
        json!({ "range": "2-4" }),
        json!({ "range": "bytes=2-" }),
        json!({ "range": "bytes=-4" }),
        json!({ "fileName": "/x" }),
        json!({ "destinationServerSideEncryption": { "mode": "none" } }),
    ] {
        copy(&user, &source, bad).refused(400, "bad_request");
    }
    copy(&user, &source, json!({ "range": "bytes=10-12" })).refused(416, "range_not_satisfiable");
    copy(&user, &source, json!({ "legalHold": "on" })).refused(400, "bucket_missing_file_lock");
    let unknown = json!({ "destinationBucketId": "a70c34e19f10595d73db0e28" });
    copy(&user, &source, unknown).refused(400, "bad_bucket_id");
    let writer = User::restricted(&world, &["writeFiles"], None, None);
    copy(&writer, &source, json!({})).refused(401, "unauthorized");
    let public = json!({ "bucketId": bucket, "bucketType": "allPublic" });
    user.account_call("b2_update_bucket", public).ok();
    copy(&writer, &source, json!({})).ok();
    let prefixed = User::restricted(
        &world,
        &["writeFiles", "readFiles"],
        Some(&bucket),
        Some("mine/"),
    );
    copy(&prefixed, &source, json!({ "fileName": "mine/x" })).refused(401, "unauthorized");
}

#[test]
fn parts_can_be_copied() {
    let world = World::in_memory(Settings {
        absolute_minimum_part_size: 3,
        ..Settings::default()
    });
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let source = user.upload(&bucket, "a", b"0123456789");
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
    let large = user.call("b2_start_large_file", start).ok();
    let copy_part = |number: i64, range: &str| {
        let body = json!({ "sourceFileId": source["fileId"], "largeFileId": large["fileId"],
            "partNumber": number, "range": range });
        user.call("b2_copy_part", body)
    };
    let one = copy_part(1, "bytes=5-9").ok();
    let two = copy_part(2, "bytes=0-1").ok();
    assert_eq!(two["contentSha1"], sha1_of(b"01"));
    copy_part(10_001, "bytes=0-1").refused(400, "bad_request");
    copy_part(3, "bytes=10-11").refused(416, "range_not_satisfiable");
    copy_part(3, "bytes=2-").refused(400, "bad_request");
    let sha1s = json!([one["contentSha1"], two["contentSha1"]]);
    let finish = json!({ "fileId": large["fileId"], "partSha1Array": sha1s });
    user.call("b2_finish_large_file", finish).ok();
    assert_eq!(user.get("/file/bucket-1/big").body, b"5678901");
}

#[test]
fn what_is_too_large_for_one_request_is_neither_copied_nor_uploaded_in_one() {
    let world = World::in_memory(Settings {
        absolute_minimum_part_size: 3,
        max_single_file: 5,
        ..Settings::default()
    });
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    url.upload("a", b"012345", &[]).refused(400, "bad_request");
    let source = user.upload(&bucket, "a", b"01234");
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
    let large = user.call("b2_start_large_file", start).ok();
    let sha1s = [1, 2].map(|number| {
        let body = json!({ "sourceFileId": source["fileId"], "largeFileId": large["fileId"],
            "partNumber": number });
        user.call("b2_copy_part", body).ok()["contentSha1"].clone()
    });
    let finish = json!({ "fileId": large["fileId"], "partSha1Array": sha1s });
    let large = user.call("b2_finish_large_file", finish).ok();
    let message = copy(&user, &large, json!({})).refused(400, "source_too_large");
    assert_eq!(message, "Copy source too big: 10");
    copy(&user, &large, json!({ "range": "bytes=2-6" })).ok();
}
