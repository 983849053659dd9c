//! The tables of the store.
//!
//! The epoch of an account changes with its identity and with a logout, so that buckets and upload URLs
//! of before are out of reach at once. It is a random number: a counter would begin again after a loss
//! and bring back what unlogged tables kept. Upload URLs and their targets are found by SHA-256, because
//! a key of an index has a length limit.
//!
//! | table | one row for each | lost in a crash |
//! | --- | --- | --- |
//! | `b2_account` | account info: its authorization and its lease | no |
//! | `b2_bucket` | bucket that was looked up | no |
//! | `b2_upload_url` | upload URL that nobody uses | yes, it is unlogged: writing it costs no flush of the log |

/// Creates the tables that are missing.
pub(super) const TABLES: &str = r"
CREATE TABLE IF NOT EXISTS b2_account (
    name text PRIMARY KEY,
    identity text,
    generation bytea,
    auth text,
    epoch bigint NOT NULL,
    logged_out boolean NOT NULL DEFAULT false,
    ticket bigint,
    lease_ends timestamptz
);
CREATE TABLE IF NOT EXISTS b2_bucket (
    account text NOT NULL,
    epoch bigint NOT NULL,
    name text NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (account, epoch, name),
    UNIQUE (account, epoch, id)
);
CREATE UNLOGGED TABLE IF NOT EXISTS b2_upload_url (
    account text NOT NULL,
    target bytea NOT NULL,
    url_hash bytea NOT NULL,
    epoch bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    received bigint NOT NULL,
    url text NOT NULL,
    token text NOT NULL,
    PRIMARY KEY (account, target, url_hash)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX IF NOT EXISTS b2_upload_url_seq ON b2_upload_url (account, target, seq);
";

/// The number of the lock under which one process creates the tables while others wait.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(6214873950114552081)";
