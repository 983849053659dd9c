//! What the service does by itself about once a day, and the simulator when a test asks for it:
//! lifecycle rules and replication. Also the creation of buckets and files that the native API
//! would refuse.

pub(crate) mod lifecycle;
pub(crate) mod planting;
pub(crate) mod replication;
