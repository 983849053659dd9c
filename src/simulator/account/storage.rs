//! Where bodies and records are kept: in memory for tests, or in a data directory that survives
//! the process.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use crate::simulator::account::blob::Blob;
use crate::simulator::account::records::{Change, Record, Version};

pub(crate) mod disk;
pub(crate) mod memory;

/// A place for bodies and for the records that name them.
pub(crate) trait Storage: fmt::Debug + Send + Sync {
    /// Creates a body. If it is never finished, nothing stays of it.
    fn create_blob(&self) -> io::Result<Box<dyn BlobWriter>>;

    /// Stores all of these changes, or none of them, before it returns.
    fn commit(&self, changes: &[Change]) -> io::Result<()>;

    /// Loads everything that earlier processes stored.
    fn load(&self) -> io::Result<Loaded>;
}

/// What earlier processes stored.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All versions: there may be millions, and each takes less room here than in a [`Record`].
    pub(crate) versions: Vec<Arc<Version>>,
    /// Everything else, in the order in which it has to be taken in.
    pub(crate) records: Vec<Record>,
    /// The names of the bodies that are missing or shorter than the records say.
    pub(crate) damaged: HashSet<String>,
}

/// A body being written.
pub(crate) trait BlobWriter: Write + Send {
    /// Makes the body readable, and durable where the storage is.
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>>;
}
