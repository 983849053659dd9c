//! Scanning a folder of a bucket: the service lists in the order of names, and of a name the newest
//! version first.
//!
//! Pages have 10,000 rows, which cost as much as ten pages of 1000 and need one round trip. Of each
//! row only what synchronizing asks for stays in memory.
//!
//! | what is asked for | request | what is yielded of a name |
//! |---|---|---|
//! | the source, or a destination whose versions stay | `b2_list_file_names` | its newest version, unless it is hidden |
//! | a destination whose versions are deleted | `b2_list_file_versions` | its newest version, hide markers included, then the older ones |
//! | a source as it was at a time | `b2_list_file_versions` | the newest version of that time |
//!
//! A row that cannot be read, a page that cannot be had after the usual repetitions, and a refusal
//! end the scan with an error: what has not been listed must not look absent. Unfinished large
//! files and rows for folders are passed over, and so is a row whose name does not begin with the
//! folder's.
//!
//! | what happens | what follows |
//! |---|---|
//! | an answer is lost, or the service is busy | the page is requested again, as for any call |
//! | the bucket changes while it is listed | each name is seen as it was when its page was listed |
//! | the run is cancelled | the request that is under way ends, and then the scan |
//! | the clock of this computer is wrong | ages count by the earlier of this clock and the service's |

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::Error;
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::sync::filter::Filters;
use crate::sync::item::{At, Cover, Entry, Item, Marker};
use crate::sync::place::BucketFolder;
use crate::sync::reporter::Reporter;
use crate::sync::scan::pages::{PageReader, PagesAhead};
use crate::sync::scan::rows::{KeptDetails, Listed, Rows};

/// A scan of a folder: an iterator over its files, in the order of names, and over their older
/// versions if these are listed. After an error it is at its end.
///
/// It filters names on the calling thread, and keeps the page that it works through. `current` and
/// `is_selected` are all it remembers of earlier rows.
#[derive(Debug)]
pub(in crate::sync) struct BucketScan {
    bucket: Bucket,
    prefix: String,
    /// Tells when the run is cancelled.
    control: Control,
    pages: PagesAhead,
    /// The rows that have come and were not taken.
    page: Rows,
    view: View,
    is_source: bool,
    /// Versions that the service made later are passed over.
    as_of: Option<Timestamp>,
    filters: Arc<Filters>,
    reporter: Arc<Reporter>,
    /// The name whose versions are being listed.
    current: Option<String>,
    /// Whether a version of it was yielded.
    is_selected: bool,
    /// The number of names that the filters left out so far.
    pub(in crate::sync) excluded: u64,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum View {
    /// The newest version of each file that is not hidden.
    Newest,
    /// The newest version, and then the older ones, hide markers among them.
    All,
}

/// How a folder is scanned.
#[derive(Debug, Clone, Copy)]
pub(in crate::sync) struct ScanOptions {
    pub(in crate::sync) view: View,
    /// Whether the filters on size and time count.
    pub(in crate::sync) is_source: bool,
    pub(in crate::sync) details: KeptDetails,
}

impl BucketScan {
    /// Prepares a scan, which lists nothing before `start` or the first item.
    pub(in crate::sync) fn new(
        folder: &BucketFolder,
        cancel: &CancelToken,
        options: ScanOptions,
        filters: &Arc<Filters>,
        reporter: &Arc<Reporter>,
    ) -> Self {
        let bucket = folder.bucket.clone();
        let ahead = cancel.child();
        let operation = match (options.view, folder.as_of) {
            (View::Newest, None) => Operation::ListFileNames,
            _ => Operation::ListFileVersions,
        };
        let reader = PageReader::new(&bucket, &folder.prefix, operation, options.details, &ahead);
        Self {
            bucket,
            prefix: folder.prefix.clone(),
            control: folder.bucket.control("sync", None, Some(cancel)),
            pages: PagesAhead::new(reader, ahead),
            page: Rows::default(),
            view: options.view,
            is_source: options.is_source,
            as_of: folder.as_of,
            filters: Arc::clone(filters),
            reporter: Arc::clone(reporter),
            current: None,
            is_selected: false,
            excluded: 0,
        }
    }

    /// Begins to list, while something else is being done.
    pub(in crate::sync) fn start(&mut self) {
        self.pages.start();
    }

    /// Returns the next row, and waits for a page if it has to. The page before is dropped first,
    /// so that it takes no memory beside the next one.
    fn next_row(&mut self) -> Option<Result<Listed, Error>> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(row));
            }
            // Gone before the next one comes.
            self.page = Rows::default();
            match self.pages.next_ticking(|| self.reporter.tick())? {
                Ok(page) => self.page = page,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Whether the name takes part. What is left out at the source alone is an orphan.
    fn includes(&self, name: &str) -> bool {
        (self.filters.removes_excluded() && !self.is_source) || self.filters.includes(name)
    }

    /// What a row is for the merge; `None` if it is passed over.
    ///
    /// Rows of one name must come together and newest first, which the listing guarantees. The
    /// first of them that is not too late is the file, and those behind it are older versions.
    fn item(&mut self, row: Listed) -> Option<Item<Entry>> {
        let Listed {
            mut name,
            retained_until,
            mut stored,
        } = row;
        // Whoever removes what is listed relies on it; and the folder itself is no file in it.
        if !name.starts_with(&self.prefix) || name.len() == self.prefix.len() {
            return None;
        }
        name.drain(..self.prefix.len());
        let is_same = self.current.as_ref() == Some(&name);
        if !self.includes(&name) {
            self.excluded += u64::from(!is_same);
            self.current = Some(name);
            self.is_selected = true;
            return None;
        }
        if !is_same {
            self.is_selected = false;
            self.current.get_or_insert_default().clone_from(&name);
        }
        let is_older = self.is_selected;
        let is_later = self
            .as_of
            .is_some_and(|time| stored.uploaded > time.as_millis());
        if is_later || (is_older && (self.view == View::Newest || self.as_of.is_some())) {
            return None;
        }
        self.is_selected = true;
        stored.is_held |= retained_until.is_some_and(|until| until > service_now(&self.bucket));
        if self.is_source
            && !stored.is_marker
            && !self.filters.selects(&name, stored.size, stored.modified)
        {
            self.excluded += 1;
            return (!self.filters.removes_excluded()).then_some(Item::Marker(Marker {
                name,
                cover: Cover::Excluded,
                problem: None,
            }));
        }
        Some(match is_older {
            true => Item::Older(stored),
            false => Item::File(
                name,
                Entry {
                    size: stored.size,
                    modified: stored.modified,
                    at: At::Stored(Box::new(stored)),
                },
            ),
        })
    }
}

/// Returns the time at the service, by the date of its last answer, and no later than by our own
/// clock: whichever of the two is wrong, nothing counts as older than it is. Versions are then
/// deleted later, and never too early.
pub(in crate::sync) fn service_now(bucket: &Bucket) -> Timestamp {
    let session = &bucket.client().session;
    let clock = session.clock();
    let own = Timestamp::from(clock.now());
    let service = session.http().service_time_of(&session.http().begin());
    service.map_or(own, |service| own.min(Timestamp::from(service)))
}

impl Iterator for BucketScan {
    type Item = Result<Item<Entry>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Err(cancelled) = self.control.check() {
                self.pages.end();
                self.page = Rows::default();
                return Some(Err(cancelled));
            }
            match self.next_row()? {
                Err(error) => return Some(Err(error)),
                Ok(row) => {
                    if let Some(item) = self.item(row) {
                        return Some(Ok(item));
                    }
                }
            }
        }
    }
}
