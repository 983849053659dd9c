//! Finds an unfinished large file that this upload can complete.
//!
//! 1. `b2_list_unfinished_large_files` lists the candidates of this name, while the source is hashed
//!    ([`listing_while`]). A file with other settings is skipped.
//! 2. `b2_list_parts` lists the parts of the newest ten of them. Where the caller chose no part size, the
//!    upload takes the size that the parts have. A file that cannot be cut so is skipped.
//! 3. Of the others, the file with the most content is chosen whose every part has the SHA-1 of the
//!    same bytes of the source, which are read for this purpose. A file with other content is
//!    somebody else's upload, and may be running. A copied part cannot be compared with anything on
//!    this machine; that it has the right bytes follows from the plan that is recorded in the file
//!    info.
//! 4. The caller makes the missing parts (`parted`).
//!
//! Nothing is changed at the service here. A key that may not list unfinished files starts a new
//! one, unless a certain file is to be completed.
//!
//! | what the search meets | what follows |
//! | --- | --- |
//! | several files match | the one with the most content is completed; the others stay |
//! | a file of this name without parts and without a recorded SHA-1 or plan | it is skipped: it may be somebody's upload that has just begun |
//! | more than ten files with these settings | the newest ten are looked at, and the older ones are skipped |
//! | a part with other content | the whole file is skipped |
//! | a listed file that somebody has completed or cancelled since | it is skipped, also if that shows only when its first part is to be made |
//! | a file that another run is completing | both complete it; the service keeps one version, and the slower run finds out (`large::ending`) |
//! | the file that the caller named does not match | `InvalidInput`, and nothing is started |
//! | the key may not list unfinished files | a new file is started; `NotAllowed` at once if the caller named one |
//! | listing fails for another reason | the upload fails at once, and nothing is started |

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::file_info::{LARGE_FILE_SHA1, MAX_INFOS, SRC_LAST_MODIFIED_MILLIS};
use crate::model::id::FileId;
use crate::model::part::Part;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::session::paging::UnfinishedPages;
use crate::transfer::Transfer;
use crate::transfer::large::{PartSource, says_gone};
use crate::transfer::new_file::compare::Comparison;
use crate::transfer::new_file::{NewFile, PLAN_ID};

/// The number of unfinished files of a name whose parts are listed at most, which is a request of
/// class C for each.
const MAX_LOOKED_AT: usize = 10;

/// Whether an upload in parts completes an unfinished one, and what it leaves behind if it fails.
///
/// A large file is started, receives its parts, and is finished. Until it is finished, no version
/// exists, but the service keeps the parts that it has received, and bills them. This choice is
/// about those parts: whether a failed upload removes them, and whether the next upload uses them.
///
/// | | [`Never`](Self::Never) | [`Matching`](Self::Matching) | [`Among`](Self::Among) | [`From`](Self::From) |
/// | --- | --- | --- | --- | --- |
/// | looks for | nothing | any unfinished file of the name | one of those given | the one given |
/// | requests before the first part | none | lists unfinished files, and the parts of the newest ten of the name | lists the parts of the newest ten given ones of the name | lists unfinished files, and the parts of that one |
/// | if none matches | | starts a new file | starts a new file | fails |
/// | if the upload fails | cancels the file | leaves it | leaves it | leaves it |
///
/// Uploads, copies and compositions take this option. A file that fits into one request has no
/// parts to leave or to find: `From` is refused for it, and the others make no difference. Streams
/// are uploaded only with `Never`, because they can be read only once.
///
/// A process that is killed leaves an unfinished file whatever was chosen. The next upload with
/// `Matching` completes it. A lifecycle rule for unfinished large files, or
/// [`B2Api::cancel_large_file`](crate::B2Api::cancel_large_file), removes it.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("large.bin");
/// # std::fs::write(&path, vec![7; 11_000_000])?;
/// use b2sdk::{Resume, UploadOptions};
///
/// // Run again after a failure, this uploads only the parts that are missing.
/// let options = UploadOptions::new().part_size(5_000_000).resume(Resume::Matching);
/// let uploaded = bucket.upload_local_file_with(&path, "large.bin", &options)?;
/// assert_eq!((uploaded.parts(), uploaded.resumed_parts()), (3, 0));
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resume {
    /// Starts a new large file. If the upload fails, the file is cancelled, so that no parts are
    /// left to be billed.
    #[default]
    Never,
    /// Completes a matching unfinished file if there is one, and starts a new one otherwise.
    ///
    /// An unfinished file matches if it has the requested name, content type (any type if none is
    /// requested), file info, encryption with the same key, retention and legal hold, and if its
    /// parts have the content of the source, which is read for that comparison. With a
    /// [`part_size`](crate::UploadOptions::part_size) they must have that size; without one, the upload takes
    /// the size that they have. Of more than ten files with these settings, the newest ten are looked at, because
    /// each costs a transaction of class C. A local file that was only touched still matches, and the version has the modification
    /// time of the first attempt then. [`Uploaded::passed_over`](crate::Uploaded::passed_over) names the files
    /// that do not match. Parts that the service copied match if the file was to be made of the same
    /// bytes of the same versions.
    ///
    /// If the upload fails, its parts stay for the next one, and the error is
    /// [`Error::LargeFileLeft`]. They are billed until the file is completed or cancelled.
    Matching,
    /// Completes one of these unfinished files, under the conditions of [`Matching`](Self::Matching), and starts
    /// a new one if none of them matches. Nothing is listed but their parts: whoever uploads many files lists
    /// what is unfinished once, with
    /// [`Bucket::list_unfinished_large_files`](crate::Bucket::list_unfinished_large_files). A file that was
    /// completed or cancelled since then costs one request and is skipped.
    Among(Arc<[FileVersion]>),
    /// Completes this unfinished file, under the conditions of [`Matching`](Self::Matching). If it
    /// does not match, or is not unfinished any more, the upload fails with [`Error::InvalidInput`].
    ///
    /// The file is looked for in the list of unfinished files, which needs the capability
    /// `listFiles`. A key without it gets [`Error::NotAllowed`], before anything is sent.
    From(FileId),
}

impl Resume {
    /// Whether an upload that fails leaves its parts.
    pub(in crate::transfer) fn keeps_failures(&self) -> bool {
        *self != Self::Never
    }

    /// Fails if a certain unfinished file is to be completed by an upload that has no parts.
    pub(in crate::transfer) fn check_for_one_request(&self) -> Result<()> {
        match self {
            Self::From(_) => {
                let reason = "it fits into one request; there are no parts";
                Err(Error::invalid_input("resume", reason))
            }
            Self::Never | Self::Matching | Self::Among(_) => Ok(()),
        }
    }

    /// Fails if a stream is to be resumed, which can be read only once.
    pub(in crate::transfer) fn check_for_stream(&self) -> Result<()> {
        if *self == Self::Never {
            return Ok(());
        }
        let reason = "what can be read only once cannot be compared with what is there; upload a file or bytes";
        Err(Error::invalid_input("resume", reason))
    }
}

/// A large file to complete, and the parts that it already has.
pub(in crate::transfer) struct Unfinished<'p> {
    pub(in crate::transfer) file_id: FileId,
    /// The SHA-1s of those parts, by number.
    pub(in crate::transfer) present: BTreeMap<u64, Sha1Digest>,
    /// How it is cut, if that is not how the upload would have cut it.
    pub(in crate::transfer) parts: Option<Box<dyn PartSource + 'p>>,
}

/// What a search for an unfinished file found.
#[derive(Default)]
pub(in crate::transfer) struct Search<'p> {
    /// The file to complete.
    pub(in crate::transfer) unfinished: Option<Unfinished<'p>>,
    /// The other unfinished files of the name.
    pub(in crate::transfer) passed_over: Vec<FileId>,
}

impl Search<'_> {
    /// Logs why an unfinished file is not used, and notes it.
    fn pass_over(&mut self, file_id: FileId, reason: &'static str) {
        tracing::debug!(%file_id, reason, "an unfinished large file is passed over");
        self.passed_over.push(file_id);
    }

    /// Notes that the unfinished file that was to be completed is gone. Fails if it was asked for by
    /// its id.
    pub(in crate::transfer) fn lose(&mut self, file_id: FileId, resume: &Resume) -> Result<()> {
        if matches!(resume, Resume::From(_)) {
            return Err(no_match(&file_id));
        }
        self.pass_over(file_id, "the service no longer finds it");
        Ok(())
    }
}

/// The error of a file that was asked for by its id and cannot be completed.
fn no_match(wanted: &FileId) -> Error {
    let reason = format!("{wanted} is no unfinished file of this content, cut into the same parts");
    Error::invalid_input("resume", reason)
}

/// Returns the unfinished file to complete, if resuming was asked for and there is one. Fails with
/// `InvalidInput` if a certain file was asked for and does not match.
pub(in crate::transfer) fn find_unfinished<'p>(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    resume: &Resume,
    (parts, counter): (&'p dyn PartSource, &ProgressCounter),
    listed: Option<Listed>,
) -> Result<Search<'p>> {
    let wanted = match resume {
        Resume::Never => return Ok(Search::default()),
        Resume::Matching | Resume::Among(_) => None,
        Resume::From(file_id) => Some(file_id),
    };
    let mut search = Search::default();
    let candidates = candidates(transfer, (file, resume), (parts, listed), &mut search)?;
    for Candidate {
        found,
        listed,
        recut,
    } in candidates
    {
        if search.unfinished.is_some() {
            search.pass_over(found.file_id, "another one is completed");
            continue;
        }
        let present = verified(
            transfer,
            &listed,
            recut.as_deref().unwrap_or(parts),
            counter,
        )?;
        let is_ours = wanted.is_some()
            || found.file_info.get(LARGE_FILE_SHA1).is_some()
            || found.file_info.get(PLAN_ID).is_some()
            || !present.is_empty();
        if present.len() != listed.len() {
            search.pass_over(found.file_id, "its parts have other content");
        } else if is_ours {
            let file_id = found.file_id;
            search.unfinished = Some(Unfinished {
                file_id,
                present,
                parts: recut,
            });
        } else {
            // It may be somebody else's upload that has just begun.
            search.pass_over(found.file_id, "nothing says that its content is this one");
        }
    }
    match wanted {
        Some(wanted) if search.unfinished.is_none() => Err(no_match(wanted)),
        _ => Ok(search),
    }
}

/// An unfinished file whose settings and parts agree with an upload.
struct Candidate<'p> {
    found: FileVersion,
    listed: Vec<Part>,
    /// How it is cut, if that is not how the upload would have cut it.
    recut: Option<Box<dyn PartSource + 'p>>,
}

/// The unfinished files of the name whose settings and parts agree with this upload, with their
/// parts. The one with the most content comes first. Nothing of the source is read for it.
///
/// Whatever the number of files, the parts of the newest [`MAX_LOOKED_AT`] are requested.
fn candidates<'p>(
    transfer: Transfer<'_>,
    (file, resume): (&NewFile<'_>, &Resume),
    (parts, listed): (&'p dyn PartSource, Option<Listed>),
    search: &mut Search<'_>,
) -> Result<Vec<Candidate<'p>>> {
    let mut unfinished: Vec<FileVersion> = match resume {
        Resume::Among(files) => files.to_vec(),
        _ => match listed.unwrap_or_else(|| list(transfer, file)) {
            Err(error) if !is_final(resume, &error) => Vec::new(),
            listed => listed?,
        },
    };
    unfinished.retain(|found| {
        let is_wanted = !matches!(resume, Resume::From(wanted) if *wanted != found.file_id);
        is_wanted && found.file_name == file.name
    });
    unfinished.sort_by_key(|found| found.upload_timestamp);
    let mut candidates = Vec::new();
    let mut looked_at = 0;
    for found in unfinished.into_iter().rev() {
        if let Some(reason) = mismatch(&found, (file, resume)) {
            search.pass_over(found.file_id, reason);
            continue;
        }
        looked_at += 1;
        if looked_at > MAX_LOOKED_AT {
            search.pass_over(found.file_id, "there are enough newer ones");
            continue;
        }
        let listed = match transfer.session.parts_of(transfer.control, &found.file_id) {
            Ok(listed) => listed,
            // Somebody has completed or cancelled it since it was listed. It is named all the same,
            // because the code for that, `bad_request`, has other meanings too.
            Err(error) if says_gone(&error) => {
                search.pass_over(found.file_id, "the service no longer finds it");
                continue;
            }
            Err(error) => return Err(error),
        };
        let recut = match fits(&listed, parts) {
            true => None,
            false => parts.cut_like(&listed),
        };
        if recut.is_some() || fits(&listed, parts) {
            candidates.push(Candidate {
                found,
                listed,
                recut,
            });
        } else {
            search.pass_over(found.file_id, "its parts are cut otherwise");
        }
    }
    let content = |candidate: &Candidate<'_>| -> u64 {
        let listed = candidate.listed.iter();
        listed.map(|part| part.content_length).sum()
    };
    candidates.sort_by_key(|candidate| std::cmp::Reverse(content(candidate)));
    Ok(candidates)
}

/// Whether these are parts of a file that is cut in this way.
fn fits(listed: &[Part], parts: &dyn PartSource) -> bool {
    listed.iter().all(|part| {
        let number = u64::from(part.part_number);
        (1..=parts.count()).contains(&number) && parts.length(number) == part.content_length
    })
}

/// What listing the unfinished files has found.
pub(in crate::transfer) type Listed = Result<Vec<FileVersion>>;

/// Does some work that is necessary before unfinished files can be compared, and lists them at the same
/// time, if they have to be listed. If one of the two fails, the other is given up, unless the
/// upload can do without the list.
///
/// `None` if nothing has to be listed, or if the system refuses a thread for it.
pub(in crate::transfer) fn listing_while<T>(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    resume: &Resume,
    work: impl FnOnce(&Control) -> Result<T>,
) -> Result<(T, Option<Listed>)> {
    if matches!(resume, Resume::Never | Resume::Among(_)) {
        return Ok((work(transfer.control)?, None));
    }
    let parent = transfer.control.cancel.as_ref();
    let stop = parent.map_or_else(CancelToken::new, CancelToken::child);
    let stoppable = Control {
        cancel: Some(stop.clone()),
        ..transfer.control.clone()
    };
    let beside = transfer.under(&stoppable);
    let listing = || {
        let listed = list(beside, file);
        if listed.as_ref().is_err_and(|error| is_final(resume, error)) {
            stop.cancel();
        }
        listed
    };
    thread::scope(|scope| {
        let listing = thread::Builder::new().spawn_scoped(scope, listing);
        let done = catch_unwind(AssertUnwindSafe(|| work(&stoppable)));
        if !matches!(done, Ok(Ok(_))) {
            stop.cancel();
        }
        let listed = listing
            .ok()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        match (done.unwrap_or_else(|panic| resume_unwind(panic)), listed) {
            (Err(Error::Cancelled), Some(Err(error))) => {
                transfer.control.check()?;
                Err(error)
            }
            (done, listed) => Ok((done?, listed)),
        }
    })
}

/// Whether the upload fails if listing the unfinished files fails with this error.
fn is_final(resume: &Resume, error: &Error) -> bool {
    matches!(resume, Resume::From(_)) || !matches!(error, Error::NotAllowed(_))
}

/// Lists the unfinished files whose names begin with this one, page by page (class C).
///
/// The service filters by prefix only. The caller has to pick those that have the whole name.
fn list(transfer: Transfer<'_>, file: &NewFile<'_>) -> Result<Vec<FileVersion>> {
    let mut pages = UnfinishedPages::new(file.bucket.clone(), file.name);
    let mut files = Vec::new();
    while let Some(file) = pages.next(transfer.session, transfer.control) {
        files.push(file?);
    }
    Ok(files)
}

impl<'a> NewFile<'a> {
    /// Adds the plan of a large file made of stored ones to its info, if it is to be resumable.
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

/// One part of a plan: what determines its bytes, as far as the service knows them.
pub(in crate::transfer) enum PlanEntry<'p> {
    /// A range of a stored file.
    Copied {
        source: &'p FileId,
        range: Range<u64>,
    },
    /// Bytes of this machine, which are compared by their SHA-1 instead.
    Uploaded { length: u64 },
}

/// A fingerprint of the plan: the SHA-1 of one line for each part, in order.
///
/// It is stored with unfinished files, so a change of these lines makes files that an earlier
/// release left behind impossible to complete.
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

/// Returns those of the listed parts that have the right content, with their SHA-1s.
///
/// A part without a SHA-1 is left out. Every part of the rest is compared, also after one that
/// differs. Fewer parts than were listed mean that the file has other content.
fn verified(
    transfer: Transfer<'_>,
    listed: &[Part],
    parts: &dyn PartSource,
    counter: &ProgressCounter,
) -> Result<BTreeMap<u64, Sha1Digest>> {
    let mut present = BTreeMap::new();
    for part in listed {
        let number = u64::from(part.part_number);
        let Some(sha1) = part.content_sha1.digest() else {
            continue;
        };
        if parts.is_made(number, sha1, (transfer.control, counter))? {
            present.insert(number, sha1);
        }
    }
    Ok(present)
}

/// The reason why an unfinished file is not what this upload would have made, if it is not.
///
/// Only settings are compared, for which nothing has to be requested or read. Settings that the key may not see count as different, because the version would keep them.
fn mismatch(found: &FileVersion, (file, resume): (&NewFile<'_>, &Resume)) -> Option<&'static str> {
    let mut wanted = file.clone();
    if found.file_info.get(LARGE_FILE_SHA1).is_none() {
        // No recorded SHA-1 is less than was asked for, but does no harm. A different one would
        // mean different content.
        wanted.info.remove(LARGE_FILE_SHA1);
    }
    let mut found = found.clone();
    // A file that was only touched has its content still, which is compared. To synchronizing, the time matters.
    if file.has_file_time && !matches!(resume, Resume::Among(_)) {
        wanted.info.remove(SRC_LAST_MODIFIED_MILLIS);
        found.file_info.remove(SRC_LAST_MODIFIED_MILLIS);
    }
    match wanted.compare(&found) {
        Comparison::Equal => None,
        Comparison::Undecided => Some("the key may not see how it is kept"),
        Comparison::Different(reason) => Some(reason),
    }
}
