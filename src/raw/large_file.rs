//! Large files and their parts (reference sections 2.14 to 2.21).

use crate::account_info::UploadUrl;
use crate::error::Result;
use crate::error::service::Subject;
use crate::http::body::Sha1AtEnd;
use crate::http::{Method, Request, RequestBody};
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::raw::headers::customer_key;
use crate::raw::{Raw, unexpected};
use crate::wire::file::FileIdRequest;
use crate::wire::large_file::{
    CancelLargeFileResponse, FinishLargeFileRequest, ListPartsRequest, ListPartsResponse,
    ListUnfinishedRequest, ListUnfinishedResponse, StartLargeFileRequest,
};
use crate::wire::upload::UploadUrlResponse;

impl Raw<'_> {
    pub(crate) fn start_large_file(
        &self,
        request: &StartLargeFileRequest<'_>,
    ) -> Result<FileVersion> {
        self.call(
            Operation::StartLargeFile,
            Subject::File(request.file_name),
            request,
        )
    }

    pub(crate) fn get_upload_part_url(&self, file_id: &FileId) -> Result<UploadUrlResponse> {
        self.call(
            Operation::GetUploadPartUrl,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    /// Sends the content of a part and its SHA-1; the answer must agree with it. Of how the file is
    /// encrypted only a customer's key is told again (reference section 2.16).
    pub(crate) fn upload_part(
        &self,
        url: &UploadUrl,
        part_number: u64,
        key: Option<&SseCustomerKey>,
        body: &mut Sha1AtEnd<'_>,
    ) -> Result<Part> {
        let length = body.length();
        let mut headers = vec![
            ("X-Bz-Part-Number", part_number.to_string()),
            ("X-Bz-Content-Sha1", "hex_digits_at_end".to_owned()),
        ];
        headers.extend(key.into_iter().flat_map(customer_key));
        let response = self.http.send(
            Request {
                operation: Operation::UploadPart,
                method: Method::POST,
                url: &url.url,
                realm: &self.realm,
                authorization: url.token.expose(),
                headers,
                body: RequestBody::Reader(body, length + Sha1AtEnd::TRAILER),
                subject: Subject::Account,
            },
            self.control,
        )?;
        let part: Part = super::read_json(response)?;
        if part.content_sha1.digest() != body.digest() || part.content_length != length {
            return Err(unexpected(
                Operation::UploadPart,
                "the service stored other bytes than were sent",
            ));
        }
        Ok(part)
    }

    pub(crate) fn finish_large_file(
        &self,
        file_id: &FileId,
        parts: &[Sha1Digest],
    ) -> Result<FileVersion> {
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

    pub(crate) fn cancel_large_file(&self, file_id: &FileId) -> Result<CancelLargeFileResponse> {
        self.call(
            Operation::CancelLargeFile,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    pub(crate) fn list_parts(&self, request: &ListPartsRequest<'_>) -> Result<ListPartsResponse> {
        self.call(
            Operation::ListParts,
            Subject::File(request.file_id.as_str()),
            request,
        )
    }

    pub(crate) fn list_unfinished_large_files(
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
