//! Uploads of whole files in one request (docs/protocol.md, sections 2.6 and 2.7).

mod body;

use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::headers::Headers;
use crate::http::{HeaderName, Method, Request, header};
use crate::model::encryption::Encryption;
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, SRC_LAST_MODIFIED_MILLIS};
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::secret::UploadToken;
use crate::model::time::Timestamp;
use crate::raw::customer_key::{AES256, add_customer_key};
use crate::raw::encoding::encode;
use crate::raw::headers::{
    CONTENT_SHA1, ENCRYPTION, LEGAL_HOLD, RETAIN_UNTIL, RETENTION_MODE, UPLOAD_TIMESTAMP,
};
use crate::raw::{Raw, agreement};
use crate::setters::setters;
use crate::wire::upload::{GetUploadUrlRequest, UploadUrlResponse};

pub use self::body::UploadBody;

const FILE_NAME: HeaderName = HeaderName::from_static("x-bz-file-name");
/// The header of the file info that nearly every upload has.
const SRC_LAST_MODIFIED: HeaderName = HeaderName::from_static("x-bz-info-src_last_modified_millis");

/// The headers of [`b2_upload_file`](crate::guide::protocol#27-b2_upload_file).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UploadFileRequest<'a> {
    /// The name of the file.
    pub file_name: &'a str,
    /// The MIME type, printable ASCII; `b2/x-auto` lets the service choose by the name.
    pub content_type: &'a str,
    /// Names and values to store with the file.
    pub file_info: &'a FileInfo,
    /// The encryption of the file; by default that of its bucket.
    pub server_side_encryption: Option<&'a Encryption>,
    /// The retention of the file.
    pub file_retention: Option<&'a FileRetention>,
    /// The legal hold of the file.
    pub legal_hold: Option<&'a LegalHold>,
    /// The upload time to record, in place of the service's own. The service accepts it only for
    /// accounts that Backblaze has enabled this for.
    pub custom_upload_timestamp: Option<Timestamp>,
}

impl<'a> UploadFileRequest<'a> {
    /// Creates the headers of a file with the settings of its bucket.
    #[must_use]
    pub const fn new(file_name: &'a str, content_type: &'a str, file_info: &'a FileInfo) -> Self {
        Self {
            file_name,
            content_type,
            file_info,
            server_side_encryption: None,
            file_retention: None,
            legal_hold: None,
            custom_upload_timestamp: None,
        }
    }

    /// The headers of the request. Fails with `InvalidInput` if HTTP cannot carry one of them.
    fn headers(&self, body: &UploadBody<'_>) -> Result<Headers> {
        let Self {
            file_name,
            content_type,
            file_info,
            server_side_encryption,
            file_retention,
            legal_hold,
            custom_upload_timestamp,
        } = *self;
        let mut headers = Headers::new();
        headers.add(FILE_NAME, encode(file_name))?;
        headers.add(header::CONTENT_TYPE, content_type)?;
        headers.add(CONTENT_SHA1, body.promise())?;
        for (name, value) in file_info {
            match name.as_str() {
                SRC_LAST_MODIFIED_MILLIS => headers.add(SRC_LAST_MODIFIED, encode(value))?,
                name => headers.add_named(&format!("x-bz-info-{name}"), encode(value))?,
            }
        }
        match server_side_encryption {
            Some(Encryption::SseB2) => headers.add(ENCRYPTION, AES256)?,
            Some(Encryption::SseC(key)) => add_customer_key(&mut headers, key)?,
            Some(Encryption::None) | None => {}
        }
        if let Some(FileRetention { mode, until }) = file_retention {
            headers.add(RETENTION_MODE, mode.as_str())?;
            headers.add(RETAIN_UNTIL, until.to_decimal())?;
        }
        if let Some(hold) = legal_hold {
            headers.add(LEGAL_HOLD, hold.as_str())?;
        }
        if let Some(timestamp) = custom_upload_timestamp {
            headers.add(UPLOAD_TIMESTAMP, timestamp.to_decimal())?;
        }
        Ok(headers)
    }
}

setters! {
    UploadFileRequest<'a> {
        server_side_encryption: &'a Encryption,
        file_retention: &'a FileRetention,
        legal_hold: &'a LegalHold,
        custom_upload_timestamp: Timestamp,
    }
}

impl Raw<'_> {
    /// [`b2_get_upload_url`](crate::guide::protocol#26-b2_get_upload_url) returns a URL for uploads to
    /// this bucket. It takes one upload at a time. Needs `writeFiles`; billed in class A.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; otherwise [those of every call](Raw#errors).
    pub fn get_upload_url(&self, bucket_id: &BucketId) -> Result<UploadUrlResponse> {
        self.call(
            Operation::GetUploadUrl,
            Subject::Bucket(bucket_id.as_str()),
            &GetUploadUrlRequest { bucket_id },
        )
    }

    /// [`b2_upload_file`](crate::guide::protocol#27-b2_upload_file) uploads `body`, of at most 5
    /// GB, to the URL that [`get_upload_url`](Self::get_upload_url) returned, with the token of
    /// that URL. The answer is checked against what was sent. The URL's token comes from a key with
    /// `writeFiles`; object lock also needs `writeFileRetentions` or `writeFileLegalHolds`. Billed
    /// in class A.
    ///
    /// After a success, the URL can be used for the next upload, until it is 24 hours old. After
    /// [`Error::Busy`] with status 429 it can be used again later. After any other error it must
    /// not be used again, whether its token has expired (401), the storage server is full or
    /// failing (503), or the connection broke. Request another URL instead; that also shows whether
    /// the account's own token has expired.
    ///
    /// `body` serves one attempt and is used up by it. For another attempt, create another one from
    /// the beginning of the content.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::{UploadBody, UploadFileRequest};
    /// use b2sdk::{FileInfo, Operation};
    ///
    /// let bucket_id = bucket.id();
    /// let target = b2_api.call_raw(Operation::GetUploadUrl, |raw| raw.get_upload_url(&bucket_id))?;
    /// let info = FileInfo::new();
    /// let request = UploadFileRequest::new("hello.txt", "text/plain", &info);
    /// let version = b2_api.call_raw(Operation::UploadFile, |raw| {
    ///     let mut content = &b"hello"[..];
    ///     let mut body = UploadBody::new(&mut content, 5);
    ///     raw.upload_file(&target.upload_url, &target.authorization_token, &request, &mut body)
    /// })?;
    /// assert_eq!(version.content_length, 5);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a content type that cannot be sent in a header;
    /// [`Error::Stream`] if the content cannot be read or ends early, with nothing stored;
    /// otherwise [those of every call](Raw#errors).
    ///
    /// # Consequences
    /// After an error whose answer was lost ([`Error::is_answer_lost`]), the file may exist.
    /// Sending it again may create another version, and each version is billed;
    /// [`list_file_versions`](Self::list_file_versions) shows what exists.
    pub fn upload_file(
        &self,
        upload_url: &str,
        token: &UploadToken,
        request: &UploadFileRequest<'_>,
        body: &mut UploadBody<'_>,
    ) -> Result<FileVersion> {
        let operation = Operation::UploadFile;
        let is_text = |byte| matches!(byte, b' '..=b'~');
        if !request.content_type.bytes().all(is_text) {
            let reason = "it is not printable ASCII";
            return Err(Error::invalid_input("content_type", reason));
        }
        let response = self.http.send(
            Request {
                operation,
                method: Method::POST,
                url: upload_url,
                realm: &self.realm,
                authorization: token.expose(),
                headers: request.headers(body)?,
                body: body.request_body(),
                subject: Subject::File(request.file_name),
            },
            self.control,
        )?;
        let version: FileVersion = super::read_json(response)?;
        agreement::same(operation, &request.file_name, &version.file_name.as_str())?;
        body.check(operation, &version.content_sha1, version.content_length)?;
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use super::{UploadBody, UploadFileRequest};
    use crate::model::encryption::Encryption;
    use crate::model::file_info::FileInfo;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::secret::SseCustomerKey;
    use crate::model::time::Timestamp;

    type Headers = BTreeMap<String, String>;

    fn sent(request: &UploadFileRequest<'_>) -> Headers {
        let sent = request.headers(&UploadBody::new(&mut io::empty(), 0));
        let sent = sent.unwrap().to_text();
        let headers: Headers = sent.iter().cloned().collect();
        assert_eq!(headers.len(), sent.len(), "none twice");
        headers
    }

    /// The headers of a fixture. Case does not count in their names.
    fn fixture_of(json: &str) -> Headers {
        let headers: Headers = serde_json::from_str(json).unwrap();
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        headers.into_iter().map(lower).collect()
    }

    #[test]
    fn an_upload_sends_the_headers_of_the_fixture() {
        let fixture = include_str!("../../fixtures/wire/b2_upload_file/request_headers.json");
        let fixture = fixture_of(fixture);
        let info = FileInfo::new()
            .with("author", "Zoë + Ada")
            .with("src_last_modified_millis", "1793692800456")
            .content_disposition("inline; filename=\"cat.jpg\"");
        let request = UploadFileRequest::new("2026/März/Kätzchen 1.jpg", "image/jpeg", &info);
        assert_eq!(sent(&request), fixture);
    }

    #[test]
    fn the_settings_of_a_file_travel_in_the_headers_of_the_fixtures() {
        let info = FileInfo::new();
        let file = UploadFileRequest::new("x", "b2/x-auto", &info);
        let plain = sent(&file);
        // What comes to them for these settings.
        let added = |request: &UploadFileRequest<'_>| -> Headers {
            let mut headers = sent(request);
            headers.retain(|name, _| !plain.contains_key(name));
            headers
        };
        let key = Encryption::SseC(SseCustomerKey::new([0; 32]));
        let retention = FileRetention::governance(Timestamp::from_millis(1_796_371_200_000));
        let locked = file
            .server_side_encryption(&key)
            .file_retention(&retention)
            .legal_hold(&LegalHold::On)
            .custom_upload_timestamp(Timestamp::from_millis(1_793_692_800_456));
        let headers =
            include_str!("../../fixtures/wire/b2_upload_file/request_headers_sse_c_locked.json");
        assert_eq!(added(&locked), fixture_of(headers));
        let b2 = file.server_side_encryption(&Encryption::SseB2);
        let headers =
            include_str!("../../fixtures/wire/b2_upload_file/request_headers_sse_b2.json");
        assert_eq!(added(&b2), fixture_of(headers));
        assert_eq!(plain.len(), 3);
    }
}
