//! Replication between two buckets, of one account or two: setting it up, and seeing how far it is.
//!
//! Setting up is, when nothing is there yet: both buckets' details, a key for each bucket, then the
//! destination is told which key to accept, and the source is given the rule - in this order, so that
//! no rule ever leads to a bucket that does not accept it. What is there already is used, so the same
//! call after a failure goes on where it broke off.
//!
//! ```
//! # #[cfg(feature = "simulator")] {
//! # let service = b2sdk::simulator::Simulator::start()?;
//! # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
//! # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
//! use b2sdk::BucketType;
//! use b2sdk::replication::{Monitor, set_up};
//!
//! let east = b2_api.create_bucket("example-east-b2-1", BucketType::AllPrivate)?;
//! let west = b2_api.create_bucket("example-west-b2-1", BucketType::AllPrivate)?;
//! let replication = set_up(&east, &west)?;
//! east.upload_bytes(b"hello", "hello.txt")?;
//! # service.run_replication()?;
//! // Some time later:
//! let report = Monitor::new(&east, &replication.rule).destination(&west).scan()?;
//! assert!(report.is_complete());
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod monitor;
mod options;
mod plan;
mod report;
mod setup;

pub use self::monitor::{Monitor, Pair, Pairs};
pub use self::options::SetupOptions;
pub use self::report::{Count, PairState, Report, Side};
pub use self::setup::{Replication, set_up, set_up_with};
pub use crate::model::replication::{
    ReplicationConfiguration, ReplicationDestination, ReplicationRule, ReplicationSource,
    ReplicationStatus,
};
