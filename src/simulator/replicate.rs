//! One round of replication (docs/protocol.md, section 3.7). The service replicates new files as
//! they come and looks at existing ones, and again at those that failed, once a day; here
//! everything happens in rounds that somebody asks for.
//!
//! For each finished file of a source bucket that is not a replica itself: the enabled rules whose
//! prefix it has, of those for one destination the one with the highest priority; then the replica is
//! written in the destination's account, and at last the source's status. What is interrupted in
//! between finds the replica there the next time.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::auth::{self, Caller};
use super::content;
use super::encryption::Encryption;
use super::endpoints::MAX_INFO_SIZE_ENCRYPTED;
use super::ids::{self, FileKind};
use super::lock::Lock;
use super::names;
use super::records::{Action, Bucket, Change, Record, Replication, ReplicationStatus, Version};
use super::reply::Refusal;
use super::state::State;
use super::world::World;

/// A rule as a bucket keeps it, with the key that the bucket's rules read with.
struct Rule {
    destination: String,
    includes_existing: bool,
    priority: i64,
    source_key: String,
}

/// The rules for a file of this name: one for each destination.
fn rules_for(bucket: &Bucket, name: &str) -> Vec<Rule> {
    let source = &bucket.replication["asReplicationSource"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rules = source["replicationRules"].as_array();
    let mut matching: Vec<Rule> = rules
        .into_iter()
        .flatten()
        .filter(|rule| rule["isEnabled"] == true)
        .filter(|rule| name.starts_with(&text(&rule["fileNamePrefix"])))
        .map(|rule| Rule {
            destination: text(&rule["destinationBucketId"]),
            includes_existing: rule["includeExistingFiles"] == true,
            priority: rule["priority"].as_i64().unwrap_or_default(),
            source_key: text(&source["sourceApplicationKeyId"]),
        })
        .collect();
    matching.sort_by_key(|rule| Reverse(rule.priority));
    let mut seen = BTreeSet::new();
    matching.retain(|rule| seen.insert(rule.destination.clone()));
    matching
}

/// Where a file that is made in this bucket stands: it waits if there is a rule for it.
pub(super) fn of_new_file(bucket: &Bucket, name: &str) -> Replication {
    Replication {
        status: (!rules_for(bucket, name).is_empty()).then_some(ReplicationStatus::Pending),
        destinations: BTreeSet::new(),
    }
}

/// Replicates what is to be replicated now.
pub(super) fn round(world: &World) -> Result<(), Refusal> {
    let waiting: Vec<(Arc<Bucket>, Arc<Version>)> = candidates(&world.state());
    for (bucket, version) in waiting {
        replicate(world, &bucket, &version)?;
    }
    Ok(())
}

/// Hide markers are not replicated, nor are replicas.
fn candidates(state: &State) -> Vec<(Arc<Bucket>, Arc<Version>)> {
    let of_bucket = |bucket: &Arc<Bucket>| {
        let versions = state
            .contents(&bucket.id)
            .map(|contents| &contents.versions);
        let versions = versions.into_iter().flatten().map(|(_, version)| version);
        let finished = versions.filter(|version| version.action == Action::Upload);
        let own = finished
            .filter(|version| version.replication.status != Some(ReplicationStatus::Replica));
        let pairs = own.map(|version| (Arc::clone(bucket), Arc::clone(version)));
        pairs.collect::<Vec<_>>()
    };
    let buckets = state.buckets.values();
    let sources = buckets.filter(|bucket| !bucket.replication["asReplicationSource"].is_null());
    sources.flat_map(of_bucket).collect()
}

fn replicate(world: &World, bucket: &Bucket, version: &Version) -> Result<(), Refusal> {
    let status = version.replication.status;
    let is_due = |rule: &Rule| {
        let is_waiting = matches!(
            status,
            Some(ReplicationStatus::Pending | ReplicationStatus::Failed)
        );
        !version.replication.destinations.contains(&rule.destination)
            && (is_waiting || rule.includes_existing)
    };
    let mut destinations = version.replication.destinations.clone();
    let mut new_status = None;
    for rule in rules_for(bucket, &version.name).into_iter().filter(is_due) {
        match deliver(world, version, &rule) {
            Ok(()) => {
                destinations.insert(rule.destination);
                new_status.get_or_insert(ReplicationStatus::Completed);
            }
            Err(refusal) if refusal.status >= 500 => return Err(refusal),
            Err(_) => new_status = Some(ReplicationStatus::Failed),
        }
    }
    let replication = Replication {
        status: new_status.or(status),
        destinations,
    };
    world.change(|state| {
        let changed = state
            .file(&version.file_id)
            .filter(|current| current.replication != replication);
        let changed = changed.map(|current| Version {
            replication,
            ..current.as_ref().clone()
        });
        let changes = changed.map(|version| Change::Put(Record::Version(Arc::new(version))));
        Ok((changes.into_iter().collect(), ()))
    })
}

/// Writes the replica. A refusal says why it cannot be.
fn deliver(world: &World, version: &Version, rule: &Rule) -> Result<(), Refusal> {
    let reader = auth::key_caller(&world.state(), world, &rule.source_key)?;
    reader.require("readFiles")?;
    reader.require_bucket(&version.bucket_id)?;
    reader.require_name(&version.name)?;
    if version.encryption.is_customer() {
        return Err(Refusal::bad_request("Files with SSE-C are not replicated"));
    }
    names::check_file_info(&version.name, &version.info, MAX_INFO_SIZE_ENCRYPTED)?;
    let peer = world.peer_with(&rule.destination);
    let destination = peer.as_deref().unwrap_or(world);
    replica(&destination.state(), destination, version, rule)?;
    let content = match &peer {
        Some(peer) => content::duplicate(peer, &version.content, version.length)?,
        None => version.content.clone(),
    };
    destination.change(|state| {
        let replica = replica(state, destination, version, rule)?;
        let replica = replica.map(|replica| Version { content, ..replica });
        let changes = replica.map(|replica| Change::Put(Record::Version(Arc::new(replica))));
        Ok((changes.into_iter().collect(), ()))
    })
}

/// The version to be put into the destination, but for its content; `None` if it is there. It keeps
/// the time at which the source was uploaded: it may be older than what is there of that name.
fn replica(
    state: &State,
    destination: &World,
    version: &Version,
    rule: &Rule,
) -> Result<Option<Version>, Refusal> {
    let bucket = state.bucket(&rule.destination)?;
    let lock = writer_lock(state, destination, bucket, version, rule)?;
    let is_it = |there: &Arc<Version>| {
        there.uploaded == version.uploaded
            && there.replication.status == Some(ReplicationStatus::Replica)
    };
    if state.versions_of(&bucket.id, &version.name).any(is_it) {
        return Ok(None);
    }
    let kind = match version.sha1.as_str() {
        "none" => FileKind::Large,
        _ => FileKind::Small,
    };
    Ok(Some(Version {
        file_id: ids::file_id(&bucket.id, kind, version.uploaded),
        bucket_id: bucket.id.clone(),
        encryption: Encryption::Service(bucket.encrypts),
        lock,
        content: Vec::new(),
        replication: Replication {
            status: Some(ReplicationStatus::Replica),
            destinations: BTreeSet::new(),
        },
        ..version.clone()
    }))
}

/// The lock of the replica, if the key that the destination accepts for this source may write it.
fn writer_lock(
    state: &State,
    destination: &World,
    bucket: &Bucket,
    version: &Version,
    rule: &Rule,
) -> Result<Lock, Refusal> {
    let mapping = &bucket.replication["asReplicationDestination"]["sourceToDestinationKeyMapping"];
    let key = mapping[rule.source_key.as_str()].as_str();
    let writer: Caller = auth::key_caller(state, destination, key.unwrap_or_default())?;
    writer.require("writeFiles")?;
    writer.require_bucket(&bucket.id)?;
    writer.require_name(&version.name)?;
    let now = destination.clock().now_millis();
    let lock = version.lock.still_at(now);
    lock.check_caller(&writer)?;
    lock.on_new_file(bucket, now)
}
