//! The parts of a composed file, where all of them are known.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Digest;
use crate::transfer::compose::plan::Part;
use crate::transfer::compose::{Compose, Sources};
use crate::transfer::upload::large::Started;
use crate::transfer::upload::parted::Parted;
use crate::transfer::upload::resume::PlannedPart;

pub(super) struct Planned<'c, 'p> {
    pub(super) compose: &'c Compose<'c>,
    pub(super) parts: Vec<Part<Sources<'p>>>,
}

impl<'p> Planned<'_, 'p> {
    pub(super) fn has_copies(&self) -> bool {
        let is_copy = |part: &Part<_>| matches!(part, Part::Copy { .. });
        self.parts.iter().any(is_copy)
    }

    pub(super) fn plan(&self) -> impl Iterator<Item = PlannedPart<'_>> {
        self.parts.iter().map(|part| {
            let uploaded = PlannedPart::Uploaded {
                length: part.length(),
            };
            match part {
                Part::Upload(_) => uploaded,
                Part::Copy { slice, .. } => match slice.piece.remote(&slice.range) {
                    Ok((stored, range)) => PlannedPart::Copied {
                        source: stored.file_id,
                        range,
                    },
                    Err(_) => uploaded,
                },
            }
        })
    }

    fn part(&self, number: u64) -> Option<&Part<Sources<'p>>> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.parts.get(index)
    }
}

impl Parted for Planned<'_, '_> {
    fn count(&self) -> u64 {
        self.parts.len() as u64
    }

    fn length(&self, number: u64) -> u64 {
        self.part(number).map_or(0, Part::length)
    }

    fn is_made(&self, number: u64, sha1: Sha1Digest) -> Result<bool> {
        let control = self.compose.upload.control;
        match self.part(number) {
            Some(Part::Upload(slices)) => Ok(self.compose.hash(slices.clone(), control)? == sha1),
            // It was copied by the same plan, and the service computed its SHA-1.
            Some(Part::Copy { witness, .. }) if witness.is_empty() => Ok(true),
            Some(Part::Copy { witness, .. }) => {
                Ok(self.compose.hash(witness.clone(), control)? == sha1)
            }
            None => Ok(false),
        }
    }

    fn make(&self, started: &Started<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        match self.part(number) {
            Some(part) => {
                let part = part.clone();
                self.compose.make_part(started, number, part, control)
            }
            None => Err(Error::invalid_input("pieces", "there is no such part")),
        }
    }
}
