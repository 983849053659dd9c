//! The tests that see the crate as its users do: through its public names, over HTTP, against the
//! simulator and its request log.
#![allow(clippy::disallowed_methods, reason = "tests may read the time")]

mod auth;
mod buckets;
mod cancel;
mod download;
mod errors;
mod house;
mod listing;
mod persistence;
mod retry;
mod secrets;
mod support;
mod tutorial;
mod upload;
