//! Replication between two buckets, of one account or of two: setting it up, and seeing how far it is.
//!
//! [`set_up`] configures both buckets and creates the application keys that they need. [`Monitor`] compares
//! the two buckets and reports which files are not replicated yet.
//!
//! Setting up takes these requests, in an order in which no rule ever leads to a bucket that does not
//! accept it: the details of both buckets; a key for each bucket; the destination gets the key to
//! accept; the source is given the rule. Whatever exists already is used, so repeating the call after a
//! failure completes the setup.
//!
//! ```
//! # #[cfg(feature = "simulator")] {
//! # let service = b2sdk::simulator::Simulator::start().unwrap();
//! # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
//! # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
//! use b2sdk::BucketType;
//! use b2sdk::replication::{Monitor, set_up};
//!
//! let east = b2_api.create_bucket("example-east-b2-1", BucketType::AllPrivate)?;
//! let west = b2_api.create_bucket("example-west-b2-1", BucketType::AllPrivate)?;
//! let replication = set_up(&east, &west)?;
//! east.upload_bytes(b"hello", "hello.txt")?;
//! # service.run_replication().unwrap();
//! // Some time later:
//! let report = Monitor::new(&east, &replication.rule).destination(&west).scan()?;
//! assert!(report.is_complete());
//! # }
//! # Ok::<_, b2sdk::Error>(())
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
