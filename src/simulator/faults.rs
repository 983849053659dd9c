//! Faults that a test injects into the simulator: what goes wrong, for which requests, how often.
//!
//! Nothing here touches a socket. A [`Fault`] says which requests it meets and holds a [`Plan`];
//! the server asks [`Faults::take`] once per request and carries the plan out.

mod chance;
mod chaos;
mod text;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use text::FaultSyntaxError;

use crate::model::operation::Operation;
use chance::{Chance, matches};

/// Something that goes wrong, once or several times.
///
/// A fault has three parts, each with a default:
///
/// - **which requests** it meets: [`on`](Self::on) one operation or [`on_any`](Self::on_any), with
///   [`method`](Self::method), [`file_name`](Self::file_name), [`chance`](Self::chance), [`after`](Self::after) (skip the first ones) and
///   [`times`](Self::times) (once by default) or [`always`](Self::always);
/// - **what happens instead** of the service's answer: [`status`](Self::status),
///   [`body`](Self::body), [`redirect`](Self::redirect), [`drop_connection`](Self::drop_connection),
///   [`reset_connection`](Self::reset_connection) or [`stall`](Self::stall). It happens before the
///   request has any effect and before a byte of its body is read, unless
///   [`after_reading`](Self::after_reading) or [`after_effect`](Self::after_effect) says otherwise.
///   Of several the last one counts;
/// - **what happens to the answer**, whoever wrote it: [`header`](Self::header),
///   [`retry_after`](Self::retry_after), [`edit_json`](Self::edit_json),
///   [`corrupt_byte`](Self::corrupt_byte), [`without_content_length`](Self::without_content_length),
///   [`truncate_answer`](Self::truncate_answer), [`reset_answer`](Self::reset_answer),
///   [`stall_answer`](Self::stall_answer). With only these, the service answers as ever.
///
/// ```
/// use b2sdk::{Operation, simulator::{Fault, Simulator}};
///
/// let simulator = Simulator::start()?;
/// // The third upload finds its pod busy, twice.
/// simulator.faults().inject(
///     Fault::on(Operation::UploadFile)
///         .after(2)
///         .times(2)
///         .status(503, "service_unavailable", "tome is too busy")
///         .retry_after(2),
/// );
/// // A listing is answered by a proxy.
/// simulator.faults().inject(
///     Fault::on(Operation::ListFileNames).body(502, "text/html", "<html>Bad gateway</html>"),
/// );
/// // A part is stored, but nobody hears of it.
/// simulator
///     .faults()
///     .inject(Fault::on(Operation::UploadPart).after_effect().drop_connection());
/// assert_eq!(simulator.faults().remaining(), 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    operation: Option<Operation>,
    method: Option<String>,
    file_name: Option<String>,
    chance: Option<Chance>,
    skip: usize,
    /// `None`: for ever.
    left: Option<usize>,
    plan: Plan,
}

/// What the server does for one request that met a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The service handles the request first.
    pub(crate) after_effect: bool,
    /// This many bytes of the body are read first (without `after_effect`).
    pub(crate) read: u64,
    pub(crate) instead: Option<Instead>,
    pub(crate) edits: Edits,
}

/// What replaces the service's answer.
#[derive(Debug, Clone)]
pub(crate) enum Instead {
    Answer {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
    Leave(Ending),
}

/// How a connection ends that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// FIN, and nothing is read any more.
    Close,
    /// RST.
    Reset,
    /// Nothing moves until the client goes away or the simulator stops.
    Stall,
}

/// What is done to an answer on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    /// Each replaces the header of its name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) json: Option<JsonEdit>,
    /// The offset of a body byte to change.
    pub(crate) corrupt: Option<u64>,
    /// The body ends here, in this way.
    pub(crate) cut: Option<(u64, Ending)>,
    pub(crate) close_delimited: bool,
}

/// A caller's change to a JSON answer.
#[derive(Clone)]
pub(crate) struct JsonEdit(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl JsonEdit {
    pub(crate) fn apply(&self, value: &mut Value) {
        (self.0)(value);
    }
}

impl fmt::Debug for JsonEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonEdit")
    }
}

/// Which requests.
impl Fault {
    /// Meets the requests of one operation.
    pub fn on(operation: Operation) -> Self {
        Self::new(Some(operation))
    }

    /// Meets every request, also those of no operation that exists.
    pub fn on_any() -> Self {
        Self::new(None)
    }

    fn new(operation: Option<Operation>) -> Self {
        Self {
            operation,
            method: None,
            file_name: None,
            chance: None,
            skip: 0,
            left: Some(1),
            plan: Plan::default(),
        }
    }

    /// Meets only requests of this HTTP method, such as `"HEAD"`.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Meets only uploads of small files and downloads by name whose file name is `pattern`, where
    /// `*` stands for any characters. Other requests name their file in the body, if at all, and a
    /// fault is decided before that is read.
    pub fn file_name(mut self, pattern: &str) -> Self {
        self.file_name = Some(pattern.to_owned());
        self
    }

    /// Meets only this share of the requests that it would meet, drawn from `seed`: the same seed
    /// and the same order of requests give the same draws. More than 100 percent are 100.
    pub fn chance(mut self, percent: u8, seed: u64) -> Self {
        self.chance = Some(Chance {
            percent: percent.min(100),
            state: seed,
        });
        self
    }

    /// Lets the first `requests` that it would meet pass.
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Happens this many times; once, if nothing is said.
    pub fn times(mut self, times: usize) -> Self {
        self.left = Some(times);
        self
    }

    /// Happens until [`Faults::clear`].
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }
}

/// What happens instead of the service's answer.
impl Fault {
    /// Answers an error in the service's own form.
    pub fn status(self, status: u16, code: &str, message: &str) -> Self {
        let error = serde_json::json!({ "code": code, "message": message, "status": status });
        let body = format!("{error:#}");
        self.body(status, "application/json;charset=utf-8", body)
    }

    /// Answers any body at all: an error page, nothing, JSON that breaks off.
    pub fn body(mut self, status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.plan.instead = Some(Instead::Answer {
            status,
            content_type: content_type.to_owned(),
            body: body.into(),
        });
        self
    }

    /// Answers a redirect to `location`.
    pub fn redirect(self, status: u16, location: &str) -> Self {
        self.body(status, "text/plain", "")
            .header("Location", location)
    }

    /// Closes the connection without an answer.
    ///
    /// A client whose body is still unread sees the connection reset soon after, as with any
    /// server that dies.
    pub fn drop_connection(self) -> Self {
        self.leave(Ending::Close)
    }

    /// Resets the connection (RST) without an answer.
    pub fn reset_connection(self) -> Self {
        self.leave(Ending::Reset)
    }

    /// Neither reads nor answers, until the client goes away or the simulator stops.
    pub fn stall(self) -> Self {
        self.leave(Ending::Stall)
    }

    fn leave(mut self, ending: Ending) -> Self {
        self.plan.instead = Some(Instead::Leave(ending));
        self
    }

    /// First reads this much of the request's body (less, if there is less).
    pub fn after_reading(mut self, bytes: u64) -> Self {
        self.plan.read = bytes;
        self
    }

    /// First reads the whole body and lets the request have its effect; the service's answer is
    /// then lost.
    pub fn after_effect(mut self) -> Self {
        self.plan.after_effect = true;
        self
    }
}

/// What happens to the answer.
impl Fault {
    /// Adds a header or replaces the one of that name, `Date` for instance.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.plan
            .edits
            .headers
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Retry-After` in seconds. For a date, use [`header`](Self::header).
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("Retry-After", &seconds.to_string())
    }

    /// Changes a JSON answer: members missing, of other types, too many.
    pub fn edit_json(mut self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.plan.edits.json = Some(JsonEdit(Arc::new(edit)));
        self
    }

    /// Changes the byte at this offset of the answer's body.
    pub fn corrupt_byte(mut self, offset: u64) -> Self {
        self.plan.edits.corrupt = Some(offset);
        self
    }

    /// Answers without `Content-Length`: the body ends where the connection does (HTTP/1.0).
    pub fn without_content_length(mut self) -> Self {
        self.plan.edits.close_delimited = true;
        self
    }

    /// Promises the whole body and closes the connection after `bytes` of it. An answer that is
    /// not longer passes unharmed.
    pub fn truncate_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Close)
    }

    /// As [`truncate_answer`](Self::truncate_answer), but resets the connection (RST). A reset
    /// overtakes what the client has no room to receive yet, so of more than some ten thousand
    /// bytes it may see fewer.
    pub fn reset_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Reset)
    }

    /// Promises the whole body and falls silent after `bytes` of it, until the client goes away or
    /// the simulator stops.
    pub fn stall_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Stall)
    }

    fn cut(mut self, at: u64, ending: Ending) -> Self {
        self.plan.edits.cut = Some((at, ending));
        self
    }

    fn meets(&self, operation: Option<Operation>, method: &str, file_name: Option<&str>) -> bool {
        self.operation
            .is_none_or(|wanted| operation == Some(wanted))
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self
                .file_name
                .as_deref()
                .is_none_or(|wanted| file_name.is_some_and(|name| matches(wanted, name)))
    }

    /// Whether it is this request's turn; counts it off.
    fn fires(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.chance.as_mut().is_some_and(|chance| !chance.hits()) {
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Plan {
    /// One line for the request log.
    pub(crate) fn describe(&self) -> String {
        let mut words = Vec::new();
        if self.after_effect {
            words.push("after the effect".to_owned());
        } else if self.read > 0 {
            words.push(format!("after {} bytes", self.read));
        }
        match &self.instead {
            Some(Instead::Answer { status, .. }) => words.push(format!("answer {status}")),
            Some(Instead::Leave(ending)) => words.push(ending.to_string()),
            None => {}
        }
        words.extend(self.edits.describe());
        words.join(", ")
    }
}

impl Edits {
    fn describe(&self) -> Vec<String> {
        let headers = self
            .headers
            .iter()
            .map(|(name, _)| format!("header {name}"));
        let rest = [
            self.json.as_ref().map(|_| "JSON edited".to_owned()),
            self.corrupt.map(|offset| format!("byte {offset} changed")),
            self.close_delimited.then(|| "no Content-Length".to_owned()),
            self.cut
                .map(|(at, ending)| format!("{ending} at byte {at}")),
        ];
        headers.chain(rest.into_iter().flatten()).collect()
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "closed",
            Self::Reset => "reset",
            Self::Stall => "stalled",
        })
    }
}

/// The faults of one simulator; clones share them. See [`Fault`].
#[derive(Debug, Clone, Default)]
pub struct Faults {
    list: Arc<Mutex<Vec<Fault>>>,
}

impl Faults {
    /// Adds a fault behind those that are there. A request meets at most one: the first that
    /// matches and is not skipping.
    pub fn inject(&self, fault: Fault) {
        self.list().push(fault);
    }

    /// Forgets all faults. Connections that already stall go on stalling.
    pub fn clear(&self) {
        self.list().clear();
    }

    /// How often faults will still happen, those that happen [always](Fault::always) not counted.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.list().iter().filter_map(|fault| fault.left).sum()
    }

    /// Each fault that can still happen, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        self.list().iter().map(Fault::to_string).collect()
    }

    /// The plan for this request, if it meets a fault.
    pub(crate) fn take(
        &self,
        operation: Option<Operation>,
        method: &str,
        file_name: Option<&str>,
    ) -> Option<Plan> {
        let mut list = self.list();
        let turn = list
            .iter_mut()
            .position(|fault| fault.meets(operation, method, file_name) && fault.fires())?;
        let plan = list[turn].plan.clone();
        list.retain(|fault| fault.left != Some(0));
        Some(plan)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};
    use crate::model::operation::Operation::{ListBuckets, ListKeys};

    fn taken(faults: &Faults, count: usize) -> Vec<Option<String>> {
        (0..count)
            .map(|_| {
                faults
                    .take(Some(ListBuckets), "POST", None)
                    .map(|plan| plan.describe())
            })
            .collect()
    }

    #[test]
    fn faults_happen_in_order_and_as_often_as_asked() {
        let faults = Faults::default();
        faults.inject(
            Fault::on(ListBuckets)
                .after(1)
                .times(2)
                .status(503, "a", ""),
        );
        faults.inject(Fault::on(ListKeys).status(500, "b", ""));
        faults.inject(Fault::on_any().drop_connection());
        assert_eq!(faults.remaining(), 4);

        let answer = Some("answer 503".to_owned());
        let closed = Some("closed".to_owned());
        assert_eq!(taken(&faults, 4), [closed, answer.clone(), answer, None]);
        assert_eq!(faults.remaining(), 1);
        faults.clear();
        assert_eq!(faults.remaining(), 0);
    }

    #[test]
    fn a_method_and_an_unknown_operation_are_told_apart() {
        let faults = Faults::default();
        faults.inject(Fault::on_any().method("head").always().stall());
        assert!(faults.take(None, "GET", None).is_none());
        assert!(faults.take(None, "HEAD", None).is_some());
        assert!(faults.take(Some(ListKeys), "HEAD", None).is_some());
        assert_eq!(faults.remaining(), 0);
    }
}
