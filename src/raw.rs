//! The endpoints of the native API, version 4, one method each: a typed request in, the typed
//! answer out. No state, no retry; what a failed call means is decided above.

mod auth;
mod bucket;
mod copy;
mod download;
pub(crate) mod encoding;
mod file;
mod headers;
mod key;
mod large_file;
mod lock;
mod notification;
mod upload;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::Control;
use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::{Http, Method, Request, RequestBody, Response};
use crate::model::auth::AccountAuth;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

pub(crate) use self::auth::authorize;
pub(crate) use self::download::{DownloadRequest, DownloadResponse};
pub(crate) use self::upload::{FileSettings, UploadRequest};

const JSON: &str = "application/json";

/// The most that an answer may have: a page of 10,000 versions with all their file info is far
/// smaller.
const ANSWER_LIMIT: u64 = 256 << 20;

/// One account's endpoints, for one attempt of one call.
pub(crate) struct Raw<'a> {
    http: &'a Http,
    control: &'a Control,
    pub(crate) auth: &'a AccountAuth,
    realm: Realm,
}

impl<'a> Raw<'a> {
    pub(crate) fn new(http: &'a Http, control: &'a Control, auth: &'a AccountAuth) -> Self {
        Self {
            http,
            control,
            auth,
            realm: Realm::from(auth.realm.as_str()),
        }
    }

    /// A call with a JSON body.
    fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        request: &impl Serialize,
    ) -> Result<T> {
        let url = format!(
            "{}/b2api/v4/{operation}",
            self.auth.api_url.trim_end_matches('/')
        );
        let body = serde_json::to_vec(request)
            .map_err(|error| Error::invalid_input("request", error.to_string()))?;
        let response = self.http.send(
            Request {
                operation,
                method: Method::POST,
                url: &url,
                realm: &self.realm,
                authorization: self.auth.token.expose(),
                headers: vec![
                    ("Content-Type", JSON.to_owned()),
                    ("Accept", JSON.to_owned()),
                ],
                body: RequestBody::Bytes(&body),
                subject,
            },
            self.control,
        )?;
        read_json(response)
    }
}

/// Reads an answer to its end, so that its connection can be used again.
fn read_json<T: DeserializeOwned>(mut response: Response) -> Result<T> {
    let operation = response.operation;
    let body = response.body.read_all(ANSWER_LIMIT)?;
    serde_json::from_slice(&body).map_err(|error| unexpected(operation, error))
}

fn unexpected(
    operation: Operation,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::UnexpectedReply {
        operation,
        source: source.into(),
    }
}
