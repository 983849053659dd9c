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
use crate::model::notification::check_signing_secret;

pub use crate::model::notification::{
    CustomHeader, EventNotification, EventNotificationRule, EventTarget, EventType, TargetType,
};
pub use crate::model::secret::{CustomHeaderValue, SigningSecret};

/// The header in which the service signs what it sends.
pub const SIGNATURE_HEADER: &str = "X-Bz-Event-Notification-Signature";

/// The one scheme there is: HMAC-SHA256 of the body, in hexadecimal.
const SCHEME: &str = "v1=";

/// Why what a webhook received was not taken. Answer with 401 for the first two, 400 for the last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Nobody signed it: the rule has no signing secret, or it is forged.
    #[error(
        "the request is not signed in {SIGNATURE_HEADER}; give the rule a signing secret, or the request is forged"
    )]
    NotSigned,
    /// It was not signed with a secret that the verifier knows, or was changed on its way.
    #[error(
        "the signature belongs to another secret or another body; it must be computed over the body exactly as received"
    )]
    WrongSignature,
    /// It is signed, but cannot be read as events.
    #[error("the signed body does not hold events in the form that the service documents")]
    Malformed(#[source] serde_json::Error),
}

/// Tells what the service sent from what anybody might send to the same address.
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
/// assert_eq!(events[0].event_type, EventType::TestEvent);
///
/// let forged = verifier.receive(Some("v1=00"), body);
/// assert!(matches!(forged, Err(WebhookError::WrongSignature)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WebhookVerifier {
    secrets: Vec<SigningSecret>,
}

impl WebhookVerifier {
    /// Takes what is signed with this secret, the one that the rule was given.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it does not have exactly 32 letters and digits, as every secret of
    /// the service has. An empty one, from a variable that is not set, would let everybody sign.
    pub fn new(secret: impl Into<SigningSecret>) -> Result<Self> {
        let verifier = Self {
            secrets: Vec::new(),
        };
        verifier.or(secret)
    }

    /// Takes also what is signed with this one: while a secret is replaced by another, requests are
    /// still under way with the old one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn or(mut self, secret: impl Into<SigningSecret>) -> Result<Self> {
        let secret = secret.into();
        check_signing_secret(&secret)
            .map_err(|reason| Error::invalid_input("signing secret", reason))?;
        self.secrets.push(secret);
        Ok(self)
    }

    /// Verifies what a webhook received, and reads it. `signature` is the value of the header
    /// [`SIGNATURE_HEADER`], if there was one; `body` is the whole body as it came: not decoded,
    /// not parsed and written anew.
    ///
    /// Nothing of the body is looked at before its signature is known to be right, and comparing
    /// takes the same time wherever the two differ. A signature says nothing of when the request was
    /// sent: who sees one can send it again. Events that were handled already are known by their
    /// [`event_id`](EventNotification::event_id).
    ///
    /// # Errors
    /// [`WebhookError::NotSigned`], [`WebhookError::WrongSignature`], [`WebhookError::Malformed`].
    pub fn receive(
        &self,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<Vec<EventNotification>, WebhookError> {
        let header = signature.map(str::trim).filter(|header| !header.is_empty());
        let header = header.ok_or(WebhookError::NotSigned)?;
        // While a secret is being replaced, one request may carry a signature with each.
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
        Ok(events)
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
    events: Vec<EventNotification>,
}
