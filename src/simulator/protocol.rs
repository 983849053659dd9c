//! The forms of the native API: requests and replies, JSON fields, encodings, ids, and the rules
//! for names. Nothing here knows what an account holds.

pub(crate) mod decode;
pub(crate) mod host;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod reply;
