//! The values of B2: ids, files, buckets, keys, and the rules they follow. Pure data: nothing here
//! knows of requests, stores or time.

pub(crate) mod operation;
