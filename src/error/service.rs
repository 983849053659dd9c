//! What the service said when it refused a call (docs/protocol.md, sections 1.8 and 11).

use std::time::Duration;

use crate::error::{Error, KeyProblem, NotAllowed};
use crate::model::open_enum::open_enum;
use crate::model::operation::Operation;

open_enum! {
    /// The code of a refusal, which is what programs may rely on; messages may change. Each is described with
    /// what it means and where it occurs. Most codes become a variant of [`Error`], and those of tokens never
    /// reach the caller while the key is good. [Section 11](crate::guide::protocol#11-errors) lists them by
    /// status.
    ErrorCode {
        /// The request has wrong fields or illegal values, or its object is in another state than the call
        /// needs; the message explains. It also answers calls about an unfinished large file that does not
        /// exist.
        BadRequest = "bad_request",
        /// The request's JSON is not what the service expects.
        BadJson = "bad_json",
        /// There is no bucket with this id ([`Error::BucketNotFound`]).
        BadBucketId = "bad_bucket_id",
        /// The bucket name is in use by this or another account ([`Error::BucketNameTaken`]).
        DuplicateBucketName = "duplicate_bucket_name",
        /// The account has as many buckets as it may: 100 unless Backblaze has raised that.
        TooManyBuckets = "too_many_buckets",
        /// Only an empty bucket can be deleted. Hide markers, old versions and unfinished large files count.
        CannotDeleteNonEmptyBucket = "cannot_delete_non_empty_bucket",
        /// The file is hidden already.
        AlreadyHidden = "already_hidden",
        /// There is no file of this name that could be hidden ([`Error::FileNotFound`]).
        NoSuchFile = "no_such_file",
        /// The bucket has no object lock, so that neither retention nor legal hold can be set.
        BucketMissingFileLock = "bucket_missing_file_lock",
        /// The retention that was asked for has ended already; it must end in the future.
        RetainUntilTimestampMustBeInFuture = "retain_until_timestamp_must_be_in_future",
        /// Object lock cannot be turned off again.
        FileLockConflict = "file_lock_conflict",
        /// The account may not choose upload times; Backblaze enables that per account.
        CustomTimestampNotAllowed = "custom_timestamp_not_allowed",
        /// The upload time that was asked for is not possible, for example in the future.
        CustomTimestampInvalid = "custom_timestamp_invalid",
        /// There is no such file version, or its name is another one ([`Error::FileNotFound`]).
        FileNotPresent = "file_not_present",
        /// An upload URL was used by two uploads at the same time. This crate does not do that, and takes
        /// another URL if an earlier attempt is still alive at the service.
        AuthTokenLimit = "auth_token_limit",
        /// A number, such as the size of a page, is outside its range.
        OutOfRange = "out_of_range",
        /// The key may not do this ([`Error::NotAllowed`]), or is not valid
        /// ([`Error::InvalidCredentials`]).
        Unauthorized = "unauthorized",
        /// The token is not valid. The token is replaced once before the call fails.
        BadAuthToken = "bad_auth_token",
        /// The token is older than its lifetime of at most 24 hours. It is replaced once before the call
        /// fails.
        ExpiredAuthToken = "expired_auth_token",
        /// The key cannot be used with this version of the API.
        Unsupported = "unsupported",
        /// The account has never paid, which public buckets and replication require.
        NoPaymentHistory = "no_payment_history",
        /// The account's e-mail address is not verified, which public buckets and replication require.
        EmailNotVerified = "email_not_verified",
        /// No event type has this name.
        EventTypeInvalid = "event_type_invalid",
        /// An event type covers another one.
        EventTypeOverlap = "event_type_overlap",
        /// A notification rule has no event type.
        EventTypesEmpty = "event_types_empty",
        /// The event types of a rule are of categories that cannot stand in one rule.
        EventTypeCategories = "event_type_categories",
        /// A bucket that files are replicated from cannot do this: object lock cannot be enabled there.
        SourceReplicationConflict = "source_replication_conflict",
        /// The customer's key is wrong ([`Error::EncryptionKey`]), the version is locked
        /// ([`Error::Locked`]), or the account has a problem.
        AccessDenied = "access_denied",
        /// A cap of the account is reached ([`Error::CapExceeded`]).
        CapExceeded = "cap_exceeded",
        /// The cap of stored bytes is reached ([`Error::CapExceeded`]).
        StorageCapExceeded = "storage_cap_exceeded",
        /// The cap of requests is reached ([`Error::CapExceeded`]).
        TransactionCapExceeded = "transaction_cap_exceeded",
        /// The cap of downloaded bytes is reached ([`Error::CapExceeded`]).
        DownloadCapExceeded = "download_cap_exceeded",
        /// There is no such file, version or bucket.
        NotFound = "not_found",
        /// The endpoint does not know the HTTP method.
        MethodNotAllowed = "method_not_allowed",
        /// The service waited too long for the body of the request ([`Error::Busy`]).
        RequestTimeout = "request_timeout",
        /// Somebody else changed the bucket since its revision was read ([`Error::Conflict`]).
        Conflict = "conflict",
        /// The range lies outside the file ([`Error::RangeNotSatisfiable`]).
        RangeNotSatisfiable = "range_not_satisfiable",
        /// There are too many requests; `Retry-After` tells how long to wait ([`Error::Busy`]).
        TooManyRequests = "too_many_requests",
        /// The service failed ([`Error::Busy`]).
        InternalError = "internal_error",
        /// The service, or a host for uploads, is overloaded ([`Error::Busy`]).
        ServiceUnavailable = "service_unavailable",
    }
}

/// An answer of the service that is no success: what it said, and how often and how long it was asked.
/// [`Error::service`] returns it for whichever variant the answer became.
///
/// `Display` is one line, such as `b2_hide_file was answered with 400 already_hidden (the file is hidden)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceError {
    /// The operation that was refused.
    pub operation: Operation,
    /// The HTTP status of the answer, such as 400 or 503.
    pub status: u16,
    /// The code; empty if the answer had none, as for HEAD requests and proxies.
    pub code: ErrorCode,
    /// The service's message, or the beginning of a body that is not the service's JSON; control
    /// characters escaped, tokens blanked out. It is for people: its text may change.
    pub message: String,
    /// The path of the URL; no host and no query, which may carry tokens.
    pub url_path: String,
    /// How long the service asks to wait before the next request (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// How often the request was sent; 0 if a pause that the service has asked for does not let it be sent.
    pub attempts: u32,
    /// How long all attempts took together, waiting included.
    pub elapsed: Duration,
    /// Whether an earlier attempt may have taken effect, its answer being lost.
    pub(crate) after_lost_answer: bool,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            operation,
            status,
            code,
            message,
            attempts,
            retry_after,
            ..
        } = self;
        write!(f, "{operation} was answered with {status}")?;
        if !code.as_str().is_empty() {
            write!(f, " {code}")?;
        }
        if !message.is_empty() {
            write!(f, " ({message})")?;
        }
        if *attempts > 1 {
            write!(f, " after {attempts} attempts")?;
        }
        if self.is_lost_answer() && !operation.is_repeatable() {
            f.write_str("; that is no answer of the service itself, so it may have taken effect")?;
        } else if self.after_lost_answer && !operation.only_reads() {
            f.write_str("; an earlier attempt, whose answer was lost, may have taken effect")?;
        }
        match retry_after {
            Some(wait) => write!(f, "; it asks to wait {} s", wait.as_secs()),
            None => Ok(()),
        }
    }
}

/// The service's words for a file under a customer's key that was not given; the code is one for many
/// things (docs/protocol.md, section 3.9).
const NO_CUSTOMER_KEY: &str = "stored using a form of Server Side Encryption";

/// What a call is about, for the error that names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Account,
    Bucket(&'a str),
    File(&'a str),
}

impl Subject<'_> {
    fn name(self) -> Box<str> {
        match self {
            Self::Account => "".into(),
            Self::Bucket(name) | Self::File(name) => name.into(),
        }
    }
}

impl ServiceError {
    /// Whether this came from something in between, which cannot know what the service did: the service's
    /// own refusals have a code. Only a HEAD request is answered without one, and that changes nothing.
    pub(crate) fn is_lost_answer(&self) -> bool {
        self.code.as_str().is_empty()
    }

    /// The outcome that a refusal means (docs/protocol.md, section 11): first what the status or the code
    /// decides alone, then what depends on the operation.
    pub(crate) fn into_error(self, subject: Subject<'_>) -> Error {
        use ErrorCode as Code;
        if self.is_about_lock() {
            return Error::Locked {
                file: subject.name(),
                service: Box::new(self),
            };
        }
        if let Some(problem) = self.key_problem() {
            return Error::EncryptionKey {
                problem,
                service: Some(Box::new(self)),
            };
        }
        let service = Box::new(self);
        match (service.status, &service.code) {
            (401, code)
                if service.operation == Operation::AuthorizeAccount
                    && *code != Code::Unsupported =>
            {
                Error::InvalidCredentials(service)
            }
            (401, Code::Unauthorized) => Error::NotAllowed(Box::new(NotAllowed {
                operation: service.operation,
                subject: subject.name(),
                missing: Vec::new(),
                restriction: None,
                allowed: None,
                service: Some(service),
            })),
            (400, Code::BadBucketId) => Error::BucketNotFound {
                bucket: subject.name(),
                service: Some(service),
            },
            (400, Code::DuplicateBucketName) => Error::BucketNameTaken {
                name: subject.name(),
                service,
            },
            (400, Code::NoSuchFile | Code::FileNotPresent) => no_file(subject.name(), service),
            // A page of a proxy tells nothing about the file, except to HEAD, whose answers have no body.
            (404, code) if !code.as_str().is_empty() || service.is_of_download() => match subject {
                Subject::File(name) => no_file(name.into(), service),
                _ => Error::Service(service),
            },
            (409, _) => Error::Conflict(service),
            (416, _) => Error::RangeNotSatisfiable(service),
            (
                400 | 403,
                Code::CapExceeded
                | Code::StorageCapExceeded
                | Code::TransactionCapExceeded
                | Code::DownloadCapExceeded,
            ) => Error::CapExceeded(service),
            (408 | 429 | 500 | 502..=599, _) => Error::Busy(service),
            _ => Error::Service(service),
        }
    }

    /// Whether object lock is the reason. For a deletion, the code of the refusal is not known for certain;
    /// its message is (docs/protocol.md, section 12).
    fn is_about_lock(&self) -> bool {
        let is_denied = self.code == ErrorCode::AccessDenied;
        match self.operation {
            Operation::DeleteFileVersion => {
                self.status == 401 && (is_denied || self.message == "Access Denied")
            }
            Operation::UpdateFileRetention | Operation::UpdateFileLegalHold => {
                self.status == 403 && is_denied
            }
            _ => false,
        }
    }

    /// What is wrong with the customer's key that a file was to be read with, if that is the reason.
    fn key_problem(&self) -> Option<KeyProblem> {
        let copies = matches!(self.operation, Operation::CopyFile | Operation::CopyPart);
        match (self.status, &self.code) {
            _ if !copies && !self.is_of_download() => None,
            (403, ErrorCode::AccessDenied) => Some(KeyProblem::Wrong),
            (400, ErrorCode::BadRequest) if self.message.contains(NO_CUSTOMER_KEY) => {
                Some(KeyProblem::Missing)
            }
            _ => None,
        }
    }

    /// Whether a download was refused.
    fn is_of_download(&self) -> bool {
        matches!(
            self.operation,
            Operation::DownloadFileById | Operation::DownloadFileByName
        )
    }
}

/// The error of a file that is not there.
fn no_file(file: Box<str>, service: Box<ServiceError>) -> Error {
    Error::FileNotFound {
        bucket: None,
        file,
        service: Some(service),
    }
}
