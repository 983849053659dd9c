//! The tests that see the crate as its users do: through its public names, over HTTP, against the
//! simulator and its request log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod account_info;
mod auth;
mod awkward;
mod buckets;
mod cancel;
mod compose;
mod compose_faults;
mod compose_progress;
mod compose_resume;
mod compose_settings;
mod copy;
mod copy_settings;
mod credentials;
mod delete_many;
mod download;
mod download_faults;
mod download_names;
mod download_progress;
mod download_ranges;
mod download_resume;
mod encryption;
mod endpoints;
mod errors;
mod expect;
mod guidelines;
mod house;
mod keys;
mod large;
mod limits;
mod listing;
mod lock;
mod notifications;
mod parity;
mod persistence;
mod pitfalls;
mod processes;
mod raw;
mod replication;
mod retry;
mod rules;
mod secrets;
mod share;
mod simulator_admin;
mod simulator_caps;
mod simulator_faults;
mod simulator_fidelity;
#[cfg(unix)]
mod simulator_program;
mod simulator_test_mode;
mod support;
mod tutorial;
mod upload;
mod upload_faults;
