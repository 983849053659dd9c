//! The file that an upload, a copy or a composition is about to create.
//!
//! Its settings are one value, [`NewFile`]. They are checked once before a byte is sent, put into
//! every request that creates files, and compared with versions that the service has, after a lost
//! answer and when resuming. A new setting of the crate gets a field here, and the compiler then
//! names the places in this file that have to check, send and compare it.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::model::auth::{Allowed, Capability};
use crate::model::encryption::{Encryption, EncryptionInfo, EncryptionMode, SSE_C_KEY_ID};
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, MAX_INFOS, SRC_LAST_MODIFIED_MILLIS};
use crate::model::filtered::Filtered;
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
/// A second in milliseconds. The service may cut times to whole seconds (docs/protocol.md, section
/// 2.28).
const SECOND: i64 = 1000;
/// A day in milliseconds.
const DAY: i64 = 24 * 3600 * SECOND;

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
    pub(crate) bucket: &'a BucketId,
    pub(crate) name: &'a str,
    /// The MIME type; the service derives it from the name's extension if there is none.
    pub(crate) content_type: Option<Cow<'a, str>>,
    pub(crate) info: FileInfo,
    /// Whether the modification time in the info was added by the crate. It is then left out if
    /// other entries need the room.
    pub(crate) has_own_time: bool,
    /// Whether that time is the one of the local file, and not one that the caller asked for.
    pub(crate) has_file_time: bool,
    pub(crate) encryption: Option<&'a Encryption>,
    pub(crate) retention: Option<&'a FileRetention>,
    pub(crate) legal_hold: Option<&'a LegalHold>,
    /// The upload time that the file gets instead of the present time.
    pub(crate) upload_timestamp: Option<Timestamp>,
}

/// The result of comparing a version of the service with the file that was to be created. The
/// variants are ordered: the worst of several results counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transfer) enum Comparison {
    /// Nothing differs.
    Equal,
    /// Nothing differs as far as this key may see, but it may not see everything.
    Undecided,
    /// This differs.
    Different(&'static str),
}

impl Comparison {
    /// `Equal`, or `Different` for this reason.
    const fn of(is_equal: bool, difference: &'static str) -> Self {
        if is_equal {
            Self::Equal
        } else {
            Self::Different(difference)
        }
    }
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

    /// Whether a version has the settings that this file would have. What the crate itself records
    /// is not compared; the content is compared elsewhere.
    pub(in crate::transfer) fn is_kept_as(&self, version: &FileVersion) -> bool {
        let (mut wanted, mut found) = (self.clone(), version.clone());
        let mut own = vec![LARGE_FILE_SHA1, PLAN_ID];
        own.extend(self.has_own_time.then_some(SRC_LAST_MODIFIED_MILLIS));
        for name in own {
            wanted.info.remove(name);
            found.file_info.remove(name);
        }
        wanted.compare(&found) == Comparison::Equal
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

    /// Compares the info that the service says it stored with what was sent, because a proxy may
    /// drop headers whose names it does not accept.
    ///
    /// A lost entry is logged as a warning. The lost id of a customer's key is an error, because
    /// without it the key to the file may not be found again.
    pub(in crate::transfer) fn check_info(
        &self,
        operation: Operation,
        version: &FileVersion,
    ) -> Result<()> {
        let is_lost =
            |(name, value): &(&String, &String)| version.file_info.get(name) != Some(value);
        let lost: Vec<_> = self
            .info
            .iter()
            .filter(is_lost)
            .map(|(name, _)| name)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let (file_name, file_id) = (self.name, &version.file_id);
        tracing::warn!(file_name, %file_id, ?lost, "the service did not store all of the file info");
        if lost.iter().all(|name| *name != SSE_C_KEY_ID) {
            return Ok(());
        }
        let reason = format!(
            "the file is stored as {file_id}, but without the {SSE_C_KEY_ID} that was sent: something in between \
             may drop headers"
        );
        Err(Error::UnexpectedReply {
            operation,
            source: reason.into(),
        })
    }

    /// Compares a version, finished or not, with this file.
    pub(in crate::transfer) fn compare(&self, version: &FileVersion) -> Comparison {
        let Self {
            bucket: _,
            name,
            content_type,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = self;
        // The service replaces the automatic type at once, so that it never compares equal.
        let wanted_type = content_type
            .as_deref()
            .filter(|text| *text != CONTENT_TYPE_AUTO);
        let has_type = wanted_type.is_none_or(|text| version.content_type.as_deref() == Some(text));
        let has_time = upload_timestamp.is_none_or(|time| version.upload_timestamp == time);
        let comparisons = [
            Comparison::of(version.file_name == *name, "its name is another one"),
            Comparison::of(has_type, "its content type is another one"),
            compare_info(&version.file_info, info),
            compare_encryption(&version.server_side_encryption, *encryption),
            compare_retention(version, *retention),
            compare_legal_hold(&version.legal_hold, *legal_hold),
            Comparison::of(has_time, "its upload time is another one"),
        ];
        let worst = comparisons.into_iter().max();
        worst.unwrap_or(Comparison::Equal)
    }
}

/// Compares infos. Entries that are missing may have been dropped by a proxy, which is undecided.
fn compare_info(actual: &FileInfo, wanted: &FileInfo) -> Comparison {
    if actual == wanted {
        return Comparison::Equal;
    }
    let is_wanted = |(name, value): (&String, &String)| wanted.get(name) == Some(value);
    if actual.iter().all(is_wanted) {
        return Comparison::Undecided;
    }
    Comparison::Different("its file info is another one")
}

/// Compares encryptions. If none was asked for, any default of the bucket is right, but not a key
/// that only a caller has.
fn compare_encryption(
    actual: &Filtered<EncryptionInfo>,
    wanted: Option<&Encryption>,
) -> Comparison {
    let is_equal = match (actual, wanted) {
        (Filtered::NotAuthorized, Some(_)) => return Comparison::Undecided,
        (Filtered::Readable(actual), Some(Encryption::SseC(key)))
            if actual.mode == EncryptionMode::SseC
                && actual.customer_key_md5.is_none()
                && key.id().is_none() =>
        {
            return Comparison::Undecided;
        }
        (Filtered::Readable(actual), Some(wanted)) => actual.is(wanted),
        (Filtered::Unset, Some(_)) => false,
        (Filtered::Readable(actual), None) => actual.mode != EncryptionMode::SseC,
        (Filtered::Unset | Filtered::NotAuthorized, None) => true,
    };
    Comparison::of(is_equal, "its encryption is another one, or by another key")
}

/// Compares retentions. If none was asked for, the default of the bucket may have set one, which is
/// a period of whole days from the upload.
fn compare_retention(version: &FileVersion, wanted: Option<&FileRetention>) -> Comparison {
    let seconds = |time: Timestamp| time.as_millis().div_euclid(SECOND);
    let is_equal = match (&version.file_retention, wanted) {
        (Filtered::NotAuthorized, Some(_)) => return Comparison::Undecided,
        (Filtered::Readable(actual), Some(wanted)) => {
            actual.mode == wanted.mode && seconds(actual.until) == seconds(wanted.until)
        }
        (Filtered::Unset, Some(_)) => false,
        (Filtered::Readable(actual), None) => {
            let uploaded = version.upload_timestamp.as_millis();
            let period = actual.until.as_millis().saturating_sub(uploaded);
            let beyond = period.rem_euclid(DAY);
            period >= DAY - SECOND && (beyond <= SECOND || beyond >= DAY - SECOND)
        }
        (Filtered::Unset | Filtered::NotAuthorized, None) => true,
    };
    Comparison::of(is_equal, "its retention is another one")
}

/// Compares legal holds. Buckets have no default for them.
fn compare_legal_hold(actual: &Filtered<LegalHold>, wanted: Option<&LegalHold>) -> Comparison {
    let is_on = |hold: &LegalHold| *hold != LegalHold::Off;
    let is_wanted = wanted.is_some_and(is_on);
    let is_equal = match actual {
        Filtered::NotAuthorized if is_wanted => return Comparison::Undecided,
        // No bucket puts its files on hold.
        Filtered::NotAuthorized => true,
        actual => actual.readable().is_some_and(is_on) == is_wanted,
    };
    Comparison::of(is_equal, "its legal hold is another one")
}

#[cfg(test)]
mod tests {
    use super::{Comparison, NewFile};
    use crate::model::encryption::Encryption;
    use crate::model::file::FileVersion;
    use crate::model::file_info::FileInfo;
    use crate::model::id::BucketId;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::secret::SseCustomerKey;
    use crate::model::time::Timestamp;

    /// A version as the service tells it, uploaded at 500 ms.
    fn version(members: &str) -> FileVersion {
        let json = format!(
            r#"{{"action":"start","fileId":"i","fileName":"x","uploadTimestamp":500{members}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    /// A file that is kept as its bucket says.
    fn plain(bucket: &BucketId) -> NewFile<'_> {
        NewFile {
            bucket,
            name: "x",
            content_type: None,
            info: FileInfo::new(),
            has_own_time: false,
            has_file_time: false,
            encryption: None,
            retention: None,
            legal_hold: None,
            upload_timestamp: None,
        }
    }

    fn fits(members: &str, file: &NewFile<'_>) -> bool {
        file.compare(&version(members)) == Comparison::Equal
    }

    const B2: &str = r#","serverSideEncryption":{"mode":"SSE-B2","algorithm":"AES256"}"#;

    fn customers(md5: &str) -> String {
        format!(
            r#","serverSideEncryption":{{"mode":"SSE-C","algorithm":"AES256","customerKeyMd5":"{md5}"}}"#
        )
    }

    #[test]
    fn encryption_must_be_the_one_that_was_asked_for() {
        let bucket = BucketId::from("b");
        let key = SseCustomerKey::new([1; 32]);
        let (ours, others) = (customers(key.md5()), customers("AAAA"));
        let of = |encryption| NewFile {
            encryption,
            ..plain(&bucket)
        };
        assert!(fits(B2, &of(None)) && fits("", &of(None)) && !fits(&ours, &of(None)));
        let b2 = of(Some(&Encryption::SseB2));
        assert!(fits(B2, &b2) && !fits("", &b2) && !fits(&ours, &b2));
        let encryption = Encryption::SseC(key);
        let customers = of(Some(&encryption));
        assert!(fits(&ours, &customers) && !fits(&others, &customers) && !fits(B2, &customers));
        let untold = r#","serverSideEncryption":{"mode":"SSE-C","algorithm":"AES256"}"#;
        assert!(!fits(untold, &customers), "whose key it is was not told");
    }

    #[test]
    fn retention_must_be_the_one_that_was_asked_for() {
        let bucket = BucketId::from("b");
        let told = |value: &str| format!(r#","fileRetention":{value}"#);
        let until = |mode: &str, millis: i64| {
            told(&format!(
                r#"{{"isClientAuthorizedToRead":true,"value":{{"mode":"{mode}","retainUntilTimestamp":{millis}}}}}"#
            ))
        };
        let hidden = told(r#"{"isClientAuthorizedToRead":false,"value":null}"#);
        let wanted = FileRetention::governance(Timestamp::from_millis(9_999_999_999));
        let asked = NewFile {
            retention: Some(&wanted),
            ..plain(&bucket)
        };
        assert!(fits(&until("governance", 9_999_999_999), &asked));
        assert!(
            fits(&until("governance", 9_999_999_000), &asked),
            "cut to seconds"
        );
        assert!(!fits(&until("compliance", 9_999_999_999), &asked));
        assert!(!fits(&until("governance", 9_999_998_999), &asked));
        assert!(!fits("", &asked) && !fits(&hidden, &asked));
        let nothing = plain(&bucket);
        assert!(fits("", &nothing) && fits(&hidden, &nothing));
        let week = 500 + 7 * 24 * 3600 * 1000;
        assert!(
            fits(&until("governance", week), &nothing),
            "the bucket's default"
        );
        assert!(!fits(&until("governance", week + 60_000), &nothing));
        assert!(!fits(&until("governance", 500), &nothing));
    }

    #[test]
    fn legal_hold_must_be_the_one_that_was_asked_for() {
        let bucket = BucketId::from("b");
        let told = |may: bool, hold: &str| {
            format!(r#","legalHold":{{"isClientAuthorizedToRead":{may},"value":{hold}}}"#)
        };
        let (on, off) = (told(true, r#""on""#), told(true, r#""off""#));
        let hidden = told(false, "null");
        let of = |legal_hold| NewFile {
            legal_hold,
            ..plain(&bucket)
        };
        let (held, free, nothing) = (
            of(Some(&LegalHold::On)),
            of(Some(&LegalHold::Off)),
            of(None),
        );
        assert!(
            fits(&on, &held) && !fits(&off, &held) && !fits("", &held) && !fits(&hidden, &held)
        );
        for settings in [free, nothing] {
            assert!(fits("", &settings) && fits(&off, &settings) && fits(&hidden, &settings));
            assert!(!fits(&on, &settings));
        }
    }

    #[test]
    fn an_upload_time_must_be_the_one_that_was_asked_for() {
        let bucket = BucketId::from("b");
        let at = |millis| NewFile {
            upload_timestamp: Some(Timestamp::from_millis(millis)),
            ..plain(&bucket)
        };
        assert!(fits("", &at(500)) && !fits("", &at(501)));
    }

    #[test]
    fn what_the_key_may_not_see_is_undecided_and_not_different() {
        let bucket = BucketId::from("b");
        let until = FileRetention::governance(Timestamp::from_millis(9_999_999_999));
        let file = NewFile {
            encryption: Some(&Encryption::SseB2),
            retention: Some(&until),
            legal_hold: Some(&LegalHold::On),
            ..plain(&bucket)
        };
        let hidden = r#"{"isClientAuthorizedToRead":false,"value":null}"#;
        let members =
            format!(r#"{B2},"fileRetention":{hidden},"legalHold":{hidden},"fileInfo":{{}}"#);
        let compare = |members: &str| file.compare(&version(members));
        assert_eq!(compare(&members), Comparison::Undecided);
        let other = members.replace("{}", r#"{"a":"b"}"#);
        assert!(matches!(compare(&other), Comparison::Different(_)));
    }
}
