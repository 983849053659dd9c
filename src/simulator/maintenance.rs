//! What the service does by itself about once a day, and the simulator when it is asked to:
//! lifecycle rules and replication. And what tests put into an account past its rules.

pub(crate) mod lifecycle;
pub(crate) mod planting;
pub(crate) mod replication;
