//! One local directory, read to its end and sorted in the order that makes a walk visit all files
//! in the order of the bytes of their whole names.
//!
//! | what happens while it is read | what follows |
//! |---|---|
//! | the system reports an error | the directory counts as unreadable, whatever was read |
//! | the run is cancelled | reading stops, and the scan ends with that |
//! | a name is not UTF-8, or longer than 64 KiB | a problem under a similar name |
//! | the names take more than 4 GiB | the directory counts as unreadable |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::control::cancel::CancelToken;
use crate::model::local_name::TEMPORARY;
use crate::sync::clean::TEMPORARY_OF_PYTHON;
use crate::sync::order;
use crate::sync::reporter::Reporter;
use crate::sync::scan::local::lookup::Lookup;
use crate::sync::scan::local::{LinkRule, Rules};

/// A directory that is being scanned.
///
/// `names` has all names one after the other; a row says where its own begins.
#[derive(Debug)]
pub(super) struct Directory {
    names: Vec<u8>,
    rows: std::vec::IntoIter<Row>,
    /// The names that were changed into NFC, by where they begin.
    original: BTreeMap<u32, OsString>,
    /// The length of the name of the directory around it, in bytes.
    pub(super) outer_name: usize,
    /// How its files are looked up.
    pub(super) lookup: Lookup,
    pub(super) identity: Option<(u64, u64)>,
}

/// An entry of a directory.
///
/// Eight bytes, of which a directory with a million files has a million.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    start: u32,
    length: u16,
    pub(super) kind: Kind,
}

/// What an entry is, as far as the directory and the rules for links tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A directory that is reached by a link.
    LinkedDirectory,
    /// A link that is skipped.
    Link,
    /// A link that leads nowhere.
    Dangling,
    /// Something of which it cannot be told what it is.
    Unknown(io::ErrorKind),
    /// A pipe, a socket, a device.
    Special,
    /// A temporary file of a download.
    Temporary,
    /// A name that is no UTF-8; the one kept here is only similar.
    NotUtf8,
    /// Another name that becomes one that was there already in NFC.
    Twice,
    /// Another name of a directory, or of what may have been one, that becomes one that was there already in
    /// NFC: what is below it is unknown.
    TwiceBelow,
}

/// What reading a directory takes.
///
/// It is apart from the path because it is the same for each directory but for the identity and the
/// depth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) rules: &'a Rules,
    pub(super) cancel: &'a CancelToken,
    pub(super) reporter: &'a Reporter,
    /// Device and inode of the directory.
    pub(super) identity: Option<(u64, u64)>,
    /// The number of directories around it, from the root on.
    pub(super) depth: usize,
}

impl Kind {
    /// Whether the entry is entered, so that it sorts with a `/` behind its name.
    pub(super) const fn is_directory(self) -> bool {
        matches!(self, Self::Directory | Self::LinkedDirectory)
    }

    /// Whether the entry may have been a directory at the last run, although it is not entered.
    pub(super) const fn may_be_directory(self) -> bool {
        matches!(self, Self::Link | Self::Dangling | Self::Unknown(_))
    }

    /// What the entry is if another one has its name already.
    const fn twice(self) -> Self {
        match self {
            Self::File | Self::Special | Self::Temporary | Self::NotUtf8 | Self::Twice => {
                Self::Twice
            }
            _ => Self::TwiceBelow,
        }
    }
}

impl Row {
    /// The name of the row.
    fn of<'n>(&self, names: &'n [u8]) -> &'n [u8] {
        let start = self.start as usize;
        let end = start + usize::from(self.length);
        names.get(start..end).unwrap_or_default()
    }
}

impl Directory {
    /// Reads and sorts the directory at a path.
    ///
    /// Fails if any entry cannot be read: a directory that is known in part would make what is
    /// missing look absent.
    ///
    /// Names are compared after they were brought into NFC, if that is asked for. Of equal ones
    /// only the first is kept as it is, and the others are `Twice` or `TwiceBelow`. Of directories
    /// these come before the one that is entered, because a marker stands before what it covers.
    pub(super) fn read(path: &Path, reading: &Reading<'_>, outer_name: usize) -> io::Result<Self> {
        let Reading {
            rules,
            cancel,
            reporter,
            identity,
            depth,
        } = *reading;
        let mut names = Vec::new();
        let mut rows = Vec::new();
        let mut original = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            if cancel.is_cancelled() {
                // The next item is that error.
                break;
            }
            reporter.tick();
            let entry = entry?;
            let file_name = entry.file_name();
            let (text, mut kind) = match file_name.to_str() {
                Some(text) => (text.into(), kind(&entry, text, rules)),
                None => (file_name.to_string_lossy(), Kind::NotUtf8),
            };
            let start = u32::try_from(names.len()).map_err(io::Error::other)?;
            if rules.nfc && kind != Kind::NotUtf8 && !is_nfc(&text) {
                names.extend(text.nfc().collect::<String>().into_bytes());
                original.insert(start, file_name);
            } else {
                names.extend_from_slice(text.as_bytes());
            }
            let length = names.len() - start as usize;
            let length = u16::try_from(length).unwrap_or_else(|_| {
                kind = Kind::NotUtf8;
                u16::MAX
            });
            rows.push(Row {
                start,
                length,
                kind,
            });
        }
        let key = |row: &Row| (row.of(&names), row.kind.is_directory());
        rows.sort_unstable_by(|one, other| {
            // Of two equal names the one that was not changed comes first.
            let changed = |row: &Row| original.contains_key(&row.start);
            order::compare(key(one), key(other)).then_with(|| changed(one).cmp(&changed(other)))
        });
        for at in 1..rows.len() {
            if let Some([before, row]) = rows.get_mut(at - 1..=at)
                && row.of(&names) == before.of(&names)
                && row.kind != Kind::NotUtf8
            {
                if before.kind.is_directory() {
                    std::mem::swap(before, row);
                    before.kind = before.kind.twice();
                } else {
                    row.kind = row.kind.twice();
                }
            }
        }
        Ok(Self {
            names,
            rows: rows.into_iter(),
            original,
            outer_name,
            lookup: Lookup::new(path, depth),
            identity,
        })
    }

    /// The next entry in the order.
    pub(super) fn next(&mut self) -> Option<Row> {
        self.rows.next()
    }

    /// Returns the name of an entry, and the name that it has on disk if that is another one.
    pub(super) fn name_of(&self, row: &Row) -> (&str, Option<OsString>) {
        let text = std::str::from_utf8(row.of(&self.names)).unwrap_or_default();
        (text, self.original.get(&row.start).cloned())
    }
}

/// What an entry is. Only a link that may be followed takes a look at its target.
fn kind(entry: &fs::DirEntry, text: &str, rules: &Rules) -> Kind {
    let file_type = match entry.file_type() {
        Ok(file_type) => file_type,
        Err(error) => return Kind::Unknown(error.kind()),
    };
    if file_type.is_dir() {
        return Kind::Directory;
    }
    if text.starts_with(TEMPORARY) || text.ends_with(TEMPORARY_OF_PYTHON) {
        return Kind::Temporary;
    }
    if !file_type.is_symlink() {
        return match file_type.is_file() {
            true => Kind::File,
            false => Kind::Special,
        };
    }
    if rules.links == LinkRule::Skip {
        return Kind::Link;
    }
    match entry.path().metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Kind::Dangling,
        Err(error) => Kind::Unknown(error.kind()),
        Ok(target) if target.is_file() => Kind::File,
        Ok(target) if !target.is_dir() => Kind::Special,
        Ok(_) if rules.links == LinkRule::FilesOnly => Kind::Link,
        Ok(_) => Kind::LinkedDirectory,
    }
}
