//! How far a transfer is: the receiver of progress, and what it receives.
//!
//! Give a [`Progress`] receiver to the options of an upload, a download, a copy or a composition. Any closure
//! that takes a [`&TransferProgress`](TransferProgress) is one.

pub use crate::control::progress::{Progress, TransferId, TransferProgress, TransferStage};
