//! A stored body, as records name it and downloads read it.

use std::fmt;
use std::io::{self, Read};

/// A stored body. It stays readable for as long as somebody holds it, also after the last record
/// that names it is gone; then it is removed.
pub(crate) trait Blob: fmt::Debug + Send + Sync {
    /// What records call it; empty where records are not written down.
    fn name(&self) -> String;

    /// Reads from this byte on.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// How many bytes can be read.
    fn length(&self) -> io::Result<u64>;

    /// One more record names this body.
    fn keep(&self);

    /// One record less names this body.
    fn release(&self);
}
