//! Hashes whatever can be read: one loop that reads to the end and stops when the call is
//! cancelled.

use std::io::{self, Read};

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Hasher;

/// The number of bytes that are read at a time.
const BUFFER: usize = 256 * 1024;

/// A reader whose bytes count as hashed.
pub(in crate::transfer) struct Told<'a, R> {
    pub(in crate::transfer) reader: R,
    pub(in crate::transfer) counter: &'a ProgressCounter,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.counter.add(read as u64);
        Ok(read)
    }
}

/// Reads to the end and hashes everything. Fails with `Cancelled` once the call is cancelled.
///
/// The call is checked before each read of at most 256 KiB; a read that blocks is not interrupted.
/// After an error the hash has the bytes that were read before it, and must not be used.
///
/// `failed` turns an error that is not one of the crate's own into one.
pub(in crate::transfer) fn hash_to_end(
    hasher: &mut Sha1Hasher,
    mut reader: impl Read,
    control: &Control,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        control.check()?;
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error).unwrap_or_else(&failed)),
        }
    }
}
