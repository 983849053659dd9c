//! One round of the lifecycle rules of all buckets (docs/protocol.md, section 3.5), which the
//! service makes about once a day. A file that this round hides can be deleted by a later round
//! only. Versions under object lock stay.

use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::simulator::account::records::{Action, Bucket, Change, Record, Version};
use crate::simulator::account::state::{ByPlace, State};
use crate::simulator::account::world::World;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// What the rules of a bucket do to the versions of one name: after how many milliseconds, or never.
#[derive(Default)]
struct Actions {
    hide_after: Option<u64>,
    delete_after: Option<u64>,
    cancel_after: Option<u64>,
}

impl Actions {
    /// Of several rules for one name, which only the S3 API can make, the earliest action counts.
    fn of(bucket: &Bucket, name: &str) -> Self {
        let mut actions = Self::default();
        for rule in &bucket.lifecycle_rules {
            let prefix = rule["fileNamePrefix"].as_str().unwrap_or("");
            if !name.starts_with(prefix) {
                continue;
            }
            let earliest = |known: Option<u64>, field: &str| -> Option<u64> {
                let days = rule.get(field).and_then(Value::as_u64);
                let millis = days.map(|days| days.saturating_mul(DAY_MILLIS));
                known.into_iter().chain(millis).min()
            };
            actions = Self {
                hide_after: earliest(actions.hide_after, "daysFromUploadingToHiding"),
                delete_after: earliest(actions.delete_after, "daysFromHidingToDeleting"),
                cancel_after: earliest(
                    actions.cancel_after,
                    "daysFromStartingToCancelingUnfinishedLargeFiles",
                ),
            };
        }
        actions
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
        if !bucket.lifecycle_rules.is_empty() {
            apply(state, bucket, now, &mut changes);
        }
    }
    changes
}

fn apply(state: &State, bucket: &Bucket, now: u64, changes: &mut Vec<Change>) {
    let Some(contents) = state.contents(&bucket.id) else {
        return;
    };
    let versions = contents.versions.iter().map(|ByPlace(version)| version);
    let versions: Vec<&Arc<Version>> = versions.collect();
    for versions in versions.chunk_by(|one, next| one.name == next.name) {
        let actions = Actions::of(bucket, &versions[0].name);
        let (unfinished, finished): (Vec<&Version>, Vec<&Version>) = versions
            .iter()
            .map(AsRef::as_ref)
            .partition(|version| version.action == Action::Start);
        for version in unfinished {
            if is_due(actions.cancel_after, version.uploaded, now) {
                changes.extend(state.removal(version));
            }
        }
        age(state, &actions, &finished, now, changes);
    }
}

/// The finished versions of one name, newest first.
fn age(
    state: &State,
    actions: &Actions,
    versions: &[&Version],
    now: u64,
    changes: &mut Vec<Change>,
) {
    let Some((current, hidden)) = versions.split_first() else {
        return;
    };
    let mut left = hidden.len();
    for (version, successor) in hidden.iter().zip(versions) {
        let is_due = is_due(actions.delete_after, successor.uploaded, now);
        if is_due && version.lock.check_delete(now, false).is_ok() {
            changes.extend(state.removal(version));
            left -= 1;
        }
    }
    match current.action {
        // A marker is deleted when there is nothing left for it to hide. If there never was
        // anything, any rule that hides or deletes removes it at once.
        Action::Hide
            if is_orphan(actions, hidden)
                || left == 0 && is_due(actions.delete_after, current.uploaded, now) =>
        {
            changes.extend(state.removal(current));
        }
        Action::Upload if is_due(actions.hide_after, current.uploaded, now) => {
            let time = state.next_upload_time(&current.bucket_id, &current.name, now);
            let marker = Version::hide_marker(&current.bucket_id, &current.name, time);
            changes.push(Change::Put(Record::Version(Arc::new(marker))));
        }
        Action::Hide | Action::Upload | Action::Start => {}
    }
}

fn is_orphan(actions: &Actions, hidden: &[&Version]) -> bool {
    hidden.is_empty() && (actions.hide_after.is_some() || actions.delete_after.is_some())
}

fn is_due(after: Option<u64>, since: u64, now: u64) -> bool {
    after.is_some_and(|after| since.saturating_add(after) <= now)
}
