//! The text of the record beside an unfinished download.
//!
//! The first line is a JSON object about the version and the size of the parts. Each further line
//! is a step: the number of a part, how many of its bytes are on the disk, and their SHA-1, or `-`
//! if the SHA-1 of the whole file is known. The last step of a part counts. A last line without a
//! line break was being written when the process died, and is ignored.
//!
//! ```text
//! {"format":1,"fileName":"disk.img","fileId":"4_z27...","contentLength":25000000,"contentSha1":"2aae...","partSize":12500000}
//! 0 8388608 -
//! 1 8388608 -
//! 0 12500000 -
//! ```
//!
//! | what is wrong with a record | what follows |
//! | --- | --- |
//! | it is of another version, or of one whose SHA-1 or length differs | it is not used: its bytes are other ones |
//! | it has another form than this release writes | it is not used, and neither is its data |
//! | a complete line cannot be read, or names bytes that its part does not have | it is damaged, and not used: the lines before it may be damaged as well |
//! | a line has a SHA-1 although that of the whole is known, or none although it is needed | it is damaged, and not used |
//! | the parts are cut in another size than is wanted now | it is used, with its own size |
//!
//! A record that is not used is replaced, and its data removed: that costs the download of bytes
//! that were there, and never a wrong byte.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::file::FileVersion;
use crate::model::sha1::Sha1Digest;
use crate::transfer::parts::EqualParts;

/// The form of the record that this version of the crate writes and reads.
const FORMAT: u32 = 1;
/// The largest number of parts in a record. One with more is considered damaged.
const MOST_PARTS: u64 = 1_000_000;

/// The first line of a record: which version it belongs to, and how that is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// The form of the record. A record of another one is not read.
    format: u32,
    /// The name of the file in its bucket.
    file_name: String,
    /// The id of the version, which no other version ever has.
    file_id: String,
    /// The length of the whole file, in bytes.
    content_length: u64,
    /// The SHA-1 of the whole file, if the service or the uploader recorded one.
    content_sha1: Option<String>,
    /// The size of the parts, in bytes, that the download was begun with.
    pub(super) part_size: u64,
}

impl Header {
    /// The first line of a new record of this version.
    pub(super) fn new(version: &FileVersion, part_size: u64) -> Self {
        Self {
            format: FORMAT,
            file_name: version.file_name.clone(),
            file_id: version.file_id.to_string(),
            content_length: version.content_length,
            content_sha1: version.sha1().map(|sha1| sha1.to_string()),
            part_size,
        }
    }

    /// The parts that the file is cut into.
    pub(super) const fn parts(&self) -> EqualParts {
        EqualParts::new(self.content_length, self.part_size)
    }

    /// Whether the SHA-1 of the whole is known, so that single parts need none.
    pub(super) const fn has_sha1(&self) -> bool {
        self.content_sha1.is_some()
    }
}

/// How far a part has come: the number of its bytes that are on the disk, counted from its
/// beginning, and their SHA-1 if it is needed.
///
/// A step is written after its bytes were flushed, so it never promises what a power failure can
/// take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The number of the part, from 0.
    pub(super) part: u64,
    /// The number of bytes from the beginning of the part.
    pub(super) bytes: u64,
    /// The SHA-1 of these bytes, if the SHA-1 of the whole is not known.
    pub(super) sha1: Option<Sha1Digest>,
}

impl Step {
    /// The line of the record.
    pub(super) fn line(&self) -> String {
        let sha1 = self
            .sha1
            .map_or_else(|| "-".into(), |sha1| sha1.to_string());
        format!("{} {} {sha1}\n", self.part, self.bytes)
    }
}

impl FromStr for Step {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut words = line.split(' ');
            let step = Self {
                part: words.next()?.parse().ok()?,
                bytes: words.next()?.parse().ok()?,
                sha1: match words.next()? {
                    "-" => None,
                    sha1 => Some(sha1.parse().ok()?),
                },
            };
            words.next().is_none().then_some(step)
        };
        parse().ok_or("the record is damaged")
    }
}

/// The content of a record that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The version, and how it was cut when the download was begun.
    pub(super) header: Header,
    /// The last step of each part that has one.
    pub(super) steps: BTreeMap<u64, Step>,
    /// The length of the text up to the end of its last complete line.
    pub(super) length: u64,
}

impl Record {
    /// The text of a record without steps.
    pub(super) fn begin(header: &Header) -> serde_json::Result<String> {
        Ok(serde_json::to_string(header)? + "\n")
    }

    /// Reads the record of the wanted version. Fails with the reason why the record cannot be used,
    /// which is logged and never an error of the download.
    ///
    /// The part size of `wanted` is not compared. The text may be anything: it is what the disk
    /// returns after a crash.
    pub(super) fn parse(text: &[u8], wanted: &Header) -> Result<Self, &'static str> {
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.and_then(|last| text.get(..=last)).unwrap_or_default();
        let lines = std::str::from_utf8(whole).map_err(|_| "the record is damaged")?;
        let mut lines = lines.lines();
        let first = lines.next().ok_or("there is no record")?;
        let header: Header = serde_json::from_str(first).map_err(|_| "the record is damaged")?;
        let same_cut = Header {
            part_size: wanted.part_size,
            ..header.clone()
        };
        if same_cut != *wanted {
            return Err("the record is of another version");
        }
        let parts = header.parts();
        if parts.count() > MOST_PARTS {
            return Err("the record is damaged");
        }
        let mut steps = BTreeMap::new();
        for line in lines {
            let step: Step = line.parse()?;
            let range = parts.range(step.part);
            let fits = step.part < parts.count() && step.bytes <= range.end - range.start;
            if !fits || step.sha1.is_some() == header.has_sha1() {
                return Err("the record is damaged");
            }
            steps.insert(step.part, step);
        }
        Ok(Self {
            header,
            steps,
            length: whole.len() as u64,
        })
    }

    /// The smallest length of the data file that agrees with the record.
    pub(super) fn data_length(&self) -> u64 {
        let parts = self.header.parts();
        let ends = self.steps.values();
        ends.map(|step| parts.range(step.part).start + step.bytes)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Header, Record, Step};
    use crate::model::sha1::Sha1Digest;

    fn header(sha1: Option<&str>) -> Header {
        Header {
            format: 1,
            file_name: "x".into(),
            file_id: "id".into(),
            content_length: 25,
            content_sha1: sha1.map(Into::into),
            part_size: 10,
        }
    }

    fn text(header: &Header, steps: &[(u64, u64)]) -> String {
        let sha1 = (!header.has_sha1()).then(|| Sha1Digest::of(b"x"));
        let lines = steps.iter().map(|(part, bytes)| {
            let (part, bytes) = (*part, *bytes);
            Step { part, bytes, sha1 }.line()
        });
        Record::begin(header).unwrap() + &lines.collect::<String>()
    }

    #[test]
    fn the_last_step_of_each_part_counts() {
        for header in [header(None), header(Some("abc"))] {
            let text = text(&header, &[(0, 3), (2, 5), (0, 10)]);
            let record = Record::parse(text.as_bytes(), &header).unwrap();
            let found: Vec<_> = record.steps.values().map(|s| (s.part, s.bytes)).collect();
            assert_eq!(found, [(0, 10), (2, 5)]);
            assert_eq!(
                (record.data_length(), record.length),
                (25, text.len() as u64)
            );
        }
    }

    #[test]
    fn a_line_that_was_being_written_does_not_count() {
        let header = header(Some("abc"));
        let whole = text(&header, &[(0, 10), (1, 10)]);
        let one = text(&header, &[(0, 10)]).len();
        for end in one..whole.len() {
            let record = Record::parse(&whole.as_bytes()[..end], &header).unwrap();
            assert_eq!((record.steps.len(), record.length), (1, one as u64));
        }
    }

    #[test]
    fn another_version_counts_for_nothing_and_other_parts_do_not_matter() {
        let wanted = header(Some("abc"));
        let others = [
            Header {
                format: 2,
                ..wanted.clone()
            },
            Header {
                file_name: "y".into(),
                ..wanted.clone()
            },
            Header {
                file_id: "other".into(),
                ..wanted.clone()
            },
            Header {
                content_length: 26,
                ..wanted.clone()
            },
            Header {
                content_sha1: Some("abd".into()),
                ..wanted.clone()
            },
            Header {
                content_sha1: None,
                ..wanted.clone()
            },
        ];
        for other in others {
            assert!(
                Record::parse(text(&other, &[]).as_bytes(), &wanted).is_err(),
                "{other:?}"
            );
        }
        let recut = Header {
            part_size: 7,
            ..wanted.clone()
        };
        let record = Record::parse(text(&recut, &[(3, 4)]).as_bytes(), &wanted).unwrap();
        assert_eq!(record.header, recut);
    }

    #[test]
    fn steps_that_cannot_be_are_damage() {
        for (sha1, lines) in [
            (Some("abc"), "3 1 -\n"),
            (Some("abc"), "0 11 -\n"),
            (Some("abc"), "2 6 -\n"),
            (Some("abc"), "0 1 2 -\n"),
            (Some("abc"), "0 1\n"),
            (Some("abc"), "\n"),
            (Some("abc"), "\0\0\0\n"),
            (
                Some("abc"),
                "0 5 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\n",
            ),
            (None, "0 5 -\n"),
            (None, "0 5 aaf4\n"),
        ] {
            let header = header(sha1);
            let text = text(&header, &[]) + lines;
            assert!(
                Record::parse(text.as_bytes(), &header).is_err(),
                "{lines:?}"
            );
        }
        let tiny = Header {
            part_size: 1,
            content_length: 1 << 40,
            ..header(None)
        };
        assert!(Record::parse(text(&tiny, &[]).as_bytes(), &tiny).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_on_the_disk_makes_it_panic(bytes in any::<Vec<u8>>(), keep in 0..200_usize) {
            let header = header(None);
            let mut text = text(&header, &[(0, 3)]).into_bytes();
            text.truncate(keep);
            text.extend(bytes);
            let _ = Record::parse(&text, &header);
        }
    }
}
