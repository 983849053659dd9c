//! Application keys: what they are allowed to do, creating and listing them.
//!
//! [`B2Api::create_key`](crate::B2Api::create_key) creates a key with [`Capability`]s and
//! [`CreateKeyOptions`]; [`B2Api::allowed`](crate::B2Api::allowed) tells what the key in use may do.
//!
//! A key is a pair: an id, which is no secret, and the key itself, which the service shows once. It can be
//! restricted to buckets, to names that begin with a prefix, and to a time. Give each program a key of its
//! own with the capabilities that it needs, so that a lost key can be deleted without stopping the others.
//! The guide is [`keys_and_listing`](crate::guide::keys_and_listing).

pub use crate::api::keys::{CreateKeyOptions, Keys};
pub use crate::model::auth::{Allowed, AllowedBucket, Capability};
pub use crate::model::key::{CreatedKey, KeyDetails};
