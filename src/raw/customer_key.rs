//! The headers that carry a customer's encryption key (SSE-C; docs/protocol.md, section 3.9).

use crate::error::Result;
use crate::http::HeaderName;
use crate::http::headers::Headers;
use crate::model::secret::SseCustomerKey;

/// The names of the headers.
pub(super) const CUSTOMER_ALGORITHM: HeaderName =
    HeaderName::from_static("x-bz-server-side-encryption-customer-algorithm");
const CUSTOMER_KEY: HeaderName =
    HeaderName::from_static("x-bz-server-side-encryption-customer-key");
pub(super) const CUSTOMER_KEY_MD5: HeaderName =
    HeaderName::from_static("x-bz-server-side-encryption-customer-key-md5");

/// The only algorithm that the service knows. It is also the one of the service's own keys.
pub(super) const AES256: &str = "AES256";

/// Adds the headers of a request that writes or reads content with a customer's key.
pub(super) fn add_customer_key(headers: &mut Headers, key: &SseCustomerKey) -> Result<()> {
    headers.add(CUSTOMER_ALGORITHM, AES256)?;
    headers.add(CUSTOMER_KEY, key.expose_base64())?;
    headers.add(CUSTOMER_KEY_MD5, key.md5())
}
