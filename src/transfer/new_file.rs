//! The file that an upload, a copy or a composition is about to create.
//!
//! Its settings are one value, [`NewFile`]. They are checked once before a byte is sent, put into
//! every request that creates files, and compared with versions that the service has (`compare`).
//! A new setting of the crate gets a field here, and the compiler then names the places that have to
//! check, send and compare it.
//!
//! | a setting | what follows, before anything is sent |
//! | --- | --- |
//! | a name that breaks a rule | `InvalidFileName`, with the rule |
//! | a content type, file info, an encryption or a time that the service would refuse | `InvalidInput` |
//! | retention or legal hold without the capability | `NotAllowed` |
//! | more than ten entries of file info, one of them the time that the crate adds | that time is left out |
//! | name and info that are too long together | `InvalidInput`, with both lengths |
//! | a retention that ends in the past | nothing: the service decides, whose clock counts |

pub(in crate::transfer) mod compare;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::model::auth::{Allowed, Capability};
use crate::model::encryption::Encryption;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, MAX_INFOS, SRC_LAST_MODIFIED_MILLIS};
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::name::check_file_name;
use crate::model::operation::Operation;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::raw::UploadFileRequest;
use crate::raw::encoding::encoded_len;
use crate::session::capabilities::Requirements;
use crate::transfer::source::StoredFile;
use crate::wire::copy::CopyFileRequest;
use crate::wire::large_file::StartLargeFileRequest;

/// The entry of file info that says what a large file made of stored ones consists of. An
/// interrupted composition or copy is found again by it.
pub(in crate::transfer) const PLAN_ID: &str = "plan_id";
/// The content type that makes the service derive the type from the name's extension.
const CONTENT_TYPE_AUTO: &str = "b2/x-auto";
/// The largest size of name and info in headers, in bytes (docs/protocol.md, section 4.3).
const HEADER_LIMIT: usize = 7000;
/// The largest size for a file that is encrypted or locked, as far as its own settings tell. The
/// service applies it to buckets with object lock as well.
const SMALLER_HEADER_LIMIT: usize = 2048;

/// Which SHA-1 of the whole file is recorded for a large file, as `large_file_sha1` in its file
/// info.
///
/// The service itself knows only the SHA-1s of the parts. Downloads of the file are verified
/// against the recorded value; without one, they are reported as
/// [`Verification::NoChecksum`](crate::Verification::NoChecksum).
///
/// ```
/// use b2sdk::{LargeFileSha1, Sha1Digest, UploadOptions};
///
/// // The checksum is known from elsewhere, so the file need not be read twice.
/// let sha1 = Sha1Digest::of(b"the whole content");
/// let options = UploadOptions::new().large_file_sha1(LargeFileSha1::Given(sha1));
/// assert_eq!(options.large_file_sha1, LargeFileSha1::Given(sha1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LargeFileSha1 {
    /// Reads a local file, or bytes, once before the upload, because the value is fixed when the
    /// large file is started. This costs one more pass over the data. Nothing is recorded for
    /// readers, which can be read only once, and for files whose file info has no room left.
    #[default]
    Compute,
    /// Records this value. It is not compared with the content, so a wrong value makes every
    /// download of the file fail its verification.
    Given(Sha1Digest),
    /// Records nothing. Downloads of the file are then not verified as a whole.
    Omit,
}

impl LargeFileSha1 {
    /// The value, if it is known without reading the content.
    pub(in crate::transfer) const fn given(self) -> Option<Sha1Digest> {
        match self {
            Self::Given(sha1) => Some(sha1),
            Self::Compute | Self::Omit => None,
        }
    }
}

/// A file that is about to be created: where, and with which settings.
///
/// It is made by the options of the call and passed through [`checked`](Self::checked) once. After
/// that it is only copied with more info, and every copy checks the number of entries again.
#[derive(Debug, Clone)]
pub(crate) struct NewFile<'a> {
    /// The bucket that it is created in.
    pub(crate) bucket: &'a BucketId,
    /// The full name, folders included.
    pub(crate) name: &'a str,
    /// The MIME type; the service derives it from the name's extension if there is none.
    pub(crate) content_type: Option<Cow<'a, str>>,
    /// The file info: the caller's entries, and those that the crate adds.
    pub(crate) info: FileInfo,
    /// Whether the modification time in the info was added by the crate. It is then left out if
    /// other entries need the room.
    pub(crate) has_own_time: bool,
    /// Whether that time is the one of the local file, and not one that the caller asked for.
    pub(crate) has_file_time: bool,
    /// How it is encrypted; the bucket's default decides if there is none.
    pub(crate) encryption: Option<&'a Encryption>,
    /// How long it is kept; the bucket's default decides if there is none.
    pub(crate) retention: Option<&'a FileRetention>,
    /// Whether it is put on legal hold. Buckets have no default for that.
    pub(crate) legal_hold: Option<&'a LegalHold>,
    /// The upload time that the file gets instead of the present time.
    pub(crate) upload_timestamp: Option<Timestamp>,
}

impl<'a> NewFile<'a> {
    /// Checks everything that can be checked before a byte is sent, and adds the id of a customer's
    /// key to the info.
    ///
    /// Fails with `InvalidFileName`, `InvalidInput` or `NotAllowed`. Whether a retention ends in
    /// the future is left to the service, whose clock counts.
    pub(in crate::transfer) fn checked(
        mut self,
        operation: Operation,
        allowed: &Allowed,
    ) -> Result<Self> {
        let Self {
            bucket,
            name,
            content_type,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = &mut self;
        check_file_name(name).map_err(|rule| Error::InvalidFileName {
            name: (*name).into(),
            rule,
        })?;
        let is_text = |byte| (0x20..0x7f).contains(&byte);
        let is_type = |text: &str| !text.is_empty() && text.bytes().all(is_text);
        if content_type.as_deref().is_some_and(|text| !is_type(text)) {
            let reason = "it is not a MIME type in ASCII";
            return Err(Error::invalid_input("content_type", reason));
        }
        let refused = |reason| Error::invalid_input("encryption", reason);
        if let Some(encryption) = encryption {
            encryption.check_for_file().map_err(refused)?;
        }
        Requirements::from(operation)
            .bucket(bucket)
            .named(name)
            .and_if(retention.is_some(), Capability::WriteFileRetentions)
            .and_if(legal_hold.is_some(), Capability::WriteFileLegalHolds)
            .check(allowed)?;
        if upload_timestamp.is_some_and(|time| time < Timestamp::default()) {
            let reason = "it lies before 1970";
            return Err(Error::invalid_input("upload_timestamp", reason));
        }
        if let Some(encryption) = encryption {
            encryption.record_key_id(info).map_err(refused)?;
        }
        self.make_room(0);
        self.info
            .check()
            .map_err(|reason| Error::invalid_input("file_info", reason))?;
        self.check_room()?;
        Ok(self)
    }

    /// Fails if the name and the info are too long for headers. The limit holds for large files as
    /// well, although these send them as JSON.
    pub(in crate::transfer) fn check_room(&self) -> Result<()> {
        let has_less =
            self.encryption.is_some() || self.retention.is_some() || self.legal_hold.is_some();
        let limit = if has_less {
            SMALLER_HEADER_LIMIT
        } else {
            HEADER_LIMIT
        };
        let entry = |(name, value): (&String, &String)| {
            "X-Bz-Info-".len() + name.len() + encoded_len(value)
        };
        let taken = encoded_len(self.name) + self.info.iter().map(entry).sum::<usize>();
        if taken <= limit {
            return Ok(());
        }
        let reason =
            format!("with the file name it takes {taken} bytes encoded; {limit} are possible");
        Err(Error::invalid_input("file_info", reason))
    }

    /// Adds the modification time of the source to the info, unless the caller has set one, or
    /// there is no room for it.
    pub(in crate::transfer) fn modified(mut self, time: Option<Timestamp>) -> Self {
        if let (Some(time), None) = (time, self.info.get(SRC_LAST_MODIFIED_MILLIS))
            && self.info.len() < MAX_INFOS
        {
            self.info
                .insert(SRC_LAST_MODIFIED_MILLIS, time.to_decimal());
            self.has_own_time = true;
        }
        self
    }

    /// Makes room for more entries of info, by leaving out the time that the crate added. Returns
    /// whether there is room.
    pub(in crate::transfer) fn make_room(&mut self, entries: usize) -> bool {
        if self.info.len() + entries > MAX_INFOS && self.has_own_time {
            self.info.remove(SRC_LAST_MODIFIED_MILLIS);
            self.has_own_time = false;
        }
        self.info.len() + entries <= MAX_INFOS
    }

    /// Whether the SHA-1 of the whole can be recorded.
    pub(in crate::transfer) fn has_room_for_sha1(&self) -> bool {
        self.info.get(LARGE_FILE_SHA1).is_some() || self.clone().make_room(1)
    }

    /// Adds the SHA-1 of the whole to the info, unless the caller recorded one.
    pub(in crate::transfer) fn with_sha1(&self, sha1: Option<Sha1Digest>) -> Result<Self> {
        let mut file = self.clone();
        if let (Some(sha1), None) = (sha1, file.info.get(LARGE_FILE_SHA1)) {
            file.make_room(1);
            file.info.insert(LARGE_FILE_SHA1, sha1.to_string());
        }
        file.info.check().map_err(|reason| {
            Error::invalid_input("file_info", format!("with {LARGE_FILE_SHA1} {reason}"))
        })?;
        Ok(file)
    }

    /// The file with the type and the info of a stored one, which are not checked here.
    pub(in crate::transfer) fn with_metadata(
        &self,
        content_type: Option<&str>,
        info: FileInfo,
    ) -> Self {
        Self {
            content_type: content_type.map(|text| Cow::Owned(text.to_owned())),
            info,
            has_own_time: false,
            has_file_time: false,
            ..self.clone()
        }
    }

    /// The customer's key that the file is encrypted with.
    pub(in crate::transfer) fn customer_key(&self) -> Option<&'a SseCustomerKey> {
        self.encryption.and_then(Encryption::customer_key)
    }

    /// The type to send.
    fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(CONTENT_TYPE_AUTO)
    }

    /// The request `b2_upload_file` for this file.
    pub(in crate::transfer) fn upload_request(&self) -> UploadFileRequest<'_> {
        let Self {
            bucket: _,
            name,
            content_type: _,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = self;
        UploadFileRequest {
            server_side_encryption: *encryption,
            file_retention: *retention,
            legal_hold: *legal_hold,
            custom_upload_timestamp: *upload_timestamp,
            ..UploadFileRequest::new(name, self.content_type(), info)
        }
    }

    /// The request `b2_start_large_file` for this file.
    pub(in crate::transfer) fn start_request(&self) -> StartLargeFileRequest<'_> {
        let Self {
            bucket,
            name,
            content_type: _,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = self;
        StartLargeFileRequest {
            server_side_encryption: encryption.map(Into::into),
            file_retention: *retention,
            legal_hold: *legal_hold,
            custom_upload_timestamp: *upload_timestamp,
            ..StartLargeFileRequest::new(bucket, name, self.content_type(), info)
        }
    }

    /// The request `b2_copy_file` for this file, with the type and the info of the source or with
    /// its own.
    pub(in crate::transfer) fn copy_request<'r>(
        &'r self,
        source: StoredFile<'r>,
        keeps_metadata: bool,
    ) -> CopyFileRequest<'r> {
        let Self {
            bucket,
            name,
            content_type: _,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            // The request has none. A copy that is to have one is made as a large file.
            upload_timestamp: _,
        } = self;
        let mut request = CopyFileRequest {
            destination_bucket_id: Some(bucket),
            file_retention: *retention,
            legal_hold: *legal_hold,
            source_server_side_encryption: source.key.map(Into::into),
            destination_server_side_encryption: encryption.map(Into::into),
            ..CopyFileRequest::new(source.file_id, name)
        };
        if !keeps_metadata {
            request.metadata_directive = "REPLACE";
            request.content_type = Some(self.content_type());
            request.file_info = Some(info);
        }
        request
    }
}
