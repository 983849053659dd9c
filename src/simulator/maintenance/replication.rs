//! One round of replication (docs/protocol.md, section 3.7). The service replicates new files
//! within minutes. Once a day it replicates existing files, and tries again those that failed. Here
//! everything happens in rounds that a test asks for.
//!
//! A round handles each finished file of a source bucket that is not a replica. It selects the
//! enabled rules whose prefix matches, and of those with one destination the rule with the highest
//! priority. It writes the replica into the destination's account, and then the status of the
//! source. If it is interrupted in between, the next round finds the replica.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::simulator::account::checksums::ContentSha1;
use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::lock::Lock;
use crate::simulator::account::records::{
    Action, Bucket, Change, Rare, Record, Replication, ReplicationStatus, Version,
};
use crate::simulator::account::replication_rules::{ReplicationRule, can_be_replicated, rules_for};
use crate::simulator::account::state::{ByPlace, State};
use crate::simulator::account::world::World;
use crate::simulator::api::auth::{self, Caller};
use crate::simulator::api::content;
use crate::simulator::api::lock_fields;
use crate::simulator::protocol::ids::{self, FileKind};
use crate::simulator::protocol::reply::Refusal;

/// Replicates what is to be replicated now.
pub(crate) fn run(world: &World) -> io::Result<()> {
    replicate_all(world).map_err(|refusal| io::Error::other(refusal.message))
}

fn replicate_all(world: &World) -> Result<(), Refusal> {
    let waiting: Vec<(Arc<Bucket>, Arc<Version>)> = candidates(&world.state());
    for (bucket, version) in waiting {
        replicate(world, &bucket, &version)?;
    }
    Ok(())
}

/// Hide markers are not replicated, nor are replicas and files that cannot be replicated at all.
fn candidates(state: &State) -> Vec<(Arc<Bucket>, Arc<Version>)> {
    let of_bucket = |bucket: &Arc<Bucket>| {
        let versions = state
            .contents(&bucket.id)
            .map(|contents| &contents.versions);
        let versions = versions
            .into_iter()
            .flatten()
            .map(|ByPlace(version)| version);
        let finished = versions.filter(|version| version.action == Action::Upload);
        let finished = finished
            .filter(|version| can_be_replicated(&version.name, &version.info, &version.encryption));
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
    let is_due = |rule: &ReplicationRule| {
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
    let replication: Rare<Replication> = Replication {
        status: new_status.or(status),
        destinations,
    }
    .into();
    world.change(|state| {
        let changed = state
            .file(&version.file_id())
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
fn deliver(world: &World, version: &Version, rule: &ReplicationRule) -> Result<(), Refusal> {
    let reader = auth::key_caller(&world.state(), world, &rule.source_key)?;
    reader.require("readFiles")?;
    reader.require_bucket(&version.bucket_id)?;
    reader.require_name(&version.name)?;
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
    rule: &ReplicationRule,
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
    let kind = match version.sha1 {
        ContentSha1::None => FileKind::Large,
        ContentSha1::Verified(_) | ContentSha1::Unverified(_) => FileKind::Small,
    };
    Ok(Some(Version {
        serial: ids::file_serial(kind),
        bucket_id: Arc::clone(&bucket.id),
        encryption: Encryption::Service(bucket.encrypts),
        lock,
        content: Box::default(),
        replication: Replication {
            status: Some(ReplicationStatus::Replica),
            destinations: BTreeSet::new(),
        }
        .into(),
        ..version.clone()
    }))
}

/// The lock of the replica, if the key that the destination accepts for this source may write it.
fn writer_lock(
    state: &State,
    destination: &World,
    bucket: &Bucket,
    version: &Version,
    rule: &ReplicationRule,
) -> Result<Lock, Refusal> {
    let mapping = &bucket.replication["asReplicationDestination"]["sourceToDestinationKeyMapping"];
    let key = mapping[rule.source_key.as_str()].as_str();
    let writer: Caller = auth::key_caller(state, destination, key.unwrap_or_default())?;
    writer.require("writeFiles")?;
    writer.require_bucket(&bucket.id)?;
    writer.require_name(&version.name)?;
    let now = destination.clock().now_millis();
    let lock = version.lock.still_at(now);
    lock_fields::check_caller(lock, &writer)?;
    bucket.lock_of_new_file(lock, now)
}
