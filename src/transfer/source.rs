//! Where uploads get their bytes: memory, a local file, or a reader.
//!
//! A source can be opened again for another attempt. It then yields exactly the same bytes, or it
//! fails: a file that changes during its upload must never become a version with a mixture of old
//! and new bytes. The service checks the SHA-1 of what it receives, so the only danger is the
//! client's own reading; it is met by comparing the state of the file with every piece that is
//! read.
//!
//! | what happens to a local file | what the upload does |
//! | --- | --- |
//! | it is written to, or grows or shrinks | fails with `SourceChanged`, also if its modification time is put back (on Unix); a file that may grow has a source of its own (`growing`) |
//! | another file takes its place | fails with `SourceChanged` |
//! | it is deleted | fails with `SourceChanged`, because its path no longer leads to it |
//! | it was changed less than 20 ms ago | is read a little later, when another change would be visible |
//! | it cannot be read | fails with `LocalFile` |
//! | it has more bytes than its length says | fails with `SourceChanged` |

use std::cell::RefCell;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, KeyProblem, Result};
use crate::model::encryption::EncryptionMode;
use crate::model::file::FileVersion;
use crate::model::filtered::Filtered;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::model::time::Timestamp;
use crate::transfer::Transfer;
use crate::transfer::hash::{Told, hash_to_end};

/// How long a file must have been unchanged before its time stamp can reveal a change. It is longer
/// than a tick of the clock that stamps files.
const TICK: Duration = Duration::from_millis(20);

/// The size of the piece that is read of a caller's reader before a request begins, in bytes.
const FIRST_PIECE: usize = 8 * 1024;

/// The content of one upload. Parts of it may be read by several threads at the same time.
pub(crate) trait UploadSource {
    /// Its length in bytes.
    fn len(&self) -> u64;

    /// When the content was last changed, if that is known. It is recorded with the file.
    fn modified(&self) -> Option<Timestamp> {
        None
    }

    /// The time stamp by which a change of the source is recognized, if there is one.
    fn stamped(&self) -> Option<SystemTime> {
        None
    }

    /// Whether it is a file that may grow, which has to be [fixed](Self::fix) before it is opened.
    fn grows(&self) -> bool {
        false
    }

    /// Reads a source that may grow, so that every later change of what it has now is noticed. It is read once,
    /// however often this is called. `None` for other sources.
    fn fix(
        &self,
        _cut: Option<u64>,
        _control: &Control,
        _tally: &ProgressCounter,
    ) -> Result<Option<Fixed>> {
        Ok(None)
    }

    /// Opens these bytes of the source for reading.
    ///
    /// The range must lie within the [length](Self::len). Each call returns a reader of the same
    /// bytes. The reader fails, rather than return other bytes, if the source has changed; the
    /// error that it returns then contains one of the crate's.
    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>>;
}

/// Waits until a change of the source would give it another time stamp. Two changes within one tick
/// of the clock that stamps files cannot be distinguished.
pub(in crate::transfer) fn settle(transfer: Transfer<'_>, source: &dyn UploadSource) -> Result<()> {
    let Transfer {
        session, control, ..
    } = transfer;
    let clock = session.clock();
    let age = |stamp| clock.now().duration_since(stamp).unwrap_or_default();
    match source.stamped().map(age).filter(|age| *age < TICK) {
        Some(age) => control.sleep(clock, TICK - age),
        None => Ok(()),
    }
}

/// What is known of a source that was fixed.
///
/// Both values are of the bytes that the source had when it was first read, however much it has
/// grown since.
pub(crate) struct Fixed {
    /// The SHA-1 of all of it.
    pub(crate) whole: Sha1Digest,
    /// The SHA-1 of the bytes before the cut.
    pub(crate) beginning: Sha1Digest,
}

/// The SHA-1 of these bytes of a source. They count as progress if there is a tally.
pub(in crate::transfer) fn hash(
    source: &dyn UploadSource,
    range: Range<u64>,
    control: &Control,
    tally: Option<&ProgressCounter>,
) -> Result<Sha1Digest> {
    let mut hasher = Sha1Hasher::default();
    feed(&mut hasher, source, range, control, tally)?;
    Ok(hasher.finish())
}

/// Adds these bytes of a source to a hash. They count as progress if there is a tally.
pub(in crate::transfer) fn feed(
    hasher: &mut Sha1Hasher,
    source: &dyn UploadSource,
    range: Range<u64>,
    control: &Control,
    tally: Option<&ProgressCounter>,
) -> Result<()> {
    let reader = source.open(range)?;
    match tally {
        Some(tally) => hash_to_end(hasher, Told { reader, tally }, control, failed_reader),
        None => hash_to_end(hasher, reader, control, failed_reader),
    }
}

/// A stored file that the service reads, and the customer's key that it is encrypted with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredFile<'a> {
    pub(crate) file_id: &'a FileId,
    pub(crate) key: Option<&'a SseCustomerKey>,
}

impl StoredFile<'_> {
    /// Fails with `EncryptionKey` if the service would certainly refuse the key. What the service
    /// does not reveal to this application key is left to its own check.
    pub(in crate::transfer) fn check_key(self, version: &FileVersion) -> Result<()> {
        let encryption = match &version.server_side_encryption {
            Filtered::Readable(info) if info.mode == EncryptionMode::SseC => info,
            _ => return Ok(()),
        };
        let problem = match (self.key, encryption.customer_key_md5.as_deref()) {
            (None, _) => KeyProblem::Missing,
            (Some(key), Some(md5)) if md5 != key.md5() => KeyProblem::Wrong,
            (Some(_), _) => return Ok(()),
        };
        Err(Error::EncryptionKey {
            problem,
            service: None,
        })
    }
}

/// Bytes in memory.
pub(crate) struct BytesSource<'a>(pub(crate) &'a [u8]);

impl UploadSource for BytesSource<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let bytes = |at| usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = self.0.get(bytes(range.start)..bytes(range.end));
        Ok(Box::new(bytes.unwrap_or_default()))
    }
}

/// A local file, as it was when the upload began. If the file changes afterwards, the upload fails
/// before the service has all of it.
///
/// The file is opened for each attempt and each part, so a large file needs no more descriptors
/// than parts that are being sent.
pub(crate) struct FileSource {
    path: PathBuf,
    state: FileState,
}

/// What must stay the same while a file is uploaded.
///
/// Two states are equal only if all of it is, so a changed owner or another hard link is taken for
/// a change as well: on Unix both change the time that the system keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: Option<SystemTime>,
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
            let reason = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
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
    /// `LocalFile`.
    pub(in crate::transfer) fn open_file(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.changed("it is gone"),
            _ => self.unreadable(error),
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

/// A reader that can be read only once. What was read is kept in memory, so that another attempt
/// can send it again.
///
/// It serves one thread at a time, and only uploads in one request use it.
pub(crate) struct ReaderSource<'c, R> {
    length: u64,
    control: &'c Control,
    state: RefCell<ReaderState<R>>,
}

/// The reader, and what was read from it.
struct ReaderState<R> {
    reader: R,
    kept: Vec<u8>,
}

impl<'c, R: Read> ReaderSource<'c, R> {
    /// The next `length` bytes of a reader, all of which may have to be kept. Reading fails once
    /// the call is cancelled.
    pub(crate) const fn new(reader: R, length: u64, control: &'c Control) -> Self {
        Self {
            length,
            control,
            state: RefCell::new(ReaderState {
                reader,
                kept: Vec::new(),
            }),
        }
    }
}

impl<R: Read> UploadSource for ReaderSource<'_, R> {
    fn len(&self) -> u64 {
        self.length
    }

    /// Reads the first piece, if nothing was read yet: the head of a request waits for the beginning of its body,
    /// and a connection on which nothing is sent for long is closed by the service.
    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let replay = |position| Replay {
            source: self,
            position,
            end: range.end,
        };
        if self.state.borrow().kept.is_empty() && !range.is_empty() {
            let mut piece = [0; FIRST_PIECE];
            read_piece(&mut replay(range.start), &mut piece)?;
        }
        Ok(Box::new(replay(range.start)))
    }
}

/// Reads a [`ReaderSource`]: first what was kept, then the reader itself.
struct Replay<'a, 'c, R> {
    source: &'a ReaderSource<'c, R>,
    position: u64,
    end: u64,
}

impl<R: Read> Read for Replay<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.control.check()?;
        let state = &mut *self.source.state.borrow_mut();
        let kept = usize::try_from(self.position)
            .ok()
            .and_then(|start| state.kept.get(start..));
        let mut kept = kept.unwrap_or_default();
        let read = if kept.is_empty() {
            // Never one byte more than was promised: what follows may be somebody else's.
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let Some(buffer) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
                return Ok(0);
            };
            let read = read_callers(&mut state.reader, buffer)?;
            if read == 0 {
                return Err(ended_early().into());
            }
            state
                .kept
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
            read
        } else {
            kept.read(buffer)?
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// Reads one piece, and again only if a signal interrupted it.
fn read_piece(reader: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    loop {
        match reader.read(buffer) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error).unwrap_or_else(failed_reader)),
        }
    }
}

/// The error of a reader that has fewer bytes than was promised.
pub(crate) fn ended_early() -> Error {
    Error::SourceChanged {
        path: Path::new("<reader>").into(),
        change: "it ended early",
    }
}

/// The error of a caller's reader that fails. `Cancelled` stays what it is. Other errors of the
/// crate, such as those of a download that is uploaded again, are reported as failures of the
/// reader.
fn failed_reader(source: io::Error) -> Error {
    let source = match Error::from_io(source) {
        Ok(Error::Cancelled) => return Error::Cancelled,
        Ok(other) => other.into(),
        Err(source) => source,
    };
    Error::Stream {
        action: "read",
        source,
    }
}

/// Reads from the caller's reader, and turns its error into one of the crate's.
fn read_callers(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    match reader.read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        outcome => Ok(outcome.map_err(failed_reader)?),
    }
}

/// Reads from the caller's reader until `buffer` is full, the reader ends, or the call is
/// cancelled. Returns the number of bytes.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8], control: &Control) -> Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        control.check()?;
        match read_callers(reader, room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error).unwrap_or_else(failed_reader)),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::Path;

    use super::{FileSource, FileState, ReaderSource, UploadSource};
    use crate::control::Control;
    use crate::error::Error;

    fn read(source: &dyn UploadSource) -> std::result::Result<Vec<u8>, Error> {
        let length = source.len();
        let mut bytes = Vec::new();
        let outcome = source.open(0..length)?.read_to_end(&mut bytes);
        outcome.map_err(|error| Error::from_io(error).unwrap())?;
        Ok(bytes)
    }

    #[test]
    fn a_reader_is_replayed_and_never_read_beyond_its_length() {
        let mut rest: &[u8] = b"hello, world";
        let control = Control::default();
        let source = ReaderSource::new(&mut rest, 5, &control);
        let mut piece = [0; 2];
        source.open(0..5).unwrap().read_exact(&mut piece).unwrap();
        assert_eq!(read(&source).unwrap(), b"hello");
        assert_eq!(read(&source).unwrap(), b"hello");
        assert_eq!(rest, b", world");
    }

    #[test]
    fn any_range_of_a_file_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let source = FileSource::new(&path).unwrap();
        let mut text = String::new();
        source
            .open(3..7)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "3456");
    }

    #[test]
    fn a_reader_that_ends_early_is_an_error() {
        let control = Control::default();
        let source = ReaderSource::new(&b"hel"[..], 5, &control);
        assert!(matches!(read(&source), Err(Error::SourceChanged { .. })));
    }

    /// The name of a change, the change, and what is said of it.
    #[cfg(unix)]
    type Change = (&'static str, fn(&Path), &'static str);

    /// What may happen to a file.
    #[cfg(unix)]
    fn changes() -> Vec<Change> {
        use std::fs::{File, OpenOptions, remove_file, rename, write};
        fn rewrite(path: &Path) -> File {
            let mut file = File::options().write(true).open(path).unwrap();
            file.write_all(b"HELLO").unwrap();
            file
        }
        vec![
            (
                "append",
                |path| {
                    let mut file = OpenOptions::new().append(true).open(path).unwrap();
                    file.write_all(b"!").unwrap();
                },
                "it became longer",
            ),
            (
                "truncate",
                |path| {
                    let file = File::options().write(true).open(path).unwrap();
                    file.set_len(2).unwrap();
                },
                "it became shorter",
            ),
            ("rewrite", |path| drop(rewrite(path)), "it was written to"),
            (
                "rewrite, and put the time back",
                |path| {
                    let modified = path.metadata().unwrap().modified().unwrap();
                    rewrite(path).set_modified(modified).unwrap();
                },
                "it, or what is known of it, was changed",
            ),
            ("remove", |path| remove_file(path).unwrap(), "it is gone"),
            (
                "rename another over it, with its time",
                |path| {
                    let other = path.with_extension("new");
                    write(&other, b"HELLO").unwrap();
                    let modified = path.metadata().unwrap().modified().unwrap();
                    let file = File::options().write(true).open(&other).unwrap();
                    file.set_modified(modified).unwrap();
                    rename(&other, path).unwrap();
                },
                "another file took its place",
            ),
        ]
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_changes_at_any_moment_until_its_last_byte_is_noticed() {
        for (what, change, said) in changes() {
            for moment in 0..3 {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("file");
                std::fs::write(&path, b"hello").unwrap();
                let source = older(&path);
                if moment == 0 {
                    change(&path);
                }
                let outcome =
                    source
                        .open(0..5)
                        .map_err(std::io::Error::from)
                        .and_then(|mut reader| {
                            if moment == 1 {
                                change(&path);
                            }
                            reader.read_exact(&mut [0; 3])?;
                            if moment == 2 {
                                change(&path);
                            }
                            reader.read_to_end(&mut Vec::new())
                        });
                match outcome.map_err(|error| Error::from_io(error).unwrap()) {
                    Err(Error::SourceChanged { change, .. }) => {
                        assert_eq!(change, said, "{what} at {moment}");
                    }
                    other => panic!("{what} at {moment}: {other:?}"),
                }
            }
        }
    }

    /// A source whose stamps are older than the next change, however soon that comes.
    #[cfg(unix)]
    fn older(path: &Path) -> FileSource {
        let source = FileSource::new(path).unwrap();
        let before = source.state.system.changed;
        // The next change falls into another tick of the clock that stamps files.
        let probe = path.with_extension("probe");
        loop {
            std::fs::write(&probe, b"").unwrap();
            if FileState::of(&probe.metadata().unwrap()).system.changed > before {
                break;
            }
        }
        std::fs::remove_file(&probe).unwrap();
        source
    }
}
