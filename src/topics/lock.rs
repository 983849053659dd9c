//! Object lock: retention, legal holds, and the defaults of a bucket.
//!
//! A *retention* keeps a version from being deleted until a time: in the mode `governance` unless a key with
//! the capability `bypassGovernance` insists, in the mode `compliance` without exception. A *legal hold* does
//! so until it is released. Both apply to single versions; new versions and hide markers are always possible.
//! A locked version is stored and billed as long as it is locked.
//!
//! The guide is [`encryption_and_lock`](crate::guide::encryption_and_lock).

pub use crate::bucket::lock::UpdateFileRetentionOptions;
pub use crate::model::lock::{
    BucketRetention, DefaultRetention, FileLockConfiguration, FileRetention, LegalHold,
    RetentionMode, RetentionPeriod, RetentionUnit,
};
