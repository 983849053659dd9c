//! Makes large files whose parts are all known before the first one is made: those of a source that
//! can be read at any position, of copies, and of pieces.
//!
//! Such parts can be made in any order and made again, so an unfinished file can be completed:
//!
//! 1. The SHA-1 of the whole is computed, if it is to be recorded, and those of the parts beside it.
//!    It is fixed when the file is started. Nothing else can be requested before it is known but the list of
//!    unfinished files: upload URLs of parts belong to a file that was started.
//! 2. An unfinished file is looked for, if that was asked for (`resume`).
//! 3. The parts that are missing are made, several at a time (`parallel`, `large`).
//! 4. The file is finished (`large`). On failure it is cancelled, or left to be resumed.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the file info has no room for the SHA-1 | it is neither computed nor recorded |
//! | the system refuses the thread that hashes parts | each part is hashed while it is sent |
//! | hashing a part fails | the parts from there on are hashed while they are sent, where the failure shows again |
//! | hashing the whole fails | the upload fails before anything is started |
//! | the unfinished file is cut in another size, and the caller chose none | it is completed in its own size; parts are hashed again for that |
//! | the unfinished file has all parts | it is only finished |
//! | the unfinished file is completed or cancelled by somebody before a part was sent | another one is started, unless this one was asked for by its id |
//! | a part fails for good | the other parts are stopped, and the file ends as `large::ending` describes |
//!
//! The requests are free for parts that are uploaded; copied parts are billed in class C, and looking for
//! an unfinished file costs one request of class C for each hundred unfinished files whose names begin with
//! that of the file, and one for each thousand parts of those that may match.
//!
//! The second call after a failure with `resume` hashes the source again and sends only the parts that
//! are missing. Without it, the second call sends everything, because the first has cancelled its file.
//!
//! A file that changes between the hash and the upload of its parts fails with `SourceChanged` when
//! a part is read, so the recorded SHA-1 is never that of another content.

use std::collections::BTreeMap;
use std::thread;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{ProgressCounter, TransferStage};
use crate::error::Result;
use crate::model::part::Part;
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::large::{Beginning, LargeFile, NotMade, PartSource};
use crate::transfer::new_file::{LargeFileSha1, NewFile};
use crate::transfer::parallel;
use crate::transfer::parts::{EqualParts, PartLimits};
use crate::transfer::resume::{Listed, Resume, Unfinished, find_unfinished, listing_while};
use crate::transfer::source::{UploadSource, hash};
use crate::transfer::uploaded::Uploaded;

/// The parts of a source: equal ranges of its bytes.
struct SourceParts<'s> {
    /// What is uploaded. Each part is read from it again for each attempt.
    source: &'s (dyn UploadSource + Sync),
    /// How it is cut.
    parts: EqualParts,
    /// How else an unfinished file of it may be cut.
    limits: PartLimits,
    /// The SHA-1s of the first parts, as far as they are known.
    known: Vec<Sha1Digest>,
}

impl SourceParts<'_> {
    /// The SHA-1 of a part, if it is known.
    fn known(&self, number: u64) -> Option<Sha1Digest> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.known.get(index).copied()
    }
}

impl PartSource for SourceParts<'_> {
    fn cut_like(&self, listed: &[Part]) -> Option<Box<dyn PartSource + '_>> {
        let of_part = |part: &Part| (u64::from(part.part_number), part.content_length);
        let listed: Vec<_> = listed.iter().map(of_part).collect();
        let parts = self.limits.cut_like(self.parts.length(), &listed)?;
        Some(Box::new(SourceParts {
            parts,
            known: Vec::new(),
            ..*self
        }))
    }

    fn count(&self) -> u64 {
        self.parts.count()
    }

    fn length(&self, number: u64) -> u64 {
        self.parts.length_of(number)
    }

    fn is_made(
        &self,
        number: u64,
        sha1: Sha1Digest,
        (control, counter): (&Control, &ProgressCounter),
    ) -> Result<bool> {
        let known = match self.known(number) {
            Some(known) => known,
            None => {
                counter.enter(TransferStage::Hashing);
                let range = self.parts.range(number - 1);
                hash(self.source, range, control, Some(counter))?
            }
        };
        Ok(known == sha1)
    }

    /// Sends the part, reading it from the source once more. Where its SHA-1 is known it is sent before
    /// the content, otherwise after it.
    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        let content = (
            self.source as &dyn UploadSource,
            self.parts.range(number - 1),
        );
        large.send_part(number, content, self.known(number), control)
    }
}

/// Uploads a source in these parts, or in those of an unfinished file that is completed.
///
/// With `LargeFileSha1::Compute` the source is read twice, first for its SHA-1 and then to be sent,
/// and the first reading is complete before any request for the file. Otherwise it is read once. A
/// source that grows has been read already, and its SHA-1 is known.
pub(in crate::transfer) fn upload(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    (sha1, resume): (LargeFileSha1, &Resume),
    source: &(dyn UploadSource + Sync),
    (parts, limits): (EqualParts, PartLimits),
) -> Result<Uploaded> {
    let sha1 = match sha1 {
        // Reading the source for a value that cannot be recorded would be in vain.
        LargeFileSha1::Compute if !file.has_room_for_sha1() => LargeFileSha1::Omit,
        sha1 => sha1,
    };
    let stage = match sha1 {
        LargeFileSha1::Compute => TransferStage::Hashing,
        LargeFileSha1::Given(_) | LargeFileSha1::Omit => TransferStage::Transferring,
    };
    let Transfer {
        session, control, ..
    } = transfer;
    let total = Some(source.len());
    let counter = ProgressCounter::at(stage, control, file.name, session.clock(), total);
    let ((sha1, known), listed) = match sha1 {
        LargeFileSha1::Compute => listing_while(transfer, file, resume, |control| {
            Ok(match source.fix(None, control, &counter)? {
                Some(fixed) => (Some(fixed.whole), Vec::new()),
                None => {
                    let (sha1, known) = hash_whole_and_parts(source, &parts, (control, &counter))?;
                    (Some(sha1), known)
                }
            })
        })?,
        LargeFileSha1::Given(sha1) => ((Some(sha1), Vec::new()), None),
        LargeFileSha1::Omit => ((None, Vec::new()), None),
    };
    let parts = SourceParts {
        source,
        parts,
        limits,
        known,
    };
    make_from(
        transfer,
        &file.with_sha1(sha1)?,
        (resume, listed),
        &parts,
        &counter,
    )
}

/// Hashes a source, and at the same time, on another thread and from the same pages of the system's
/// cache, its parts: they then need not be hashed while they are sent. With a single processor that
/// would gain nothing, and no part is hashed.
///
/// The list of the parts may end early, and is empty where the system refuses a thread. It is a help
/// and never a condition: a part without a known SHA-1 is hashed when it is sent.
fn hash_whole_and_parts(
    source: &(dyn UploadSource + Sync),
    parts: &EqualParts,
    (control, counter): (&Control, &ProgressCounter),
) -> Result<(Sha1Digest, Vec<Sha1Digest>)> {
    let whole = |control: &Control| hash(source, 0..source.len(), control, Some(counter));
    if thread::available_parallelism().is_ok_and(|processors| processors.get() == 1) {
        return Ok((whole(control)?, Vec::new()));
    }
    let parent = control.cancel.as_ref();
    let stop = parent.map_or_else(CancelToken::new, CancelToken::child);
    let beside = Control {
        cancel: Some(stop.clone()),
        ..control.clone()
    };
    thread::scope(|scope| {
        let hashing = thread::Builder::new().spawn_scoped(scope, || {
            let parts = parts.iter().map(|range| hash(source, range, &beside, None));
            // A failure is one of the whole, too, or shows again when the part is sent.
            parts.map_while(Result::ok).collect::<Vec<_>>()
        });
        let whole = whole(control).inspect_err(|_| stop.cancel());
        // Without a thread, the parts are hashed while they are sent.
        let known = hashing.map_or_else(
            |_| Vec::new(),
            |thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            },
        );
        Ok((whole?, known))
    })
}

/// Makes the parts that are missing, and the file. The result tells how many parts were there
/// already.
///
/// The parts are made by as many threads as the workers have permits. The first failure that is final
/// stops the others.
///
/// Parts that were there count as arrived in the progress, but not as bytes that were sent. If the
/// search for an unfinished file fails, nothing has been started.
pub(in crate::transfer) fn make(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    resume: &Resume,
    parts: &dyn PartSource,
    counter: &ProgressCounter,
) -> Result<Uploaded> {
    make_from(transfer, file, (resume, None), parts, counter)
}

/// Makes the parts that are missing, and the file, with the list of unfinished files if they were listed
/// while the source was hashed.
fn make_from(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    (resume, listed): (&Resume, Option<Listed>),
    parts: &dyn PartSource,
    counter: &ProgressCounter,
) -> Result<Uploaded> {
    let mut search = find_unfinished(transfer, file, resume, (parts, counter), listed)?;
    let settings = (transfer, file, resume);
    let mut found = search.unfinished.take();
    let found_id = found.as_ref().map(|found| found.file_id.clone());
    let recut = found.as_mut().and_then(|found| found.parts.take());
    let its_parts = recut.as_deref().unwrap_or(parts);
    let uploaded = match (complete(settings, its_parts, counter, found), found_id) {
        (Err(NotMade { was_gone: true, .. }), Some(file_id)) => {
            search.lose(file_id, resume)?;
            counter.begin_again();
            complete(settings, parts, counter, None)
        }
        (outcome, _) => outcome,
    }?;
    Ok(Uploaded {
        passed_over: search.passed_over,
        ..uploaded
    })
}

/// Makes the parts that an unfinished file lacks, or all parts of a new file, and finishes it.
fn complete(
    (transfer, file, resume): (Transfer<'_>, &NewFile<'_>, &Resume),
    parts: &dyn PartSource,
    counter: &ProgressCounter,
    unfinished: Option<Unfinished<'_>>,
) -> std::result::Result<Uploaded, NotMade> {
    let (file_id, mut present) = match unfinished {
        Some(Unfinished {
            file_id, present, ..
        }) => (Some(file_id), present),
        None => (None, BTreeMap::new()),
    };
    let resumed_parts = present.len();
    let beginning = Beginning {
        unfinished: file_id,
        is_kept: resume.keeps_failures(),
        length: Some((1..=parts.count()).map(|number| parts.length(number)).sum()),
        parts: Some(parts.count()),
    };
    let uploaded = LargeFile::make(transfer, file, beginning, counter, |large| {
        for number in present.keys() {
            counter.part_arrived();
            counter.add(parts.length(*number));
        }
        let missing: Vec<_> = (1..=parts.count())
            .filter(|number| !present.contains_key(number))
            .collect();
        let made = parallel::run(transfer.workers, transfer.control, |_| {
            Box::new(missing.into_iter().map(|number| {
                Ok(move |control: &Control| {
                    let sha1 = parts.make(large, number, control)?;
                    Ok((number, sha1))
                })
            }))
        })?;
        present.extend(made);
        Ok(present.into_values().collect())
    })?;
    Ok(Uploaded {
        resumed_parts: u32::try_from(resumed_parts).unwrap_or(u32::MAX),
        ..uploaded
    })
}
