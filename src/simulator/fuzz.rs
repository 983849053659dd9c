//! The functions that fuzzers call: one for each decoder of untrusted bytes, and one for whole
//! requests. Each panics if an invariant is violated. `fuzz/` has the targets, and `fixtures/fuzz/`
//! the seeds, which the tests run too.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Simulator;
use super::account::settings::Settings;
use super::account::world::World;
use super::api::route;
use super::faults::Fault;
use super::protocol::decode::{self, ByteRange};
use super::protocol::json::Fields;
use super::protocol::message::{Reply, ReplyBody, Request};
use super::protocol::{ids, names};

#[cfg(test)]
mod tests;

/// File names and the values of file info, as they stand in headers, paths and queries.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = decode::query(Some(&text));
    let _ = ids::parse_file_id(&text);
    let _ = names::check_bucket_name(&text);
    let _ = names::resolve_content_type(&text, &text);
    let Some(name) = decode::percent(&text) else {
        return;
    };
    assert_eq!(decode::percent(&decode::encode(&name)), Some(name.clone()));
    let _ = names::check_file_name(&name);
    let (info_name, value) = name.split_once('=').unwrap_or((&name, ""));
    let info = BTreeMap::from([(info_name.to_owned(), value.to_owned())]);
    if names::check_file_info("name", &info, 7000).is_ok() {
        let shown = names::response_header(info_name)
            .map_or_else(|| decode::encode(value), |_| value.to_owned());
        assert!(is_header_value(&shown), "{shown:?}");
    }
}

/// Ranges: a number of eight bytes, the file's length, and then the header.
pub fn range(data: &[u8]) {
    let Some((length, text)) = data.split_first_chunk::<8>() else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let Some(range) = ByteRange::parse(&String::from_utf8_lossy(text)) else {
        return;
    };
    if let Some((first, last)) = range.within(length) {
        assert!(first <= last && last < length, "{range:?} of {length}");
    }
}

/// The parameters of calls, from JSON and from a query, read as every type.
pub fn fields(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for fields in [Fields::from_body(data), Fields::from_query(Some(&text))] {
        let Ok(fields) = fields else { continue };
        for (name, _) in fields.pairs() {
            let _ = fields.string(name);
            let _ = fields.integer(name);
            let _ = fields.boolean(name);
            let _ = fields.object(name);
            let _ = fields.array(name);
            let _ = fields.strings(name);
            let _ = fields.count(name, 100, 10_000);
        }
    }
}

/// Faults in words: what is understood can be written down and is understood again as the same.
pub fn fault(data: &[u8]) {
    let Ok(fault) = String::from_utf8_lossy(data).parse::<Fault>() else {
        return;
    };
    let words = fault.to_string();
    let again = words.parse::<Fault>().map(|again| again.to_string());
    assert_eq!(again.as_ref(), Ok(&words));
}

/// Between the requests of one input.
const SEPARATOR: &str = "\n%%\n";

/// Whole requests, one after the other, to a service with something in it. They are written as in
/// HTTP, with `\n` for the ends of lines; see [`Scene`] for what can be named in them. None may be
/// answered with the service's own failure, nor with what cannot be sent.
pub fn requests(data: &[u8]) {
    let scene = Scene::new();
    let text = String::from_utf8_lossy(data);
    let text = scene.filled_in(&text);
    for text in text.split(SEPARATOR).take(8) {
        let (request, body) = parsed(text);
        let reply = route::handle(&scene.world, &request, &mut body.as_bytes());
        check(reply, text);
    }
}

fn check(reply: Reply, asked: &str) {
    assert!(
        (200..500).contains(&reply.status),
        "{} to {asked}",
        reply.status
    );
    for (name, value) in &reply.headers {
        assert!(is_header_value(value), "{name}: {value:?} to {asked}");
    }
    match reply.body {
        ReplyBody::Bytes(_) => {}
        ReplyBody::Json(mut reader, length) | ReplyBody::Stream(mut reader, length) => {
            let read = io::copy(&mut reader, &mut io::sink());
            assert_eq!(read.ok(), Some(length), "{asked}");
        }
    }
}

fn is_header_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

fn parsed(text: &str) -> (Request, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let (method, target) = line.split_once(' ').unwrap_or((line, "/"));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let headers: Vec<(String, Vec<u8>)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()))
        .collect();
    let declared = headers.iter().find(|(name, _)| name == "content-length");
    let declared = declared.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query,
        headers,
        content_length: declared.or(Some(body.len() as u64)),
        base_url: BASE.to_owned(),
    };
    (request, body)
}

const BASE: &str = "http://b2.test";

/// A service with a bucket, `a b` and an older version of it, a hidden file, an unfinished large
/// file with a part, and who may use them. Inputs name its ids and tokens: `@token`, `@basic`,
/// `@account`, `@bucket`, `@file`, `@hidden`, `@large`, `@download`, `@sha1`, `@upload` and `@part`
/// (the paths of their URLs), `@utoken` and `@ptoken`.
struct Scene {
    world: World,
    names: Vec<(&'static str, String)>,
}

impl Scene {
    fn new() -> Self {
        let world = World::in_memory(Settings {
            absolute_minimum_part_size: 4,
            custom_timestamps: true,
            ..Settings::default()
        });
        let (id, key) = world.master_key();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{key}")));
        let names = vec![
            ("@account", world.account_id().to_owned()),
            ("@basic", basic),
        ];
        let mut scene = Self { world, names };
        scene.furnish();
        scene
    }

    fn furnish(&mut self) {
        self.call(
            "b2_authorize_account",
            "@basic",
            "{}",
            &[("@token", "authorizationToken")],
        );
        let bucket = r#"{"accountId": "@account", "bucketName": "bucket-1", "bucketType": "allPublic",
            "fileLockEnabled": true, "bucketInfo": {"Cache-Control": "max-age=5"}}"#;
        self.call(
            "b2_create_bucket",
            "@token",
            bucket,
            &[("@bucket", "bucketId")],
        );
        let named = r#"{"bucketId": "@bucket"}"#;
        let target = [("@utoken", "authorizationToken"), ("@upload", "uploadUrl")];
        self.call("b2_get_upload_url", "@token", named, &target);
        let upload = |name: &str| {
            format!(
                "POST @upload\nauthorization: @utoken\nx-bz-file-name: {name}\ncontent-type: b2/x-auto\n\
                 x-bz-content-sha1: do_not_verify\nx-bz-info-color: bl%C3%BCe\n\ncontent"
            )
        };
        self.send(&upload("hidden"), &[]);
        let hide = r#"{"bucketId": "@bucket", "fileName": "hidden"}"#;
        self.call("b2_hide_file", "@token", hide, &[("@hidden", "fileId")]);
        self.send(&upload("a+b"), &[]);
        self.send(
            &upload("a+b"),
            &[("@file", "fileId"), ("@sha1", "contentSha1")],
        );
        let start = r#"{"bucketId": "@bucket", "fileName": "large", "contentType": "a/b"}"#;
        self.call(
            "b2_start_large_file",
            "@token",
            start,
            &[("@large", "fileId")],
        );
        let target = [("@ptoken", "authorizationToken"), ("@part", "uploadUrl")];
        self.call(
            "b2_get_upload_part_url",
            "@token",
            r#"{"fileId": "@large"}"#,
            &target,
        );
        let part = "POST @part\nauthorization: @ptoken\nx-bz-part-number: 1\n\
                    x-bz-content-sha1: do_not_verify\n\npart one";
        self.send(part, &[]);
        let share =
            r#"{"bucketId": "@bucket", "fileNamePrefix": "a", "validDurationInSeconds": 9}"#;
        let token = [("@download", "authorizationToken")];
        self.call("b2_get_download_authorization", "@token", share, &token);
    }

    fn call(&mut self, name: &str, token: &str, body: &str, keep: &[(&'static str, &str)]) {
        let text = format!("POST /b2api/v4/{name}\nauthorization: {token}\n\n{body}");
        self.send(&text, keep);
    }

    /// Sends a request that must succeed, and keeps members of its answer under these names.
    fn send(&mut self, text: &str, keep: &[(&'static str, &str)]) {
        let text = self.filled_in(text);
        let (request, body) = parsed(&text);
        let reply = route::handle(&self.world, &request, &mut body.as_bytes());
        let answer: Value = match reply.body {
            ReplyBody::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            _ => json!({}),
        };
        assert_eq!(reply.status, 200, "{answer} to {text}");
        for (name, member) in keep {
            let value = answer[*member].as_str().unwrap_or_default();
            let value = value.strip_prefix(BASE).unwrap_or(value);
            self.names.push((name, value.to_owned()));
        }
    }

    fn filled_in<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (name, value) in &self.names {
            if text.contains(name) {
                text = Cow::Owned(text.replace(name, value));
            }
        }
        text
    }
}

/// A running simulator to send raw bytes to.
#[derive(Debug)]
pub struct Wire(Simulator);

impl Wire {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no port, thread or file descriptor left.
    pub fn start() -> io::Result<Self> {
        Simulator::start().map(Self)
    }

    /// Sends the bytes on a connection of their own, then FIN. The answers must come from the
    /// service, not from a panic of it, and the connection must end.
    pub fn send(&self, data: &[u8]) {
        let answer = self.exchange(data).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        for failure in ["the simulator panicked", "the simulator cannot send"] {
            assert!(!text.contains(failure), "{text}");
        }
        if !answer.is_empty() {
            assert!(text.starts_with("HTTP/1."), "{text}");
        }
        // Its entries are not looked at, and would be many.
        self.0.log().clear();
    }

    /// An error is a connection that the service closed while it was sent to.
    fn exchange(&self, data: &[u8]) -> io::Result<Vec<u8>> {
        let address = self.0.url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(data)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("the connection does not end")
            }
            _ => Ok(answer),
        }
    }
}
