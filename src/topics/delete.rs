//! Options and results of deleting file versions, one or many.
//!
//! [`Bucket::delete_file_version`](crate::Bucket::delete_file_version) deletes one version, and
//! [`Bucket::delete_all_versions`](crate::Bucket::delete_all_versions) all versions of one name.
//! [`Bucket::delete_many`](crate::Bucket::delete_many) deletes what a listing yields, and
//! [`Bucket::delete_versions`](crate::Bucket::delete_versions) deletes the versions that the caller names;
//! both return [`Deletions`], an iterator that deletes several versions at a time while it is read.

pub use crate::bucket::delete::DeleteFileVersionOptions;
pub use crate::bucket::delete_many::deletions::Deletions;
pub use crate::bucket::delete_many::outcome::{
    DeleteFailed, DeleteOutcome, Deleted, FileIdAndName,
};
pub use crate::bucket::delete_many::{DeleteManyOptions, DeleteMode, ListedVersions};
