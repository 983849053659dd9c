//! Bodies in memory; nothing outlives the process.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::{BlobWriter, Loaded, Storage};
use crate::simulator::account::blob::Blob;
use crate::simulator::account::records::Change;

#[derive(Debug)]
pub(crate) struct MemoryStorage;

impl Storage for MemoryStorage {
    fn create_blob(&self) -> io::Result<Box<dyn BlobWriter>> {
        Ok(Box::new(MemoryWriter(Vec::new())))
    }

    fn commit(&self, _changes: &[Change]) -> io::Result<()> {
        Ok(())
    }

    fn load(&self) -> io::Result<Loaded> {
        Ok(Loaded::default())
    }
}

struct MemoryWriter(Vec<u8>);

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for MemoryWriter {
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        let mut bytes = self.0;
        bytes.shrink_to_fit();
        Ok(Arc::new(MemoryBlob(Arc::new(bytes))))
    }
}

/// An `Arc<[u8]>` would need a copy of the bytes.
struct MemoryBlob(Arc<Vec<u8>>);

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for MemoryBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryBlob({} bytes)", self.0.len())
    }
}

impl Blob for MemoryBlob {
    fn name(&self) -> String {
        String::new()
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = io::Cursor::new(Shared(Arc::clone(&self.0)));
        reader.set_position(offset);
        Ok(Box::new(reader))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn keep(&self) {}

    fn release(&self) {}
}
