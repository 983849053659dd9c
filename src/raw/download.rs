//! Downloads (docs/protocol.md, sections 2.26, 2.27 and 8). The headers of the answer are read and
//! checked here; the body is read by the caller.

mod request;
mod response;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::http::{Method, Request, RequestBody, Response};
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::range::ByteRange;
use crate::raw::headers::file_version;
use crate::raw::{Raw, unexpected};

pub use self::request::DownloadParameters;
pub(crate) use self::request::DownloadRequest;
use self::request::Target;
pub use self::response::DownloadResponse;

impl Raw<'_> {
    /// [`b2_download_file_by_id`](crate::guide::protocol#226-b2_download_file_by_id) requests a
    /// version by its id and returns its headers; the content is still to be read. Needs
    /// `readFiles` unless the bucket is public; billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`]; [`Error::EncryptionKey`] for a missing or wrong customer's key;
    /// [`Error::RangeNotSatisfiable`] if the file has none of the bytes; otherwise [those of every
    /// call](Raw#errors).
    pub fn download_file_by_id(
        &self,
        file_id: &FileId,
        parameters: &DownloadParameters<'_>,
    ) -> Result<DownloadResponse> {
        self.download_of(Target::ById(file_id), parameters)
    }

    /// [`b2_download_file_by_name`](crate::guide::protocol#227-b2_download_file_by_name) requests
    /// the latest version of a file and returns its headers; the content is still to be read. Needs
    /// `readFiles` unless the bucket is public; billed in class B.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello, world", "hello.txt")?;
    /// use std::io::Read;
    /// use b2sdk::raw::DownloadParameters;
    /// use b2sdk::{ByteRange, Operation};
    ///
    /// let parameters = DownloadParameters::new().range(ByteRange::from(7..=11));
    /// let mut response = b2_api.call_raw(Operation::DownloadFileByName, |raw| {
    ///     raw.download_file_by_name("example-mybucket-b2-1", "hello.txt", &parameters)
    /// })?;
    /// let mut text = String::new();
    /// response.read_to_string(&mut text)?;
    /// assert_eq!((text.as_str(), response.version.content_length), ("world", 12));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`], also if the latest version is hidden; [`Error::EncryptionKey`] for a
    /// missing or wrong customer's key; [`Error::RangeNotSatisfiable`] if the file has none of the bytes;
    /// otherwise [those of every call](Raw#errors).
    pub fn download_file_by_name(
        &self,
        bucket_name: &str,
        file_name: &str,
        parameters: &DownloadParameters<'_>,
    ) -> Result<DownloadResponse> {
        let target = Target::ByName {
            bucket_name,
            file_name,
        };
        self.download_of(target, parameters)
    }

    /// Requests only the headers of a version
    /// ([`b2_download_file_by_id`](crate::guide::protocol#83-response-headers) with HEAD). A range
    /// in the parameters is ignored.
    ///
    /// An answer to HEAD has no body. If the status of a refusal does not reveal the reason, the
    /// request is sent once more with GET. Needs `readFiles` unless the bucket is public; billed in
    /// class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`]; [`Error::EncryptionKey`] for a missing or wrong customer's key; otherwise
    /// [those of every call](Raw#errors). An expired token and a key that lacks a permission both give
    /// [`Error::Service`] with status 401 and no code.
    pub fn head_file_by_id(
        &self,
        file_id: &FileId,
        parameters: &DownloadParameters<'_>,
    ) -> Result<FileVersion> {
        self.head_of(Target::ById(file_id), parameters)
    }

    /// Requests only the headers of a file's latest version, as
    /// [`head_file_by_id`](Self::head_file_by_id) does by id
    /// ([`b2_download_file_by_name`](crate::guide::protocol#83-response-headers) with HEAD). Needs
    /// `readFiles`; billed in class B.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello, world", "hello.txt")?;
    /// use b2sdk::Operation;
    /// use b2sdk::raw::DownloadParameters;
    ///
    /// let version = b2_api.call_raw(Operation::DownloadFileByName, |raw| {
    ///     raw.head_file_by_name("example-mybucket-b2-1", "hello.txt", &DownloadParameters::new())
    /// })?;
    /// assert_eq!(version.content_length, 12);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`], also if the latest version is hidden; [`Error::EncryptionKey`] for a
    /// missing or wrong customer's key; otherwise [those of every call](Raw#errors). An expired token and
    /// a key that lacks a permission both give [`Error::Service`] with status 401 and no code.
    pub fn head_file_by_name(
        &self,
        bucket_name: &str,
        file_name: &str,
        parameters: &DownloadParameters<'_>,
    ) -> Result<FileVersion> {
        let target = Target::ByName {
            bucket_name,
            file_name,
        };
        self.head_of(target, parameters)
    }

    /// Requests a file, or a range of it.
    pub(crate) fn download(
        &self,
        request: &DownloadRequest,
        range: Option<ByteRange>,
    ) -> Result<DownloadResponse> {
        self.download_of(request.target(), &request.parameters(range))
    }

    /// Requests only the headers of a file.
    pub(crate) fn head(&self, request: &DownloadRequest) -> Result<FileVersion> {
        self.head_of(request.target(), &request.parameters(None))
    }

    /// Requests a file, and checks that status, range and file are those that were asked for.
    fn download_of(
        &self,
        target: Target<'_>,
        parameters: &DownloadParameters<'_>,
    ) -> Result<DownloadResponse> {
        let response = self.get(Method::GET, target, parameters)?;
        let length = response.content_length()?;
        let whole = || (0..length, length);
        let (range, total) = match (response.status, parameters.range) {
            (200, None) => whole(),
            // The service may answer a range that covers the whole file as if there were none.
            (200, Some(asked)) if asked.within(length) == Some(0..length) => whole(),
            (206, Some(asked))
                if response.header("content-range").is_none()
                    && asked.within(length) == Some(0..length) =>
            {
                whole()
            }
            (206, Some(asked)) => content_range(&response, asked, length)?,
            (200, Some(_)) => {
                return Err(unexpected(
                    response.operation,
                    "it carries the whole file instead of the range",
                ));
            }
            (status, _) => {
                return Err(unexpected(
                    response.operation,
                    format!("its status is {status}"),
                ));
            }
        };
        let version = file_version(&response, total, &self.auth.allowed)?;
        target.check(&version)?;
        Ok(DownloadResponse::new(version, range, response.body))
    }

    /// Requests only the headers of a file, and checks that they are about it.
    fn head_of(
        &self,
        target: Target<'_>,
        parameters: &DownloadParameters<'_>,
    ) -> Result<FileVersion> {
        let parameters = DownloadParameters {
            range: None,
            ..*parameters
        };
        let response = match self.get(Method::HEAD, target, &parameters) {
            Ok(response) => response,
            // A refused HEAD has no body, so a wrong key looks like a cap. GET is refused for the
            // same reason, and tells it.
            Err(error) if is_unexplained(&error) => {
                return Ok(self.download_of(target, &parameters)?.version);
            }
            Err(error) => return Err(error),
        };
        let length = response.content_length()?;
        let version = file_version(&response, length, &self.auth.allowed)?;
        target.check(&version)?;
        Ok(version)
    }

    /// Sends a GET or HEAD request for a file.
    fn get(
        &self,
        method: Method,
        target: Target<'_>,
        parameters: &DownloadParameters<'_>,
    ) -> Result<Response> {
        let url = parameters.add_to(target.url(&self.auth.download_url));
        self.http.send(
            Request {
                operation: target.operation(),
                method,
                url: &url,
                realm: &self.realm,
                authorization: self.auth.token.expose(),
                headers: parameters.headers()?,
                body: RequestBody::None,
                subject: target.subject(),
            },
            self.control,
        )
    }
}

/// Whether a refusal has no reason and may be due to a customer's key.
fn is_unexplained(error: &Error) -> bool {
    error.service().is_some_and(|service| {
        matches!(service.status, 400 | 403) && service.code.as_str().is_empty()
    })
}

/// The range that a partial answer contains, and the length of the file. Fails if it is not the
/// requested range.
fn content_range(response: &Response, asked: ByteRange, length: u64) -> Result<(Range<u64>, u64)> {
    let wrong = |what: String| -> Error { unexpected(response.operation, what) };
    let header = response.header("content-range").unwrap_or_default();
    let parse = || {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some((first..last.checked_add(1)?, total.parse::<u64>().ok()?))
    };
    let (range, total) =
        parse().ok_or_else(|| wrong(format!("its Content-Range is {header:?}")))?;
    if asked.within(total) != Some(range.clone()) || range.end - range.start != length {
        return Err(wrong(format!(
            "{asked} was asked for, but it carries {header:?} in {length} bytes"
        )));
    }
    Ok((range, total))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{DownloadParameters, Target, content_range};
    use crate::http::Response;
    use crate::model::id::FileId;
    use crate::model::operation::Operation;
    use crate::model::range::ByteRange;
    use crate::model::response_headers::ResponseHeaders;
    use crate::model::secret::SseCustomerKey;
    use crate::raw::encoding::decode;

    type Fields = BTreeMap<String, String>;

    #[test]
    fn a_download_sends_the_headers_of_the_fixtures() {
        let fixture = |json: &str| -> Fields {
            let fields: Fields = serde_json::from_str(json).unwrap();
            let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
            fields.into_iter().map(lower).collect()
        };
        let sent = |parameters: &DownloadParameters<'_>| -> Fields {
            let headers = parameters.headers().unwrap().to_text();
            headers.into_iter().collect()
        };
        let plain =
            include_str!("../../fixtures/wire/b2_download_file_by_name/request_headers.json");
        assert_eq!(sent(&DownloadParameters::new()), fixture(plain));
        let key = SseCustomerKey::new([0; 32]);
        let parameters = DownloadParameters::new()
            .customer_key(&key)
            .range(ByteRange::from(1..=2));
        let full = include_str!(
            "../../fixtures/wire/b2_download_file_by_name/request_headers_range_sse_c.json"
        );
        assert_eq!(sent(&parameters), fixture(full));
    }

    #[test]
    fn a_download_sends_the_queries_of_the_fixtures() {
        let plain = include_str!("../../fixtures/wire/b2_download_file_by_id/request_query.json");
        let full =
            include_str!("../../fixtures/wire/b2_download_file_by_id/request_query_full.json");
        let headers = ResponseHeaders::new()
            .content_disposition("attachment; filename=\"07.pdf\"")
            .content_language("de")
            .expires("Wed, 21 Oct 2026 07:28:00 GMT")
            .cache_control("max-age=60")
            .content_encoding("gzip")
            .content_type("application/pdf");
        for (parameters, fixture) in [
            (DownloadParameters::new(), plain),
            (DownloadParameters::new().response_headers(&headers), full),
        ] {
            let fixture: Fields = serde_json::from_str(fixture).unwrap();
            let id = FileId::from(fixture["fileId"].as_str());
            let url = parameters.add_to(Target::ById(&id).url("https://f003.backblazeb2.com/"));
            let (path, query) = url.split_once('?').unwrap();
            let start = "https://f003.backblazeb2.com/b2api/v4/b2_download_file_by_id";
            assert_eq!(path, start);
            let fields = query.split('&').map(|field| field.split_once('=').unwrap());
            let fields: Fields = fields
                .map(|(name, value)| (name.to_owned(), decode(value)))
                .collect();
            assert_eq!(fields, fixture);
        }
        let target = Target::ByName {
            bucket_name: "lantern-photos",
            file_name: "2026/März 1.jpg",
        };
        let parameters = DownloadParameters::new();
        assert_eq!(
            parameters.add_to(target.url("https://f003.backblazeb2.com")),
            "https://f003.backblazeb2.com/file/lantern-photos/2026/M%C3%A4rz%201.jpg"
        );
    }

    /// The fixture's answer, in which two bytes of four came.
    fn partial() -> Response {
        let fixture = include_str!(
            "../../fixtures/wire/b2_download_file_by_name/response_headers_range.json"
        );
        let headers: BTreeMap<String, String> = serde_json::from_str(fixture).unwrap();
        let pairs = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        Response::of_headers(Operation::DownloadFileByName, 206, pairs)
    }

    #[test]
    fn a_partial_answer_tells_its_range_and_the_length_of_the_whole() {
        let read = content_range(&partial(), ByteRange::from(1..=2), 2).unwrap();
        assert_eq!(read, (1..3, 4));
    }

    #[test]
    fn a_range_that_was_not_asked_for_is_refused() {
        assert!(content_range(&partial(), ByteRange::from(0..=1), 2).is_err());
    }

    #[test]
    fn a_range_of_another_length_than_the_body_is_refused() {
        assert!(content_range(&partial(), ByteRange::from(1..=2), 4).is_err());
    }
}
