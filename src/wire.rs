//! The envelopes of requests and answers, exactly as they travel (reference section 2). Nothing is
//! computed here.

pub(crate) mod auth;
pub(crate) mod bucket;
pub(crate) mod copy;
pub(crate) mod encryption;
pub(crate) mod file;
pub(crate) mod key;
pub(crate) mod large_file;
pub(crate) mod lock;
pub(crate) mod notification;
pub(crate) mod share;
pub(crate) mod upload;

#[cfg(test)]
mod tests;
