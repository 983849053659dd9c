//! Rules of a bucket: which web pages may read it (CORS), and when its files are hidden and deleted
//! (lifecycle).
//!
//! Both are set with [`CreateBucketOptions`](crate::CreateBucketOptions) or
//! [`UpdateBucketOptions`](crate::UpdateBucketOptions), always as a whole list;
//! [`Bucket::modify`](crate::Bucket::modify) changes one rule and keeps the others. Rules that break the
//! service's own rules are refused before anything is sent. The guide is
//! [`bucket_rules`](crate::guide::bucket_rules).

pub use crate::model::cors::{CorsOperation, CorsRule};
pub use crate::model::lifecycle::LifecycleRule;
