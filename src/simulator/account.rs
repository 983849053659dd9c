//! The state of one simulated account: its records, their indexes and their storage, and the rules
//! that protect and limit them. [`api`](super::api) judges and answers requests.

pub(crate) mod blob;
pub(crate) mod caps;
pub(crate) mod checksums;
pub(crate) mod encryption;
pub(crate) mod keyring;
pub(crate) mod lock;
pub(crate) mod records;
pub(crate) mod replication_rules;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod stored;
pub(crate) mod test_mode;
pub(crate) mod world;
