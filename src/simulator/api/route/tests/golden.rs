//! The simulator held against `fixtures/wire`, as the client is by its own tests: it takes the
//! requests of the fixtures, and what it answers has the shape of the response fixtures - the same
//! members, the same types, the same explicit nulls.

mod accounts;
mod buckets;
mod downloads;
mod files;
mod keys;
mod large_files;
mod listings;
mod refusals;

use std::fs;
use std::path::Path;

use super::*;

/// These hold names and values of users, so no two need have the same members.
const USERS_OWN: [&str; 2] = ["bucketInfo", "fileInfo"];

/// In these members not only the type matters.
const LITERAL: [&str; 8] = [
    "action",
    "algorithm",
    "bucketType",
    "code",
    "infoType",
    "isClientAuthorizedToRead",
    "mode",
    "status",
];

/// The fixture of that path below `fixtures/wire`, without `.json`.
fn fixture(path: &str) -> Value {
    let file = format!("fixtures/wire/{path}.json");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
    let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A value with its strings and numbers replaced by what they are. Rows of a list that look alike
/// count once.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(text) => json!(kind_of(text)),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = items.iter().map(shape).collect();
            shapes.sort_by_key(Value::to_string);
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), member_shape(name, value)))
            .collect(),
    }
}

fn member_shape(name: &str, value: &Value) -> Value {
    if USERS_OWN.contains(&name) {
        let members = value.as_object().unwrap();
        assert!(members.values().all(Value::is_string), "{name}: {value}");
        json!("names and values")
    } else if LITERAL.contains(&name) {
        value.clone()
    } else {
        shape(value)
    }
}

/// The few strings whose form clients look into.
fn kind_of(text: &str) -> &'static str {
    let digits = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match text.strip_prefix("unverified:") {
        Some(rest) if rest.len() == 40 && digits(rest) => "unverified SHA-1",
        _ if text.len() == 40 && digits(text) => "SHA-1",
        _ if text.len() == 32 && digits(text) => "MD5",
        _ if text == "none" => "none",
        _ => "string",
    }
}

#[track_caller]
fn assert_like(answer: &Value, path: &str) {
    let (answer, expected) = (shape(answer), shape(&fixture(path)));
    // One `assert_eq` would print both a second time.
    let is_like = answer == expected;
    assert!(
        is_like,
        "{path}\nanswered: {answer:#}\nfixture: {expected:#}"
    );
}

/// A refusal has the fixture's status and code, too.
#[track_caller]
fn assert_refused_like(answer: Answer, path: &str) {
    assert_eq!(
        Some(u64::from(answer.status)),
        fixture(path)["status"].as_u64()
    );
    assert_like(&answer.json(), path);
}

/// The request of a fixture, about our account and bucket and this file.
fn request_of(user: &User<'_>, path: &str, bucket_id: &str, file: &Value) -> Value {
    let mut request = fixture(path);
    let account = json!(user.world.account_id());
    for (member, value) in [
        ("accountId", &account),
        ("bucketId", &json!(bucket_id)),
        ("fileId", &file["fileId"]),
        ("sourceFileId", &file["fileId"]),
        ("startFileId", &file["fileId"]),
    ] {
        if request.get(member).is_some() {
            request[member] = value.clone();
        }
    }
    request
}

/// Sends the request of a fixture and returns what is answered.
#[track_caller]
fn call(user: &User<'_>, path: &str, bucket_id: &str, file: &Value) -> Value {
    let (endpoint, _) = path.split_once('/').unwrap();
    user.call(endpoint, request_of(user, path, bucket_id, file))
        .ok()
}

/// A bucket as the fixture asks for it.
fn create(user: &User<'_>, path: &str) -> Value {
    call(user, path, "", &Value::Null)
}

/// A service as it was before 2026-09, when nothing was encrypted unless asked.
fn old_world() -> World {
    World::in_memory(Settings {
        encrypt_by_default: false,
        ..Settings::default()
    })
}

/// Sends the headers of the upload fixture, with the SHA-1 after the content as they promise.
fn upload(user: &User<'_>, bucket_id: &str) -> Value {
    let fixture = fixture("b2_upload_file/request_headers");
    let headers: Vec<(&str, &str)> = fixture
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let body = format!("meow{}", sha1_of(b"meow"));
    let url = UploadUrl::get(user, bucket_id);
    url.send(&headers, body.len() as u64, &mut body.as_bytes())
        .ok()
}

/// Starts the large file of the fixture.
fn start_large_file(user: &User<'_>, bucket_id: &str) -> Value {
    call(user, "b2_start_large_file/request", bucket_id, &Value::Null)
}
