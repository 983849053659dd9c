//! The crate's one error type, grouped by who can act on it. It knows the values of `model` and
//! nothing of the layers that raise it.

use std::io;
use std::path::Path;

use crate::error::left::LargeFileLeft;
use crate::error::not_allowed::NotAllowed;
use crate::error::service::{ErrorCode, ServiceError};
use crate::error::store::StoreError;
use crate::error::transport::{Sent, TransportError, TransportKind};
use crate::model::local_name::UnsafeName;
use crate::model::name::NameRule;
use crate::model::operation::{BillingClass, Operation};
use crate::model::sha1::Sha1Digest;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and who can act on it.
///
/// `Display` is one line: what was tried, what happened, what to do. The cause below it, where
/// there is one, is the error's `source()`. No message contains a key or a token.
///
/// ```
/// use b2sdk::{B2Api, Error, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// match b2_api.get_bucket_by_name("photos-2026") {
///     Err(Error::NotAuthorized) => println!("authorize first"),
///     Err(error) if error.is_retryable() => println!("later, perhaps: {error}"),
///     Err(error) => println!("{error}"),
///     Ok(bucket) => println!("{}", bucket.id()),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The caller can act.
    /// The service would refuse this file name; nothing was sent.
    #[error("the file name {name:?} is not possible: {rule}")]
    InvalidFileName {
        /// The name.
        name: Box<str>,
        /// The rule that it breaks.
        rule: NameRule,
    },
    /// A file was not saved, because its name in the bucket must not become a path here.
    #[error(transparent)]
    UnsafeName(Box<UnsafeName>),
    /// An argument makes no sense; nothing was sent.
    #[error("{what}: {reason}")]
    InvalidInput {
        /// Which argument.
        what: &'static str,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The source changed while it was uploaded; no file was made of it.
    #[error("{} changed while it was being uploaded ({change}); upload it again when it is at rest", path.display())]
    SourceChanged {
        /// The local file, or `<reader>` for a reader.
        path: Box<Path>,
        /// What was seen.
        change: &'static str,
    },

    /// Making a large file failed, and an unfinished one is left at the service, whose parts cost
    /// storage; [`Error::failure`] says what went wrong. After any other error of such a call nothing is
    /// left that costs anything: an unfinished file without parts at most, if the answer to starting it
    /// was lost.
    #[error(transparent)]
    LargeFileLeft(Box<LargeFileLeft>),

    // The account's owner can act.
    /// Nobody has called `authorize_account` with this account info yet.
    #[error("not authorized: call authorize_account first")]
    NotAuthorized,
    /// The service does not accept the application key: it is wrong, or has expired, or was deleted.
    #[error(
        "the application key was not accepted ({0}); check the key id, the key and the realm, and \
         whether the key has expired or was deleted"
    )]
    InvalidCredentials(Box<ServiceError>),
    /// The credential provider did not tell the application key.
    #[error("the credential provider did not tell the application key")]
    Credentials {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The application key may not do this.
    #[error("{0}")]
    NotAllowed(Box<NotAllowed>),
    /// A cap of the account is reached; its owner can raise it on Backblaze's web site.
    #[error("a cap of the account is reached: {0}")]
    CapExceeded(Box<ServiceError>),

    // The object is not what was expected.
    /// There is no such bucket, or this key cannot see it.
    #[error("there is no bucket {bucket:?} that this key can see")]
    BucketNotFound {
        /// The name or id that was asked for.
        bucket: Box<str>,
        /// The service's answer, if it was asked.
        service: Option<Box<ServiceError>>,
    },
    /// There is no such file or version.
    #[error("there is no file {file:?}, or no such version of it")]
    FileNotFound {
        /// The name or id that was asked for.
        file: Box<str>,
        /// The service's answer, if it refused; none if a listing did not have the file.
        service: Option<Box<ServiceError>>,
    },
    /// Another bucket, perhaps of another account, has this name.
    #[error(
        "the bucket name {name:?} is taken; bucket names are unique among all accounts, choose another"
    )]
    BucketNameTaken {
        /// The name.
        name: Box<str>,
        /// The service's answer.
        service: Box<ServiceError>,
    },
    /// The bucket changed meanwhile: read its state again and repeat the change on that.
    #[error("the bucket was changed by someone else meanwhile: {0}")]
    Conflict(Box<ServiceError>),
    /// The file is encrypted with a customer's key (SSE-C), and that was not given, or another one.
    #[error("{problem}{}", answer(service.as_deref()))]
    EncryptionKey {
        /// What is wrong with the key.
        problem: KeyProblem,
        /// The service's answer, if it refused; none if what it tells of the file was enough.
        service: Option<Box<ServiceError>>,
    },
    /// Object lock forbids it: a retention that has not ended, or a legal hold.
    #[error("object lock forbids it: {0}")]
    Locked(Box<ServiceError>),

    // The data is not what it should be.
    /// The bytes that arrived are not the bytes that were stored.
    #[error(
        "the data has SHA-1 {actual}, but {expected} is recorded: it was damaged on its way, or the record is wrong"
    )]
    ChecksumMismatch {
        /// What the service reports.
        expected: Box<Sha1Digest>,
        /// What arrived.
        actual: Box<Sha1Digest>,
    },
    /// The download ended early and could not be continued.
    #[error("the download ended after {actual} of {expected} bytes")]
    Truncated {
        /// How many bytes there are.
        expected: u64,
        /// How many arrived.
        actual: u64,
        /// What broke the last connection.
        source: Option<Box<TransportError>>,
    },
    /// The range lies outside the file.
    #[error("the range lies outside the file: {0}")]
    RangeNotSatisfiable(Box<ServiceError>),

    // The service.
    /// The service is overloaded or failed; the call was repeated as [`RetryPolicy`](crate::RetryPolicy) allows.
    #[error("the service cannot answer now: {0}")]
    Busy(Box<ServiceError>),
    /// The service refused the call for a reason that has no variant here.
    #[error("{0}")]
    Service(Box<ServiceError>),
    /// The service's answer cannot be understood.
    #[error(
        "the answer to {operation} cannot be understood; the service, or a proxy in between, does not speak this API"
    )]
    UnexpectedReply {
        /// The call.
        operation: Operation,
        /// What is wrong with the answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    // The network.
    /// The service was not reached, or the connection broke.
    #[error(transparent)]
    Connection(Box<TransportError>),

    // This machine.
    /// A local file cannot be used.
    #[error("cannot {action} {}", path.display())]
    LocalFile {
        /// What was tried: `"read"`, `"create"`, ...
        action: &'static str,
        /// The file or directory.
        path: Box<Path>,
        /// Why not.
        source: io::Error,
    },
    /// Writing to, or reading from, what the caller passed failed.
    #[error("cannot {action} the stream that was passed in")]
    Stream {
        /// `"read"` or `"write"`.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The account-info file is damaged or is something else; it was left as it is.
    #[error("the account info in {} cannot be used: {reason}", path.display())]
    AccountInfoCorrupt {
        /// The file.
        path: Box<Path>,
        /// What is wrong, and what to do.
        reason: Box<str>,
    },
    /// A newer program wrote the account-info file in a form that this version cannot read.
    #[error("the account info in {} was written by a newer program: {reason}", path.display())]
    AccountInfoTooNew {
        /// The file.
        path: Box<Path>,
        /// What is missing.
        reason: Box<str>,
    },
    /// The account info now belongs to another account, key or realm; nothing was sent.
    #[error(
        "the account info was authorized for another account, key or realm meanwhile; call authorize_account again"
    )]
    AccountChanged,
    /// The account-info store failed.
    #[error("the account-info store failed")]
    Store(#[source] StoreError),

    // The caller asked for it.
    /// The caller's [`RequestBudget`](crate::limits::RequestBudget) has no request of that class left; nothing
    /// was sent.
    #[error(
        "{operation} was not sent: the budget of {limit} requests of class {class:?} is used up"
    )]
    BudgetExceeded {
        /// The call.
        operation: Operation,
        /// Its class.
        class: BillingClass,
        /// The budget.
        limit: u64,
    },
    /// The call's [`CancelToken`](crate::CancelToken) was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// The service's answer behind what it means, where there is one.
fn answer(service: Option<&ServiceError>) -> String {
    service.map_or_else(String::new, |service| format!(": {service}"))
}

/// What is wrong with the customer's key that a file is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyProblem {
    /// None was given.
    Missing,
    /// The file is encrypted with another one.
    Wrong,
}

impl std::fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "the file is encrypted with a customer's key (SSE-C), and none was given"
            }
            Self::Wrong => "the file is encrypted with another customer's key than the one given",
        })
    }
}

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

    /// What went wrong, whatever it left behind: the failure inside of
    /// [`LargeFileLeft`](Self::LargeFileLeft), otherwise the error itself.
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

    /// The service's answer, if there was one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self.failure() {
            Self::InvalidCredentials(service)
            | Self::CapExceeded(service)
            | Self::Conflict(service)
            | Self::Locked(service)
            | Self::RangeNotSatisfiable(service)
            | Self::Busy(service)
            | Self::Service(service)
            | Self::BucketNameTaken { service, .. } => Some(service),
            Self::BucketNotFound { service, .. }
            | Self::FileNotFound { service, .. }
            | Self::EncryptionKey { service, .. } => service.as_deref(),
            Self::NotAllowed(refusal) => refusal.service.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn service_mut(&mut self) -> Option<&mut ServiceError> {
        match self {
            Self::LargeFileLeft(left) => left.failure.service_mut(),
            Self::InvalidCredentials(service)
            | Self::CapExceeded(service)
            | Self::Conflict(service)
            | Self::Locked(service)
            | Self::RangeNotSatisfiable(service)
            | Self::Busy(service)
            | Self::Service(service)
            | Self::BucketNameTaken { service, .. } => Some(service),
            Self::BucketNotFound { service, .. }
            | Self::FileNotFound { service, .. }
            | Self::EncryptionKey { service, .. } => service.as_deref_mut(),
            Self::NotAllowed(refusal) => refusal.service.as_deref_mut(),
            _ => None,
        }
    }

    /// The HTTP status of the service's answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.service().map(|service| service.status)
    }

    /// The code of the service's answer.
    #[must_use]
    pub fn code(&self) -> Option<&ErrorCode> {
        self.service().map(|service| &service.code)
    }

    /// How often the request that failed was sent; 0 if nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self.failure() {
            Self::Connection(transport) => transport.attempts,
            other => other.service().map_or(0, |service| service.attempts),
        }
    }

    /// Whether the whole call may succeed later without anybody changing anything.
    ///
    /// # Consequences
    /// A call that creates something may have taken effect although its answer was lost: see
    /// [`TransportError::sent`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.failure() {
            Self::Busy(_) | Self::Truncated { .. } | Self::ChecksumMismatch { .. } => true,
            Self::Connection(transport) => transport.kind != TransportKind::Tls,
            Self::Store(store) => store.is_unavailable(),
            _ => false,
        }
    }

    /// Whether what was asked for does not exist, or is not visible to this key.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.failure(),
            Self::BucketNotFound { .. } | Self::FileNotFound { .. }
        )
    }

    /// Whether credentials or permissions are the reason.
    #[must_use]
    pub fn is_auth(&self) -> bool {
        matches!(
            self.failure(),
            Self::NotAuthorized
                | Self::InvalidCredentials(_)
                | Self::Credentials { .. }
                | Self::NotAllowed(_)
                | Self::AccountChanged
        ) || (self.status() == Some(401) && !matches!(self.failure(), Self::Locked(_)))
    }

    /// Whether the last request may have taken effect although this is what came of it: all of it was
    /// sent, and no answer came, or none that the service itself has given.
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

    /// Whether an earlier attempt of the same call may have taken effect.
    pub(crate) fn is_after_lost_answer(&self) -> bool {
        self.service()
            .is_some_and(|service| service.after_lost_answer)
    }

    /// Takes an error of ours back out of an `io::Error` that carried it through a reader.
    pub(crate) fn from_io(error: io::Error) -> std::result::Result<Self, io::Error> {
        error.downcast::<Self>()
    }

    /// The same failure for another thread that waited for its outcome, where it can be told twice.
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

impl From<Error> for io::Error {
    /// For readers: the error comes back out with `io::Error::downcast`.
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl From<StoreError> for Error {
    /// An error of this crate that a store returned comes out as itself.
    fn from(error: StoreError) -> Self {
        match error.into_crate_error() {
            Ok(own) => own,
            Err(other) => Self::Store(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, StoreError};

    #[test]
    fn an_error_stays_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 48, "{}", size_of::<Error>());
    }

    #[test]
    fn a_store_that_returns_our_error_is_seen_through() {
        assert!(matches!(
            Error::from(StoreError::from(Error::AccountChanged)),
            Error::AccountChanged
        ));
        let wrapped =
            StoreError::from(std::io::Error::other("disk on fire")).context("reading the token");
        let error = Error::from(wrapped);
        let Error::Store(store) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            store.downcast_ref::<std::io::Error>().unwrap().to_string(),
            "disk on fire"
        );
        let sources: Vec<String> =
            std::iter::successors(std::error::Error::source(&error), |e| e.source())
                .map(ToString::to_string)
                .collect();
        assert_eq!(sources, ["reading the token", "disk on fire"]);
    }

    #[test]
    fn our_error_survives_a_reader() {
        let carried = std::io::Error::from(Error::Cancelled);
        assert!(matches!(Error::from_io(carried), Ok(Error::Cancelled)));
        assert!(Error::from_io(std::io::Error::other("x")).is_err());
    }
}
