//! How a large file ends: finished, cancelled, or left unfinished.
//!
//! 1. `b2_finish_large_file` is sent with the SHA-1s of all parts. If its answer is lost,
//!    `b2_get_file_info` tells whether the file exists.
//! 2. After a final failure, `b2_cancel_large_file` removes the parts, so that nobody pays for
//!    them. It is not sent after the answer to finishing is lost, because the file may exist then.
//!    A caller who cancels during finishing wants no file, so there it is sent; if the file was
//!    finished already, the service refuses it, and the call succeeds. If cancelling fails, too,
//!    the service is asked whether the file is finished.
//! 3. A file that may be resumed is left instead. First `b2_get_file_info` and `b2_list_parts` tell
//!    what has become of it, because another run that resumes the same file may have finished it.
//!
//! Whatever is left, for whichever reason, is named by the error ([`LargeFileLeft`]). Cancelling
//! the file takes at most five seconds, and so does asking what has become of it. Both run even if
//! the caller has cancelled the upload.
//!
//! | situation | what is done | what the caller gets |
//! | --- | --- | --- |
//! | finishing is refused, not to be resumed | cancelled | the refusal |
//! | finishing is refused, and there is no unfinished file | looked up | success if the version exists, otherwise the refusal |
//! | the answer to finishing is lost | looked up, and repeated up to five times if it is not finished | success, or `LargeFileLeft` (`MayBeFinished`) |
//! | a part fails, not to be resumed | cancelled | the failure of the part |
//! | a part fails, to be resumed | left | `LargeFileLeft` (`ForResuming`), or success if another run has finished it with this content |
//! | cancelling fails | | `LargeFileLeft` (`NotCancelled`) |
//! | the caller cancels before finishing | cancelled, or left if it is to be resumed | `Cancelled`, or `LargeFileLeft` |
//! | the caller cancels during finishing, not to be resumed | cancelled | `Cancelled`: nothing is left |
//! | the same, and there is no unfinished file | looked up | success if the version exists, `Cancelled` if there is neither, otherwise `LargeFileLeft` (`MayBeFinished`) |
//! | the same, and cancelling fails | looked up | success if the version exists, otherwise `LargeFileLeft` (`MayBeFinished`) |
//! | the caller cancels during finishing, to be resumed | looked up | success if the version exists, otherwise `LargeFileLeft` (`MayBeFinished`) |
//! | the system refuses the thread that limits cleaning up | nothing is sent | `LargeFileLeft` |
//! | a reader panics | cancelled unless it is to be resumed | the panic continues |

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, ErrorCode, LargeFileLeft, Result, WhyLeft};
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::LARGE_FILE_SHA1;
use crate::model::operation::Operation;
use crate::model::sha1::Sha1Digest;
use crate::session::log_store_failure;
use crate::transfer::Transfer;
use crate::transfer::large::LargeFile;
use crate::transfer::new_file::{NewFile, PLAN_ID};
use crate::wire::large_file::ListPartsRequest;

/// The number of times that finishing is tried if its answers are lost.
const ROUNDS: u32 = 5;
/// How long cleaning up after a failure may take, with all attempts. The caller waits for the
/// reason.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// What the service knows about a large file that was started.
enum State {
    /// It is a version.
    Finished(Box<FileVersion>),
    /// It has parts, or may receive some.
    Unfinished,
    /// It does not exist any more, because somebody cancelled it.
    Gone,
}

/// What is known about a large file that was to be cancelled.
pub(super) enum Cancelled {
    /// It was cancelled.
    Done,
    /// There was no unfinished file with that id: it was finished, or somebody cancelled it.
    WasGone,
    /// The service did not answer in time.
    Unknown,
}

/// Why finishing failed.
enum Unfinished {
    /// The service refused it, and the file is not finished.
    Refused(Error),
    /// The request was sent, or may have been, and its effect is not known.
    Unknown(Error),
}

/// Whether the service itself says that there is no unfinished file of that id.
///
/// `bad_request` is the code for "No active upload" (docs/protocol.md, sections 2.19 and 2.21). Other
/// codes with status 400 are about the request, the account or the key. The code counts only if the
/// answer came from the service, which is what `is_answer_lost` decides.
pub(in crate::transfer) fn says_gone(error: &Error) -> bool {
    let is_refused = error.code() == Some(&ErrorCode::BadRequest) && !error.is_answer_lost();
    error.is_not_found() || is_refused
}

impl LargeFile<'_> {
    /// Finishes the file with these parts. On failure it is cancelled or left, as the module
    /// describes.
    pub(super) fn finish(&self, parts: &[Sha1Digest]) -> Result<FileVersion> {
        if let Err(cancelled) = self.transfer.control.check() {
            return self.give_up(cancelled);
        }
        let (error, is_refused) = match self.request_finish(parts) {
            Ok(version) => return Ok(version),
            Err(Unfinished::Refused(error)) => (error, true),
            Err(Unfinished::Unknown(error)) => (error, false),
        };
        let mut was_gone = false;
        if !self.beginning.is_kept && (is_refused || matches!(error, Error::Cancelled)) {
            match self.cancel() {
                Cancelled::Done => return Err(error),
                Cancelled::WasGone => was_gone = true,
                Cancelled::Unknown if is_refused => {
                    return Err(self.left(WhyLeft::NotCancelled, error));
                }
                // Finishing may have taken effect before.
                Cancelled::Unknown => {}
            }
        }
        match self.limited(|control| self.state(control)) {
            Ok(State::Finished(version)) if self.check(&version).is_ok() => Ok(*version),
            Ok(State::Unfinished) if is_refused && self.beginning.is_kept => {
                Err(self.left(WhyLeft::ForResuming, error))
            }
            Ok(State::Gone) if is_refused || was_gone => {
                self.is_gone.store(is_refused, Ordering::Relaxed);
                Err(error)
            }
            // Cancelling what may be finished, or about to be, would lose it.
            _ => Err(self.left(WhyLeft::MayBeFinished, error)),
        }
    }

    /// Ends a file whose parts could not all be made: cancels it, or leaves it to be resumed.
    ///
    /// If another run has finished the file with this content, that is a success.
    pub(super) fn give_up(&self, error: Error) -> Result<FileVersion> {
        if !self.beginning.is_kept {
            return Err(match self.cancel() {
                Cancelled::Done | Cancelled::WasGone => error,
                Cancelled::Unknown => self.left(WhyLeft::NotCancelled, error),
            });
        }
        // Who cancels waits for nothing more.
        if matches!(error, Error::Cancelled) {
            return Err(self.left(WhyLeft::ForResuming, error));
        }
        let state = self.limited(|control| self.state(control));
        let is_gone = match &state {
            Ok(State::Gone) => true,
            // Another file is made only if this is certainly not it: else there would be two.
            Ok(State::Finished(version)) => self.is_of_other_content(version),
            Ok(State::Unfinished) | Err(_) => false,
        };
        self.is_gone.store(is_gone, Ordering::Relaxed);
        match state {
            Ok(State::Finished(version)) if self.is_of_this_content(&version) => Ok(*version),
            Ok(State::Finished(_)) => Err(self.left(WhyLeft::MayBeFinished, error)),
            Ok(State::Gone) => Err(error),
            Ok(State::Unfinished) | Err(_) => Err(self.left(WhyLeft::ForResuming, error)),
        }
    }

    /// Sends `b2_finish_large_file`, and after each lost answer looks whether the file is finished.
    /// A refusal that follows a lost answer proves nothing, because the earlier request may still
    /// be running.
    fn request_finish(&self, parts: &[Sha1Digest]) -> std::result::Result<FileVersion, Unfinished> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        let mut lost = None;
        for round in 0..ROUNDS {
            if round > 0 {
                let pause = session.retry_policy().delay(round - 1);
                let slept = control.sleep(session.clock(), pause);
                slept.map_err(Unfinished::Unknown)?;
            }
            let outcome = session.call(Operation::FinishLargeFile, control, |raw| {
                let version = raw.finish_large_file(&self.id, parts)?;
                self.check(&version)?;
                Ok(version)
            });
            let error = match outcome {
                Ok(version) => return Ok(version),
                Err(Error::Cancelled) => return Err(Unfinished::Unknown(Error::Cancelled)),
                Err(error) => error,
            };
            // After another attempt, "no active upload" may mean that the first one finished it.
            if !error.is_answer_lost() && error.attempts() <= 1 && lost.is_none() {
                return Err(Unfinished::Refused(error));
            }
            match self.find_finished(control) {
                Ok(Some(version)) => {
                    return match self.check(&version) {
                        Ok(()) => Ok(version),
                        Err(error) => Err(Unfinished::Unknown(error)),
                    };
                }
                // A proxy that refuses the request will refuse it again.
                Ok(None) if error.is_answer_lost() && !error.may_pass() => {
                    return Err(Unfinished::Unknown(error));
                }
                Ok(None) if error.is_answer_lost() => lost = Some(error),
                // While an earlier attempt may still be at work, its refusal proves nothing.
                Ok(None) => {
                    let refused = || Unfinished::Refused(error);
                    return Err(lost.map_or_else(refused, Unfinished::Unknown));
                }
                Err(Error::Cancelled) => return Err(Unfinished::Unknown(Error::Cancelled)),
                Err(_) => return Err(Unfinished::Unknown(lost.unwrap_or(error))),
            }
        }
        Err(Unfinished::Unknown(lost.unwrap_or(Error::Cancelled)))
    }

    /// Fails if the answer is about another file, or about other bytes than the parts have.
    ///
    /// If the length was not known beforehand, it is the sum of the parts that were made here. Such
    /// a file is never resumed, so these are all of them.
    fn check(&self, version: &FileVersion) -> Result<()> {
        let length = self.beginning.length;
        let length = length.unwrap_or_else(|| self.made.load(Ordering::Relaxed));
        let is_it = version.file_id == self.id
            && version.file_name == self.file.name
            && version.content_length == length;
        if is_it {
            return Ok(());
        }
        Err(Error::UnexpectedReply {
            operation: Operation::FinishLargeFile,
            source: "it is about another file, or about other bytes than the parts have".into(),
        })
    }

    /// Whether a file that another run has finished has the content that this run would have given
    /// it.
    ///
    /// The length alone proves nothing. Without a recorded SHA-1 or plan the answer is `false`, and
    /// the caller gets an error although the content may be right.
    fn is_of_this_content(&self, version: &FileVersion) -> bool {
        let (ours, theirs) = (&self.file.info, &version.file_info);
        let has_same = |name| ours.get(name).is_some() && ours.get(name) == theirs.get(name);
        self.check(version).is_ok() && (has_same(LARGE_FILE_SHA1) || has_same(PLAN_ID))
    }

    /// Whether a version certainly has other content than this file.
    fn is_of_other_content(&self, version: &FileVersion) -> bool {
        let (ours, theirs) = (&self.file.info, &version.file_info);
        let differs = |name| match (ours.get(name), theirs.get(name)) {
            (Some(own), Some(other)) => own != other,
            _ => false,
        };
        self.check(version).is_err() || differs(LARGE_FILE_SHA1) || differs(PLAN_ID)
    }

    /// Asks the service what has become of the file.
    fn state(&self, control: &Control) -> Result<State> {
        if let Some(version) = self.find_finished(control)? {
            return Ok(State::Finished(Box::new(version)));
        }
        let request = ListPartsRequest {
            max_part_count: 1,
            ..ListPartsRequest::new(&self.id)
        };
        let session = self.transfer.session;
        match session.call(Operation::ListParts, control, |raw| {
            raw.list_parts(&request)
        }) {
            Ok(_) => Ok(State::Unfinished),
            Err(error) if says_gone(&error) => Ok(State::Gone),
            Err(error) => Err(error),
        }
    }

    /// The version, if the file is finished. It is looked up by its id, or, with a key that may not
    /// read files, in the list of versions.
    fn find_finished(&self, control: &Control) -> Result<Option<FileVersion>> {
        let session = self.transfer.session;
        match session.call(Operation::GetFileInfo, control, |raw| {
            raw.get_file_info(&self.id)
        }) {
            Ok(version) => return Ok((version.action == FileAction::Upload).then_some(version)),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(Error::NotAllowed(_)) => {}
            Err(error) => return Err(error),
        }
        let is_ours = |version: &FileVersion| {
            version.file_id == self.id && version.action == FileAction::Upload
        };
        let NewFile { bucket, name, .. } = self.file;
        session.find_version(control, bucket, name, is_ours, |_| false)
    }

    /// The failure, together with what it leaves at the service.
    fn left(&self, why: WhyLeft, failure: Error) -> Error {
        Error::LargeFileLeft(Box::new(LargeFileLeft {
            file_id: self.id.clone(),
            why,
            failure,
        }))
    }

    /// Asks the service for something after a failure. This does not run under the caller's token,
    /// which may have ended the upload, but it has a short time limit.
    fn limited<T>(&self, act: impl FnOnce(&Control) -> T) -> T {
        let (limit, done) = (CancelToken::new(), CancelToken::new());
        let control = Control {
            cancel: Some(limit.clone()),
            progress: None,
            ..self.transfer.control.clone()
        };
        thread::scope(|scope| {
            let watching = thread::Builder::new().spawn_scoped(scope, || {
                done.wait(CLEAN_UP);
                limit.cancel();
            });
            if watching.is_err() {
                limit.cancel();
            }
            let outcome = act(&control);
            done.cancel();
            outcome
        })
    }

    /// Cancels the file, so that no parts are left. A failure of this does not change the reason
    /// why the upload failed.
    pub(super) fn cancel(&self) -> Cancelled {
        let (session, file_id) = (self.transfer.session, &self.id);
        match self.limited(|control| session.cancel_large_file(control, file_id)) {
            Ok(()) => {
                tracing::debug!(%file_id, "the unfinished large file was cancelled");
                Cancelled::Done
            }
            Err(error) if says_gone(&error) => {
                tracing::debug!(%file_id, "there is no unfinished large file to cancel any more");
                Cancelled::WasGone
            }
            Err(_) => {
                tracing::warn!(%file_id, "the unfinished large file could not be cancelled");
                Cancelled::Unknown
            }
        }
    }

    /// Removes the upload URLs for the parts of this file, which nobody needs any more.
    pub(super) fn drop_upload_urls(&self) {
        let session = self.transfer.session;
        if let Ok(snapshot) = session.current(self.transfer.control) {
            let dropped = session
                .info()
                .drop_upload_urls(snapshot.identity(), &self.target);
            log_store_failure("upload URLs of parts", dropped);
        }
    }
}
