//! What passes between the server (`front`, which knows sockets and faults) and the service
//! (`route` and the endpoints, which know B2): one request, one reply.

use std::io::Read;

/// A request as it arrived; the body comes separately, as a reader, and is read only when an
/// endpoint wants it (so a refusal costs no `100 Continue`).
#[derive(Debug)]
pub(crate) struct Request {
    /// `GET`, `POST`, `HEAD`, ...
    pub(crate) method: String,
    /// The path as sent: still percent-encoded.
    pub(crate) path: String,
    /// What follows `?`, still percent-encoded; `None` without a `?`.
    pub(crate) query: Option<String>,
    /// Header names in lower case, values as sent, in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The declared length of the body; `None` when chunked or absent.
    pub(crate) content_length: Option<u64>,
    /// `http://host:port` under which the client reached us, without a trailing slash: the base of
    /// every URL that we hand out.
    pub(crate) base_url: String,
}

impl Request {
    /// The first header of that (lower-case) name, if it is UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}

/// What the service answers. The server adds `Date` and `Content-Length`, and leaves out the body of an
/// answer to HEAD: the error in it is still needed for the request log.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names as the service spells them.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ReplyBody,
}

/// The body of a reply; its length is always known.
pub(crate) enum ReplyBody {
    Bytes(Vec<u8>),
    /// JSON that is written while it is sent: this many bytes from the reader.
    Json(Box<dyn Read + Send>, u64),
    /// A file's content: this many bytes from the reader.
    Stream(Box<dyn Read + Send>, u64),
}
