//! Going on with a large file that an earlier upload left unfinished.
//!
//! 1. `b2_list_unfinished_large_files` for the name; a file of other settings is passed over.
//! 2. `b2_list_parts`; a file whose parts are cut otherwise is passed over.
//! 3. Of the others, the one with the most parts is taken of which each has the SHA-1 of the same bytes
//!    of the source, which are read for that: one with other content is somebody else's upload, perhaps
//!    one that is running. A copied part cannot be compared with anything that is here; that it is of the
//!    same bytes says the file info, where the plan of such a file is recorded.
//! 4. The missing parts are made.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, MAX_INFOS};
use crate::model::id::FileId;
use crate::model::part::Part;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::{FileSettings, UploadRequest};
use crate::session::paging::UnfinishedPages;
use crate::transfer::upload::parted::Parted;
use crate::transfer::upload::settings::settings_mismatch;
use crate::transfer::upload::{CONTENT_TYPE_AUTO, Resume, Upload};

/// What a large file that is made of stored ones consists of, in file info: an entry by which b2sdk knows
/// its own again, made otherwise.
pub(in crate::transfer) const PLAN_ID: &str = "plan_id";

/// A large file to go on with, and its parts that are there already.
pub(super) struct Resumed {
    pub(super) file_id: FileId,
    pub(super) present: BTreeMap<u64, Sha1Digest>,
}

impl Upload<'_> {
    /// The unfinished file to go on with, if one was asked for and there is one.
    pub(super) fn find_unfinished(
        &self,
        request: &UploadRequest<'_>,
        parts: &dyn Parted,
    ) -> Result<Option<Resumed>> {
        let wanted = match &self.options.resume {
            Resume::Never => return Ok(None),
            Resume::Matching => None,
            Resume::From(file_id) => Some(file_id),
        };
        let settings = self.settings();
        let mut candidates = Vec::new();
        for file in self.unfinished()? {
            if file.file_name != self.file_name
                || wanted.is_some_and(|wanted| *wanted != file.file_id)
            {
                continue;
            }
            let listed = self.session.parts_of(self.control, &file.file_id)?;
            match mismatch(&file, &listed, request, &settings, parts) {
                Some(reason) => pass_over(&file.file_id, reason),
                None => candidates.push((file, listed)),
            }
        }
        candidates.sort_by_key(|(_, listed)| std::cmp::Reverse(listed.len()));
        for (file, listed) in candidates {
            let present = verified(&listed, parts)?;
            let is_ours = wanted.is_some()
                || file.file_info.get(LARGE_FILE_SHA1).is_some()
                || file.file_info.get(PLAN_ID).is_some()
                || !present.is_empty();
            if present.len() != listed.len() {
                pass_over(&file.file_id, "its parts have other content");
            } else if is_ours {
                return Ok(Some(Resumed {
                    file_id: file.file_id,
                    present,
                }));
            } else {
                // It may be somebody else's upload that has just begun.
                pass_over(&file.file_id, "nothing says that its content is this one");
            }
        }
        match wanted {
            Some(wanted) => {
                let reason = format!(
                    "{wanted} is no unfinished file of this content, cut into the same parts"
                );
                Err(Error::invalid_input("resume", reason))
            }
            None => Ok(None),
        }
    }

    fn unfinished(&self) -> Result<Vec<FileVersion>> {
        let mut pages = UnfinishedPages::new(self.bucket.clone(), self.file_name);
        let mut files = Vec::new();
        while let Some(file) = pages.next(self.session, self.control) {
            match file {
                // A key that may not look starts anew.
                Err(Error::NotAllowed(_)) => break,
                file => files.push(file?),
            }
        }
        Ok(files)
    }

    /// The info of a large file that is made of stored ones in this way: with the plan, if an
    /// unfinished one is to be known again.
    pub(in crate::transfer) fn with_plan<'p>(
        &self,
        info: &FileInfo,
        plan: impl Iterator<Item = PlannedPart<'p>>,
    ) -> Result<FileInfo> {
        let mut info = info.clone();
        if self.options.resume != Resume::Never {
            info.insert(PLAN_ID, plan_id(plan).to_string());
            if info.len() > MAX_INFOS {
                let reason = format!("it leaves no room for {PLAN_ID}, by which to resume");
                return Err(Error::invalid_input("file_info", reason));
            }
        }
        Ok(info)
    }
}

/// One part of a plan: what says which bytes it has, as far as that does not depend on this machine.
pub(in crate::transfer) enum PlannedPart<'p> {
    Copied {
        source: &'p FileId,
        range: Range<u64>,
    },
    Uploaded {
        length: u64,
    },
}

fn plan_id<'p>(plan: impl Iterator<Item = PlannedPart<'p>>) -> Sha1Digest {
    let mut hasher = Sha1Hasher::default();
    for part in plan {
        let line = match part {
            PlannedPart::Copied { source, range } => {
                format!("copy {source} {} {}\n", range.start, range.end)
            }
            PlannedPart::Uploaded { length } => format!("upload {length}\n"),
        };
        hasher.update(line.as_bytes());
    }
    hasher.finish()
}

/// Those of the parts whose content is the one that is to be there.
fn verified(listed: &[Part], parts: &dyn Parted) -> Result<BTreeMap<u64, Sha1Digest>> {
    let mut present = BTreeMap::new();
    for part in listed {
        let number = u64::from(part.part_number);
        let Some(sha1) = part.content_sha1.digest() else {
            continue;
        };
        if parts.is_made(number, sha1)? {
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
    file: &FileVersion,
    listed: &[Part],
    request: &UploadRequest<'_>,
    settings: &FileSettings<'_>,
    parts: &dyn Parted,
) -> Option<&'static str> {
    // The service replaces the automatic type at once, so that it never compares equal.
    let is_auto = request.content_type == CONTENT_TYPE_AUTO;
    if !is_auto && file.content_type.as_deref() != Some(request.content_type) {
        return Some("its content type is another one");
    }
    if !is_same_info(&file.file_info, request.file_info) {
        return Some("its file info is another one");
    }
    if let Some(reason) = settings_mismatch(file, settings) {
        return Some(reason);
    }
    let fits = |part: &Part| {
        let number = u64::from(part.part_number);
        (1..=parts.count()).contains(&number) && parts.length(number) == part.content_length
    };
    (!listed.iter().all(fits)).then_some("its parts are cut otherwise")
}

/// The same, except for a SHA-1 of the whole that only ours has.
fn is_same_info(theirs: &FileInfo, ours: &FileInfo) -> bool {
    let without = |info: &FileInfo| {
        let others = info.iter().filter(|(name, _)| *name != LARGE_FILE_SHA1);
        others
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<FileInfo>()
    };
    match (theirs.get(LARGE_FILE_SHA1), ours.get(LARGE_FILE_SHA1)) {
        // It was fixed when the file was started, and would be recorded for other content.
        (Some(theirs), ours) if ours != Some(theirs) => false,
        _ => without(theirs) == without(ours),
    }
}
