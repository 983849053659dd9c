//! Uploads new versions of files that only grow, such as logs.
//!
//! 1. HEAD by name returns the length and the SHA-1 of the latest version.
//! 2. The beginning of the local file is read, to find out whether it is that version.
//! 3. If it is, the new version is composed: its beginning is copied from the latest version, and
//!    the rest is uploaded. If nothing was appended and the settings are the same, nothing is
//!    created. If it is not, or copying is not possible, the whole file is uploaded.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | there is no version of the name | the whole file is uploaded |
//! | the file does not begin with the latest version | the whole file is uploaded |
//! | the key may not read the version, or the customer's key is another one | the whole file is uploaded |
//! | nothing was appended, and the settings are the same | nothing is created; the result is the latest version |
//! | the version has no SHA-1, or less than 5 MB, to which something was appended | the whole file is uploaded |
//! | the latest version is deleted in between | the whole file is uploaded |
//! | bytes change that the file had in the beginning | `SourceChanged` |
//!
//! The check costs one request (class B), two if the new version has a customer's key and the latest
//! has none, and one pass over the local file. Each copied part is a request of class C, the appended bytes are free to send, and the new version is billed with its whole length.
//! Nothing of the stored content is downloaded: the SHA-1 that the service or the uploader recorded is
//! compared. A version without a SHA-1 is not used, and one that is too small to be copied as a part
//! (5 MB) only if nothing was appended: a smaller file is uploaded whole after each change.
//!
//! The latest version is copied by its id. If somebody uploads another version under the name while
//! this runs, that one becomes an older version, and the result still has the bytes of the local file.
//! Two programs that append to one name at the same time create two versions, each of them complete.
//!
//! What is left behind: older versions remain and are billed until they are deleted, as after any
//! upload. A failure leaves an unfinished large file only if the options ask for resuming, if it could
//! not be cancelled, or if the process is killed.

use crate::control::progress::{ProgressCounter, TransferStage};
use crate::error::{Error, Result, WhyLeft};
use crate::model::encryption::Encryption;
use crate::model::file::FileVersion;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::raw::DownloadRequest;
use crate::transfer::Transfer;
use crate::transfer::compose::Compose;
use crate::transfer::compose::piece::{Opened, PieceSource, Remote};
use crate::transfer::compose::plan::limits::Limits;
use crate::transfer::compose::plan::plan;
use crate::transfer::growing::GrowingFile;
use crate::transfer::new_file::{LargeFileSha1, NewFile};
use crate::transfer::options::Overlap;
use crate::transfer::resume::Resume;
use crate::transfer::source::UploadSource as _;
use crate::transfer::upload::Upload;
use crate::transfer::uploaded::Uploaded;

/// One upload of a local file that only grows.
pub(crate) struct Append<'a> {
    /// The upload of the whole file, which is made if the latest version cannot be continued.
    pub(crate) upload: Upload<'a>,
    /// The name of the bucket, by which the latest version is asked for.
    pub(crate) bucket_name: &'a str,
}

impl Append<'_> {
    /// Uploads what a local file has beyond the latest version, or all of it if that is not
    /// possible.
    ///
    /// The result is a whole new version: the service stores and bills all of its bytes, also those
    /// that were copied. A call that is made again after a success creates nothing, if the file and
    /// the settings are still the same.
    pub(crate) fn send(&self, source: &GrowingFile) -> Result<Uploaded> {
        let snapshot = self.upload.transfer.authorization()?;
        let file = self.upload.new_file(&snapshot, source.modified())?;
        let limits = Limits::new(snapshot.auth(), self.upload.options.part_size)?;
        let Some(stored) = self.latest()? else {
            return self.upload.send(source);
        };
        let (stored, version) = stored;
        let Some((sha1, counter)) = self.grown_from(source, &stored, limits)? else {
            return self.upload.send(source);
        };
        if stored.length == source.len() && file.is_kept_as(&version) {
            counter.finish();
            return Ok(Uploaded::unchanged(version));
        }
        // Less than a part is compared only because it may be all that there is.
        if !limits.can_be_copied(stored.length) {
            return self.upload.send(source);
        }
        match self.compose(stored, source, file, (sha1.given(), limits)) {
            // Somebody has deleted the version that was to be copied.
            Err(error) if error.is_not_found() && !may_be_made(&error) => {
                self.give_up(&error);
                self.upload.send(source)
            }
            outcome => outcome,
        }
    }

    /// Cancels a large file that was left to be resumed and cannot be, because its source is gone.
    /// A file that the caller named is not cancelled.
    ///
    /// If cancelling fails, a warning names the file, and the upload of the whole continues: the
    /// caller's content matters more than parts that can be cancelled later.
    fn give_up(&self, error: &Error) {
        let Transfer {
            session, control, ..
        } = self.upload.transfer;
        if let Error::LargeFileLeft(left) = error
            && left.why == WhyLeft::ForResuming
            && matches!(
                self.upload.options.resume,
                Resume::Matching | Resume::Among(_)
            )
            && session.cancel_large_file(control, &left.file_id).is_err()
        {
            tracing::warn!(file_id = %left.file_id, "the unfinished large file could not be cancelled");
        }
    }

    /// Creates the new version from the stored one and the bytes that were appended to it.
    ///
    /// Appended bytes that are too few for a part are sent as the last one, which may be small. The
    /// copy needs the customer's key of the stored version, which is the one that described it.
    fn compose(
        &self,
        stored: Remote,
        source: &GrowingFile,
        file: NewFile<'_>,
        (large_file_sha1, limits): (Option<Sha1Digest>, Limits),
    ) -> Result<Uploaded> {
        let Upload {
            transfer, options, ..
        } = self.upload;
        let compose = Compose {
            transfer,
            file,
            overlap: Overlap::Remote,
            part_size: options.part_size,
            large_file_sha1,
            resume: &options.resume,
        };
        let stored_length = stored.length;
        let pieces = [
            Opened::new(PieceSource::Remote(stored), 0..stored_length).placed(0),
            Opened::new(PieceSource::Local(source), stored_length..source.len())
                .placed(stored_length),
        ];
        compose.make_all(plan(&pieces, limits, compose.overlap)?)
    }

    /// The latest version of the name, or `None` if the key cannot see one. It is asked for with
    /// the customer's key of the new version first, and then without a key.
    ///
    /// Not being able to see a version is no failure: what the key may not read it could not copy, and
    /// the file can be uploaded whole. Any other failure ends the call before anything is sent.
    fn latest(&self) -> Result<Option<(Remote, FileVersion)>> {
        let encryption = self.upload.options.encryption.as_ref();
        let key = encryption.and_then(Encryption::customer_key);
        let outcome = match self.head(key) {
            // The version is not encrypted with a customer's key.
            Err(Error::Service(refusal)) if key.is_some() && refusal.status == 400 => {
                self.head(None)
            }
            outcome => outcome,
        };
        match outcome {
            Ok(remote) => Ok(Some(remote)),
            // A version that is encrypted with another key cannot be seen, and could not be copied.
            Err(Error::NotAllowed(_) | Error::EncryptionKey { .. }) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the latest version with this customer's key.
    fn head(&self, key: Option<&SseCustomerKey>) -> Result<(Remote, FileVersion)> {
        let Upload {
            transfer,
            file_name,
            ..
        } = self.upload;
        let request = DownloadRequest::by_name(self.bucket_name.to_owned(), file_name.to_owned());
        let request = request.with_key(key);
        let version = transfer
            .session
            .call(&request, transfer.control, |raw| raw.head(&request))?;
        let remote = Remote {
            length: version.content_length,
            sha1: version.sha1(),
            file_id: version.file_id.clone(),
            key: key.cloned(),
        };
        Ok((remote, version))
    }

    /// Returns what to record as the SHA-1 of the whole, if the file begins with the stored version
    /// and the service can copy that. Otherwise returns `None`.
    ///
    /// What can be told without reading the file is asked first. The counter of the reading is
    /// returned, so that the progress of a file that is unchanged can be brought to its end.
    fn grown_from(
        &self,
        source: &GrowingFile,
        stored: &Remote,
        limits: Limits,
    ) -> Result<Option<(LargeFileSha1, ProgressCounter)>> {
        let Some(expected) = stored.sha1 else {
            return Ok(None);
        };
        let may_be_unchanged = source.len() == stored.length;
        let may_be_continued = source.len() > stored.length && limits.can_be_copied(stored.length);
        if !may_be_unchanged && !may_be_continued {
            return Ok(None);
        }
        // Reading it is all that is reported until its content moves.
        let Transfer {
            session, control, ..
        } = self.upload.transfer;
        let (name, total) = (self.upload.file_name, Some(source.len()));
        let counter = ProgressCounter::at(
            TransferStage::Hashing,
            control,
            name,
            session.clock(),
            total,
        );
        let Some(fixed) = source.fix(Some(stored.length), control, &counter)? else {
            return Ok(None);
        };
        if fixed.beginning != expected {
            return Ok(None);
        }
        let sha1 = match self.upload.options.large_file_sha1 {
            LargeFileSha1::Compute => LargeFileSha1::Given(fixed.whole),
            other => other,
        };
        Ok(Some((sha1, counter)))
    }
}

/// Whether the new version may exist although creating it failed.
fn may_be_made(error: &Error) -> bool {
    matches!(error, Error::LargeFileLeft(left) if left.why == WhyLeft::MayBeFinished)
}
