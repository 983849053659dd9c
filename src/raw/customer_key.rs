//! The headers that carry a customer's encryption key (SSE-C; docs/protocol.md, section 3.9).

use crate::model::secret::SseCustomerKey;

/// The names of the headers.
pub(super) const CUSTOMER_ALGORITHM: &str = "X-Bz-Server-Side-Encryption-Customer-Algorithm";
pub(super) const CUSTOMER_KEY: &str = "X-Bz-Server-Side-Encryption-Customer-Key";
pub(super) const CUSTOMER_KEY_MD5: &str = "X-Bz-Server-Side-Encryption-Customer-Key-Md5";

/// The only algorithm that the service knows. It is also the one of the service's own keys.
pub(super) const AES256: &str = "AES256";

/// The headers of a request that writes or reads content with a customer's key.
pub(super) fn customer_key_headers(key: &SseCustomerKey) -> [(&'static str, String); 3] {
    [
        (CUSTOMER_ALGORITHM, AES256.to_owned()),
        (CUSTOMER_KEY, key.expose_base64()),
        (CUSTOMER_KEY_MD5, key.md5().to_owned()),
    ]
}
