//! What happens when an account is opened: a new one gets its master key, and content that is lost is
//! reported.

use std::collections::HashSet;
use std::sync::Arc;

use crate::simulator::account::keyring;
use crate::simulator::account::records::{Account, Change, Chunk, Key, Record};
use crate::simulator::account::state::State;
use crate::simulator::protocol::ids;

/// The number of damaged files that are named one by one.
const MOST_WARNINGS: usize = 20;

/// Returns one line for each of the first files whose content is lost, and a line with the number
/// of the others.
pub(super) fn damage_report(state: &State, damaged: &HashSet<String>) -> Vec<String> {
    let is_damaged = |content: &[Chunk]| {
        !damaged.is_empty()
            && content
                .iter()
                .any(|chunk| damaged.contains(&chunk.blob.name()))
    };
    let lost = "its content is missing or too short in the data directory";
    let versions = state
        .all_versions()
        .filter(|version| is_damaged(&version.content));
    let versions =
        versions.map(|version| format!("file {:?} ({}): {lost}", version.name, version.file_id()));
    let parts = state.all_parts().filter(|part| is_damaged(&part.content));
    let parts = parts.map(|part| format!("part {} of {}: {lost}", part.number, part.file_id));
    let mut all = versions.chain(parts);
    let mut lines: Vec<String> = all.by_ref().take(MOST_WARNINGS).collect();
    match all.count() {
        0 => {}
        more => lines.push(format!("{more} more files and parts have no content")),
    }
    lines
}

/// Creates an account with its master key.
pub(super) fn new_account(state: &mut State, changes: &mut Vec<Change>) -> String {
    let id = ids::account_id();
    let master = Key {
        id: ids::key_id(&id, 0),
        secret: ids::application_key(),
        name: "master".to_owned(),
        capabilities: keyring::CAPABILITIES
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        bucket_ids: None,
        name_prefix: None,
        expires: None,
        is_master: true,
    };
    changes.push(Change::Put(Record::Account(Account {
        id: id.clone(),
        keys_made: 0,
        port: None,
    })));
    changes.push(Change::Put(Record::Key(Arc::new(master))));
    for change in changes.iter() {
        state.apply(change.clone());
    }
    id
}
