//! Scanning one side, file by file in the order of names, with nothing more in memory than one directory of each depth,
//! or two pages of a listing.
//!
//! Both kinds keep the same contract with the merge: names come in the strict order of their bytes, each once; what is
//! passed over is marked where it would stand; an error means that nothing is known of what follows.

pub(super) mod bucket;
pub(super) mod local;
mod pages;
pub(super) mod rows;

use crate::error::Error;
use crate::sync::item::{Entry, Item};

/// A scan of either kind.
#[derive(Debug)]
pub(super) enum Scan {
    Local(Box<local::LocalScan>),
    Bucket(Box<bucket::BucketScan>),
    /// A local destination that is not there yet.
    Nothing,
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
