//! Questions about buckets, their rules and what they do to files.

use serde_json::{Value, json};

use super::{CANNOT_ASK, Question, outcome, update};
use crate::service::{Scratch, text};

fn cors(bucket: &Scratch<'_>, field: &str, value: Value) -> String {
    let mut rule = json!({ "corsRuleName": "rule-1", "allowedOrigins": ["https"],
        "allowedOperations": ["s3_get"], "maxAgeSeconds": 60 });
    rule[field] = value;
    update(bucket, json!({ "corsRules": [rule] }))
}

fn rule_with_events(bucket: &Scratch<'_>, types: &[&str]) -> String {
    let target = json!({ "targetType": "webhook", "url": "https://b2sdk-contract.invalid/" });
    let rule = json!({ "name": "rule-1", "eventTypes": types, "objectNamePrefix": "", "isEnabled": false,
        "targetConfiguration": target });
    outcome(&bucket.call(
        "b2_set_bucket_notification_rules",
        json!({ "eventNotificationRules": [rule] }),
    ))
}

/// Lets the files of a bucket be replicated into another; what refused it otherwise.
fn replicate(from: &Scratch<'_>, to: &Scratch<'_>, existing: bool) -> Result<(), String> {
    let key = from.key(&["readFiles", "listFiles"], None);
    let rule = json!({ "destinationBucketId": to.id, "fileNamePrefix": "", "isEnabled": true,
        "includeExistingFiles": existing, "priority": 1, "replicationRuleName": "rule-1" });
    let source = json!({ "replicationRules": [rule],
        "sourceApplicationKeyId": text(&key, "applicationKeyId") });
    let configuration = json!({ "asReplicationSource": source, "asReplicationDestination": null });
    match update(from, json!({ "replicationConfiguration": configuration })) {
        done if done == "200" => Ok(()),
        refused => Err(refused),
    }
}

fn replication_status(file: &Value) -> String {
    file["replicationStatus"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        row: "bucket names: 6 to 63 letters",
        question: "May a bucket's name have a dot?",
        ask: |bucket| {
            let name = format!("{}.x", bucket.name);
            let body = json!({ "bucketName": name, "bucketType": "allPrivate" });
            let answer = bucket.session.account_call("b2_create_bucket", body);
            if answer.status == 200 {
                let id = json!({ "bucketId": answer.json()["bucketId"] });
                bucket.session.account_call("b2_delete_bucket", id).ok();
            }
            outcome(&answer)
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "of rules with overlapping prefixes",
        question: "Does the native API take lifecycle rules with overlapping prefixes?",
        ask: |bucket| {
            let rule =
                |prefix: &str| json!({ "fileNamePrefix": prefix, "daysFromUploadingToHiding": 9 });
            update(
                bucket,
                json!({ "lifecycleRules": [rule("a/"), rule("a/b/")] }),
            )
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "names of CORS rules have up to 63 characters",
        question: "May the name of a CORS rule have 63 characters?",
        ask: |bucket| cors(bucket, "corsRuleName", json!("r".repeat(63))),
        assumed: "200",
    },
    Question {
        row: "CORS rules: origins",
        question: "Is a CORS age of 0 taken?",
        ask: |bucket| cors(bucket, "maxAgeSeconds", json!(0)),
        assumed: "200",
    },
    Question {
        row: "`bucketInfo`: 10 pairs",
        question: "May a name in bucketInfo have a dot?",
        ask: |bucket| update(bucket, json!({ "bucketInfo": { "with.dot": "x" } })),
        assumed: "200",
    },
    Question {
        row: "new buckets encrypt with SSE-B2, `none` is refused",
        question: "What does the default encryption `none` get?",
        ask: |bucket| {
            update(
                bucket,
                json!({ "defaultServerSideEncryption": { "mode": "none" } }),
            )
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "event types include `b2:MultipartUploadCreated:*`",
        question: "Is b2:MultipartUploadCreated:LiveRead an event type?",
        ask: |bucket| rule_with_events(bucket, &["b2:MultipartUploadCreated:LiveRead"]),
        assumed: "200",
    },
    Question {
        row: "names of CORS rules have up to 63 characters; exposed headers are whole names",
        question: "May an exposed header of a CORS rule end with a star?",
        ask: |bucket| cors(bucket, "exposeHeaders", json!(["x-bz-*"])),
        assumed: "400 bad_request",
    },
    Question {
        row: "`bucketInfo`: 10 pairs",
        question: "May one value in bucketInfo have 10,001 bytes?",
        ask: |bucket| {
            let info = json!({ "long": "x".repeat(10_001) });
            update(bucket, json!({ "bucketInfo": info }))
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "`bucketInfo`: 10 pairs",
        question: "May a name in bucketInfo that is not documented begin with b2-?",
        ask: |bucket| update(bucket, json!({ "bucketInfo": { "b2-colour": "x" } })),
        assumed: "400 bad_request",
    },
    Question {
        row: "no retention ends after the year 9999",
        question: "May a default retention last 3001 years?",
        ask: |bucket| {
            update(bucket, json!({ "fileLockEnabled": true }));
            let period = json!({ "duration": 3001, "unit": "years" });
            let retention = json!({ "mode": "governance", "period": period });
            let answer = update(bucket, json!({ "defaultRetention": retention }));
            update(
                bucket,
                json!({ "defaultRetention": { "mode": null, "period": null } }),
            );
            answer
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "public buckets need no token",
        question: "What does a download from a public bucket get with a garbled token?",
        ask: |bucket| {
            bucket.upload("a", b"x");
            match update(bucket, json!({ "bucketType": "allPublic" })) {
                refused if refused != "200" => format!("{CANNOT_ASK}: {refused}"),
                _ => {
                    let headers = [("Authorization", "4_garbled")];
                    let service = bucket.session.service;
                    outcome(&service.send("GET", &bucket.by_name("a"), &headers, None))
                }
            }
        },
        assumed: "401 bad_auth_token",
    },
    Question {
        row: "files whose name and info take more than 2048 bytes are not replicated",
        question: "Which replication status has a file with 2100 bytes of info where a rule applies?",
        ask: |bucket| {
            let to = Scratch::new(bucket.session);
            match replicate(bucket, &to, false) {
                Err(refused) => refused,
                Ok(()) => {
                    let info = "x".repeat(2100);
                    let file = bucket.try_upload("a", b"x", &[("X-Bz-Info-note", &info)]);
                    replication_status(&file.ok())
                }
            }
        },
        assumed: "none",
    },
    Question {
        row: "existing files of a rule that includes them",
        question: "Which replication status has an older file right after a rule came that includes it?",
        ask: |bucket| {
            let to = Scratch::new(bucket.session);
            let file = bucket.upload("a", b"x");
            match replicate(bucket, &to, true) {
                Err(refused) => refused,
                Ok(()) => {
                    let body = json!({ "fileId": file["fileId"] });
                    replication_status(&bucket.session.call("b2_get_file_info", &body).ok())
                }
            }
        },
        assumed: "none",
    },
    Question {
        row: "what failed is tried again in the next round; a lock needs a destination with file lock",
        question: "May a bucket with file lock be replicated into one without?",
        ask: |bucket| {
            let to = Scratch::new(bucket.session);
            update(bucket, json!({ "fileLockEnabled": true }));
            match replicate(bucket, &to, false) {
                Err(refused) => refused,
                Ok(()) => "200".to_owned(),
            }
        },
        assumed: "200",
    },
];
