//! Completing a large file that an earlier upload left unfinished.
//!
//! 1. `b2_list_unfinished_large_files` for the name; a file of other settings is passed over.
//! 2. `b2_list_parts`; a file whose parts are cut otherwise is passed over.
//! 3. Of the others, the one with the most parts is taken of which each has the SHA-1 of the same bytes
//!    of the source, which are read for that: one with other content is somebody else's upload, perhaps
//!    one that is running. A copied part cannot be compared with anything that is here; that it is of the
//!    same bytes says the file info, where the plan of such a file is recorded.
//! 4. The missing parts are made (`parted`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::file_info::{LARGE_FILE_SHA1, MAX_INFOS};
use crate::model::id::FileId;
use crate::model::part::Part;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::session::paging::UnfinishedPages;
use crate::transfer::Transfer;
use crate::transfer::large::PartSource;
use crate::transfer::new_file::{Comparison, NewFile, PLAN_ID};

/// Whether an upload in parts completes an unfinished one, and leaves one if it fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resume {
    /// Starts a new large file. An upload that fails is cancelled, so that no parts are left to be billed.
    #[default]
    Never,
    /// Completes a matching unfinished file if there is one, and starts a new one otherwise.
    ///
    /// An unfinished file matches if it has the name, the type (any type, if none is given), the file info,
    /// the encryption (by the same key), the retention and the legal hold that are asked for, and if its
    /// parts are cut in the same way and have the content of the source. The source is read for that
    /// comparison. Parts that the service copied match if the file was to be made of the same bytes of the
    /// same versions.
    ///
    /// An upload that fails leaves its parts for the next one, and fails with [`Error::LargeFileLeft`].
    Matching,
    /// Completes one of these unfinished files, under the conditions of [`Matching`](Self::Matching), and starts
    /// a new one if none of them matches. Nothing is listed but their parts: whoever uploads many files lists
    /// what is unfinished once, with
    /// [`Bucket::list_unfinished_large_files`](crate::Bucket::list_unfinished_large_files).
    Among(Arc<[FileVersion]>),
    /// Completes this unfinished file, under the conditions of [`Matching`](Self::Matching). If it does not
    /// match, the upload fails with [`Error::InvalidInput`].
    From(FileId),
}

impl Resume {
    /// Whether an upload that fails leaves its parts.
    pub(in crate::transfer) fn keeps_failures(&self) -> bool {
        *self != Self::Never
    }

    /// Refuses to resume what has no parts.
    pub(in crate::transfer) fn check_for_one_request(&self) -> Result<()> {
        match self {
            Self::From(_) => {
                let reason = "it fits into one request; there are no parts";
                Err(Error::invalid_input("resume", reason))
            }
            Self::Never | Self::Matching | Self::Among(_) => Ok(()),
        }
    }

    /// Refuses to resume what can be read only once.
    pub(in crate::transfer) fn check_for_stream(&self) -> Result<()> {
        if *self == Self::Never {
            return Ok(());
        }
        let reason = "what can be read only once cannot be compared with what is there; upload a file or bytes";
        Err(Error::invalid_input("resume", reason))
    }
}

/// A large file to complete, and its parts that are there already.
pub(in crate::transfer) struct Unfinished {
    pub(in crate::transfer) file_id: FileId,
    pub(in crate::transfer) present: BTreeMap<u64, Sha1Digest>,
}

/// The unfinished file to complete, if one was asked for and there is one.
pub(in crate::transfer) fn find_unfinished(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    resume: &Resume,
    parts: &dyn PartSource,
) -> Result<Option<Unfinished>> {
    let wanted = match resume {
        Resume::Never => return Ok(None),
        Resume::Matching | Resume::Among(_) => None,
        Resume::From(file_id) => Some(file_id),
    };
    let mut candidates = Vec::new();
    let unfinished = match resume {
        Resume::Among(files) => {
            let of_name = files.iter().filter(|found| found.file_name == file.name);
            of_name.cloned().collect()
        }
        _ => list(transfer, file)?,
    };
    for found in unfinished {
        if found.file_name != file.name || wanted.is_some_and(|wanted| *wanted != found.file_id) {
            continue;
        }
        let listed = transfer
            .session
            .parts_of(transfer.control, &found.file_id)?;
        match mismatch(&found, &listed, file, parts) {
            Some(reason) => pass_over(&found.file_id, reason),
            None => candidates.push((found, listed)),
        }
    }
    candidates.sort_by_key(|(_, listed)| std::cmp::Reverse(listed.len()));
    for (found, listed) in candidates {
        let present = verified(transfer, &listed, parts)?;
        let is_ours = wanted.is_some()
            || found.file_info.get(LARGE_FILE_SHA1).is_some()
            || found.file_info.get(PLAN_ID).is_some()
            || !present.is_empty();
        if present.len() != listed.len() {
            pass_over(&found.file_id, "its parts have other content");
        } else if is_ours {
            return Ok(Some(Unfinished {
                file_id: found.file_id,
                present,
            }));
        } else {
            // It may be somebody else's upload that has just begun.
            pass_over(&found.file_id, "nothing says that its content is this one");
        }
    }
    match wanted {
        Some(wanted) => {
            let reason =
                format!("{wanted} is no unfinished file of this content, cut into the same parts");
            Err(Error::invalid_input("resume", reason))
        }
        None => Ok(None),
    }
}

fn list(transfer: Transfer<'_>, file: &NewFile<'_>) -> Result<Vec<FileVersion>> {
    let mut pages = UnfinishedPages::new(file.bucket.clone(), file.name);
    let mut files = Vec::new();
    while let Some(file) = pages.next(transfer.session, transfer.control) {
        match file {
            // A key that may not look starts a new one.
            Err(Error::NotAllowed(_)) => break,
            file => files.push(file?),
        }
    }
    Ok(files)
}

impl<'a> NewFile<'a> {
    /// A large file that is made of stored ones in this way: with the plan in its info, if an unfinished
    /// one is to be known again.
    pub(in crate::transfer) fn with_plan<'p>(
        mut self,
        resume: &Resume,
        plan: impl Iterator<Item = PlanEntry<'p>>,
    ) -> Result<Self> {
        if *resume != Resume::Never {
            self.make_room(1);
            self.info.insert(PLAN_ID, plan_id(plan).to_string());
            if self.info.len() > MAX_INFOS {
                let reason = format!("it leaves no room for {PLAN_ID}, by which to resume");
                return Err(Error::invalid_input("file_info", reason));
            }
        }
        Ok(self)
    }
}
/// One part of a plan: what says which bytes it has, as far as that does not depend on this machine.
pub(in crate::transfer) enum PlanEntry<'p> {
    Copied {
        source: &'p FileId,
        range: Range<u64>,
    },
    Uploaded {
        length: u64,
    },
}

fn plan_id<'p>(plan: impl Iterator<Item = PlanEntry<'p>>) -> Sha1Digest {
    let mut hasher = Sha1Hasher::default();
    for part in plan {
        let line = match part {
            PlanEntry::Copied { source, range } => {
                format!("copy {source} {} {}\n", range.start, range.end)
            }
            PlanEntry::Uploaded { length } => format!("upload {length}\n"),
        };
        hasher.update(line.as_bytes());
    }
    hasher.finish()
}

/// Those of the parts whose content is the one that is to be there.
fn verified(
    transfer: Transfer<'_>,
    listed: &[Part],
    parts: &dyn PartSource,
) -> Result<BTreeMap<u64, Sha1Digest>> {
    let mut present = BTreeMap::new();
    for part in listed {
        let number = u64::from(part.part_number);
        let Some(sha1) = part.content_sha1.digest() else {
            continue;
        };
        if parts.is_made(number, sha1, transfer.control)? {
            present.insert(number, sha1);
        }
    }
    Ok(present)
}

fn pass_over(file_id: &FileId, reason: &'static str) {
    tracing::debug!(%file_id, reason, "an unfinished large file is passed over");
}

/// Why an unfinished file is not what this upload would have made.
fn mismatch(
    found: &FileVersion,
    listed: &[Part],
    file: &NewFile<'_>,
    parts: &dyn PartSource,
) -> Option<&'static str> {
    let mut wanted = file.clone();
    if found.file_info.get(LARGE_FILE_SHA1).is_none() {
        // Recording none is less than was asked for; another one would be recorded for other content.
        wanted.info.remove(LARGE_FILE_SHA1);
    }
    match wanted.compare(found) {
        Comparison::Equal => {}
        Comparison::Undecided => return Some("the key may not see how it is kept"),
        Comparison::Different(reason) => return Some(reason),
    }
    let fits = |part: &Part| {
        let number = u64::from(part.part_number);
        (1..=parts.count()).contains(&number) && parts.length(number) == part.content_length
    };
    (!listed.iter().all(fits)).then_some("its parts are cut otherwise")
}
