//! Where uploads get their bytes: memory, a local file (`local_file`, opened by `regular_file`), or a reader (`reader`).
//!
//! A source can be opened again for another attempt. It then yields exactly the same bytes, or it
//! fails: a file that changes during its upload must never become a version with a mixture of old
//! and new bytes. The service checks the SHA-1 of what it receives, so the only danger is the
//! client's own reading.

pub(crate) mod local_file;
pub(crate) mod reader;
pub(crate) mod regular_file;

use std::io::Read;
use std::ops::Range;
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
use crate::transfer::source::reader::failed_reader;

/// How long a file must have been unchanged before its time stamp can reveal a change. It is longer
/// than a tick of the clock that stamps files.
const TICK: Duration = Duration::from_millis(20);

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

    /// Reads a source that may grow, so that every later change of what it has now is noticed. The first call
    /// reads all of it, a later one only the bytes before its cut. `None` for other sources, which are not read.
    fn fix(
        &self,
        _cut: Option<u64>,
        _control: &Control,
        _counter: &ProgressCounter,
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
///
/// It waits for 20 ms at most, and only for a file that was changed a moment ago. A stamp from the
/// future, as of a server whose clock is ahead, counts as that of a moment ago.
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

/// The SHA-1 of these bytes of a source. They count as progress if there is a counter.
pub(in crate::transfer) fn hash(
    source: &dyn UploadSource,
    range: Range<u64>,
    control: &Control,
    counter: Option<&ProgressCounter>,
) -> Result<Sha1Digest> {
    let mut hasher = Sha1Hasher::default();
    feed(&mut hasher, source, range, control, counter)?;
    Ok(hasher.finish())
}

/// Adds these bytes of a source to a hash. They count as progress if there is a counter.
pub(in crate::transfer) fn feed(
    hasher: &mut Sha1Hasher,
    source: &dyn UploadSource,
    range: Range<u64>,
    control: &Control,
    counter: Option<&ProgressCounter>,
) -> Result<()> {
    let reader = source.open(range)?;
    match counter {
        Some(counter) => hash_to_end(hasher, Told { reader, counter }, control, failed_reader),
        None => hash_to_end(hasher, reader, control, failed_reader),
    }
}

/// A stored file that the service reads, and the customer's key that it is encrypted with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredFile<'a> {
    /// The version, in whichever bucket of the account it is.
    pub(crate) file_id: &'a FileId,
    /// The customer's key; none if the service has the key, or the file is not encrypted.
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
