//! A local file that may grow while it is uploaded, such as a log: what is uploaded are the bytes that it
//! has in the beginning.
//!
//! A file that grows gets new time stamps, so these do not tell whether its first bytes were changed. They
//! are therefore read once before anything is sent, and the SHA-1 of each block of them is kept. Whatever
//! is read later is read in whole blocks, and handed out only if the block is still what it was.
//!
//! | what happens to the file | what the upload does |
//! | --- | --- |
//! | bytes are appended | leaves them out |
//! | bytes that it had in the beginning are changed | fails with `SourceChanged` when their block is read |
//! | it becomes shorter | fails with `SourceChanged` |
//! | another file takes its place, or it is deleted | fails with `SourceChanged` (a replacement is noticed on Unix only, unless its bytes differ) |
//! | it seems to be empty, but has bytes, as files of the kernel do | fails with `SourceChanged` |
//! | it cannot be read | fails with `LocalFile` |
//!
//! The check is of the bytes that are sent: a block is hashed after it was read and before any of it is
//! handed out. So the service never gets a mixture of two contents, whenever the file changes.
//!
//! The price is one more pass over the file before the first request, and a SHA-1 of every block while
//! it is sent. [`UploadOptions::may_grow`](crate::UploadOptions::may_grow) and uploads of appended files
//! pay it; other files are checked by their time stamps alone (`source::local_file`).
//!
//! A block has 1 MiB, and more in files above 1 TiB, so that there are never more than 1,048,576 of
//! them. Their SHA-1s take 20 bytes each. A reader of a range may read more than the range, because
//! it reads the blocks at both ends whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::Result;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::model::time::Timestamp;
use crate::transfer::hash::Told;
use crate::transfer::source::local_file::FileSource;
use crate::transfer::source::reader::fill;
use crate::transfer::source::{Fixed, UploadSource, feed};

/// The smallest size of a block, in bytes. A reader holds one in memory.
const MIN_BLOCK: u64 = 1024 * 1024;
/// The largest number of blocks, whose SHA-1s are held in memory: 20 MiB of them.
const MAX_BLOCKS: u64 = 1024 * 1024;

/// A local file of which the bytes that it has now are uploaded.
///
/// It holds no open file between two parts, so it needs no more descriptors than parts that are being
/// sent. Threads share it: each opens the file for itself.
///
/// It has to be [fixed](UploadSource::fix) before it is opened; opening it earlier is an error. Its
/// length is that of the moment in which it was created here.
pub(crate) struct GrowingFile {
    /// The file, as it was in the beginning.
    file: FileSource,
    /// What it had then, once it was read.
    blocks: OnceLock<Blocks>,
}

/// What the file had in the beginning.
struct Blocks {
    /// The size of each block but the last one, in bytes.
    size: u64,
    /// The SHA-1 of each block, in order.
    digests: Vec<Sha1Digest>,
    /// The SHA-1 of all bytes together, which is recorded with a large file.
    whole: Sha1Digest,
}

impl GrowingFile {
    /// Notes the length of a file. Fails with `LocalFile` if it cannot be found or is not a regular file.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        Ok(Self {
            file: FileSource::new(path)?,
            blocks: OnceLock::new(),
        })
    }

    /// Reads the file once: notes its blocks, and returns the SHA-1 of its first `cut` bytes.
    ///
    /// Bytes after its length in the beginning are not read. The bytes that are read count as hashed
    /// in the progress. `cut` is where an earlier version ends; one hasher is cloned there, so that
    /// comparing with that version takes no pass of its own.
    fn read_blocks(
        &self,
        cut: u64,
        control: &Control,
        counter: &ProgressCounter,
    ) -> Result<(Blocks, Sha1Digest)> {
        let length = self.len();
        let size = MIN_BLOCK.max(length.div_ceil(MAX_BLOCKS));
        let mut reader = Told {
            reader: self.open_file(0)?,
            counter,
        };
        let (mut digests, mut whole) = (Vec::new(), Sha1Hasher::default());
        let mut beginning = (cut == 0).then(Sha1Hasher::default);
        let mut buffer = Vec::new();
        let mut start = 0;
        while start < length {
            let end = length.min(start + size);
            read_block(&mut buffer, end - start, &mut reader, control)?
                .ok_or_else(|| self.file.changed("it became shorter"))?;
            digests.push(Sha1Digest::of(&buffer));
            let before = usize::try_from(cut.saturating_sub(start)).unwrap_or(usize::MAX);
            let (first, rest) = buffer.split_at(before.min(buffer.len()));
            whole.update(first);
            if beginning.is_none() && end >= cut {
                beginning = Some(whole.clone());
            }
            whole.update(rest);
            start = end;
        }
        let whole = whole.finish();
        let beginning = beginning.map_or(whole, Sha1Hasher::finish);
        let blocks = Blocks {
            size,
            digests,
            whole,
        };
        Ok((blocks, beginning))
    }

    /// Opens the file at a position. Fails if another file has taken its place, or if it became shorter.
    fn open_file(&self, position: u64) -> Result<File> {
        let mut file = self.file.open_file()?;
        self.file.check_grown(&file)?;
        file.seek(SeekFrom::Start(position))
            .map_err(|error| self.file.unreadable(error))?;
        Ok(file)
    }
}

/// Fills the buffer with a block of that length; `None` if the file ends before it.
fn read_block(
    buffer: &mut Vec<u8>,
    length: u64,
    reader: &mut impl Read,
    control: &Control,
) -> Result<Option<()>> {
    buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    let filled = fill(reader, buffer, control)?;
    Ok((filled == buffer.len()).then_some(()))
}

impl UploadSource for GrowingFile {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn modified(&self) -> Option<Timestamp> {
        self.file.modified()
    }

    fn grows(&self) -> bool {
        true
    }

    /// Reads the file on the first call. A later one hashes only its first `cut` bytes, each block of
    /// which is compared with the first reading: the blocks of one upload never change.
    fn fix(
        &self,
        cut: Option<u64>,
        control: &Control,
        counter: &ProgressCounter,
    ) -> Result<Option<Fixed>> {
        let cut = cut.unwrap_or(0).min(self.len());
        let (whole, beginning) = match self.blocks.get() {
            Some(known) => {
                let mut hasher = Sha1Hasher::default();
                feed(&mut hasher, self, 0..cut, control, Some(counter))?;
                (known.whole, hasher.finish())
            }
            None => {
                let (blocks, beginning) = self.read_blocks(cut, control, counter)?;
                (self.blocks.get_or_init(|| blocks).whole, beginning)
            }
        };
        Ok(Some(Fixed { whole, beginning }))
    }

    /// Opens the file once more and reads nothing yet, unless it was empty: a file that had no bytes
    /// may have some now, and one of the kernel has some although its length is 0.
    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let mut file = self.open_file(range.start)?;
        if self.len() == 0 {
            self.file.expect_end_or_growth(&mut file)?;
        }
        let Some(blocks) = self.blocks.get() else {
            let reason = io::Error::other("its blocks were not read");
            return Err(self.file.unreadable(reason));
        };
        Ok(Box::new(BlockReader {
            source: self,
            file,
            blocks,
            range,
            buffer: Vec::new(),
            block: 0..0,
        }))
    }
}

/// Reads a range in whole blocks, each of which must be what it was in the beginning.
///
/// After a failure the position stays before the block: reading on reads and compares it again, and
/// never skips it.
struct BlockReader<'a> {
    source: &'a GrowingFile,
    /// The handle of this reader alone, whose position is set for each block.
    file: File,
    /// What each block had in the beginning.
    blocks: &'a Blocks,
    /// What is still to be handed out.
    range: Range<u64>,
    /// The block that was read last, and where in the file it is.
    buffer: Vec<u8>,
    block: Range<u64>,
}

impl BlockReader<'_> {
    /// Reads the block with the next byte, and compares it.
    ///
    /// The file is looked up by its path again after the block was read, so that one that was replaced
    /// or cut off in between is reported as that, and not as changed bytes.
    fn load(&mut self) -> Result<()> {
        let file = &self.source.file;
        let number = self.range.start / self.blocks.size;
        let start = number * self.blocks.size;
        let end = self.source.len().min(start + self.blocks.size);
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(|error| file.unreadable(error))?;
        read_block(
            &mut self.buffer,
            end - start,
            &mut self.file,
            &Control::default(),
        )
        .map_err(|error| file.of_file(error))?
        .ok_or_else(|| file.changed("it became shorter"))?;
        file.check_grown(&self.file)?;
        let index = usize::try_from(number).ok();
        let known = index.and_then(|index| self.blocks.digests.get(index));
        if known != Some(&Sha1Digest::of(&self.buffer)) {
            return Err(file.changed("bytes that it had in the beginning were changed"));
        }
        self.block = start..end;
        Ok(())
    }
}

impl Read for BlockReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.range.is_empty() || buffer.is_empty() {
            return Ok(0);
        }
        if !self.block.contains(&self.range.start) {
            self.load()?;
        }
        let end = self.block.end.min(self.range.end);
        let within = |position| usize::try_from(position - self.block.start).unwrap_or(usize::MAX);
        let bytes = self.buffer.get(within(self.range.start)..within(end));
        let read = bytes.unwrap_or_default().read(buffer)?;
        self.range.start += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::{GrowingFile, MIN_BLOCK};
    use crate::control::Control;
    use crate::control::clock::Clock;
    use crate::control::progress::ProgressCounter;
    use crate::error::Error;
    use crate::model::sha1::Sha1Digest;
    use crate::transfer::source::UploadSource as _;

    fn file_of(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, content).unwrap();
        (directory, path)
    }

    /// The SHA-1 of the whole and of the beginning.
    fn fix(source: &GrowingFile, cut: u64) -> Result<(Sha1Digest, Sha1Digest), Error> {
        let control = Control::default();
        let counter = ProgressCounter::new(&control, "log", &Clock::default(), None);
        let fixed = source.fix(Some(cut), &control, &counter)?.unwrap();
        Ok((fixed.whole, fixed.beginning))
    }

    fn append(path: &PathBuf) {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"one more line\n").unwrap();
    }

    fn content() -> Vec<u8> {
        (0..2 * MIN_BLOCK + 1000).map(|at| (at / 7) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn any_range_is_what_the_file_had_although_it_grows(
            cut in 0..2 * MIN_BLOCK + 1001,
            ends in (0..2 * MIN_BLOCK + 1001, 0..2 * MIN_BLOCK + 1001),
        ) {
            let content = content();
            let (_directory, path) = file_of(&content);
            let source = GrowingFile::new(&path).unwrap();
            append(&path);
            let told = fix(&source, cut).unwrap();
            let beginning = Sha1Digest::of(&content[..cut as usize]);
            prop_assert_eq!(told, (Sha1Digest::of(&content), beginning));
            append(&path);
            prop_assert_eq!(fix(&source, cut).unwrap(), told);
            let range = ends.0.min(ends.1)..ends.0.max(ends.1);
            let mut read = Vec::new();
            source.open(range.clone()).unwrap().read_to_end(&mut read).unwrap();
            prop_assert!(read == content[range.start as usize..range.end as usize]);
        }
    }

    #[test]
    fn bytes_that_were_there_in_the_beginning_must_stay() {
        type Change = (fn(&PathBuf), &'static str);
        let changes: [Change; 3] = [
            (
                |path| {
                    let mut file = File::options().write(true).open(path).unwrap();
                    file.write_all(b"X").unwrap();
                },
                "bytes that it had in the beginning were changed",
            ),
            (
                |path| {
                    File::options()
                        .write(true)
                        .open(path)
                        .unwrap()
                        .set_len(9)
                        .unwrap()
                },
                "it became shorter",
            ),
            (
                |path| {
                    let other = path.with_extension("new");
                    std::fs::copy(path, &other).unwrap();
                    std::fs::rename(&other, path).unwrap();
                },
                "another file took its place",
            ),
        ];
        for (change, told) in changes {
            let (_directory, path) = file_of(&content());
            let source = GrowingFile::new(&path).unwrap();
            fix(&source, 0).unwrap();
            append(&path);
            change(&path);
            let read = |range| {
                let mut reader = source.open(range)?;
                let read = reader.read_to_end(&mut Vec::new());
                read.map_err(|error| Error::from_io(error).unwrap())
            };
            match read(0..10) {
                Err(Error::SourceChanged { change, .. }) => assert_eq!(change, told),
                other => panic!("{told}: {other:?}"),
            }
        }
    }
}
