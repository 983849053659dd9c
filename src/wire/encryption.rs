//! The encryption of a file in the form in which requests contain it (docs/protocol.md, section
//! 3.9).
//!
//! The customer's key is a secret. It is written into the body of the request and nowhere else: the
//! type has a `Debug` of its own, and its fields are private.

use std::fmt;

use serde::Serialize;

use crate::model::encryption::Encryption;
use crate::model::secret::SseCustomerKey;

/// The only algorithm that the service knows.
const AES256: &str = "AES256";

/// The encryption in a request, converted from an [`Encryption`] or a customer's key. `Debug` does
/// not show the key.
///
/// ```
/// use b2sdk::encryption::Encryption;
/// use b2sdk::raw::EncryptionSetting;
///
/// let encryption = Encryption::SseB2;
/// let setting = EncryptionSetting::from(&encryption);
/// assert!(format!("{setting:?}").contains("SSE-B2"));
/// ```
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSetting<'a> {
    /// The kind of encryption; `null` asks for none.
    mode: Option<&'static str>,
    /// `AES256` whenever there is a mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    /// The customer's key in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_key: Option<String>,
    /// The MD5 of the customer's key in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_key_md5: Option<&'a str>,
}

/// Shows the mode only.
impl fmt::Debug for EncryptionSetting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionSetting")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<'a> From<&'a Encryption> for EncryptionSetting<'a> {
    fn from(encryption: &'a Encryption) -> Self {
        let (mode, algorithm) = match encryption {
            Encryption::None => (None, None),
            Encryption::SseB2 => (Some("SSE-B2"), Some(AES256)),
            Encryption::SseC(key) => return key.into(),
        };
        Self {
            mode,
            algorithm,
            customer_key: None,
            customer_key_md5: None,
        }
    }
}

impl<'a> From<&'a SseCustomerKey> for EncryptionSetting<'a> {
    fn from(key: &'a SseCustomerKey) -> Self {
        Self {
            mode: Some("SSE-C"),
            algorithm: Some(AES256),
            customer_key: Some(key.expose_base64()),
            customer_key_md5: Some(key.md5()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::EncryptionSetting;
    use crate::model::encryption::Encryption;
    use crate::model::secret::SseCustomerKey;

    #[test]
    fn each_encryption_is_asked_for_as_the_service_spells_it() {
        let sent = |encryption: &Encryption| {
            serde_json::to_value(EncryptionSetting::from(encryption)).unwrap()
        };
        assert_eq!(sent(&Encryption::None), json!({ "mode": null }));
        let b2 = json!({"mode": "SSE-B2", "algorithm": "AES256"});
        assert_eq!(sent(&Encryption::SseB2), b2);
        let key = SseCustomerKey::new([0; 32]).with_id("zero");
        let customers = json!({
            "mode": "SSE-C",
            "algorithm": "AES256",
            "customerKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "customerKeyMd5": "cLyPS3KoaSFGi/joRB3OUQ==",
        });
        assert_eq!(sent(&Encryption::SseC(key)), customers);
    }
}
