//! Values that must never be printed: the application key, the tokens, and keys of SSE-C. Nothing
//! else in the crate names `secrecy`; [`expose`](ApplicationKey::expose) is the one way out and easy
//! to search for.
//!
//! | type | how it leaves the process |
//! | --- | --- |
//! | `ApplicationKey` | in the header of `b2_authorize_account`; in the account-info file |
//! | `AuthToken` | in the header of every other call; in the account-info file |
//! | `UploadToken` | in the header of an upload; in the file of upload URLs |
//! | `DownloadToken` | in a signed URL, which the program gives away |
//! | `SigningSecret`, `CustomHeaderValue` | in the body that stores notification rules |
//! | `SseCustomerKey` | in headers or bodies of requests that read or write such content |

use std::array::TryFromSliceError;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretBox, SecretString};

/// Takes the same time wherever the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// `Debug` shows no part of it, and its memory is wiped when it is dropped.
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Returns the secret in clear. Keep it out of logs, messages and command lines.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl From<&str> for $name {
            fn from(secret: &str) -> Self {
                Self(SecretString::from(secret))
            }
        }

        impl From<String> for $name {
            fn from(secret: String) -> Self {
                Self(SecretString::from(secret))
            }
        }

        impl From<&String> for $name {
            fn from(secret: &String) -> Self {
                Self::from(secret.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }

        impl PartialEq for $name {
            /// Takes the same time wherever the two differ.
            fn eq(&self, other: &Self) -> bool {
                same(self.expose().as_bytes(), other.expose().as_bytes())
            }
        }

        impl Eq for $name {}

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    )*};
}

secrets! {
    /// The secret of an application key. Whoever has it and the key's id may do what the key may do.
    ApplicationKey
    /// The token of an authorization. It allows everything that its key allows, for at most 24
    /// hours.
    AuthToken
    /// The token of an upload URL. It allows one upload at a time to that URL, for at most 24
    /// hours.
    UploadToken
    /// A token for downloads, by name, of the files whose names start with a prefix. Anybody who
    /// has it can download them until it expires.
    DownloadToken
    /// The secret that requests to a webhook are signed with.
    SigningSecret
    /// The value of a header that the service sends to a webhook. It may be a password.
    CustomHeaderValue
}

/// A key of your own for server-side encryption (SSE-C): 256 random bits. It is sent with each
/// request that writes or reads the content, and the service does not keep it. **If the key is
/// lost, the files that it encrypts cannot be read again.**
///
/// `Debug` does not show it. Clones share its memory, which is wiped when the last one is dropped.
///
/// ```
/// use b2sdk::encryption::SseCustomerKey;
///
/// # let from_a_safe_place = [7; 32];
/// let key = SseCustomerKey::new(from_a_safe_place).with_id("backup-2026");
/// assert_eq!(key.id(), Some("backup-2026"));
/// assert!(SseCustomerKey::try_from(&b"too short"[..]).is_err());
/// ```
#[derive(Clone)]
pub struct SseCustomerKey {
    /// The key itself.
    key: Arc<SecretBox<[u8; 32]>>,
    /// Its MD5 in base64, which goes with it in each request.
    md5: Box<str>,
    /// Its name, if it was given one.
    id: Option<Box<str>>,
}

impl SseCustomerKey {
    /// Creates a key from 32 bytes, which must come from a cryptographic source of randomness. Keep them
    /// where they outlive the files: the service cannot help with a key that is lost.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let md5 = BASE64_STANDARD.encode(Md5::digest(key));
        Self {
            key: Arc::new(SecretBox::new(Box::new(key))),
            md5: md5.into(),
            id: None,
        }
    }

    /// Gives the key a name. The name is stored as `sse_c_key_id` in the file info of everything
    /// that is encrypted with the key, and tells later which key is needed. Every key that may list
    /// files can see it.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into().into());
        self
    }

    /// Returns the name of the key, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the MD5 of the key in base64. The service reports it for files that are encrypted
    /// with the key.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// Returns the key in clear. Keep it out of logs, messages and command lines.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose_secret()
    }

    /// The key as it travels.
    pub(crate) fn expose_base64(&self) -> String {
        BASE64_STANDARD.encode(self.expose())
    }
}

impl From<[u8; 32]> for SseCustomerKey {
    fn from(key: [u8; 32]) -> Self {
        Self::new(key)
    }
}

impl TryFrom<&[u8]> for SseCustomerKey {
    type Error = TryFromSliceError;

    fn try_from(key: &[u8]) -> Result<Self, TryFromSliceError> {
        key.try_into().map(Self::new)
    }
}

impl fmt::Debug for SseCustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SseCustomerKey(***)")
    }
}

impl PartialEq for SseCustomerKey {
    /// Takes the same time wherever the two keys differ.
    fn eq(&self, other: &Self) -> bool {
        same(self.expose(), other.expose()) && self.id == other.id
    }
}

impl Eq for SseCustomerKey {}

#[cfg(test)]
mod tests {
    use super::{ApplicationKey, SseCustomerKey, UploadToken};

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let key = ApplicationKey::from("K002abc");
        assert_eq!(
            format!("{key:?} {:?}", Some(UploadToken::from("t"))),
            "ApplicationKey(***) Some(UploadToken(***))"
        );
    }

    #[test]
    fn secrets_compare_by_content() {
        assert_eq!(ApplicationKey::from("abc"), ApplicationKey::from("abc"));
        assert_ne!(ApplicationKey::from("abc"), ApplicationKey::from("abd"));
        assert_ne!(ApplicationKey::from("abc"), ApplicationKey::from("ab"));
    }

    #[test]
    fn a_customers_key_travels_as_base64_with_its_md5() {
        // md5sum of 32 zero bytes: 70bc8f4b72a86921468bf8e8441dce51.
        let key = SseCustomerKey::new([0; 32]);
        assert_eq!(key.md5(), "cLyPS3KoaSFGi/joRB3OUQ==");
        assert_eq!(key.expose_base64(), format!("{}=", "A".repeat(43)));
        assert_eq!(format!("{key:?}"), "SseCustomerKey(***)");
        assert_ne!(key, SseCustomerKey::new([1; 32]));
        assert_ne!(key, key.clone().with_id("x"));
    }
}
