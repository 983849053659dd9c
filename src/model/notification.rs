//! Event notification rules of a bucket (docs/protocol.md, section 3.8); `event` is what a webhook
//! receives.
//!
//! Events arrive at least once and in no particular order, so a receiver compares `event_id`. Rules
//! that the service returned are written back as they were, with their secrets, also if they cannot
//! be read.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::lenient::{RuleOrigin, kept_rule, null_is_default};
use crate::model::open_enum::open_enum;
use crate::model::prefix::overlapping;
use crate::model::secret::{CustomHeaderValue, SigningSecret};

/// How many rules a bucket may have.
const MAX_RULES: usize = 25;
/// The most events in one request to a webhook.
const MAX_EVENTS_PER_BATCH: u32 = 50;
/// How many headers of its own a target may have.
const MAX_CUSTOM_HEADERS: usize = 10;
/// Of all names and values together.
const MAX_CUSTOM_HEADER_BYTES: usize = 2048;
/// The length of a signing secret, in characters.
const SECRET_LENGTH: usize = 32;

open_enum! {
    /// The type of an event. A type that ends in `*` stands for all types of its family.
    EventType {
        /// A file was created, in any way.
        ObjectCreatedAny = "b2:ObjectCreated:*",
        /// A small file was uploaded.
        ObjectCreatedUpload = "b2:ObjectCreated:Upload",
        /// A large file was finished.
        ObjectCreatedMultipartUpload = "b2:ObjectCreated:MultipartUpload",
        /// A file was copied.
        ObjectCreatedCopy = "b2:ObjectCreated:Copy",
        /// A small file was replicated into the bucket.
        ObjectCreatedReplica = "b2:ObjectCreated:Replica",
        /// A large file was replicated into the bucket.
        ObjectCreatedMultipartReplica = "b2:ObjectCreated:MultipartReplica",
        /// A file version was deleted, in any way.
        ObjectDeletedAny = "b2:ObjectDeleted:*",
        /// A call deleted a file version.
        ObjectDeletedDelete = "b2:ObjectDeleted:Delete",
        /// A lifecycle rule deleted a file version.
        ObjectDeletedLifecycleRule = "b2:ObjectDeleted:LifecycleRule",
        /// A file was hidden, in any way.
        HideMarkerCreatedAny = "b2:HideMarkerCreated:*",
        /// A call hid a file.
        HideMarkerCreatedHide = "b2:HideMarkerCreated:Hide",
        /// A lifecycle rule hid a file.
        HideMarkerCreatedLifecycleRule = "b2:HideMarkerCreated:LifecycleRule",
        /// A large file was started, in whatever way.
        MultipartUploadCreatedAny = "b2:MultipartUploadCreated:*",
        /// A large file was started that can be read while it is uploaded (live read).
        MultipartUploadCreatedLiveRead = "b2:MultipartUploadCreated:LiveRead",
        /// A test event, requested on Backblaze's web site. It is received without a subscription.
        TestEvent = "b2:TestEvent",
    }
}

impl EventType {
    /// What all types of its family begin with, if this stands for the whole family.
    fn family(&self) -> Option<&str> {
        self.as_str().strip_suffix('*')
    }

    /// Whether an event can be of both: they are equal, or one is the family of the other.
    fn overlaps(&self, other: &Self) -> bool {
        let covers =
            |wide: &Self, one: &Self| wide.family().is_some_and(|f| one.as_str().starts_with(f));
        self == other || covers(self, other) || covers(other, self)
    }
}

open_enum! {
    /// The kind of receiver that a rule has.
    TargetType {
        /// A URL that events are posted to.
        Webhook = "webhook",
    }
}

/// A header that the service sends with each request to a webhook.
///
/// ```
/// use b2sdk::notifications::CustomHeader;
///
/// let header = CustomHeader::new("Authorization", "Bearer 1234");
/// assert_eq!(format!("{:?}", header.value), "CustomHeaderValue(***)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CustomHeader {
    /// The name of the header, which must not start with `X-Bz-`.
    pub name: String,
    /// The value of the header. It may be a password, so `Debug` does not show it.
    pub value: CustomHeaderValue,
}

impl CustomHeader {
    /// Creates a header. Name and value are checked when the rule is stored.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<CustomHeaderValue>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// The receiver of a rule's events: the URL of a webhook, how its requests are signed, and which headers they
/// have.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventTarget {
    /// The kind of receiver. There are only webhooks so far.
    pub target_type: TargetType,
    /// The receiver's URL, which starts with `https://`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub url: String,
    /// The headers of each request to the receiver: at most 10, of at most 2,048 bytes in all.
    #[serde(default)]
    pub custom_headers: Option<Vec<CustomHeader>>,
    /// The secret that each request is signed with: 32 letters and digits. The receiver can then
    /// reject forged requests with [`WebhookVerifier`](crate::notifications::WebhookVerifier). A
    /// key that may read the rules sees this secret.
    #[serde(default)]
    pub hmac_sha256_signing_secret: Option<SigningSecret>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for EventTarget {
    /// Of the members that have no name here only the names: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTarget")
            .field("target_type", &self.target_type)
            .field("url", &self.url)
            .field("custom_headers", &self.custom_headers)
            .field(
                "hmac_sha256_signing_secret",
                &self.hmac_sha256_signing_secret,
            )
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl EventTarget {
    /// Creates a webhook: a URL, starting with `https://`, that events are posted to.
    #[must_use]
    pub fn webhook(url: impl Into<String>) -> Self {
        Self {
            target_type: TargetType::Webhook,
            url: url.into(),
            custom_headers: None,
            hmac_sha256_signing_secret: None,
            extra: Map::new(),
        }
    }

    /// Adds a header that the service sends with each request to the receiver. At most 10 are possible, with
    /// 2,048 bytes in all, and names do not start with `X-Bz-`.
    #[must_use]
    pub fn custom_header(
        mut self,
        name: impl Into<String>,
        value: impl Into<CustomHeaderValue>,
    ) -> Self {
        let headers = self.custom_headers.get_or_insert_default();
        headers.push(CustomHeader::new(name, value));
        self
    }

    /// Signs each request with this secret, 32 letters and digits, which the receiver needs to
    /// verify it ([`WebhookVerifier`](crate::notifications::WebhookVerifier)). Without a secret
    /// anybody who knows the URL can send events.
    #[must_use]
    pub fn signing_secret(mut self, secret: impl Into<SigningSecret>) -> Self {
        self.hmac_sha256_signing_secret = Some(secret.into());
        self
    }

    /// What is wrong, without any value that may be secret.
    fn check(&self) -> Result<(), String> {
        if self.target_type != TargetType::Webhook {
            // Its rules are not known here.
            return Ok(());
        }
        let host = self.url.strip_prefix("https://").unwrap_or_default();
        let is_url_byte = |byte: u8| byte.is_ascii_graphic();
        if host.is_empty() || host.starts_with('/') || !host.bytes().all(is_url_byte) {
            return Err(
                "its URL must be https://, a host and a path, without blanks; plain http is refused"
                    .to_owned(),
            );
        }
        if let Some(secret) = &self.hmac_sha256_signing_secret {
            check_signing_secret(secret)?;
        }
        self.check_headers()
    }

    /// What is wrong with the headers, by their names only.
    fn check_headers(&self) -> Result<(), String> {
        let headers = self.custom_headers.as_deref().unwrap_or_default();
        if headers.len() > MAX_CUSTOM_HEADERS {
            return Err(format!(
                "it has {} custom headers, and at most {MAX_CUSTOM_HEADERS} are possible",
                headers.len()
            ));
        }
        let mut bytes = 0;
        for CustomHeader { name, value } in headers {
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(format!("the custom header name {name:?} is not possible"));
            }
            if name.to_ascii_lowercase().starts_with("x-bz-") {
                return Err(format!(
                    "the custom header {name:?} begins with X-Bz-, which belongs to the service"
                ));
            }
            if value.expose().chars().any(char::is_control) {
                return Err(format!(
                    "the value of the custom header {name:?} has control characters"
                ));
            }
            bytes += name.len() + value.expose().len();
        }
        if bytes > MAX_CUSTOM_HEADER_BYTES {
            return Err(format!(
                "its custom headers have {bytes} bytes, and at most {MAX_CUSTOM_HEADER_BYTES} are possible"
            ));
        }
        Ok(())
    }
}

/// Checks the form that the service asks for; an empty secret would let everybody sign.
pub(crate) fn check_signing_secret(secret: &SigningSecret) -> Result<(), String> {
    let secret = secret.expose().as_bytes();
    if secret.len() == SECRET_LENGTH && secret.iter().all(u8::is_ascii_alphanumeric) {
        Ok(())
    } else {
        Err(format!(
            "a signing secret has exactly {SECRET_LENGTH} letters and digits"
        ))
    }
}

/// An event notification rule of a bucket: which events are sent to which webhook.
/// [`Bucket::set_notification_rules`](crate::Bucket::set_notification_rules) stores rules.
///
/// ```
/// use b2sdk::notifications::{EventNotificationRule, EventTarget, EventType};
///
/// let target = EventTarget::webhook("https://example.com/b2")
///     .signing_secret("0123456789abcdefghijABCDEFGHIJxy");
/// let rule = EventNotificationRule::new("thumbnails", [EventType::ObjectCreatedAny], target)
///     .object_name_prefix("photos/");
/// assert!(rule.is_enabled);
/// ```
///
/// A bucket has at most 25 rules. If two rules have an event type in common, neither prefix may be
/// the beginning of the other. Members that this version of the crate does not know are kept in
/// [`extra`](Self::extra) and written back with the rule, so that an update does not lose them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventNotificationRule {
    /// The name of the rule: 6 to 63 letters, digits and `-`, not starting with `b2-`, unique in
    /// the bucket.
    pub name: String,
    /// The types of events that are sent. There is at least one, and none of them includes another.
    pub event_types: Vec<EventType>,
    /// The prefix of the files that the rule applies to; empty for all files.
    #[serde(default, deserialize_with = "null_is_default")]
    pub object_name_prefix: String,
    /// Whether the rule is active. An inactive rule sends nothing and keeps its place; events of
    /// that time are not sent later.
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_enabled: bool,
    /// The receiver of the events: its URL, its signing secret and its headers.
    pub target_configuration: EventTarget,
    /// The largest number of events in one request: 1 to 50. The service's default is 1.
    #[serde(default)]
    pub max_events_per_batch: Option<u32>,
    /// Whether the service has suspended the rule because the receiver did not accept events. The
    /// service ignores this member in requests.
    #[serde(default)]
    pub is_suspended: Option<bool>,
    /// The reason for the suspension; empty if the rule is not suspended.
    #[serde(default)]
    pub suspension_reason: Option<String>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    #[serde(skip)]
    pub(crate) origin: RuleOrigin<EventNotificationRule>,
}

kept_rule! {
    EventNotificationRule,
    Self::new("", [""; 0], EventTarget::webhook(""))
}

impl EventNotificationRule {
    /// Creates an active rule for all files of a bucket. It takes effect when
    /// [`Bucket::set_notification_rules`](crate::Bucket::set_notification_rules) stores it.
    #[must_use]
    pub fn new<E: Into<EventType>>(
        name: impl Into<String>,
        event_types: impl IntoIterator<Item = E>,
        target: EventTarget,
    ) -> Self {
        Self {
            name: name.into(),
            event_types: event_types.into_iter().map(Into::into).collect(),
            object_name_prefix: String::new(),
            is_enabled: true,
            target_configuration: target,
            max_events_per_batch: None,
            is_suspended: None,
            suspension_reason: None,
            extra: Map::new(),
            origin: RuleOrigin::Program,
        }
    }

    /// Restricts the rule to files whose names start with this prefix.
    #[must_use]
    pub fn object_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.object_name_prefix = prefix.into();
        self
    }

    /// Sets whether the rule is active. No events are sent for an inactive rule.
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.is_enabled = enabled;
        self
    }

    /// Sets the largest number of events in one request, 1 to 50. More events a request mean fewer
    /// requests to the receiver, which has to accept all of a request or none.
    #[must_use]
    pub const fn max_events_per_batch(mut self, events: u32) -> Self {
        self.max_events_per_batch = Some(events);
        self
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            name,
            event_types,
            object_name_prefix: _,
            is_enabled: _,
            target_configuration: target,
            max_events_per_batch: batch,
            is_suspended: _,
            suspension_reason: _,
            extra: _,
            origin: _,
        } = self;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let wrong = if !(6..=63).contains(&name.len()) || !name.bytes().all(is_name) {
            "a name has 6 to 63 letters, digits and '-'".to_owned()
        } else if name.starts_with("b2-") {
            "a name must not begin with 'b2-'".to_owned()
        } else if let Err(reason) = check_event_types(event_types) {
            reason
        } else if let Err(reason) = target.check() {
            reason
        } else if batch.is_some_and(|batch| !(1..=MAX_EVENTS_PER_BATCH).contains(&batch)) {
            format!("a request brings 1 to {MAX_EVENTS_PER_BATCH} events")
        } else {
            return Ok(());
        };
        Err(format!("rule {name:?}: {wrong}"))
    }
}

/// Refuses an empty list, and types that include each other.
fn check_event_types(types: &[EventType]) -> Result<(), String> {
    if types.is_empty() {
        return Err("it has no event type; name at least one".to_owned());
    }
    for (n, one) in types.iter().enumerate() {
        if one.family().unwrap_or(one.as_str()).contains('*') {
            return Err(format!(
                "'*' stands for the last component of an event type only, not as in {one}"
            ));
        }
        if let Some(other) = types.iter().skip(n + 1).find(|other| one.overlaps(other)) {
            return Err(format!(
                "the event types {one} and {other} overlap; leave one out"
            ));
        }
    }
    Ok(())
}

/// Checks what the service would refuse; the reason is a sentence for the caller and shows no secret.
/// Event types that have no name here are the service's to judge.
pub(crate) fn check_notification_rules(rules: &[EventNotificationRule]) -> Result<(), String> {
    let (kept, own): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.is_as_read());
    if rules.len() > MAX_RULES && !own.is_empty() {
        return Err(format!(
            "a bucket has at most {MAX_RULES} notification rules, not {}",
            rules.len()
        ));
    }
    own.iter().try_for_each(|rule| rule.check())?;
    let mut names: BTreeSet<_> = kept.iter().map(|rule| &rule.name).collect();
    if let Some(twice) = own.iter().find(|rule| !names.insert(&rule.name)) {
        return Err(format!(
            "there are two rules named {:?}; each needs a name of its own",
            twice.name
        ));
    }
    let types: BTreeSet<_> = own.iter().flat_map(|rule| &rule.event_types).collect();
    for kind in types {
        let about = own.iter().filter(|rule| rule.event_types.contains(kind));
        let prefixes = about.map(|rule| rule.object_name_prefix.as_str());
        if let Some((short, long)) = overlapping(prefixes) {
            return Err(format!(
                "two rules for {kind} have the prefixes {short:?} and {long:?}, which overlap; \
                 merge them, or choose prefixes of which none begins with the other"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
