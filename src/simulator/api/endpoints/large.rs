//! Large files from start to finish or cancellation (docs/protocol.md, sections 2.14, 2.18, 2.19,
//! 2.21 and 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, custom_timestamp, info_limit};
use crate::simulator::account::checksums::ContentSha1;
use crate::simulator::account::encryption::{self, Encryption};
use crate::simulator::account::records::{Action, Change, Kind, Part, Record, Version, part_key};
use crate::simulator::account::replication_rules;
use crate::simulator::api::content;
use crate::simulator::api::lock_fields;
use crate::simulator::api::render;
use crate::simulator::protocol::ids::{self, FileKind};
use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

const MAX_LARGE_FILE: u64 = 10_000_000_000_000;
const DEFAULT_PARTS: usize = 100;
const MAX_PARTS: usize = 1000;

pub(crate) fn start(call: &Call<'_>) -> Result<Value, Refusal> {
    let bucket_id = call.bucket_id()?;
    let fields = &call.fields;
    let name = fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    let lock = lock_fields::of_fields(fields)?;
    lock_fields::check_caller(lock, &call.caller)?;
    names::check_file_name(name)?;
    let asked = fields.required_string("contentType")?;
    let content_type = names::resolve_content_type(asked, name)?;
    let encryption = encryption::of_field(fields, "serverSideEncryption")?;
    let info = file_info(fields)?;
    let custom = custom_timestamp(call.world, fields.string("customUploadTimestamp")?)?;
    let version = call.world.change(|state| {
        let bucket = state.bucket(bucket_id)?;
        names::check_file_info(name, &info, info_limit(encryption.is_some(), bucket))?;
        let now = call.now();
        let uploaded = custom.unwrap_or_else(|| state.next_upload_time(bucket_id, name, now));
        let encryption = encryption.unwrap_or(Encryption::Service(bucket.encrypts));
        let version = Arc::new(Version {
            serial: ids::file_serial(FileKind::Large),
            bucket_id: Arc::clone(&bucket.id),
            name: name.into(),
            action: Action::Start,
            length: 0,
            content_type: call.world.shared_text(&content_type),
            sha1: ContentSha1::None,
            md5: None,
            lock: bucket.lock_of_new_file(lock, now)?,
            replication: replication_rules::of_new_file(bucket, name, &info, &encryption),
            info: info.into(),
            encryption,
            uploaded,
            content: Box::default(),
        });
        Ok((
            vec![Change::Put(Record::Version(Arc::clone(&version)))],
            version,
        ))
    })?;
    Ok(render::started(call.view(), &version))
}

/// File info as JSON has it: raw text, the names lower-cased as in headers.
pub(super) fn file_info(fields: &Fields) -> Result<BTreeMap<String, String>, Refusal> {
    let mut info = BTreeMap::new();
    if let Some(given) = fields.object("fileInfo")? {
        for (name, value) in given.pairs() {
            let Value::String(value) = value else {
                return Err(Refusal::bad_request(format!(
                    "fileInfo {name} must be a string"
                )));
            };
            if info
                .insert(name.to_ascii_lowercase(), value.clone())
                .is_some()
            {
                return Err(Refusal::bad_request(format!(
                    "fileInfo {name} is given twice"
                )));
            }
        }
    }
    Ok(info)
}

pub(crate) fn finish(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let sha1s = call
        .fields
        .strings("partSha1Array")?
        .ok_or_else(|| missing("partSha1Array"))?;
    let version = call.world.change(|state| {
        let started = call.unfinished(state, id)?;
        let parts: Vec<&Arc<Part>> = state.parts(id).collect();
        check_parts(
            &parts,
            &sha1s,
            call.world.settings().absolute_minimum_part_size,
        )?;
        let length: u64 = parts.iter().map(|part| part.length).sum();
        if length > MAX_LARGE_FILE {
            return Err(Refusal::bad_request(format!(
                "Large file too big: {length}"
            )));
        }
        let version = Arc::new(Version {
            action: Action::Upload,
            length,
            content: parts
                .iter()
                .flat_map(|part| part.content.to_vec())
                .collect(),
            ..started.clone()
        });
        let mut changes = vec![Change::Put(Record::Version(Arc::clone(&version)))];
        changes.extend(
            parts
                .iter()
                .map(|part| Change::Remove(Kind::Part, part_key(id, part.number))),
        );
        Ok((changes, version))
    })?;
    Ok(render::file(call.view(), &version))
}

fn check_parts(parts: &[&Arc<Part>], sha1s: &[String], minimum: u64) -> Result<(), Refusal> {
    if sha1s.len() < 2 {
        return Err(Refusal::bad_request(
            "large files must have at least 2 parts",
        ));
    }
    for (index, sha1) in sha1s.iter().enumerate() {
        if !content::is_sha1(sha1) {
            return Err(Refusal::bad_request(format!(
                "Invalid SHA-1 in partSha1Array: {sha1}"
            )));
        }
        let number = index + 1;
        // They come in the order of their numbers: a gap shifts all that follow.
        let part = parts
            .get(index)
            .filter(|part| usize::from(part.number) == number);
        let part = part.ok_or_else(|| {
            Refusal::new(
                400,
                "missing_part",
                format!("Part number {number} is missing"),
            )
        })?;
        if !part.sha1.eq_ignore_ascii_case(sha1) {
            let message = format!("Part number {number} has a different SHA1");
            return Err(Refusal::new(400, "part_sha1_mismatch", message));
        }
    }
    if parts.len() > sha1s.len() {
        return Err(Refusal::bad_request(format!(
            "partSha1Array has {} entries for {} parts",
            sha1s.len(),
            parts.len()
        )));
    }
    let but_last = parts.split_last().map_or(parts, |(_, but_last)| but_last);
    match but_last.iter().find(|part| part.length < minimum) {
        None => Ok(()),
        Some(small) => Err(Refusal::bad_request(format!(
            "Part number {} is smaller than {minimum} bytes",
            small.number
        ))),
    }
}

pub(crate) fn cancel(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    call.world.change(|state| {
        let file = call.unfinished(state, id)?;
        let answer = json!({
            "accountId": call.world.account_id(),
            "bucketId": &*file.bucket_id,
            "fileId": id,
            "fileName": file.name,
        });
        Ok((state.removal(file), answer))
    })
}

pub(crate) fn list_parts(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let count = call.count("maxPartCount", DEFAULT_PARTS, MAX_PARTS)?;
    let start = call.fields.integer("startPartNumber")?.unwrap_or(1);
    if !(1..=10_000).contains(&start) {
        let message = format!("startPartNumber out of range: {start}");
        return Err(Refusal::new(400, "out_of_range", message));
    }
    let state = call.world.state();
    call.unfinished(&state, id)?;
    let mut parts = state
        .parts(id)
        .filter(|part| i64::from(part.number) >= start);
    let shown: Vec<Value> = parts
        .by_ref()
        .take(count)
        .map(|part| render::part(part))
        .collect();
    let next = parts.next().map(|part| part.number);
    Ok(json!({ "nextPartNumber": next, "parts": shown }))
}
