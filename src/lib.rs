//! Client SDK for Backblaze B2 Cloud Storage.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod model;

pub use model::operation::{BillingClass, Operation};

#[cfg(feature = "simulator")]
pub mod simulator;
