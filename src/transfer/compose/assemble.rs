//! Reads slices of pieces one after the other, as the source of an uploaded part. Stored slices are
//! downloaded while they are read.
//!
//! Nothing is kept: a part that is sent again downloads its stored slices again, each with a
//! request in class B. A slice that is a whole stored file is verified against its SHA-1. A slice
//! that is a range cannot be, because the service knows only the SHA-1 of the whole.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a stored file has fewer bytes than the slice needs | `Truncated`, before any of it is read |
//! | a stored file was deleted, or its key is wrong | the part fails as a download of that file does |
//! | the connection of a download breaks | it continues over another one |
//! | the connection of the upload breaks | the part is sent again, from the first slice |

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::range::ByteRange;
use crate::raw::DownloadRequest;
use crate::transfer::Transfer;
use crate::transfer::compose::piece::{Opened, Remote};
use crate::transfer::compose::plan::slices::{Slice, length};
use crate::transfer::download::Download;
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::source::UploadSource;

/// The bytes of some slices, in order. Each attempt reads them again, and downloads stored ones
/// again.
pub(crate) struct Assembled<'s, 'p> {
    /// The transfer that the part belongs to.
    transfer: Transfer<'s>,
    /// The control of the downloads. It reports no progress, because the bytes count when they are
    /// sent.
    control: Control,
    /// The bytes of the part, in order.
    slices: Vec<Slice<Arc<Opened<'p>>>>,
}

impl<'s, 'p> Assembled<'s, 'p> {
    /// The content of one part. Nothing is opened before it is read.
    pub(crate) fn new(transfer: Transfer<'s>, slices: Vec<Slice<Arc<Opened<'p>>>>) -> Self {
        Self {
            transfer,
            control: Control {
                progress: None,
                ..transfer.control.clone()
            },
            slices,
        }
    }

    /// Downloads bytes of a stored file. They are verified if they are all of it. The response is read while
    /// the part is sent, so a slow upload keeps it open.
    fn download(&self, remote: &Remote, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let mut options = DownloadOptions::new();
        options.encryption_key.clone_from(&remote.key);
        if range != (0..remote.length) {
            options = options.range(ByteRange::from(range.clone()));
        }
        let request = DownloadRequest::by_id(remote.file_id.clone());
        let download = Download::open(self.transfer.under(&self.control), request, &options)?;
        if download.length() != range.end - range.start {
            return Err(Error::Truncated {
                expected: range.end - range.start,
                actual: download.length(),
                source: None,
            });
        }
        Ok(Box::new(download.into_reader()))
    }
}

impl UploadSource for Assembled<'_, '_> {
    fn len(&self) -> u64 {
        length(&self.slices)
    }

    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let mut begin = 0;
        let mut wanted = Vec::new();
        for slice in &self.slices {
            let within = |at: u64| at.clamp(begin, begin + slice.length()) - begin;
            let (start, end) = (within(range.start), within(range.end));
            if start < end {
                let from = slice.range.start;
                wanted.push((&*slice.piece, from + start..from + end));
            }
            begin += slice.length();
        }
        Ok(Box::new(Chain {
            source: self,
            wanted: wanted.into_iter(),
            reader: None,
        }))
    }
}

/// Reads one slice after the other, opening each when it is reached.
///
/// So a part of many slices has one open file or connection at a time, and a slice is not requested
/// before the bytes ahead of it were sent.
struct Chain<'r, 's, 'p> {
    source: &'r Assembled<'s, 'p>,
    wanted: std::vec::IntoIter<(&'r Opened<'p>, Range<u64>)>,
    reader: Option<Box<dyn Read + 'r>>,
}

impl Read for Chain<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(reader) = &mut self.reader {
                let read = reader.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
            }
            let Some((piece, range)) = self.wanted.next() else {
                return Ok(0);
            };
            let source = self.source;
            self.reader = Some(piece.read(&range, |remote, range| source.download(remote, range))?);
        }
    }
}
