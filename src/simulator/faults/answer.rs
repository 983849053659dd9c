//! What a fault does to an answer on its way out, whoever wrote it.

use std::sync::Arc;

use serde_json::Value;

use super::plan::JsonEdit;
use super::{Ending, Fault, Framing};

/// Changes to the answer.
impl Fault {
    /// Adds a header, or replaces the header of this name, for instance `Date`.
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

    /// Answers without `Content-Length`: the end of the connection ends the body (HTTP/1.0).
    pub fn without_content_length(mut self) -> Self {
        self.plan.edits.framing = Framing::Close;
        self
    }

    /// Answers with `Transfer-Encoding: chunked` instead of `Content-Length`.
    pub fn chunked(mut self) -> Self {
        self.plan.edits.framing = Framing::Chunked;
        self
    }

    /// Sends this many bytes (`x`) more than the answer has. By default they follow the end that
    /// `Content-Length` announces, and the connection stays open: a client that uses it again reads
    /// them before the next answer. With [`chunked`](Self::chunked),
    /// [`without_content_length`](Self::without_content_length) or a `Content-Length` of your own
    /// ([`header`](Self::header)) they are part of the body. An answer to HEAD has none.
    pub fn lengthen_answer(mut self, bytes: u64) -> Self {
        self.plan.edits.surplus = bytes;
        self
    }

    /// Announces the whole body, and closes the connection after `bytes` of it. A shorter answer is
    /// not affected.
    pub fn truncate_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Close)
    }

    /// Announces the whole body, and closes only the sending side of the connection after `bytes`
    /// of it. The simulator continues to read what the client sends.
    pub fn half_close_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::HalfClose)
    }

    /// Announces the whole body, and resets the connection (RST) after `bytes` of it. A reset
    /// discards what the client has not received yet, so of more than about ten thousand bytes the
    /// client may see fewer.
    pub fn reset_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Reset)
    }

    /// Announces the whole body, and sends nothing after `bytes` of it until the client closes the
    /// connection or the simulator stops.
    pub fn stall_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Stall)
    }

    fn cut(mut self, at: u64, ending: Ending) -> Self {
        self.plan.edits.cut = Some((at, ending));
        self
    }
}
