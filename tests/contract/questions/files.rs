//! Questions about uploads, copies and downloads.

use serde_json::{Value, json};

use super::{Question, outcome, update};
use crate::service::{Answer, Scratch, noise, sha1_of, text};

fn download(bucket: &Scratch<'_>, range: &str) -> String {
    bucket.upload("a", b"0123456789");
    outcome(
        &bucket
            .session
            .get(&bucket.by_name("a"), &[("Range", range)]),
    )
}

fn copy(bucket: &Scratch<'_>, more: Value) -> Answer {
    let source = bucket.upload("a", b"0123456789");
    let mut body = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    bucket.session.call("b2_copy_file", &body)
}

/// A large file of two parts.
fn large_file(bucket: &Scratch<'_>) -> Value {
    let parts = [noise(1, 5_000_000), noise(2, 100)];
    let started = bucket.start("large");
    for (number, part) in (1..).zip(&parts) {
        bucket.upload_part(&started, number, part).ok();
    }
    let sums: Vec<String> = parts.iter().map(|part| sha1_of(part)).collect();
    let body = json!({ "fileId": started["fileId"], "partSha1Array": sums });
    bucket.session.call("b2_finish_large_file", &body).ok()
}

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        row: "the limit of 2048 bytes does not hold for encryption",
        question: "May a file that asks for no encryption have 3000 bytes of info?",
        ask: |bucket| {
            let info = "x".repeat(3000);
            outcome(&bucket.try_upload("a", b"x", &[("X-Bz-Info-note", &info)]))
        },
        assumed: "200",
    },
    Question {
        row: "`b2/x-auto` is resolved at once",
        question: "Which type has `b2/x-auto` of a name that ends with .gz?",
        ask: |bucket| {
            let body = json!({ "fileName": "a.gz", "contentType": "b2/x-auto" });
            text(
                &bucket.call("b2_start_large_file", body).ok(),
                "contentType",
            )
        },
        assumed: "application/x-gzip",
    },
    Question {
        row: "`b2_get_file_info` of an unfinished file is 404",
        question: "What does b2_get_file_info say of an unfinished large file?",
        ask: |bucket| {
            let started = bucket.start("large");
            let body = json!({ "fileId": started["fileId"] });
            outcome(&bucket.session.call("b2_get_file_info", &body))
        },
        assumed: "404 not_found",
    },
    Question {
        row: "a copy's range names its first and its last byte",
        question: "May the range of a copy leave out the end?",
        ask: |bucket| outcome(&copy(bucket, json!({ "range": "bytes=2-" }))),
        assumed: "400 bad_request",
    },
    Question {
        row: "a copy's range that goes past the end",
        question: "How long is a copy whose range goes past the end?",
        ask: |bucket| match copy(bucket, json!({ "range": "bytes=2-99" })) {
            answer if answer.status == 200 => answer.json()["contentLength"].to_string(),
            answer => outcome(&answer),
        },
        assumed: "8",
    },
    Question {
        row: "REPLACE with an empty info",
        question: "What info has a copy with REPLACE and an empty fileInfo?",
        ask: |bucket| {
            let headers = [("X-Bz-Info-color", "red")];
            let source = bucket.try_upload("a", b"x", &headers).ok();
            let body = json!({ "sourceFileId": source["fileId"], "fileName": "copy", "contentType": "a/b",
                "metadataDirective": "REPLACE", "fileInfo": {} });
            bucket.session.call("b2_copy_file", &body).ok()["fileInfo"].to_string()
        },
        assumed: "{}",
    },
    Question {
        row: "a malformed range and several ranges are ignored",
        question: "What does a malformed range get?",
        ask: |bucket| download(bucket, "bytes=a-b"),
        assumed: "200",
    },
    Question {
        row: "a malformed range and several ranges are ignored",
        question: "What do several ranges get?",
        ask: |bucket| download(bucket, "bytes=0-1,3-4"),
        assumed: "200",
    },
    Question {
        row: "downloads show to every caller how",
        question: "Does a download tell the encryption to a key without readBucketEncryption?",
        ask: |bucket| {
            bucket.upload("a", b"x");
            let key = bucket.key(&["readFiles"], None);
            let (id, key) = (text(&key, "applicationKeyId"), text(&key, "applicationKey"));
            let session = bucket.session.service.session_of(&id, &key);
            let answer = session.get(&bucket.by_name("a"), &[]);
            answer.header("x-bz-server-side-encryption").to_owned()
        },
        assumed: "AES256",
    },
    Question {
        row: "`X-Bz-Content-Sha1: unverified:...` in an upload",
        question: "May an upload say unverified: before its checksum?",
        ask: |bucket| {
            let sha1 = format!("unverified:{}", sha1_of(b"x"));
            outcome(&bucket.try_upload("a", b"x", &[("X-Bz-Content-Sha1", &sha1)]))
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "a copy's range that goes past the end",
        question: "What does a copy get whose range begins behind the end?",
        ask: |bucket| outcome(&copy(bucket, json!({ "range": "bytes=10-99" }))),
        assumed: "416 range_not_satisfiable",
    },
    Question {
        row: "a copy of a large file gets the checksum",
        question: "Which checksum has a copy of a large file of 5,000,100 bytes?",
        ask: |bucket| {
            let large = large_file(bucket);
            let body = json!({ "sourceFileId": large["fileId"], "fileName": "copy" });
            let copy = bucket.session.call("b2_copy_file", &body).ok();
            match text(&copy, "contentSha1") {
                sum if sum == "none" => sum,
                _ => "digits".to_owned(),
            }
        },
        assumed: "digits",
    },
    Question {
        row: "object lock: modes, bypass",
        question: "What does deleting a version under legal hold get?",
        ask: |bucket| {
            update(bucket, json!({ "fileLockEnabled": true }));
            let file = bucket.try_upload("a", b"x", &[("X-Bz-File-Legal-Hold", "on")]);
            outcome(&bucket.about(&file.ok(), "b2_delete_file_version", json!({})))
        },
        assumed: "401 access_denied",
    },
    Question {
        row: "no retention ends after the year 9999",
        question: "May a retention end in the year 10000?",
        ask: |bucket| {
            update(bucket, json!({ "fileLockEnabled": true }));
            let file = bucket.upload("a", b"x");
            let retention =
                json!({ "mode": "governance", "retainUntilTimestamp": 253_402_300_800_000_u64 });
            let body = json!({ "fileRetention": retention });
            outcome(&bucket.about(&file, "b2_update_file_retention", body))
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "public files carry `X-Content-Type-Options",
        question: "Which X-Content-Type-Options has a download?",
        ask: |bucket| {
            bucket.upload("a", b"x");
            let answer = bucket.session.get(&bucket.by_name("a"), &[]);
            answer.header("x-content-type-options").to_owned()
        },
        assumed: "",
    },
];
