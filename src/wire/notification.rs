//! Event notification rules (docs/protocol.md, sections 2.30 and 2.31).
//!
//! The rules contain secrets, so the types of the model cannot be serialized. The private forms
//! here can, and do not implement `Debug`.
//!
//! There is no request for a single rule: the rules of a bucket are read, changed and written back
//! as a whole, and an empty list removes all of them. Two programs that do so at the same time
//! overwrite each other's change, because the request has no revision.
//!
//! | in a rule | when it is sent |
//! | --- | --- |
//! | `isSuspended`, `suspensionReason` | left out: the service sets them |
//! | members that this version of the crate has no field for | sent back as they came |
//! | a signing secret that was not set | left out |
//! | custom headers that were not set | left out |
//! | the whole rule, if it could not be read | sent back as it came |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::id::BucketId;
use crate::model::lenient;
use crate::model::notification::{
    CustomHeader, EventNotificationRule, EventTarget, EventType, TargetType,
};

/// The body of `b2_get_bucket_notification_rules`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetNotificationRulesRequest<'a> {
    /// The bucket whose rules are wanted.
    pub(crate) bucket_id: &'a BucketId,
}

/// The body of `b2_set_bucket_notification_rules`, which replaces all rules.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetNotificationRulesRequest<'a> {
    /// The bucket whose rules are replaced.
    pub(crate) bucket_id: &'a BucketId,
    /// All rules that the bucket is to have.
    pub(crate) event_notification_rules: Vec<KeptRule<'a>>,
}

/// The answer to
/// [`b2_get_bucket_notification_rules`](crate::guide::protocol#230-b2_get_bucket_notification_rules)
/// and
/// [`b2_set_bucket_notification_rules`](crate::guide::protocol#231-b2_set_bucket_notification_rules).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NotificationRulesResponse {
    /// The id of the bucket.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The bucket's rules.
    #[serde(deserialize_with = "lenient::rules")]
    pub event_notification_rules: Vec<EventNotificationRule>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A rule to send. One that could not be read is sent back as it came, so that it is not lost.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum KeptRule<'a> {
    /// A rule that this crate understands.
    Readable(Box<RuleForm<'a>>),
    /// A rule in a form that this crate does not understand.
    Unreadable(&'a Value),
}

/// Borrows from the rule; nothing is copied.
impl<'a> From<&'a EventNotificationRule> for KeptRule<'a> {
    fn from(rule: &'a EventNotificationRule) -> Self {
        match rule.unreadable() {
            Some(value) => Self::Unreadable(value),
            None => Self::Readable(Box::new(rule.into())),
        }
    }
}

/// A rule in the form that the service accepts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleForm<'a> {
    /// The name of the rule.
    name: &'a str,
    /// The events that the rule is about.
    event_types: &'a [EventType],
    /// The prefix of the names that the rule is about; empty for all.
    object_name_prefix: &'a str,
    /// Whether events are sent at present.
    is_enabled: bool,
    /// Where events are sent.
    target_configuration: TargetForm<'a>,
    /// How many events one request to the target may contain; left out if it was not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events_per_batch: Option<u32>,
    /// Members without a field, in the object itself.
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// The target of a rule, with its secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetForm<'a> {
    /// The kind of target.
    target_type: &'a TargetType,
    /// The URL of the target; left out if it is empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    /// Headers that the service adds to its requests, with their secret values.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_headers: Option<Vec<HeaderForm<'a>>>,
    /// The secret that the service signs its requests with.
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac_sha256_signing_secret: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// A header that the service sends to the target.
#[derive(Serialize)]
struct HeaderForm<'a> {
    /// The name of the header.
    name: &'a str,
    /// The value, which may be a secret.
    value: &'a str,
}

/// Every field of the rule is named, so that one that is added later cannot be forgotten here.
impl<'a> From<&'a EventNotificationRule> for RuleForm<'a> {
    fn from(rule: &'a EventNotificationRule) -> Self {
        let EventNotificationRule {
            name,
            event_types,
            object_name_prefix,
            is_enabled,
            target_configuration,
            max_events_per_batch,
            // The service sets these two. They are not part of a rule.
            is_suspended: _,
            suspension_reason: _,
            extra,
            origin: _,
        } = rule;
        Self {
            name,
            event_types,
            object_name_prefix,
            is_enabled: *is_enabled,
            target_configuration: target_configuration.into(),
            max_events_per_batch: *max_events_per_batch,
            extra,
        }
    }
}

/// Exposes the secrets of a target. The form has no `Debug` and lives as long as the request.
impl<'a> From<&'a EventTarget> for TargetForm<'a> {
    fn from(target: &'a EventTarget) -> Self {
        let EventTarget {
            target_type,
            url,
            custom_headers,
            hmac_sha256_signing_secret,
            extra,
        } = target;
        let header = |CustomHeader { name, value }: &'a CustomHeader| HeaderForm {
            name,
            value: value.expose(),
        };
        Self {
            target_type,
            url,
            custom_headers: custom_headers
                .as_ref()
                .map(|headers| headers.iter().map(header).collect()),
            hmac_sha256_signing_secret: hmac_sha256_signing_secret
                .as_ref()
                .map(|secret| secret.expose()),
            extra,
        }
    }
}
