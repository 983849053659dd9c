//! Replies of the service: JSON answers and refusals, with the headers and the formatting that
//! were recorded (docs/protocol.md, sections 1.5, 1.7 and 1.8).

use std::io;

use serde::Serialize;
use serde_json::json;

use crate::simulator::protocol::message::{Reply, ReplyBody};

/// The reason why a request is refused, as the body of the error states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// The token is good, but not for this call with these parameters; the message is empty
    /// (docs/protocol.md, section 2.0).
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "")
    }

    /// A wrong SSE-C key, or a lock that this caller may not change (docs/protocol.md, sections 2.28 and 3.9).
    pub(crate) fn access_denied() -> Self {
        Self::new(403, "access_denied", "Access Denied")
    }

    pub(crate) fn file_not_present(name: &str, id: &str) -> Self {
        Self::new(
            400,
            "file_not_present",
            format!("File not present: {name} {id}"),
        )
    }

    pub(crate) fn bad_auth_token() -> Self {
        Self::new(401, "bad_auth_token", "Invalid authorization token")
    }

    pub(crate) fn expired_auth_token() -> Self {
        Self::new(401, "expired_auth_token", "Authorization token has expired")
    }

    pub(crate) fn bad_bucket_id(id: &str) -> Self {
        Self::new(400, "bad_bucket_id", format!("Bucket {id} does not exist"))
    }

    pub(crate) fn no_active_upload(file_id: &str) -> Self {
        Self::bad_request(format!("No active upload for: {file_id}"))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    pub(crate) fn into_reply(self) -> Reply {
        let body = json!({ "code": self.code, "message": self.message, "status": self.status });
        let mut headers = json_headers("application/json;charset=utf-8");
        if self.status == 400 {
            headers.push(header("Connection", "close"));
        }
        Reply {
            status: self.status,
            headers,
            body: ReplyBody::Bytes(pretty(&body)),
        }
    }
}

/// A failing disk is an internal error of the service.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(500, "internal_error", error.to_string())
    }
}

/// `200` with this JSON, which ends with a newline where an error's does not.
pub(crate) fn ok(value: &impl Serialize) -> Reply {
    let mut body = pretty(value);
    body.push(b'\n');
    with_json(ReplyBody::Bytes(body))
}

/// `200` with this body, which is JSON in the form of [`ok`].
pub(crate) fn with_json(body: ReplyBody) -> Reply {
    Reply {
        status: 200,
        headers: json_headers("application/json;charset=UTF-8"),
        body,
    }
}

pub(crate) fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn json_headers(content_type: &str) -> Vec<(String, String)> {
    vec![
        header("Content-Type", content_type),
        header("Cache-Control", "max-age=0, no-cache, no-store"),
    ]
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Answers have string keys and finite numbers only, which always print.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}
