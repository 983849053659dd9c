//! Decodes file versions that look like the one before them.
//!
//! The rows of a listing have the same members in the same order, with the same text between their values, and most
//! of them have the same settings. So a row is compared with the one before it: where the text up to a value is what
//! it was, it is known which member follows, and a setting whose text is what it was is copied. Plain strings and
//! numbers are taken as they are. All other values are decoded by `serde_json`.
//!
//! | the row | what happens |
//! | --- | --- |
//! | has members in another order, or other space between them | they are looked at one by one, and are expected like that in the next row |
//! | has a member that is unknown | the member goes to `extra` |
//! | lacks its name, has a member twice, or a value that cannot be read | it is not decoded here |
//! | is not complete | it is not decoded here |
//!
//! What is not decoded here is left to the `Deserialize` of [`FileVersion`], which decides what an error is. A test
//! compares both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::model::encryption::EncryptionInfo;
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::FileInfo;
use crate::model::filtered::{self, Filtered, Setting};
use crate::model::id::{AccountId, BucketId, FileId};
use crate::model::lenient::empty;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::replication::{ReplicationStatus, status_in_any_case};
use crate::model::sha1::ContentSha1;
use crate::model::time::Timestamp;

/// What a row is expected to look like, from the one before it.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// The members in their order.
    places: Vec<Place>,
    account_id: Last<Option<AccountId>>,
    bucket_id: Last<Option<BucketId>>,
    action: Last<Option<FileAction>>,
    encryption: Last<Plain<EncryptionInfo>>,
    retention: Last<Wrapped<FileRetention>>,
    hold: Last<Wrapped<LegalHold>>,
    replication: Last<Replication>,
}

/// A place in a row.
#[derive(Debug)]
struct Place {
    /// The text from the value before it to its own: a comma or the opening brace, the member's name, a colon.
    before: String,
    member: Member,
}

/// A member of a row that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    AccountId,
    BucketId,
    Action,
    FileId,
    FileName,
    ContentLength,
    ContentType,
    ContentSha1,
    ContentMd5,
    FileInfo,
    Encryption,
    Retention,
    LegalHold,
    UploadTimestamp,
    Replication,
}

impl Member {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "accountId" => Self::AccountId,
            "bucketId" => Self::BucketId,
            "action" => Self::Action,
            "fileId" => Self::FileId,
            "fileName" => Self::FileName,
            "contentLength" => Self::ContentLength,
            "contentType" => Self::ContentType,
            "contentSha1" => Self::ContentSha1,
            "contentMd5" => Self::ContentMd5,
            "fileInfo" => Self::FileInfo,
            "serverSideEncryption" => Self::Encryption,
            "fileRetention" => Self::Retention,
            "legalHold" => Self::LegalHold,
            "uploadTimestamp" => Self::UploadTimestamp,
            "replicationStatus" => Self::Replication,
            _ => return None,
        })
    }

    /// The bit that stands for it in a set.
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What comes next in a row.
enum Next<'a> {
    Known(Member),
    /// A member of this name that has no field.
    Other(&'a str),
    End,
}

/// The value is neither a string nor `null`.
#[derive(Debug)]
struct Unreadable;

/// The value of the row before, and its text.
#[derive(Debug, Default)]
struct Last<T> {
    text: String,
    value: T,
}

impl<T: DeserializeOwned + Clone> Last<T> {
    /// Passes a value and returns it.
    fn read(&mut self, left: &mut &str) -> Option<T> {
        match left.strip_prefix(self.text.as_str()) {
            Some(behind) if !self.text.is_empty() => *left = behind,
            _ => {
                let start = *left;
                self.text.clear();
                self.value = decode(left)?;
                self.text.push_str(passed(start, left));
            }
        }
        Some(self.value.clone())
    }
}

/// A setting that has no wrapper.
#[derive(Debug, Clone)]
struct Plain<T>(Filtered<T>);

/// A setting in its wrapper.
#[derive(Debug, Clone)]
struct Wrapped<T>(Filtered<T>);

#[derive(Debug, Clone, Default)]
struct Replication(Option<ReplicationStatus>);

impl<T> Default for Plain<T> {
    fn default() -> Self {
        Self(Filtered::Unset)
    }
}

impl<T> Default for Wrapped<T> {
    fn default() -> Self {
        Self(Filtered::Unset)
    }
}

impl<'de, T: Setting> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        filtered::plain::deserialize(deserializer).map(Self)
    }
}

impl<'de, T: Setting> Deserialize<'de> for Wrapped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        filtered::wrapped::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Replication {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        status_in_any_case(deserializer).map(Self)
    }
}

impl Shape {
    /// Reads the row that the text begins with into a blank one, and returns where it ends. Returns `None` if it has to
    /// be decoded in another way; what it has read until then is in the row.
    pub(super) fn read(&mut self, text: &str, row: &mut FileVersion) -> Option<usize> {
        let mut left = text;
        let (mut seen, mut place) = (0, 0);
        loop {
            match self.next(&mut left, place)? {
                Next::Known(member) if seen & member.bit() == 0 => {
                    seen |= member.bit();
                    self.value(member, &mut left, row)?;
                }
                // A member that comes twice is an error.
                Next::Known(_) => return None,
                Next::Other(name) => {
                    let value = decode(&mut left)?;
                    row.extra.insert(name.to_owned(), value);
                }
                Next::End if seen & Member::FileName.bit() == 0 => return None,
                Next::End => return Some(text.len() - left.len()),
            }
            place += 1;
        }
    }

    /// Passes what comes before the value at this place, or the end of the row.
    fn next<'a>(&mut self, left: &mut &'a str, place: usize) -> Option<Next<'a>> {
        if let Some(expected) = self.places.get(place)
            && let Some(behind) = left.strip_prefix(expected.before.as_str())
        {
            *left = behind;
            return Some(Next::Known(expected.member));
        }
        let start = *left;
        *left = without_space(left);
        if place > 0
            && let Some(behind) = left.strip_prefix('}')
        {
            *left = behind;
            return Some(Next::End);
        }
        let opening = if place == 0 { '{' } else { ',' };
        *left = without_space(left.strip_prefix(opening)?);
        let name = plain_text(left)?;
        *left = without_space(without_space(left).strip_prefix(':')?);
        let Some(member) = Member::named(name) else {
            return Some(Next::Other(name));
        };
        let before = passed(start, left).to_owned();
        let found = Place { before, member };
        // Behind a member that is unknown, nothing is expected.
        if place <= self.places.len() {
            self.places.truncate(place);
            self.places.push(found);
        }
        Some(Next::Known(member))
    }

    /// Reads the value of a member.
    fn value(&mut self, member: Member, left: &mut &str, row: &mut FileVersion) -> Option<()> {
        match member {
            Member::AccountId => row.account_id = self.account_id.read(left)?,
            Member::BucketId => row.bucket_id = self.bucket_id.read(left)?,
            Member::Action => row.action = self.action.read(left)?.unwrap_or_else(empty),
            Member::FileId => {
                row.file_id = text(left).ok()?.map_or_else(empty, |id| FileId::from(&*id));
            }
            Member::FileName => row.file_name = text(left).ok()??.into_owned(),
            Member::ContentLength => {
                row.content_length = match digits(left) {
                    Some(length) => length,
                    None => decode::<Option<u64>>(left)?.unwrap_or_default(),
                };
            }
            Member::ContentType => row.content_type = text(left).ok()?.map(Cow::into_owned),
            Member::ContentSha1 => {
                let sha1 = text(left).ok()?.map(|sha1| ContentSha1::from(&*sha1));
                row.content_sha1 = sha1.unwrap_or_default();
            }
            Member::ContentMd5 => row.content_md5 = text(left).ok()?.map(Cow::into_owned),
            Member::FileInfo => {
                row.file_info = match plain_info(left) {
                    Some(info) => info,
                    None => decode::<Option<FileInfo>>(left)?.unwrap_or_default(),
                };
            }
            Member::Encryption => row.server_side_encryption = self.encryption.read(left)?.0,
            Member::Retention => row.file_retention = self.retention.read(left)?.0,
            Member::LegalHold => row.legal_hold = self.hold.read(left)?.0,
            Member::UploadTimestamp => {
                let millis = digits(left).and_then(|millis| i64::try_from(millis).ok());
                row.upload_timestamp = match millis {
                    Some(millis) => Timestamp::from_millis(millis),
                    None => decode::<Option<Timestamp>>(left)?.unwrap_or_default(),
                };
            }
            Member::Replication => row.replication_status = self.replication.read(left)?.0,
        }
        Some(())
    }
}

/// Passes a value that is decoded by `serde_json`.
fn decode<T: DeserializeOwned>(left: &mut &str) -> Option<T> {
    let mut values = serde_json::Deserializer::from_str(left).into_iter();
    let value = values.next()?.ok()?;
    *left = left.get(values.byte_offset()..)?;
    Some(value)
}

/// Passes a string or `null`, which is `None`.
fn text<'a>(left: &mut &'a str) -> Result<Option<Cow<'a, str>>, Unreadable> {
    if let Some(text) = plain_text(left) {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let text = decode::<Option<String>>(left).ok_or(Unreadable)?;
    Ok(text.map(Cow::Owned))
}

/// Passes a string that has no escapes.
fn plain_text<'a>(left: &mut &'a str) -> Option<&'a str> {
    let content = left.strip_prefix('"')?;
    let end = plain_length(content.as_bytes());
    *left = content.get(end..)?.strip_prefix('"')?;
    content.get(..end)
}

/// Passes file info whose names and values have no escapes.
fn plain_info(left: &mut &str) -> Option<FileInfo> {
    let mut info = BTreeMap::new();
    let mut inside = without_space(left.strip_prefix('{')?);
    if let Some(behind) = inside.strip_prefix('}') {
        *left = behind;
        return Some(FileInfo::default());
    }
    loop {
        let name = plain_text(&mut inside)?;
        inside = without_space(without_space(inside).strip_prefix(':')?);
        info.insert(name.to_owned(), plain_text(&mut inside)?.to_owned());
        inside = without_space(inside);
        if let Some(behind) = inside.strip_prefix('}') {
            *left = behind;
            return Some(FileInfo::from_listed(info));
        }
        inside = without_space(inside.strip_prefix(',')?);
    }
}

/// The number of bytes before the first one that ends a string, or that it can have only in another form.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
    // Many at a time, which the compiler does with wide registers.
    let (blocks, _) = bytes.as_chunks::<16>();
    let is_plain =
        |block: &&[u8; 16]| !block.iter().fold(false, |any, byte| any | is_special(byte));
    let plain = 16 * blocks.iter().take_while(is_plain).count();
    let rest = bytes.get(plain..).unwrap_or_default();
    plain + rest.iter().take_while(|byte| !is_special(byte)).count()
}

/// Passes a number without a sign, a fraction and an exponent that has up to 18 digits.
fn digits(left: &mut &str) -> Option<u64> {
    let count = left.bytes().take_while(u8::is_ascii_digit).count();
    let (number, behind) = left.split_at_checked(count)?;
    let is_whole = !behind.starts_with(['.', 'e', 'E']) && (count == 1 || !number.starts_with('0'));
    if !is_whole || !(1..=18).contains(&count) {
        return None;
    }
    *left = behind;
    number.parse().ok()
}

/// The text without the white space before it.
fn without_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\n', '\r', '\t'])
}

/// What was passed between two places in a text.
fn passed<'a>(start: &'a str, left: &str) -> &'a str {
    let length = start.len() - left.len();
    start.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::Shape;
    use crate::model::file::FileVersion;

    /// The members of a row, and texts of their values, some of which cannot be read.
    const MEMBERS: &[(&str, &[&str])] = &[
        ("accountId", &[r#""5b2e""#, r#""5b2f""#, "null", "7"]),
        ("bucketId", &[r#""e50b""#, r#""e5\u0030b""#, "null"]),
        (
            "action",
            &[r#""upload""#, r#""hide""#, r#""levitate""#, "null", "[]"],
        ),
        (
            "fileId",
            &[r#""4_z27_f10""#, r#""4_z27_f11""#, "null", r#""x"#],
        ),
        (
            "fileName",
            &[
                r#""photos/a""#,
                r#""\"ö\\""#,
                r#""é, and more than sixteen bytes of it""#,
                r#""""#,
            ],
        ),
        ("fileName", &["null", "\"a\nb\"", r#""a\x""#]),
        (
            "contentLength",
            &["0", "7", "4096", "40960", "18446744073709551615", "null"],
        ),
        (
            "contentLength",
            &[
                "00",
                "-0",
                "-1",
                "1.5",
                "1e3",
                "18446744073709551616",
                r#""7""#,
                "1x",
            ],
        ),
        ("contentType", &[r#""text/plain""#, "null", "7"]),
        (
            "contentSha1",
            &[
                r#""aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d""#,
                r#""none""#,
                "null",
                "7",
            ],
        ),
        (
            "contentMd5",
            &[r#""5d41402abc4b2a76b9719d911017c592""#, "null"],
        ),
        (
            "fileInfo",
            &[
                "{}",
                "{ }",
                r#"{"a": "b", "c": "\n"}"#,
                r#"{"B":"c","a":"b","a":"ö"}"#,
                r#"{ "a" : "b" , "c" : "" }"#,
                r#"{"a":"b",}"#,
                r#"{,"a":"b"}"#,
                r#"{"a":"b""c":"d"}"#,
                r#"{"a":null}"#,
                "null",
                r#"{"a": 7}"#,
                "{} {}",
            ],
        ),
        (
            "serverSideEncryption",
            &[
                r#"{"algorithm": null, "mode": null}"#,
                r#"{"algorithm": "AES256", "mode": "SSE-B2"}"#,
                "null",
                "7",
            ],
        ),
        (
            "fileRetention",
            &[
                r#"{"isClientAuthorizedToRead": false, "value": null}"#,
                r#"{"isClientAuthorizedToRead": true, "value": {"mode": "governance", "retainUntilTimestamp": 12}}"#,
                r#"{"isClientAuthorizedToRead": true, "value": {"mode": "governance", "retainUntilTimestamp": 120}}"#,
                "{}",
                "[]",
            ],
        ),
        (
            "legalHold",
            &[
                r#"{"isClientAuthorizedToRead": true, "value": "on"}"#,
                r#"{"isClientAuthorizedToRead": true, "value": null}"#,
                "null",
            ],
        ),
        (
            "uploadTimestamp",
            &[
                "1793779200123",
                "0",
                "-5",
                "null",
                "9223372036854775808",
                "1.5",
            ],
        ),
        (
            "replicationStatus",
            &["null", r#""PENDING""#, r#""completed""#],
        ),
        ("new", &["null", r#"[1, {"x": "]}"}]"#, "-1.5", "tru"]),
        ("", &["7"]),
    ];

    /// A member with a value that mostly can be read.
    fn member() -> impl Strategy<Value = (&'static str, &'static str)> {
        (0..MEMBERS.len(), 0..9_usize).prop_map(|(member, value)| {
            let (name, values) = MEMBERS[member];
            (name, values[value % values.len()])
        })
    }

    /// What most rows of a listing are like.
    fn usual() -> Vec<(&'static str, &'static str)> {
        let is_usual = |name: &str| !matches!(name, "new" | "");
        let mut members: Vec<_> = MEMBERS
            .iter()
            .map(|(name, values)| (*name, values[0]))
            .collect();
        members.retain(|(name, _)| is_usual(name));
        members.dedup_by_key(|(name, _)| *name);
        members
    }

    /// The texts of rows that differ from one another in a few members.
    fn rows() -> impl Strategy<Value = Vec<String>> {
        let space = prop::sample::select(vec!["", " ", "\n\t\r  "]);
        let change = (any::<prop::sample::Index>(), member(), 0..4);
        let rows = prop::collection::vec(prop::collection::vec(change, 0..3), 1..9);
        (Just(usual()).prop_shuffle(), rows, space).prop_map(|(mut members, rows, space)| {
            let mut texts = Vec::new();
            for changes in rows {
                for (at, (name, value), how) in changes {
                    let at = at.index(members.len());
                    match how {
                        0 => members.insert(at, (name, value)),
                        1 if members.len() > 1 => drop(members.remove(at)),
                        _ => match members.iter_mut().find(|(other, _)| *other == name) {
                            Some(member) => member.1 = value,
                            None => members.push((name, value)),
                        },
                    }
                }
                let member = |(name, value): &(&str, &str)| {
                    format!("{space}\"{name}\"{space}:{space}{value}{space}")
                };
                let members: Vec<_> = members.iter().map(member).collect();
                texts.push(format!("{{{}}}", members.join(",")));
            }
            texts
        })
    }

    proptest! {
        /// The oracle is the `Deserialize` of a version.
        #[test]
        fn a_row_is_read_as_serde_reads_it_or_left_to_it(
            rows in rows(),
            behind in prop::sample::select(vec!["", ",", " ]", "}", "7", "\""]),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut shape = Shape::default();
            for text in rows {
                let mut row = FileVersion::blank();
                let end = shape.read(&format!("{text}{behind}"), &mut row);
                let expected = serde_json::from_str::<FileVersion>(&text).ok();
                let is_read = expected.is_some();
                prop_assert_eq!(end.map(|_| row), expected, "{}", text);
                prop_assert!(!is_read || end == Some(text.len()), "{}", text);
                let ends: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
                let begun = &text[..ends[cut.index(ends.len())]];
                prop_assert_eq!(shape.read(begun, &mut FileVersion::blank()), None, "{}", begun);
            }
        }
    }

    #[test]
    fn the_usual_row_is_read_in_each_of_its_forms() {
        let members: Vec<_> = usual()
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        for separator in [",", ", ", ",\n    "] {
            let text = format!("{{{}}}", members.join(separator));
            let mut shape = Shape::default();
            for _ in 0..2 {
                let mut row = FileVersion::blank();
                assert_eq!(shape.read(&text, &mut row), Some(text.len()));
                assert_eq!(row, serde_json::from_str(&text).unwrap());
            }
            assert_eq!(shape.places.len(), members.len());
        }
    }

    #[test]
    fn a_member_whose_name_has_escapes_is_left_to_serde() {
        let text = r#"{"file\u004eame": "x"}"#;
        let row = serde_json::from_str::<FileVersion>(text).unwrap();
        assert_eq!(row.file_name, "x");
        let end = Shape::default().read(text, &mut FileVersion::blank());
        assert_eq!(end, None);
    }
}
