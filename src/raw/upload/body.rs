//! The body of an upload: the content, and what is announced about its checksum (docs/protocol.md,
//! section 5).

use std::fmt;
use std::io::{self, Read};

use crate::error::{Error, Result};
use crate::http::body::Sha1AtEnd;
use crate::http::headers::Text;
use crate::http::{HeaderValue, RequestBody};
use crate::model::operation::Operation;
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::raw::unexpected;

/// The content of one attempt to upload: an exact number of bytes from a reader, and how the
/// service can check that they arrived undamaged.
///
/// ```
/// use b2sdk::Sha1Digest;
/// use b2sdk::raw::UploadBody;
///
/// let (mut one, mut other) = (&b"hello"[..], &b"hello"[..]);
/// assert_eq!(UploadBody::new(&mut one, 5).sha1(), None); // known when it was sent
/// let sha1 = Sha1Digest::of(b"hello");
/// assert_eq!(UploadBody::with_sha1(&mut other, 5, sha1).sha1(), Some(sha1));
/// ```
pub struct UploadBody<'a> {
    content: BodyContent<'a>,
    length: u64,
}

/// The content, by the way in which its checksum is sent.
enum BodyContent<'a> {
    /// Hashed while it is sent, with the checksum after it.
    Hashed(Sha1AtEnd<'a>),
    /// Sent with a checksum that is known, or with none.
    Plain {
        content: &'a mut dyn Read,
        sha1: Option<Sha1Digest>,
        read: u64,
    },
}

impl<'a> UploadBody<'a> {
    /// Uploads the next `length` bytes of the reader. Their SHA-1 is computed while they are sent,
    /// and sent after them; the service compares it.
    #[must_use]
    pub fn new(content: &'a mut dyn Read, length: u64) -> Self {
        Self {
            content: BodyContent::Hashed(Sha1AtEnd::new(content, length)),
            length,
        }
    }

    /// Uploads the next `length` bytes of the reader, whose SHA-1 is already known; the service
    /// compares it.
    #[must_use]
    pub fn with_sha1(content: &'a mut dyn Read, length: u64, sha1: Sha1Digest) -> Self {
        Self {
            content: BodyContent::plain(content, Some(sha1)),
            length,
        }
    }

    /// Uploads the next `length` bytes of the reader, which **nobody compares**: what is damaged on
    /// its way is stored damaged. The service records their SHA-1 as
    /// [`Unverified`](crate::ContentSha1::Unverified).
    #[must_use]
    pub fn unverified(content: &'a mut dyn Read, length: u64) -> Self {
        Self {
            content: BodyContent::plain(content, None),
            length,
        }
    }

    /// Returns the number of bytes of content.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Returns the SHA-1 of the content, if it is known. A SHA-1 that is computed while sending is
    /// known once all bytes were read.
    #[must_use]
    pub fn sha1(&self) -> Option<Sha1Digest> {
        match &self.content {
            BodyContent::Hashed(content) => content.digest(),
            BodyContent::Plain { sha1, .. } => *sha1,
        }
    }

    /// The value of the header that announces the checksum.
    pub(in crate::raw) fn promise(&self) -> Text {
        const AT_END: HeaderValue = HeaderValue::from_static("hex_digits_at_end");
        match &self.content {
            BodyContent::Hashed(_) => AT_END.into(),
            BodyContent::Plain {
                sha1: Some(sha1), ..
            } => sha1.to_string().into(),
            BodyContent::Plain { sha1: None, .. } => "do_not_verify".into(),
        }
    }

    /// The body of the request, with the checksum after it if it is sent there.
    pub(in crate::raw) fn request_body(&mut self) -> RequestBody<'_> {
        let trailer = match self.content {
            BodyContent::Hashed(_) => Sha1AtEnd::TRAILER,
            BodyContent::Plain { .. } => 0,
        };
        let length = self.length.saturating_add(trailer);
        RequestBody::Reader(&mut self.content, length)
    }

    /// Fails if the service has not stored what was sent, including the case that it answered
    /// before everything was sent.
    pub(in crate::raw) fn check(
        &self,
        operation: Operation,
        stored: &ContentSha1,
        length: u64,
    ) -> Result<()> {
        let is_same = match &self.content {
            BodyContent::Plain { read, .. } if *read < self.length => false,
            BodyContent::Plain { sha1: None, .. } => true,
            _ => self
                .sha1()
                .is_some_and(|sent| stored.digest() == Some(sent)),
        };
        if is_same && length == self.length {
            return Ok(());
        }
        Err(unexpected(
            operation,
            "the service stored other bytes than were sent",
        ))
    }
}

impl<'a> BodyContent<'a> {
    fn plain(content: &'a mut dyn Read, sha1: Option<Sha1Digest>) -> Self {
        Self::Plain {
            content,
            sha1,
            read: 0,
        }
    }
}

impl Read for BodyContent<'_> {
    /// Turns the failures of the caller's reader into errors of the crate. They would otherwise
    /// look like failures of the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = match self {
            Self::Hashed(content) => content.read(buffer),
            Self::Plain { content, read, .. } => content.read(buffer).inspect(|count| {
                *read += *count as u64;
            }),
        };
        match outcome {
            // The body is never read beyond its end.
            Ok(0) if !buffer.is_empty() => Err(failed(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it ended before the length that was given",
            ))),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(failed(error)),
            outcome => outcome,
        }
    }
}

/// The error of a reader that failed.
fn failed(error: io::Error) -> io::Error {
    let action = "read";
    Error::from_io(error)
        .unwrap_or_else(|source| Error::Stream { action, source })
        .into()
}

impl fmt::Debug for UploadBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBody")
            .field("length", &self.length)
            .field("sha1", &self.sha1())
            .finish_non_exhaustive()
    }
}
