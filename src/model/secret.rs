//! Values that must never be printed: the application key and the tokens. Nothing else in the crate
//! names `secrecy`; [`expose`](ApplicationKey::expose) is the one way out and easy to search for.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// `Debug` shows no part of it, and its memory is wiped when it is dropped.
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// The secret itself. Keep it out of logs, messages and command lines.
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
                let (a, b) = (self.expose().as_bytes(), other.expose().as_bytes());
                a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
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
    /// The secret half of an application key.
    ApplicationKey
    /// What `b2_authorize_account` hands out; good for at most 24 hours.
    AuthToken
    /// What belongs to one upload URL.
    UploadToken
    /// What lets others download.
    DownloadToken
    /// What the requests to a webhook are signed with.
    SigningSecret
    /// The value of a header that the service sends to a webhook; it may be a password.
    CustomHeaderValue
}

#[cfg(test)]
mod tests {
    use super::{ApplicationKey, UploadToken};

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
}
