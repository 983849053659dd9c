//! Checksums as they are kept: as bytes, which take half the room of their digits.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The SHA-1 of a file as it is shown: digits, `unverified:` and digits, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentSha1 {
    None,
    Verified([u8; 20]),
    Unverified([u8; 20]),
}

/// An MD5, shown as digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentMd5(pub(crate) [u8; 16]);

const UNVERIFIED: &str = "unverified:";

impl fmt::Display for ContentSha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Verified(bytes) => f.write_str(digits(bytes, &mut [0; 40])),
            Self::Unverified(bytes) => {
                f.write_str(UNVERIFIED)?;
                f.write_str(digits(bytes, &mut [0; 40]))
            }
        }
    }
}

impl fmt::Display for ContentMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(digits(&self.0, &mut [0; 40]))
    }
}

fn digits<'b>(bytes: &[u8], buffer: &'b mut [u8; 40]) -> &'b str {
    let length = bytes.len() * 2;
    // Both lengths are right, and hexadecimal digits are ASCII.
    let _ = hex::encode_to_slice(bytes, &mut buffer[..length]);
    std::str::from_utf8(&buffer[..length]).unwrap_or_default()
}

impl Serialize for ContentSha1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ContentMd5 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentSha1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let wrong = || de::Error::custom("not a SHA-1");
        let bytes = |digits: &str| {
            let mut bytes = [0; 20];
            hex::decode_to_slice(digits, &mut bytes).map(|()| bytes)
        };
        match (&*text, text.strip_prefix(UNVERIFIED)) {
            ("none", _) => Ok(Self::None),
            (_, Some(digits)) => bytes(digits).map(Self::Unverified).map_err(|_| wrong()),
            (digits, None) => bytes(digits).map(Self::Verified).map_err(|_| wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for ContentMd5 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut bytes = [0; 16];
        let read = hex::decode_to_slice(&*text, &mut bytes);
        read.map_err(|_| de::Error::custom("not an MD5"))?;
        Ok(Self(bytes))
    }
}
