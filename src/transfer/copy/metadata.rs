//! The content type and the file info of a copy.
//!
//! The service copies both from the source. Some entries of the info may then be wrong for the copy:
//! the id of the customer's key, if the copy is encrypted with another key or with none, and the
//! SHA-1 and the plan of the whole, if only a range is copied. In these cases the info is read
//! first, corrected, and sent with the request.
//!
//! A copy of the whole keeps the plan of a source that was made of stored files: it has the bytes
//! that the plan describes, and leaving it out would take another request. A copy in parts has a
//! plan of its own, or none.

use crate::error::{Error, Result};
use crate::model::encryption::SSE_C_KEY_ID;
use crate::model::file::FileVersion;
use crate::model::file_info::{LARGE_FILE_SHA1, MAX_INFOS};
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::transfer::copy::Copy;
use crate::transfer::new_file::{NewFile, PLAN_ID};

impl<'a> Copy<'a> {
    /// Whether the source has to be described first, because the info that the service copies may
    /// be wrong. That is one request of class B, and needs `readFiles`.
    pub(super) fn depends_on_source(&self) -> bool {
        self.keeps_metadata && (self.range.is_some() || self.source.key != self.file.customer_key())
    }

    /// The file whose type and info are sent in place of the source's, or `None` if the service
    /// copies them unchanged.
    pub(super) fn replacement(&self, source: Option<&FileVersion>) -> Result<Option<NewFile<'a>>> {
        let file = match source {
            _ if !self.keeps_metadata => self.file.clone(),
            None => return Ok(None),
            Some(source) => {
                let kept = self.kept(source)?;
                if kept.info == source.file_info {
                    return Ok(None);
                }
                kept
            }
        };
        file.check_room()?;
        Ok(Some(file))
    }

    /// The file to create in parts. `b2_copy_part` copies neither type nor info, so both are always
    /// sent.
    ///
    /// The SHA-1 of the whole is recorded if it is known and there is room for it. Otherwise the
    /// copy has none, because the service computes only those of the parts.
    pub(super) fn large_file(&self, source: &FileVersion) -> Result<NewFile<'a>> {
        let mut file = if self.keeps_metadata {
            let mut kept = self.kept(source)?;
            // The source's plan would be a wrong statement about the unfinished copy.
            kept.info.remove(PLAN_ID);
            kept
        } else {
            self.file.clone()
        };
        let sha1 = self.large_file_sha1.or_else(|| self.whole_sha1(source));
        if let (Some(sha1), None) = (sha1, file.info.get(LARGE_FILE_SHA1))
            && file.info.len() < MAX_INFOS
        {
            file.info.insert(LARGE_FILE_SHA1, sha1.to_string());
        }
        Ok(file)
    }

    /// The SHA-1 of the whole copy, if it is known. That of the source is not the one of a range.
    pub(super) fn whole_sha1(&self, source: &FileVersion) -> Option<Sha1Digest> {
        source.sha1().filter(|_| self.is_whole(source))
    }

    /// The file with the source's type and info, as far as they are right for the copy.
    ///
    /// Fails with `InvalidInput` if the id of the copy's own key finds no room among the entries of the
    /// source: leaving one of them out is the caller's decision, with metadata of its own.
    fn kept(&self, source: &FileVersion) -> Result<NewFile<'a>> {
        let mut info = source.file_info.clone();
        if !self.is_whole(source) {
            info.remove(LARGE_FILE_SHA1);
            info.remove(PLAN_ID);
        }
        match self.file.customer_key() {
            Some(key) if key.id().is_none() && self.is_under(key) => {}
            key => {
                info.remove(SSE_C_KEY_ID);
                if let Some(id) = key.and_then(SseCustomerKey::id) {
                    info.insert(SSE_C_KEY_ID, id);
                }
            }
        }
        // Other rules for info are not checked: the service accepted these entries before.
        if info.len() > MAX_INFOS {
            let reason = format!(
                "the source's file info leaves no room for {SSE_C_KEY_ID} with the key's id"
            );
            return Err(Error::invalid_input("encryption", reason));
        }
        Ok(self
            .file
            .with_metadata(source.content_type.as_deref(), info))
    }

    /// Whether the source is encrypted with this key, whatever ids the two have.
    fn is_under(&self, key: &SseCustomerKey) -> bool {
        let source = self.source.key;
        source.is_some_and(|source| source.md5() == key.md5())
    }
}
