//! A stored body, as records name it and downloads read it.

use std::fmt;
use std::io::{self, Read};

/// A stored body. It stays readable while anybody holds it, even after the last record that names
/// it is gone. Then it is removed.
pub(crate) trait Blob: fmt::Debug + Send + Sync {
    /// The name that records use; empty where records are not written down.
    fn name(&self) -> String;

    /// Opens the body at this offset.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// Returns how many bytes can be read.
    fn length(&self) -> io::Result<u64>;

    /// Notes that one more record names this body.
    fn keep(&self);

    /// Notes that one record fewer names this body.
    fn release(&self);
}
