//! Event notification rules (docs/protocol.md, sections 2.30 and 2.31).
//!
//! The rules contain secrets, so the types of the model cannot be serialized. The private forms
//! here can, and do not implement `Debug`.

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
    pub(crate) bucket_id: &'a BucketId,
}

/// The body of `b2_set_bucket_notification_rules`, which replaces all rules.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetNotificationRulesRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
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
    name: &'a str,
    event_types: &'a [EventType],
    object_name_prefix: &'a str,
    is_enabled: bool,
    target_configuration: TargetForm<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events_per_batch: Option<u32>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// The target of a rule, with its secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetForm<'a> {
    target_type: &'a TargetType,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_headers: Option<Vec<HeaderForm<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac_sha256_signing_secret: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// A header that the service sends to the target.
#[derive(Serialize)]
struct HeaderForm<'a> {
    name: &'a str,
    value: &'a str,
}

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
