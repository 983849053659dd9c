//! Hashing whatever can be read.

use std::io::{self, Read};

use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Hasher;

const BUFFER: usize = 256 * 1024;

/// Reads to the end and hashes what comes, until the call is cancelled; `failed` makes the error of a
/// reader that fails with none of ours.
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
