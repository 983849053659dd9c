//! Large files whose parts are all known before the first of them is made: those of a source that can be
//! read anywhere, of copies, of pieces. They can be made in any order, and made again, so that an
//! unfinished file can be gone on with (`resume`).

use std::collections::BTreeMap;

use crate::control::Control;
use crate::control::progress::{Tally, TransferStage};
use crate::error::Result;
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::transfer::parallel;
use crate::transfer::parts::Parts;
use crate::transfer::source::UploadSource;
use crate::transfer::upload::large::Started;
use crate::transfer::upload::resume::Resumed;
use crate::transfer::upload::{Upload, Uploaded};

/// The parts of a large file; they are numbered from 1.
pub(in crate::transfer) trait Parted: Sync {
    fn count(&self) -> u64;

    /// The bytes of a part.
    fn length(&self, number: u64) -> u64;

    /// Whether what an unfinished file has there, with this SHA-1, is the part.
    fn is_made(&self, number: u64, sha1: Sha1Digest) -> Result<bool>;

    fn make(&self, started: &Started<'_>, number: u64, control: &Control) -> Result<Sha1Digest>;
}

/// The parts of a source.
pub(super) struct SourceParts<'s> {
    pub(super) upload: &'s Upload<'s>,
    pub(super) source: &'s (dyn UploadSource + Sync),
    pub(super) parts: &'s Parts,
}

impl Parted for SourceParts<'_> {
    fn count(&self) -> u64 {
        self.parts.count()
    }

    fn length(&self, number: u64) -> u64 {
        self.parts.length_of(number)
    }

    fn is_made(&self, number: u64, sha1: Sha1Digest) -> Result<bool> {
        let range = self.parts.range(number - 1);
        Ok(self.upload.hash(self.source, range)? == sha1)
    }

    fn make(&self, started: &Started<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        started.send_part(number, self.source, self.parts.range(number - 1), control)
    }
}

impl Upload<'_> {
    /// Makes the parts that are not there yet, and the file of them.
    pub(in crate::transfer) fn make_parts(
        &self,
        request: &UploadRequest<'_>,
        parts: &dyn Parted,
        tally: &Tally,
    ) -> Result<Uploaded> {
        let (file_id, mut present) = match self.find_unfinished(request, parts)? {
            Some(Resumed { file_id, present }) => (file_id, present),
            None => (self.start(request)?, BTreeMap::new()),
        };
        tally.enter(TransferStage::Transferring);
        let resumed_parts = present.len();
        for number in present.keys() {
            tally.part_arrived();
            tally.add(parts.length(*number));
        }
        let missing: Vec<_> = (1..=parts.count())
            .filter(|number| !present.contains_key(number))
            .collect();
        let uploaded = self.as_large_file(file_id, tally, |started| {
            let made = parallel::run(self.workers, self.control, |_| {
                Box::new(missing.into_iter().map(|number| {
                    Ok(move |control: &Control| {
                        let sha1 = parts.make(started, number, control)?;
                        Ok((number, sha1))
                    })
                }))
            })?;
            present.extend(made);
            Ok(present.into_values().collect())
        })?;
        Ok(Uploaded {
            resumed_parts: u32::try_from(resumed_parts).unwrap_or(u32::MAX),
            ..uploaded
        })
    }
}
