//! What an upload sends: the content, and what is told of its checksum (docs/protocol.md, section 5).

use std::fmt;
use std::io::{self, Read};

use crate::error::{Error, Result};
use crate::http::RequestBody;
use crate::http::body::Sha1AtEnd;
use crate::model::operation::Operation;
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::raw::unexpected;

/// The content of one attempt to upload: exactly so many bytes of a reader, and how the service can
/// tell that they arrived unharmed.
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

enum BodyContent<'a> {
    Hashed(Sha1AtEnd<'a>),
    Plain {
        content: &'a mut dyn Read,
        sha1: Option<Sha1Digest>,
        read: u64,
    },
}

impl<'a> UploadBody<'a> {
    /// The next `length` bytes of the reader. Their SHA-1 is taken while they are sent and sent behind
    /// them; the service compares.
    #[must_use]
    pub fn new(content: &'a mut dyn Read, length: u64) -> Self {
        Self {
            content: BodyContent::Hashed(Sha1AtEnd::new(content, length)),
            length,
        }
    }

    /// The next `length` bytes of the reader, whose SHA-1 is known already; the service compares.
    #[must_use]
    pub fn with_sha1(content: &'a mut dyn Read, length: u64, sha1: Sha1Digest) -> Self {
        Self {
            content: BodyContent::plain(content, Some(sha1)),
            length,
        }
    }

    /// The next `length` bytes of the reader, which **nobody compares**: what is damaged on its way is
    /// stored damaged. The service records their SHA-1 as
    /// [`Unverified`](crate::ContentSha1::Unverified).
    #[must_use]
    pub fn unverified(content: &'a mut dyn Read, length: u64) -> Self {
        Self {
            content: BodyContent::plain(content, None),
            length,
        }
    }

    /// How many bytes of content there are.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-1 of the content, if it is known: one that is taken while sending, once all was read.
    #[must_use]
    pub fn sha1(&self) -> Option<Sha1Digest> {
        match &self.content {
            BodyContent::Hashed(content) => content.digest(),
            BodyContent::Plain { sha1, .. } => *sha1,
        }
    }

    /// What the headers say of the checksum.
    pub(in crate::raw) fn promise(&self) -> String {
        match &self.content {
            BodyContent::Hashed(_) => "hex_digits_at_end".to_owned(),
            BodyContent::Plain {
                sha1: Some(sha1), ..
            } => sha1.to_string(),
            BodyContent::Plain { sha1: None, .. } => "do_not_verify".to_owned(),
        }
    }

    pub(in crate::raw) fn request_body(&mut self) -> RequestBody<'_> {
        let trailer = match self.content {
            BodyContent::Hashed(_) => Sha1AtEnd::TRAILER,
            BodyContent::Plain { .. } => 0,
        };
        let length = self.length.saturating_add(trailer);
        RequestBody::Reader(&mut self.content, length)
    }

    /// Fails if the service has not stored what was sent, be it that it answered before all was sent.
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
    /// The caller's failures as errors of ours; otherwise they would look like the connection's.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = match self {
            Self::Hashed(content) => content.read(buffer),
            Self::Plain { content, read, .. } => content.read(buffer).inspect(|count| {
                *read += *count as u64;
            }),
        };
        match outcome {
            // Whoever reads does not ask beyond the end.
            Ok(0) if !buffer.is_empty() => Err(failed(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it ended before the length that was given",
            ))),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(failed(error)),
            outcome => outcome,
        }
    }
}

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
