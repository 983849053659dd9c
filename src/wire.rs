//! The envelopes of requests and answers, exactly as they travel (docs/protocol.md, section 2).
//! Nothing is computed here. `crate::raw` makes them public.

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

/// For `serialize_with`: values that travel as the text that they display.
fn as_text<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// For `serialize_with`: a time that travels as text, in decimal milliseconds.
fn as_decimal<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time.to_decimal()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
