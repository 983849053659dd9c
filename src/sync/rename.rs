//! Finding renamed files: what the source alone has, and what the destination alone has, matched by
//! size and SHA-1.
//!
//! An upload waits only while the destination may still turn out to have its content, and 10,000
//! files of each kind are kept: what goes beyond them is uploaded, which is right too, and only
//! costs more.
//!
//! 1. While both sides are scanned, uploads of large new files wait, and large files that the
//!    source does not have are offered, if their SHA-1 is known.
//! 2. When the scans have ended, each local file is hashed whose size was offered. No other file is
//!    read for this.
//! 3. The upload becomes a copy of an equal file, preferably of one with the same base name. One
//!    file may be copied several times.
//!
//! | what happens | what follows |
//! |---|---|
//! | a local file cannot be read | the upload reports it |
//! | a local file changes after it was hashed | the copy has the content that was hashed, and its time; the next run sees another time or size |
//! | the copy fails | the file that it was to come from is not removed |
//!
//! | invariant | because |
//! |---|---|
//! | each upload that waits comes out exactly once, as a copy or as it was | a file must not be lost for a search |
//! | a candidate is never removed by this | it is an orphan, which the options decide about |
//! | a candidate is removed after the copy from it, or not at all | removals come last, and not under the name of a failed copy |
//!
//! Matching costs no request. Each waiting file whose size was offered is read once, on the calling
//! thread.

use std::collections::HashMap;

use crate::error::Error;
use crate::sync::content::ContentReader;
use crate::sync::error::SyncError;
use crate::sync::item::{At, Entry, Stored};
use crate::sync::step::{Action, SyncStep};

/// The most files of each kind that are kept.
const MOST: usize = 10_000;

/// Files that may be the same under two names.
///
/// It serves uploads from a local directory alone.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Uploads whose content may be at the destination, in the order of names.
    waiting: Vec<SyncStep>,
    /// Versions that the source does not have, by size.
    offered: HashMap<u64, Vec<(String, Stored)>>,
    /// The number of offered versions, of all sizes.
    offers: usize,
}

impl Candidates {
    /// Returns whether a file of that size has to wait. `has_ended` says whether the destination is
    /// scanned to its end, so that nothing more is offered.
    pub(super) fn may_match(&self, size: u64, has_ended: bool) -> bool {
        self.waiting.len() < MOST && (!has_ended || self.offered.contains_key(&size))
    }

    /// Keeps an upload until the scans have ended.
    /// The caller asks `may_match` before, which keeps the number within bounds.
    pub(super) fn wait(&mut self, step: SyncStep) {
        self.waiting.push(step);
    }

    /// Notes a version that the source does not have under its name.
    /// One without a known SHA-1 is left out, and so are those beyond the bound.
    pub(super) fn offer(&mut self, name: &str, stored: &Stored) {
        if stored.sha1.is_some() && self.offers < MOST {
            self.offers += 1;
            let same_size = self.offered.entry(stored.size).or_default();
            same_size.push((name.to_owned(), stored.clone()));
        }
    }

    /// Returns the steps that waited, as copies where the content is at the destination. Fails if
    /// it is cancelled.
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
