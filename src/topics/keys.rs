//! Application keys: what they are allowed to do, creating and listing them.
//!
//! [`B2Api::create_key`](crate::B2Api::create_key) creates a key with [`Capability`]s and
//! [`CreateKeyOptions`]; [`B2Api::allowed`](crate::B2Api::allowed) tells what the key in use may do.
//! The guide is [`keys_and_listing`](crate::guide::keys_and_listing).

pub use crate::api::keys::{CreateKeyOptions, Keys};
pub use crate::model::auth::{Allowed, AllowedBucket, Capability};
pub use crate::model::key::{CreatedKey, KeyDetails};
