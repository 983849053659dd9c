//! The pages of a bucket's listing, the next one of which is fetched while one is worked through.
//!
//! A thread of its own lists (`control::ahead`), so that at most two pages of a listing are in memory: the one that
//! is worked through, and the next one. The scan ticks while it waits for a page. A run that ends early cancels the
//! request that is under way and does not wait for the thread, which ends by itself and requests nothing more.
//!
//! Both sides of a synchronization between buckets are started before the first page is taken, so
//! that they list at the same time.

use crate::bucket::Bucket;
use crate::control::Control;
use crate::control::ahead::Ahead;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::raw::ListFilesRequest;
use crate::session::capabilities::Requirements;
use crate::session::listed_files::{LARGEST_PAGE, ListedFiles};
use crate::sync::scan::rows::{KeptDetails, Row, RowPacker, Rows};

/// Pages that are fetched ahead.
pub(super) type PagesAhead = Ahead<PageReader, Rows>;

/// Lists page by page.
///
/// It belongs to one thread at a time: the one that lists.
#[derive(Debug)]
pub(super) struct PageReader {
    bucket: Bucket,
    control: Control,
    operation: Operation,
    details: KeptDetails,
    rows: ListedFiles<Row>,
}

impl PageReader {
    /// Lists what has this prefix.
    pub(super) fn new(
        bucket: &Bucket,
        prefix: &str,
        operation: Operation,
        details: KeptDetails,
        cancel: &CancelToken,
    ) -> Self {
        let request = ListFilesRequest::new(bucket.id()).prefix(prefix);
        Self {
            control: bucket.control("sync", None, Some(cancel)),
            bucket: bucket.clone(),
            operation,
            details,
            rows: ListedFiles::new(request, Some(LARGEST_PAGE)),
        }
    }
}

impl Iterator for PageReader {
    type Item = Result<Rows>;

    /// The next page, or the next pages as long as they are small.
    ///
    /// Small pages are put together until there are as many rows as in a large one. A row that
    /// cannot be packed ends the listing with [`Error::UnexpectedReply`].
    fn next(&mut self) -> Option<Self::Item> {
        let Self {
            bucket,
            control,
            operation,
            details,
            rows,
        } = self;
        let operation = *operation;
        let session = &bucket.client().session;
        let mut packer = RowPacker::new(*details);
        while packer.len() < LARGEST_PAGE as usize {
            let row = rows.next(session, operation, |request| {
                let needs = Requirements::from(operation)
                    .about(bucket.name())
                    .bucket(&request.bucket_id)
                    .named(&request.prefix);
                session.call(needs, control, |raw| raw.list_rows(operation, request))
            });
            let Some(row) = row else {
                return (packer.len() > 0).then(|| Ok(packer.finish()));
            };
            let packed = row.and_then(|row| {
                let odd = |error: serde_json::Error| Error::UnexpectedReply {
                    operation,
                    source: error.into(),
                };
                packer.push(&row).map_err(odd)
            });
            if let Err(error) = packed {
                return Some(Err(error));
            }
        }
        Some(rows.read_ahead(session).map(|()| packer.finish()))
    }
}
