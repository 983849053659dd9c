//! The crate's one error type: a variant for each kind of failure, grouped by who can act on it. It knows
//! the values of `model` and nothing of the layers that raise it.

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

/// The result of a call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every call of this crate.
///
/// Most programs print the error or pass it on. Its message is one line that says what was tried, what
/// happened, and what to do about it; the cause behind it, where there is one, is the error's `source()`. No
/// message contains an application key or a token.
///
/// A call has already repeated what can be repeated when it returns an error, as its
/// [`RetryPolicy`](crate::RetryPolicy) allows. A program that wants to react itself has three ways:
///
/// - ask a question: [`is_not_found`](Self::is_not_found), [`is_retryable`](Self::is_retryable) (the whole
///   call may succeed later), [`is_auth`](Self::is_auth), [`is_answer_lost`](Self::is_answer_lost) (the call
///   may have taken effect);
/// - match a variant. They are grouped by who can act: the caller, the owner of the account, somebody who
///   looks for another object, nobody (the service or the network failed), or whoever looks after this
///   machine;
/// - read the service's own answer: [`code`](Self::code), [`status`](Self::status),
///   [`service`](Self::service).
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
    /// The file name breaks a rule of the service. Nothing was sent.
    #[error("the file name {} is not possible: {rule}", shortened(name))]
    InvalidFileName {
        /// The name.
        name: Box<str>,
        /// The rule that it breaks.
        rule: NameRule,
    },
    /// A file was not saved, because its name in the bucket would be an unsafe path on this machine.
    #[error(transparent)]
    UnsafeName(Box<UnsafeName>),
    /// An argument cannot be used. Nothing was sent.
    #[error("{what}: {reason}")]
    InvalidInput {
        /// The argument.
        what: &'static str,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The local file changed while it was uploaded. No version was created.
    #[error("{} changed while it was being uploaded ({change}); upload it again when nothing writes to it", path.display())]
    SourceChanged {
        /// The local file, or `<reader>` for a reader.
        path: Box<Path>,
        /// What changed.
        change: &'static str,
    },

    /// An upload of a large file failed, and an unfinished file remains at the service, whose parts are
    /// billed. [`Error::failure`] returns what went wrong.
    ///
    /// After any other error of such a call, nothing remains that is billed. If the answer to starting the
    /// file was lost, an unfinished file without parts may remain.
    #[error(transparent)]
    LargeFileLeft(Box<LargeFileLeft>),

    // The account's owner can act.
    /// No application key is authorized in this account info.
    #[error("not authorized: call authorize_account first")]
    NotAuthorized,
    /// The service does not accept the application key, because it is wrong, has expired or was deleted.
    #[error(
        "the application key was not accepted ({0}); check the key id, the key and the realm, and \
         whether the key has expired or was deleted"
    )]
    InvalidCredentials(Box<ServiceError>),
    /// The credential provider failed to supply an application key.
    #[error("the credential provider failed to supply an application key")]
    Credentials {
        /// The provider's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The application key is not allowed to do this: it lacks a capability, or is restricted to other
    /// buckets or names.
    #[error("{0}")]
    NotAllowed(Box<NotAllowed>),
    /// A cap of the account is reached. The owner of the account can raise it on Backblaze's web site.
    #[error("a cap of the account is reached: {0}")]
    CapExceeded(Box<ServiceError>),

    // The object is not what was expected.
    /// The bucket does not exist, or this key cannot see it.
    #[error("there is no bucket {bucket:?} that this key can see")]
    BucketNotFound {
        /// The name or id of the bucket.
        bucket: Box<str>,
        /// The service's answer, if a request was sent.
        service: Option<Box<ServiceError>>,
    },
    /// The file, or this version of it, does not exist.
    #[error("there is no file {}, or no such version of it", shortened(file))]
    FileNotFound {
        /// The name or id of the file.
        file: Box<str>,
        /// The service's answer, or `None` if a listing did not contain the file.
        service: Option<Box<ServiceError>>,
    },
    /// A bucket of this name exists already, perhaps in another account.
    #[error(
        "the bucket name {name:?} is taken; bucket names are unique among all accounts, choose another"
    )]
    BucketNameTaken {
        /// The name.
        name: Box<str>,
        /// The service's answer.
        service: Box<ServiceError>,
    },
    /// The bucket was changed by another program at the same time. Read its settings again and repeat the
    /// change; [`Bucket::modify`](crate::Bucket::modify) does both.
    #[error("the bucket was changed by another program at the same time: {0}")]
    Conflict(Box<ServiceError>),
    /// The file is encrypted with a customer's key (SSE-C), and the call has no key or another one.
    #[error("{problem}{}", answer(service.as_deref()))]
    EncryptionKey {
        /// What is wrong with the key.
        problem: KeyProblem,
        /// The service's answer, or `None` if the description of the file was enough to tell.
        service: Option<Box<ServiceError>>,
    },
    /// Object lock protects the version: its retention has not ended, or a legal hold is on.
    #[error("object lock protects the version, by a retention or a legal hold: {0}")]
    Locked(Box<ServiceError>),

    // The data is not what it should be.
    /// The bytes that arrived do not have the recorded checksum.
    #[error(
        "the data has SHA-1 {actual}, but {expected} is recorded: it was damaged on its way, or the record is wrong"
    )]
    ChecksumMismatch {
        /// The checksum that is recorded.
        expected: Box<Sha1Digest>,
        /// The checksum of the bytes that arrived.
        actual: Box<Sha1Digest>,
    },
    /// The download ended early, and could not be continued over another connection.
    #[error("the download ended after {actual} of {expected} bytes")]
    Truncated {
        /// The number of bytes to receive.
        expected: u64,
        /// The number of bytes that arrived.
        actual: u64,
        /// The failure of the last connection.
        source: Option<Box<TransportError>>,
    },
    /// The requested range is outside the file.
    #[error("the range lies outside the file: {0}")]
    RangeNotSatisfiable(Box<ServiceError>),

    // The service.
    /// The service is overloaded or failed, after all attempts that [`RetryPolicy`](crate::RetryPolicy)
    /// allows.
    #[error("the service cannot answer now: {0}")]
    Busy(Box<ServiceError>),
    /// The service refused the call for a reason that has no variant here.
    #[error(fmt = with_hint)]
    Service(Box<ServiceError>),
    /// The service's answer cannot be understood. A proxy in between may have written it.
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
    /// The service could not be reached, or the connection broke.
    #[error(transparent)]
    Connection(Box<TransportError>),

    // This machine.
    /// A local file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    LocalFile {
        /// What was tried: `"read"`, `"create"`, ...
        action: &'static str,
        /// The file or directory.
        path: Box<Path>,
        /// The system's error.
        source: io::Error,
    },
    /// The reader or writer that was passed to the call failed.
    #[error("cannot {action} the stream that was passed in")]
    Stream {
        /// `"read"` or `"write"`.
        action: &'static str,
        /// The reader's or writer's error.
        source: io::Error,
    },
    /// The account-info file is damaged or is not an account-info file. It was not changed.
    #[error("the account info in {} cannot be used: {reason}", path.display())]
    AccountInfoCorrupt {
        /// The file.
        path: Box<Path>,
        /// What is wrong, and what to do.
        reason: Box<str>,
    },
    /// The account-info file was written by a newer program, in a form that this version cannot read.
    #[error("the account info in {} was written by a newer program: {reason}", path.display())]
    AccountInfoTooNew {
        /// The file.
        path: Box<Path>,
        /// What is missing.
        reason: Box<str>,
    },
    /// Another account, key or realm was authorized in the account info. Nothing was sent.
    #[error(
        "another account, key or realm was authorized in the account info; call authorize_account again"
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
    /// The call's [`CancelToken`](crate::CancelToken) was cancelled, or
    /// [`B2Api::shutdown`](crate::B2Api::shutdown) was called.
    #[error("cancelled")]
    Cancelled,
}

/// The service's answer behind what it means, where there is one.
fn answer(service: Option<&ServiceError>) -> String {
    service.map_or_else(String::new, |service| format!(": {service}"))
}

/// A name in quotes, without the middle of a very long one.
fn shortened(name: &str) -> String {
    const SHOWN: usize = 60;
    let length = name.chars().count();
    if length <= 3 * SHOWN {
        return format!("{name:?}");
    }
    let start: String = name.chars().take(SHOWN).collect();
    let end: String = name.chars().skip(length - SHOWN).collect();
    format!("{start:?}...{end:?} ({} bytes)", name.len())
}

/// A refusal, and what to do about it where the service does not say it.
fn with_hint(service: &ServiceError, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let hint = match service.code {
        ErrorCode::CannotDeleteNonEmptyBucket => {
            "; hidden files, old versions and unfinished large files count too: delete_many with \
             Versions::All deletes all of them"
        }
        _ => "",
    };
    write!(f, "{service}{hint}")
}

/// Why a file that is encrypted with a customer's key cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The call has no key.
    Missing,
    /// The file is encrypted with another key.
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

    /// Returns what went wrong: the failure inside a [`LargeFileLeft`](Self::LargeFileLeft), and otherwise
    /// the error itself.
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

    /// Returns the service's answer, if there was one.
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

    /// Returns the HTTP status of the service's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.service().map(|service| service.status)
    }

    /// Returns the error code of the service's answer, if there was one.
    #[must_use]
    pub fn code(&self) -> Option<&ErrorCode> {
        self.service().map(|service| &service.code)
    }

    /// Returns how often the request that failed was sent, or 0 if nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self.failure() {
            Self::Connection(transport) => transport.attempts,
            other => other.service().map_or(0, |service| service.attempts),
        }
    }

    /// Returns whether the whole call may succeed if it is repeated later without any change.
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

    /// Returns whether the bucket or file does not exist, or is not visible to this key.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.failure(),
            Self::BucketNotFound { .. } | Self::FileNotFound { .. }
        )
    }

    /// Returns whether the credentials or the permissions of the key are the reason.
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

    /// Returns whether the last request may have taken effect despite this error: all of it was sent, and
    /// no answer arrived, or none that the service itself wrote.
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
