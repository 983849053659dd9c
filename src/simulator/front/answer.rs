//! Converts the service's answer for hyper, and applies the edits of a fault.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Version};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Sleep, sleep};

use crate::simulator::faults::{Edits, Ending, Framing, RateLimiter};
use crate::simulator::front::handle::{ConnectionHandle, SURPLUS};
use crate::simulator::front::rates;
use crate::simulator::protocol::message::{Reply, ReplyBody};

/// How much of a file is read at once.
const CHUNK: u64 = 256 * 1024;

/// What the answer has to know about its request.
pub(crate) struct AnswerContext<'a> {
    pub(crate) connection: &'a ConnectionHandle,
    pub(crate) to_head: bool,
    /// No request can follow on this connection.
    pub(crate) last: bool,
    /// The `Date`.
    pub(crate) date: String,
    pub(crate) limiters: Vec<RateLimiter>,
}

/// Converts the answer for hyper. A header that HTTP does not allow is an error of the simulator or
/// of a test; the client gets an answer that states it.
pub(crate) fn response(
    reply: Reply,
    edits: &Edits,
    context: &AnswerContext<'_>,
) -> Response<AnswerBody> {
    built(reply, edits, context).unwrap_or_else(|error| {
        let text = format!("the simulator cannot send this answer: {error}");
        let mut response = Response::new(AnswerBody::of(Source::Bytes(text.into())));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn built(
    reply: Reply,
    edits: &Edits,
    context: &AnswerContext<'_>,
) -> Result<Response<AnswerBody>, hyper::http::Error> {
    let status = StatusCode::from_u16(reply.status)?;
    let (length, source) = source(edited(reply.body, edits), context.to_head);
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        headers.append(
            name.parse::<HeaderName>()?,
            HeaderValue::from_bytes(value.as_bytes())?,
        );
    }
    headers.insert(DATE, HeaderValue::from_str(&context.date)?);
    if edits.framing == Framing::ContentLength {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if context.last || edits.framing == Framing::Close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in &edits.headers {
        headers.insert(
            name.parse::<HeaderName>()?,
            HeaderValue::from_bytes(value.as_bytes())?,
        );
    }

    let is_promised = headers.get(CONTENT_LENGTH) == Some(&length.into());
    let surplus = if context.to_head { 0 } else { edits.surplus };
    let mut body = AnswerBody::of(source);
    body.corrupt = edits.corrupt;
    body.cut = cut(edits, context);
    body.surplus = if is_promised { 0 } else { surplus };
    body.behind = (is_promised && surplus > 0).then(|| (surplus, context.connection.clone()));
    body.limiters.clone_from(&context.limiters);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if edits.framing == Framing::Close {
        // To an HTTP/1.1 answer without a length, hyper would add chunked encoding.
        *response.version_mut() = Version::HTTP_10;
    }
    Ok(response)
}

fn cut(edits: &Edits, context: &AnswerContext<'_>) -> Option<Cut> {
    let (at, ending) = edits.cut.filter(|_| !context.to_head)?;
    let connection = context.connection.clone();
    Some(Cut {
        at,
        ending,
        connection,
    })
}

/// Applies a fault's change to a JSON body.
fn edited(body: ReplyBody, edits: &Edits) -> ReplyBody {
    let Some(edit) = &edits.json else {
        return body;
    };
    let bytes = match body {
        ReplyBody::Bytes(bytes) => bytes,
        ReplyBody::Json(mut reader, _) => {
            let mut bytes = Vec::new();
            // Reading from memory does not fail.
            let _ = reader.read_to_end(&mut bytes);
            bytes
        }
        ReplyBody::Stream(..) => return body,
    };
    let Ok(mut value) = serde_json::from_slice(&bytes) else {
        return ReplyBody::Bytes(bytes);
    };
    edit.apply(&mut value);
    ReplyBody::Bytes(format!("{value:#}\n").into_bytes())
}

fn source(body: ReplyBody, to_head: bool) -> (u64, Source) {
    let (length, source) = match body {
        ReplyBody::Bytes(bytes) => (bytes.len() as u64, Source::Bytes(bytes.into())),
        ReplyBody::Json(reader, length) | ReplyBody::Stream(reader, length) => {
            (length, Source::Idle(reader, length))
        }
    };
    (length, if to_head { Source::Over } else { source })
}

/// The body of an answer on its way out.
pub(crate) struct AnswerBody {
    source: Source,
    /// Read from the source, with the faults in it, not sent yet.
    held: Bytes,
    sent: u64,
    corrupt: Option<u64>,
    cut: Option<Cut>,
    /// Bytes to send when the source is over.
    surplus: u64,
    /// Bytes to send behind an end that was promised, and where.
    behind: Option<(u64, ConnectionHandle)>,
    limiters: Vec<RateLimiter>,
    /// A piece of what is held that is passing, and until when.
    passing: Option<(usize, Pin<Box<Sleep>>)>,
}

/// Where the body ends too early, and how.
struct Cut {
    at: u64,
    ending: Ending,
    connection: ConnectionHandle,
}

type Reader = Box<dyn Read + Send>;

enum Source {
    Over,
    Bytes(Bytes),
    /// A reader with this much still to come. A thread is taken for each chunk, not for the whole
    /// answer, so that slow clients hold none.
    Idle(Reader, u64),
    Reading(JoinHandle<(Reader, u64, io::Result<Bytes>)>),
}

impl AnswerBody {
    fn of(source: Source) -> Self {
        Self {
            source,
            held: Bytes::new(),
            sent: 0,
            corrupt: None,
            cut: None,
            surplus: 0,
            behind: None,
            limiters: Vec::new(),
            passing: None,
        }
    }

    /// Holds something, unless there is nothing more to come (`false`).
    fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.held.is_empty() {
            let chunk = match ready!(self.source.poll_chunk(context)) {
                Some(chunk) => chunk?,
                None => self.take_surplus(),
            };
            self.held = self.tampered(chunk);
        }
        Poll::Ready(Ok(!self.held.is_empty()))
    }

    fn take_surplus(&mut self) -> Bytes {
        let piece = usize::try_from(self.surplus).unwrap_or(usize::MAX);
        let piece = piece.min(SURPLUS.len());
        self.surplus -= piece as u64;
        Bytes::from_static(SURPLUS).split_to(piece)
    }

    /// The chunk with the faults that fall into it.
    fn tampered(&self, mut chunk: Bytes) -> Bytes {
        if let Some(cut) = &self.cut {
            let left = usize::try_from(cut.at - self.sent).unwrap_or(usize::MAX);
            chunk.truncate(left);
        }
        let offset = self.corrupt.and_then(|at| at.checked_sub(self.sent));
        match offset.and_then(|offset| usize::try_from(offset).ok()) {
            Some(offset) if offset < chunk.len() => {
                let mut bytes = chunk.to_vec();
                bytes[offset] ^= 1;
                bytes.into()
            }
            _ => chunk,
        }
    }

    /// How much of what is held may be sent now.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        if self.limiters.is_empty() {
            return Poll::Ready(self.held.len());
        }
        let (piece, time) = self.passing.get_or_insert_with(|| {
            let piece = rates::piece(&self.limiters, self.held.len());
            (piece, Box::pin(sleep(rates::enter(&self.limiters, piece))))
        });
        ready!(time.as_mut().poll(context));
        let piece = *piece;
        self.passing = None;
        Poll::Ready(piece)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(cut) = self.cut.as_ref().filter(|cut| cut.at == self.sent) {
            cut.connection.end(cut.ending);
            return Poll::Pending;
        }
        if !ready!(self.poll_hold(context))? {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(context));
        let piece = self.held.split_to(piece);
        self.sent += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        // A cut may leave a source with nothing to come behind it.
        self.cut.is_none() && self.held.is_empty() && self.surplus == 0 && self.source.is_over()
    }
}

impl Drop for AnswerBody {
    /// hyper drops a body when it has written all of it.
    fn drop(&mut self) {
        if let Some((surplus, connection)) = self.behind.take()
            && self.is_end_stream()
        {
            connection.add_surplus(surplus);
        }
    }
}

impl Source {
    fn is_over(&self) -> bool {
        match self {
            Self::Over => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Idle(_, left) => *left == 0,
            Self::Reading(_) => false,
        }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::Over | Self::Idle(_, 0) => return Poll::Ready(None),
                Self::Bytes(bytes) if bytes.is_empty() => return Poll::Ready(None),
                Self::Bytes(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Self::Idle(reader, left) => {
                    *self = Self::Reading(spawn_blocking(move || read_chunk(reader, left)));
                }
                Self::Reading(mut task) => match Pin::new(&mut task).poll(context) {
                    Poll::Pending => {
                        *self = Self::Reading(task);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(panicked)) => {
                        return Poll::Ready(Some(Err(io::Error::other(panicked))));
                    }
                    Poll::Ready(Ok((reader, left, chunk))) => {
                        *self = Self::Idle(reader, left);
                        return Poll::Ready(Some(chunk));
                    }
                },
            }
        }
    }
}

fn read_chunk(mut reader: Reader, left: u64) -> (Reader, u64, io::Result<Bytes>) {
    let mut chunk = Vec::new();
    let read = reader
        .by_ref()
        .take(left.min(CHUNK))
        .read_to_end(&mut chunk);
    let chunk = match read {
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the stored file is too short",
        )),
        Ok(_) => Ok(Bytes::from(chunk)),
        Err(error) => Err(error),
    };
    let left = left - chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
    (reader, left, chunk)
}
