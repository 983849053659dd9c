//! Testing programs: a clock that a test moves, and the service's own test modes.
//!
//! [`TestMode`] asks the real service to let some requests fail;
//! [`B2ApiBuilder::test_mode`](crate::B2ApiBuilder::test_mode) sets it. `Clock` (feature `test-util`) makes
//! waits and time-outs pass without waiting. A whole service to test against is in the module `simulator`
//! (feature `simulator`).

#[cfg(feature = "test-util")]
pub use crate::control::clock::Clock;
pub use crate::http::config::TestMode;
