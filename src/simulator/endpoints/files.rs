//! Single file versions: their information, hiding and deleting them (docs/protocol.md, sections
//! 2.10 to 2.12).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Call;
use crate::simulator::encryption::Encryption;
use crate::simulator::ids::{self, FileKind};
use crate::simulator::lock::Lock;
use crate::simulator::names;
use crate::simulator::records::{Action, Change, Kind, Record, Replication, Version, part_key};
use crate::simulator::render;
use crate::simulator::reply::Refusal;
use crate::simulator::state::State;

pub(crate) fn info(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let state = call.world.state();
    let version = state
        .file(id)
        .filter(|version| version.action != Action::Start);
    let version = version.ok_or_else(|| Refusal::not_found(format!("File not present: {id}")))?;
    call.caller.require_name(&version.name)?;
    Ok(render::file(call.view(), version))
}

pub(crate) fn hide(call: &Call<'_>) -> Result<Value, Refusal> {
    let bucket_id = call.bucket_id()?;
    let name = call.fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    if !ids::is_bucket_id(bucket_id) {
        return Err(Refusal::bad_request(format!(
            "Invalid bucket id: {bucket_id}"
        )));
    }
    names::check_file_name(name)?;
    let marker = call.world.change(|state| {
        check_can_hide(state, bucket_id, name)?;
        let uploaded = state.next_upload_time(bucket_id, name, call.now());
        let marker = Arc::new(hide_marker(bucket_id, name, uploaded));
        Ok((
            vec![Change::Put(Record::Version(Arc::clone(&marker)))],
            marker,
        ))
    })?;
    Ok(render::hide_marker(call.view(), &marker))
}

fn check_can_hide(state: &State, bucket_id: &str, name: &str) -> Result<(), Refusal> {
    if !state.buckets.contains_key(bucket_id) {
        let message = format!("bucket {bucket_id} does not exist");
        return Err(Refusal::new(400, "bad_bucket_id", message));
    }
    match state.latest(bucket_id, name).map(|version| version.action) {
        None => Err(Refusal::new(
            400,
            "no_such_file",
            format!("File not present: {name}"),
        )),
        Some(Action::Hide) => Err(Refusal::new(
            400,
            "already_hidden",
            format!("File already hidden: {name}"),
        )),
        Some(Action::Upload | Action::Start) => Ok(()),
    }
}

pub(in crate::simulator) fn hide_marker(bucket_id: &str, name: &str, uploaded: u64) -> Version {
    Version {
        file_id: ids::file_id(bucket_id, FileKind::Small, uploaded),
        bucket_id: bucket_id.to_owned(),
        name: name.to_owned(),
        action: Action::Hide,
        length: 0,
        content_type: "application/x-bz-hide-marker".to_owned(),
        sha1: "none".to_owned(),
        md5: None,
        info: BTreeMap::new(),
        encryption: Encryption::NONE,
        lock: Lock::default(),
        replication: Replication::default(),
        uploaded,
        content: Vec::new(),
    }
}

pub(crate) fn delete_version(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let name = call.fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    let bypasses = call.fields.boolean("bypassGovernance")? == Some(true);
    if bypasses {
        call.caller.require("bypassGovernance")?;
    }
    call.world.change(|state| {
        let version = state.file(id).filter(|version| version.name == name);
        let version = version.ok_or_else(|| Refusal::file_not_present(name, id))?;
        // What is not finished can always be cancelled.
        if version.action != Action::Start {
            version.lock.check_delete(call.now(), bypasses)?;
        }
        Ok((removal(state, version), ()))
    })?;
    Ok(json!({ "fileId": id, "fileName": name }))
}

/// A version goes with its parts; only unfinished large files have any.
pub(in crate::simulator) fn removal(state: &State, version: &Version) -> Vec<Change> {
    let id = &version.file_id;
    let parts = state
        .parts(id)
        .map(|part| Change::Remove(Kind::Part, part_key(id, part.number)));
    parts
        .chain([Change::Remove(Kind::Version, id.clone())])
        .collect()
}
