//! The parts of a composed file when all of them are known, as a source of parts for a large file.
//! A part is copied or uploaded, as the plan says.
//!
//! An unfinished file of the same plan may have some of the parts already. An uploaded part, and a
//! copied one with local bytes beside it, is compared by reading these bytes. A copied part without
//! them is taken as it is: the plan names the source and the range, and the service copied them.
//!
//! | part | how it is made | how one that is there already is recognized |
//! | --- | --- | --- |
//! | uploaded, of local bytes | `b2_upload_part` | by reading the bytes again |
//! | uploaded, of stored bytes that are too few for a copy | a download (class B), and `b2_upload_part` | by downloading them again |
//! | copied | `b2_copy_part` (class C) | by the plan in the file info |
//! | copied, with local bytes to compare | `b2_copy_part`, and reading the bytes | by reading the bytes again |

use crate::control::Control;
use crate::control::progress::{ProgressCounter, TransferStage};
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Digest;
use crate::transfer::compose::plan::slices::PlannedPart;
use crate::transfer::compose::{Compose, Sources};
use crate::transfer::large::{LargeFile, PartSource};
use crate::transfer::resume::PlanEntry;

/// The parts, and the composition that makes them.
pub(super) struct Planned<'c, 'p> {
    pub(super) compose: &'c Compose<'c>,
    /// The parts in order; the first one has the number 1.
    pub(super) parts: Vec<PlannedPart<Sources<'p>>>,
}

impl<'p> Planned<'_, 'p> {
    /// Whether any part is copied.
    pub(super) fn has_copies(&self) -> bool {
        let is_copy = |part: &PlannedPart<_>| matches!(part, PlannedPart::Copy { .. });
        self.parts.iter().any(is_copy)
    }

    /// What the parts consist of, by which an unfinished file is recognized.
    pub(super) fn plan(&self) -> impl Iterator<Item = PlanEntry<'_>> {
        self.parts.iter().map(|part| {
            let uploaded = PlanEntry::Uploaded {
                length: part.length(),
            };
            match part {
                PlannedPart::Upload(_) => uploaded,
                PlannedPart::Copy { slice, .. } => match slice.piece.remote(&slice.range) {
                    Ok((stored, range)) => PlanEntry::Copied {
                        source: stored.file_id,
                        range,
                    },
                    Err(_) => uploaded,
                },
            }
        })
    }

    /// The part of this number, from 1.
    fn part(&self, number: u64) -> Option<&PlannedPart<Sources<'p>>> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.parts.get(index)
    }
}

impl PartSource for Planned<'_, '_> {
    fn count(&self) -> u64 {
        self.parts.len() as u64
    }

    fn length(&self, number: u64) -> u64 {
        self.part(number).map_or(0, PlannedPart::length)
    }

    fn is_made(
        &self,
        number: u64,
        sha1: Sha1Digest,
        (control, counter): (&Control, &ProgressCounter),
    ) -> Result<bool> {
        let compared = match self.part(number) {
            Some(PlannedPart::Upload(slices)) => slices,
            // The file was found by its plan, and the service computed the SHA-1.
            Some(PlannedPart::Copy { witness, .. }) if witness.is_empty() => return Ok(true),
            Some(PlannedPart::Copy { witness, .. }) => witness,
            None => return Ok(false),
        };
        counter.enter(TransferStage::Hashing);
        let compared = compared.clone();
        Ok(self.compose.hash(compared, control, Some(counter))? == sha1)
    }

    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        match self.part(number) {
            Some(part) => {
                let part = part.clone();
                self.compose.make_part(large, number, part, control)
            }
            None => Err(Error::invalid_input("pieces", "there is no such part")),
        }
    }
}
