//! Large files and their parts (docs/protocol.md, sections 2.14 to 2.21).

use crate::error::Result;
use crate::error::service::Subject;
use crate::http::headers::Headers;
use crate::http::{HeaderName, Method, Request};
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::model::secret::{SseCustomerKey, UploadToken};
use crate::model::sha1::Sha1Digest;
use crate::raw::customer_key::add_customer_key;
use crate::raw::headers::CONTENT_SHA1;
use crate::raw::{Raw, UploadBody, agreement};
use crate::setters::setters;
use crate::wire::file::FileIdRequest;
use crate::wire::large_file::{
    CancelLargeFileResponse, FinishLargeFileRequest, ListPartsRequest, ListPartsResponse,
    ListUnfinishedRequest, ListUnfinishedResponse, StartLargeFileRequest,
};
use crate::wire::upload::UploadUrlResponse;

/// The headers of [`b2_upload_part`](crate::guide::protocol#216-b2_upload_part).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UploadPartRequest<'a> {
    /// The number of the part, from 1 to 10,000.
    pub part_number: u32,
    /// The customer's key that the large file was started with, if there is one. Any other
    /// encryption is not repeated for parts.
    pub customer_key: Option<&'a SseCustomerKey>,
}

impl UploadPartRequest<'_> {
    /// Creates the headers of a part of a large file that is not encrypted with a customer's key.
    #[must_use]
    pub const fn new(part_number: u32) -> Self {
        Self {
            part_number,
            customer_key: None,
        }
    }

    /// The headers of the request.
    fn headers(&self, body: &UploadBody<'_>) -> Result<Headers> {
        const PART_NUMBER: HeaderName = HeaderName::from_static("x-bz-part-number");
        let mut headers = Headers::new();
        headers.add(PART_NUMBER, self.part_number.to_string())?;
        headers.add(CONTENT_SHA1, body.promise())?;
        if let Some(key) = self.customer_key {
            add_customer_key(&mut headers, key)?;
        }
        Ok(headers)
    }
}

setters! {
    UploadPartRequest<'a> {
        customer_key: &'a SseCustomerKey,
    }
}

impl Raw<'_> {
    /// [`b2_start_large_file`](crate::guide::protocol#214-b2_start_large_file) starts a large file. Parts
    /// are sent to the id that the answer contains. They are stored and billed until the file is
    /// finished or cancelled. Needs `writeFiles`, and for object lock also `writeFileRetentions` or
    /// `writeFileLegalHolds`; billed in class A.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::{StartLargeFileRequest, UploadBody, UploadPartRequest};
    /// use b2sdk::{FileInfo, Operation};
    ///
    /// let parts = [vec![0; 5_000_000], b"the rest".to_vec()];
    /// let (bucket_id, info) = (bucket.id(), FileInfo::new());
    /// let request = StartLargeFileRequest::new(&bucket_id, "large.bin", "b2/x-auto", &info);
    /// let file_id = b2_api.call_raw(Operation::StartLargeFile, |raw| raw.start_large_file(&request))?.file_id;
    /// let mut checksums = Vec::new();
    /// for (number, part) in (1..).zip(&parts) {
    ///     let target = b2_api.call_raw(Operation::GetUploadPartUrl, |raw| raw.get_upload_part_url(&file_id))?;
    ///     let stored = b2_api.call_raw(Operation::UploadPart, |raw| {
    ///         let mut content = part.as_slice();
    ///         let mut body = UploadBody::new(&mut content, part.len() as u64);
    ///         let request = UploadPartRequest::new(number);
    ///         raw.upload_part(&target.upload_url, &target.authorization_token, &request, &mut body)
    ///     })?;
    ///     checksums.extend(stored.content_sha1.digest());
    /// }
    /// let version =
    ///     b2_api.call_raw(Operation::FinishLargeFile, |raw| raw.finish_large_file(&file_id, &checksums))?;
    /// assert_eq!(version.content_length, 5_000_008);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every call](Raw#errors).
    pub fn start_large_file(&self, request: &StartLargeFileRequest<'_>) -> Result<FileVersion> {
        self.call(
            Operation::StartLargeFile,
            Subject::File(request.file_name),
            request,
        )
    }

    /// [`b2_get_upload_part_url`](crate::guide::protocol#215-b2_get_upload_part_url) returns a URL for
    /// parts of this large file. It takes one upload at a time. Needs `writeFiles`; billed in class
    /// A.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such unfinished
    /// file; otherwise [those of every call](Raw#errors).
    pub fn get_upload_part_url(&self, file_id: &FileId) -> Result<UploadUrlResponse> {
        self.call(
            Operation::GetUploadPartUrl,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    /// [`b2_upload_part`](crate::guide::protocol#216-b2_upload_part) sends one part to the URL, and with
    /// the token, that [`get_upload_part_url`](Self::get_upload_part_url) returned. A part with the
    /// same number is replaced. [`upload_file`](Self::upload_file) explains when the URL can be
    /// used again and why `body` serves one attempt only. The URL's token comes from a key with
    /// `writeFiles`; billed in class A.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if the content cannot be read or ends early, with nothing
    /// stored; otherwise [those of every call](Raw#errors). After an error whose answer was lost, the
    /// part may exist; sending it again replaces it.
    pub fn upload_part(
        &self,
        upload_url: &str,
        token: &UploadToken,
        request: &UploadPartRequest<'_>,
        body: &mut UploadBody<'_>,
    ) -> Result<Part> {
        let operation = Operation::UploadPart;
        let response = self.http.send(
            Request {
                operation,
                method: Method::POST,
                url: upload_url,
                realm: &self.realm,
                authorization: token.expose(),
                headers: request.headers(body)?,
                body: body.request_body(),
                subject: Subject::Account,
            },
            self.control,
        )?;
        let part: Part = super::read_json(response)?;
        agreement::same(operation, &request.part_number, &part.part_number)?;
        body.check(operation, &part.content_sha1, part.content_length)?;
        Ok(part)
    }

    /// [`b2_finish_large_file`](crate::guide::protocol#218-b2_finish_large_file) assembles the
    /// parts into a file. `parts` has their checksums, from part 1 on. Needs `writeFiles`; billed
    /// in class A.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `missing_part` or
    /// `part_sha1_mismatch`, or with `bad_request` if a part is too small or there is no such
    /// unfinished file. The latter may mean that an earlier request whose answer was lost has
    /// finished it; [`get_file_info`](Self::get_file_info) tells. Otherwise [those of every
    /// call](Raw#errors).
    pub fn finish_large_file(&self, file_id: &FileId, parts: &[Sha1Digest]) -> Result<FileVersion> {
        let part_sha1_array = parts.iter().map(ToString::to_string).collect();
        let request = FinishLargeFileRequest {
            file_id,
            part_sha1_array,
        };
        self.call(
            Operation::FinishLargeFile,
            Subject::File(file_id.as_str()),
            &request,
        )
    }

    /// [`b2_cancel_large_file`](crate::guide::protocol#219-b2_cancel_large_file) deletes an unfinished
    /// large file and its parts. Needs `writeFiles`; billed in class A.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such unfinished
    /// file; otherwise [those of every call](Raw#errors).
    pub fn cancel_large_file(&self, file_id: &FileId) -> Result<CancelLargeFileResponse> {
        self.call(
            Operation::CancelLargeFile,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    /// [`b2_list_parts`](crate::guide::protocol#221-b2_list_parts) returns a page of the parts that
    /// an unfinished large file has so far, at most 1,000 of them. Needs `writeFiles`; billed in
    /// class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::{ListPartsRequest, StartLargeFileRequest};
    /// use b2sdk::{FileInfo, Operation};
    ///
    /// let (bucket_id, info) = (bucket.id(), FileInfo::new());
    /// let start = StartLargeFileRequest::new(&bucket_id, "large.bin", "b2/x-auto", &info);
    /// let file_id = b2_api.call_raw(Operation::StartLargeFile, |raw| raw.start_large_file(&start))?.file_id;
    /// let request = ListPartsRequest::new(&file_id);
    /// let page = b2_api.call_raw(Operation::ListParts, |raw| raw.list_parts(&request))?;
    /// assert!(page.parts.is_empty() && page.next_part_number.is_none());
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such
    /// unfinished file; otherwise [those of every call](Raw#errors).
    pub fn list_parts(&self, request: &ListPartsRequest<'_>) -> Result<ListPartsResponse> {
        self.call(
            Operation::ListParts,
            Subject::File(request.file_id.as_str()),
            request,
        )
    }

    /// [`b2_list_unfinished_large_files`](crate::guide::protocol#220-b2_list_unfinished_large_files)
    /// returns a page of the large files that were started but neither finished nor cancelled, the
    /// oldest first, at most 100 of them. Needs `listFiles`; billed in class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::{ListUnfinishedRequest, StartLargeFileRequest};
    /// use b2sdk::{FileInfo, Operation};
    ///
    /// let (bucket_id, info) = (bucket.id(), FileInfo::new());
    /// let start = StartLargeFileRequest::new(&bucket_id, "large.bin", "b2/x-auto", &info);
    /// b2_api.call_raw(Operation::StartLargeFile, |raw| raw.start_large_file(&start))?;
    /// let request = ListUnfinishedRequest::new(bucket.id()).name_prefix("large");
    /// let page = b2_api.call_raw(Operation::ListUnfinishedLargeFiles, |raw| {
    ///     raw.list_unfinished_large_files(&request)
    /// })?;
    /// for unfinished in &page.files {
    ///     b2_api.call_raw(Operation::CancelLargeFile, |raw| raw.cancel_large_file(&unfinished.file_id))?;
    /// }
    /// assert_eq!(page.files.len(), 1);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every
    /// call](Raw#errors).
    pub fn list_unfinished_large_files(
        &self,
        request: &ListUnfinishedRequest,
    ) -> Result<ListUnfinishedResponse> {
        self.call(
            Operation::ListUnfinishedLargeFiles,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::UploadPartRequest;
    use crate::model::secret::SseCustomerKey;
    use crate::raw::UploadBody;

    #[test]
    fn a_part_sends_the_headers_of_the_fixtures() {
        let key = SseCustomerKey::new([0; 32]);
        let plain = UploadPartRequest::new(1);
        for (request, fixture) in [
            (
                plain,
                include_str!("../../fixtures/wire/b2_upload_part/request_headers.json"),
            ),
            (
                plain.customer_key(&key),
                include_str!("../../fixtures/wire/b2_upload_part/request_headers_sse_c.json"),
            ),
        ] {
            let fixture: BTreeMap<String, String> = serde_json::from_str(fixture).unwrap();
            let fixture = fixture.into_iter();
            let fixture = fixture.map(|(name, value)| (name.to_ascii_lowercase(), value));
            let sent = request.headers(&UploadBody::new(&mut std::io::empty(), 0));
            let sent: BTreeMap<_, _> = sent.unwrap().to_text().into_iter().collect();
            assert_eq!(sent, fixture.collect());
        }
    }
}
