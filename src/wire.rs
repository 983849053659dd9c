//! The bodies of requests and answers, exactly as they are sent (docs/protocol.md, section 2).
//! Nothing is computed here; `crate::raw` makes the types public.
//!
//! Three rules hold for all of them. A request never contains a member that was not set, because
//! the service may treat `null` and a missing member differently. An answer is read even if members
//! are missing, `null` or unknown; unknown ones are kept in `extra`. In a list, a row that cannot
//! be read is left out with a warning, so that one odd row does not hide the others.
//!
//! | in a request | how it travels |
//! | --- | --- |
//! | an option that was not set | not at all |
//! | an empty list of rules | not at all when a bucket is created; as an empty list, which removes the rules, when it is updated |
//! | a time to set | decimal text in `customUploadTimestamp`, a number elsewhere |
//! | a range | the text of a `Range` header |
//! | a retention to remove | both members as `null` |
//! | a secret | through `expose`, in a type without `Debug` or with one that hides it |
//!
//! Each endpoint has recorded bodies in `fixtures/wire`, against which the types are tested, also
//! with members left out, set to `null` and added.

use std::fmt::Display;

use serde::Serializer;

use crate::model::time::Timestamp;

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

/// Serializes a value as the text that it displays, for `serialize_with`.
fn as_text<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Serializes a time as text, in decimal milliseconds, for `serialize_with`.
fn as_decimal<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time.to_decimal()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
