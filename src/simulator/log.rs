//! The requests that the simulator received, for assertions: one [`LogEntry`] per request, in order
//! of arrival.
//!
//! Entries contain no secret: of a URL only the path, and of the headers only the file name, the
//! range and whether there was an `Expect`. An entry is written before the first byte of its answer
//! is sent, so a client that has an answer finds its request here. A request without an answer is
//! written when its connection has ended.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::model::operation::Operation;
use crate::simulator::clock::Stopwatch;
use crate::simulator::protocol::decode;
use crate::simulator::protocol::message::Request;

/// The number of entries. Beyond it, new entries remove the oldest, so a simulator can run for
/// days.
const KEPT: usize = 100_000;
/// The memory of all entries. Beyond it, new entries remove the oldest as well.
const KEPT_BYTES: usize = 32 * 1024 * 1024;
/// What an allocation takes beside its content.
const OF_AN_ALLOCATION: usize = 16;
/// The longest text from a client that an entry stores. It exceeds every path and name that the
/// service accepts.
const LONGEST: usize = 4 * 1024;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The operation that the path names, if there is one.
    pub operation: Option<Operation>,
    /// `GET`, `POST`, `HEAD`, ...
    pub method: String,
    /// The path, percent-encoded as it was sent, without the query.
    pub path: String,
    /// The status answered; `None` if the connection ended without an answer.
    pub status: Option<u16>,
    /// The `code` of an answer that refuses, such as `bad_auth_token`.
    pub error_code: Option<String>,
    /// The path of the upload URL, for uploads.
    pub upload_url: Option<String>,
    /// Bytes of the body that were read.
    pub body_bytes: u64,
    /// Whether the client asked with `Expect: 100-continue` before it sent the body.
    pub expect_continue: bool,
    /// The number of the connection, counted from 0 in the order in which connections were opened.
    pub connection: u64,
    /// The fault that applied to the request, in words.
    pub fault: Option<String>,
    /// The decoded `X-Bz-File-Name`; `None` if it is absent or cannot be decoded.
    pub file_name: Option<String>,
    /// The `Range` header of a download.
    pub range: Option<String>,
    /// The time from the arrival of the request to the start of its answer.
    pub elapsed: Duration,
}

/// The requests of one simulator; clones share them.
///
/// ```
/// use b2sdk::{Operation, simulator::Simulator};
///
/// let simulator = Simulator::start()?;
/// assert_eq!(simulator.log().count(Operation::AuthorizeAccount), 0);
/// assert!(simulator.log().entries().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RequestLog {
    shared: Arc<Shared>,
}

/// Called with each entry as it is written.
pub(crate) type Observer = Box<dyn Fn(&LogEntry) + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    arrivals: AtomicU64,
    observer: Option<Observer>,
}

#[derive(Default)]
struct State {
    /// By arrival, rising.
    entries: VecDeque<(u64, Box<KeptEntry>)>,
    /// The memory of the entries.
    bytes: usize,
    counts: BTreeMap<&'static str, usize>,
}

/// An entry as it is kept: 100,000 of them are to take little memory, so it has no capacity to
/// spare and no text twice.
struct KeptEntry {
    operation: Option<Operation>,
    status: Option<u16>,
    expect_continue: bool,
    /// Whether the path is that of an upload URL.
    uploads: bool,
    body_bytes: u64,
    connection: u64,
    elapsed: Duration,
    /// `None` for `POST`.
    method: Option<Box<str>>,
    path: Box<str>,
    error_code: Option<Box<str>>,
    /// Fault, file name and range; most requests have none of them.
    rare: Option<Box<[Option<String>; 3]>>,
}

impl From<LogEntry> for KeptEntry {
    fn from(entry: LogEntry) -> Self {
        let rare = [entry.fault, entry.file_name, entry.range];
        Self {
            operation: entry.operation,
            status: entry.status,
            expect_continue: entry.expect_continue,
            uploads: entry.upload_url.is_some(),
            body_bytes: entry.body_bytes,
            connection: entry.connection,
            elapsed: entry.elapsed,
            method: (entry.method != "POST").then(|| entry.method.into()),
            path: entry.path.into(),
            error_code: entry.error_code.map(Into::into),
            rare: rare.iter().any(Option::is_some).then(|| Box::new(rare)),
        }
    }
}

impl KeptEntry {
    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let texts = [
            self.method.as_deref(),
            Some(&*self.path),
            self.error_code.as_deref(),
        ];
        let texts = texts.into_iter().flatten();
        let texts = texts.chain(
            self.rare
                .iter()
                .flat_map(|rare| rare.iter().flatten().map(|text| &**text)),
        );
        let texts = texts.map(|text| text.len() + OF_AN_ALLOCATION);
        let rare = self.rare.as_ref();
        let rare = rare.map_or(0, |rare| size_of_val(&**rare) + OF_AN_ALLOCATION);
        size_of::<(u64, Self)>() + OF_AN_ALLOCATION + rare + texts.sum::<usize>()
    }

    fn to_entry(&self) -> LogEntry {
        let rare = self.rare.as_deref().cloned();
        let [fault, file_name, range] = rare.unwrap_or_default();
        let path = String::from(&*self.path);
        LogEntry {
            operation: self.operation,
            method: self.method.as_deref().unwrap_or("POST").to_owned(),
            status: self.status,
            error_code: self.error_code.as_deref().map(str::to_owned),
            upload_url: self.uploads.then(|| path.clone()),
            path,
            body_bytes: self.body_bytes,
            expect_continue: self.expect_continue,
            connection: self.connection,
            fault,
            file_name,
            range,
            elapsed: self.elapsed,
        }
    }
}

impl RequestLog {
    pub(crate) fn new(observer: Option<Observer>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                arrivals: AtomicU64::new(0),
                observer,
            }),
        }
    }

    /// Returns how many requests named this operation.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.state()
            .counts
            .get(operation.name())
            .copied()
            .unwrap_or(0)
    }

    /// Returns the number of all requests.
    #[must_use]
    pub fn total(&self) -> usize {
        self.state().counts.values().sum()
    }

    /// Returns how many requests named each operation. Requests that named none are counted as
    /// `"unknown"`.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.state().counts.clone()
    }

    /// Returns the requests in the order in which they arrived: the last 100,000, or fewer if they
    /// take more than 32 MiB.
    #[must_use]
    pub fn entries(&self) -> Vec<LogEntry> {
        self.state()
            .entries
            .iter()
            .map(|(_, entry)| entry.to_entry())
            .collect()
    }

    /// The last so many requests, the latest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<LogEntry> {
        let state = self.state();
        let entries = state.entries.iter().rev().take(count);
        entries.map(|(_, entry)| entry.to_entry()).collect()
    }

    /// Removes all entries and counts. A request that has no answer yet is written into the empty
    /// log later.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Begins the entry of a request that has no answer yet.
    pub(crate) fn arrive(&self, request: &Request, operation: Option<Operation>) -> Arrival {
        let uploads = matches!(
            operation,
            Some(Operation::UploadFile | Operation::UploadPart)
        );
        Arrival {
            log: self.clone(),
            order: self.shared.arrivals.fetch_add(1, Ordering::Relaxed),
            stopwatch: Stopwatch::start(),
            body_bytes: Arc::default(),
            entry: Some(LogEntry {
                operation,
                method: request.method.clone(),
                path: bounded(&request.path),
                status: None,
                error_code: None,
                upload_url: uploads.then(|| bounded(&request.path)),
                body_bytes: 0,
                expect_continue: request.expects_continue(),
                connection: 0,
                fault: None,
                file_name: request
                    .header("x-bz-file-name")
                    .and_then(decode::percent)
                    .map(|name| bounded(&name)),
                range: request.header("range").map(bounded),
                elapsed: Duration::ZERO,
            }),
        }
    }

    fn write(&self, order: u64, entry: LogEntry) {
        if let Some(observer) = &self.shared.observer {
            observer(&entry);
        }
        let mut state = self.state();
        let name = entry.operation.map_or("unknown", Operation::name);
        *state.counts.entry(name).or_default() += 1;
        let place = state
            .entries
            .partition_point(|(earlier, _)| *earlier < order);
        let entry = Box::new(KeptEntry::from(entry));
        state.bytes += entry.bytes();
        state.entries.insert(place, (order, entry));
        while state.entries.len() > KEPT || state.bytes > KEPT_BYTES {
            let Some((_, oldest)) = state.entries.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

fn bounded(text: &str) -> String {
    let mut ends = (0..=text.len().min(LONGEST)).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLog")
            .field("counts", &self.counts())
            .finish()
    }
}

/// A request without an answer. It writes its entry when it is answered, or when it is dropped
/// because the connection is gone.
pub(crate) struct Arrival {
    log: RequestLog,
    order: u64,
    stopwatch: Stopwatch,
    body_bytes: Arc<AtomicU64>,
    /// `None` once written.
    entry: Option<LogEntry>,
}

impl Arrival {
    pub(crate) fn note(&mut self, connection: u64, fault: Option<String>) {
        if let Some(entry) = &mut self.entry {
            entry.connection = connection;
            entry.fault = fault;
        }
    }

    /// Where the body's reader counts.
    pub(crate) fn body_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.body_bytes)
    }

    pub(crate) fn answered(mut self, status: u16, error_code: Option<&str>) {
        self.write(Some(status), error_code);
    }

    fn write(&mut self, status: Option<u16>, error_code: Option<&str>) {
        if let Some(mut entry) = self.entry.take() {
            entry.status = status;
            entry.error_code = error_code.map(bounded);
            entry.body_bytes = self.body_bytes.load(Ordering::Relaxed);
            entry.elapsed = self.stopwatch.elapsed();
            self.log.write(self.order, entry);
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.write(None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::RequestLog;
    use crate::model::operation::Operation::{ListBuckets, UploadFile};
    use crate::simulator::protocol::message::Request;

    fn request(path: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: Some("Authorization=secret".to_owned()),
            headers: vec![
                ("x-bz-file-name".to_owned(), b"a+b%20%C3%A9".to_vec()),
                ("authorization".to_owned(), b"secret".to_vec()),
                ("expect".to_owned(), b"100-continue".to_vec()),
            ],
            content_length: None,
            base_url: String::new(),
        }
    }

    #[test]
    fn entries_stand_in_order_of_arrival_whatever_is_answered_first() {
        let log = RequestLog::new(None);
        let first = log.arrive(&request("/1"), Some(UploadFile));
        let second = log.arrive(&request("/2"), Some(ListBuckets));
        second.answered(200, None);
        assert_eq!(log.total(), 1);
        drop(first);

        let entries = log.entries();
        assert_eq!((entries[0].path.as_str(), entries[0].status), ("/1", None));
        assert_eq!(
            (entries[1].path.as_str(), entries[1].status),
            ("/2", Some(200))
        );
        assert_eq!(entries[0].upload_url.as_deref(), Some("/1"));
        assert_eq!(entries[0].file_name.as_deref(), Some("a b é"));
        assert!(entries[0].expect_continue);
        assert_eq!(log.count(UploadFile), 1);
        assert!(!format!("{entries:?}").contains("secret"));

        log.clear();
        assert_eq!(log.total(), 0);
    }
}
