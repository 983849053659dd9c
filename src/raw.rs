//! The endpoints of version 4 of the native API, each of them a method of [`Raw`] with a typed
//! request and a typed answer. This layer keeps no state and repeats nothing: one call is one
//! request (only a HEAD that is refused without a reason is followed by a GET), and the caller
//! decides what a failure means.
//!
//! [`B2Api`](crate::B2Api) and [`Bucket`](crate::Bucket) are built on these methods, and are all
//! that most programs need. Use this layer for what they do not offer: an option of an endpoint, a
//! page of a chosen size, or the complete answer of the service.
//!
//! | wanted | use |
//! |---|---|
//! | one call with new tokens, retries, cancelling and budget as everywhere | [`B2Api::call_raw`](crate::B2Api::call_raw) |
//! | single requests for an authorization of one's own, without a store | [`B2Api::raw_connections`](crate::B2Api::raw_connections) |
//! | an endpoint's field that has no name here yet | [`Raw::call_json`] |
//!
//! Requests are structs with public fields. `new` takes what the service requires, and each
//! optional field has a setter of the same name. Fields that are `None` are not sent. Answers keep
//! members that this version of the crate does not know in `extra`, and unknown values in the
//! variant `Other` of the enums. Settings that the key may not read are
//! [`Filtered::NotAuthorized`](crate::Filtered), which differs from "unset".
//!
//! Requests are not checked before they are sent, except for what types and headers make
//! impossible. An answer about another file, bucket or key than the request named fails with
//! [`Error::UnexpectedReply`]. No method finds out whether a file exists after the answer to an
//! upload was lost, and none verifies the content of a download. The caller must use an upload URL
//! for one upload at a time.
//!
//! ```
//! # #[cfg(feature = "simulator")] {
//! # let service = b2sdk::simulator::Simulator::start()?;
//! # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
//! # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
//! # b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
//! use b2sdk::Operation;
//! use b2sdk::raw::ListBucketsRequest;
//!
//! // Only the public buckets: the service chooses, not the program.
//! let public = b2_api.call_raw(Operation::ListBuckets, |raw| {
//!     raw.list_buckets(&ListBucketsRequest::new(raw.account_id()).bucket_types(&["allPublic"]))
//! })?;
//! assert!(public.buckets.is_empty());
//! # }
//! # Ok::<_, anyhow::Error>(())
//! ```

mod agreement;
mod auth;
mod bucket;
mod connections;
mod copy;
mod customer_key;
mod download;
pub(crate) mod encoding;
mod file;
mod headers;
mod key;
mod large_file;
mod listed;
mod lock;
mod notification;
mod upload;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::Control;
use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::headers::Headers;
use crate::http::{HeaderValue, Http, Method, Request, RequestBody, Response, header};
use crate::model::auth::AccountAuth;
use crate::model::id::AccountId;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

pub(crate) use self::auth::authorize;
pub use self::connections::Connections;
pub(crate) use self::download::DownloadRequest;
pub use self::download::{DownloadParameters, DownloadResponse};
pub use self::large_file::UploadPartRequest;
pub(crate) use self::listed::{ListedPage, ListedRow, Start};
pub use self::upload::{UploadBody, UploadFileRequest};
pub use crate::wire::auth::{ApiInfo, AuthorizeAccountResponse, StorageApi};
pub use crate::wire::bucket::{
    CreateBucketRequest, ListBucketsRequest, ListBucketsResponse, UpdateBucketRequest,
};
pub use crate::wire::copy::{CopyFileRequest, CopyPartRequest};
pub use crate::wire::encryption::EncryptionSetting;
pub use crate::wire::file::{DeleteFileVersionResponse, ListFilesRequest, ListFilesResponse};
pub use crate::wire::key::{CreateKeyRequest, CreateKeyResponse, ListKeysResponse};
pub use crate::wire::large_file::{
    CancelLargeFileResponse, ListPartsRequest, ListPartsResponse, ListUnfinishedRequest,
    ListUnfinishedResponse, StartLargeFileRequest,
};
pub use crate::wire::lock::{
    DefaultRetentionSetting, UpdateFileLegalHoldRequest, UpdateFileLegalHoldResponse,
    UpdateFileRetentionRequest, UpdateFileRetentionResponse,
};
pub use crate::wire::notification::NotificationRulesResponse;
pub use crate::wire::share::{DownloadAuthorizationRequest, DownloadAuthorizationResponse};
pub use crate::wire::upload::UploadUrlResponse;

/// The content type of requests and answers.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The largest answer that is read, in bytes. A page of 10,000 versions with all their file info is
/// far smaller.
const ANSWER_LIMIT: u64 = 256 << 20;

/// The endpoints of one account, for one attempt of one call.
/// [`B2Api::call_raw`](crate::B2Api::call_raw) and [`Connections::endpoints`] provide one.
///
/// # Errors
/// The documentation of each method names what its endpoint refuses in particular. Any of them may
/// also fail with
///
/// - [`Error::NotAllowed`] if the key may not make the call;
/// - [`Error::Service`] for other refusals by the service, including an expired token;
/// - [`Error::CapExceeded`] if a cap of the account is reached;
/// - [`Error::Busy`] for the statuses 408, 429 and 5xx;
/// - [`Error::Connection`] if no answer came, and [`Error::UnexpectedReply`] if the answer cannot
///   be understood or is about something else;
/// - [`Error::BudgetExceeded`] and [`Error::Cancelled`], with nothing sent in the first case.
pub struct Raw<'a> {
    http: &'a Http,
    control: &'a Control,
    pub(crate) auth: &'a AccountAuth,
    realm: Realm,
}

impl<'a> Raw<'a> {
    /// The endpoints under this authorization.
    pub(crate) fn new(http: &'a Http, control: &'a Control, auth: &'a AccountAuth) -> Self {
        Self {
            http,
            control,
            auth,
            realm: Realm::from(auth.realm.as_str()),
        }
    }

    /// Returns the authorization that the requests are sent with: URLs, part sizes, and what the
    /// key may do.
    #[must_use]
    pub const fn auth(&self) -> &'a AccountAuth {
        self.auth
    }

    /// Returns the id of the account, which some requests contain.
    #[must_use]
    pub const fn account_id(&self) -> &'a AccountId {
        &self.auth.account_id
    }

    /// Calls an endpoint that takes JSON and answers JSON with a request and an answer of the
    /// caller's own types, such as `serde_json::Value`. It is for fields that have no name in this
    /// version of the crate. `request` becomes the body of a POST request unchanged.
    ///
    /// The answers to `b2_create_key`, `b2_get_upload_url`, `b2_get_upload_part_url` and
    /// `b2_get_download_authorization`, and those about notification rules, contain secrets, which
    /// a `Value` shows when it is printed.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::Operation;
    /// use serde_json::{Value, json};
    ///
    /// let answer: Value = b2_api.call_raw(Operation::ListBuckets, |raw| {
    ///     let request = json!({"accountId": raw.account_id(), "bucketTypes": ["all"]});
    ///     raw.call_json(Operation::ListBuckets, &request)
    /// })?;
    /// assert_eq!(answer["buckets"], json!([]));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for endpoints that do not take or answer JSON (authorizing, uploads,
    /// downloads), or if `request` cannot be written as JSON. [`Error::UnexpectedReply`] if the
    /// answer is not a `T`. Otherwise [those of every call](Raw#errors).
    pub fn call_json<T: DeserializeOwned>(
        &self,
        operation: Operation,
        request: &impl Serialize,
    ) -> Result<T> {
        match operation {
            Operation::AuthorizeAccount
            | Operation::UploadFile
            | Operation::UploadPart
            | Operation::DownloadFileById
            | Operation::DownloadFileByName => Err(Error::invalid_input(
                "operation",
                format!("{operation} is no call with JSON"),
            )),
            operation => {
                let request = to_json(request)?;
                let body = read(self.post(operation, Subject::Account, &request)?)?;
                // The parser's own text may quote what it did not expect: a key, a token.
                serde_json::from_slice(&body).map_err(|error| {
                    let place = format!("line {}, column {}", error.line(), error.column());
                    unexpected(operation, format!("it is not what was expected at {place}"))
                })
            }
        }
    }

    /// Makes a call with a JSON body, and checks that the answer is about what was asked for.
    fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        request: &impl Serialize,
    ) -> Result<T> {
        let request = to_json(request)?;
        let answer = read(self.post(operation, subject, &request)?)?;
        let answered = parse(operation, &answer)?;
        agreement::check(operation, &request, &answer)?;
        Ok(answered)
    }

    /// Sends a POST request with a JSON body to an endpoint.
    fn post(&self, operation: Operation, subject: Subject<'_>, body: &[u8]) -> Result<Response> {
        let url = format!(
            "{}/b2api/v4/{operation}",
            self.auth.api_url.trim_end_matches('/')
        );
        let mut headers = Headers::new();
        headers.add(header::CONTENT_TYPE, JSON)?;
        headers.add(header::ACCEPT, JSON)?;
        self.http.send(
            Request {
                operation,
                method: Method::POST,
                url: &url,
                realm: &self.realm,
                authorization: self.auth.token.expose(),
                headers,
                body: RequestBody::Bytes(body),
                subject,
            },
            self.control,
        )
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("auth", self.auth)
            .finish_non_exhaustive()
    }
}

/// The JSON of a request.
fn to_json(request: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(request).map_err(|error| Error::invalid_input("request", error.to_string()))
}

/// Reads an answer to its end, so that its connection can be used again.
fn read(mut response: Response) -> Result<Vec<u8>> {
    response.body.read_all(ANSWER_LIMIT)
}

/// Reads the JSON of an answer.
fn parse<T: DeserializeOwned>(operation: Operation, answer: &[u8]) -> Result<T> {
    // Checked once as a whole, the text need not be checked again string by string.
    let answered = match std::str::from_utf8(answer) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(answer),
    };
    answered.map_err(|error| unexpected(operation, error))
}

/// Reads an answer to its end, as JSON.
fn read_json<T: DeserializeOwned>(response: Response) -> Result<T> {
    let operation = response.operation;
    parse(operation, &read(response)?)
}

/// The error of an answer that cannot be used.
fn unexpected(
    operation: Operation,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::UnexpectedReply {
        operation,
        source: source.into(),
    }
}
