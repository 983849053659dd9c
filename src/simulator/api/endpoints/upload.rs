//! Upload URLs, and the uploads of small files and of parts that go to them (docs/protocol.md,
//! sections 2.6, 2.7, 2.15, 2.16 and 6).

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, custom_timestamp, info_limit};
use crate::simulator::account::checksums::{ContentMd5, ContentSha1};
use crate::simulator::account::encryption::{self, Encryption};
use crate::simulator::account::lock::Lock;
use crate::simulator::account::records::{
    Action, Bucket, Change, Part, Record, UploadUrl, Version,
};
use crate::simulator::account::replication_rules;
use crate::simulator::account::test_mode;
use crate::simulator::account::world::{Occupied, TOKEN_LIFETIME_MILLIS, World};
use crate::simulator::api::auth::{self, Caller};
use crate::simulator::api::content::{self, Promise, Received};
use crate::simulator::api::lock_fields;
use crate::simulator::api::render;
use crate::simulator::api::view::View;
use crate::simulator::protocol::decode;
use crate::simulator::protocol::ids::{self, FileKind, TokenKind};
use crate::simulator::protocol::message::{Reply, Request};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::{self, Refusal};

const FORBIDDEN_HEADERS: [&str; 6] = [
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "expires",
];

pub(crate) fn get_url(call: &Call<'_>) -> Result<Value, Refusal> {
    let bucket_id = call.bucket_id()?;
    let number = call.world.next_url_number();
    let pod = format!(
        "c002_v{:07}_t{:04}",
        2207 + number / 10_000,
        number % 10_000
    );
    let path = format!("/b2api/v{}/b2_upload_file/{bucket_id}/{pod}", call.version);
    let url = new_url(call, path, bucket_id, None);
    call.world.change(|state| {
        state.bucket(bucket_id)?;
        Ok((vec![Change::Put(Record::UploadUrl(url.clone()))], ()))
    })?;
    Ok(json!({
        "authorizationToken": &*url.token,
        "bucketId": bucket_id,
        "uploadUrl": format!("{}{}", call.request.base_url, url.path),
    }))
}

pub(crate) fn get_part_url(call: &Call<'_>) -> Result<Value, Refusal> {
    let file_id = call.file_id("fileId")?;
    let number = call.world.next_url_number();
    let path = format!(
        "/b2api/v{}/b2_upload_part/{file_id}/{number:04}",
        call.version
    );
    let url = call.world.change(|state| {
        let file = call.unfinished(state, file_id)?;
        let url = new_url(call, path, &file.bucket_id, Some(file_id));
        Ok((vec![Change::Put(Record::UploadUrl(url.clone()))], url))
    })?;
    Ok(json!({
        "authorizationToken": &*url.token,
        "fileId": file_id,
        "uploadUrl": format!("{}{}", call.request.base_url, url.path),
    }))
}

fn new_url(call: &Call<'_>, path: String, bucket_id: &str, large_file: Option<&str>) -> UploadUrl {
    let key_id = &call.caller.key().id;
    UploadUrl {
        token: ids::token(key_id, TokenKind::Upload).into(),
        key_id: call.world.shared_text(key_id),
        path: path.into(),
        bucket_id: call.world.shared_text(bucket_id),
        large_file_id: large_file.map(Into::into),
        expires: call.now().saturating_add(TOKEN_LIFETIME_MILLIS),
    }
}

/// Each URL accepts one upload at a time (docs/protocol.md, section 6). Clients match this text
/// literally.
fn occupy<'a>(world: &'a World, url: &UploadUrl) -> Result<Occupied<'a>, Refusal> {
    world.occupy(&url.token).ok_or_else(|| {
        let message = format!("more than one upload using auth token {}", url.token);
        Refusal::new(400, "auth_token_limit", message)
    })
}

/// b2_upload_file.
pub(crate) fn file(
    world: &World,
    request: &Request,
    version: u8,
    body: &mut dyn Read,
) -> Result<Reply, Refusal> {
    let (url, caller) = auth::upload_caller(world, request)?;
    let head = FileHead::read(world, request, &caller)?;
    check_acceptance(world, request, head.length)?;
    // The lock is judged at the start of the upload, which may take long.
    let lock = head.lock_in(
        world.state().bucket(&url.bucket_id)?,
        world.clock().now_millis(),
    )?;
    let _occupied = occupy(world, &url)?;
    let received = content::receive(world, body, head.length, &head.promise)?;
    let stored = store_file(world, &url, head, lock, received)?;
    let view = View {
        account_id: world.account_id(),
        caller: &caller,
        version,
    };
    Ok(reply::ok(&render::file(view, &stored)))
}

fn store_file(
    world: &World,
    url: &UploadUrl,
    head: FileHead,
    lock: Lock,
    received: Received,
) -> Result<Arc<Version>, Refusal> {
    let sha1 = match head.promise {
        Promise::Unverified => ContentSha1::Unverified(received.sha1),
        Promise::Sha1(_) | Promise::AtEnd => ContentSha1::Verified(received.sha1),
    };
    world.store(received.length, |state| {
        let bucket = state.bucket(&url.bucket_id)?;
        let now = world.clock().now_millis();
        let uploaded = head
            .custom_timestamp
            .unwrap_or_else(|| state.next_upload_time(&bucket.id, &head.name, now));
        let encryption = head
            .encryption
            .unwrap_or(Encryption::Service(bucket.encrypts));
        let version = Arc::new(Version {
            serial: ids::file_serial(FileKind::Small),
            bucket_id: Arc::clone(&bucket.id),
            action: Action::Upload,
            length: received.length,
            content_type: world.shared_text(&head.content_type),
            sha1,
            md5: (!encryption.is_customer()).then_some(ContentMd5(received.md5)),
            lock,
            replication: replication_rules::of_new_file(
                bucket,
                &head.name,
                &head.info,
                &encryption,
            ),
            encryption,
            uploaded,
            info: head.info.into(),
            name: head.name.into(),
            content: received.content,
        });
        Ok((
            vec![Change::Put(Record::Version(Arc::clone(&version)))],
            version,
        ))
    })
}

/// Refuses a valid upload before its body is read, if a cap or the test mode asks for it.
fn check_acceptance(world: &World, request: &Request, length: u64) -> Result<(), Refusal> {
    test_mode::force_cap(request)?;
    test_mode::fail_some_uploads(world.test_modes(), request)?;
    world.check_storage(length)
}

/// b2_upload_part.
pub(crate) fn part(
    world: &World,
    request: &Request,
    body: &mut dyn Read,
) -> Result<Reply, Refusal> {
    let (url, _) = auth::upload_caller(world, request)?;
    let file_id = url
        .large_file_id
        .as_deref()
        .ok_or_else(Refusal::bad_auth_token)?;
    let number = request.header("x-bz-part-number").and_then(decode::decimal);
    let number = part_number(number)?;
    let key = encryption::of_part(request)?;
    let (promise, length) = body_head(world, request)?;
    if length == 0 {
        return Err(Refusal::bad_request("A part must have at least 1 byte"));
    }
    check_acceptance(world, request, length)?;
    let large_file = Arc::clone(world.state().unfinished(file_id)?);
    large_file.encryption.check_part(key.as_ref())?;
    let _occupied = occupy(world, &url)?;
    let received = content::receive(world, body, length, &promise)?;
    let stored = store_part(world, file_id, number, received)?;
    Ok(reply::ok(&render::part(&stored)))
}

pub(super) fn part_number(number: Option<u64>) -> Result<u16, Refusal> {
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| Refusal::bad_request("Part number must be in range 1 - 10000"))
}

/// Stores a part. It replaces an earlier part of this number.
pub(super) fn store_part(
    world: &World,
    file_id: &str,
    number: u16,
    received: Received,
) -> Result<Arc<Part>, Refusal> {
    world.store(received.length, |state| {
        let file = state.unfinished(file_id)?;
        let part = Arc::new(Part {
            file_id: file_id.to_owned(),
            number,
            length: received.length,
            sha1: hex::encode(received.sha1),
            md5: hex::encode(received.md5),
            encryption: file.encryption.clone(),
            uploaded: world.clock().now_millis(),
            content: received.content,
        });
        Ok((vec![Change::Put(Record::Part(Arc::clone(&part)))], part))
    })
}

/// What the headers of b2_upload_file say.
struct FileHead {
    name: String,
    content_type: String,
    info: BTreeMap<String, String>,
    /// `None`: as the bucket has it.
    encryption: Option<Encryption>,
    lock: Lock,
    custom_timestamp: Option<u64>,
    promise: Promise,
    length: u64,
}

impl FileHead {
    /// Missing permissions are reported before invalid values (docs/protocol.md, section 2.0).
    fn read(world: &World, request: &Request, caller: &Caller) -> Result<Self, Refusal> {
        let name = decoded(request, "x-bz-file-name", "X-Bz-File-Name")?;
        caller.require_name(&name)?;
        let lock = lock_fields::of_headers(request)?;
        lock_fields::check_caller(lock, caller)?;
        names::check_file_name(&name)?;
        if let Some(name) = FORBIDDEN_HEADERS.iter().find(|name| has(request, name)) {
            return Err(Refusal::bad_request(format!("Header not allowed: {name}")));
        }
        let asked = required(request, "content-type", "Content-Type")?;
        let content_type = names::resolve_content_type(asked, &name)?;
        let (promise, length) = body_head(world, request)?;
        Ok(Self {
            name,
            content_type,
            info: file_info(request)?,
            encryption: encryption::of_upload(request)?,
            lock,
            custom_timestamp: custom_timestamp(world, timestamp_header(request)?)?,
            promise,
            length,
        })
    }

    /// The lock that the file gets in this bucket, which must take its info as well.
    fn lock_in(&self, bucket: &Bucket, now: u64) -> Result<Lock, Refusal> {
        let limit = info_limit(self.encryption.is_some(), bucket);
        names::check_file_info(&self.name, &self.info, limit)?;
        bucket.lock_of_new_file(self.lock, now)
    }
}

fn timestamp_header(request: &Request) -> Result<Option<&str>, Refusal> {
    const NAME: &str = "x-bz-custom-upload-timestamp";
    if has(request, NAME) {
        return required(request, NAME, "X-Bz-Custom-Upload-Timestamp").map(Some);
    }
    Ok(None)
}

/// The checksum promise and the length of the content.
fn body_head(world: &World, request: &Request) -> Result<(Promise, u64), Refusal> {
    let promise = Promise::parse(request.header("x-bz-content-sha1"))?;
    let body_length = request
        .content_length
        .ok_or_else(|| Refusal::bad_request("Missing header: Content-Length"))?;
    let length = promise.content_length(body_length)?;
    let most = world.settings().max_single_file;
    if length > most {
        return Err(Refusal::bad_request(format!(
            "Content-Length {length} is more than {most} bytes"
        )));
    }
    Ok((promise, length))
}

fn file_info(request: &Request) -> Result<BTreeMap<String, String>, Refusal> {
    let mut info = BTreeMap::new();
    for (header, _) in &request.headers {
        let Some(name) = header.strip_prefix("x-bz-info-") else {
            continue;
        };
        let value = decoded(request, header, header)?;
        if info.insert(name.to_owned(), value).is_some() {
            return Err(Refusal::bad_request(format!(
                "Header given twice: {header}"
            )));
        }
    }
    Ok(info)
}

fn decoded(request: &Request, name: &str, shown: &str) -> Result<String, Refusal> {
    let value = required(request, name, shown)?;
    Some(value)
        .filter(|value| value.is_ascii())
        .and_then(decode::percent)
        .ok_or_else(|| Refusal::bad_request(format!("Invalid percent-encoding in {shown}")))
}

fn required<'r>(request: &'r Request, name: &str, shown: &str) -> Result<&'r str, Refusal> {
    if !has(request, name) {
        return Err(Refusal::bad_request(format!("Missing header: {shown}")));
    }
    let value = request.header(name);
    value.ok_or_else(|| Refusal::bad_request(format!("Invalid header: {shown}")))
}

fn has(request: &Request, name: &str) -> bool {
    request.headers.iter().any(|(header, _)| header == name)
}
