//! A listing that fetches its next page when it needs it, or while the caller works through the present one.
//!
//! Without reading ahead the calling thread requests a page when the rows of the one before are used up. With it
//! ([`LsOptions::read_ahead`](crate::LsOptions::read_ahead)), a thread of its own requests and decodes
//! (`control::ahead`). It hands over rows in batches, none of which reaches into the next page, and requests a page
//! only after all batches of the page before were taken. So at most one page is requested that the caller has not
//! reached, and at most two batches are in memory beside what has arrived of the page.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the caller stops amid a page, and drops the iterator | the request of the next page is cancelled; it may be billed |
//! | a page fails | the rows before it are yielded, and then the error |
//! | the filters leave out all rows of a page | an empty batch, which the caller takes before the next page is requested |

use crate::bucket::list::pages::FilePages;
use crate::control::ahead::Ahead;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;

/// The largest number of rows of a batch.
const BATCH: usize = 1000;

/// A listing of file versions.
#[derive(Debug)]
pub(in crate::bucket) enum Listing {
    /// Each page is requested when it is needed.
    OnDemand(Box<FilePages>),
    /// The next page is requested while one is worked through.
    Ahead {
        batches: Ahead<Batches, Vec<FileVersion>>,
        /// The rows that were handed over and not yielded.
        batch: std::vec::IntoIter<FileVersion>,
    },
}

impl Listing {
    /// A listing that reads ahead. `cancel` is the token of the calls of `pages`.
    pub(super) fn ahead(pages: FilePages, cancel: CancelToken) -> Self {
        let batches = Batches {
            pages,
            failed: None,
        };
        Self::Ahead {
            batches: Ahead::new(batches, cancel),
            batch: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Listing {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::OnDemand(pages) => pages.next(),
            Self::Ahead { batches, batch } => loop {
                if let Some(version) = batch.next() {
                    return Some(Ok(version));
                }
                match batches.next()? {
                    Ok(next) => *batch = next.into_iter(),
                    Err(error) => return Some(Err(error)),
                }
            },
        }
    }
}

/// The rows of a listing in batches, none of which reaches into the next page.
#[derive(Debug)]
pub(in crate::bucket) struct Batches {
    pages: FilePages,
    /// The error that follows the rows of the last batch.
    failed: Option<Error>,
}

impl Iterator for Batches {
    type Item = Result<Vec<FileVersion>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        if let Err(error) = self.pages.open_page()? {
            return Some(Err(error));
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.pages.next_of_page() {
                Some(Ok(version)) => batch.push(version),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Some(Ok(batch))
    }
}
