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
pub mod error;
mod http;
mod model;
pub mod notifications;
pub mod raw;
pub mod replication;
mod session;
mod setters;
pub mod sync;
mod topics;
mod transfer;
mod wire;

pub use account_info::memory::InMemoryAccountInfo;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use account_info::sqlite::SqliteAccountInfo;
pub use api::buckets::CreateBucketOptions;
pub use api::{B2Api, B2ApiBuilder};
pub use bucket::Bucket;
pub use bucket::list::{Entry, LsOptions, Versions};
pub use bucket::settings::UpdateBucketOptions;
pub use control::cancel::CancelToken;
pub use error::kinds::{Error, Result};
pub use http::config::Timeouts;
pub use model::bucket::{BucketDetails, BucketType};
pub use model::file::{FileAction, FileVersion};
pub use model::file_info::FileInfo;
pub use model::filtered::Filtered;
pub use model::id::{AccountId, ApplicationKeyId, BucketId, FileId};
pub use model::operation::Operation;
pub use model::range::ByteRange;
pub use model::response_headers::ResponseHeaders;
pub use model::sha1::{ContentSha1, Sha1Digest};
pub use model::time::Timestamp;
pub use session::retry::RetryPolicy;
pub use transfer::copy::{CopyMetadata, CopyOptions};
pub use transfer::download::file::Saved;
pub use transfer::download::reader::DownloadReader;
pub use transfer::download::{Download, DownloadOptions, Verification};
pub use transfer::new_file::LargeFileSha1;
pub use transfer::resume::Resume;
pub use transfer::upload::UploadOptions;
pub use transfer::uploaded::Uploaded;

pub use topics::{
    compose, credentials, delete, encryption, keys, limits, listing, local, lock, progress, rules,
    testing,
};

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

// Synchronizing: the same.
#[cfg(all(doc, feature = "sqlite", feature = "simulator", feature = "test-util"))]
#[doc = include_str!("../docs/sync.md")]
pub mod synchronizing {}

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
