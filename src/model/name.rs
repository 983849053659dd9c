//! The rules for file and bucket names (docs/protocol.md, sections 4.2 and 2.2). They bind what we
//! send; names that the service reports are never judged, because files made through the S3 API may
//! break them.
//!
//! A name that breaks a rule is refused before anything is read or sent, with the rule that it
//! breaks. The same names are accepted where they only refer to a file: a download, a listing, a
//! deletion.

use std::fmt;

/// The rule of the service that a file name breaks
/// ([section 4.2](crate::guide::protocol#42-file-names)), in
/// [`Error::InvalidFileName`](crate::Error::InvalidFileName). Names are checked before an upload or copy, and
/// nothing is sent. Files that break a rule can exist, because other APIs made them; they can be downloaded,
/// listed and deleted.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use b2sdk::Error;
/// use b2sdk::error::NameRule;
///
/// let refused = bucket.upload_bytes(b"hello", "/absolute.txt").unwrap_err();
/// assert!(matches!(refused, Error::InvalidFileName { rule: NameRule::StartsWithSlash, .. }));
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameRule {
    /// A name has at least one character.
    Empty,
    /// A name has at most 1024 bytes of UTF-8.
    TooLong,
    /// A name does not start with `/`.
    StartsWithSlash,
    /// A name does not end with `/`.
    EndsWithSlash,
    /// A name does not contain `//`.
    DoubleSlash,
    /// A name has no character below U+0020 and no U+007F.
    ControlCharacter,
    /// A name does not contain `\`.
    Backslash,
    /// Each part between slashes has at most 250 bytes of UTF-8.
    SegmentTooLong,
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a file name needs at least one character",
            Self::TooLong => "a file name has at most 1024 bytes of UTF-8",
            Self::StartsWithSlash => "a file name must not start with '/'",
            Self::EndsWithSlash => "a file name must not end with '/'",
            Self::DoubleSlash => "a file name must not contain '//'",
            Self::ControlCharacter => "a file name must not contain control characters",
            Self::Backslash => "a file name must not contain '\\'; use '/' between folders",
            Self::SegmentTooLong => {
                "each part of a file name between slashes has at most 250 bytes of UTF-8"
            }
        })
    }
}

/// The most bytes of UTF-8 that a file name has.
pub(crate) const MAX_FILE_NAME: usize = 1024;

/// Checks a file name before it is sent.
pub(crate) fn check_file_name(name: &str) -> Result<(), NameRule> {
    let broken = if name.is_empty() {
        NameRule::Empty
    } else if name.len() > MAX_FILE_NAME {
        NameRule::TooLong
    } else if name.starts_with('/') {
        NameRule::StartsWithSlash
    } else if name.ends_with('/') {
        NameRule::EndsWithSlash
    } else if name.contains("//") {
        NameRule::DoubleSlash
    } else if name.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        NameRule::ControlCharacter
    } else if name.contains('\\') {
        NameRule::Backslash
    } else if name.split('/').any(|segment| segment.len() > 250) {
        NameRule::SegmentTooLong
    } else {
        return Ok(());
    };
    Err(broken)
}

/// Checks the name of a bucket that is to be made; the reason is a sentence for the caller.
pub(crate) fn check_bucket_name(name: &str) -> Result<(), &'static str> {
    if !(6..=63).contains(&name.len()) {
        Err("a bucket name has 6 to 63 characters")
    } else if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        Err("a bucket name consists of letters, digits and '-'")
    } else if name
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("b2-"))
    {
        Err("a bucket name must not start with 'b2-'")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{NameRule, check_bucket_name, check_file_name};

    #[test]
    fn each_rule_is_told_by_its_name() {
        let long_segment = "x".repeat(251);
        let long_name = "abcde/".repeat(171);
        for (name, rule) in [
            ("", NameRule::Empty),
            (long_name.as_str(), NameRule::TooLong),
            ("/a", NameRule::StartsWithSlash),
            ("a/", NameRule::EndsWithSlash),
            ("a//b", NameRule::DoubleSlash),
            ("a\nb", NameRule::ControlCharacter),
            ("a\u{7f}b", NameRule::ControlCharacter),
            ("a\\b", NameRule::Backslash),
            (long_segment.as_str(), NameRule::SegmentTooLong),
        ] {
            assert_eq!(check_file_name(name), Err(rule), "{name:?}");
        }
    }

    #[test]
    fn names_at_the_limits_are_fine() {
        let longest = format!(
            "{}/{}/{}/{}/{}",
            "x".repeat(250),
            "y".repeat(250),
            "z".repeat(250),
            "w".repeat(250),
            "v".repeat(20)
        );
        assert_eq!(longest.len(), 1024);
        for name in ["a", "a b+c%d&e#f?g", "é/𝄞", "a/../b", longest.as_str()] {
            assert_eq!(check_file_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn bucket_names_follow_the_documented_form() {
        for name in [
            "abcde",
            "b2-backup",
            "B2-backup",
            "under_score",
            "dots.are.s3",
            "ünicode",
            &"x".repeat(64),
        ] {
            assert!(check_bucket_name(name).is_err(), "{name}");
        }
        for name in ["abcdef", "My-Bucket-1", &"x".repeat(63)] {
            assert_eq!(check_bucket_name(name), Ok(()));
        }
    }
}
