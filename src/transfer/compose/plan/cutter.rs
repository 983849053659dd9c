//! Makes parts of runs, so that every part but the last one has the smallest size.
//!
//! A run from a stored file that is large enough becomes copied parts of about the same size.
//! Everything else waits to be joined by what follows, and becomes uploaded parts: bytes of a stored
//! file among them are downloaded for that. If too little waits when a copy comes, it takes what is
//! missing from the beginning of the copy.

use std::collections::VecDeque;

use crate::transfer::compose::plan::limits::Sizes;
use crate::transfer::compose::plan::slices::{PlannedPart, Run, Slice, append, length, take};

/// Makes parts of runs.
///
/// At most two sizes of a part wait in `upload`: what is more is cut at once.
pub(super) struct Cutter<P> {
    /// Bytes to upload, which may still be joined by others.
    pub(super) upload: Vec<Slice<P>>,
    /// The parts that are complete and not yet returned.
    pub(super) ready: VecDeque<PlannedPart<P>>,
    /// The number of parts that were made.
    pub(super) made: u64,
    /// The number of parts that were returned.
    pub(super) handed_on: u64,
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
    ///
    /// A stored run that is too small for a part is uploaded with its neighbours, which costs a download.
    /// So does the beginning of a large one if the bytes that wait before it are too few for a part.
    pub(super) fn push(&mut self, mut run: Run<P>, sizes: Sizes) {
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
    pub(super) fn cut(&mut self, sizes: Sizes) {
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
    pub(super) fn flush(&mut self, sizes: Sizes) {
        self.cut(sizes);
        if !self.upload.is_empty() {
            let part = std::mem::take(&mut self.upload);
            self.make(PlannedPart::Upload(part));
        }
    }

    /// Makes copied parts of about the same size.
    pub(super) fn copy(&mut self, mut run: Run<P>, sizes: Sizes) {
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
    pub(super) fn make(&mut self, part: PlannedPart<P>) {
        self.ready.push_back(part);
        self.made += 1;
    }
}
