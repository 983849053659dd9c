//! What the service does by itself about once a day, and the simulator when it is asked to:
//! lifecycle rules and replication.

pub(crate) mod lifecycle;
pub(crate) mod replication;
