//! Stores on real servers, which the tests start as child processes.
//!
//! Without the servers these tests cannot run, so they are ignored unless they are asked for:
//!
//! ```text
//! tests/scripts/test-servers.sh
//! ```
//!
//! The fleet is small at first; in full (8 processes of 3 clocks, 1,000 uploads each):
//!
//! ```text
//! B2SDK_FULL_ROUNDS=1 tests/scripts/test-servers.sh
//! ```
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "servers/certificates.rs"]
mod certificates;
#[path = "servers/connections.rs"]
mod connections;
#[path = "servers/fleet.rs"]
mod fleet;
#[path = "servers/forked.rs"]
mod forked;
#[path = "servers/postgres.rs"]
mod postgres;
#[path = "servers/postgres_server.rs"]
mod postgres_server;
#[path = "servers/proxy.rs"]
mod proxy;
#[path = "servers/redis.rs"]
mod redis;
#[path = "servers/redis_server.rs"]
mod redis_server;
#[path = "servers/server.rs"]
mod server;
#[path = "servers/worker.rs"]
mod worker;
