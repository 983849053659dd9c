//! The tests that see the crate as its users do: through its public names, over HTTP, against the
//! simulator and its request log.

mod account_info;
mod auth;
mod download;
mod house;
mod processes;
mod support;
mod tutorial;
mod upload;
