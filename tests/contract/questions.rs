//! What only the service can answer: for the rows of the fidelity table in `docs/simulator.md` that say
//! "assumed", a request whose outcome settles the row, and the outcome that the simulator assumes.
//!
//! ```text
//! cargo test --all-features --test contract questions -- --nocapture
//! ```
//!
//! prints each question with the simulator's answer and, with a key of a real account in the
//! environment, with the service's beside it.

use serde_json::{Value, json};

use super::service::{Answer, Scratch, Service, text};

struct Question {
    /// How the row of the fidelity table begins.
    row: &'static str,
    question: &'static str,
    ask: fn(&Scratch<'_>) -> String,
    /// What the simulator answers.
    assumed: &'static str,
}

/// The status, and the code of a refusal.
fn outcome(answer: &Answer) -> String {
    if answer.status < 300 {
        return answer.status.to_string();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    format!(
        "{} {}",
        answer.status,
        body["code"].as_str().unwrap_or("without a code")
    )
}

fn update(bucket: &Scratch<'_>, body: Value) -> String {
    outcome(&bucket.update(body))
}

fn cors(bucket: &Scratch<'_>, field: &str, value: Value) -> String {
    let mut rule = json!({ "corsRuleName": "rule-1", "allowedOrigins": ["https"],
        "allowedOperations": ["s3_get"], "maxAgeSeconds": 60 });
    rule[field] = value;
    update(bucket, json!({ "corsRules": [rule] }))
}

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

fn create_key(bucket: &Scratch<'_>, mut body: Value) -> String {
    body["keyName"] = json!("b2sdk-contract");
    let answer = bucket.session.account_call("b2_create_key", body);
    if answer.status == 200 {
        bucket
            .keys
            .borrow_mut()
            .push(text(&answer.json(), "applicationKeyId"));
    }
    outcome(&answer)
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

const QUESTIONS: [Question; 24] = [
    Question {
        row: "unknown request fields are passed over",
        question: "Is a field that nobody knows refused?",
        ask: |bucket| outcome(&bucket.call("b2_list_file_names", json!({ "colour": "red" }))),
        assumed: "200",
    },
    Question {
        row: "another account's id is 401",
        question: "What does a call with another account's id get?",
        ask: |bucket| {
            outcome(
                &bucket
                    .session
                    .call("b2_list_buckets", &json!({ "accountId": "0123456789ab" })),
            )
        },
        assumed: "401 unauthorized",
    },
    Question {
        row: "a missing field or a wrong type is 400",
        question: "What does a number get where a text belongs?",
        ask: |bucket| outcome(&bucket.call("b2_list_file_names", json!({ "prefix": 7 }))),
        assumed: "400 bad_request",
    },
    Question {
        row: "a wrong key is 401 `unauthorized`, a malformed one",
        question: "What does a malformed application key get?",
        ask: |bucket| {
            let service = bucket.session.service;
            outcome(&service.authorize(4, "not a key id", "not a key"))
        },
        assumed: "401 unauthorized",
    },
    Question {
        row: "no token at all is 401 `missing_auth_token`",
        question: "What does a call without a token get?",
        ask: |bucket| {
            let url = format!("{}/b2api/v4/b2_list_buckets", bucket.session.api_url);
            outcome(&bucket.session.service.send("POST", &url, &[], Some(b"{}")))
        },
        assumed: "401 missing_auth_token",
    },
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
        row: "keys: names, durations",
        question: "What does a key with an unknown capability get?",
        ask: |bucket| create_key(bucket, json!({ "capabilities": ["fly"] })),
        assumed: "400 bad_request",
    },
    Question {
        row: "a key lives less than 1000 days",
        question: "May a key live exactly 1000 days?",
        ask: |bucket| {
            let body =
                json!({ "capabilities": ["listFiles"], "validDurationInSeconds": 86_400_000 });
            create_key(bucket, body)
        },
        assumed: "400 bad_request",
    },
    Question {
        row: "a `bucketId` in version 4 and `bucketIds` in an older one are refused",
        question: "Does version 4 take a bucketId for a new key?",
        ask: |bucket| {
            create_key(
                bucket,
                json!({ "capabilities": ["listFiles"], "bucketId": bucket.id }),
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
        row: "how a file is encrypted is told to everybody",
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
];

fn ask(service: &Service, question: &Question) -> String {
    let session = service.session();
    (question.ask)(&Scratch::new(&session))
}

/// The simulator answers as the table says; what the service answers is printed beside it, and each
/// row that it contradicts is named at the end.
#[test]
fn questions_that_only_the_service_can_answer() {
    let (simulated, real) = (Service::simulated(), Service::real());
    let mut contradicted = Vec::new();
    for question in &QUESTIONS {
        let assumed = ask(&simulated, question);
        assert_eq!(assumed, question.assumed, "{}", question.question);
        let answer = real.as_ref().map(|service| ask(service, question));
        let shown = answer.as_deref().unwrap_or("not asked");
        println!(
            "{}\n  assumed: {assumed}; the service: {shown}",
            question.question
        );
        if answer.is_some_and(|answer| answer != assumed) {
            contradicted.push(question.row);
        }
    }
    assert!(
        contradicted.is_empty(),
        "the service does otherwise: {contradicted:#?}"
    );
}
