//! File info: the names and values stored with a file, among them the ones that come back as
//! response headers (docs/protocol.md, sections 4.3 and 4.4).
//!
//! | name | set by | what it does |
//! | --- | --- | --- |
//! | `src_last_modified_millis` | uploads of local files | the time that a download gives the file; synchronizing compares it |
//! | `large_file_sha1` | uploads in parts, if the SHA-1 is known | lets downloads of large files be verified |
//! | `sse_c_key_id` | uploads with a customer's key that has a name | tells which key is needed |
//! | `b2-content-disposition`, `b2-content-language`, `b2-expires`, `b2-cache-control`, `b2-content-encoding` | the program | become headers of each download |
//! | anything else | the program | is stored and returned |

use std::collections::BTreeMap;
use std::collections::btree_map;

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

/// How many names a file may have.
pub(crate) const MAX_INFOS: usize = 10;
/// The source's modification time in decimal milliseconds.
pub(crate) const SRC_LAST_MODIFIED_MILLIS: &str = "src_last_modified_millis";
/// The SHA-1 of a whole large file, as its uploader gave it.
pub(crate) const LARGE_FILE_SHA1: &str = "large_file_sha1";

/// The names whose values become headers of each download.
const RESPONSE_HEADERS: [&str; 5] = [
    "b2-cache-control",
    "b2-content-disposition",
    "b2-content-encoding",
    "b2-content-language",
    "b2-expires",
];

/// File info: up to ten names and values that are stored with a file. Names are converted to lower
/// case, as the service does; a value can be any text. The values of the five names that become headers of
/// downloads, such as `b2-content-disposition`, must be printable ASCII and not empty. File info cannot be changed later, except by
/// copying the file.
///
/// Together with the file's name it may take up to 7,000 bytes of headers, or 2,048 if the file is
/// encrypted or its bucket has object lock. An upload that exceeds this fails with
/// [`Error::InvalidInput`](crate::Error::InvalidInput) or is refused.
///
/// ```
/// use b2sdk::FileInfo;
///
/// let info = FileInfo::new().with("Author", "Åsa").cache_control("max-age=3600");
/// assert_eq!(info.get("author"), Some("Åsa"));
/// assert_eq!(info.get("b2-cache-control"), Some("max-age=3600"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileInfo(BTreeMap<String, String>);

impl FileInfo {
    /// Creates empty file info.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names and values as the service listed them.
    pub(crate) const fn from_listed(info: BTreeMap<String, String>) -> Self {
        Self(info)
    }

    /// Sets the value of a name. An earlier value of the same name is replaced. The name is converted to lower
    /// case; whether the service accepts it is checked by the upload.
    pub fn insert(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_lowercase(), value.into());
    }

    /// Removes the value of a name and returns it. The case of the name does not matter.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(&name.to_ascii_lowercase())
    }

    /// Sets the value of a name and returns the file info, for chaining. The name is converted to
    /// lower case, and an earlier value of it is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.insert(name, value);
        self
    }

    /// Returns the value of a name. The case of the name does not matter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.get(&name.to_ascii_lowercase())
        } else {
            self.0.get(name)
        };
        value.map(String::as_str)
    }

    /// Returns an iterator over names and values, in the order of names.
    pub fn iter(&self) -> btree_map::Iter<'_, String, String> {
        self.0.iter()
    }

    /// Returns the number of names. An upload accepts at most 10.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the `Cache-Control` header that downloads of the file carry, such as `max-age=3600`:
    /// how long browsers and caches may keep it. It takes precedence over that of the bucket.
    #[must_use]
    pub fn cache_control(self, value: impl Into<String>) -> Self {
        self.with("b2-cache-control", value)
    }

    /// Sets the `Content-Disposition` header that downloads of the file carry: whether a browser
    /// shows (`inline`) or saves (`attachment`) it, and under which name. A name with other characters than
    /// ASCII is written as `filename*=UTF-8''na%C3%AFve.txt`.
    #[must_use]
    pub fn content_disposition(self, value: impl Into<String>) -> Self {
        self.with("b2-content-disposition", value)
    }

    /// Sets the `Content-Encoding` header that downloads of the file carry. It is only a label: the
    /// service stores and serves the bytes as they were uploaded, and this crate does not decode
    /// them.
    #[must_use]
    pub fn content_encoding(self, value: impl Into<String>) -> Self {
        self.with("b2-content-encoding", value)
    }

    /// Sets the `Content-Language` header that downloads of the file carry, such as `de-AT`.
    #[must_use]
    pub fn content_language(self, value: impl Into<String>) -> Self {
        self.with("b2-content-language", value)
    }

    /// Sets the `Expires` header that downloads of the file carry: an HTTP date, such as `Thu, 31
    /// Dec 2026 23:59:59 GMT`, until when browsers and caches may keep it. It deletes nothing.
    #[must_use]
    pub fn expires(self, value: impl Into<String>) -> Self {
        self.with("b2-expires", value)
    }

    /// Returns the source's modification time, if the uploader recorded it as
    /// `src_last_modified_millis`. Uploads of local files do; a download to a path gives the file
    /// this time.
    #[must_use]
    pub fn src_last_modified(&self) -> Option<Timestamp> {
        let millis = self.get(SRC_LAST_MODIFIED_MILLIS)?.parse().ok()?;
        Some(Timestamp::from_millis(millis))
    }

    /// Checks what the service would certainly refuse: too many names, a name that is too long or
    /// has a character that no name may have, a value that cannot stand in the header that it becomes, a
    /// modification time that is no number. The reason is a sentence for the caller.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.len() > MAX_INFOS {
            return Err(format!(
                "a file has at most {MAX_INFOS} names of file info, not {}",
                self.len()
            ));
        }
        for name in self.0.keys() {
            if name.is_empty() || name.len() > 50 || !name.bytes().all(is_name_byte) {
                return Err(format!(
                    "the name {name:?} does not consist of 1 to 50 letters, digits and {NAME_SIGNS}"
                ));
            }
        }
        for name in RESPONSE_HEADERS {
            if self.get(name).is_some_and(|value| !is_header_text(value)) {
                return Err(format!(
                    "{name} becomes a header of downloads, so its value has to be printable ASCII and not empty"
                ));
            }
        }
        match self.get(SRC_LAST_MODIFIED_MILLIS) {
            Some(millis) if !is_millis(millis) => Err(format!(
                "{SRC_LAST_MODIFIED_MILLIS} is {millis:?}, not milliseconds since 1970 in decimal"
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a value can stand in a header: printable ASCII, and not empty.
pub(crate) fn is_header_text(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Digits only: whether the service takes a time before 1970 is not known.
fn is_millis(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

/// RFC 7230 token characters, the ones a header name may have.
/// What a name may have besides letters and digits.
pub(crate) const NAME_SIGNS: &str = "- _ . ` ~ ! # $ % ^ & * ' | +";

/// Whether a name may have this byte: the token characters of RFC 7230, which names of headers
/// have.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || (byte != b' ' && NAME_SIGNS.as_bytes().contains(&byte))
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for FileInfo {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut info = Self::new();
        for (name, value) in pairs {
            info.insert(name.as_ref(), value);
        }
        info
    }
}

impl<'a> IntoIterator for &'a FileInfo {
    type Item = (&'a String, &'a String);
    type IntoIter = btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::FileInfo;

    #[test]
    fn what_the_service_would_refuse_is_found_before() {
        let eleven: FileInfo = (0..11).map(|n| (format!("n{n}"), "v")).collect();
        assert!(eleven.check().is_err());
        for name in ["", "with space", "ünicode", "a:b", &"x".repeat(51)] {
            assert!(FileInfo::new().with(name, "v").check().is_err(), "{name}");
        }
        for name in super::RESPONSE_HEADERS {
            for value in ["", "ünicode", "a\nb", "a\u{7f}"] {
                let told = FileInfo::new().with(name, value).check().unwrap_err();
                assert!(told.contains(name), "{told}");
            }
            assert_eq!(FileInfo::new().with(name, "inline").check(), Ok(()));
        }
        assert!(
            FileInfo::new()
                .with("src_last_modified_millis", "yesterday")
                .check()
                .is_err()
        );
        assert_eq!(
            FileInfo::new()
                .with("src_last_modified_millis", "5")
                .with("a-b_c.d", "x\ny")
                .check(),
            Ok(())
        );
    }
}
