//! Creating, listing, updating and deleting buckets (docs/protocol.md, sections 2.2 to 2.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, bucket_rules, replication};
use crate::simulator::account::encryption::{self, Encryption};
use crate::simulator::account::lock::DefaultRetention;
use crate::simulator::account::records::{Bucket, Change, Kind, Record};
use crate::simulator::account::state::State;
use crate::simulator::api::lock_fields;
use crate::simulator::api::render;
use crate::simulator::protocol::ids;
use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

const BUCKET_TYPES: [&str; 5] = [
    "allPrivate",
    "allPublic",
    "snapshot",
    "restricted",
    "shared",
];

/// The settings that create and update have in common; `None` for a setting that the request does
/// not contain.
struct Wanted {
    kind: Option<String>,
    info: Option<BTreeMap<String, String>>,
    cors_rules: Option<Vec<Value>>,
    lifecycle_rules: Option<Vec<Value>>,
    encrypts: Option<bool>,
    lock_enabled: Option<bool>,
    default_retention: Option<DefaultRetention>,
    replication: Option<Value>,
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let fields = &call.fields;
        let wanted = Self {
            kind: bucket_rules::kind(fields)?,
            info: bucket_rules::info(fields)?,
            cors_rules: bucket_rules::cors_rules(fields)?,
            lifecycle_rules: bucket_rules::lifecycle_rules(fields)?,
            encrypts: default_encryption(call)?,
            lock_enabled: fields.boolean("fileLockEnabled")?,
            default_retention: lock_fields::default_retention(fields)?,
            replication: replication::configuration(fields)?,
        };
        Ok(wanted)
    }

    fn is_empty(&self) -> bool {
        self.kind.is_none()
            && self.info.is_none()
            && self.cors_rules.is_none()
            && self.lifecycle_rules.is_none()
            && self.encrypts.is_none()
            && self.lock_enabled.is_none()
            && self.default_retention.is_none()
            && self.replication.is_none()
    }
}

/// These settings take a capability of their own.
fn require_write_capabilities(call: &Call<'_>) -> Result<(), Refusal> {
    for (field, capability) in [
        ("defaultServerSideEncryption", "writeBucketEncryption"),
        ("defaultRetention", "writeBucketRetentions"),
        ("fileLockEnabled", "writeBucketRetentions"),
        ("replicationConfiguration", "writeBucketReplications"),
    ] {
        let asks = call
            .fields
            .value(field)
            .is_some_and(|value| *value != json!(false));
        if asks {
            call.caller.require(capability)?;
        }
    }
    Ok(())
}

/// `{"mode":null}` resets to what the service does by default; since that is encryption, `none`
/// is refused (docs/protocol.md, section 3.9).
fn default_encryption(call: &Call<'_>) -> Result<Option<bool>, Refusal> {
    const NAME: &str = "defaultServerSideEncryption";
    let by_default = call.world.settings().encrypt_by_default;
    let Some(setting) = call.fields.object(NAME)? else {
        return Ok(None);
    };
    match setting.string("mode")? {
        None => Ok(Some(by_default)),
        Some("none") if !by_default => Ok(Some(false)),
        _ => match encryption::of_field(&call.fields, NAME)? {
            Some(Encryption::Customer(_)) => Err(Refusal::bad_request(format!(
                "{NAME}: SSE-C cannot be a bucket's default"
            ))),
            Some(Encryption::Service(encrypts)) => Ok(Some(encrypts)),
            None => Ok(None),
        },
    }
}

pub(crate) fn create(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    if call.caller.is_restricted_to_buckets() {
        return Err(Refusal::unauthorized());
    }
    require_write_capabilities(call)?;
    let name = call.fields.required_string("bucketName")?;
    names::check_bucket_name(name)?;
    let wanted = Wanted::read(call)?;
    let bucket = Bucket {
        id: ids::bucket_id(call.world.account_id()).into(),
        name: name.to_owned(),
        kind: wanted.kind.ok_or_else(|| missing("bucketType"))?,
        info: wanted.info.unwrap_or_default(),
        cors_rules: wanted.cors_rules.unwrap_or_default(),
        lifecycle_rules: wanted.lifecycle_rules.unwrap_or_default(),
        encrypts: wanted
            .encrypts
            .unwrap_or(call.world.settings().encrypt_by_default),
        is_lock_enabled: wanted.lock_enabled.unwrap_or(false),
        default_retention: wanted.default_retention.unwrap_or_default(),
        replication: wanted.replication.unwrap_or_default(),
        notification_rules: Vec::new(),
        revision: 2,
    };
    check_default_retention(&bucket)?;
    let bucket = Arc::new(bucket);
    let elsewhere = replication::elsewhere(call.world, &bucket.replication);
    // Names are unique across accounts.
    let is_taken = call.world.is_name_of_a_peer(name);
    call.world.change(|state| {
        if is_taken || state.bucket_by_name(name).is_some() {
            let message = "Bucket name is already in use.";
            return Err(Refusal::new(400, "duplicate_bucket_name", message));
        }
        if state.buckets.len() >= call.world.settings().max_buckets {
            return Err(Refusal::new(400, "too_many_buckets", "Too many buckets"));
        }
        replication::check_destinations(state, &elsewhere, &bucket.replication)?;
        Ok((vec![Change::Put(Record::Bucket(Arc::clone(&bucket)))], ()))
    })?;
    Ok(render::bucket(call.view(), &bucket))
}

pub(crate) fn update(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    let id = call.bucket_id()?;
    require_write_capabilities(call)?;
    let wanted = Wanted::read(call)?;
    if wanted.is_empty() {
        return Err(Refusal::bad_request("No bucket setting to update"));
    }
    let expected = call.fields.integer("ifRevisionIs")?;
    let elsewhere = wanted.replication.as_ref();
    let elsewhere = elsewhere.map(|wanted| replication::elsewhere(call.world, wanted));
    let elsewhere = elsewhere.unwrap_or_default();
    let bucket = call.world.change(|state| {
        let mut bucket = state.bucket(id)?.as_ref().clone();
        if expected.is_some_and(|expected| u64::try_from(expected) != Ok(bucket.revision)) {
            return Err(Refusal::new(
                409,
                "conflict",
                "simultaneous updates to bucket",
            ));
        }
        if bucket.is_lock_enabled && wanted.lock_enabled == Some(false) {
            let message = "fileLockEnabled value of false is not allowed when bucket is already \
                           file lock enabled.";
            return Err(Refusal::new(400, "file_lock_conflict", message));
        }
        let enables_lock = !bucket.is_lock_enabled && wanted.lock_enabled == Some(true);
        if enables_lock && replication::is_source(&bucket) {
            let message = "Turning on file lock for an existing bucket having source replication \
                           configuration is not allowed.";
            return Err(Refusal::new(400, "source_replication_conflict", message));
        }
        if let Some(configuration) = &wanted.replication {
            replication::check_destinations(state, &elsewhere, configuration)?;
        }
        apply(&mut bucket, wanted);
        check_default_retention(&bucket)?;
        let bucket = Arc::new(bucket);
        Ok((
            vec![Change::Put(Record::Bucket(Arc::clone(&bucket)))],
            bucket,
        ))
    })?;
    Ok(render::bucket(call.view(), &bucket))
}

fn check_default_retention(bucket: &Bucket) -> Result<(), Refusal> {
    if bucket.default_retention.is_none() {
        return Ok(());
    }
    bucket.check_lock_enabled()
}

fn apply(bucket: &mut Bucket, wanted: Wanted) {
    let replace = |old: &mut Vec<Value>, new: Option<Vec<Value>>| {
        if let Some(new) = new {
            *old = new;
        }
    };
    replace(&mut bucket.cors_rules, wanted.cors_rules);
    replace(&mut bucket.lifecycle_rules, wanted.lifecycle_rules);
    bucket.kind = wanted.kind.unwrap_or_else(|| bucket.kind.clone());
    bucket.encrypts = wanted.encrypts.unwrap_or(bucket.encrypts);
    bucket.is_lock_enabled = wanted.lock_enabled.unwrap_or(bucket.is_lock_enabled);
    bucket.default_retention = wanted.default_retention.unwrap_or(bucket.default_retention);
    if let Some(replication) = wanted.replication {
        bucket.replication = replication;
    }
    if let Some(info) = wanted.info {
        bucket.info = info;
    }
    bucket.revision += 1;
}

pub(crate) fn delete(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    let id = call.bucket_id()?;
    let bucket = call.world.change(|state| {
        let mut bucket = state.bucket(id)?.as_ref().clone();
        if state
            .contents(id)
            .is_some_and(|contents| !contents.versions.is_empty())
        {
            let message = "Cannot delete non-empty bucket";
            return Err(Refusal::new(400, "cannot_delete_non_empty_bucket", message));
        }
        bucket.revision += 1;
        Ok((vec![Change::Remove(Kind::Bucket, id.to_owned())], bucket))
    })?;
    Ok(render::bucket(call.view(), &bucket))
}

pub(crate) fn list(call: &Call<'_>) -> Result<Value, Refusal> {
    call.check_account()?;
    let id = call.fields.string("bucketId")?;
    let name = call.fields.string("bucketName")?;
    let state = call.world.state();
    check_reach(call, &state, id, name)?;
    let kinds = wanted_kinds(&call.fields)?;
    let buckets: Vec<Value> = state
        .buckets_by_name()
        .filter(|bucket| call.caller.reaches_bucket(&bucket.id))
        .filter(|bucket| id.is_none_or(|id| *id == *bucket.id))
        .filter(|bucket| name.is_none_or(|name| name.eq_ignore_ascii_case(&bucket.name)))
        .filter(|bucket| {
            kinds
                .iter()
                .any(|kind| kind == "all" || *kind == bucket.kind)
        })
        .map(|bucket| render::bucket(call.view(), bucket))
        .collect();
    Ok(json!({ "buckets": buckets }))
}

/// A restricted key must name one of its buckets. In version 1, it sees only its buckets instead.
fn check_reach(
    call: &Call<'_>,
    state: &State,
    id: Option<&str>,
    name: Option<&str>,
) -> Result<(), Refusal> {
    if !call.caller.is_restricted_to_buckets() {
        return Ok(());
    }
    let named = name.and_then(|name| state.bucket_by_name(name));
    match (id, name) {
        (None, None) if call.version == 1 => Ok(()),
        (None, None) => Err(Refusal::unauthorized()),
        (Some(id), _) => call.caller.require_bucket(id),
        (None, Some(_)) => named.map_or(Err(Refusal::unauthorized()), |b| {
            call.caller.require_bucket(&b.id)
        }),
    }
}

fn wanted_kinds(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let Some(kinds) = fields.strings("bucketTypes")? else {
        return Ok(["allPublic", "allPrivate", "snapshot"]
            .map(str::to_owned)
            .to_vec());
    };
    if kinds == ["all"] {
        return Ok(kinds);
    }
    match kinds
        .iter()
        .find(|kind| !BUCKET_TYPES.contains(&kind.as_str()))
    {
        Some(unknown) => Err(Refusal::bad_request(format!(
            "Invalid bucketTypes: {unknown}"
        ))),
        None if kinds.is_empty() => Err(Refusal::bad_request("bucketTypes must not be empty")),
        None => Ok(kinds),
    }
}
