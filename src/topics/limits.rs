//! What requests cost, and how to bound them.
//!
//! Backblaze bills requests by their [`BillingClass`]. A [`RequestBudget`] stops a program before it sends more
//! requests of a class than it should, and [`RequestCounts`] tells how many were sent.

pub use crate::control::request_counts::{RequestBudget, RequestCounts};
pub use crate::model::operation::BillingClass;
