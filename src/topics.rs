//! The public modules by topic. Each only names what is defined elsewhere, so that the front page of the
//! documentation stays short.

pub mod compose;
pub mod credentials;
pub mod delete;
pub mod encryption;
pub mod keys;
pub mod limits;
pub mod listing;
pub mod local;
pub mod lock;
pub mod many;
pub mod progress;
pub mod rules;
pub mod streams;
pub mod testing;
