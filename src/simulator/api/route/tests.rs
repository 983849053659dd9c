//! The service seen through `handle`, one module per topic.

mod a_week;
mod access;
mod buckets;
mod caps;
mod copying;
mod downloads;
mod durable;
mod encryption;
mod every_endpoint;
mod golden;
mod keys;
mod large_files;
mod lifecycle;
mod listings;
mod locks;
mod notifications;
mod replication;
mod uploads;

use std::io::{self, Read};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::{handle, operation_of};
use crate::model::operation::Operation;
use crate::simulator::account::settings::Settings;
use crate::simulator::account::world::World;
use crate::simulator::protocol::decode;
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A reply with its body read.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(reply: Reply) -> Self {
        let mut body = Vec::new();
        match reply.body {
            ReplyBody::Bytes(bytes) => body = bytes,
            ReplyBody::Json(mut reader, length) | ReplyBody::Stream(mut reader, length) => {
                reader.read_to_end(&mut body).unwrap();
                assert_eq!(body.len() as u64, length);
            }
        }
        Self {
            status: reply.status,
            headers: reply.headers,
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!(
            (self.status, body["code"].as_str()),
            (status, Some(code)),
            "{body}"
        );
        assert_eq!(body["status"], status);
        body["message"].as_str().unwrap().to_owned()
    }
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], length: Option<u64>) -> Request {
    let url = url.strip_prefix("http://b2.test").unwrap_or(url);
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (url, None),
    };
    let headers = headers
        .iter()
        .map(|(n, v)| (n.to_ascii_lowercase(), v.as_bytes().to_vec()));
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query,
        headers: headers.collect(),
        content_length: length,
        base_url: "http://b2.test".to_owned(),
    }
}

/// A body that must not be read.
struct Untouchable;

impl Read for Untouchable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the body was read")
    }
}

fn get(world: &World, url: &str, headers: &[(&str, &str)]) -> Answer {
    Answer::of(handle(
        world,
        &request("GET", url, headers, None),
        &mut Untouchable,
    ))
}

fn head(world: &World, url: &str, headers: &[(&str, &str)]) -> Answer {
    Answer::of(handle(
        world,
        &request("HEAD", url, headers, None),
        &mut Untouchable,
    ))
}

fn sha1_of(data: &[u8]) -> String {
    hex::encode(Sha1::digest(data))
}

/// Somebody with a key.
struct User<'w> {
    world: &'w World,
    token: String,
}

impl<'w> User<'w> {
    fn master(world: &'w World) -> Self {
        let (id, key) = world.master_key();
        Self::with_key(world, &id, &key)
    }

    fn with_key(world: &'w World, id: &str, key: &str) -> Self {
        let answer = authorize(world, 4, id, key).ok();
        Self {
            world,
            token: answer["authorizationToken"].as_str().unwrap().to_owned(),
        }
    }

    fn restricted(
        world: &'w World,
        capabilities: &[&str],
        bucket: Option<&str>,
        prefix: Option<&str>,
    ) -> Self {
        let buckets = bucket.map(|id| vec![id.to_owned()]);
        let prefix = prefix.map(str::to_owned);
        let (id, key) = world
            .create_key("restricted", capabilities, buckets, prefix, None)
            .unwrap();
        Self::with_key(world, &id, &key)
    }

    fn call(&self, name: &str, body: Value) -> Answer {
        self.call_version(4, name, body)
    }

    fn call_version(&self, version: u8, name: &str, body: Value) -> Answer {
        let bytes = serde_json::to_vec(&body).unwrap();
        let url = format!("/b2api/v{version}/{name}");
        let headers = [("Authorization", self.token.as_str())];
        let request = request("POST", &url, &headers, Some(bytes.len() as u64));
        Answer::of(handle(self.world, &request, &mut bytes.as_slice()))
    }

    /// A call that names the account.
    fn account_call(&self, name: &str, mut body: Value) -> Answer {
        body["accountId"] = json!(self.world.account_id());
        self.call(name, body)
    }

    fn create_bucket(&self, name: &str) -> String {
        let kind = json!({ "bucketName": name, "bucketType": "allPrivate" });
        id_of(
            &self.account_call("b2_create_bucket", kind).ok(),
            "bucketId",
        )
    }

    fn upload(&self, bucket_id: &str, name: &str, data: &[u8]) -> Value {
        let url = UploadUrl::get(self, bucket_id);
        url.upload(name, data, &[]).ok()
    }

    fn hide(&self, bucket_id: &str, name: &str) -> Answer {
        self.call(
            "b2_hide_file",
            json!({ "bucketId": bucket_id, "fileName": name }),
        )
    }

    fn get(&self, url: &str) -> Answer {
        get(self.world, url, &[("Authorization", &self.token)])
    }
}

/// An upload URL with its token.
struct UploadUrl<'w> {
    world: &'w World,
    url: String,
    token: String,
}

impl<'w> UploadUrl<'w> {
    fn get(user: &User<'w>, bucket_id: &str) -> Self {
        let answer = user
            .call("b2_get_upload_url", json!({ "bucketId": bucket_id }))
            .ok();
        Self::of(user.world, &answer)
    }

    fn of(world: &'w World, answer: &Value) -> Self {
        Self {
            world,
            url: id_of(answer, "uploadUrl"),
            token: id_of(answer, "authorizationToken"),
        }
    }

    /// Sends these headers; the token unless they have one.
    fn send(&self, headers: &[(&str, &str)], length: u64, body: &mut dyn Read) -> Answer {
        let mut all = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "Authorization") {
            all.push(("Authorization", &self.token));
        }
        Answer::of(handle(
            self.world,
            &request("POST", &self.url, &all, Some(length)),
            body,
        ))
    }

    fn upload(&self, name: &str, data: &[u8], more: &[(&str, &str)]) -> Answer {
        let (sha1, name) = (sha1_of(data), name.replace(' ', "%20"));
        let mut headers = vec![("X-Bz-File-Name", name.as_str())];
        for (default, value) in [("Content-Type", "text/plain"), ("X-Bz-Content-Sha1", &sha1)] {
            if !more.iter().any(|(name, _)| *name == default) {
                headers.push((default, value));
            }
        }
        headers.extend_from_slice(more);
        self.send(&headers, data.len() as u64, &mut &*data)
    }
}

fn authorize(world: &World, version: u8, id: &str, key: &str) -> Answer {
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{key}"));
    let url = format!("/b2api/v{version}/b2_authorize_account");
    get(world, &url, &[("Authorization", &format!("Basic {pair}"))])
}

fn world() -> World {
    World::in_memory(Settings::default())
}

fn id_of(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}

fn names_in(page: &Value) -> Vec<&str> {
    page["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["fileName"].as_str().unwrap())
        .collect()
}

#[test]
fn paths_name_operations() {
    let operation = |path: &str| operation_of(&request("POST", path, &[], None));
    assert_eq!(
        operation("/b2api/v2/b2_list_buckets"),
        Some(Operation::ListBuckets)
    );
    assert_eq!(
        operation("/b2api/v4/b2_upload_file/a/b"),
        Some(Operation::UploadFile)
    );
    assert_eq!(
        operation("/b2api/v1/b2_upload_part/a/0001"),
        Some(Operation::UploadPart)
    );
    assert_eq!(
        operation("/file/bucket/a/b"),
        Some(Operation::DownloadFileByName)
    );
    for unknown in [
        "/",
        "/b2api/v5/b2_list_buckets",
        "/b2api/v4/b2_list_buckets/x",
        "/b2api/v4",
    ] {
        assert_eq!(operation(unknown), None, "{unknown}");
    }
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let world = world();
    get(&world, "/b2api/v4/b2_nonsense", &[]).refused(404, "not_found");
    let delete = request("DELETE", "/b2api/v4/b2_list_buckets", &[], None);
    let answer = Answer::of(handle(&world, &delete, &mut Untouchable));
    answer.refused(405, "method_not_allowed");
    let put = request("PUT", "/b2api/v4/b2_upload_file/a/b", &[], None);
    let message = Answer::of(handle(&world, &put, &mut Untouchable));
    assert_eq!(
        message.refused(405, "method_not_allowed"),
        "Only POST is supported"
    );
}

#[test]
fn replies_are_formatted_as_recorded() {
    let world = world();
    let user = User::master(&world);
    let success = user.account_call("b2_list_buckets", json!({}));
    assert_eq!(success.body, b"{\n  \"buckets\": []\n}\n");
    assert_eq!(
        success.header("Content-Type"),
        Some("application/json;charset=UTF-8")
    );
    assert_eq!(
        success.header("Cache-Control"),
        Some("max-age=0, no-cache, no-store")
    );
    let failure = user.call("b2_list_buckets", json!({}));
    assert_eq!(
        failure.header("Content-Type"),
        Some("application/json;charset=utf-8")
    );
    assert_eq!(failure.header("Connection"), Some("close"));
    assert_eq!(failure.body.last(), Some(&b'}'));
    let text = String::from_utf8_lossy(&failure.body).into_owned();
    let members = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("  \""));
        lines
            .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
            .collect()
    };
    assert_eq!(members(&text), ["code", "message", "status"]);
    failure.refused(400, "bad_request");
}

#[test]
fn json_calls_may_be_gets_with_a_query() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("bucket-1");
    user.upload(&id, "a b", b"x");
    let url = format!("/b2api/v4/b2_list_file_names?bucketId={id}&maxFileCount=1&prefix=a+");
    assert_eq!(names_in(&user.get(&url).ok()), ["a b"]);
}
