//! Object lock: retention, legal holds, and the defaults of a bucket.
//!
//! The guide is [`encryption_and_lock`](crate::guide::encryption_and_lock).

pub use crate::bucket::lock::UpdateFileRetentionOptions;
pub use crate::model::lock::{
    BucketRetention, DefaultRetention, FileLockConfiguration, FileRetention, LegalHold,
    RetentionMode, RetentionPeriod, RetentionUnit,
};
