//! The body of a file on disk: while it is written, and while records name it.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::simulator::account::blob::Blob;
use crate::simulator::account::storage::BlobWriter;

/// A name on disk that goes away unless the body was finished.
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already once it was renamed; what cannot be removed now is an orphan later.
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) struct DiskWriter {
    pub(super) bodies: Arc<Path>,
    pub(super) name: String,
    pub(super) file: File,
    pub(super) temporary: Temporary,
}

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for DiskWriter {
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        self.file.sync_all()?;
        let path = self.bodies.join(&self.name);
        fs::rename(&self.temporary.0, &path)?;
        let blob = DiskBlob::new(&self.bodies, &self.name, true);
        sync_directory(&self.bodies)?;
        Ok(Arc::new(blob))
    }
}

/// Makes a rename durable, where the system allows it.
#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// A body in a file. It counts the records that name it. Dropping it removes the file, if the last
/// of these records is gone or there never was one. A body that was found at start stays until it
/// is counted, so a start that fails destroys nothing.
#[derive(Debug)]
pub(super) struct DiskBlob {
    pub(super) bodies: Arc<Path>,
    /// Its name as a number, which takes less room.
    pub(super) number: u128,
    pub(super) records: AtomicUsize,
    pub(super) is_garbage: AtomicBool,
}

impl DiskBlob {
    pub(super) fn new(bodies: &Arc<Path>, name: &str, is_garbage: bool) -> Self {
        Self {
            bodies: Arc::clone(bodies),
            // A record may have been changed by hand: such a body is missing.
            number: u128::from_str_radix(name, 16).unwrap_or(0),
            records: AtomicUsize::new(0),
            is_garbage: AtomicBool::new(is_garbage),
        }
    }

    fn path(&self) -> PathBuf {
        self.bodies.join(self.name())
    }
}

impl Blob for DiskBlob {
    fn name(&self) -> String {
        format!("{:032x}", self.number)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(self.path())?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn length(&self) -> io::Result<u64> {
        fs::metadata(self.path()).map(|metadata| metadata.len())
    }

    // Both are called under the lock of the state only, one after the other.
    fn keep(&self) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.is_garbage.store(false, Ordering::Relaxed);
    }

    fn release(&self) {
        if self.records.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.is_garbage.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for DiskBlob {
    fn drop(&mut self) {
        if *self.is_garbage.get_mut() {
            // What cannot be removed now is an orphan at the next start.
            let _ = fs::remove_file(self.path());
        }
    }
}
