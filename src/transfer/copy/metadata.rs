//! Type and file info of a copy.
//!
//! The service carries both over as they are. Two entries may not be true of the copy then: the id of the
//! key, if the copy is under another one or under none, and the SHA-1 of the whole, if it is a range.

use crate::error::{Error, Result};
use crate::model::encryption::{Encryption, SSE_C_KEY_ID};
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, MAX_INFOS};
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::transfer::copy::Copy;
use crate::transfer::upload::resume::PLAN_ID;
use crate::transfer::upload::{CONTENT_TYPE_AUTO, LargeFileSha1, Upload};

/// Type and info, as a request says them.
pub(super) struct Metadata {
    content_type: String,
    file_info: FileInfo,
}

impl Metadata {
    pub(super) const fn info(&self) -> &FileInfo {
        &self.file_info
    }

    pub(super) fn request<'r>(&'r self, upload: &'r Upload<'_>) -> Result<UploadRequest<'r>> {
        self.request_with(upload, &self.file_info)
    }

    /// The same with other info.
    pub(super) fn request_with<'r>(
        &'r self,
        upload: &'r Upload<'_>,
        file_info: &'r FileInfo,
    ) -> Result<UploadRequest<'r>> {
        upload.request_as(&self.content_type, file_info)
    }
}

impl Copy<'_> {
    /// Whether what the service would carry over may not be true of the copy.
    pub(super) fn depends_on_source(&self) -> bool {
        self.keeps_metadata && (self.range.is_some() || self.source.key != self.key())
    }

    /// The customer's key that the copy is encrypted with.
    fn key(&self) -> Option<&SseCustomerKey> {
        let encryption = self.upload.options.encryption.as_ref();
        encryption.and_then(Encryption::customer_key)
    }

    /// What replaces type and info of the source; nothing if they are carried over as they are.
    pub(super) fn replacement(
        &self,
        source: Option<&FileVersion>,
        given: &FileInfo,
    ) -> Result<Option<Metadata>> {
        if !self.keeps_metadata {
            return Ok(Some(self.given(given)));
        }
        let Some(source) = source else {
            return Ok(None);
        };
        let kept = self.kept(source)?;
        Ok((kept.file_info != source.file_info).then_some(kept))
    }

    /// Type and info of a large copy: `b2_copy_part` carries none over.
    pub(super) fn metadata_of_large(
        &self,
        source: &FileVersion,
        given: &FileInfo,
    ) -> Result<Metadata> {
        let mut metadata = if self.keeps_metadata {
            let mut kept = self.kept(source)?;
            // The source's own would tell of an unfinished copy what is not so.
            kept.file_info.remove(PLAN_ID);
            kept
        } else {
            self.given(given)
        };
        let sha1 = match self.upload.options.large_file_sha1 {
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Compute | LargeFileSha1::Omit => self.whole_sha1(source),
        };
        let info = &mut metadata.file_info;
        if let (Some(sha1), None) = (sha1, info.get(LARGE_FILE_SHA1))
            && info.len() < MAX_INFOS
        {
            info.insert(LARGE_FILE_SHA1, sha1.to_string());
        }
        Ok(metadata)
    }

    /// The SHA-1 that the copy as a whole has, if it is known.
    pub(super) fn whole_sha1(&self, source: &FileVersion) -> Option<Sha1Digest> {
        source.sha1().filter(|_| self.is_whole(source))
    }

    fn given(&self, file_info: &FileInfo) -> Metadata {
        let content_type = self.upload.options.content_type.as_deref();
        Metadata {
            content_type: content_type.unwrap_or(CONTENT_TYPE_AUTO).to_owned(),
            file_info: file_info.clone(),
        }
    }

    /// The source's, as far as they are true of the copy.
    fn kept(&self, source: &FileVersion) -> Result<Metadata> {
        let mut file_info = source.file_info.clone();
        if !self.is_whole(source) {
            file_info.remove(LARGE_FILE_SHA1);
        }
        match self.key() {
            Some(key) if key.id().is_none() && self.is_under(key) => {}
            key => {
                file_info.remove(SSE_C_KEY_ID);
                if let Some(id) = key.and_then(SseCustomerKey::id) {
                    file_info.insert(SSE_C_KEY_ID, id);
                }
            }
        }
        // What else the service has in it is not ours to judge.
        if file_info.len() > MAX_INFOS {
            let reason = format!(
                "the source's file info leaves no room for {SSE_C_KEY_ID} with the key's id"
            );
            return Err(Error::invalid_input("encryption", reason));
        }
        let content_type = source.content_type.as_deref();
        Ok(Metadata {
            content_type: content_type.unwrap_or(CONTENT_TYPE_AUTO).to_owned(),
            file_info,
        })
    }

    /// Whether the source is encrypted with this key, whatever either is called.
    fn is_under(&self, key: &SseCustomerKey) -> bool {
        let source = self.source.key;
        source.is_some_and(|source| source.md5() == key.md5())
    }
}
