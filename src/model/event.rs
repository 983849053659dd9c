//! An event that a webhook received (docs/protocol.md, section 3.8).
//!
//! Only the id and the type are required; a test event has neither a file nor its size.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::model::id::{AccountId, BucketId, FileId};
use crate::model::lenient::{Row, null_is_default};
use crate::model::notification::EventType;
use crate::model::time::Timestamp;

/// An event that a webhook received. Events may arrive more than once and in any order; a repeated
/// event has an equal [`event_id`](Self::event_id).
///
/// Members that this version of the crate does not know are in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventNotification {
    /// The id of the event. A repetition of the event has the same id.
    #[serde(deserialize_with = "text_or_number")]
    pub event_id: String,
    /// The type of the event: what happened to the file. It is always a single type, never a whole family.
    pub event_type: EventType,
    /// When the event happened, by the service's clock. Events do not arrive in this order.
    #[serde(default, deserialize_with = "null_is_default")]
    pub event_timestamp: Timestamp,
    /// The version of the event's format, which the service documents as 1.
    #[serde(default, deserialize_with = "null_is_default")]
    pub event_version: u32,
    /// The name of the rule that caused the delivery; empty if the service does not say.
    #[serde(default, deserialize_with = "null_is_default")]
    pub matched_rule_name: String,
    /// The id of the account that owns the bucket.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// The id of the bucket that the file is in.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The name of the bucket that the file is in.
    #[serde(default, deserialize_with = "null_is_default")]
    pub bucket_name: String,
    /// The name of the file; `None` for a test event.
    #[serde(default)]
    pub object_name: Option<String>,
    /// The size of the file in bytes; `None` if it was hidden or deleted, and for a test event.
    #[serde(default)]
    pub object_size: Option<u64>,
    /// The id of the version that the event is about; `None` for a test event.
    #[serde(default)]
    pub object_version_id: Option<FileId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Row for EventNotification {
    const REQUIRED: &'static [&'static str] = &["eventId", "eventType"];

    fn extra_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }
}

impl EventNotification {
    /// The required member that keeps this event from being read; `None` if it is not an object.
    pub(crate) fn unreadable_member(event: &Value) -> Option<&'static str> {
        let members = event.as_object()?;
        let id = members.get("eventId").map(text_or_number);
        Some(match id {
            Some(Ok(_)) => "eventType",
            _ => "eventId",
        })
    }
}

/// An id that may come as a number.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("an id is text")),
    }
}
