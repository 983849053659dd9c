//! The replication rules of a bucket (docs/protocol.md, section 3.7) as they concern one file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::encryption::Encryption;
use super::records::{Bucket, Rare, Replication, ReplicationStatus};
use crate::simulator::protocol::names;

/// A rule as a bucket keeps it, with the key that the bucket's rules read with.
#[derive(Debug)]
pub(crate) struct ReplicationRule {
    pub(crate) destination: String,
    pub(crate) includes_existing: bool,
    priority: i64,
    pub(crate) source_key: String,
}

/// The enabled rules for a file of this name, at most one for each destination: the one with the
/// highest priority.
pub(crate) fn rules_for(bucket: &Bucket, name: &str) -> Vec<ReplicationRule> {
    let source = &bucket.replication["asReplicationSource"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rules = source["replicationRules"].as_array();
    let mut matching: Vec<ReplicationRule> = rules
        .into_iter()
        .flatten()
        .filter(|rule| rule["isEnabled"] == true)
        .filter(|rule| name.starts_with(&text(&rule["fileNamePrefix"])))
        .map(|rule| ReplicationRule {
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

/// The replication state of a file that is made in this bucket: it waits if there is a rule for it and
/// if it is one that can be replicated at all.
pub(crate) fn of_new_file(
    bucket: &Bucket,
    name: &str,
    info: &BTreeMap<String, String>,
    encryption: &Encryption,
) -> Rare<Replication> {
    let waits = can_be_replicated(name, info, encryption) && !rules_for(bucket, name).is_empty();
    Replication {
        status: waits.then_some(ReplicationStatus::Pending),
        destinations: BTreeSet::new(),
    }
    .into()
}

/// Files under a customer's key are not replicated, nor are those whose name and info take more than
/// 2048 bytes. They never get a status.
pub(crate) fn can_be_replicated(
    name: &str,
    info: &BTreeMap<String, String>,
    encryption: &Encryption,
) -> bool {
    !encryption.is_customer() && names::info_size(name, info) <= names::MAX_INFO_SIZE_ENCRYPTED
}
