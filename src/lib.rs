//! Client SDK for Backblaze B2 Cloud Storage.
//!

// The README follows, its links leading to pages of this documentation (see `guide`). Its code needs
// features, so it is tested with those only.
#![cfg_attr(
    any(not(doctest), all(feature = "sqlite", feature = "simulator")),
    doc = include_str!("../docs/rustdoc-links.txt"),
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
pub use transfer::download::file::Saved;
pub use transfer::download::options::DownloadOptions;
pub use transfer::download::reader::DownloadReader;
pub use transfer::download::{Download, Verification};
pub use transfer::new_file::LargeFileSha1;
pub use transfer::options::{CopyMetadata, CopyOptions, UploadOptions};
pub use transfer::resume::Resume;
pub use transfer::uploaded::Uploaded;

pub use topics::{
    compose, credentials, delete, encryption, keys, limits, listing, local, lock, many, progress,
    rules, streams, testing,
};

#[cfg(feature = "simulator")]
pub mod simulator;

// Pages of the documentation, without code.
#[cfg(doc)]
pub mod guide;
