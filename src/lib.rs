//! Client SDK for Backblaze B2 Cloud Storage.
//!

// The README follows. Its code needs features, so it is tested with those only.
#![cfg_attr(
    any(not(doctest), all(feature = "sqlite", feature = "simulator")),
    doc = include_str!("../README.md")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod account_info;
mod api;
mod bucket;
mod client;
mod control;
mod error;
mod http;
mod model;
pub mod notifications;
pub mod raw;
pub mod replication;
mod session;
mod setters;
mod transfer;
mod wire;

pub use account_info::memory::InMemoryAccountInfo;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use account_info::sqlite::SqliteAccountInfo;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use account_info::sqlite::builder::SqliteAccountInfoBuilder;
pub use account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
pub use api::buckets::CreateBucketOptions;
pub use api::files::Parts;
pub use api::keys::{CreateKeyOptions, Keys};
pub use api::{B2Api, B2ApiBuilder};
pub use bucket::Bucket;
pub use bucket::delete::DeleteFileVersionOptions;
pub use bucket::delete_many::outcome::{FileIdAndName, RemovalFailed, RemovalOutcome, Removed};
pub use bucket::delete_many::removals::Removals;
pub use bucket::delete_many::{DeleteManyOptions, ListedVersions, Removal};
pub use bucket::list::{Entry, FileVersions, Ls, LsOptions, Versions};
pub use bucket::lock::UpdateFileRetentionOptions;
pub use bucket::settings::UpdateBucketOptions;
pub use bucket::unfinished::UnfinishedLargeFiles;
pub use control::cancel::CancelToken;
#[cfg(feature = "test-util")]
pub use control::clock::Clock;
pub use control::progress::{Progress, TransferId, TransferProgress, TransferStage};
pub use control::request_counts::{RequestBudget, RequestCounts};
pub use error::{
    Error, ErrorCode, KeyProblem, KeyRestriction, LargeFileLeft, NotAllowed, Result, Sent,
    ServiceError, StoreContext, StoreError, TransportError, TransportKind, WhyLeft,
};
pub use http::config::{TestMode, Timeouts};
pub use model::auth::{AccountAuth, Allowed, AllowedBucket, Capability, Identity};
pub use model::bucket::{BucketDetails, BucketType};
pub use model::cors::{CorsOperation, CorsRule};
pub use model::encryption::{Encryption, EncryptionAlgorithm, EncryptionInfo, EncryptionMode};
pub use model::file::{FileAction, FileVersion};
pub use model::file_info::FileInfo;
pub use model::filtered::Filtered;
pub use model::id::{AccountId, ApplicationKeyId, BucketId, FileId};
pub use model::key::{CreatedKey, KeyDetails};
pub use model::lifecycle::LifecycleRule;
pub use model::local_name::{LocalNameRules, UnsafeName, UnsafeNameReason};
pub use model::lock::{
    BucketRetention, DefaultRetention, FileLockConfiguration, FileRetention, LegalHold,
    RetentionMode, RetentionPeriod, RetentionUnit,
};
pub use model::name::NameRule;
pub use model::notification::{
    CustomHeader, EventNotification, EventNotificationRule, EventTarget, EventType, TargetType,
};
pub use model::operation::{BillingClass, Operation, UnknownName};
pub use model::part::Part;
pub use model::pattern::Filter;
pub use model::range::ByteRange;
pub use model::realm::Realm;
pub use model::replication::{
    ReplicationConfiguration, ReplicationDestination, ReplicationRule, ReplicationSource,
    ReplicationStatus,
};
pub use model::response_headers::ResponseHeaders;
pub use model::secret::{
    ApplicationKey, AuthToken, CustomHeaderValue, DownloadToken, SigningSecret, SseCustomerKey,
    UploadToken,
};
pub use model::sha1::{ContentSha1, InvalidSha1, Sha1Digest};
pub use model::time::{InvalidTimestamp, Timestamp};

pub use session::credentials::{
    CommandCredentials, CredentialError, CredentialProvider, Credentials, EnvironmentCredentials,
};
pub use session::retry::RetryPolicy;
pub use transfer::compose::piece::Piece;
pub use transfer::compose::{ComposeOptions, Overlap};
pub use transfer::copy::{CopyMetadata, CopyOptions};
pub use transfer::download::directory::LocalDirectory;
pub use transfer::download::file::Saved;
pub use transfer::download::reader::DownloadReader;
pub use transfer::download::{Download, DownloadOptions, Verification};
pub use transfer::new_file::LargeFileSha1;
pub use transfer::resume::Resume;
pub use transfer::upload::UploadOptions;
pub use transfer::uploaded::Uploaded;

#[cfg(feature = "simulator")]
pub mod simulator;

// The tutorial: only a page of the documentation, and tests.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/tutorial.md")]
pub mod tutorial {}

// Large files: the same.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/transfers.md")]
pub mod transfers {}

// Keys, listing, deleting many, sharing: the same.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/keys-and-listing.md")]
pub mod keys_and_listing {}

// Rules of a bucket: the same.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/bucket-rules.md")]
pub mod bucket_rules {}

// Encryption and object lock: the same.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/encryption-and-lock.md")]
pub mod encryption_and_lock {}

// What is known of the wire: only a page of the documentation, and no examples.
#[cfg(doc)]
#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}
