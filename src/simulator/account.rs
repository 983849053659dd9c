//! What one simulated account is: its records, how they are indexed and kept, and what protects and
//! limits them. Requests are judged and answered in [`api`](super::api).

pub(crate) mod blob;
pub(crate) mod caps;
pub(crate) mod checksums;
pub(crate) mod encryption;
pub(crate) mod keyring;
pub(crate) mod lock;
pub(crate) mod records;
pub(crate) mod replication_rules;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod stored;
pub(crate) mod test_mode;
pub(crate) mod world;
