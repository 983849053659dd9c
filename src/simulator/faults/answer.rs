//! What a fault does to an answer on its way out, whoever wrote it.

use std::sync::Arc;

use serde_json::Value;

use super::plan::JsonEdit;
use super::{Ending, Fault, Framing};

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
        self.plan.edits.framing = Framing::Close;
        self
    }

    /// Answers with `Transfer-Encoding: chunked` instead of `Content-Length`.
    pub fn chunked(mut self) -> Self {
        self.plan.edits.framing = Framing::Chunked;
        self
    }

    /// Sends this many bytes (`x`) more than the answer has. Where `Content-Length` says where the
    /// answer ends, they come behind that end, and the connection is kept: a client that uses it
    /// again finds them before the next answer. With [`chunked`](Self::chunked),
    /// [`without_content_length`](Self::without_content_length) or a `Content-Length` of your own
    /// ([`header`](Self::header)) they are part of the body. An answer to HEAD has none.
    pub fn lengthen_answer(mut self, bytes: u64) -> Self {
        self.plan.edits.surplus = bytes;
        self
    }

    /// Promises the whole body and closes the connection after `bytes` of it. An answer that is
    /// not longer passes unharmed.
    pub fn truncate_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::Close)
    }

    /// As [`truncate_answer`](Self::truncate_answer), but goes on reading what the client sends.
    pub fn half_close_answer(self, bytes: u64) -> Self {
        self.cut(bytes, Ending::HalfClose)
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
}
