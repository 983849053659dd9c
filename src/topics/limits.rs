//! What requests cost, how to bound them, and how many workers move data.
//!
//! Backblaze bills requests by their [`BillingClass`]. A [`RequestBudget`] stops a program before it sends more
//! requests of a class than it should, and [`RequestCounts`] tells how many were sent.

pub use crate::control::adaptive::Workers;
pub use crate::control::request_counts::{RequestBudget, RequestCounts};
pub use crate::model::operation::BillingClass;
