//! Event notification rules (docs/protocol.md, sections 2.30, 2.31 and 3.8). They are checked,
//! stored and returned, but no event is ever sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Call;
use crate::simulator::account::records::{Bucket, Change, Record};
use crate::simulator::protocol::decode;
use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::reply::Refusal;

const MAX_RULES: usize = 25;
const MAX_HEADERS: usize = 10;
const MAX_HEADERS_SIZE: usize = 2048;
const SECRET_LENGTH: usize = 32;
const EVENT_TYPES: [&str; 14] = [
    "b2:ObjectCreated:*",
    "b2:ObjectCreated:Upload",
    "b2:ObjectCreated:MultipartUpload",
    "b2:ObjectCreated:Copy",
    "b2:ObjectCreated:Replica",
    "b2:ObjectCreated:MultipartReplica",
    "b2:MultipartUploadCreated:*",
    "b2:MultipartUploadCreated:LiveRead",
    "b2:ObjectDeleted:*",
    "b2:ObjectDeleted:Delete",
    "b2:ObjectDeleted:LifecycleRule",
    "b2:HideMarkerCreated:*",
    "b2:HideMarkerCreated:Hide",
    "b2:HideMarkerCreated:LifecycleRule",
];

pub(crate) fn get(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = call.bucket_id()?;
    let state = call.world.state();
    Ok(shown(state.bucket(id)?))
}

/// Replaces all rules of the bucket.
pub(crate) fn set(call: &Call<'_>) -> Result<Value, Refusal> {
    const NAME: &str = "eventNotificationRules";
    let id = call.bucket_id()?;
    let given = call.fields.array(NAME)?.ok_or_else(|| missing(NAME))?;
    let rules = rules(given)?;
    call.world.change(|state| {
        let bucket = Arc::new(Bucket {
            notification_rules: rules,
            ..state.bucket(id)?.as_ref().clone()
        });
        let answer = shown(&bucket);
        Ok((vec![Change::Put(Record::Bucket(bucket))], answer))
    })
}

fn shown(bucket: &Bucket) -> Value {
    json!({ "bucketId": bucket.id, "eventNotificationRules": bucket.notification_rules })
}

/// Returns the rules in the order of their names, after checking each of them and all together.
fn rules(given: &[Value]) -> Result<Vec<Value>, Refusal> {
    if given.len() > MAX_RULES {
        return Err(Refusal::bad_request(format!(
            "More than {MAX_RULES} event notification rules"
        )));
    }
    let mut names = BTreeSet::new();
    // Event types and prefixes of the rules so far.
    let mut covered: Vec<(String, String)> = Vec::new();
    let mut checked = Vec::new();
    for rule in given {
        let rule = Fields::of_object(rule, "eventNotificationRules")?;
        let name = rule_name(&rule)?;
        let types = event_types(&rule)?;
        let prefix = rule.required_string("objectNamePrefix")?;
        for (other, other_prefix) in &covered {
            let prefixes_meet =
                prefix.starts_with(other_prefix.as_str()) || other_prefix.starts_with(prefix);
            if prefixes_meet && types.iter().any(|one| overlap(one, other)) {
                let message = format!("{name}: another rule covers the same events");
                return Err(Refusal::new(400, "event_type_overlap", message));
            }
        }
        covered.extend(types.iter().map(|one| (one.clone(), prefix.to_owned())));
        checked.push((name.to_owned(), rule_shown(&rule, name, &types, prefix)?));
        if !names.insert(name.to_owned()) {
            return Err(Refusal::bad_request(format!("Two rules are named {name}")));
        }
    }
    checked.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(checked.into_iter().map(|(_, rule)| rule).collect())
}

fn rule_name(rule: &Fields) -> Result<&str, Refusal> {
    let name = rule.required_string("name")?;
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if (6..=63).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.to_ascii_lowercase().starts_with("b2-")
    {
        return Ok(name);
    }
    Err(Refusal::bad_request(format!("Invalid rule name: {name}")))
}

fn event_types(rule: &Fields) -> Result<Vec<String>, Refusal> {
    let types = rule.strings("eventTypes")?.unwrap_or_default();
    if types.is_empty() {
        let message = "eventTypes must not be empty";
        return Err(Refusal::new(400, "event_types_empty", message));
    }
    for (index, one) in types.iter().enumerate() {
        if !EVENT_TYPES.contains(&one.as_str()) {
            let message = format!("Invalid event type: {one}");
            return Err(Refusal::new(400, "event_type_invalid", message));
        }
        if types.iter().take(index).any(|other| overlap(one, other)) {
            let message = format!("The event type {one} overlaps another");
            return Err(Refusal::new(400, "event_type_overlap", message));
        }
    }
    Ok(types)
}

fn overlap(one: &str, other: &str) -> bool {
    let covers = |wide: &str, narrow: &str| {
        wide.strip_suffix('*')
            .is_some_and(|start| narrow.starts_with(start))
    };
    one == other || covers(one, other) || covers(other, one)
}

fn rule_shown(rule: &Fields, name: &str, types: &[String], prefix: &str) -> Result<Value, Refusal> {
    let target = rule.object("targetConfiguration")?;
    let target = target.ok_or_else(|| missing("targetConfiguration"))?;
    // The Java SDK sends it there, other clients in the rule (docs/protocol.md, section 12 #21).
    let max_events = match rule.integer("maxEventsPerBatch")? {
        None => target.integer("maxEventsPerBatch")?.unwrap_or(1),
        Some(max_events) => max_events,
    };
    if !(1..=50).contains(&max_events) {
        let message = "maxEventsPerBatch must be in range 1 - 50";
        return Err(Refusal::bad_request(message));
    }
    let is_enabled = rule.boolean("isEnabled")?;
    Ok(json!({
        "eventTypes": types,
        "isEnabled": is_enabled.ok_or_else(|| missing("isEnabled"))?,
        "isSuspended": false,
        "maxEventsPerBatch": max_events,
        "name": name,
        "objectNamePrefix": prefix,
        "suspensionReason": "",
        "targetConfiguration": target_shown(&target)?,
    }))
}

fn target_shown(target: &Fields) -> Result<Value, Refusal> {
    let kind = target.required_string("targetType")?;
    if kind != "webhook" {
        return Err(Refusal::bad_request(format!("Invalid targetType: {kind}")));
    }
    let url = target.required_string("url")?;
    if url.strip_prefix("https://").is_none_or(str::is_empty) {
        return Err(Refusal::bad_request("The url must start with https://"));
    }
    let secret = target.string("hmacSha256SigningSecret")?;
    let is_secret = |secret: &str| {
        secret.len() == SECRET_LENGTH && secret.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if !secret.is_none_or(is_secret) {
        let message = "hmacSha256SigningSecret must be 32 alphanumeric characters";
        return Err(Refusal::bad_request(message));
    }
    Ok(json!({
        "customHeaders": custom_headers(target)?,
        "hmacSha256SigningSecret": secret,
        "targetType": kind,
        "url": url,
    }))
}

fn custom_headers(target: &Fields) -> Result<Option<Vec<Value>>, Refusal> {
    let Some(given) = target.array("customHeaders")? else {
        return Ok(None);
    };
    if given.len() > MAX_HEADERS {
        let message = format!("More than {MAX_HEADERS} customHeaders");
        return Err(Refusal::bad_request(message));
    }
    let mut size = 0;
    let mut headers = Vec::new();
    for header in given {
        let header = Fields::of_object(header, "customHeaders")?;
        let name = header.required_string("name")?;
        let value = header.required_string("value")?;
        if name.is_empty() || name.to_ascii_lowercase().starts_with("x-bz-") {
            return Err(Refusal::bad_request(format!(
                "Invalid customHeader: {name}"
            )));
        }
        size += decode::encode(name).len() + decode::encode(value).len();
        headers.push(json!({ "name": name, "value": value }));
    }
    if size > MAX_HEADERS_SIZE {
        let message = format!("customHeaders take more than {MAX_HEADERS_SIZE} bytes");
        return Err(Refusal::bad_request(message));
    }
    Ok(Some(headers))
}
