//! The crate's one error type, grouped by who can act on it. It knows the values of `model` and
//! nothing of the layers that raise it.

use std::io;
use std::path::Path;

use crate::error::left::LargeFileLeft;
use crate::error::not_allowed::NotAllowed;
use crate::error::service::ServiceError;
use crate::error::store::StoreError;
use crate::error::transport::TransportError;
use crate::error::words::{answer, descriptors_hint, in_bucket, shortened, with_hint};
use crate::model::local_name::UnsafeName;
use crate::model::name::NameRule;
use crate::model::operation::{BillingClass, Operation};
use crate::model::sha1::Sha1Digest;

/// The result of a call of this crate: a value, or an [`Error`](enum@Error).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every call of this crate.
///
/// Most programs return or log it. A program that wants to react matches on the variants that it
/// can do something about, which are grouped below by who can act: the caller, the owner of the
/// account, or nobody but time. The methods answer the usual questions without a match:
/// [`is_retryable`](Self::is_retryable), [`is_not_found`](Self::is_not_found),
/// [`is_auth`](Self::is_auth) and [`is_answer_lost`](Self::is_answer_lost). By the time a call
/// returns an error it has already been repeated as far as [`RetryPolicy`](crate::RetryPolicy)
/// allows, so a loop around it should wait for minutes.
///
/// `Display` writes one line: what was tried, what happened, and what to do. It does not include
/// the cause, which is the error's `source()`; `anyhow` prints both. No message contains a key or a
/// token. An `Error` has at most 48 bytes, and is `Send` and `Sync`.
///
/// # Which error calls for what
///
/// - **The call is not possible as it is**, and nothing was sent or written: change the program or its input
///   after [`InvalidFileName`](Self::InvalidFileName), [`InvalidInput`](Self::InvalidInput) and
///   [`UnsafeName`](Self::UnsafeName).
/// - **The key is not the right one.** Authorize, or use another key, after
///   [`NotAuthorized`](Self::NotAuthorized), [`InvalidCredentials`](Self::InvalidCredentials),
///   [`Credentials`](Self::Credentials), [`NotAllowed`](Self::NotAllowed) and
///   [`AccountChanged`](Self::AccountChanged).
/// - **A limit is reached.** Raise the cap of the account or the budget of the program after
///   [`CapExceeded`](Self::CapExceeded) and [`BudgetExceeded`](Self::BudgetExceeded).
/// - **The bucket or file is not what was expected.** Look at what is there after
///   [`BucketNotFound`](Self::BucketNotFound), [`FileNotFound`](Self::FileNotFound),
///   [`BucketNameTaken`](Self::BucketNameTaken), [`Conflict`](Self::Conflict),
///   [`EncryptionKey`](Self::EncryptionKey), [`Locked`](Self::Locked) and
///   [`RangeNotSatisfiable`](Self::RangeNotSatisfiable).
/// - **The data is not what it should be.** Transfer it again after
///   [`ChecksumMismatch`](Self::ChecksumMismatch), [`Truncated`](Self::Truncated) and
///   [`SourceChanged`](Self::SourceChanged).
/// - **The service or the network fails.** Wait after [`Busy`](Self::Busy), [`Connection`](Self::Connection),
///   [`UnexpectedReply`](Self::UnexpectedReply) and [`Service`](Self::Service), and see
///   [`is_answer_lost`](Self::is_answer_lost) before a creation is repeated.
/// - **This machine fails.** Do what the message says after [`LocalFile`](Self::LocalFile),
///   [`Stream`](Self::Stream), [`Store`](Self::Store), [`AccountInfoCorrupt`](Self::AccountInfoCorrupt) and
///   [`AccountInfoTooNew`](Self::AccountInfoTooNew).
/// - **The caller has ended the call**: [`Cancelled`](Self::Cancelled).
///
/// [`LargeFileLeft`](Self::LargeFileLeft) wraps any of these where an unfinished large file remains;
/// [`failure`](Self::failure) looks inside.
///
/// # Errors of any call
///
/// The documentation of a call names the errors that are about what it does, and ends with "the errors of any
/// call". Those are the following, which every call that sends requests can fail with:
///
/// - [`NotAuthorized`](Self::NotAuthorized) before the account is authorized and after a logout;
///   [`NotAllowed`](Self::NotAllowed) if the key lacks the capability for one of the requests.
/// - [`InvalidCredentials`](Self::InvalidCredentials), [`Credentials`](Self::Credentials) and
///   [`AccountChanged`](Self::AccountChanged), because any call may find that its token has expired and has to
///   be replaced.
/// - [`CapExceeded`](Self::CapExceeded) for the account's cap of requests, and
///   [`BudgetExceeded`](Self::BudgetExceeded) for the budget of the program.
/// - [`Connection`](Self::Connection), [`Busy`](Self::Busy), [`UnexpectedReply`](Self::UnexpectedReply), and
///   [`Service`](Self::Service) for a refusal that has no variant.
/// - [`Store`](Self::Store) if the account-info store fails in a way that the call cannot do without.
/// - [`Cancelled`](Self::Cancelled) after the call's token was cancelled or the `B2Api` was shut down.
///
/// The request that failed may have taken effect after `Cancelled`, and where
/// [`is_answer_lost`](Self::is_answer_lost) is true; otherwise it has not. Earlier requests of the call may have
/// taken effect in any case.
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
    /// The file name breaks a rule of the service. Nothing was sent. Only names that a call would create are
    /// checked; files that exist under other names can be downloaded and deleted.
    #[error("the file name {} is not possible: {rule}", shortened(name))]
    InvalidFileName {
        /// The name that was given, in full.
        name: Box<str>,
        /// The rule that the name breaks.
        rule: NameRule,
    },
    /// A file was not saved because its name in the bucket must not become a local path: it would lead out of
    /// the directory, or the file system could not hold it. Nothing was written. Save the file under a name
    /// of your own with [`Download::save_to`](crate::Download::save_to).
    #[error(transparent)]
    UnsafeName(Box<UnsafeName>),
    /// An argument is not valid, or two of them contradict each other. The call sent nothing, except where an
    /// argument turned out to be wrong in view of what the service answered, such as a piece that is longer
    /// than its file. Repeating the call does not help.
    #[error("{what}: {reason}")]
    InvalidInput {
        /// The argument or option, such as `"part_size"`.
        what: &'static str,
        /// The reason why it is refused, with what is allowed.
        reason: Box<str>,
    },
    /// The local file or reader changed while it was being uploaded, or a reader ended before the length that
    /// was announced. No version was created from it. Upload it again when nothing writes to it.
    #[error("{} changed while it was being uploaded ({change}); upload it again when it is at rest", path.display())]
    SourceChanged {
        /// The path of the local file, or `<reader>`.
        path: Box<Path>,
        /// How the source differs from what it was at the beginning, for people.
        change: &'static str,
    },

    /// An upload or copy in parts failed, and an unfinished large file is left, whose parts are
    /// stored and billed. [`Error::failure`] returns what went wrong, and [`LargeFileLeft::why`] what the
    /// file is left for: to be resumed, or because it could not be cancelled. After any other error of such
    /// a call nothing is left that is billed; if the answer to starting the file was lost, there
    /// may be an unfinished file without parts.
    #[error(transparent)]
    LargeFileLeft(Box<LargeFileLeft>),

    // The account's owner can act.
    /// The account-info store holds no authorization: `authorize_account` was never called with it,
    /// or somebody logged out. Nothing was sent. Call
    /// [`authorize_account`](crate::B2Api::authorize_account).
    #[error("not authorized: call authorize_account first")]
    NotAuthorized,
    /// The service does not accept the application key. It is wrong, belongs to another realm, has expired or
    /// was deleted. The refusal is final and is not repeated; a call whose token is refused can fail with
    /// this, too, when its key no longer exists.
    #[error(
        "the application key was not accepted ({0}); check the key id, the key and the realm, and \
         whether the key has expired or was deleted"
    )]
    InvalidCredentials(Box<ServiceError>),
    /// The [`CredentialProvider`](crate::credentials::CredentialProvider) failed to supply an application
    /// key: a variable is not set, a command failed, a file cannot be read. Nothing was sent.
    #[error("the credential provider did not supply the application key")]
    Credentials {
        /// The error of the provider.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The application key lacks a capability, or is restricted to other buckets or names. Where the
    /// restriction is known and certain, nothing was sent; [`NotAllowed::service`] is `None` then. The message
    /// names what is missing and what the key may do.
    #[error("{0}")]
    NotAllowed(Box<NotAllowed>),
    /// A cap of the account is reached: of storage, of downloaded bytes or of requests. The owner of the
    /// account can raise it on Backblaze's web site; daily caps are reset at midnight UTC. The call is not
    /// repeated.
    #[error("a cap of the account is reached: {0}")]
    CapExceeded(Box<ServiceError>),

    // The object is not what was expected.
    /// The bucket does not exist, or the key cannot see it. A bucket that was deleted and created again under
    /// its name is found, and does not cause this error.
    #[error("there is no bucket {bucket:?} that this key can see")]
    BucketNotFound {
        /// The name or id that was requested.
        bucket: Box<str>,
        /// The service's answer; `None` if no request was needed to tell.
        service: Option<Box<ServiceError>>,
    },
    /// The file or version does not exist, or the file is hidden. Deleting fails with this also if the id and
    /// the name belong to different files.
    #[error("there is no file {}{}, or no such version of it", shortened(file), in_bucket(bucket.as_deref()))]
    FileNotFound {
        /// The name of the bucket; `None` if the call did not name one.
        bucket: Option<Box<str>>,
        /// The name or id that was requested.
        file: Box<str>,
        /// The service's answer; `None` if the file was missing in a listing.
        service: Option<Box<ServiceError>>,
    },
    /// A bucket has this name already, of this account or of another one: bucket names are unique among
    /// all accounts, without regard to case.
    /// [`get_or_create_bucket`](crate::B2Api::get_or_create_bucket) returns a bucket of this account instead.
    #[error(
        "the bucket name {name:?} is taken; open the bucket if it is yours, or choose another name, because \
         bucket names are unique among all accounts"
    )]
    BucketNameTaken {
        /// The name that was given.
        name: Box<str>,
        /// The service's answer.
        service: Box<ServiceError>,
    },
    /// Somebody else changed the bucket since its state was read. Nothing was changed by this call. Read the
    /// state again, and repeat the change on it; [`Bucket::modify`](crate::Bucket::modify) does so by itself.
    #[error("the bucket was changed by someone else in the meantime: {0}")]
    Conflict(Box<ServiceError>),
    /// The file is encrypted with a customer's key (SSE-C), and no key or a wrong key was given. No content
    /// was transferred. [`FileVersion::sse_c_key_id`](crate::FileVersion::sse_c_key_id) names the key if the
    /// uploader recorded it.
    #[error("{problem}{}", answer(service.as_deref()))]
    EncryptionKey {
        /// What is wrong with the key.
        problem: KeyProblem,
        /// The service's answer; `None` if the description of the file was enough to tell.
        service: Option<Box<ServiceError>>,
    },
    /// Object lock forbids the call: the version is under retention or legal hold. Nothing was changed. A
    /// retention in governance mode can be bypassed by a key with `bypassGovernance`; a retention in
    /// compliance mode cannot, and a legal hold has to be released first.
    #[error(
        "object lock protects the file {}, by a retention or a legal hold: {service}",
        shortened(file)
    )]
    Locked {
        /// The name of the file.
        file: Box<str>,
        /// The service's answer.
        service: Box<ServiceError>,
    },

    // The data is not what it should be.
    /// The bytes that arrived do not match the checksum that was recorded for the file. Do not use
    /// them. A download to a path leaves the path as it was; a writer or reader has the wrong bytes already.
    ///
    /// If it happens again, the record may be wrong: the SHA-1 of a large file is what its uploader said, and
    /// the service does not verify it.
    #[error(
        "the data has SHA-1 {actual}, but {expected} is recorded: it was damaged on its way, or the record is wrong"
    )]
    ChecksumMismatch {
        /// The recorded checksum.
        expected: Box<Sha1Digest>,
        /// The checksum of the bytes that arrived.
        actual: Box<Sha1Digest>,
    },
    /// The download ended early and could not be continued, although the rest was requested again as often as
    /// [`RetryPolicy`](crate::RetryPolicy) allows. With
    /// [`DownloadOptions::resume`](crate::DownloadOptions::resume) the next call continues it.
    #[error("the download ended after {actual} of {expected} bytes")]
    Truncated {
        /// The number of bytes that were expected.
        expected: u64,
        /// The number of bytes that arrived.
        actual: u64,
        /// The failure of the last connection.
        source: Option<Box<TransportError>>,
    },
    /// The requested range begins at or behind the end of the file, or the file is empty. A range that only
    /// ends behind the file is cut and is no error.
    #[error("the range lies outside the file: {0}")]
    RangeNotSatisfiable(Box<ServiceError>),

    // The service.
    /// The service is overloaded or has failed (status 408, 429 or 5xx), and still was after the call had been
    /// repeated as far as [`RetryPolicy`](crate::RetryPolicy) allows. Try again later;
    /// [`ServiceError::retry_after`] says when, if the service does. A pause that the service has asked for
    /// and that is longer than the policy allows fails the next calls of that kind without a request.
    #[error("the service cannot answer now: {0}")]
    Busy(Box<ServiceError>),
    /// The service refused the call for a reason that has no variant here. [`ServiceError::code`] tells the
    /// reason, and [`ErrorCode`](crate::error::ErrorCode) lists the known ones.
    #[error(fmt = with_hint)]
    Service(Box<ServiceError>),
    /// The service's answer cannot be understood, or is about something else than the request. Often a proxy
    /// or a captive portal has answered instead. The request may have taken effect.
    #[error(
        "the answer to {operation} cannot be understood; the service, or a proxy in between, does not speak this API"
    )]
    UnexpectedReply {
        /// The operation that was called.
        operation: Operation,
        /// What is wrong with the answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    // The network.
    /// The service could not be reached, or the connection broke, after as many attempts as make sense.
    /// [`TransportError::sent`] says whether the request may have taken effect, and
    /// [`TransportError::kind`] what failed.
    #[error(transparent)]
    Connection(Box<TransportError>),

    // This machine.
    /// A local file cannot be read, written or created, for example because the disk is full. A download
    /// leaves its path as it was, and removes its temporary file unless it can be resumed. An upload that finds
    /// no file descriptor left tries again, with pauses.
    #[error("cannot {action} {}{}", path.display(), descriptors_hint(source))]
    LocalFile {
        /// The action that failed: `"read"`, `"create"` and so on.
        action: &'static str,
        /// The path of the file or directory.
        path: Box<Path>,
        /// The underlying error.
        source: io::Error,
    },
    /// Reading from the reader, or writing to the writer, that the caller passed failed. An upload creates no
    /// version; a download has written some of its bytes.
    #[error("cannot {action} the stream that was passed in")]
    Stream {
        /// `"read"` or `"write"`.
        action: &'static str,
        /// The underlying error.
        source: io::Error,
    },
    /// The account-info file is damaged, or is not an account-info file. It was left as it is. Move it away
    /// and authorize again: everything in it can be had from the service.
    #[error("the account info in {} cannot be used: {reason}", path.display())]
    AccountInfoCorrupt {
        /// The path of the file.
        path: Box<Path>,
        /// What is wrong with the file, and what to do.
        reason: Box<str>,
    },
    /// A newer program wrote the account-info file in a form that this version of the crate cannot
    /// read. It was left as it is. Update this program, or use another file.
    #[error("the account info in {} was written by a newer program: {reason}", path.display())]
    AccountInfoTooNew {
        /// The path of the file.
        path: Box<Path>,
        /// What this version needs and the file lacks.
        reason: Box<str>,
    },
    /// The account-info store now belongs to another account, key or realm, because another program, or
    /// another part of this one, has authorized there. Nothing was sent, so that nothing of one account gets
    /// into another. Authorize again, or give each account a store of its own.
    #[error(
        "the account info was authorized for another account, key or realm in the meantime; call authorize_account again"
    )]
    AccountChanged,
    /// The account-info store failed, and the call could not continue without it. Most failures of a store are
    /// survived with a warning in the log, because what it cannot give is requested from the service.
    #[error("the account-info store failed")]
    Store(#[source] StoreError),

    // The caller asked for it.
    /// The [`RequestBudget`](crate::limits::RequestBudget) of the caller has no request of this
    /// class left. This request was not sent; earlier ones of the call may have been.
    #[error(
        "{operation} was not sent: the budget of {limit} requests of class {class:?} is used up"
    )]
    BudgetExceeded {
        /// The operation that was called.
        operation: Operation,
        /// The billing class of the operation.
        class: BillingClass,
        /// The number of requests that the budget allows.
        limit: u64,
    },
    /// The call's [`CancelToken`](crate::CancelToken) was cancelled, or the `B2Api` was shut down. A request
    /// that was being sent may have taken effect. An upload in parts has cancelled its unfinished file. If the
    /// file remains, because it can be resumed or because it could not be cancelled, as after a shutdown, the
    /// error is [`LargeFileLeft`](Self::LargeFileLeft) with this one inside: match on
    /// [`failure`](Self::failure).
    #[error("cancelled")]
    Cancelled,
}

/// The problem with the customer's key that a file was read with, in
/// [`Error::EncryptionKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The file needs a key, and none was given. Set the `encryption_key` of the options for the download, or
    /// the `source_encryption_key` of those for the copy.
    Missing,
    /// The file is encrypted with another key than the one that was given.
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
    use super::{Error, NameRule, StoreError};

    #[test]
    fn a_long_name_is_not_shown_whole_and_a_short_one_is() {
        let told = |name: &str| {
            let (name, rule) = (name.into(), NameRule::TooLong);
            Error::InvalidFileName { name, rule }.to_string()
        };
        assert!(told("é/x").contains("\"é/x\" is"));
        let message = told(&format!("start{}end", "é".repeat(2000)));
        assert!(message.len() < 500, "{message}");
        assert!(message.contains("\"start"), "{message}");
        assert!(message.contains("end\" (4008 bytes)"), "{message}");
    }

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
