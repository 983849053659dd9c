//! For testing programs: a clock that a test moves, and the service's test modes.
//!
//! The simulator is the module `simulator` (feature `simulator`).

#[cfg(feature = "test-util")]
pub use crate::control::clock::Clock;
pub use crate::http::config::TestMode;
