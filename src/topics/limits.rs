//! What requests cost, how to bound them, and how many workers move data.
//!
//! Backblaze bills requests by their [`BillingClass`]. A [`RequestBudget`] stops a program before it sends more
//! requests of a class than it should, and [`RequestCounts`] tells how many were sent.
//!
//! Threads, memory and bandwidth are limited at the [`B2Api`](crate::B2Api) itself:
//! [`set_workers`](crate::B2Api::set_workers), [`memory_limit`](crate::B2ApiBuilder::memory_limit),
//! [`set_upload_limit`](crate::B2Api::set_upload_limit) and
//! [`set_download_limit`](crate::B2Api::set_download_limit).

pub use crate::control::adaptive::Workers;
pub use crate::control::request_counts::{RequestBudget, RequestCounts};
pub use crate::model::operation::BillingClass;
