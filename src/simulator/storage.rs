//! Where bodies and records are kept: in memory for tests, or in a data directory that survives
//! the process.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use super::records::{Change, Record};

pub(super) mod disk;
pub(super) mod memory;

/// A place for bodies and for the records that name them.
pub(super) trait Storage: fmt::Debug + Send + Sync {
    /// Starts a body. One that is never finished leaves nothing behind.
    fn create_blob(&self) -> io::Result<Box<dyn BlobWriter>>;

    /// Keeps all of these changes, or none of them, before it returns.
    fn commit(&self, changes: &[Change]) -> io::Result<()>;

    /// Everything kept by earlier processes.
    fn load(&self) -> io::Result<Vec<Record>>;
}

/// A body being written.
pub(super) trait BlobWriter: Write + Send {
    /// Makes the body readable, and durable where the storage is.
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>>;
}

/// A stored body. It stays readable for as long as somebody holds it, also after the last record
/// that names it is gone; then it is removed.
pub(super) trait Blob: fmt::Debug + Send + Sync {
    /// What records call it; empty where records are not written down.
    fn name(&self) -> &str;

    /// Reads from this byte on.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// One more record names this body.
    fn keep(&self);

    /// One record less names this body.
    fn release(&self);
}
