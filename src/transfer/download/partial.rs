//! What a download with `resume` leaves beside its destination until it is complete: the bytes, and
//! a record of which of them are there. Another process can continue with it.
//!
//! 1. The record is opened and locked. A process that does not get the lock fails. A record that is
//!    damaged, or belongs to another version, is ignored, and both files start again.
//! 2. Bytes are written to the data file and flushed to disk; only then are they noted in the
//!    record. So a process that is killed at any moment leaves a record of bytes that are on the
//!    disk. If nobody knows the SHA-1 of the whole, the record has that of each piece, which is
//!    compared with the disk before the piece is used.
//! 3. The whole is verified by reading the data file, which then replaces the destination. The
//!    record is removed last.
//!
//! | what the next download finds | what it does |
//! | --- | --- |
//! | a record of this version, and data that agrees with it | completes it |
//! | a record of another version, or in an unknown form | starts again |
//! | a record without data, or data that is shorter than the record says | starts again |
//! | a link in the place of either file | fails for the record; starts again for the data |
//! | a piece whose SHA-1 differs from the recorded one | requests that piece again |
//! | the lock in other hands | fails with `LocalFile` |
//! | no directory for the destination | fails with `LocalFile`, and creates nothing |
//!
//! | how a download ends | what is left |
//! | --- | --- |
//! | it succeeds | neither file |
//! | it fails or is cancelled after a piece was noted, or the process is killed | both, for the next download of this version to this path |
//! | it fails before any piece was noted, or when the files are created | neither, unless the process is killed |
//! | the checksum of the whole is wrong | neither: it is not known which bytes are wrong |
//! | the data is replaced by another file | that file; the record is removed |
//!
//! Nothing removes the two files by age: a download of another version to the same path does, and so
//! does deleting them.
//!
//! What is resumed is not requested again, so it is not billed again; the rest is, as any download.
//! Synchronizing does not take the files for the user's, because their names begin with
//! `.b2-download-`.
//!
//! The lock is on the record and not on the data: on Windows, a lock on the data would also exclude other
//! handles of this process. Both are in the directory of the destination, so that the rename is atomic.

mod record;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::progress::{ProgressCounter, TransferStage};
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::local_name::TEMPORARY;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::transfer::download::handle::{RangeReader, check_at, is_at};
use crate::transfer::download::partial::record::{Header, Record, Step};
use crate::transfer::hash::{Told, hash_to_end};
use crate::transfer::parts::EqualParts;

/// The size in bytes from which on a record is considered damaged. It has room for several hundred
/// thousand steps.
const MAX_RECORD: u64 = 32 * 1024 * 1024;
/// The length in bytes up to which a record takes steps that bring little. The rest is for large steps, so
/// that a download over many days on a slow line does not end with a record that is too long.
const ROOM_FOR_SMALL_STEPS: u64 = MAX_RECORD / 2;
/// The longest name of a destination that is used in the names of these files, in bytes. A longer
/// one is replaced by its SHA-1.
const MAX_NAME: usize = 200;

/// The beginning of a part that is on the disk.
#[derive(Clone, Default)]
pub(super) struct Present {
    /// The number of its bytes.
    pub(super) bytes: u64,
    /// The hash of these bytes, if nobody knows the SHA-1 of the whole.
    pub(super) hasher: Sha1Hasher,
}

/// How a download begins if none of it exists.
pub(super) struct Begin<'a> {
    /// The size of its parts.
    pub(super) part_size: u64,
    /// The permissions of the file that it will replace.
    pub(super) permissions: Option<&'a Permissions>,
}

/// An unfinished download on the disk. Holding the record's lock, it belongs to this process alone.
///
/// The threads of a download share it. A step is written to the record only after its bytes were
/// flushed, under the record's own lock.
pub(super) struct Partial {
    /// The bytes that have arrived, each at its place. It is the handle that is renamed in the end.
    data: File,
    /// The record, locked against other processes, and against the other threads of this one.
    record: Mutex<File>,
    /// Where both are, for the rename and for removing them.
    paths: Paths,
    /// What the record says of the version, and of the parts that the download is cut into.
    header: Header,
    /// What existed of each part when this was opened.
    present: BTreeMap<u64, Present>,
    /// Whether there is anything to resume.
    noted: AtomicBool,
}

/// The paths of the two files.
struct Paths {
    /// The bytes: `.b2-download-<name>.part`.
    data: PathBuf,
    /// The record of them: `.b2-download-<name>.record`.
    record: PathBuf,
}

impl Paths {
    /// The paths for this destination, in the same directory.
    fn beside(destination: &Path) -> Self {
        let name = destination.file_name().unwrap_or(OsStr::new(""));
        let mut stem = OsString::from(TEMPORARY);
        if name.len() <= MAX_NAME {
            stem.push(name);
        } else {
            stem.push(Sha1Digest::of(name.as_encoded_bytes()).to_string());
        }
        let with = |extension: &str| {
            let mut name = stem.clone();
            name.push(extension);
            destination.with_file_name(name)
        };
        Self {
            data: with(".part"),
            record: with(".record"),
        }
    }
}

impl Partial {
    /// Opens what exists of this version, or begins a new download. Fails with `LocalFile` if
    /// another download to this path is running.
    ///
    /// The size of the parts is that of the download that was begun, whatever `begin` says. Where the
    /// record has the SHA-1s of pieces, what exists is read and hashed here, which counts as hashing in
    /// the progress and ends when the call is cancelled; both files are then left as they are.
    pub(super) fn open(
        destination: &Path,
        version: &FileVersion,
        begin: &Begin<'_>,
        (control, counter): (&Control, &ProgressCounter),
    ) -> Result<Self> {
        let paths = Paths::beside(destination);
        let mut record = lock(&paths.record, destination)?;
        let wanted = Header::new(version, begin.part_size);
        let found = resume(&mut record, &paths.data, &wanted, (control, counter))?;
        let (data, header, present) = match found {
            Ok(found) => found,
            Err(reason) => {
                tracing::debug!(%reason, "the download starts from the beginning");
                match restart(&mut record, &paths.data, &wanted, begin.permissions) {
                    Ok(data) => (data, wanted, BTreeMap::new()),
                    Err(error) => {
                        paths.remove_record(record);
                        return Err(Error::local_file("create", destination, error));
                    }
                }
            }
        };
        let noted = AtomicBool::new(!present.is_empty());
        Ok(Self {
            data,
            record: Mutex::new(record),
            paths,
            header,
            present,
            noted,
        })
    }

    /// Removes what exists for this destination. Fails if another download to it is running.
    ///
    /// Without a record there is nothing to remove: data alone is replaced by the next download that
    /// can be resumed.
    pub(super) fn clear(destination: &Path) -> Result<()> {
        let paths = Paths::beside(destination);
        if paths.record.symlink_metadata().is_ok() {
            let record = lock(&paths.record, destination)?;
            paths.remove(record);
        }
        Ok(())
    }

    /// How the file was cut into parts when the download was begun.
    pub(super) const fn parts(&self) -> EqualParts {
        self.header.parts()
    }

    /// The data file, which all threads write to at their own positions.
    pub(super) const fn file(&self) -> &File {
        &self.data
    }

    /// What existed of a part when this was opened; what was noted since is not in it.
    pub(super) fn present(&self, part: u64) -> Present {
        self.present.get(&part).cloned().unwrap_or_default()
    }

    /// The number of parts that were complete when this was opened.
    pub(super) fn present_parts(&self) -> u64 {
        let parts = self.parts();
        let is_whole = |(number, part): &(&u64, &Present)| {
            let range = parts.range(**number);
            part.bytes == range.end - range.start
        };
        self.present.iter().filter(is_whole).count() as u64
    }

    /// The number of bytes that existed when this was opened.
    pub(super) fn present_bytes(&self) -> u64 {
        self.present.values().map(|part| part.bytes).sum()
    }

    /// Whether [`note`](Self::note) needs the hash of the bytes.
    pub(super) const fn wants_sha1(&self) -> bool {
        !self.header.has_sha1()
    }

    /// Whether the record is short enough for a step that is noted for the time that has passed.
    pub(super) fn has_room_for_small_steps(&self) -> bool {
        let length = self.record.lock().stream_position();
        length.is_ok_and(|length| length < ROOM_FOR_SMALL_STEPS)
    }

    /// Flushes the data, and then notes that the first `bytes` of a part are there.
    ///
    /// It waits for the disk, while other threads continue to write. If the record cannot be written,
    /// the call fails and the record stays readable: what it has said before is still true.
    pub(super) fn note(&self, part: u64, bytes: u64, hasher: &Sha1Hasher) -> io::Result<()> {
        self.data.sync_data()?;
        let sha1 = self.wants_sha1().then(|| hasher.clone().finish());
        let line = Step { part, bytes, sha1 }.line();
        let mut record = self.record.lock();
        let end = record.stream_position()?;
        if let Err(error) = record.write_all(line.as_bytes()) {
            // Half a line must not become the beginning of the one that another thread writes.
            _ = record.set_len(end);
            _ = record.seek(SeekFrom::Start(end));
            return Err(error);
        }
        self.noted.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Replaces the destination with the data, which is complete and flushed. If another file has
    /// taken the place of the data, the call fails, and that file stays as it is.
    ///
    /// A process that is killed after the rename leaves a record without data, which the next download
    /// ignores. If the rename itself fails, both files stay for another attempt.
    pub(super) fn persist(self, destination: &Path) -> io::Result<()> {
        if let Err(replaced) = check_at(&self.data, &self.paths.data) {
            self.paths.remove_record(self.record.into_inner());
            return Err(replaced);
        }
        fs::rename(&self.paths.data, destination)?;
        self.discard();
        Ok(())
    }

    /// Leaves the files for another download, after this one failed. If there is nothing to resume,
    /// they are removed. The lock ends here, and the next download may begin at once.
    pub(super) fn leave(self) {
        if self.noted.load(Ordering::SeqCst) {
            tracing::info!(path = %self.paths.data.display(), "the download can be resumed");
        } else {
            self.discard();
        }
    }

    /// Removes both files, because the download is complete or nobody knows which bytes are wrong.
    pub(super) fn discard(self) {
        drop(self.data);
        self.paths.remove(self.record.into_inner());
    }
}

impl Paths {
    /// Removes both files. If one cannot be removed, it is useless without the other.
    fn remove(&self, record: File) {
        _ = fs::remove_file(&self.data);
        self.remove_record(record);
    }

    /// Removes the record. Where open files can be removed, that happens before its lock is
    /// released, so that nobody begins in between.
    fn remove_record(&self, record: File) {
        #[cfg(unix)]
        let _ = fs::remove_file(&self.record);
        drop(record);
        #[cfg(not(unix))]
        let _ = fs::remove_file(&self.record);
    }
}

/// Opens a record, or creates one, and takes its lock. Fails with `LocalFile` for the destination if another
/// process has it, or if there is no directory for it.
///
/// Nobody waits for the lock: two downloads of one path would only overwrite each other's result. A
/// file that was locked but is no longer at the path belongs to nobody, so another one is opened, a
/// hundred times at most.
fn lock(path: &Path, destination: &Path) -> Result<File> {
    let failed = |error| Error::local_file("lock", destination, error);
    // The process that had the lock before may have removed the file that was opened here.
    for _ in 0..100 {
        let file = open_record(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let missing = io::Error::new(error.kind(), "its directory does not exist");
                Error::local_file("create", destination, missing)
            }
            _ => failed(error),
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "another download to this file is running";
                return Err(failed(io::Error::new(io::ErrorKind::WouldBlock, reason)));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if is_at(&file, path).map_err(failed)? {
            return Ok(file);
        }
    }
    Err(failed(io::Error::other(
        "it is a link, or is replaced all the time",
    )))
}

/// Opens the record without following a link, or creates it, readable (on Unix) by its owner only. What a link
/// leads to is somebody else's file, which must be neither locked nor cut off.
fn open_record(path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Nobody can remove it (FILE_SHARE_DELETE) while it is open, so that who has the lock has the file.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 1 | 2);
    // A link that took its place since would be followed, but nothing is made where it leads.
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.create_new(true).open(path)
        }
        outcome => outcome,
    }
}

/// The data file, the first line of its record, and what exists of each part.
type Found = (File, Header, BTreeMap<u64, Present>);

/// Returns what exists to continue with, or the reason why nothing does. Only cancelling fails.
///
/// The reason is for the log: whatever is wrong with the files, starting again is always right, and
/// costs only the bytes that had arrived. A piece that differs from its SHA-1 is left out alone.
fn resume(
    record: &mut File,
    data: &Path,
    wanted: &Header,
    steering: (&Control, &ProgressCounter),
) -> Result<std::result::Result<Found, String>> {
    let (file, found) = match inspect(record, data, wanted) {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    let parts = found.header.parts();
    let mut present = BTreeMap::new();
    for step in found.steps.values() {
        let start = parts.range(step.part).start;
        match check(&file, data, start, step, steering) {
            Ok(Some(part)) => _ = present.insert(step.part, part),
            Ok(None) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    // A line that was being written must not become the beginning of the next one.
    let cut = record.set_len(found.length);
    Ok(match cut.and_then(|()| record.seek(SeekFrom::End(0))) {
        Ok(_) => Ok((file, found.header, present)),
        Err(error) => Err(error.to_string()),
    })
}

/// Opens the data, and reads what the record says about it. Fails with the reason why neither can
/// be used. The content of the data is not read here, only its length.
fn inspect(
    record: &mut File,
    data: &Path,
    wanted: &Header,
) -> std::result::Result<(File, Record), String> {
    let told = |error: io::Error| error.to_string();
    let mut text = Vec::new();
    let read = record.take(MAX_RECORD).read_to_end(&mut text);
    if read.map_err(told)? as u64 == MAX_RECORD {
        return Err("the record is too long".into());
    }
    let found = Record::parse(&text, wanted)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(data)
        .map_err(told)?;
    if !is_at(&file, data).map_err(told)? {
        return Err("the data is a link".into());
    }
    let length = file.metadata().map_err(told)?.len();
    if !(found.data_length()..=found.header.parts().length()).contains(&length) {
        return Err("the data is not as long as the record says".into());
    }
    Ok((file, found))
}

/// Returns what is on the disk of a step, if its bytes are those that were recorded.
///
/// Without a SHA-1 of the piece nothing is read: the version has one of the whole, which is compared
/// when the download is complete.
fn check(
    file: &File,
    path: &Path,
    start: u64,
    step: &Step,
    (control, counter): (&Control, &ProgressCounter),
) -> Result<Option<Present>> {
    let mut hasher = Sha1Hasher::default();
    if let Some(recorded) = step.sha1 {
        let failed = |error| Error::local_file("read", path, error);
        counter.enter(TransferStage::Hashing);
        let reader = RangeReader::new(file, start..start + step.bytes);
        let part = Told { reader, counter };
        hash_to_end(&mut hasher, part, control, failed)?;
        if hasher.clone().finish() != recorded {
            tracing::warn!(part = step.part, "the disk has other bytes than it had");
            return Ok(None);
        }
    }
    Ok(Some(Present {
        bytes: step.bytes,
        hasher,
    }))
}

/// Removes what exists, also from the disk, before anything new is written.
///
/// The record is emptied and flushed first, so that after a power failure it cannot be about data that
/// was not written yet. The data is a new file: one that is there may be a link, or have other readers.
/// If this fails, the record is empty and of no use, and the data that was created is removed.
fn restart(
    record: &mut File,
    data: &Path,
    header: &Header,
    permissions: Option<&Permissions>,
) -> io::Result<File> {
    record.set_len(0)?;
    record.sync_all()?;
    match fs::remove_file(data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // The owner must be able to write while it is made.
        let mode = permissions.map_or(0o666, |replaced| replaced.mode() & 0o777 | 0o600);
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = permissions;
    let file = options.open(data)?;
    if let Err(error) = begin_record(record, header) {
        drop(file);
        _ = fs::remove_file(data);
        return Err(error);
    }
    Ok(file)
}

/// Writes the first line of a record that was emptied.
fn begin_record(record: &mut File, header: &Header) -> io::Result<()> {
    record.seek(SeekFrom::Start(0))?;
    record.write_all(Record::begin(header)?.as_bytes())
}
