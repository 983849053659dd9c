//! The contract: what this crate and other clients rely on. Every run asserts it of the simulator. With
//! these variables, it asserts it of the real service too:
//!
//! ```text
//! B2_CONTRACT_KEY_ID=... B2_CONTRACT_KEY=... cargo test --all-features --test contract
//! ```
//!
//! No other program uses these variables, so the test never uses an account of another tool by accident.
//! The key needs all capabilities, as the master key has. `B2_CONTRACT_REALM` names a realm other than
//! production. A run transfers about 40 MB and sends about 700 requests. Each test creates a bucket named
//! `b2sdk-contract-` and a random number. It empties and deletes the bucket at its end, even when it
//! fails; only a killed run leaves a bucket behind.
//!
//! `questions` asks the service what no source has published.
//!
//! All tests except the last use plain HTTP, without the code that they judge. Nothing is asserted that
//! docs/protocol.md marks as uncertain.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Verification};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

#[path = "contract/questions.rs"]
mod questions;
#[path = "contract/service.rs"]
mod service;

use service::{Scratch, each_service, in_a_bucket, noise, sha1_of, text};

#[test]
fn each_version_authorizes_in_its_own_words() {
    each_service(|service| {
        let (id, key) = (&service.key_id, &service.key);
        let answer = service.authorize(4, id, key);
        assert_eq!(
            answer.header("content-type"),
            "application/json;charset=UTF-8"
        );
        assert!(answer.header("date").ends_with(" GMT"));
        let v4 = answer.ok();
        let api = &v4["apiInfo"]["storageApi"];
        assert_eq!(api["absoluteMinimumPartSize"], 5_000_000);
        assert!(api["recommendedPartSize"].as_u64() >= Some(5_000_000));
        assert_eq!(api["allowed"]["buckets"], Value::Null);
        assert_eq!(api["allowed"]["namePrefix"], Value::Null);
        let capabilities = api["allowed"]["capabilities"].as_array().unwrap();
        assert!(capabilities.contains(&json!("writeFiles")));
        let v3 = service.authorize(3, id, key).ok();
        assert!(v3["apiInfo"]["storageApi"]["capabilities"].is_array());
        assert_eq!(v3["apiInfo"]["storageApi"]["bucketId"], Value::Null);
        for version in [1, 2] {
            let flat = service.authorize(version, id, key).ok();
            assert!(flat["allowed"]["capabilities"].is_array());
            assert_eq!(flat["accountId"], v4["accountId"]);
            assert_eq!(flat["downloadUrl"], api["downloadUrl"]);
        }
    });
}

#[test]
fn wrong_credentials_are_401() {
    each_service(|service| {
        let either = ["unauthorized", "bad_auth_token"];
        let wrong = service.authorize(4, &service.key_id, "K002thisisnotthekeyatall00000000");
        wrong.refused(401, &either);
        let mut session = service.session();
        session.token = "4_garbled".to_owned();
        let answer = session.account_call("b2_list_buckets", json!({}));
        answer.refused(401, &["bad_auth_token"]);
    });
}

#[test]
fn buckets_are_created_updated_with_their_revision_and_listed() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let twin = json!({ "bucketName": bucket.name.to_uppercase().replace("B2SDK", "b2sdk"),
            "bucketType": "allPrivate" });
        let twin = session.account_call("b2_create_bucket", twin);
        twin.refused(400, &["duplicate_bucket_name"]);
        let short = json!({ "bucketName": "short", "bucketType": "allPrivate" });
        let short = session.account_call("b2_create_bucket", short);
        short.refused(400, &["bad_request", "invalid_bucket_name"]);

        let list = |body: Value| session.account_call("b2_list_buckets", body).ok();
        let shown = list(json!({ "bucketName": bucket.name, "bucketTypes": ["all"] }));
        let shown = &shown["buckets"][0];
        assert_eq!(shown["bucketId"], bucket.id);
        assert_eq!(shown["bucketType"], "allPrivate");
        assert_eq!(shown["lifecycleRules"], json!([]));
        for field in ["defaultServerSideEncryption", "fileLockConfiguration"] {
            assert_eq!(shown[field]["isClientAuthorizedToRead"], true, "{field}");
        }
        let revision = shown["revision"].as_u64().unwrap();
        let rule = json!({ "fileNamePrefix": "tmp/", "daysFromHidingToDeleting": 1,
            "daysFromUploadingToHiding": null });
        let change = json!({ "ifRevisionIs": revision, "bucketInfo": { "a": "1" },
            "lifecycleRules": [rule] });
        let changed = bucket.update(change.clone()).ok();
        assert!(changed["revision"].as_u64() > Some(revision));
        assert_eq!(changed["bucketInfo"], json!({ "a": "1" }));
        assert_eq!(changed["lifecycleRules"][0], rule);
        bucket.update(change).refused(409, &["conflict"]);
        let overlapping =
            json!([rule, { "fileNamePrefix": "tmp/a", "daysFromHidingToDeleting": 1 }]);
        let overlapping = bucket.update(json!({ "lifecycleRules": overlapping }));
        overlapping.refused(400, &["bad_request"]);
        let disguised = json!({ "bucketId": "000000000000000000000000" });
        assert_eq!(list(disguised)["buckets"], json!([]));
    });
}

#[test]
fn a_bucket_with_files_is_not_deleted() {
    in_a_bucket(|bucket| {
        bucket.upload("a", b"x");
        let delete = json!({ "bucketId": bucket.id });
        let refused = bucket.session.account_call("b2_delete_bucket", delete);
        refused.refused(400, &["cannot_delete_non_empty_bucket"]);
    });
}

#[test]
fn a_small_file_comes_back_as_it_was_sent() {
    in_a_bucket(|bucket| {
        let (session, data) = (bucket.session, noise(1, 100_000));
        let (encoded, name) = ("dir/a%20%2B%20%C3%BC.txt", "dir/a + ü.txt");
        let headers = [
            ("X-Bz-Info-color", "light%20bl%C3%BCe"),
            ("X-Bz-Info-src_last_modified_millis", "1709972134000"),
        ];
        let file = bucket.try_upload(encoded, &data, &headers).ok();
        assert_eq!(
            (&file["action"], &file["fileName"]),
            (&json!("upload"), &json!(name))
        );
        assert_eq!(file["contentLength"], 100_000);
        assert_eq!(file["contentSha1"], sha1_of(&data));
        assert_eq!(file["fileInfo"]["color"], "light blüe");
        let id = json!({ "fileId": file["fileId"] });
        let info = session.call("b2_get_file_info", &id).ok();
        for field in [
            "fileId",
            "fileInfo",
            "contentSha1",
            "uploadTimestamp",
            "contentType",
        ] {
            assert_eq!(info[field], file[field], "{field}");
        }
        for url in [bucket.by_name(encoded), session.by_id(&file)] {
            let answer = session.get(&url, &[]);
            assert_eq!((answer.status, answer.body == data), (200, true));
            assert_eq!(answer.header("content-type"), "text/plain");
            assert_eq!(answer.header("x-bz-file-id"), file["fileId"]);
            assert_eq!(answer.header("x-bz-content-sha1"), file["contentSha1"]);
            assert_eq!(
                answer.header("x-bz-info-src_last_modified_millis"),
                "1709972134000"
            );
            let timestamp = file["uploadTimestamp"].to_string();
            assert_eq!(answer.header("x-bz-upload-timestamp"), timestamp);
            assert!(answer.header("date").ends_with(" GMT"));
            let head = session.request("HEAD", &url, &[]);
            assert_eq!(
                (head.status, head.header("content-length")),
                (200, "100000")
            );
            assert!(head.body.is_empty());
        }
    });
}

#[test]
fn ranges_are_cut_and_what_is_missing_is_told() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        bucket.upload("a", b"0123456789");
        let url = bucket.by_name("a");
        let range = |range: &str| session.get(&url, &[("Range", range)]);
        for (asked, body, shown) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=8-", "89", "bytes 8-9/10"),
            ("bytes=8-99", "89", "bytes 8-9/10"),
            ("bytes=-3", "789", "bytes 7-9/10"),
        ] {
            let answer = range(asked);
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (206, body.as_bytes()),
                "{asked}"
            );
            assert_eq!(answer.header("content-range"), shown);
            // The checksum of the whole file.
            assert_eq!(answer.header("x-bz-content-sha1"), sha1_of(b"0123456789"));
        }
        range("bytes=10-").refused(416, &["range_not_satisfiable"]);
        session
            .get(&bucket.by_name("b"), &[])
            .refused(404, &["not_found"]);
        let head = session.request("HEAD", &bucket.by_name("b"), &[]);
        assert_eq!((head.status, head.body.len()), (404, 0));
        let anonymous = session.service.send("GET", &url, &[], None);
        anonymous.refused(
            401,
            &["unauthorized", "bad_auth_token", "missing_auth_token"],
        );
    });
}

#[test]
fn a_wrong_upload_stores_nothing() {
    in_a_bucket(|bucket| {
        let wrong = sha1_of(b"something else");
        let wrong = [("X-Bz-Content-Sha1", wrong.as_str())];
        bucket
            .try_upload("a", b"x", &wrong)
            .refused(400, &["bad_request"]);
        for name in ["/a", "a/", "a//b"] {
            bucket
                .try_upload(name, b"x", &[])
                .refused(400, &["bad_request"]);
        }
        assert_eq!(bucket.versions(), []);
        let unverified = [("X-Bz-Content-Sha1", "do_not_verify")];
        let file = bucket.try_upload("a", b"x", &unverified).ok();
        assert_eq!(file["contentSha1"], format!("unverified:{}", sha1_of(b"x")));
        let at_end = [("X-Bz-Content-Sha1", "hex_digits_at_end")];
        let data = format!("x{}", sha1_of(b"x"));
        let file = bucket.try_upload("b", data.as_bytes(), &at_end).ok();
        assert_eq!(
            (&file["contentLength"], &file["contentSha1"]),
            (&json!(1), &json!(sha1_of(b"x")))
        );
    });
}

#[test]
fn versions_are_listed_hidden_and_deleted() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let first = bucket.upload("a", b"1");
        let second = bucket.upload("a", b"2");
        bucket.hide("never").refused(400, &["no_such_file"]);
        let marker = bucket.hide("a").ok();
        assert_eq!(
            (&marker["action"], &marker["contentLength"]),
            (&json!("hide"), &json!(0))
        );
        bucket.hide("a").refused(400, &["already_hidden"]);
        let page = bucket.call("b2_list_file_versions", json!({})).ok();
        let ids: Vec<&Value> = page["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| &f["fileId"])
            .collect();
        assert_eq!(
            ids,
            [&marker["fileId"], &second["fileId"], &first["fileId"]]
        );
        assert_eq!(bucket.names(json!({})), [""; 0]);
        session
            .get(&bucket.by_name("a"), &[])
            .refused(404, &["not_found"]);
        let old = session.get(&session.by_id(&first), &[]);
        assert_eq!((old.status, old.body.as_slice()), (200, &b"1"[..]));

        let delete = json!({ "fileId": marker["fileId"], "fileName": "a" });
        let deleted = session.call("b2_delete_file_version", &delete).ok();
        assert_eq!(deleted, delete);
        let again = session.call("b2_delete_file_version", &delete);
        again.refused(400, &["file_not_present"]);
        assert_eq!(session.get(&bucket.by_name("a"), &[]).body, b"2");
    });
}

#[test]
fn listings_page_in_byte_order_and_fold_folders() {
    in_a_bucket(|bucket| {
        for name in ["b/2", "a", "b/1", "B", "%C3%BC"] {
            bucket.upload(name, b"x");
        }
        let all = ["B", "a", "b/1", "b/2", "ü"];
        assert_eq!(bucket.names(json!({})), all);
        let mut paged = Vec::new();
        let mut next = Value::Null;
        loop {
            let body = json!({ "maxFileCount": 2, "startFileName": next, "prefix": null });
            let page = bucket.call("b2_list_file_names", body).ok();
            let files = page["files"].as_array().unwrap().iter();
            paged.extend(files.map(|file| text(file, "fileName")));
            next = page["nextFileName"].clone();
            if next.is_null() {
                break;
            }
        }
        assert_eq!(paged, all);
        assert_eq!(
            bucket.names(json!({ "delimiter": "/" })),
            ["B", "a", "b/", "ü"]
        );
        assert_eq!(
            bucket.names(json!({ "prefix": "b/", "delimiter": "/" })),
            ["b/1", "b/2"]
        );
        assert_eq!(
            bucket.names(json!({ "startFileName": "b/1a" })),
            ["b/2", "ü"]
        );
        let many = bucket.call("b2_list_file_names", json!({ "maxFileCount": 10_001 }));
        many.refused(400, &["out_of_range"]);
        let old = bucket.call_version(1, "b2_list_file_names", json!({})).ok();
        assert_eq!(old["files"][0]["size"], 1);
    });
}

#[test]
fn a_large_file_is_its_parts() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let parts = [noise(2, 5_000_000), noise(3, 1_000)];
        let large = bucket.start("large.txt");
        assert_eq!(
            (&large["action"], &large["contentSha1"]),
            (&json!("start"), &json!("none"))
        );
        assert_eq!(large["contentType"], "text/plain");
        let sha1s = parts.each_ref().map(|part| sha1_of(part));
        for (number, part) in (1..).zip(&parts) {
            let stored = bucket.upload_part(&large, number, part).ok();
            assert_eq!(stored["contentSha1"], sha1_of(part));
        }
        // The second time a part replaces the first.
        bucket.upload_part(&large, 2, &parts[1]).ok();
        let id = json!({ "fileId": large["fileId"] });
        let listed = session.call("b2_list_parts", &id).ok();
        let numbers: Vec<&Value> = listed["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| &part["partNumber"])
            .collect();
        assert_eq!(numbers, [1, 2]);
        let unfinished = bucket
            .call("b2_list_unfinished_large_files", json!({}))
            .ok();
        assert_eq!(unfinished["files"][0]["fileId"], large["fileId"]);
        session
            .get(&bucket.by_name("large.txt"), &[])
            .refused(404, &["not_found"]);

        let finish = |sha1s: &[&str]| {
            let body = json!({ "fileId": large["fileId"], "partSha1Array": sha1s });
            session.call("b2_finish_large_file", &body)
        };
        finish(&[&sha1s[0]]).refused(400, &["bad_request"]);
        finish(&[&sha1s[0], &sha1s[0]]).refused(400, &["part_sha1_mismatch"]);
        finish(&[&sha1s[0], &sha1s[1], &sha1s[1]]).refused(400, &["missing_part"]);
        let finished = finish(&[&sha1s[0], &sha1s[1]]).ok();
        assert_eq!(finished["action"], "upload");
        for field in ["fileId", "uploadTimestamp", "contentSha1", "contentMd5"] {
            assert_eq!(finished[field], large[field], "{field}");
        }
        assert_eq!(finished["contentLength"], 5_001_000);
        finish(&[&sha1s[0], &sha1s[1]]).refused(400, &["bad_request"]);
        let range = [("Range", "bytes=4999999-5000001")];
        let across = session.get(&bucket.by_name("large.txt"), &range);
        let expected = [&parts[0][4_999_999..], &parts[1][..2]].concat();
        assert_eq!((across.status, across.body), (206, expected));
        let whole = session.get(&session.by_id(&large), &[]);
        assert_eq!(sha1_of(&whole.body), sha1_of(&parts.concat()));
        assert_eq!(whole.header("x-bz-content-sha1"), "none");
    });
}

#[test]
fn small_parts_are_refused_at_the_end_and_large_files_can_be_cancelled() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let large = bucket.start("large");
        bucket.upload_part(&large, 1, b"small").ok();
        bucket.upload_part(&large, 2, b"last").ok();
        let sha1s = [sha1_of(b"small"), sha1_of(b"last")];
        let body = json!({ "fileId": large["fileId"], "partSha1Array": sha1s });
        session
            .call("b2_finish_large_file", &body)
            .refused(400, &["bad_request"]);
        let id = json!({ "fileId": large["fileId"] });
        let cancelled = session.call("b2_cancel_large_file", &id).ok();
        assert_eq!(cancelled["fileName"], "large");
        session
            .call("b2_cancel_large_file", &id)
            .refused(400, &["bad_request", "file_not_present"]);
        session
            .call("b2_get_upload_part_url", &id)
            .refused(400, &["bad_request"]);
        assert_eq!(bucket.versions(), []);
    });
}

#[test]
fn copies_keep_or_replace_what_is_told_of_a_file() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let info = [("X-Bz-Info-color", "blue")];
        let source = bucket.try_upload("source", b"0123456789", &info).ok();
        let copy = |more: Value| {
            let mut body = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            session.call("b2_copy_file", &body)
        };
        let kept = copy(json!({})).ok();
        assert_eq!(
            (&kept["action"], &kept["fileInfo"]),
            (&json!("copy"), &json!({ "color": "blue" }))
        );
        assert_eq!(kept["contentSha1"], source["contentSha1"]);
        assert_eq!(
            bucket.versions()[0],
            ("copy".to_owned(), "upload".to_owned())
        );
        let replaced = json!({ "range": "bytes=2-4", "metadataDirective": "REPLACE",
            "contentType": "a/b", "fileInfo": { "size": "small" } });
        let replaced = copy(replaced).ok();
        assert_eq!(replaced["fileInfo"], json!({ "size": "small" }));
        assert_eq!(
            (&replaced["contentType"], &replaced["contentLength"]),
            (&json!("a/b"), &json!(3))
        );
        assert_eq!(session.get(&bucket.by_name("copy"), &[]).body, b"234");
        let mixed = copy(json!({ "metadataDirective": "COPY", "contentType": "a/b" }));
        mixed.refused(400, &["bad_request"]);
        copy(json!({ "metadataDirective": "REPLACE" })).refused(400, &["bad_request"]);
        copy(json!({ "range": "bytes=10-11" })).refused(416, &["range_not_satisfiable"]);
    });
}

#[test]
fn parts_are_copied_from_files_and_uploads_open_with_their_own_token_only() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let source = bucket.upload("source", b"0123456789");
        let large = bucket.start("large");
        let part = |more: Value| {
            let mut body = json!({ "sourceFileId": source["fileId"],
                "largeFileId": large["fileId"], "partNumber": 1 });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            session.call("b2_copy_part", &body)
        };
        let copied = part(json!({ "range": "bytes=2-4" })).ok();
        assert_eq!(copied["contentSha1"], sha1_of(b"234"));
        assert_eq!(
            (&copied["contentLength"], &copied["partNumber"]),
            (&json!(3), &json!(1))
        );
        part(json!({ "range": "bytes=10-11" })).refused(416, &["range_not_satisfiable"]);
        let id = json!({ "fileId": large["fileId"] });
        let listed = session.call("b2_list_parts", &id).ok();
        assert_eq!(listed["parts"][0]["contentSha1"], copied["contentSha1"]);

        let mut target = bucket.call("b2_get_upload_url", json!({})).ok();
        target["authorizationToken"] = json!(session.token);
        let sha1 = sha1_of(b"x");
        let headers = [
            ("X-Bz-File-Name", "x"),
            ("Content-Type", "a/b"),
            ("X-Bz-Content-Sha1", &sha1),
        ];
        assert_eq!(bucket.post_once(&target, &headers, b"x").status, 401);
    });
}

#[test]
fn cross_origin_rules_are_kept_and_bad_ones_refused() {
    in_a_bucket(|bucket| {
        let rule = json!({ "corsRuleName": "downloads", "allowedOrigins": ["https://example.com"],
            "allowedOperations": ["b2_download_file_by_name"], "allowedHeaders": ["range"],
            "exposeHeaders": null, "maxAgeSeconds": 3600 });
        let changed = bucket.update(json!({ "corsRules": [rule] })).ok();
        assert_eq!(changed["corsRules"][0]["corsRuleName"], "downloads");
        assert_eq!(
            changed["corsRules"][0]["allowedOrigins"],
            rule["allowedOrigins"]
        );
        let mut bad = rule.clone();
        bad["allowedOperations"] = json!(["b2_no_such_operation"]);
        bucket
            .update(json!({ "corsRules": [bad] }))
            .refused(400, &["bad_request"]);
        let cleared = bucket.update(json!({ "corsRules": [] })).ok();
        assert_eq!(cleared["corsRules"], json!([]));
    });
}

#[test]
fn a_file_under_a_customers_key_is_read_with_that_key_only() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let headers_of = |byte: u8| {
            let key = [byte; 32];
            [
                BASE64_STANDARD.encode(key),
                BASE64_STANDARD.encode(Md5::digest(key)),
            ]
        };
        let (right, wrong) = (headers_of(1), headers_of(2));
        let with = |key: &[String; 2]| {
            let prefix = "X-Bz-Server-Side-Encryption-Customer";
            [
                (format!("{prefix}-Algorithm"), "AES256".to_owned()),
                (format!("{prefix}-Key"), key[0].clone()),
                (format!("{prefix}-Key-Md5"), key[1].clone()),
            ]
        };
        let (right_headers, wrong_headers) = (with(&right), with(&wrong));
        let right_headers = right_headers
            .each_ref()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let wrong_headers = wrong_headers
            .each_ref()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let file = bucket.try_upload("secret", b"secret", &right_headers).ok();
        assert_eq!(file["serverSideEncryption"]["mode"], "SSE-C");
        assert_eq!(file["serverSideEncryption"]["algorithm"], "AES256");
        for url in [bucket.by_name("secret"), session.by_id(&file)] {
            session.get(&url, &[]).refused(400, &["bad_request"]);
            session
                .get(&url, &wrong_headers)
                .refused(403, &["access_denied"]);
            let answer = session.get(&url, &right_headers);
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (200, &b"secret"[..])
            );
            let shown = answer.header("x-bz-server-side-encryption-customer-key-md5");
            assert_eq!(shown, right[1]);
        }
        let copy = |source: Value| {
            let body = json!({ "sourceFileId": file["fileId"], "fileName": "copy",
                "sourceServerSideEncryption": source });
            session.call("b2_copy_file", &body)
        };
        let setting = |key: &[String; 2]| {
            json!({ "mode": "SSE-C", "algorithm": "AES256",
            "customerKey": key[0], "customerKeyMd5": key[1] })
        };
        copy(Value::Null).refused(400, &["bad_request"]);
        copy(setting(&wrong)).refused(403, &["access_denied"]);
        let copied = copy(setting(&right)).ok();
        assert_ne!(copied["serverSideEncryption"]["mode"], "SSE-C");
        assert_eq!(session.get(&bucket.by_name("copy"), &[]).body, b"secret");
    });
}

#[test]
fn what_is_locked_needs_a_bucket_with_lock() {
    in_a_bucket(|bucket| {
        let file = bucket.upload("a", b"x");
        let missing = ["bucket_missing_file_lock"];
        let later = file["uploadTimestamp"].as_i64().unwrap() + 3_600_000;
        let hold = json!({ "legalHold": "on" });
        bucket
            .about(&file, "b2_update_file_legal_hold", hold)
            .refused(400, &missing);
        let retention =
            json!({ "fileRetention": { "mode": "governance", "retainUntilTimestamp": later } });
        bucket
            .about(&file, "b2_update_file_retention", retention)
            .refused(400, &missing);
        bucket
            .try_upload("b", b"x", &[("X-Bz-File-Legal-Hold", "on")])
            .refused(400, &missing);
        let default = json!({ "mode": "governance", "period": { "duration": 1, "unit": "days" } });
        bucket
            .update(json!({ "defaultRetention": default }))
            .refused(400, &missing);
    });
}

#[test]
fn a_locked_version_is_deleted_only_by_who_bypasses_it() {
    each_service(|service| {
        let session = service.session();
        let bucket = Scratch::with(&session, json!({ "fileLockEnabled": true }));
        let plain = bucket.upload("plain", b"x");
        assert_eq!(plain["fileRetention"]["value"]["mode"], Value::Null);
        assert_eq!(
            plain["legalHold"],
            json!({ "isClientAuthorizedToRead": true, "value": null })
        );
        let now = plain["uploadTimestamp"].as_i64().unwrap();
        let until = now / 1000 * 1000 + 7_200_000;
        let until_text = until.to_string();
        let headers = [
            ("X-Bz-File-Retention-Mode", "governance"),
            (
                "X-Bz-File-Retention-Retain-Until-Timestamp",
                until_text.as_str(),
            ),
        ];
        let locked = bucket.try_upload("locked", b"x", &headers).ok();
        let governed = |until: i64| json!({ "mode": "governance", "retainUntilTimestamp": until });
        assert_eq!(locked["fileRetention"]["value"], governed(until));
        let shown = session.get(&bucket.by_name("locked"), &[]);
        assert_eq!(shown.header("x-bz-file-retention-mode"), "governance");
        let past = [
            headers[0],
            (
                "X-Bz-File-Retention-Retain-Until-Timestamp",
                "1000000000000",
            ),
        ];
        let past = bucket.try_upload("past", b"x", &past);
        past.refused(400, &["retain_until_timestamp_must_be_in_future"]);

        let delete = |more: Value| bucket.about(&locked, "b2_delete_file_version", more);
        assert_eq!(delete(json!({})).status, 401);
        let retain = |until: i64, bypass: bool| {
            let body = json!({ "fileRetention": governed(until), "bypassGovernance": bypass });
            bucket.about(&locked, "b2_update_file_retention", body)
        };
        retain(until - 60_000, false).refused(403, &["access_denied"]);
        retain(until + 60_000, false).ok();
        let shortened = retain(until - 60_000, true).ok();
        assert_eq!(shortened["fileRetention"], governed(until - 60_000));
        for hold in ["on", "off"] {
            let body = json!({ "legalHold": hold });
            let held = bucket
                .about(&locked, "b2_update_file_legal_hold", body)
                .ok();
            assert_eq!(held["legalHold"], hold);
        }
        delete(json!({ "bypassGovernance": true })).ok();

        let default = json!({ "mode": "governance", "period": { "duration": 1, "unit": "days" } });
        let changed = bucket.update(json!({ "defaultRetention": default })).ok();
        assert_eq!(
            changed["fileLockConfiguration"]["value"]["defaultRetention"],
            default
        );
        let by_default = bucket.upload("by-default", b"x");
        assert_eq!(by_default["fileRetention"]["value"]["mode"], "governance");
        assert_eq!(
            bucket.update(json!({ "fileLockEnabled": false })).status,
            400
        );
    });
}

#[test]
fn a_restricted_key_is_kept_to_its_bucket_prefix_and_capabilities() {
    in_a_bucket(|bucket| {
        let service = bucket.session.service;
        bucket.upload("mine/a", b"mine");
        let other = bucket.upload("other", b"x");
        let key = bucket.key(&["listBuckets", "listFiles", "readFiles"], Some("mine/"));
        let (id, secret) = (text(&key, "applicationKeyId"), text(&key, "applicationKey"));
        assert_eq!(key["bucketIds"], json!([bucket.id]));
        let allowed = service.authorize(4, &id, &secret).ok();
        let allowed = &allowed["apiInfo"]["storageApi"]["allowed"];
        assert_eq!(
            allowed["buckets"],
            json!([{ "id": bucket.id, "name": bucket.name }])
        );
        assert_eq!(allowed["namePrefix"], "mine/");
        let weak = service.session_of(&id, &secret);
        let list = |prefix: Value| {
            weak.call(
                "b2_list_file_names",
                &json!({ "bucketId": bucket.id, "prefix": prefix }),
            )
        };
        assert_eq!(list(json!("mine/")).ok()["files"][0]["fileName"], "mine/a");
        list(Value::Null).refused(401, &["unauthorized"]);
        assert_eq!(weak.get(&bucket.by_name("mine/a"), &[]).body, b"mine");
        weak.get(&bucket.by_name("other"), &[])
            .refused(401, &["unauthorized"]);
        let about_other = json!({ "fileId": other["fileId"] });
        weak.call("b2_get_file_info", &about_other)
            .refused(401, &["unauthorized"]);
        let upload = weak.call("b2_get_upload_url", &json!({ "bucketId": bucket.id }));
        upload.refused(401, &["unauthorized"]);
        weak.account_call("b2_list_buckets", json!({}))
            .refused(401, &["unauthorized"]);
        let named = weak
            .account_call("b2_list_buckets", json!({ "bucketName": bucket.name }))
            .ok();
        assert_eq!(named["buckets"][0]["bucketId"], bucket.id);
        let unreadable = &named["buckets"][0]["defaultServerSideEncryption"];
        assert_eq!(unreadable["isClientAuthorizedToRead"], false);
    });
}

#[test]
fn keys_are_listed_and_deleted_once() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        let key = bucket.key(&["listFiles"], None);
        let id = text(&key, "applicationKeyId");
        let first = json!({ "startApplicationKeyId": id, "maxKeyCount": 1 });
        let listed = session.account_call("b2_list_keys", first).ok();
        assert_eq!(listed["keys"][0]["applicationKeyId"], id);
        assert_eq!(listed["keys"][0].get("applicationKey"), None);
        let body = json!({ "applicationKeyId": id });
        assert_eq!(
            session.call("b2_delete_key", &body).ok()["applicationKeyId"],
            id
        );
        session
            .call("b2_delete_key", &body)
            .refused(400, &["bad_request"]);
        let bad = json!({ "keyName": "with space", "capabilities": ["listFiles"] });
        session
            .account_call("b2_create_key", bad)
            .refused(400, &["bad_request"]);
    });
}

#[test]
fn a_download_authorization_opens_its_prefix() {
    in_a_bucket(|bucket| {
        let (session, service) = (bucket.session, bucket.session.service);
        let file = bucket.upload("shared/a", b"shared");
        bucket.upload("other", b"x");
        let ask = |more: Value| {
            let mut body = json!({ "fileNamePrefix": "shared/", "validDurationInSeconds": 600 });
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            bucket.call("b2_get_download_authorization", body)
        };
        let token = text(&ask(json!({})).ok(), "authorizationToken");
        let header = [("Authorization", token.as_str())];
        let with_token = |url: &str| service.send("GET", url, &header, None);
        let url = bucket.by_name("shared/a");
        assert_eq!(with_token(&url).body, b"shared");
        let query = format!("{url}?Authorization={}", token.replace('=', "%3D"));
        assert_eq!(service.send("GET", &query, &[], None).body, b"shared");
        assert_eq!(service.send("HEAD", &url, &header, None).status, 200);
        assert_eq!(with_token(&bucket.by_name("other")).status, 401);
        assert_eq!(with_token(&session.by_id(&file)).status, 401);
        ask(json!({ "validDurationInSeconds": 0 })).refused(400, &["bad_request"]);

        let disposition = "attachment; filename=\"b.txt\"";
        let forced = ask(json!({ "b2ContentDisposition": disposition })).ok();
        let forced = text(&forced, "authorizationToken");
        let forced = [("Authorization", forced.as_str())];
        assert_eq!(service.send("GET", &url, &forced, None).status, 401);
        let query = "b2ContentDisposition=attachment%3B%20filename%3D%22b.txt%22";
        let answer = service.send("GET", &format!("{url}?{query}"), &forced, None);
        assert_eq!(
            (answer.status, answer.header("content-disposition")),
            (200, disposition)
        );
    });
}

#[test]
fn what_is_wrong_with_a_request_is_400() {
    in_a_bucket(|bucket| {
        let session = bucket.session;
        session
            .call("b2_list_file_names", &json!({}))
            .refused(400, &["bad_request"]);
        let wrong_type = bucket.call("b2_list_file_names", json!({ "maxFileCount": [] }));
        wrong_type.refused(400, &["bad_request"]);
        let unknown = json!({ "bucketId": "000000000000000000000000" });
        let unknown = session.call("b2_get_upload_url", &unknown);
        // An id whose account is not the caller's may be judged before it is looked for.
        assert!([400, 401].contains(&unknown.status), "{}", unknown.status);
        let malformed = session.call("b2_get_file_info", &json!({ "fileId": "bad-id" }));
        malformed.refused(400, &["bad_request"]);
        let url = format!("{}/b2api/v4/b2_list_buckets", session.api_url);
        let header = [("Authorization", session.token.as_str())];
        let not_json = session.service.send("POST", &url, &header, Some(b"{"));
        not_json.refused(400, &["bad_json", "bad_request"]);
        let query = format!(
            "{url}?accountId={}&bucketId={}",
            session.account_id, bucket.id
        );
        assert_eq!(
            session.get(&query, &[]).ok()["buckets"][0]["bucketName"],
            bucket.name
        );
    });
}

/// What this crate creates is what plain HTTP shows, and the other way round.
#[test]
fn our_client_and_plain_http_see_the_same() {
    in_a_bucket(|scratch| {
        let (session, service) = (scratch.session, scratch.session.service);
        let api = B2Api::new(InMemoryAccountInfo::new());
        api.authorize_account(&service.realm, &service.key_id, &service.key)
            .unwrap();
        assert_eq!(api.account_id().unwrap().as_str(), session.account_id);
        let bucket = api.get_bucket_by_name(&scratch.name).unwrap();
        assert_eq!(bucket.id().as_str(), scratch.id);

        let theirs = scratch.upload("theirs", b"sent by hand");
        let download = bucket.download_file_by_name("theirs").unwrap();
        assert_eq!(download.read_to_vec().unwrap(), b"sent by hand");
        let uploaded = bucket
            .upload_bytes(b"sent by the client", "ours/a b")
            .unwrap();
        let answer = session.get(&scratch.by_name("ours/a%20b"), &[]);
        assert_eq!(answer.body, b"sent by the client");
        assert_eq!(
            answer.header("x-bz-file-id"),
            uploaded.version().file_id.as_str()
        );

        let data = noise(4, 5_001_000);
        let options = b2sdk::UploadOptions::new().part_size(5_000_000);
        let large = bucket
            .upload_bytes_with(&data, "ours/large", &options)
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let saved = bucket
            .download_file_by_name("ours/large")
            .unwrap()
            .save_to(&path)
            .unwrap();
        assert_eq!(saved.verification(), Verification::Verified);
        assert!(std::fs::read(&path).unwrap() == data);
        let copy = bucket.copy(&large.version().file_id, "copy").unwrap();
        assert_eq!(copy.content_length, 5_001_000);

        let names: Vec<String> = bucket
            .ls("")
            .unwrap()
            .map(|entry| entry.unwrap().version.file_name)
            .collect();
        assert_eq!(names, scratch.names(json!({ "delimiter": "/" })));
        bucket.hide_file("theirs").unwrap();
        let missing = bucket.download_file_by_name("theirs").unwrap_err();
        assert!(missing.is_not_found(), "{missing:?}");
        let id = b2sdk::FileId::from(text(&theirs, "fileId"));
        bucket.delete_file_version(&id, "theirs").unwrap();
        let twice = bucket.delete_file_version(&id, "theirs").unwrap_err();
        assert!(twice.is_not_found(), "{twice:?}");
        let taken = api
            .create_bucket(&scratch.name, BucketType::AllPrivate)
            .unwrap_err();
        assert!(!taken.is_not_found(), "{taken:?}");
    });
}

/// What a test that fails halfway leaves is deleted all the same.
#[test]
fn a_failing_test_leaves_nothing_behind() {
    each_service(|service| {
        let session = service.session();
        let left = RefCell::new((String::new(), String::new()));
        let failing = || {
            let scratch = Scratch::with(&session, json!({ "fileLockEnabled": true }));
            let key = scratch.key(&["listFiles"], None);
            left.replace((scratch.name.clone(), text(&key, "applicationKeyId")));
            let held = scratch.upload("a", b"x");
            let hold = json!({ "legalHold": "on" });
            scratch.about(&held, "b2_update_file_legal_hold", hold).ok();
            scratch.hide("a").ok();
            scratch.start("large");
            panic!("this failure is part of the test");
        };
        std::panic::catch_unwind(AssertUnwindSafe(failing)).unwrap_err();
        let (name, key) = left.into_inner();
        let buckets = json!({ "bucketName": name, "bucketTypes": ["all"] });
        let buckets = session.account_call("b2_list_buckets", buckets).ok();
        assert_eq!(buckets["buckets"], json!([]));
        let start = json!({ "startApplicationKeyId": key, "maxKeyCount": 1 });
        let keys = session.account_call("b2_list_keys", start).ok();
        assert_ne!(keys["keys"][0]["applicationKeyId"], key);
    });
}
