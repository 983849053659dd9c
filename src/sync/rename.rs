//! Finding renamed files: what the source alone has, and what the destination alone has, matched by size
//! and SHA-1.
//!
//! An upload waits only while the destination may still turn out to have its content, and a limited
//! number of each kind is kept: what goes beyond it is uploaded.

use std::collections::HashMap;

use crate::error::Error;
use crate::sync::content::ContentReader;
use crate::sync::error::SyncError;
use crate::sync::item::{At, Entry, Stored};
use crate::sync::step::{Action, SyncStep};

/// How many files of each kind are kept.
const MOST: usize = 10_000;

/// Files that may be the same under two names.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    waiting: Vec<SyncStep>,
    /// Versions that the source does not have, by size.
    offered: HashMap<u64, Vec<(String, Stored)>>,
    offers: usize,
}

impl Candidates {
    /// Whether a file of that size has to wait.
    pub(super) fn may_match(&self, size: u64, has_ended: bool) -> bool {
        self.waiting.len() < MOST && (!has_ended || self.offered.contains_key(&size))
    }

    /// Has an upload wait.
    pub(super) fn wait(&mut self, step: SyncStep) {
        self.waiting.push(step);
    }

    /// Notes a version that the source does not have under its name.
    pub(super) fn offer(&mut self, name: &str, stored: &Stored) {
        if stored.sha1.is_some() && self.offers < MOST {
            self.offers += 1;
            let same_size = self.offered.entry(stored.size).or_default();
            same_size.push((name.to_owned(), stored.clone()));
        }
    }

    /// The steps that waited, as copies where the content is there.
    pub(super) fn matched(self, content: &ContentReader) -> Result<Vec<SyncStep>, SyncError> {
        let Self {
            waiting, offered, ..
        } = self;
        let step = |step: SyncStep| match offered.get(&step.bytes) {
            Some(same_size) => copy(step, same_size, content),
            None => Ok(step),
        };
        waiting.into_iter().map(step).collect()
    }
}

/// The copy that makes the same file, if there is one; otherwise the upload.
fn copy(
    step: SyncStep,
    same_size: &[(String, Stored)],
    content: &ContentReader,
) -> Result<SyncStep, SyncError> {
    let Some(local) = &step.seen.local else {
        return Ok(step);
    };
    let modified = local.modified_nanos.div_euclid(1_000_000).max(0);
    let entry = Entry {
        size: step.bytes,
        modified,
        at: At::Local(local.clone()),
    };
    let sha1 = match content.sha1(&step.name, &entry) {
        Ok(sha1) => sha1,
        Err(Error::Cancelled) => return Err(SyncError::Scan(Box::new(Error::Cancelled))),
        // The upload will tell what is wrong with the file.
        Err(_) => return Ok(step),
    };
    let base = |name: &str| name.rsplit('/').next().map(str::to_owned);
    let equal = || same_size.iter().filter(|(_, stored)| stored.sha1 == sha1);
    let same_base = equal().find(|(name, _)| base(name) == base(&step.name));
    let Some((from, stored)) = same_base.or_else(|| equal().next()) else {
        return Ok(step);
    };
    let action = Action::CopyRenamed { from: from.clone() };
    Ok(SyncStep { action, ..step }.reading(stored, modified))
}
