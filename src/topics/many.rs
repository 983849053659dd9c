//! Transferring many files: options, files and results.
//!
//! [`Bucket::upload_many`](crate::Bucket::upload_many) and
//! [`Bucket::download_many`](crate::Bucket::download_many) return [`Transfers`], an iterator that transfers
//! several files at a time while it is read.

pub use crate::bucket::transfer_many::files::{FileToDownload, FileToUpload};
pub use crate::bucket::transfer_many::{
    TransferFailed, TransferManyOptions, Transferred, Transfers,
};
