//! Server-side encryption: with keys that the service manages (SSE-B2), or with a key of the customer
//! (SSE-C).
//!
//! [`Encryption`] is what an upload, a copy or a bucket's default asks for, and [`EncryptionInfo`] is what the
//! service reports about a file. The guide is [`encryption_and_lock`](crate::guide::encryption_and_lock).

pub use crate::model::encryption::{
    Encryption, EncryptionAlgorithm, EncryptionInfo, EncryptionMode,
};
pub use crate::model::secret::SseCustomerKey;
