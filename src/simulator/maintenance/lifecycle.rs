//! One round of the lifecycle rules of all buckets (docs/protocol.md, section 3.5), which the
//! service makes about once a day. What is hidden now can be deleted by a later round only; what
//! object lock protects stays.

use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::simulator::account::records::{Action, Bucket, Change, Record, Version};
use crate::simulator::account::state::State;
use crate::simulator::account::world::World;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// A rule as a bucket keeps it.
struct Rule<'a> {
    prefix: &'a str,
    hide_after: Option<u64>,
    delete_after: Option<u64>,
    cancel_after: Option<u64>,
}

impl<'a> Rule<'a> {
    fn of(kept: &'a Value) -> Self {
        let millis = |name: &str| Some(kept.get(name)?.as_u64()?.saturating_mul(DAY_MILLIS));
        Self {
            prefix: kept
                .get("fileNamePrefix")
                .and_then(Value::as_str)
                .unwrap_or(""),
            hide_after: millis("daysFromUploadingToHiding"),
            delete_after: millis("daysFromHidingToDeleting"),
            cancel_after: millis("daysFromStartingToCancelingUnfinishedLargeFiles"),
        }
    }
}

/// Applies the rules of all buckets once.
pub(crate) fn run(world: &World) -> io::Result<()> {
    world.apply(|state| changes(state, world.clock().now_millis()))
}

/// What a run at this time changes.
fn changes(state: &State, now: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    for bucket in state.buckets.values() {
        for rule in bucket.lifecycle_rules.iter().map(Rule::of) {
            apply(state, bucket, &rule, now, &mut changes);
        }
    }
    changes
}

fn apply(state: &State, bucket: &Bucket, rule: &Rule<'_>, now: u64, changes: &mut Vec<Change>) {
    let Some(contents) = state.contents(&bucket.id) else {
        return;
    };
    let matching = contents.versions.values();
    let matching: Vec<&Arc<Version>> = matching
        .filter(|version| version.name.starts_with(rule.prefix))
        .collect();
    for versions in matching.chunk_by(|one, next| one.name == next.name) {
        let (unfinished, finished): (Vec<&Version>, Vec<&Version>) = versions
            .iter()
            .map(AsRef::as_ref)
            .partition(|version| version.action == Action::Start);
        for version in unfinished {
            if is_due(rule.cancel_after, version.uploaded, now) {
                changes.extend(state.removal(version));
            }
        }
        age(state, rule, &finished, now, changes);
    }
}

/// The finished versions of one name, newest first.
fn age(state: &State, rule: &Rule<'_>, versions: &[&Version], now: u64, changes: &mut Vec<Change>) {
    let Some((current, hidden)) = versions.split_first() else {
        return;
    };
    let mut left = hidden.len();
    for (version, successor) in hidden.iter().zip(versions) {
        let is_due = is_due(rule.delete_after, successor.uploaded, now);
        if is_due && version.lock.check_delete(now, false).is_ok() {
            changes.extend(state.removal(version));
            left -= 1;
        }
    }
    match current.action {
        // A marker goes when there is nothing left for it to hide.
        Action::Hide if left == 0 && is_due(rule.delete_after, current.uploaded, now) => {
            changes.extend(state.removal(current));
        }
        Action::Upload if is_due(rule.hide_after, current.uploaded, now) => {
            let time = state.next_upload_time(&current.bucket_id, &current.name, now);
            let marker = Version::hide_marker(&current.bucket_id, &current.name, time);
            changes.push(Change::Put(Record::Version(Arc::new(marker))));
        }
        Action::Hide | Action::Upload | Action::Start => {}
    }
}

fn is_due(after: Option<u64>, since: u64, now: u64) -> bool {
    after.is_some_and(|after| since.saturating_add(after) <= now)
}
