//! Single file versions: their information, hiding and deleting them (docs/protocol.md, sections
//! 2.10 to 2.12).

use std::sync::Arc;

use serde_json::{Value, json};

use super::Call;
use crate::simulator::account::records::{Action, Change, Record, Version};
use crate::simulator::account::state::State;
use crate::simulator::api::render;
use crate::simulator::protocol::ids;
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

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
        let bucket = state.bucket(bucket_id)?;
        let uploaded = state.next_upload_time(bucket_id, name, call.now());
        let marker = Arc::new(Version::hide_marker(&bucket.id, name, uploaded));
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

pub(crate) fn delete_version(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let name = call.fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    let bypasses = call.fields.boolean("bypassGovernance")? == Some(true);
    if bypasses {
        call.caller.require("bypassGovernance")?;
    }
    call.world.change(|state| {
        let version = state.file(id).filter(|version| *version.name == *name);
        let version = version.ok_or_else(|| Refusal::file_not_present(name, id))?;
        // What is not finished can always be cancelled.
        if version.action != Action::Start {
            version.lock.check_delete(call.now(), bypasses)?;
        }
        Ok((state.removal(version), ()))
    })?;
    Ok(json!({ "fileId": id, "fileName": name }))
}
