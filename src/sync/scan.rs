//! Scanning one side, file by file in the order of names, with nothing more in memory than one
//! directory of each depth, or two pages of a listing.
//!
//! Both kinds keep the same contract with the merge: names come in the strict order of their bytes,
//! each once; what is passed over is marked where it would stand; an error means that nothing is
//! known of what follows.
//!
//! | scan | requests | fails if |
//! |---|---|---|
//! | of a local directory | none | the root cannot be read, or the run is cancelled |
//! | of a bucket | one for each page of 10,000 rows, billed as ten of class C | a page cannot be had, or the run is cancelled |
//!
//! A scan is an iterator on the calling thread. What it is slow at is reported by ticks of the
//! `Reporter`.

pub(super) mod bucket;
pub(super) mod local;
mod pages;
pub(super) mod rows;

use crate::error::Error;
use crate::sync::item::{Entry, Item};

/// A scan of either kind.
///
/// The scans are in boxes because a plan is moved, and they are large.
#[derive(Debug)]
pub(super) enum Scan {
    Local(Box<local::LocalScan>),
    Bucket(Box<bucket::BucketScan>),
    /// A local destination that is not there yet.
    Nothing,
    /// What a test has listed beforehand.
    #[cfg(test)]
    Listed(std::vec::IntoIter<Item<Entry>>),
}

impl Scan {
    /// Begins to list a bucket, so that both sides are listed at the same time.
    pub(super) fn start(&mut self) {
        if let Self::Bucket(scan) = self {
            scan.start();
        }
    }

    /// How many names the filters left out.
    pub(super) const fn excluded(&self) -> u64 {
        match self {
            Self::Local(scan) => scan.excluded,
            Self::Bucket(scan) => scan.excluded,
            Self::Nothing => 0,
            #[cfg(test)]
            Self::Listed(_) => 0,
        }
    }

    /// How many files are not transferred because another one has their name.
    pub(super) const fn nameless(&self) -> u64 {
        match self {
            Self::Local(scan) => scan.nameless,
            _ => 0,
        }
    }
}

impl Iterator for Scan {
    type Item = Result<Item<Entry>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Local(scan) => scan.next(),
            Self::Bucket(scan) => scan.next(),
            Self::Nothing => None,
            #[cfg(test)]
            Self::Listed(items) => items.next().map(Ok),
        }
    }
}
