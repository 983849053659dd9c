//! Questions about application keys.

use serde_json::{Value, json};

use super::{Question, length_of, outcome};
use crate::service::{Answer, Scratch, Session, text};

/// The outcome of making a key, which is deleted with the bucket.
fn noted(bucket: &Scratch<'_>, answer: &Answer) -> String {
    if answer.status == 200 {
        let id = text(&answer.json(), "applicationKeyId");
        bucket.keys.borrow_mut().push(id);
    }
    outcome(answer)
}

fn made_by(session: &Session<'_>, bucket: &Scratch<'_>, mut body: Value) -> String {
    body["keyName"] = json!("b2sdk-contract");
    noted(bucket, &session.account_call("b2_create_key", body))
}

fn create_key(bucket: &Scratch<'_>, body: Value) -> String {
    made_by(bucket.session, bucket, body)
}

pub(super) const QUESTIONS: &[Question] = &[
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
        row: "unfiltered `b2_list_buckets` with such a key",
        question: "How many buckets does a key for two of them list when it names none?",
        ask: |bucket| {
            let second = Scratch::new(bucket.session);
            let body = json!({ "keyName": "b2sdk-contract", "capabilities": ["listBuckets"],
                "bucketIds": [bucket.id, second.id], "validDurationInSeconds": 3600 });
            let key = bucket.session.account_call("b2_create_key", body).ok();
            let (id, secret) = (text(&key, "applicationKeyId"), text(&key, "applicationKey"));
            bucket.keys.borrow_mut().push(id.clone());
            let session = bucket.session.service.session_of(&id, &secret);
            let answer = session.account_call("b2_list_buckets", json!({}));
            match answer.status {
                200 => length_of(&answer.json()["buckets"]),
                _ => outcome(&answer),
            }
        },
        assumed: "401 unauthorized",
    },
    Question {
        row: "a key cannot create a key with more capabilities",
        question: "What does a key get that makes one which may do more than itself?",
        ask: |bucket| {
            let body = json!({ "keyName": "b2sdk-contract", "capabilities": ["writeKeys", "deleteKeys"],
                "validDurationInSeconds": 3600 });
            let key = bucket.session.account_call("b2_create_key", body).ok();
            let (id, secret) = (text(&key, "applicationKeyId"), text(&key, "applicationKey"));
            bucket.keys.borrow_mut().push(id.clone());
            let weak = bucket.session.service.session_of(&id, &secret);
            made_by(&weak, bucket, json!({ "capabilities": ["listFiles"] }))
        },
        assumed: "401 unauthorized",
    },
    Question {
        row: "a `bucketId` in version 4 and `bucketIds` in an older one are refused",
        question: "Does version 3 take bucketIds for a new key?",
        ask: |bucket| {
            let session = bucket.session;
            let body = json!({ "accountId": session.account_id, "keyName": "b2sdk-contract",
                "capabilities": ["listFiles"], "bucketIds": [bucket.id] });
            noted(bucket, &session.call_version(3, "b2_create_key", &body))
        },
        assumed: "400 bad_request",
    },
];
