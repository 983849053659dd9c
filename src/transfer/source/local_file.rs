//! A local file as the source of an upload.
//!
//! The danger is a file that changes while it is read. It is met by comparing the state of the file
//! with every piece that is read.
//!
//! | what happens to a local file | what the upload does |
//! | --- | --- |
//! | it is written to, or grows or shrinks | fails with `SourceChanged`, also if its modification time is put back (on Unix); a file that may grow has a source of its own (`growing`) |
//! | another file takes its place | fails with `SourceChanged` |
//! | a pipe, a directory or a device takes its place | fails with `SourceChanged` without waiting (`regular_file`) |
//! | it is deleted | fails with `SourceChanged`, because its path no longer leads to it |
//! | it was changed less than 20 ms ago | is read a little later, when another change would be visible |
//! | it cannot be read | fails with `LocalFile` |
//! | it has more bytes than its length says | fails with `SourceChanged` |
//!
//! The check costs two calls of the system for each piece, and no pass over the content. On systems other
//! than Unix only length and modification time are compared, so a program that rewrites the file and puts
//! its time back is not noticed there.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::model::time::Timestamp;
use crate::transfer::source::UploadSource;
use crate::transfer::source::regular_file::{self, NotRegular};

/// A local file, as it was when the upload began. If the file changes afterwards, the upload fails
/// before the service has all of it.
///
/// The file is opened for each attempt and each part, so a large file needs no more descriptors
/// than parts that are being sent.
pub(crate) struct FileSource {
    /// The path, as the caller gave it. A relative one is resolved for each part.
    path: PathBuf,
    /// What the file was when the upload began.
    state: FileState,
}

/// What must stay the same while a file is uploaded.
///
/// Two states are equal only if all of it is, so a changed owner or another hard link is taken for
/// a change as well: on Unix both change the time that the system keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    /// The length in bytes.
    length: u64,
    /// The modification time, which any program can set.
    modified: Option<SystemTime>,
    /// What no program can set.
    system: SystemState,
}

/// What only the operating system can set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct SystemState {
    /// The device and the inode, by which another file of the same name is recognized.
    identity: Option<(u64, u64)>,
    /// When the content or the metadata of the file was last changed, in seconds and nanoseconds.
    /// Unlike the modification time, no program can set it back.
    changed: Option<(i64, i64)>,
}

impl FileState {
    /// The state of a file that the system describes in this way.
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            system: system_state(metadata),
        }
    }

    /// When the file was last changed, as far as the system tells.
    fn changed(&self) -> Option<SystemTime> {
        let since_1970 = self.system.changed.and_then(|(seconds, nanos)| {
            Some(Duration::new(
                seconds.try_into().ok()?,
                nanos.try_into().ok()?,
            ))
        });
        let changed = since_1970.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        changed.or(self.modified)
    }
}

/// Reads what only the operating system can set.
#[cfg(unix)]
fn system_state(metadata: &Metadata) -> SystemState {
    use std::os::unix::fs::MetadataExt;
    SystemState {
        identity: Some((metadata.dev(), metadata.ino())),
        changed: Some((metadata.ctime(), metadata.ctime_nsec())),
    }
}

#[cfg(not(unix))]
fn system_state(_: &Metadata) -> SystemState {
    SystemState::default()
}

impl FileSource {
    /// Notes the state of a file. Fails with `LocalFile` if it cannot be found or is not a regular
    /// file.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let metadata = path
            .metadata()
            .map_err(|error| Error::local_file("read", path, error))?;
        if !metadata.is_file() {
            let found = NotRegular::new(metadata.file_type());
            let reason = io::Error::new(io::ErrorKind::InvalidInput, found.state);
            return Err(Error::local_file("upload", path, reason));
        }
        Ok(Self {
            path: path.to_owned(),
            state: FileState::of(&metadata),
        })
    }
}

impl UploadSource for FileSource {
    fn len(&self) -> u64 {
        self.state.length
    }

    fn modified(&self) -> Option<Timestamp> {
        self.state.modified.map(Timestamp::from)
    }

    fn stamped(&self) -> Option<SystemTime> {
        self.state.changed()
    }

    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let failed = |error| Error::local_file("read", &self.path, error);
        let mut file = self.open_file()?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        }
        let mut reader = FileReader {
            source: self,
            file: file.take(range.end - range.start),
            reaches_end: range.end == self.state.length,
        };
        // Otherwise the first read checks it, before anything is sent.
        if range.is_empty() {
            reader.check()?;
        }
        if self.state.length == 0 {
            reader.expect_end()?;
        }
        Ok(Box::new(reader))
    }
}

impl FileSource {
    /// Opens the file under its path. A file that is gone has changed; other errors are
    /// `LocalFile`. A link is followed as it is now; what it leads to is compared with the first file.
    pub(in crate::transfer) fn open_file(&self) -> Result<File> {
        regular_file::open(&self.path).map_err(|error| match NotRegular::of(&error) {
            Some(became) => self.changed(became.change),
            None if error.kind() == io::ErrorKind::NotFound => self.changed("it is gone"),
            None => self.unreadable(error),
        })
    }

    /// Fails if this is not the file that it was, or if it became shorter. It may have grown.
    pub(in crate::transfer) fn check_grown(&self, file: &File) -> Result<()> {
        let open = file.metadata().map_err(|error| self.unreadable(error))?;
        let named = self.path.metadata();
        let named = named.map_err(|_| self.changed("it is gone"))?;
        let (open, named) = (FileState::of(&open), FileState::of(&named));
        let is_it = |state: &FileState| state.system.identity == self.state.system.identity;
        if !is_it(&open) || !is_it(&named) {
            return Err(self.changed("another file took its place"));
        }
        if open.length < self.state.length {
            return Err(self.changed("it became shorter"));
        }
        Ok(())
    }

    /// Fails if a file that seemed to be empty has bytes although its length is still 0, as those of the kernel
    /// do.
    pub(in crate::transfer) fn expect_end_or_growth(&self, file: &mut File) -> Result<()> {
        let read = file.read(&mut [0]);
        let read = read.map_err(|error| self.unreadable(error))?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if read > 0 && length == 0 {
            return Err(self.changed("it has more bytes than its length says"));
        }
        Ok(())
    }

    /// The error of a file that cannot be read.
    pub(in crate::transfer) fn unreadable(&self, error: io::Error) -> Error {
        Error::local_file("read", &self.path, error)
    }

    /// The error of reading the file, if it was taken for that of a reader of the caller.
    pub(in crate::transfer) fn of_file(&self, error: Error) -> Error {
        match error {
            Error::Stream { source, .. } => self.unreadable(source),
            other => other,
        }
    }

    /// The error of a file that changed.
    pub(in crate::transfer) fn changed(&self, change: &'static str) -> Error {
        Error::SourceChanged {
            path: self.path.as_path().into(),
            change,
        }
    }
}

/// Reads a file, and checks with every piece whether the file is still what it was. The last piece
/// is returned only after that, so a changed file never arrives complete.
struct FileReader<'a> {
    source: &'a FileSource,
    file: Take<File>,
    /// Whether the bytes to read include the last one of the file.
    reaches_end: bool,
}

impl FileReader<'_> {
    /// Fails with `SourceChanged` if the open file, or the one that now has its name, is not the
    /// one that was found in the beginning.
    ///
    /// It takes two requests to the file system for each piece that is read. The message names the
    /// most telling change if there are several.
    fn check(&self) -> Result<()> {
        let source = self.source;
        let open = self
            .file
            .get_ref()
            .metadata()
            .map_err(|error| Error::local_file("read", &source.path, error))?;
        let named = source
            .path
            .metadata()
            .map_err(|_| source.changed("it is gone"))?;
        let wanted = &source.state;
        let (open, named) = (FileState::of(&open), FileState::of(&named));
        let is_it = |state: &FileState| state.system.identity == wanted.system.identity;
        let change = if !is_it(&named) || !is_it(&open) {
            "another file took its place"
        } else if open.length < wanted.length {
            "it became shorter"
        } else if open.length > wanted.length {
            "it became longer"
        } else if open.modified != wanted.modified {
            "it was written to"
        } else if open.system != wanted.system {
            // Its content may have been rewritten, and its time put back.
            "it, or what is known of it, was changed"
        } else {
            return Ok(());
        };
        Err(source.changed(change))
    }
}

impl FileReader<'_> {
    /// Fails if the file has more bytes than its length says, as files of the kernel and of some
    /// network mounts do.
    fn expect_end(&mut self) -> Result<()> {
        let source = self.source;
        match self.file.get_mut().read(&mut [0]) {
            Ok(1..) => Err(source.changed("it has more bytes than its length says")),
            Ok(0) => Ok(()),
            Err(error) => Err(Error::local_file("read", &source.path, error)),
        }
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            outcome => {
                outcome.map_err(|error| Error::local_file("read", &self.source.path, error))?
            }
        };
        self.check()?;
        if self.reaches_end && read > 0 && self.file.limit() == 0 {
            self.expect_end()?;
        }
        if read == 0 && !buffer.is_empty() && self.file.limit() > 0 {
            return Err(self.source.changed("it became shorter").into());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
