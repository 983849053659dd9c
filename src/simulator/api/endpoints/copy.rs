//! Copying within the service (docs/protocol.md, sections 2.13 and 2.17). A copy shares the stored
//! bytes of its source; only its checksums are computed again.

use std::sync::Arc;

use serde_json::{Value, json};

use super::large::file_info;
use super::upload::{part_number, store_part};
use super::{Call, download, info_limit};
use crate::simulator::account::checksums::{ContentMd5, ContentSha1};
use crate::simulator::account::encryption::{self, Encryption};
use crate::simulator::account::records::{Action, Change, Record, Version};
use crate::simulator::account::replication_rules;
use crate::simulator::api::content::{self, Received};
use crate::simulator::api::lock_fields;
use crate::simulator::api::render;
use crate::simulator::protocol::decode::ByteRange;
use crate::simulator::protocol::ids::{self, FileKind};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

pub(crate) fn file(call: &Call<'_>) -> Result<Value, Refusal> {
    let fields = &call.fields;
    let name = fields.required_string("fileName")?;
    let destination = fields.string("destinationBucketId")?;
    destination.map_or(Ok(()), |id| call.caller.require_bucket(id))?;
    call.caller.require_name(name)?;
    let source = source(call)?;
    let bucket_id = destination.unwrap_or(&source.bucket_id);
    let lock = lock_fields::of_fields(fields)?;
    lock_fields::check_caller(lock, &call.caller)?;
    names::check_file_name(name)?;
    let source_key = encryption::key_of_field(fields, "sourceServerSideEncryption")?;
    let encryption = encryption::of_field(fields, "destinationServerSideEncryption")?;
    let (content_type, info) = metadata(call, &source, name)?;
    {
        let state = call.world.state();
        let bucket = state.bucket(bucket_id)?;
        names::check_file_info(name, &info, info_limit(encryption.is_some(), bucket))?;
        bucket.lock_of_new_file(lock, call.now())?;
    }
    source.encryption.check_reader(source_key.as_ref())?;
    let copied = copied(call, &source)?;
    let version = call.world.store(copied.length, |state| {
        let bucket = state.bucket(bucket_id)?;
        let now = call.now();
        let uploaded = state.next_upload_time(bucket_id, name, now);
        let encryption = encryption.unwrap_or(Encryption::Service(bucket.encrypts));
        let version = Arc::new(Version {
            serial: ids::file_serial(FileKind::Small),
            bucket_id: Arc::clone(&bucket.id),
            name: name.into(),
            action: Action::Upload,
            length: copied.length,
            content_type,
            sha1: ContentSha1::Verified(copied.sha1),
            md5: (!encryption.is_customer()).then_some(ContentMd5(copied.md5)),
            lock: bucket.lock_of_new_file(lock, now)?,
            replication: replication_rules::of_new_file(bucket, name, &info, &encryption),
            info: info.into(),
            encryption,
            uploaded,
            content: copied.content,
        });
        Ok((
            vec![Change::Put(Record::Version(Arc::clone(&version)))],
            version,
        ))
    })?;
    let mut shown = render::file(call.view(), &version);
    // In this answer only; listings say "upload".
    shown["action"] = json!("copy");
    Ok(shown)
}

pub(crate) fn part(call: &Call<'_>) -> Result<Value, Refusal> {
    let large_file_id = call.file_id("largeFileId")?;
    let source = source(call)?;
    let number = call.fields.required_integer("partNumber")?;
    let number = part_number(u64::try_from(number).ok())?;
    let source_key = encryption::key_of_field(&call.fields, "sourceServerSideEncryption")?;
    let key = encryption::key_of_field(&call.fields, "destinationServerSideEncryption")?;
    call.unfinished(&call.world.state(), large_file_id)?
        .encryption
        .check_part(key.as_ref())?;
    source.encryption.check_reader(source_key.as_ref())?;
    let copied = copied(call, &source)?;
    if copied.length == 0 {
        return Err(Refusal::bad_request("A part must have at least 1 byte"));
    }
    let part = store_part(call.world, large_file_id, number, copied)?;
    Ok(render::part(&part))
}

/// The file to copy from, if the key may read it.
fn source(call: &Call<'_>) -> Result<Arc<Version>, Refusal> {
    let id = call.file_id("sourceFileId")?;
    let state = call.world.state();
    let file = state.file(id).filter(|file| file.action == Action::Upload);
    let is_public = file
        .and_then(|file| state.buckets.get(&file.bucket_id))
        .is_some_and(|bucket| bucket.is_public());
    if !is_public {
        call.caller.require("readFiles")?;
    }
    let file = file.ok_or_else(|| Refusal::not_found(format!("File not present: {id}")))?;
    call.caller.require_name(&file.name)?;
    Ok(Arc::clone(file))
}

type Metadata = (Arc<str>, std::collections::BTreeMap<String, String>);

/// Content type and info of the copy: the source's, or all new.
fn metadata(call: &Call<'_>, source: &Version, name: &str) -> Result<Metadata, Refusal> {
    let fields = &call.fields;
    let asked = fields.string("contentType")?;
    match fields.string("metadataDirective")? {
        None | Some("COPY") => {
            if asked.is_some() || fields.value("fileInfo").is_some() {
                return Err(Refusal::bad_request(
                    "contentType and fileInfo are not allowed when metadataDirective is COPY",
                ));
            }
            Ok((Arc::clone(&source.content_type), (*source.info).clone()))
        }
        Some("REPLACE") => {
            let asked = asked.ok_or_else(|| {
                Refusal::bad_request("contentType is required when metadataDirective is REPLACE")
            })?;
            let content_type = names::resolve_content_type(asked, name)?;
            Ok((call.world.shared_text(&content_type), file_info(fields)?))
        }
        Some(other) => Err(Refusal::bad_request(format!(
            "Invalid metadataDirective: {other}"
        ))),
    }
}

/// Hashes the selected bytes without holding any lock.
fn copied(call: &Call<'_>, source: &Version) -> Result<Received, Refusal> {
    let (chunks, length) = match call.fields.string("range")? {
        None => (source.content.to_vec(), source.length),
        Some(text) => {
            let range = ByteRange::parse_bounded(text)
                .ok_or_else(|| Refusal::bad_request(format!("Invalid range: {text}")))?;
            let (first, last) = range
                .within(source.length)
                .ok_or_else(download::range_not_satisfiable)?;
            (
                content::slice(&source.content, first, last),
                last - first + 1,
            )
        }
    };
    if length > call.world.settings().max_single_file {
        let message = format!("Copy source too big: {length}");
        return Err(Refusal::new(400, "source_too_large", message));
    }
    content::hash(&chunks, length)
}
