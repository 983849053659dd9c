//! The pages of a bucket's listing, the next one of which is fetched while one is worked through.
//!
//! A thread of its own lists. It hands over a page when it is asked for one, so that at most two
//! pages of a listing are in memory: the one that is worked through, and the next one. If no thread
//! can be started, pages are listed by the thread that asks for them.
//!
//! The scan that is dropped cancels the request that is under way and waits for the thread, so that
//! none outlives a run. A panic of the thread is passed on.
//!
//! | what happens | what follows |
//! |---|---|
//! | the listing fails after the usual repetitions | the error is the next page, and the last one |
//! | the scan is dropped while a request runs | the request is cancelled, and the thread joined |
//! | the thread panics | the panic goes on in the thread that asks for the page |
//! | the scan is slower than the service | the thread waits with one page; nothing more is requested |
//!
//! 1. `start` gives the reader to a thread, which requests the first page at once.
//! 2. The thread offers a page and waits until it is taken; then it requests the next one.
//! 3. The scan takes a page when it has used up the one before, and ticks while it waits.
//! 4. After the last page, or after an error, the thread ends and is joined.
//!
//! Both sides of a synchronization between buckets are started before the first page is taken, so
//! that they list at the same time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::raw::ListFilesRequest;
use crate::session::capabilities::Requirements;
use crate::session::listed_files::{LARGEST_PAGE, ListedFiles};
use crate::sync::scan::rows::{KeptDetails, Row, RowPacker, Rows};

/// How long nothing is reported while a page is waited for.
const LOOK_UP: Duration = Duration::from_millis(50);

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

    /// The next page, or the next pages as long as they are small.
    ///
    /// Small pages are put together until there are as many rows as in a large one. A row that
    /// cannot be packed ends the listing with [`Error::UnexpectedReply`].
    fn next(&mut self) -> Option<Result<Rows>> {
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

/// Pages that are fetched ahead.
#[derive(Debug)]
pub(super) struct PagesAhead {
    state: State,
    /// Ends the request that is under way when the scan is dropped.
    cancel: CancelToken,
}

/// Who lists.
#[derive(Debug)]
enum State {
    /// Nobody yet.
    Idle(Box<PageReader>),
    /// A thread of its own, which hands over one page at a time.
    Ahead {
        pages: Receiver<Option<Result<Rows>>>,
        thread: JoinHandle<()>,
    },
    /// Without a thread, as there was none to be had.
    Alone(Box<PageReader>),
    /// The last page was taken, or listing has failed or was ended.
    Ended,
}

impl PagesAhead {
    /// `cancel` is the token of the reader's calls.
    pub(super) fn new(reader: PageReader, cancel: CancelToken) -> Self {
        Self {
            state: State::Idle(Box::new(reader)),
            cancel,
        }
    }

    /// Begins to list, if that has not begun.
    pub(super) fn start(&mut self) {
        let reader = match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle(reader) => reader,
            other => {
                self.state = other;
                return;
            }
        };
        // A thread that cannot be started drops what it was given; so it is given that afterwards.
        let (give, take) = sync_channel::<Box<PageReader>>(1);
        let (sender, pages) = sync_channel(0);
        let thread = Builder::new().spawn(move || {
            if let Ok(reader) = take.recv() {
                list(*reader, &sender);
            }
        });
        self.state = match thread {
            Ok(thread) => {
                // Never fails: the thread waits for it.
                let _sent = give.send(reader);
                State::Ahead { pages, thread }
            }
            Err(_) => State::Alone(reader),
        };
    }

    /// The next page. `tick` is called again and again while it is waited for.
    ///
    /// It returns `None` after the last page, and also after an error was returned.
    pub(super) fn next(&mut self, tick: impl Fn()) -> Option<Result<Rows>> {
        self.start();
        let page = match &mut self.state {
            State::Ahead { pages, .. } => loop {
                match pages.recv_timeout(LOOK_UP) {
                    Ok(page) => break page,
                    Err(RecvTimeoutError::Timeout) => tick(),
                    Err(RecvTimeoutError::Disconnected) => {
                        self.join();
                        // Never seen: the thread panicked, or has said that it is at its end.
                        break Some(Err(Error::Cancelled));
                    }
                }
            },
            State::Alone(reader) => reader.next(),
            State::Idle(_) | State::Ended => None,
        };
        if !matches!(page, Some(Ok(_))) {
            self.end();
        }
        page
    }

    /// Lists no more.
    ///
    /// It waits for the request that is under way, which the token cuts short. Calling it again
    /// does nothing.
    pub(super) fn end(&mut self) {
        self.cancel.cancel();
        self.join();
    }

    /// Waits for the thread, and passes its panic on.
    fn join(&mut self) {
        if let State::Ahead { pages, thread } = std::mem::replace(&mut self.state, State::Ended) {
            drop(pages);
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for PagesAhead {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread does: it lists page after page until the last one, a failure, or nobody takes
/// them.
fn list(mut reader: PageReader, pages: &SyncSender<Option<Result<Rows>>>) {
    loop {
        let page = reader.next();
        let is_last = !matches!(page, Some(Ok(_)));
        // Nobody waits for it any more: the scan was dropped.
        if pages.send(page).is_err() || is_last {
            return;
        }
    }
}
