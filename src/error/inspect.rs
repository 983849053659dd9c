//! What a program asks an [`Error`] instead of matching on its variants: who can act on it, whether
//! another attempt may help, whether the request may have taken effect.
//!
//! | question | method |
//! | --- | --- |
//! | is the thing not there? | [`Error::is_not_found`] |
//! | is it about who I am, or what my key may do? | [`Error::is_auth`] |
//! | may the same call succeed later? | [`Error::is_retryable`] |
//! | may the call have taken effect although it failed? | [`Error::is_answer_lost`] |
//! | what did the service answer, and how often was it asked? | [`Error::service`], [`Error::attempts`] |
//!
//! A large file that was left behind wraps the failure that it was left for; every question looks
//! through that wrapper ([`Error::failure`]).

use std::io;
use std::path::Path;

use crate::error::kinds::Error;
use crate::error::service::{ErrorCode, ServiceError};
use crate::error::transport::{Sent, TransportKind};
use crate::error::words::is_out_of_descriptors;

impl Error {
    pub(crate) fn invalid_input(what: &'static str, reason: impl Into<Box<str>>) -> Self {
        Self::InvalidInput {
            what,
            reason: reason.into(),
        }
    }

    pub(crate) fn local_file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::LocalFile {
            action,
            path: path.into(),
            source,
        }
    }

    /// Returns what went wrong: the failure inside [`LargeFileLeft`](Self::LargeFileLeft), or
    /// otherwise the error itself. Match on this to treat an upload that left a file like any other one.
    ///
    /// ```
    /// use b2sdk::Error;
    ///
    /// assert!(matches!(Error::Cancelled.failure(), Error::Cancelled));
    /// ```
    #[must_use]
    pub fn failure(&self) -> &Self {
        match self {
            Self::LargeFileLeft(left) => left.failure.failure(),
            other => other,
        }
    }

    /// Returns the service's answer, if there was one: operation, status, code, message, and how often and
    /// how long the call was tried.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// bucket.hide_file("hello.txt")?;
    /// let error = bucket.hide_file("hello.txt").unwrap_err();
    /// let answer = error.service().unwrap();
    /// assert_eq!((answer.status, answer.code.as_str()), (400, "already_hidden"));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self.failure() {
            Self::InvalidCredentials(service)
            | Self::CapExceeded(service)
            | Self::Conflict(service)
            | Self::RangeNotSatisfiable(service)
            | Self::Busy(service)
            | Self::Service(service)
            | Self::Locked { service, .. }
            | Self::BucketNameTaken { service, .. } => Some(service),
            Self::BucketNotFound { service, .. }
            | Self::FileNotFound { service, .. }
            | Self::EncryptionKey { service, .. } => service.as_deref(),
            Self::NotAllowed(refusal) => refusal.service.as_deref(),
            _ => None,
        }
    }

    /// Whether the error is not about one file, so that all others of a run would fail with it. That a key is
    /// not allowed to do something is about a file: the key may be limited to some names.
    pub(crate) const fn concerns_all_files(&self) -> bool {
        matches!(
            self,
            Self::NotAuthorized
                | Self::InvalidCredentials(_)
                | Self::Credentials { .. }
                | Self::AccountChanged
                | Self::AccountInfoCorrupt { .. }
                | Self::AccountInfoTooNew { .. }
                | Self::CapExceeded(_)
                | Self::BudgetExceeded { .. }
                | Self::Store(_)
                | Self::Cancelled
        )
    }

    pub(crate) fn service_mut(&mut self) -> Option<&mut ServiceError> {
        match self {
            Self::LargeFileLeft(left) => left.failure.service_mut(),
            Self::InvalidCredentials(service)
            | Self::CapExceeded(service)
            | Self::Conflict(service)
            | Self::RangeNotSatisfiable(service)
            | Self::Busy(service)
            | Self::Service(service)
            | Self::Locked { service, .. }
            | Self::BucketNameTaken { service, .. } => Some(service),
            Self::BucketNotFound { service, .. }
            | Self::FileNotFound { service, .. }
            | Self::EncryptionKey { service, .. } => service.as_deref_mut(),
            Self::NotAllowed(refusal) => refusal.service.as_deref_mut(),
            _ => None,
        }
    }

    /// Returns the HTTP status of the service's answer, such as 503, if there was one. For what a status and
    /// code mean, see [section 11](crate::guide::protocol#11-errors).
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.service().map(|service| service.status)
    }

    /// Returns the error code of the service's answer, if there was one. It is empty where the answer has
    /// none, which is so for HEAD requests and for answers of proxies.
    #[must_use]
    pub fn code(&self) -> Option<&ErrorCode> {
        self.service().map(|service| &service.code)
    }

    /// Returns how often the request that failed was sent; 0 if nothing was sent, or if the error is not about
    /// a request.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self.failure() {
            Self::Connection(transport) => transport.attempts,
            other => other.service().map_or(0, |service| service.attempts),
        }
    }

    /// Returns whether the whole call may succeed later without anybody changing anything: after
    /// [`Busy`](Self::Busy), [`Truncated`](Self::Truncated), [`ChecksumMismatch`](Self::ChecksumMismatch),
    /// [`Connection`](Self::Connection) but for a certificate that is not accepted, and
    /// [`Store`](Self::Store) if the store is only unavailable.
    ///
    /// The call has been repeated already, as [`RetryPolicy`](crate::RetryPolicy) says: by default for two to
    /// three minutes, or up to 15 if the service asked for pauses. So wait for minutes before the next try.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::builder(b2sdk::InMemoryAccountInfo::new()).retry(b2sdk::RetryPolicy::none()).build()?;
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::Operation;
    /// use b2sdk::simulator::Fault;
    ///
    /// service.faults().inject(Fault::on(Operation::ListBuckets).status(503, "service_unavailable", "busy"));
    /// let error = b2_api.list_buckets().unwrap_err();
    /// assert!(error.is_retryable());
    /// assert!(b2_api.list_buckets().is_ok()); // a moment later
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Consequences
    /// A call that creates something may have taken effect although its answer was lost, so that
    /// repeating it creates it twice: see [`is_answer_lost`](Self::is_answer_lost) and
    /// [`TransportError::sent`](crate::error::TransportError::sent).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.failure() {
            Self::Busy(_) | Self::Truncated { .. } | Self::ChecksumMismatch { .. } => true,
            Self::Connection(transport) => transport.kind != TransportKind::Tls,
            Self::Store(store) => store.is_unavailable(),
            _ => false,
        }
    }

    /// Returns whether the bucket or file does not exist, or is not visible to this key:
    /// [`BucketNotFound`](Self::BucketNotFound) and [`FileNotFound`](Self::FileNotFound).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.failure(),
            Self::BucketNotFound { .. } | Self::FileNotFound { .. }
        )
    }

    /// Returns whether credentials or permissions are the reason, so that another key, or authorizing again,
    /// may help: [`NotAuthorized`](Self::NotAuthorized), [`InvalidCredentials`](Self::InvalidCredentials),
    /// [`Credentials`](Self::Credentials), [`NotAllowed`](Self::NotAllowed),
    /// [`AccountChanged`](Self::AccountChanged), and other answers with status 401.
    #[must_use]
    pub fn is_auth(&self) -> bool {
        matches!(
            self.failure(),
            Self::NotAuthorized
                | Self::InvalidCredentials(_)
                | Self::Credentials { .. }
                | Self::NotAllowed(_)
                | Self::AccountChanged
        ) || (self.status() == Some(401) && !matches!(self.failure(), Self::Locked { .. }))
    }

    /// Returns whether the last request may have taken effect despite this error: it was sent
    /// completely, and no answer of the service itself came back. Look at what is there before a call is
    /// repeated that creates something: a bucket, a key, a version.
    ///
    /// ```
    /// use b2sdk::{B2Api, InMemoryAccountInfo, RetryPolicy};
    ///
    /// let api = B2Api::builder(InMemoryAccountInfo::new()).retry(RetryPolicy::none()).build()?;
    /// let nobody_listens = api.authorize_account("http://127.0.0.1:1", "id", "key").unwrap_err();
    /// assert!(!nobody_listens.is_answer_lost());
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn is_answer_lost(&self) -> bool {
        match self.failure() {
            Self::Connection(transport) => transport.sent == Sent::All,
            Self::UnexpectedReply { .. } => true,
            other => other.service().is_some_and(ServiceError::is_lost_answer),
        }
    }

    /// The failure with the bucket that the call was about, if it lacks one.
    pub(crate) fn in_bucket(mut self, name: Option<&str>) -> Self {
        if let Self::FileNotFound { bucket, .. } = &mut self
            && bucket.is_none()
        {
            *bucket = name.map(Into::into);
        }
        self
    }

    /// Whether this process, or the system, has no file descriptor left: for a connection, or for a local file.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        match self.failure() {
            Self::Connection(transport) => transport.kind == TransportKind::NoDescriptors,
            Self::LocalFile { source, .. } => is_out_of_descriptors(source),
            _ => false,
        }
    }

    /// Whether asking once more may be answered otherwise, after an answer that was lost: what refuses on the
    /// way, such as a firewall, refuses again.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_retryable() || matches!(self.failure(), Self::UnexpectedReply { .. })
    }

    /// Whether an earlier attempt of the same call may have taken effect.
    pub(crate) fn is_after_lost_answer(&self) -> bool {
        self.service()
            .is_some_and(|service| service.after_lost_answer)
    }

    /// Takes an error of ours back out of an `io::Error` that carried it through a reader.
    pub(crate) fn from_io(error: io::Error) -> std::result::Result<Self, io::Error> {
        error.downcast::<Self>()
    }

    /// This failure for another thread that waited for its outcome, where it can be told twice.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        Some(match self {
            Self::InvalidCredentials(service) => Self::InvalidCredentials(service.clone()),
            Self::CapExceeded(service) => Self::CapExceeded(service.clone()),
            Self::Busy(service) => Self::Busy(service.clone()),
            Self::Service(service) => Self::Service(service.clone()),
            Self::Connection(transport) => Self::Connection(transport.clone()),
            Self::Store(store) => Self::Store(store.clone()),
            Self::LocalFile {
                action,
                path,
                source,
            } => Self::LocalFile {
                action,
                path: path.clone(),
                source: io::Error::new(source.kind(), source.to_string()),
            },
            Self::AccountInfoCorrupt { path, reason } => Self::AccountInfoCorrupt {
                path: path.clone(),
                reason: reason.clone(),
            },
            Self::AccountInfoTooNew { path, reason } => Self::AccountInfoTooNew {
                path: path.clone(),
                reason: reason.clone(),
            },
            Self::NotAuthorized => Self::NotAuthorized,
            Self::AccountChanged => Self::AccountChanged,
            Self::Credentials { source } => Self::Credentials {
                source: source.to_string().into(),
            },
            Self::UnexpectedReply { operation, source } => Self::UnexpectedReply {
                operation: *operation,
                source: source.to_string().into(),
            },
            _ => return None,
        })
    }
}
