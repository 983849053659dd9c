//! The replication configuration of a bucket (docs/protocol.md, section 3.7). It is checked, stored
//! and returned; `maintenance::replication` acts on it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::simulator::account::records::Bucket;
use crate::simulator::account::state::State;
use crate::simulator::account::world::World;
use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::reply::Refusal;

const MAX_RULES: usize = 2;
const SOURCE: &str = "asReplicationSource";
const DESTINATION: &str = "asReplicationDestination";

/// The configuration that a request gives a bucket: `null` for an empty one, which clears it;
/// `None` if it says nothing.
pub(super) fn configuration(fields: &Fields) -> Result<Option<Value>, Refusal> {
    let Some(given) = fields.object("replicationConfiguration")? else {
        return Ok(None);
    };
    let source = given.object(SOURCE)?;
    let source = source.map(|source| source_shown(&source)).transpose()?;
    let destination = given.object(DESTINATION)?;
    let destination = destination
        .map(|destination| destination_shown(&destination))
        .transpose()?;
    if source.is_none() && destination.is_none() {
        return Ok(Some(Value::Null));
    }
    Ok(Some(json!({ SOURCE: source, DESTINATION: destination })))
}

pub(super) fn is_source(bucket: &Bucket) -> bool {
    !bucket.replication[SOURCE].is_null()
}

/// Returns the destinations in a configuration that belong to other accounts. Must be called before
/// a change is planned, because planning holds the lock of this account.
pub(super) fn elsewhere(world: &World, configuration: &Value) -> BTreeSet<String> {
    destinations(configuration)
        .filter(|id| world.peer_with(id).is_some())
        .map(str::to_owned)
        .collect()
}

/// Checks that the buckets exist that the configuration names.
pub(super) fn check_destinations(
    state: &State,
    elsewhere: &BTreeSet<String>,
    configuration: &Value,
) -> Result<(), Refusal> {
    destinations(configuration)
        .filter(|id| !elsewhere.contains(*id))
        .try_for_each(|id| state.bucket(id).map(|_| ()))
}

fn destinations(configuration: &Value) -> impl Iterator<Item = &str> {
    let rules = configuration[SOURCE]["replicationRules"].as_array();
    let rules = rules.into_iter().flatten();
    rules.map(|rule| rule["destinationBucketId"].as_str().unwrap_or_default())
}

fn source_shown(source: &Fields) -> Result<Value, Refusal> {
    let rules = source
        .array("replicationRules")?
        .ok_or_else(|| missing("replicationRules"))?;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Refusal::bad_request(format!(
            "replicationRules: there must be 1 to {MAX_RULES} rules"
        )));
    }
    let mut names = BTreeSet::new();
    let mut shown = Vec::new();
    for rule in rules {
        let rule = Fields::of_object(rule, "replicationRules")?;
        let name = rule.required_string("replicationRuleName")?;
        if !names.insert(name.to_owned()) {
            return Err(Refusal::bad_request(format!(
                "replicationRules: two rules named {name}"
            )));
        }
        shown.push(rule_shown(&rule, name)?);
    }
    Ok(json!({
        "replicationRules": shown,
        "sourceApplicationKeyId": source.required_string("sourceApplicationKeyId")?,
    }))
}

fn rule_shown(rule: &Fields, name: &str) -> Result<Value, Refusal> {
    let refuse = |what: &str| {
        Err(Refusal::bad_request(format!(
            "replicationRules {name}: {what}"
        )))
    };
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return refuse("invalid replicationRuleName");
    }
    let priority = rule.required_integer("priority")?;
    if !(1..=i64::from(i32::MAX)).contains(&priority) {
        return refuse("priority must be in range 1 - 2147483647");
    }
    let is_enabled = rule.boolean("isEnabled")?;
    Ok(json!({
        "destinationBucketId": rule.required_string("destinationBucketId")?,
        "fileNamePrefix": rule.required_string("fileNamePrefix")?,
        "includeExistingFiles": rule.boolean("includeExistingFiles")?.unwrap_or(false),
        "isEnabled": is_enabled.ok_or_else(|| missing("isEnabled"))?,
        "priority": priority,
        "replicationRuleName": name,
    }))
}

fn destination_shown(destination: &Fields) -> Result<Value, Refusal> {
    const NAME: &str = "sourceToDestinationKeyMapping";
    let mapping = destination.object(NAME)?.ok_or_else(|| missing(NAME))?;
    let mut keys = Map::new();
    for (source, key) in mapping.pairs() {
        if !key.is_string() {
            return Err(Refusal::bad_request(format!(
                "{NAME}: {source} must be a string"
            )));
        }
        keys.insert(source.clone(), key.clone());
    }
    if keys.is_empty() {
        return Err(Refusal::bad_request(format!("{NAME} must not be empty")));
    }
    Ok(json!({ NAME: keys }))
}
