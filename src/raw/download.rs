//! Downloading (reference sections 2.26, 2.27 and 8). The headers are read here, the body by
//! whoever asked.

use std::ops::Range;

use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::body::ResponseBody;
use crate::http::{Method, Request, RequestBody, Response};
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::raw::Raw;
use crate::raw::encoding::encode;
use crate::raw::headers::{customer_key, file_version};
use crate::raw::unexpected;

/// What to download, and the customer's key that it is encrypted with.
#[derive(Debug, Clone)]
pub(crate) struct DownloadRequest {
    target: Target,
    key: Option<SseCustomerKey>,
}

#[derive(Debug, Clone)]
enum Target {
    ByName {
        bucket_name: String,
        file_name: String,
    },
    ById(FileId),
}

/// A download whose headers were read.
#[derive(Debug)]
pub(crate) struct DownloadResponse {
    pub(crate) version: FileVersion,
    /// The bytes of the file that the body carries.
    pub(crate) range: Range<u64>,
    pub(crate) body: ResponseBody,
}

impl DownloadRequest {
    /// The latest version of that name.
    pub(crate) const fn by_name(bucket_name: String, file_name: String) -> Self {
        Self {
            target: Target::ByName {
                bucket_name,
                file_name,
            },
            key: None,
        }
    }

    /// A version.
    pub(crate) const fn by_id(file_id: FileId) -> Self {
        Self {
            target: Target::ById(file_id),
            key: None,
        }
    }

    /// The same with this key.
    pub(crate) fn with_key(self, key: Option<&SseCustomerKey>) -> Self {
        Self {
            key: key.cloned(),
            ..self
        }
    }

    /// The version that was found, with the same key: a newer one cannot slip in.
    pub(crate) fn pinned_to(&self, file_id: &FileId) -> Self {
        Self::by_id(file_id.clone()).with_key(self.key.as_ref())
    }

    pub(crate) const fn operation(&self) -> Operation {
        match self.target {
            Target::ByName { .. } => Operation::DownloadFileByName,
            Target::ById(_) => Operation::DownloadFileById,
        }
    }

    /// The name that is asked for, if it is one.
    pub(crate) fn file_name(&self) -> Option<&str> {
        match &self.target {
            Target::ByName { file_name, .. } => Some(file_name),
            Target::ById(_) => None,
        }
    }
}

impl Raw<'_> {
    /// The headers of a file and the beginning of its content, or of a range of it.
    pub(crate) fn download(
        &self,
        request: &DownloadRequest,
        range: Option<ByteRange>,
    ) -> Result<DownloadResponse> {
        let response = self.get(Method::GET, request, range)?;
        let length = response.content_length()?;
        let whole = || (0..length, length);
        let (range, total) = match (response.status, range) {
            (200, None) => whole(),
            // The service may answer a range that covers everything as if none was asked for.
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
        Ok(DownloadResponse {
            version,
            range,
            body: response.body,
        })
    }

    /// The headers alone.
    pub(crate) fn head(&self, request: &DownloadRequest) -> Result<FileVersion> {
        let response = match self.get(Method::HEAD, request, None) {
            Ok(response) => response,
            // A refused HEAD has no body, so that a wrong key looks like a cap. What refuses it refuses
            // GET too, and says why.
            Err(error) if is_unexplained(&error) => {
                return Ok(self.download(request, None)?.version);
            }
            Err(error) => return Err(error),
        };
        let length = response.content_length()?;
        file_version(&response, length, &self.auth.allowed)
    }

    fn get(
        &self,
        method: Method,
        request: &DownloadRequest,
        range: Option<ByteRange>,
    ) -> Result<Response> {
        let base = self.auth.download_url.trim_end_matches('/');
        let (url, subject) = match &request.target {
            Target::ByName {
                bucket_name,
                file_name,
            } => (
                format!("{base}/file/{}/{}", encode(bucket_name), encode(file_name)),
                file_name.as_str(),
            ),
            Target::ById(id) => (
                format!(
                    "{base}/b2api/v4/b2_download_file_by_id?fileId={}",
                    encode(id.as_str())
                ),
                id.as_str(),
            ),
        };
        let range = range.map(|range| ("Range", range.to_string()));
        let key = request.key.as_ref().map(customer_key);
        let headers = range.into_iter().chain(key.into_iter().flatten()).collect();
        self.http.send(
            Request {
                operation: request.operation(),
                method,
                url: &url,
                realm: &self.realm,
                authorization: self.auth.token.expose(),
                headers,
                body: RequestBody::None,
                subject: Subject::File(subject),
            },
            self.control,
        )
    }
}

/// Whether the service gave no reason for a refusal that a customer's key may be about.
fn is_unexplained(error: &Error) -> bool {
    error.service().is_some_and(|service| {
        matches!(service.status, 400 | 403) && service.code.as_str().is_empty()
    })
}

/// The range that a partial answer carries and the file's length; it must be the one asked for.
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

    use super::content_range;
    use crate::http::Response;
    use crate::model::operation::Operation;
    use crate::model::range::ByteRange;

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
