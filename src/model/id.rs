//! Identifiers. The service may change their form, so they are opaque text (docs/protocol.md,
//! section 3.1); a type each, so that one is never passed for another.
//!
//! An id is compared as text, byte by byte, and sorted in the same way. It converts from and to
//! text without a check, and serializes as that text. A clone shares the text: the rows of a listing
//! have the ids of their account and bucket in common. Ids of files begin with `4_z` and the
//! bucket's id today, which is a reason to ask the service and never the answer.

use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the id as the service writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                // The empty text takes no memory of its own.
                Self(match id {
                    "" => Arc::default(),
                    id => id.into(),
                })
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<&String> for $name {
            fn from(id: &String) -> Self {
                Self(id.as_str().into())
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(id: &str) -> Result<Self, Self::Err> {
                Ok(Self(id.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::model::lenient::from_text(deserializer, |id| Self::from(id))
            }
        }
    )*};
}

ids! {
    /// The id of an account, which the service reports when a key is authorized.
    ///
    /// Any text becomes one with `into()`; whether such an account exists is for the service to say.
    AccountId
    /// The id of an application key. It is not secret.
    ///
    /// Any text becomes one with `into()`; whether such a key exists is for the service to say.
    ApplicationKeyId
    /// The id of a bucket. It stays the same for the life of the bucket and is never reused.
    ///
    /// Any text becomes one with `into()`; whether such a bucket exists is for the service to say.
    BucketId
    /// The id of one version of a file, or of an unfinished large file.
    ///
    /// It is unique in the whole service and never used again. Any text becomes one with `into()`.
    ///
    /// ```
    /// use b2sdk::FileId;
    ///
    /// let id = FileId::from("4_z27c88f1d182b150646ff0b16_f1004ba650fe24e6b");
    /// assert_eq!(id.as_str(), "4_z27c88f1d182b150646ff0b16_f1004ba650fe24e6b");
    /// ```
    FileId
}

impl FileId {
    /// The id of the bucket that a file id contains, if it has the form that ids have today.
    pub(crate) fn bucket_by_form(&self) -> Option<&str> {
        let (bucket, _) = self.0.strip_prefix("4_z")?.split_once("_f")?;
        let is_id = bucket.len() == 24 && bucket.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(bucket)
    }
}
