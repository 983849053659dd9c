//! Retention and legal hold of files that are there already (docs/protocol.md, sections 2.28 and
//! 2.29).

use std::sync::Arc;

use serde_json::{Value, json};

use super::Call;
use crate::simulator::account::lock::Lock;
use crate::simulator::account::records::{Action, Change, Record, Version};
use crate::simulator::account::state::State;
use crate::simulator::api::lock_fields;
use crate::simulator::protocol::reply::Refusal;

pub(crate) fn update_retention(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let name = call.fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    let bypasses = call.fields.boolean("bypassGovernance")? == Some(true);
    if bypasses && !call.caller.may("bypassGovernance") {
        return Err(Refusal::access_denied());
    }
    let retention = lock_fields::required_retention(&call.fields)?;
    call.world.change(|state| {
        let version = lockable(state, id, name)?;
        retention.map_or(Ok(()), |retention| retention.check_future(call.now()))?;
        if !version.lock.may_become(retention, call.now(), bypasses) {
            return Err(Refusal::access_denied());
        }
        let lock = Lock {
            retention,
            ..version.lock
        };
        Ok((relock(version, lock), ()))
    })?;
    Ok(json!({
        "fileId": id,
        "fileName": name,
        "fileRetention": lock_fields::shown_retention(retention),
    }))
}

pub(crate) fn update_legal_hold(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.file_id("fileId")?;
    let name = call.fields.required_string("fileName")?;
    call.caller.require_name(name)?;
    let is_on = lock_fields::required_hold(&call.fields)?;
    let lock = call.world.change(|state| {
        let version = lockable(state, id, name)?;
        let lock = Lock {
            legal_hold: Some(is_on),
            ..version.lock
        };
        Ok((relock(version, lock), lock))
    })?;
    Ok(json!({ "fileId": id, "fileName": name, "legalHold": lock_fields::shown_hold(lock) }))
}

/// Returns the finished version of this id and name. A bucket without file lock is refused before
/// anything else is checked (docs/protocol.md, section 2.0).
fn lockable<'s>(state: &'s State, id: &str, name: &str) -> Result<&'s Version, Refusal> {
    let version = state
        .file(id)
        .filter(|version| *version.name == *name && version.action != Action::Start)
        .ok_or_else(|| Refusal::file_not_present(name, id))?;
    state.bucket(&version.bucket_id)?.check_lock_enabled()?;
    if version.action == Action::Hide {
        let message = "A hide marker has neither retention nor legal hold";
        return Err(Refusal::bad_request(message));
    }
    Ok(version)
}

fn relock(version: &Version, lock: Lock) -> Vec<Change> {
    let version = Version {
        lock,
        ..version.clone()
    };
    vec![Change::Put(Record::Version(Arc::new(version)))]
}
