//! The values of B2: ids, files, buckets, keys, and the rules they follow. Pure data: nothing here
//! knows of requests, stores or time.

pub(crate) mod auth;
pub(crate) mod bucket;
pub(crate) mod cors;
pub(crate) mod encryption;
pub(crate) mod file;
pub(crate) mod file_info;
pub(crate) mod filtered;
pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod lenient;
pub(crate) mod lifecycle;
pub(crate) mod local_name;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod notification;
pub(crate) mod open_enum;
pub(crate) mod operation;
pub(crate) mod part;
pub(crate) mod pattern;
pub(crate) mod prefix;
pub(crate) mod range;
pub(crate) mod realm;
pub(crate) mod replication;
pub(crate) mod response_headers;
pub(crate) mod secret;
pub(crate) mod sha1;
pub(crate) mod time;
