//! Bytes of pieces, and what is made of them: slices of one piece, runs of slices, and parts.
//!
//! All of them are lists of ranges, so no content is read or copied here. A slice counts its bytes
//! from the beginning of its piece; its place in the result follows from those before it.
//!
//! | value | what it is | made by |
//! | --- | --- | --- |
//! | slice | some bytes of one piece | `plan`, where pieces begin, end or overlap |
//! | run | consecutive slices that are all local or all stored | `plan` |
//! | part | what becomes one part of the large file | `cutter`, from runs |
//!
//! A witness is what the caller has of bytes that the service copies. With
//! [`Overlap::Verify`](crate::transfer::options::Overlap::Verify), a local piece that covers stored bytes is
//! compared with the part that was copied of them.

use std::ops::Range;

use crate::transfer::compose::plan::limits::Limits;

/// Some bytes of a piece, counted from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Slice<P> {
    /// The number of the piece, by which slices of one piece are recognized.
    pub(super) id: u64,
    /// The piece that has the bytes.
    pub(crate) piece: P,
    /// The bytes, counted from the beginning of the piece.
    pub(crate) range: Range<u64>,
}

impl<P> Slice<P> {
    /// The number of bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether these bytes of a piece begin where the other ones end.
    pub(super) fn continues(&self, other: &Self) -> bool {
        self.id == other.id && self.range.start == other.range.end
    }
}

/// One part of the result.
#[derive(Debug, Clone)]
pub(crate) enum PlannedPart<P> {
    /// The service copies the part. `witness` has the local bytes that it must equal, if they exist
    /// for all of it and were asked for.
    Copy {
        /// The bytes of the stored file.
        slice: Slice<P>,
        /// Local bytes of the same length, or nothing.
        witness: Vec<Slice<P>>,
    },
    /// The part is uploaded, from local pieces and from remote ones that are downloaded for this
    /// purpose.
    Upload(Vec<Slice<P>>),
}

impl<P> PlannedPart<P> {
    /// The number of bytes of the part.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Copy { slice, .. } => slice.length(),
            Self::Upload(slices) => length(slices),
        }
    }
}

impl<P: Clone> PlannedPart<P> {
    /// The part in two parts, if it is a copy that is large enough; otherwise the part itself as an
    /// error. The first has at least the smallest size, and the second, being the last one, any size.
    pub(crate) fn halved(self, limits: Limits) -> std::result::Result<[Self; 2], Self> {
        match self {
            Self::Copy { slice, witness } if slice.length() > limits.min => {
                let half = slice.length().div_ceil(2).max(limits.min);
                let middle = slice.range.start + half;
                let mut second = witness;
                let first = take(&mut second, half);
                let part = |range, witness| Self::Copy {
                    slice: Slice {
                        range,
                        ..slice.clone()
                    },
                    witness,
                };
                Ok([
                    part(slice.range.start..middle, first),
                    part(middle..slice.range.end, second),
                ])
            }
            part => Err(part),
        }
    }
}

/// Consecutive bytes of the result that are all local or all remote.
pub(super) struct Run<P> {
    /// Whether the service has all of the bytes. Otherwise they have to be uploaded.
    pub(super) is_remote: bool,
    /// The bytes, in order.
    pub(super) slices: Vec<Slice<P>>,
    /// The local bytes that equal them: for all of them, or none.
    pub(super) witness: Vec<Slice<P>>,
}

impl<P: Clone> Run<P> {
    /// The number of its bytes.
    pub(super) fn length(&self) -> u64 {
        length(&self.slices)
    }

    /// Whether this run begins where the other one ends.
    pub(super) fn continues(&self, other: &Self) -> bool {
        match (self.slices.first(), other.slices.last()) {
            (Some(first), Some(last)) => first.continues(last),
            _ => false,
        }
    }

    /// Adds the bytes of a run that follows this one.
    pub(super) fn append(&mut self, other: Self) {
        append(&mut self.slices, other.slices);
        append(&mut self.witness, other.witness);
    }

    /// Removes and returns the first bytes, with the local bytes beside them. A run that has fewer is
    /// returned whole, and is empty afterwards.
    pub(super) fn take(&mut self, count: u64) -> Self {
        let witness = if self.witness.is_empty() {
            Vec::new()
        } else {
            take(&mut self.witness, count)
        };
        Self {
            is_remote: self.is_remote,
            slices: take(&mut self.slices, count),
            witness,
        }
    }
}

/// The number of bytes in these slices.
pub(crate) fn length<P>(slices: &[Slice<P>]) -> u64 {
    slices.iter().map(Slice::length).sum()
}

/// Appends slices, and joins those that continue each other.
pub(super) fn append<P>(slices: &mut Vec<Slice<P>>, others: Vec<Slice<P>>) {
    for other in others {
        match slices.last_mut() {
            Some(last) if other.continues(last) => last.range.end = other.range.end,
            _ => slices.push(other),
        }
    }
}

/// Removes and returns the first bytes.
pub(super) fn take<P: Clone>(slices: &mut Vec<Slice<P>>, count: u64) -> Vec<Slice<P>> {
    let mut left = count;
    let mut taken = Vec::new();
    let mut kept = Vec::new();
    for mut slice in slices.drain(..) {
        let here = left.min(slice.length());
        left -= here;
        if here == slice.length() {
            taken.push(slice);
            continue;
        }
        let cut = slice.range.start + here;
        if here > 0 {
            taken.push(Slice {
                range: slice.range.start..cut,
                ..slice.clone()
            });
        }
        slice.range.start = cut;
        kept.push(slice);
    }
    *slices = kept;
    taken
}
