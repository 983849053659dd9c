//! New versions of files that only grow.
//!
//! 1. HEAD by name: the latest version's length and SHA-1.
//! 2. The local file is read: are its first bytes that version?
//! 3. If so, the new version is composed: those bytes are copied, what follows is uploaded. If not, or
//!    where that is not possible, the file is uploaded as a whole.

use crate::control::progress::{Tally, TransferStage};
use crate::error::{Error, Result, WhyLeft};
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Hasher;
use crate::raw::DownloadRequest;
use crate::transfer::compose::Compose;
use crate::transfer::compose::piece::{Opened, Remote, Source};
use crate::transfer::compose::plan::plan;
use crate::transfer::source::{FileSource, UploadSource};
use crate::transfer::upload::{LargeFileSha1, Resume, Upload, UploadOptions, Uploaded};

impl Compose<'_> {
    /// Uploads what a local file has beyond its latest version in the bucket; all of it where that is
    /// not possible.
    pub(crate) fn append(&self, source: &FileSource, bucket_name: &str) -> Result<Uploaded> {
        let snapshot = self.session.current(self.upload.control)?;
        let info = self.upload.check(&snapshot, source.modified())?;
        let Some(stored) = self.latest(bucket_name)? else {
            return self.upload.send(source);
        };
        let Some(sha1) = self.grown_from(source, &stored)? else {
            return self.upload.send(source);
        };
        match self.compose_of(stored, source, &info, sha1) {
            // Somebody deleted the version meanwhile.
            Err(error) if error.is_not_found() && !may_be_made(&error) => {
                self.give_up(&error);
                self.upload.send(source)
            }
            outcome => outcome,
        }
    }

    /// Cancels what was left to be resumed and never will be, now that what it copies from is gone; unless
    /// the caller named it.
    fn give_up(&self, error: &Error) {
        let Upload {
            session, control, ..
        } = self.upload;
        if let Error::LargeFileLeft(left) = error
            && left.why == WhyLeft::ForResuming
            && self.upload.options.resume == Resume::Matching
            && session.cancel_large_file(control, &left.file_id).is_err()
        {
            tracing::warn!(file_id = %left.file_id, "the unfinished large file could not be cancelled");
        }
    }

    /// Makes the new version of the one that is stored and of what was appended to it.
    fn compose_of(
        &self,
        stored: Remote,
        source: &FileSource,
        info: &FileInfo,
        large_file_sha1: LargeFileSha1,
    ) -> Result<Uploaded> {
        let options = UploadOptions {
            large_file_sha1,
            ..self.upload.options.clone()
        };
        let compose = Compose {
            upload: Upload {
                options: &options,
                ..self.upload
            },
            ..*self
        };
        let stored_length = stored.length;
        let pieces = [
            Opened::new(Source::Remote(stored), 0..stored_length).placed(0),
            Opened::new(Source::Local(source), stored_length..source.len()).placed(stored_length),
        ];
        let parts = plan(&pieces, compose.limits()?, compose.overlap)?;
        compose.make_all(parts, info)
    }

    /// The latest version under the name; none if there is none that can be seen. It may be under the
    /// key that the new one is to have, or under none.
    fn latest(&self, bucket_name: &str) -> Result<Option<Remote>> {
        let encryption = self.upload.options.encryption.as_ref();
        let key = encryption.and_then(Encryption::customer_key);
        let outcome = match self.head(bucket_name, key) {
            // A key for what is under none.
            Err(Error::Service(refusal)) if key.is_some() && refusal.status == 400 => {
                self.head(bucket_name, None)
            }
            outcome => outcome,
        };
        match outcome {
            Ok(remote) => Ok(Some(remote)),
            // One under another key cannot be seen, and could not be copied.
            Err(Error::NotAllowed(_) | Error::EncryptionKey { .. }) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn head(&self, bucket_name: &str, key: Option<&SseCustomerKey>) -> Result<Remote> {
        let Upload {
            file_name, control, ..
        } = self.upload;
        let request = DownloadRequest::by_name(bucket_name.to_owned(), file_name.to_owned());
        let request = request.with_key(key);
        let version = self
            .session
            .call(&request, control, |raw| raw.head(&request))?;
        Ok(Remote {
            length: version.content_length,
            sha1: version.sha1(),
            file_id: version.file_id,
            key: key.cloned(),
        })
    }

    /// What to record of the whole, if a file begins with what is stored and a copy of that is possible.
    fn grown_from(&self, source: &FileSource, stored: &Remote) -> Result<Option<LargeFileSha1>> {
        let Some(expected) = stored.sha1 else {
            return Ok(None);
        };
        if !self.limits()?.can_be_copied(stored.length) || source.len() < stored.length {
            return Ok(None);
        }
        // Reading it is all that is reported until its content moves.
        let Upload {
            control, file_name, ..
        } = self.upload;
        let (clock, total) = (self.session.clock(), Some(source.len()));
        Tally::at(TransferStage::Hashing, control, file_name, clock, total);
        let mut hasher = Sha1Hasher::default();
        self.upload.feed(&mut hasher, source, 0..stored.length)?;
        if hasher.clone().finish() != expected {
            return Ok(None);
        }
        Ok(Some(match self.upload.options.large_file_sha1 {
            LargeFileSha1::Compute => {
                let rest = stored.length..source.len();
                self.upload.feed(&mut hasher, source, rest)?;
                LargeFileSha1::Given(hasher.finish())
            }
            other => other,
        }))
    }
}

/// Whether the new version may be there although making it failed.
fn may_be_made(error: &Error) -> bool {
    matches!(error, Error::LargeFileLeft(left) if left.why == WhyLeft::MayBeFinished)
}
