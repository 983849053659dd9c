//! Event notifications: the rules of a bucket, and what a webhook receives because of them.
//!
//! [`Bucket::set_notification_rules`](crate::Bucket::set_notification_rules) stores
//! [`EventNotificationRule`]s, each with the URL of a webhook. The receiving program gives the header and
//! the body of each request to a [`WebhookVerifier`], which checks the signature first and then returns
//! the events.
//!
//! The form of rules and events is [section 3.8](crate::guide::protocol#38-event-notifications) of the protocol.
//!
//! This module opens no port and depends on no web framework. Answer with 200 as soon as the events are
//! stored: the service repeats a delivery that was not accepted, and suspends a rule whose webhook keeps
//! failing.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::model::lenient;
use crate::model::notification::check_signing_secret;

pub use crate::model::event::EventNotification;
pub use crate::model::notification::{
    CustomHeader, EventNotificationRule, EventTarget, EventType, TargetType,
};
pub use crate::model::secret::{CustomHeaderValue, SigningSecret};

/// The name of the header that carries the service's signature:
/// `X-Bz-Event-Notification-Signature`. A receiver passes its value to [`WebhookVerifier`]
/// together with the body.
pub const SIGNATURE_HEADER: &str = "X-Bz-Event-Notification-Signature";

/// The one scheme there is: HMAC-SHA256 of the body, in hexadecimal.
const SCHEME: &str = "v1=";

/// The reason why [`WebhookVerifier::receive`] refuses a request. Each variant says which status to answer with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The request is not signed: the rule has no signing secret, or the request is forged. Answer with 401.
    #[error(
        "the request is not signed in {SIGNATURE_HEADER}; give the rule a signing secret, or the request is forged"
    )]
    NotSigned,
    /// The request is signed with another secret, or it was changed on its way. Answer with 401.
    #[error(
        "the signature belongs to another secret or another body; it must be computed over the body exactly as received"
    )]
    WrongSignature,
    /// The request is signed, and its body is not a list of events. Answer with 400.
    #[error("the signed body is not a JSON object whose member \"events\" is a list")]
    Malformed(#[source] serde_json::Error),
}

/// An event that cannot be read: it has no id or no type.
#[derive(Debug, thiserror::Error)]
#[error("an event cannot be read: {}", unreadable(*member))]
#[non_exhaustive]
pub struct UnreadableEvent {
    /// The name of the member that is missing or is not text: `"eventId"` or `"eventType"`. `None` if the
    /// event is not a JSON object.
    pub member: Option<&'static str>,
    /// The event as the service sent it.
    pub event: serde_json::Value,
    /// The reason why the event cannot be read.
    pub source: serde_json::Error,
}

/// What is wrong with an event whose member cannot be read.
fn unreadable(member: Option<&str>) -> String {
    match member {
        Some(name) => format!("its member {name:?} is missing or is not text"),
        None => "it is not a JSON object".to_owned(),
    }
}

/// Verifies that a request to a webhook comes from the service, and reads its events.
///
/// ```
/// use b2sdk::notifications::EventType;
/// use b2sdk::notifications::{WebhookError, WebhookVerifier};
///
/// let verifier = WebhookVerifier::new("0123456789abcdefghijABCDEFGHIJxy")?;
/// // What the web server received: the header's value, and the body's bytes as they came.
/// let body = br#"{"events":[{"eventId":"1","eventType":"b2:TestEvent"}]}"#;
/// let signature = "v1=09ffb9d9e1b146e3d2ab295c7f006662cd9f0bd15732c774d0dd16b5445be1de";
/// let events = verifier.receive(Some(signature), body)?;
/// for event in events {
///     assert_eq!(event?.event_type, EventType::TestEvent);
/// }
///
/// let forged = verifier.receive(Some("v1=00"), body);
/// assert!(matches!(forged, Err(WebhookError::WrongSignature)));
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WebhookVerifier {
    secrets: Vec<SigningSecret>,
}

impl WebhookVerifier {
    /// Creates a verifier that accepts requests that are signed with this secret, which is the signing secret
    /// of the rule.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the secret does not consist of exactly 32 letters and digits, as every
    /// signing secret does. An empty secret, from a variable that is not set, would accept any request.
    pub fn new(secret: impl Into<SigningSecret>) -> Result<Self> {
        let verifier = Self {
            secrets: Vec::new(),
        };
        verifier.or(secret)
    }

    /// Also accepts requests that are signed with this secret. While the secret of a rule is being replaced,
    /// requests with the old one still arrive.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the secret does not consist of exactly 32 letters and digits, as every
    /// signing secret does.
    pub fn or(mut self, secret: impl Into<SigningSecret>) -> Result<Self> {
        let secret = secret.into();
        check_signing_secret(&secret)
            .map_err(|reason| Error::invalid_input("signing secret", reason))?;
        self.secrets.push(secret);
        Ok(self)
    }

    /// Verifies a request that a webhook received, and returns its events.
    ///
    /// `signature` is the value of the header [`SIGNATURE_HEADER`], or `None` if the request has none.
    /// `body` is the whole body exactly as it was received, neither decoded nor parsed and written again.
    ///
    /// The body is not read before its signature is verified, in constant time. A signature does not tell
    /// when a request was sent, so whoever has seen a request can send it again: events that were handled
    /// before are recognized by their [`event_id`](EventNotification::event_id).
    ///
    /// Each event is a result of its own: one that cannot be read does not hide the others of its request.
    /// Answer with 200 once all events are stored, the unreadable ones with their
    /// [`event`](UnreadableEvent::event); any other answer makes the service deliver all of them again.
    ///
    /// # Errors
    /// [`WebhookError::NotSigned`] and [`WebhookError::WrongSignature`], to be answered with 401;
    /// [`WebhookError::Malformed`] if the body is no list of events, to be answered with 400.
    pub fn receive(
        &self,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<Vec<Result<EventNotification, UnreadableEvent>>, WebhookError> {
        let header = signature.map(str::trim).filter(|header| !header.is_empty());
        let header = header.ok_or(WebhookError::NotSigned)?;
        // While a secret is replaced, one request may carry a signature with each.
        let given = header
            .split(',')
            .filter_map(|one| hex::decode(one.trim().strip_prefix(SCHEME)?).ok());
        let is_signed = given.into_iter().any(|signature| {
            self.secrets
                .iter()
                .any(|secret| is_signed_with(secret, body, &signature))
        });
        if !is_signed {
            return Err(WebhookError::WrongSignature);
        }
        let Body { events } = serde_json::from_slice(body).map_err(WebhookError::Malformed)?;
        let events = events.into_iter().map(|event| {
            lenient::row(&event).map_err(|source| UnreadableEvent {
                member: EventNotification::unreadable_member(&event),
                event,
                source,
            })
        });
        Ok(events.collect())
    }
}

/// Compares in constant time.
fn is_signed_with(secret: &SigningSecret, body: &[u8], signature: &[u8]) -> bool {
    // A key of any length will do.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return false;
    };
    mac.chain_update(body).verify_slice(signature).is_ok()
}

#[derive(Deserialize)]
struct Body {
    events: Vec<serde_json::Value>,
}
