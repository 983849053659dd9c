//! Other people's clients against the simulator, and against files of this crate's: proof from
//! outside that the simulator is B2 enough and that what we store is what everybody reads.
//!
//! The tests are ignored by default because they need programs that a checkout does not bring:
//!
//! ```text
//! bash tests/scripts/install-clients.sh
//! cargo test --all-features --test interop_clients -- --ignored
//! ```
//!
//! A test whose client is missing fails and says so. Each client runs in a home directory of its
//! own; nothing of the user's is read or written.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "interop_clients/account_file.rs"]
mod account_file;
#[path = "interop_clients/command_line.rs"]
mod command_line;
#[path = "interop_clients/curl.rs"]
mod curl;
#[path = "interop_clients/exchange.rs"]
mod exchange;
#[path = "interop_clients/python.rs"]
mod python;
#[path = "interop_clients/rclone.rs"]
mod rclone;
#[path = "interop_clients/recipes.rs"]
mod recipes;
#[path = "interop_clients/simulator_program.rs"]
mod simulator_program;
#[path = "interop_clients/support.rs"]
mod support;
#[path = "interop_clients/sync.rs"]
mod sync;
