//! SHA-1 checksums, and what the service says about the checksum of a file (docs/protocol.md,
//! section 5).
//!
//! | `contentSha1` on the wire | becomes |
//! | --- | --- |
//! | 40 hexadecimal digits | `Verified` |
//! | `unverified:` and 40 digits | `Unverified` |
//! | `none`, `null`, missing, anything else | `Absent` |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::Digest;

use crate::model::lenient::from_text;

/// A SHA-1 checksum: 20 bytes, written as 40 hexadecimal digits.
///
/// The service uses it to find damage; it is no protection against somebody who constructs content on purpose.
///
/// ```
/// use b2sdk::Sha1Digest;
///
/// let digest = Sha1Digest::of(b"hello");
/// assert_eq!(digest.to_string(), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
/// assert_eq!("AAF4C61DDCC5E8A2DABEDE0F3B482CD9AEA9434D".parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha1Digest([u8; 20]);

impl Sha1Digest {
    /// Computes the checksum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha1::Sha1::digest(bytes).into())
    }

    /// Returns the 20 bytes of the checksum.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl From<[u8; 20]> for Sha1Digest {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Sha1Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Sha1Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha1Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, str::parse)?.map_err(serde::de::Error::custom)
    }
}

/// The error for text that is not 40 hexadecimal digits, from parsing a [`Sha1Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-1 checksum is 40 hexadecimal digits")]
pub struct InvalidSha1;

impl FromStr for Sha1Digest {
    type Err = InvalidSha1;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidSha1)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha1Digest({self})")
    }
}

/// Computes a [`Sha1Digest`] piece by piece.
#[derive(Clone, Default)]
pub(crate) struct Sha1Hasher(sha1::Sha1);

impl Sha1Hasher {
    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes that were added.
    pub(crate) fn finish(self) -> Sha1Digest {
        Sha1Digest(self.0.finalize().into())
    }
}

/// The SHA-1 that the service has recorded for a file or a part, and whether it was verified.
///
/// A download is verified with either kind; for large files it is verified with the SHA-1 in the file info, if
/// there is one ([`FileVersion::sha1`](crate::FileVersion::sha1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ContentSha1 {
    /// The service has verified the checksum against the bytes that it received.
    Verified(Sha1Digest),
    /// The service has not verified the checksum: the uploader asked for that.
    Unverified(Sha1Digest),
    /// The service has no checksum of the whole file, as for large files. Their file info may
    /// contain one (`large_file_sha1`).
    #[default]
    Absent,
}

impl ContentSha1 {
    /// Returns the checksum, whether or not the service has verified it; `None` if there is none.
    #[must_use]
    pub const fn digest(&self) -> Option<Sha1Digest> {
        match self {
            Self::Verified(digest) | Self::Unverified(digest) => Some(*digest),
            Self::Absent => None,
        }
    }
}

impl From<&str> for ContentSha1 {
    /// Reads the wire form. Text that is no checksum counts as none: a download then reports that
    /// it could not verify, rather than failing on a file that is perfectly readable.
    fn from(text: &str) -> Self {
        let (text, verified) = match text.strip_prefix("unverified:") {
            Some(rest) => (rest, false),
            None => (text, true),
        };
        match (text.parse(), verified) {
            (Ok(digest), true) => Self::Verified(digest),
            (Ok(digest), false) => Self::Unverified(digest),
            (Err(InvalidSha1), _) => Self::Absent,
        }
    }
}

impl fmt::Display for ContentSha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified(digest) => digest.fmt(f),
            Self::Unverified(digest) => write!(f, "unverified:{digest}"),
            Self::Absent => f.write_str("none"),
        }
    }
}

impl Serialize for ContentSha1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentSha1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What is there, other than `null`.
        struct Text(ContentSha1);
        impl<'de> Deserialize<'de> for Text {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, |text| Self(ContentSha1::from(text)))
            }
        }
        let there = Option::<Text>::deserialize(deserializer)?;
        Ok(there.map_or(Self::Absent, |Text(there)| there))
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentSha1, Sha1Digest};

    #[test]
    fn the_four_wire_forms_are_told_apart() {
        let digest = Sha1Digest::of(b"x");
        let read = |json: &str| serde_json::from_str::<ContentSha1>(json).unwrap();
        assert_eq!(
            read(&format!("\"{digest}\"")),
            ContentSha1::Verified(digest)
        );
        assert_eq!(
            read(&format!("\"unverified:{digest}\"")),
            ContentSha1::Unverified(digest)
        );
        assert_eq!(read("\"none\""), ContentSha1::Absent);
        assert_eq!(read("null"), ContentSha1::Absent);
    }

    #[test]
    fn a_hasher_fed_in_pieces_agrees_with_one_pass() {
        let mut hasher = super::Sha1Hasher::default();
        hasher.update(b"hel");
        hasher.update(b"lo");
        assert_eq!(hasher.finish(), Sha1Digest::of(b"hello"));
    }
}
