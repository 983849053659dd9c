//! Decides which bytes of a composed file come from which piece, and in which parts the file is
//! made. This is pure arithmetic. It is the same for pieces that are all known and for a stream of
//! pieces.
//!
//! 1. `PartPlan` goes through the pieces in the order of the result, and chooses one for every byte
//!    (`choose`).
//! 2. Consecutive bytes that were chosen from one piece are joined to a run (`glue`).
//! 3. `Cutter` makes parts of the runs. A run from a stored file becomes parts that the service
//!    copies, unless it is smaller than the smallest part; then it is downloaded and uploaded
//!    together with its neighbours. A part before a copy may still be too small. It then takes
//!    bytes from the beginning of the copy.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::transfer::options::Overlap;
use crate::transfer::parts::{COPY_PART, MAX_FILE, MAX_PART, MAX_PARTS, PartLimits};

/// The number of parts of a stream that have the same size. After it the size doubles, so that the
/// stream can still become the largest file.
const STEP: u64 = 1000;

/// The sizes of parts, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The smallest size of every part but the last one.
    min: u64,
    /// The size of an uploaded part.
    upload: u64,
    /// The largest size of a copied part.
    copy: u64,
    /// The largest size of any part.
    max: u64,
    max_parts: u64,
}

impl Limits {
    /// The limits of an account. `wanted` replaces the size that it recommends.
    pub(crate) fn new(auth: &AccountAuth, wanted: Option<u64>) -> Result<Self> {
        let min = auth.absolute_minimum_part_size.clamp(1, MAX_PART / 4);
        let upload = PartLimits::new(auth, wanted)?.wanted();
        Ok(Self {
            min,
            upload: upload.clamp(min, MAX_PART - min),
            copy: wanted.unwrap_or(COPY_PART).clamp(2 * min, MAX_PART),
            max: MAX_PART,
            max_parts: MAX_PARTS,
        })
    }

    /// Whether this many bytes of a stored file can be a part.
    pub(crate) const fn can_be_copied(&self, length: u64) -> bool {
        length >= self.min
    }

    /// The limits with every size doubled this many times, as far as the service allows.
    fn doubled(self, times: u64) -> Self {
        let factor = 1_u64 << times.min(40);
        let min = self
            .min
            .saturating_mul(factor)
            .min(self.max / 4)
            .max(self.min);
        Self {
            min,
            upload: self.upload.saturating_mul(factor).min(self.max - min),
            copy: self.copy.saturating_mul(factor).min(self.max),
            ..self
        }
    }
}

/// The sizes of parts. They grow with the number of parts if nobody knows how many there will be.
#[derive(Clone, Copy)]
struct Sizes {
    limits: Limits,
    /// Whether the sizes of parts grow with their number.
    grows: bool,
}

impl Sizes {
    /// The limits of the next part after `made` parts.
    fn now(self, made: u64) -> Limits {
        if self.grows {
            self.limits.doubled(made / STEP)
        } else {
            self.limits
        }
    }

    /// The limits of the next part if `bytes` are to be cut into parts. They get at most half of
    /// the parts that are left, because nobody knows what follows.
    fn of(self, made: u64, bytes: u64) -> Limits {
        let limits = self.now(made);
        if !self.grows {
            return limits;
        }
        let left = limits.max_parts.saturating_sub(made) / 2;
        let least = bytes.div_ceil(left.max(1));
        Limits {
            upload: limits.upload.max(least).min(limits.max - limits.min),
            copy: limits.copy.max(least).min(limits.max),
            ..limits
        }
    }
}

/// A piece and its place in the result.
#[derive(Debug, Clone)]
pub(crate) struct Placed<P> {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) is_remote: bool,
    pub(crate) piece: P,
}

impl<P> Placed<P> {
    /// Where the piece ends in the result.
    pub(crate) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Some bytes of a piece, counted from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Slice<P> {
    /// The number of the piece, by which slices of one piece are recognized.
    id: u64,
    pub(crate) piece: P,
    pub(crate) range: Range<u64>,
}

impl<P> Slice<P> {
    pub(crate) const fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn continues(&self, other: &Self) -> bool {
        self.id == other.id && self.range.start == other.range.end
    }
}

/// One part of the result.
#[derive(Debug, Clone)]
pub(crate) enum PlannedPart<P> {
    /// The service copies the part. `witness` has the local bytes that it must equal, if they exist
    /// for all of it and were asked for.
    Copy {
        slice: Slice<P>,
        witness: Vec<Slice<P>>,
    },
    /// The part is uploaded, from local pieces and from remote ones that are downloaded for this
    /// purpose.
    Upload(Vec<Slice<P>>),
}

impl<P> PlannedPart<P> {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Copy { slice, .. } => slice.length(),
            Self::Upload(slices) => length(slices),
        }
    }
}

impl<P: Clone> PlannedPart<P> {
    /// The part in two parts, if it is a copy that is large enough; otherwise the part itself as an
    /// error.
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
pub(crate) struct PartPlan<I, P> {
    pieces: I,
    overlap: Overlap,
    limits: Limits,
    grows: bool,
    /// The pieces that have the byte at `at`, with their numbers.
    active: Vec<(u64, Placed<P>)>,
    next_id: u64,
    /// The offset up to which pieces were chosen.
    at: u64,
    /// The piece that was chosen last, and whether it is kept to its end.
    current: Option<(u64, bool)>,
    /// The local piece that the last copy was compared with.
    witness: Option<u64>,
    runs: Vec<Run<P>>,
    cutter: Cutter<P>,
    is_over: bool,
}

impl<P: Clone, I: Iterator<Item = Result<Placed<P>>>> PartPlan<I, P> {
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

    fn limits(&self) -> Limits {
        self.sizes().now(self.cutter.made)
    }

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

/// Consecutive bytes of the result that are all local or all remote.
struct Run<P> {
    is_remote: bool,
    slices: Vec<Slice<P>>,
    /// The local bytes that equal them: for all of them, or none.
    witness: Vec<Slice<P>>,
}

impl<P: Clone> Run<P> {
    fn length(&self) -> u64 {
        length(&self.slices)
    }

    /// Whether this run begins where the other one ends.
    fn continues(&self, other: &Self) -> bool {
        match (self.slices.first(), other.slices.last()) {
            (Some(first), Some(last)) => first.continues(last),
            _ => false,
        }
    }

    fn append(&mut self, other: Self) {
        append(&mut self.slices, other.slices);
        append(&mut self.witness, other.witness);
    }

    /// Removes and returns the first bytes.
    fn take(&mut self, count: u64) -> Self {
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
fn append<P>(slices: &mut Vec<Slice<P>>, others: Vec<Slice<P>>) {
    for other in others {
        match slices.last_mut() {
            Some(last) if other.continues(last) => last.range.end = other.range.end,
            _ => slices.push(other),
        }
    }
}

/// Removes and returns the first bytes.
fn take<P: Clone>(slices: &mut Vec<Slice<P>>, count: u64) -> Vec<Slice<P>> {
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

/// Makes parts of runs.
struct Cutter<P> {
    /// Bytes to upload, which may still be joined by others.
    upload: Vec<Slice<P>>,
    /// The parts that are complete and not yet returned.
    ready: VecDeque<PlannedPart<P>>,
    /// The number of parts that were made.
    made: u64,
    /// The number of parts that were returned.
    handed_on: u64,
}

impl<P> Default for Cutter<P> {
    fn default() -> Self {
        Self {
            upload: Vec::new(),
            ready: VecDeque::new(),
            made: 0,
            handed_on: 0,
        }
    }
}

impl<P: Clone> Cutter<P> {
    /// Adds a run, and makes the parts that are complete with it.
    fn push(&mut self, mut run: Run<P>, sizes: Sizes) {
        let limits = sizes.now(self.made);
        let missing = match length(&self.upload) {
            0 => 0,
            waiting => limits.min.saturating_sub(waiting),
        };
        if run.is_remote && run.length() >= limits.min + missing {
            let borrowed = run.take(missing);
            append(&mut self.upload, borrowed.slices);
            self.flush(sizes);
            return self.copy(run, sizes);
        }
        append(&mut self.upload, run.slices);
        self.cut(sizes);
    }

    /// Makes uploaded parts as long as enough bytes for another part are left.
    fn cut(&mut self, sizes: Sizes) {
        loop {
            let waiting = length(&self.upload);
            let limits = sizes.of(self.made, waiting);
            if waiting < limits.upload + limits.min {
                return;
            }
            let part = take(&mut self.upload, limits.upload);
            self.make(PlannedPart::Upload(part));
        }
    }

    /// Makes uploaded parts of all bytes that wait.
    fn flush(&mut self, sizes: Sizes) {
        self.cut(sizes);
        if !self.upload.is_empty() {
            let part = std::mem::take(&mut self.upload);
            self.make(PlannedPart::Upload(part));
        }
    }

    /// Makes copied parts of about the same size.
    fn copy(&mut self, mut run: Run<P>, sizes: Sizes) {
        while run.length() > 0 {
            let limits = sizes.of(self.made, run.length());
            let count = run.length().div_ceil(limits.copy);
            let Run {
                slices, witness, ..
            } = run.take(run.length().div_ceil(count));
            for slice in slices {
                self.make(PlannedPart::Copy {
                    slice,
                    witness: witness.clone(),
                });
            }
        }
    }

    /// Adds a complete part.
    fn make(&mut self, part: PlannedPart<P>) {
        self.ready.push_back(part);
        self.made += 1;
    }
}

#[cfg(test)]
mod tests;
