//! Application keys (docs/protocol.md, sections 2.22 to 2.24 and 10).

use serde_json::{Value, json};

use super::Call;
use crate::simulator::account::keyring::{self, CAPABILITIES, KeySettings};
use crate::simulator::account::records::{Change, Kind};
use crate::simulator::api::render;
use crate::simulator::protocol::json::missing;
use crate::simulator::protocol::reply::Refusal;

/// Less than 1000 days.
const MAX_SECONDS: i64 = 86_400_000 - 1;

pub(crate) fn create(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    let settings = KeySettings {
        name: key_name(call)?,
        bucket_ids: bucket_ids(call)?,
        capabilities: capabilities(call)?,
        name_prefix: call.fields.string("namePrefix")?.map(str::to_owned),
        valid_seconds: valid_seconds(call)?,
    };
    if settings.bucket_ids.is_some() {
        check_restricted(&settings.capabilities)?;
    }
    let key = call.world.change(|state| {
        for id in settings.bucket_ids.iter().flatten() {
            state.bucket(id)?;
        }
        Ok(keyring::make(
            state,
            call.world.account_id(),
            call.now(),
            settings,
        ))
    })?;
    let mut shown = render::key(call.view(), &key);
    shown["applicationKey"] = json!(key.secret);
    Ok(shown)
}

fn key_name(call: &Call<'_>) -> Result<String, Refusal> {
    let name = call.fields.required_string("keyName")?;
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(1..=100).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return Err(Refusal::bad_request(format!("Invalid keyName: {name}")));
    }
    Ok(name.to_owned())
}

fn capabilities(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let asked = call
        .fields
        .strings("capabilities")?
        .ok_or_else(|| missing("capabilities"))?;
    if asked.is_empty() {
        return Err(Refusal::bad_request("capabilities must not be empty"));
    }
    if let Some(unknown) = asked
        .iter()
        .find(|name| !CAPABILITIES.contains(&name.as_str()))
    {
        return Err(Refusal::bad_request(format!(
            "Invalid capability: {unknown}"
        )));
    }
    // A key cannot create a key with more capabilities than its own.
    asked
        .iter()
        .try_for_each(|capability| call.caller.require(capability))?;
    Ok(asked)
}

/// Version 4 has a list of buckets, and older versions have one bucket. A request with the wrong
/// one of the two fields is refused, because a key without the field would be valid for all
/// buckets.
fn bucket_ids(call: &Call<'_>) -> Result<Option<Vec<String>>, Refusal> {
    let (field, other) = if call.version >= 4 {
        ("bucketIds", "bucketId")
    } else {
        ("bucketId", "bucketIds")
    };
    if call.fields.value(other).is_some() {
        let version = call.version;
        return Err(Refusal::bad_request(format!(
            "{other} is not a field of version {version}"
        )));
    }
    if field == "bucketId" {
        return Ok(call.fields.string(field)?.map(|id| vec![id.to_owned()]));
    }
    let ids = call.fields.strings(field)?;
    if ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(Refusal::bad_request("bucketIds must not be empty"));
    }
    Ok(ids)
}

fn check_restricted(capabilities: &[String]) -> Result<(), Refusal> {
    match capabilities
        .iter()
        .find(|name| !keyring::is_for_restricted_keys(name))
    {
        None => Ok(()),
        Some(name) => Err(Refusal::bad_request(format!(
            "{name} is not allowed for a key that is restricted to buckets"
        ))),
    }
}

fn valid_seconds(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    const NAME: &str = "validDurationInSeconds";
    let Some(seconds) = call.fields.integer(NAME)? else {
        return Ok(None);
    };
    if !(1..=MAX_SECONDS).contains(&seconds) {
        return Err(Refusal::bad_request(format!(
            "{NAME} must be in range 1 - {MAX_SECONDS}"
        )));
    }
    Ok(u64::try_from(seconds).ok())
}

pub(crate) fn list(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    let count = call.count("maxKeyCount", 100, 10_000)?;
    let start = call
        .fields
        .string("startApplicationKeyId")?
        .unwrap_or_default();
    let state = call.world.state();
    let mut keys = state.keys.range(start.to_owned()..).map(|(_, key)| key);
    let mut others = keys.by_ref().filter(|key| !key.is_master);
    let shown = others
        .by_ref()
        .take(count)
        .map(|key| render::key(call.view(), key));
    let shown: Vec<Value> = shown.collect();
    let next = others.next().map(|key| &key.id);
    Ok(json!({ "keys": shown, "nextApplicationKeyId": next }))
}

pub(crate) fn delete(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.fields.required_string("applicationKeyId")?;
    let key = call.world.change(|state| {
        let key = state.keys.get(id).filter(|key| !key.is_master).cloned();
        let key = key
            .ok_or_else(|| Refusal::bad_request(format!("Application key does not exist: {id}")))?;
        Ok((vec![Change::Remove(Kind::Key, id.to_owned())], key))
    })?;
    Ok(render::key(call.view(), &key))
}
