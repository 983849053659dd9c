//! Large files: parts, finishing, cancelling, resuming.

use super::*;

/// Parts of 4 bytes, so that tests need not move megabytes.
fn small_parts() -> World {
    World::in_memory(Settings {
        absolute_minimum_part_size: 4,
        ..Settings::default()
    })
}

fn start(user: &User<'_>, bucket: &str, name: &str) -> Value {
    let body = json!({ "bucketId": bucket, "fileName": name, "contentType": "b2/x-auto",
        "fileInfo": { "Large_File_Sha1": "x" } });
    user.call("b2_start_large_file", body).ok()
}

fn part_url<'w>(user: &User<'w>, id: &str) -> UploadUrl<'w> {
    let answer = user
        .call("b2_get_upload_part_url", json!({ "fileId": id }))
        .ok();
    assert_eq!(answer["fileId"], id);
    UploadUrl::of(user.world, &answer)
}

fn upload_part(url: &UploadUrl<'_>, number: &str, data: &[u8]) -> Answer {
    let sha1 = sha1_of(data);
    let headers = [("X-Bz-Part-Number", number), ("X-Bz-Content-Sha1", &sha1)];
    url.send(&headers, data.len() as u64, &mut &*data)
}

fn finish(user: &User<'_>, id: &str, parts: &[&[u8]]) -> Answer {
    let sha1s: Vec<String> = parts.iter().map(|part| sha1_of(part)).collect();
    user.call(
        "b2_finish_large_file",
        json!({ "fileId": id, "partSha1Array": sha1s }),
    )
}

#[test]
fn a_large_file_is_its_parts_in_order() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let started = start(&user, &bucket, "big.txt");
    assert_eq!(started["action"], "start");
    assert_eq!(started["contentSha1"], "none");
    assert_eq!(started["contentMd5"], Value::Null);
    assert_eq!(started["contentType"], "text/plain");
    assert_eq!(started["fileInfo"], json!({ "large_file_sha1": "x" }));
    let id = id_of(&started, "fileId");
    let url = part_url(&user, &id);
    upload_part(&url, "2", b"56789").ok();
    upload_part(&url, "1", b"xxxx").ok();
    let part = upload_part(&url, "1", b"01234").ok();
    assert_eq!(
        (&part["partNumber"], &part["contentLength"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(part["serverSideEncryption"]["mode"], "SSE-B2");
    upload_part(&url, "3", b"!").ok();

    user.call("b2_get_file_info", json!({ "fileId": id }))
        .refused(404, "not_found");
    user.get("/file/bucket-1/big.txt").refused(404, "not_found");
    let parts = user
        .call("b2_list_parts", json!({ "fileId": id, "maxPartCount": 2 }))
        .ok();
    assert_eq!(parts["nextPartNumber"], 3);
    assert_eq!(parts["parts"][0], part);
    let rest = user
        .call(
            "b2_list_parts",
            json!({ "fileId": id, "startPartNumber": 3 }),
        )
        .ok();
    assert_eq!(rest["parts"].as_array().unwrap().len(), 1);

    let file = finish(&user, &id, &[b"01234", b"56789", b"!"]).ok();
    assert_eq!(
        (&file["action"], &file["contentLength"]),
        (&json!("upload"), &json!(11))
    );
    assert_eq!(file["uploadTimestamp"], started["uploadTimestamp"]);
    assert_eq!(file["contentSha1"], "none");
    let answer = user.get("/file/bucket-1/big.txt");
    assert_eq!(answer.body, b"0123456789!");
    assert_eq!(answer.header("X-Bz-Content-Sha1"), Some("none"));
    let headers = [
        ("Authorization", user.token.as_str()),
        ("Range", "bytes=3-6"),
    ];
    assert_eq!(
        get(&world, "/file/bucket-1/big.txt", &headers).body,
        b"3456"
    );

    let message = finish(&user, &id, &[b"01234", b"56789", b"!"]).refused(400, "bad_request");
    assert_eq!(message, format!("No active upload for: {id}"));
    upload_part(&url, "1", b"01234").refused(400, "bad_request");
}

#[test]
fn finishing_checks_every_part() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let id = id_of(&start(&user, &bucket, "big"), "fileId");
    let url = part_url(&user, &id);
    upload_part(&url, "1", b"0123").ok();
    upload_part(&url, "2", b"45").ok();
    let single = finish(&user, &id, &[b"0123"]).refused(400, "bad_request");
    assert_eq!(single, "large files must have at least 2 parts");
    finish(&user, &id, &[b"0123", b"45", b"x"]).refused(400, "missing_part");
    finish(&user, &id, &[b"0123", b"xx"]).refused(400, "part_sha1_mismatch");
    upload_part(&url, "4", b"6").ok();
    finish(&user, &id, &[b"0123", b"45", b"6"]).refused(400, "missing_part");
    finish(&user, &id, &[b"0123", b"45"]).refused(400, "bad_request");
    upload_part(&url, "3", b"6").ok();
    let small = finish(&user, &id, &[b"0123", b"45", b"6", b"6"]).refused(400, "bad_request");
    assert_eq!(small, "Part number 2 is smaller than 4 bytes");
}

#[test]
fn bad_parts_are_refused_before_the_body_is_read() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let id = id_of(&start(&user, &bucket, "big"), "fileId");
    let url = part_url(&user, &id);
    for number in ["0", "10001", "x", "-1"] {
        let headers = [
            ("X-Bz-Part-Number", number),
            ("X-Bz-Content-Sha1", "do_not_verify"),
        ];
        let message = url
            .send(&headers, 5, &mut Untouchable)
            .refused(400, "bad_request");
        assert_eq!(message, "Part number must be in range 1 - 10000");
    }
    let encrypted = [
        ("X-Bz-Part-Number", "1"),
        ("X-Bz-Content-Sha1", "do_not_verify"),
        ("X-Bz-Server-Side-Encryption", "AES256"),
    ];
    url.send(&encrypted, 5, &mut Untouchable)
        .refused(400, "bad_request");
    upload_part(&url, "1", b"").refused(400, "bad_request");
    let wrong = sha1_of(b"other");
    let headers = [
        ("X-Bz-Part-Number", "1"),
        ("X-Bz-Content-Sha1", wrong.as_str()),
    ];
    let message = url
        .send(&headers, 5, &mut &b"hello"[..])
        .refused(400, "bad_request");
    assert_eq!(message, "Sha1 did not match data received");
    let parts = user.call("b2_list_parts", json!({ "fileId": id })).ok();
    assert_eq!(parts, json!({ "nextPartNumber": null, "parts": [] }));
}

#[test]
fn unfinished_files_are_listed_oldest_first_until_cancelled() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let ids: Vec<String> = ["z", "a/1", "a/2"]
        .iter()
        .map(|name| {
            world.clock().advance(Duration::from_millis(5));
            id_of(&start(&user, &bucket, name), "fileId")
        })
        .collect();
    let list = |more: Value| {
        let mut body = json!({ "bucketId": bucket });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        user.call("b2_list_unfinished_large_files", body).ok()
    };
    assert_eq!(names_in(&list(json!({}))), ["z", "a/1", "a/2"]);
    assert_eq!(
        names_in(&list(json!({ "namePrefix": "a/" }))),
        ["a/1", "a/2"]
    );
    let page = list(json!({ "maxFileCount": 1 }));
    assert_eq!(
        (names_in(&page), &page["nextFileId"]),
        (vec!["z"], &json!(ids[1]))
    );

    upload_part(&part_url(&user, &ids[1]), "1", b"x").ok();
    let cancelled = user
        .call("b2_cancel_large_file", json!({ "fileId": ids[1] }))
        .ok();
    let expected = json!({ "accountId": world.account_id(), "bucketId": bucket,
        "fileId": ids[1], "fileName": "a/1" });
    assert_eq!(cancelled, expected);
    let again = user.call("b2_cancel_large_file", json!({ "fileId": ids[1] }));
    let message = again.refused(400, "bad_request");
    assert_eq!(message, format!("No active upload for: {}", ids[1]));
    let bad = user.call("b2_cancel_large_file", json!({ "fileId": "bad-id" }));
    assert_eq!(bad.refused(400, "bad_request"), "Invalid fileId: bad-id");
    // One that is gone: on from the first one after it.
    assert_eq!(names_in(&list(json!({ "startFileId": ids[1] }))), ["a/2"]);
    // Deleting an unfinished version cancels it as well.
    let delete = json!({ "fileId": ids[0], "fileName": "z" });
    user.call("b2_delete_file_version", delete).ok();
    assert_eq!(names_in(&list(json!({}))), ["a/2"]);
    user.account_call("b2_delete_bucket", json!({ "bucketId": bucket }))
        .refused(400, "cannot_delete_non_empty_bucket");
}

#[test]
fn version_1_starts_without_what_is_not_known_yet() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let body = json!({ "bucketId": bucket, "fileName": "a", "contentType": "a/b" });
    let started = user
        .call_version(1, "b2_start_large_file", body.clone())
        .ok();
    for absent in ["action", "contentLength", "contentSha1", "legalHold"] {
        assert_eq!(started.get(absent), None, "{absent}");
    }
    let mut dated = body.clone();
    dated["customUploadTimestamp"] = json!("123");
    let answer = user.call("b2_start_large_file", dated);
    answer.refused(400, "custom_timestamp_not_allowed");
    let mut locked = body;
    locked["legalHold"] = json!("on");
    user.call("b2_start_large_file", locked)
        .refused(400, "bucket_missing_file_lock");
}

/// Section 12 #28: the file itself has none, its copy is hashed like every other.
#[test]
fn a_copy_of_a_large_file_has_a_checksum() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let id = id_of(&start(&user, &bucket, "large"), "fileId");
    let url = part_url(&user, &id);
    upload_part(&url, "1", b"hello").ok();
    upload_part(&url, "2", b"!").ok();
    assert_eq!(
        finish(&user, &id, &[b"hello", b"!"]).ok()["contentSha1"],
        "none"
    );
    let copy = json!({ "sourceFileId": id, "fileName": "copy" });
    let copy = user.call("b2_copy_file", copy).ok();
    assert_eq!(copy["contentSha1"], sha1_of(b"hello!"));
}
