//! The settings of a bucket: its type, info, lifecycle rules and CORS rules (docs/protocol.md,
//! sections 3.2, 3.5 and 3.6). They are checked and brought into the form of answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

const MAX_RULES: usize = 100;
const MAX_INFO: usize = 10;
/// All values of a bucket's info together.
const MAX_INFO_BYTES: usize = 10_000;
const MAX_CORS_RULE_BYTES: usize = 1000;
const CORS_OPERATIONS: [&str; 9] = [
    "b2_download_file_by_name",
    "b2_download_file_by_id",
    "b2_upload_file",
    "b2_upload_part",
    "s3_delete",
    "s3_get",
    "s3_head",
    "s3_post",
    "s3_put",
];

pub(super) fn kind(fields: &Fields) -> Result<Option<String>, Refusal> {
    match fields.string("bucketType")? {
        None => Ok(None),
        Some(kind @ ("allPublic" | "allPrivate")) => Ok(Some(kind.to_owned())),
        Some(other) => Err(Refusal::bad_request(format!("Invalid bucketType: {other}"))),
    }
}

pub(super) fn info(fields: &Fields) -> Result<Option<BTreeMap<String, String>>, Refusal> {
    let Some(given) = fields.object("bucketInfo")? else {
        return Ok(None);
    };
    let mut info = BTreeMap::new();
    for (name, value) in given.pairs() {
        if names::check_info_name(name).is_err() {
            return Err(Refusal::bad_request(format!(
                "Invalid bucketInfo name: {name}"
            )));
        }
        let Value::String(value) = value else {
            return Err(Refusal::bad_request(format!(
                "bucketInfo {name} must be a string"
            )));
        };
        if is_cache_control(name) && !names::is_value_of("b2-cache-control", value) {
            return Err(Refusal::bad_request(format!(
                "Invalid bucketInfo {name}: {value}"
            )));
        }
        info.insert(name.clone(), value.clone());
    }
    if info.len() > MAX_INFO {
        return Err(Refusal::bad_request(format!(
            "More than {MAX_INFO} bucketInfo entries"
        )));
    }
    if info.values().map(String::len).sum::<usize>() > MAX_INFO_BYTES {
        return Err(Refusal::bad_request(format!(
            "The values of bucketInfo take more than {MAX_INFO_BYTES} bytes"
        )));
    }
    Ok(Some(info))
}

/// The bucket info that becomes a header of every download.
pub(super) fn is_cache_control(name: &str) -> bool {
    name.eq_ignore_ascii_case("Cache-Control")
}

pub(super) fn lifecycle_rules(fields: &Fields) -> Result<Option<Vec<Value>>, Refusal> {
    let Some(given) = rules(fields, "lifecycleRules")? else {
        return Ok(None);
    };
    let mut prefixes: Vec<String> = Vec::new();
    let mut checked = Vec::new();
    for rule in given {
        let prefix = rule.required_string("fileNamePrefix")?.to_owned();
        let overlaps =
            |other: &String| other.starts_with(&prefix) || prefix.starts_with(other.as_str());
        if prefixes.iter().any(overlaps) {
            return Err(Refusal::bad_request(format!(
                "lifecycleRules: more than one rule applies to files starting with '{prefix}'"
            )));
        }
        checked.push(lifecycle_rule(&rule, &prefix)?);
        prefixes.push(prefix);
    }
    Ok(Some(checked))
}

fn lifecycle_rule(rule: &Fields, prefix: &str) -> Result<Value, Refusal> {
    const CANCEL: &str = "daysFromStartingToCancelingUnfinishedLargeFiles";
    let hide = days(rule, "daysFromUploadingToHiding")?;
    let delete = days(rule, "daysFromHidingToDeleting")?;
    let cancel = days(rule, CANCEL)?;
    if hide.is_none() && delete.is_none() && cancel.is_none() {
        return Err(Refusal::bad_request(format!(
            "lifecycleRules: the rule for '{prefix}' does nothing"
        )));
    }
    let mut shown = json!({
        "daysFromHidingToDeleting": delete,
        "daysFromUploadingToHiding": hide,
        "fileNamePrefix": prefix,
    });
    if let Some(days) = cancel {
        shown[CANCEL] = json!(days);
    }
    Ok(shown)
}

fn days(rule: &Fields, name: &str) -> Result<Option<i64>, Refusal> {
    let days = rule.integer(name)?;
    if days.is_some_and(|days| days < 1) {
        return Err(Refusal::bad_request(format!(
            "lifecycleRules: {name} must be positive"
        )));
    }
    Ok(days)
}

pub(super) fn cors_rules(fields: &Fields) -> Result<Option<Vec<Value>>, Refusal> {
    let Some(given) = rules(fields, "corsRules")? else {
        return Ok(None);
    };
    let mut names = BTreeSet::new();
    let mut checked = Vec::new();
    for rule in given {
        let name = rule.required_string("corsRuleName")?.to_owned();
        checked.push(cors_rule(&rule, &name)?);
        if !names.insert(name.clone()) {
            return Err(Refusal::bad_request(format!(
                "corsRules: two rules named {name}"
            )));
        }
    }
    Ok(Some(checked))
}

fn cors_rule(rule: &Fields, name: &str) -> Result<Value, Refusal> {
    let refuse = |what: &str| Err(Refusal::bad_request(format!("corsRules {name}: {what}")));
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(6..=63).contains(&name.len()) || !name.bytes().all(is_name) || name.starts_with("b2-") {
        return refuse("invalid corsRuleName");
    }
    let origins = some_strings(rule, "allowedOrigins")?;
    if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
        return refuse("the origin * must stand alone");
    }
    if let Some(bad) = origins.iter().find(|origin| !is_origin(origin)) {
        return refuse(&format!("invalid origin {bad}"));
    }
    let operations = some_strings(rule, "allowedOperations")?;
    if let Some(unknown) = operations
        .iter()
        .find(|op| !CORS_OPERATIONS.contains(&op.as_str()))
    {
        return refuse(&format!("invalid operation {unknown}"));
    }
    let allowed_headers = rule.strings("allowedHeaders")?;
    let exposed_headers = rule.strings("exposeHeaders")?;
    let all: &[String] = allowed_headers.as_deref().unwrap_or_default();
    if all.len() > 1 && all.iter().any(|name| name == "*") {
        return refuse("the header * must stand alone");
    }
    // Exposed headers are whole names, allowed ones may end with `*`.
    let is_name = |name: &str| names::is_token(name) && !name.contains('*');
    let is_allowed = |name: &String| name == "*" || is_name(name.strip_suffix('*').unwrap_or(name));
    let bad = all.iter().find(|name| !is_allowed(name));
    let bad = bad.or(exposed_headers.iter().flatten().find(|name| !is_name(name)));
    if let Some(bad) = bad {
        return refuse(&format!("invalid header {bad}"));
    }
    let max_age = rule.required_integer("maxAgeSeconds")?;
    if !(0..=86_400).contains(&max_age) {
        return refuse("maxAgeSeconds must be in range 0 - 86400");
    }
    let shown = json!({
        "allowedHeaders": allowed_headers,
        "allowedOperations": operations,
        "allowedOrigins": origins,
        "corsRuleName": name,
        "exposeHeaders": exposed_headers,
        "maxAgeSeconds": max_age,
    });
    if shown.to_string().len() >= MAX_CORS_RULE_BYTES {
        return refuse("the rule takes 1000 bytes or more");
    }
    Ok(shown)
}

/// `*`, a scheme alone, or scheme and host, where the host may be `*` or begin with `*.` and end with a
/// port.
fn is_origin(origin: &str) -> bool {
    if origin == "*" {
        return true;
    }
    let (scheme, rest) = match origin.split_once("://") {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => (origin, None),
    };
    let is_host = |rest: &str| {
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        };
        let host = if host == "*" { "any" } else { host };
        let host = host.strip_prefix("*.").unwrap_or(host);
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
    };
    matches!(scheme, "http" | "https") && rest.is_none_or(is_host)
}

fn some_strings(rule: &Fields, name: &str) -> Result<Vec<String>, Refusal> {
    rule.strings(name)?
        .filter(|strings| !strings.is_empty())
        .ok_or_else(|| missing(name))
}

fn rules(fields: &Fields, name: &str) -> Result<Option<Vec<Fields>>, Refusal> {
    let Some(rules) = fields.array(name)? else {
        return Ok(None);
    };
    if rules.len() > MAX_RULES {
        return Err(Refusal::bad_request(format!(
            "More than {MAX_RULES} {name}"
        )));
    }
    rules
        .iter()
        .map(|rule| Fields::of_object(rule, name))
        .collect::<Result<_, _>>()
        .map(Some)
}
