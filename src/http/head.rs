//! The head of a request: its method, its URL and its headers.

use ureq::http as types;
use ureq::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::http::Request;
use crate::http::config::TestMode;

/// The header that asks the service for a simulated failure.
const TEST_MODE: HeaderName = HeaderName::from_static("x-bz-test-mode");

/// How many headers most requests have, including those that are added later.
const USUAL: usize = 16;

/// Builds the head of a request.
///
/// Fails if a header or the URL has a character that HTTP does not allow there.
pub(super) fn head(
    request: &Request<'_>,
    test_mode: Option<TestMode>,
) -> Result<types::Request<()>, types::Error> {
    let mut head = types::Request::new(());
    *head.method_mut() = request.method.clone();
    *head.uri_mut() = request.url.parse()?;
    let headers = head.headers_mut();
    headers.reserve(USUAL);
    headers.append(AUTHORIZATION, HeaderValue::from_str(request.authorization)?);
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        headers.append(name, HeaderValue::from_str(value)?);
    }
    if let Some(mode) = test_mode {
        headers.append(TEST_MODE, HeaderValue::from_static(mode.header()));
    }
    Ok(head)
}
