//! New versions of files that only grow.
//!
//! 1. HEAD by name: the latest version's length and SHA-1.
//! 2. The local file is read: are its first bytes that version?
//! 3. If so, the new version is composed: those bytes are copied, what follows is uploaded. If not, or
//!    where that is not possible, the file is uploaded as a whole.

use crate::error::{Error, Result};
use crate::model::operation::Operation;
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
        if !self.can_be_composed() {
            return self.upload.send(source);
        }
        let Some(stored) = self.latest(bucket_name)? else {
            return self.upload.send(source);
        };
        let Some(sha1) = self.grown_from(source, &stored)? else {
            return self.upload.send(source);
        };
        let options = UploadOptions {
            large_file_sha1: sha1,
            resume: Resume::Never,
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
        let info = compose.upload.check(source.modified())?;
        let parts = plan(&pieces, compose.limits()?, compose.overlap)?;
        compose.make(parts.into_iter().map(Ok), &info, Some(source.len()))
    }

    /// Copies take no key and no lock of their own: a file that asks for either is uploaded, so that it
    /// is never kept otherwise than asked for.
    const fn can_be_composed(&self) -> bool {
        let options = self.upload.options;
        options.encryption.is_none()
            && options.retention.is_none()
            && options.legal_hold.is_none()
            && options.upload_timestamp.is_none()
    }

    /// The latest version under the name; none if there is none that can be seen.
    fn latest(&self, bucket_name: &str) -> Result<Option<Remote>> {
        let Upload {
            file_name, control, ..
        } = self.upload;
        let request = DownloadRequest::by_name(bucket_name.to_owned(), file_name.to_owned());
        let outcome = self
            .session
            .call(Operation::DownloadFileByName, control, |raw| {
                raw.head(&request)
            });
        match outcome {
            Ok(version) => Ok(Some(Remote {
                length: version.content_length,
                sha1: version.sha1(),
                file_id: version.file_id,
            })),
            // One under somebody's own key cannot be seen, and could not be copied.
            Err(Error::NotAllowed(_) | Error::EncryptionKey { .. }) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What to record of the whole, if a file begins with what is stored and a copy of that is possible.
    fn grown_from(&self, source: &FileSource, stored: &Remote) -> Result<Option<LargeFileSha1>> {
        let Some(expected) = stored.sha1 else {
            return Ok(None);
        };
        if !self.limits()?.can_be_copied(stored.length) || source.len() < stored.length {
            return Ok(None);
        }
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
