//! Questions about calls, tokens and the form of requests.

use serde_json::json;

use super::{Question, length_of, outcome};

pub(super) const QUESTIONS: &[Question] = &[
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
        row: "lists in a query are separated by commas",
        question: "How many buckets does a GET for bucketTypes=allPublic,allPrivate list?",
        ask: |bucket| {
            let session = bucket.session;
            let url = format!(
                "{}/b2api/v4/b2_list_buckets?accountId={}&bucketId={}&bucketTypes=allPublic,allPrivate",
                session.api_url, session.account_id, bucket.id
            );
            let answer = session.get(&url, &[]);
            match answer.status {
                200 => length_of(&answer.json()["buckets"]),
                _ => outcome(&answer),
            }
        },
        assumed: "1",
    },
    Question {
        row: "a wrong key is 401 `unauthorized`, a malformed one",
        question: "What does an authorization get that is no base64?",
        ask: |bucket| {
            let service = bucket.session.service;
            let url = format!("{}/b2api/v4/b2_authorize_account", service.realm);
            outcome(&service.send("GET", &url, &[("Authorization", "Basic ???")], None))
        },
        assumed: "401 bad_auth_token",
    },
    Question {
        row: "no token at all is 401 `missing_auth_token`",
        question: "What does a download from a private bucket get without a token?",
        ask: |bucket| {
            bucket.upload("a", b"x");
            let service = bucket.session.service;
            outcome(&service.send("GET", &bucket.by_name("a"), &[], None))
        },
        assumed: "401 unauthorized",
    },
    Question {
        row: "`X-Bz-Test-Mode`",
        question: "What does a call with X-Bz-Test-Mode: force_cap_exceeded get?",
        ask: |bucket| {
            let session = bucket.session;
            let url = format!("{}/b2api/v4/b2_list_file_names", session.api_url);
            let headers = [
                ("Authorization", session.token.as_str()),
                ("X-Bz-Test-Mode", "force_cap_exceeded"),
            ];
            let body = json!({ "bucketId": bucket.id }).to_string();
            let service = session.service;
            outcome(&service.send("POST", &url, &headers, Some(body.as_bytes())))
        },
        assumed: "403 cap_exceeded",
    },
];
