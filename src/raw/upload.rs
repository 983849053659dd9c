//! Uploading small files (reference sections 2.6 and 2.7).

use crate::account_info::UploadUrl;
use crate::error::Result;
use crate::error::service::Subject;
use crate::http::body::Sha1AtEnd;
use crate::http::{Method, Request, RequestBody};
use crate::model::encryption::Encryption;
use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::raw::encoding::encode;
use crate::raw::headers::{self, AES256, customer_key};
use crate::raw::{Raw, unexpected};
use crate::wire::upload::{GetUploadUrlRequest, UploadUrlResponse};

/// The headers of one upload.
#[derive(Debug)]
pub(crate) struct UploadRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) file_info: &'a FileInfo,
}

/// How the service is to keep a file, beyond what its bucket says anyway.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileSettings<'a> {
    pub(crate) encryption: Option<&'a Encryption>,
    pub(crate) retention: Option<&'a FileRetention>,
    pub(crate) legal_hold: Option<&'a LegalHold>,
    /// The upload time that the file shall have.
    pub(crate) upload_timestamp: Option<Timestamp>,
}

impl FileSettings<'_> {
    /// Whether the service takes less name and info of such a file (reference section 4.3): it is
    /// encrypted, or in a bucket with object lock.
    pub(crate) const fn leave_less_room(&self) -> bool {
        self.encryption.is_some() || self.retention.is_some() || self.legal_hold.is_some()
    }

    /// What the requests that carry content say.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        match self.encryption {
            Some(Encryption::SseB2) => headers.push((headers::ENCRYPTION, AES256.to_owned())),
            Some(Encryption::SseC(key)) => headers.extend(customer_key(key)),
            Some(Encryption::None) | None => {}
        }
        if let Some(FileRetention { mode, until }) = self.retention {
            headers.push((headers::RETENTION_MODE, mode.to_string()));
            headers.push((headers::RETAIN_UNTIL, until.to_string()));
        }
        if let Some(hold) = self.legal_hold {
            headers.push((headers::LEGAL_HOLD, hold.to_string()));
        }
        if let Some(timestamp) = self.upload_timestamp {
            headers.push((headers::UPLOAD_TIMESTAMP, timestamp.to_string()));
        }
        headers
    }
}

impl UploadRequest<'_> {
    /// The bytes that name and info take in headers, which the service limits to 7000 (reference
    /// section 4.3).
    pub(crate) fn header_bytes(&self) -> usize {
        let info = self
            .file_info
            .iter()
            .map(|(name, value)| "X-Bz-Info-".len() + name.len() + encode(value).len());
        encode(self.file_name).len() + info.sum::<usize>()
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("X-Bz-File-Name".to_owned(), encode(self.file_name)),
            ("Content-Type".to_owned(), self.content_type.to_owned()),
            (
                "X-Bz-Content-Sha1".to_owned(),
                "hex_digits_at_end".to_owned(),
            ),
        ];
        headers.extend(
            self.file_info
                .iter()
                .map(|(name, value)| (format!("X-Bz-Info-{name}"), encode(value))),
        );
        headers
    }
}

impl Raw<'_> {
    pub(crate) fn get_upload_url(&self, bucket_id: &BucketId) -> Result<UploadUrlResponse> {
        self.call(
            Operation::GetUploadUrl,
            Subject::Bucket(bucket_id.as_str()),
            &GetUploadUrlRequest { bucket_id },
        )
    }

    /// Sends the content and its SHA-1; the answer must agree with it.
    pub(crate) fn upload_file(
        &self,
        url: &UploadUrl,
        request: &UploadRequest<'_>,
        settings: &FileSettings<'_>,
        body: &mut Sha1AtEnd<'_>,
    ) -> Result<FileVersion> {
        let headers = request.headers();
        let length = body.length();
        let response = self.http.send(
            Request {
                operation: Operation::UploadFile,
                method: Method::POST,
                url: &url.url,
                realm: &self.realm,
                authorization: url.token.expose(),
                headers: headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .chain(settings.headers())
                    .collect(),
                body: RequestBody::Reader(body, length + Sha1AtEnd::TRAILER),
                subject: Subject::File(request.file_name),
            },
            self.control,
        )?;
        let version: FileVersion = super::read_json(response)?;
        if version.content_sha1.digest() != body.digest() || version.content_length != length {
            return Err(unexpected(
                Operation::UploadFile,
                "the service stored other bytes than were sent",
            ));
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{FileSettings, UploadRequest};
    use crate::model::encryption::Encryption;
    use crate::model::file_info::FileInfo;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::secret::SseCustomerKey;
    use crate::model::time::Timestamp;

    #[test]
    fn an_upload_sends_the_headers_of_the_fixture() {
        let fixture = include_str!("../../fixtures/wire/b2_upload_file/request_headers.json");
        let fixture: BTreeMap<String, String> = serde_json::from_str(fixture).unwrap();
        let info = FileInfo::new()
            .with("author", "Zoë + Ada")
            .with("src_last_modified_millis", "1793692800456")
            .content_disposition("inline; filename=\"cat.jpg\"");
        let request = UploadRequest {
            file_name: "2026/März/Kätzchen 1.jpg",
            content_type: "image/jpeg",
            file_info: &info,
        };
        let sent = request.headers();
        assert_eq!(sent.len(), fixture.len());
        assert_eq!(sent.into_iter().collect::<BTreeMap<_, _>>(), fixture);
    }

    #[test]
    fn the_settings_of_a_file_travel_in_the_headers_of_the_fixtures() {
        let fixture =
            |json: &str| -> BTreeMap<String, String> { serde_json::from_str(json).unwrap() };
        let sent = |settings: &FileSettings<'_>| -> BTreeMap<String, String> {
            let headers = settings.headers().into_iter();
            headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        let key = Encryption::SseC(SseCustomerKey::new([0; 32]));
        let retention = FileRetention::governance(Timestamp::from_millis(1_796_371_200_000));
        let settings = FileSettings {
            encryption: Some(&key),
            retention: Some(&retention),
            legal_hold: Some(&LegalHold::On),
            upload_timestamp: Some(Timestamp::from_millis(1_793_692_800_456)),
        };
        let locked =
            include_str!("../../fixtures/wire/b2_upload_file/request_headers_sse_c_locked.json");
        assert_eq!(sent(&settings), fixture(locked));
        let settings = FileSettings {
            encryption: Some(&Encryption::SseB2),
            ..FileSettings::default()
        };
        let b2 = include_str!("../../fixtures/wire/b2_upload_file/request_headers_sse_b2.json");
        assert_eq!(sent(&settings), fixture(b2));
        assert_eq!(sent(&FileSettings::default()), BTreeMap::new());
    }
}
