//! Saves a download under a path.
//!
//! 1. A temporary file is created in the same directory, with the permissions of the file that it
//!    will replace.
//! 2. The bytes are written to it and verified (`reader`, `ranges`).
//! 3. Owner, permissions and modification time are set, and the file is flushed to disk.
//! 4. It is renamed to the path, and the directory is flushed.
//!
//! Before the last step, the path keeps what it had. A failure removes the temporary file, and a
//! process that is killed leaves one named `.b2-download-`, 24 letters and digits, `.tmp`. With `resume`, the
//! file has a name that the next process finds (`partial`).
//!
//! | what happens | what is left |
//! | --- | --- |
//! | a connection breaks | it is continued by id and range (`stream`) |
//! | the checksum is wrong | the path as it was |
//! | the disk is full, or the file cannot be written | the path as it was |
//! | the temporary file is replaced by another one or by a link | the other file stays as it is, and the call fails |
//! | the process is killed | the path as it was, and a temporary file |
//! | the power fails after the rename | the new file, complete, or the old one |
//! | the path is a symbolic link | the file that it leads to is replaced; the link stays |

use std::fs::{File, FileTimes, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::control::progress::TransferStage;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::transfer::download::Verification;
use crate::transfer::download::handle::check_at;
use crate::transfer::download::in_order;
use crate::transfer::download::partial::{Begin, Partial};
use crate::transfer::download::ranges::{self, RangeTarget};
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::download::special::{Special, links, output};
use crate::transfer::download::temporary::{sync_directory, temporary_file};
use crate::transfer::parts::EqualParts;

const HALF_A_MILLISECOND: Duration = Duration::from_micros(500);

/// The result of saving a download: the version, and what it took.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # bucket.upload_bytes(b"hello", "hello.txt")?;
/// # let directory = tempfile::tempdir()?;
/// use b2sdk::Verification;
///
/// let saved = bucket.download_file_by_name("hello.txt")?.save_to(directory.path().join("hello.txt"))?;
/// assert_eq!((saved.bytes(), saved.received_bytes(), saved.retries()), (5, 5, 0));
/// assert_eq!(saved.verification(), Verification::Verified);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Saved {
    version: FileVersion,
    bytes: u64,
    verification: Verification,
    parts: u64,
    retries: u32,
    received_bytes: u64,
    resumed_parts: u64,
    resumed_bytes: u64,
}

impl Saved {
    /// Returns the version that was saved.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// Returns the number of bytes that were written.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether the bytes are known to be those that were uploaded.
    ///
    /// A wrong checksum is an error and not a result, unless the options
    /// [accept](crate::DownloadOptions::accept_mismatch) it. Anything but
    /// [`Verified`](Verification::Verified) means that only the length is known to be right.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.verification
    }

    /// Returns the number of ranges in which the file was downloaded.
    ///
    /// It is 1 for a single response, even if broken connections interrupted it. A file that was
    /// saved in ranges has as many as were requested: all of them if
    /// [`part_size`](crate::DownloadOptions::part_size) is set, and otherwise only those that were
    /// requested by themselves, because one response may bring several. A pipe or a device counts
    /// those that were received ahead of it, as [`write_to`](crate::Download::write_to) does. A
    /// download that [completes another](crate::DownloadOptions::resume), or could be completed
    /// itself, has all ranges that the file is cut into, also those that were there before.
    #[must_use]
    pub const fn parts(&self) -> u64 {
        self.parts
    }

    /// Returns the number of times that something was requested again, because an attempt failed or
    /// its connection broke.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns the number of bytes of content that arrived, which are all that were not
    /// [resumed](Self::resumed_bytes).
    #[must_use]
    pub const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Returns the number of ranges that an earlier download had completed.
    #[must_use]
    pub const fn resumed_parts(&self) -> u64 {
        self.resumed_parts
    }

    /// Returns the number of bytes that an earlier download had left, including those of incomplete
    /// ranges.
    #[must_use]
    pub const fn resumed_bytes(&self) -> u64 {
        self.resumed_bytes
    }
}

/// How a download is saved.
pub(super) struct SaveOptions<'a> {
    pub(super) workers: &'a Workers,
    /// The size of the ranges.
    pub(super) part_size: u64,
    /// Whether only as many ranges are requested as bring more.
    pub(super) adapts: bool,
    pub(super) resume: bool,
    /// Whether nothing is flushed to disk, if it is not resumed.
    pub(super) skip_flush: bool,
    /// Whether the path may be used: called when the temporary file exists, and again before it is
    /// renamed.
    pub(super) check: &'a dyn Fn() -> Result<()>,
}

/// The number of ranges of a file, and what of them existed before.
#[derive(Clone, Copy)]
struct RangeCounts {
    /// The ranges that were requested, or all of them if the download could be resumed.
    parts: u64,
    /// The ranges that an earlier download had completed.
    resumed_parts: u64,
    /// The bytes that an earlier download had left, also those of incomplete ranges.
    resumed_bytes: u64,
}

impl RangeCounts {
    /// The counts of a download that was a single response.
    const ONE_RESPONSE: Self = Self {
        parts: 1,
        resumed_parts: 0,
        resumed_bytes: 0,
    };
}

/// Where the bytes will be in the end.
enum Destination {
    /// A path that does not exist or is a regular file, with its links resolved.
    File(PathBuf),
    /// A pipe, a device, or the output of this program, whose handle it then contains.
    Special(Option<File>),
}

/// Saves a download under a path, whatever is there.
pub(super) fn save(
    mut reader: DownloadReader,
    path: &Path,
    options: &SaveOptions<'_>,
) -> Result<Saved> {
    let counts = match destination(path)? {
        Destination::File(path) => save_file(&mut reader, &path, options)?,
        Destination::Special(output) => {
            let failed = |error| {
                Error::from_io(error)
                    .unwrap_or_else(|error| Error::local_file("write", path, error))
            };
            let control = &reader.stream().control().clone();
            let clock = reader.stream().session().clock().clone();
            let mut special = match output {
                Some(file) => Special::output(file, control),
                None => Special::open(path, &clock, control).map_err(failed)?,
            };
            let part_size = (!options.adapts).then_some(options.part_size);
            let threads = (options.workers, part_size);
            RangeCounts {
                parts: in_order::copy(&mut reader, &mut special, threads, failed)?,
                ..RangeCounts::ONE_RESPONSE
            }
        }
    };
    reader.counter().finish();
    Ok(Saved {
        version: reader.version().clone(),
        bytes: reader.length(),
        verification: reader.verification(),
        parts: counts.parts,
        retries: reader.retries(),
        received_bytes: reader.received_bytes(),
        resumed_parts: counts.resumed_parts,
        resumed_bytes: counts.resumed_bytes,
    })
}

/// Finds out what the path leads to. A directory is an error.
///
/// Links are resolved here, once. The temporary file is created, and the rename made, beside the
/// file at their end, so that the links stay.
fn destination(path: &Path) -> Result<Destination> {
    if let Some(output) = output(path) {
        let output = output.map_err(|error| Error::local_file("write", path, error))?;
        return Ok(Destination::Special(Some(output)));
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let reason = io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a directory; name a file in it",
            );
            Err(Error::local_file("write", path, reason))
        }
        Ok(metadata) if metadata.is_file() => {
            let resolved = path
                .canonicalize()
                .map_err(|error| Error::local_file("resolve", path, error))?;
            Ok(Destination::File(resolved))
        }
        Ok(_) => Ok(Destination::Special(None)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nothing is followed, so that the file is created where it leads.
            let end = links(path).last();
            Ok(Destination::File(end.unwrap_or_else(|| path.to_owned())))
        }
        Err(error) => Err(Error::local_file("write", path, error)),
    }
}

/// Saves a regular file: resumable if that was asked for and the file is large enough, otherwise at
/// once.
fn save_file(
    reader: &mut DownloadReader,
    path: &Path,
    options: &SaveOptions<'_>,
) -> Result<RangeCounts> {
    if options.resume {
        // A download of a single step leaves nothing that could be resumed.
        if reader.length() > options.part_size.min(ranges::STEP) {
            return save_resumable(reader, path, options);
        }
        Partial::clear(path)?;
    }
    save_at_once(reader, path, options)
}

/// Saves a file through a temporary one, which is removed on failure.
fn save_at_once(
    reader: &mut DownloadReader,
    path: &Path,
    options: &SaveOptions<'_>,
) -> Result<RangeCounts> {
    let failed = |action, error| Error::local_file(action, path, error);
    let directory = directory_of(path);
    let replaced = path.metadata().ok().map(|replaced| replaced.permissions());
    let mut temporary =
        temporary_file(directory, replaced.as_ref()).map_err(|error| failed("create", error))?;
    (options.check)()?;
    let mut counts = RangeCounts::ONE_RESPONSE;
    if reader.length() > options.part_size {
        let target = RangeTarget {
            path,
            file: temporary.as_file(),
            partial: None,
        };
        let parts = EqualParts::new(reader.length(), options.part_size);
        let threads = (options.workers, options.adapts);
        counts.parts = ranges::download(reader, &parts, threads, &target)?;
    } else {
        let alone = (options.workers, Some(u64::MAX));
        in_order::copy(reader, temporary.as_file_mut(), alone, |error| {
            failed("write", error)
        })?;
        reader.counter().enter(TransferStage::Finishing);
    }
    settle(reader, temporary.as_file(), path, replaced)?;
    if !options.skip_flush {
        flush(reader, temporary.as_file(), path)?;
    }
    (options.check)()?;
    if let Err(replaced) = check_at(temporary.as_file(), temporary.path()) {
        // Another file has the temporary one's name now, and must not be removed.
        _ = temporary.keep();
        return Err(failed("replace", replaced));
    }
    temporary
        .persist(path)
        .map_err(|error| failed("replace", error.error))?;
    if !options.skip_flush {
        sync_directory(directory);
    }
    Ok(counts)
}

/// Saves a file through two files that a failure leaves beside it (`partial`), and completes what an
/// earlier download left.
///
/// Only a wrong checksum removes what has arrived, because it is not known which bytes are wrong.
/// The file is flushed in any case: the record must not promise bytes that a power failure loses.
fn save_resumable(
    reader: &mut DownloadReader,
    path: &Path,
    options: &SaveOptions<'_>,
) -> Result<RangeCounts> {
    let replaced = path.metadata().ok().map(|replaced| replaced.permissions());
    let control = reader.stream().control().clone();
    let begin = Begin {
        part_size: options.part_size,
        permissions: replaced.as_ref(),
    };
    let counter = Arc::clone(reader.counter());
    let partial = Partial::open(path, reader.version(), &begin, (&control, &counter))?;
    counter.enter(TransferStage::Transferring);
    let parts = partial.parts();
    let target = RangeTarget {
        path,
        file: partial.file(),
        partial: Some(&partial),
    };
    let outcome = (options.check)()
        .and_then(|()| {
            let threads = (options.workers, options.adapts);
            ranges::download(reader, &parts, threads, &target)
        })
        .and_then(|_| settle(reader, partial.file(), path, replaced))
        .and_then(|()| flush(reader, partial.file(), path))
        .and_then(|()| (options.check)());
    match outcome {
        Ok(()) => {}
        Err(error @ Error::ChecksumMismatch { .. }) => {
            // It is not known which bytes are wrong.
            partial.discard();
            return Err(error);
        }
        Err(error) => {
            partial.leave();
            return Err(error);
        }
    }
    let counts = RangeCounts {
        parts: parts.count(),
        resumed_parts: partial.present_parts(),
        resumed_bytes: partial.present_bytes(),
    };
    partial
        .persist(path)
        .map_err(|error| Error::local_file("replace", path, error))?;
    sync_directory(directory_of(path));
    Ok(counts)
}

/// The directory that contains a path.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Gives a complete file the owner, the permissions and the time that it should have.
fn settle(
    reader: &mut DownloadReader,
    file: &File,
    path: &Path,
    replaced: Option<Permissions>,
) -> Result<()> {
    let failed = |action, error| Error::local_file(action, path, error);
    if let Some(replaced) = replaced {
        // The owner comes first, because changing it clears some permissions.
        keep_owner(file, path);
        file.set_permissions(replaced)
            .map_err(|error| failed("set the permissions of", error))?;
    }
    // The middle of the millisecond: programs that use floating-point numbers, as b2sdk for Python
    // does, would read some whole milliseconds as the previous one.
    let modified = SystemTime::from(reader.version().modified()) + HALF_A_MILLISECOND;
    file.set_times(FileTimes::new().set_modified(modified))
        .map_err(|error| failed("set the time of", error))?;
    Ok(())
}

/// Flushes a complete file to disk. This comes before the rename, because a power failure could
/// otherwise leave the name with nothing behind it.
fn flush(reader: &mut DownloadReader, file: &File, path: &Path) -> Result<()> {
    file.sync_all()
        .map_err(|error| Error::local_file("write", path, error))?;
    reader.stream().control().check()
}

/// Gives a file the owner and the group of the one that it will replace, if the system allows that
/// to this program.
fn keep_owner(file: &File, replaced: &Path) {
    #[cfg(unix)]
    if let (Ok(new), Ok(old)) = (file.metadata(), replaced.metadata()) {
        use std::os::unix::fs::{MetadataExt, fchown};
        let owner = (old.uid(), old.gid());
        if owner != (new.uid(), new.gid())
            && let Err(error) = fchown(file, Some(owner.0), Some(owner.1))
        {
            tracing::debug!(%error, "the file gets another owner than the one that it replaces");
        }
    }
    #[cfg(not(unix))]
    let _ = (file, replaced);
}
