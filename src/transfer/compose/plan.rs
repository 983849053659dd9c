//! Decides which bytes of a composed file come from which piece, and in which parts the file is
//! made. This is pure arithmetic. It is the same for pieces that are all known and for a stream of
//! pieces.
//!
//! 1. `PartPlan` goes through the pieces in the order of the result, and chooses one for every byte
//!    (`choose`).
//! 2. Consecutive bytes that were chosen from one piece are joined to a run (`glue`).
//! 3. `Cutter` makes parts of the runs (`cutter`). A run from a stored file becomes parts that the service
//!    copies, unless it is smaller than the smallest part; then it is downloaded and uploaded
//!    together with its neighbours. A part before a copy may still be too small. It then takes
//!    bytes from the beginning of the copy.
//!
//! | several pieces have the same bytes, and the caller wants | the plan takes |
//! | --- | --- |
//! | local ones (`Overlap::Local`) | local pieces wherever there are some |
//! | stored ones (`Overlap::Remote`) | stored pieces that are long enough for a copy, otherwise local ones |
//! | both to be equal (`Overlap::Verify`) | stored pieces as well, and compares local bytes with the copies, except where too few are left for a part |
//!
//! | what is wrong with the pieces | what follows |
//! | --- | --- |
//! | no piece has some of the bytes | `InvalidInput`, which names the gap |
//! | one ends beyond the 10 TB of the largest file | `InvalidInput` |
//! | pieces of a stream do not come in the order of their offsets | `InvalidInput` |
//! | they need more parts than 10,000 of the largest size | `InvalidInput` |
//!
//! Pieces that are all known fail before anything is sent. A stream fails when the plan reaches the
//! fault, and its large file is cancelled.

mod cutter;
pub(crate) mod limits;
pub(crate) mod slices;

use crate::error::{Error, Result};
use crate::transfer::compose::plan::cutter::Cutter;
use crate::transfer::compose::plan::limits::{Limits, Sizes};
use crate::transfer::compose::plan::slices::{PlannedPart, Run, Slice};
use crate::transfer::options::Overlap;
use crate::transfer::parts::MAX_FILE;

/// A piece and its place in the result.
#[derive(Debug, Clone)]
pub(crate) struct Placed<P> {
    /// Where the piece begins in the result, in bytes.
    pub(crate) offset: u64,
    /// The number of its bytes.
    pub(crate) length: u64,
    /// Whether the service has it. Other pieces are on this machine.
    pub(crate) is_remote: bool,
    /// The piece itself, which the plan only hands on.
    pub(crate) piece: P,
}

impl<P> Placed<P> {
    /// Where the piece ends in the result.
    pub(crate) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Returns the parts of a file that consists of all these pieces. The sizes are doubled until the
/// parts are not more than a file may have.
///
/// Fails with `InvalidInput` if the pieces leave a gap, or are too large or too many for one file.
pub(crate) fn plan<P: Clone>(
    pieces: &[Placed<P>],
    limits: Limits,
    overlap: Overlap,
) -> Result<Vec<PlannedPart<P>>> {
    let mut pieces: Vec<_> = pieces.iter().collect();
    pieces.sort_by_key(|piece| piece.offset);
    let mut doublings = 0;
    loop {
        let doubled = limits.doubled(doublings);
        let mut parts = PartPlan::new(
            pieces.iter().map(|piece| Ok((*piece).clone())),
            doubled,
            overlap,
        );
        parts.grows = false;
        let made: Vec<_> = parts
            .by_ref()
            .take(usize::try_from(limits.max_parts).unwrap_or(usize::MAX))
            .collect::<Result<_>>()?;
        match parts.next() {
            None => return Ok(made),
            Some(_) if doubled.copy < limits.max || doubled.min < limits.max / 4 => doublings += 1,
            Some(_) => return Err(too_many_parts()),
        }
    }
}

/// The error of pieces that need more than 10,000 parts.
fn too_many_parts() -> Error {
    Error::invalid_input("pieces", "they need more parts than a file may have")
}

/// The parts of a file, as its pieces become known in the order of their places: an iterator that
/// reads only as many pieces as the next part needs.
///
/// After an error it is at its end. It holds the pieces that reach beyond the last byte that was
/// chosen, and the runs of the part in preparation: not the pieces before that, and no content.
pub(crate) struct PartPlan<I, P> {
    /// The pieces that have not been read yet, in the order of their offsets.
    pieces: I,
    overlap: Overlap,
    limits: Limits,
    /// Whether the sizes of parts grow with their number, because nobody knows what follows.
    grows: bool,
    /// The pieces that have the byte at `at`, with their numbers.
    active: Vec<(u64, Placed<P>)>,
    /// The number that the next piece gets.
    next_id: u64,
    /// The offset up to which pieces were chosen.
    at: u64,
    /// The piece that was chosen last, and whether it is kept to its end.
    current: Option<(u64, bool)>,
    /// The local piece that the last copy was compared with.
    witness: Option<u64>,
    /// The runs of one piece that were chosen and not cut yet.
    runs: Vec<Run<P>>,
    /// Makes parts of them.
    cutter: Cutter<P>,
    /// Whether there is nothing more to plan, or an error was returned.
    is_over: bool,
}

impl<P: Clone, I: Iterator<Item = Result<Placed<P>>>> PartPlan<I, P> {
    /// Plans the parts of a stream of pieces. No piece is read before the first part is asked for.
    pub(crate) fn new(pieces: I, limits: Limits, overlap: Overlap) -> Self {
        Self {
            pieces,
            overlap,
            limits,
            grows: true,
            active: Vec::new(),
            next_id: 0,
            at: 0,
            current: None,
            witness: None,
            runs: Vec::new(),
            cutter: Cutter::default(),
            is_over: false,
        }
    }

    /// The sizes of the next part.
    fn limits(&self) -> Limits {
        self.sizes().now(self.cutter.made)
    }

    /// The sizes of all parts.
    const fn sizes(&self) -> Sizes {
        Sizes {
            limits: self.limits,
            grows: self.grows,
        }
    }

    /// Takes one more piece into account, or the end of the pieces.
    fn step(&mut self) -> Result<()> {
        let Some(piece) = self.pieces.next().transpose()? else {
            self.choose_up_to(None)?;
            self.settle();
            self.cutter.flush(self.sizes());
            self.is_over = true;
            return Ok(());
        };
        if piece.end() > MAX_FILE {
            let reason = format!("they end beyond the {MAX_FILE} bytes that a file may have");
            return Err(Error::invalid_input("pieces", reason));
        }
        if piece.length == 0 {
            return Ok(());
        }
        if piece.offset < self.at {
            let reason = "they do not come in the order of their offsets";
            return Err(Error::invalid_input("pieces", reason));
        }
        self.choose_up_to(Some(piece.offset))?;
        self.active.push((self.next_id, piece));
        self.next_id += 1;
        Ok(())
    }

    /// Chooses pieces for all bytes before this offset, or for all bytes if there is none. Fails if
    /// no piece has some of the bytes.
    fn choose_up_to(&mut self, limit: Option<u64>) -> Result<()> {
        while limit.is_none_or(|limit| self.at < limit) {
            let at = self.at;
            self.active.retain(|(_, piece)| piece.end() > at);
            let Some(chosen) = self.choose() else {
                return match limit {
                    None => Ok(()),
                    Some(limit) => Err(Error::invalid_input(
                        "pieces",
                        format!("none of them has the bytes from {at} to {limit}"),
                    )),
                };
            };
            let witness = self.choose_witness(chosen);
            let ends = [Some(chosen), witness].into_iter().flatten();
            let ends = ends.filter_map(|id| self.active(id).map(Placed::end));
            let end = ends.chain(limit).min().unwrap_or(at);
            if let Some(chosen) = self.slice(chosen, end) {
                let is_remote = self.is_remote(chosen.id);
                let witness = witness.and_then(|id| self.slice(id, end));
                self.glue(Run {
                    is_remote,
                    slices: vec![chosen],
                    witness: witness.into_iter().collect(),
                });
            }
            self.at = end;
        }
        Ok(())
    }

    /// Chooses the piece that the next bytes are taken from. The current piece is kept while it is
    /// as good as others, because every change may cost a part. Of several pieces the one that
    /// reaches furthest is chosen.
    fn choose(&mut self) -> Option<u64> {
        let min = self.limits().min;
        let is_long = |piece: &Placed<P>| piece.end() - self.at >= min;
        let chosen = match (self.overlap, self.current) {
            (Overlap::Local, _) => self.furthest(|piece| !piece.is_remote),
            (_, Some((id, true))) if self.active(id).is_some() => return Some(id),
            _ => {
                let long = self.furthest(|piece| piece.is_remote && is_long(piece));
                if let Some(id) = long {
                    self.current = Some((id, true));
                    return Some(id);
                }
                self.furthest(|piece| !piece.is_remote)
            }
        };
        let chosen = chosen.or_else(|| self.furthest(|piece| piece.is_remote))?;
        self.current = Some((chosen, false));
        Some(chosen)
    }

    /// Chooses the local piece that a copy is compared with, if that was asked for.
    fn choose_witness(&mut self, chosen: u64) -> Option<u64> {
        if self.overlap != Overlap::Verify || !self.is_remote(chosen) {
            return None;
        }
        let kept = self.witness.filter(|id| self.active(*id).is_some());
        self.witness = kept.or_else(|| self.furthest(|piece| !piece.is_remote));
        self.witness
    }

    /// The active piece of this number.
    fn active(&self, id: u64) -> Option<&Placed<P>> {
        let found = self.active.iter().find(|(other, _)| *other == id);
        found.map(|(_, piece)| piece)
    }

    /// Whether the service has the active piece of this number.
    fn is_remote(&self, id: u64) -> bool {
        self.active(id).is_some_and(|piece| piece.is_remote)
    }

    /// The number of the wanted piece that reaches furthest; the current piece comes before all
    /// others.
    fn furthest(&self, is_wanted: impl Fn(&Placed<P>) -> bool) -> Option<u64> {
        let wanted = self.active.iter().filter(|(_, piece)| is_wanted(piece));
        let is_current = |id: u64| self.current.is_some_and(|(current, _)| current == id);
        wanted
            .max_by_key(|(id, piece)| (is_current(*id), piece.end()))
            .map(|(id, _)| *id)
    }

    /// The bytes of a piece from `at` to `end`.
    fn slice(&self, id: u64, end: u64) -> Option<Slice<P>> {
        let placed = self.active(id)?;
        Some(Slice {
            id,
            piece: placed.piece.clone(),
            range: self.at - placed.offset..end - placed.offset,
        })
    }

    /// Joins bytes of one piece, as long as all of them can be verified or none can.
    fn glue(&mut self, run: Run<P>) {
        match self.runs.last_mut() {
            Some(last) if !run.continues(last) => self.settle(),
            Some(last) if last.witness.is_empty() == run.witness.is_empty() => {
                return last.append(run);
            }
            _ => {}
        }
        self.runs.push(run);
    }

    /// Passes on the runs of one piece. Bytes that would be too few for a part of their own are
    /// joined to their neighbours, and are then not verified.
    fn settle(&mut self) {
        let min = self.limits().min;
        let mut settled: Vec<Run<P>> = Vec::new();
        for run in self.runs.drain(..) {
            match settled.last_mut() {
                Some(last) if last.length() < min || run.length() < min => {
                    last.append(run);
                    last.witness.clear();
                }
                _ => settled.push(run),
            }
        }
        let sizes = self.sizes();
        for run in settled {
            self.cutter.push(run, sizes);
        }
    }
}

impl<P: Clone, I: Iterator<Item = Result<Placed<P>>>> Iterator for PartPlan<I, P> {
    type Item = Result<PlannedPart<P>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(part) = self.cutter.ready.pop_front() {
                self.cutter.handed_on += 1;
                if self.grows && self.cutter.handed_on > self.limits.max_parts {
                    return Some(Err(too_many_parts()));
                }
                return Some(Ok(part));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.step() {
                self.is_over = true;
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests;
