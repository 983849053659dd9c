//! A large download into memory: several ranges at a time, each written directly to its place.
//!
//! The response that is already open becomes the first range, as in `ranges`. After all ranges have
//! arrived, the whole is hashed and compared.
//!
//! The memory for the whole is reserved before the first byte is read. It belongs to the caller and
//! does not count against the memory limit.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | there is not enough memory | `Stream`, before any content is read |
//! | the connection of a range breaks | that range continues over another one |
//! | a range fails for good | the others stop, and the call fails; no bytes are returned |
//! | the hash is wrong | `ChecksumMismatch`, unless the options accept it; no bytes are returned |
//! | the service knows no SHA-1 of the whole | nothing is hashed |

use std::io;
use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::TransferStage;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Hasher;
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::download::stream::ByteStream;
use crate::transfer::hash::hash_to_end;
use crate::transfer::parallel;

/// Downloads everything in ranges of this size, and verifies the whole. Fails with `Stream` if
/// there is not enough memory.
pub(super) fn read(
    reader: &mut DownloadReader,
    range_size: usize,
    workers: &Workers,
) -> Result<Vec<u8>> {
    let too_large = || Error::Stream {
        action: "write",
        source: io::ErrorKind::OutOfMemory.into(),
    };
    let length = usize::try_from(reader.length()).map_err(|_| too_large())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| too_large())?;
    bytes.resize(length, 0);
    let first = reader.stream().take_body();
    let (session, content, range) = {
        let stream = reader.stream();
        (
            Arc::clone(stream.session()),
            stream.content().clone(),
            stream.range().clone(),
        )
    };
    let control = reader.stream().control().clone();
    let (expected, counter) = (reader.expected(), reader.counter());
    let token = control.cancel.clone().unwrap_or_default();
    parallel::run_under(token, workers, &control, |_| {
        let mut first = first;
        let starts = range.clone().step_by(range_size);
        let parts = starts.zip(bytes.chunks_mut(range_size));
        Box::new(parts.map(move |(start, part)| {
            let (session, content, body) = (Arc::clone(&session), content.clone(), first.take());
            let rest = start..range.end;
            Ok(move |control: &Control| {
                let steering = (control.clone(), counter);
                let stream = ByteStream::new(&session, steering, content, rest, body);
                stream.cut_at(start + part.len() as u64).fill(part)?;
                counter.part_arrived();
                Ok(())
            })
        }))
    })
    .map(|_: Vec<()>| ())?;
    counter.enter(TransferStage::Finishing);
    if expected.is_some() {
        let mut hasher = Sha1Hasher::default();
        hash_to_end(&mut hasher, &*bytes, &control, |source| Error::Stream {
            action: "read",
            source,
        })?;
        reader.judge(hasher)?;
    }
    reader.counter().finish();
    Ok(bytes)
}
