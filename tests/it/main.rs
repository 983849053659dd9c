//! The tests that see the crate as its users do: through its public names, over HTTP, against the
//! simulator and its request log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod account_info;
mod auth;
mod bucket_rules;
mod buckets;
mod cancel;
mod compose;
mod compose_faults;
mod compose_progress;
mod compose_resume;
mod compose_settings;
mod connection_memory;
#[cfg(feature = "mime-guess")]
mod content_types;
mod copy;
mod copy_settings;
mod credentials;
mod delete_many;
mod descriptors;
mod download;
mod download_faults;
mod download_names;
mod download_progress;
mod download_ranges;
mod download_replaced;
mod download_resume;
mod download_writer;
mod encryption;
mod endpoints;
mod errors;
mod expect_continue;
mod false_success;
mod growing;
// It lists the public types, those of all features.
#[cfg(all(feature = "postgres", feature = "redis", feature = "regex"))]
mod guidelines;
mod keys;
mod large;
mod layers;
mod liars;
mod limits;
mod links;
mod listing;
mod lock;
mod lost_answers;
mod notifications;
mod odd_rows;
mod odd_values;
mod parity;
mod persistence;
mod processes;
mod proxy;
mod raw;
mod remote_file;
mod replication;
mod request_counts;
mod retry;
mod secrets;
mod share;
mod simulator_admin;
mod simulator_caps;
mod simulator_dispositions;
mod simulator_document;
mod simulator_faults;
mod simulator_fidelity;
#[cfg(unix)]
mod simulator_program;
mod simulator_recipe;
mod simulator_settings;
mod simulator_test_mode;
mod simulator_tls;
mod spans;
mod stopping;
mod support;
mod sync;
#[cfg(feature = "system-roots")]
mod system_roots;
mod threads;
mod tls;
mod transfer_many;
mod tutorial;
mod unsendable;
mod upload;
mod upload_changes;
mod upload_faults;
mod upload_matrix;
mod upload_writer;
mod where_is;
mod words;
mod wrong_sha1;
