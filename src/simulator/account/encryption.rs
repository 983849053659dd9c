//! Server-side encryption (docs/protocol.md, section 3.9): what requests ask for, in headers and in
//! JSON, and what is stored of it. Content is not encrypted. Of a customer's key only digests are
//! stored, which suffice to recognize it, and no message contains a key.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::message::Request;
use crate::simulator::protocol::reply::Refusal;

const ALGORITHM: &str = "AES256";
const KEY_BYTES: usize = 32;
const SERVICE_HEADER: &str = "x-bz-server-side-encryption";
const CUSTOMER_HEADERS: [&str; 3] = [
    "x-bz-server-side-encryption-customer-algorithm",
    "x-bz-server-side-encryption-customer-key",
    "x-bz-server-side-encryption-customer-key-md5",
];

/// How a version is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Encryption {
    /// With the service's key (SSE-B2), or not at all.
    Service(bool),
    /// With a key that the customer keeps (SSE-C).
    Customer(Box<KeyCheck>),
}

impl Encryption {
    pub(crate) const NONE: Self = Self::Service(false);

    pub(crate) fn is_customer(&self) -> bool {
        matches!(self, Self::Customer(_))
    }

    /// Whether a reader who brought this key, or none, may have the content.
    pub(crate) fn check_reader(&self, key: Option<&KeyCheck>) -> Result<(), Refusal> {
        match (self, key) {
            (Self::Service(_), None) => Ok(()),
            (Self::Service(_), Some(_)) => Err(Refusal::bad_request(
                "The object was not stored using SSE-C: a customer key is not allowed",
            )),
            (Self::Customer(_), None) => Err(Refusal::bad_request(
                "The object was stored using a form of Server Side Encryption. The correct \
                 parameters must be provided to retrieve the object.",
            )),
            (Self::Customer(stored), Some(key)) if **stored == *key => Ok(()),
            (Self::Customer(_), Some(_)) => Err(Refusal::access_denied()),
        }
    }

    /// Whether a part that came with this key, or with none, belongs to a large file encrypted so.
    pub(crate) fn check_part(&self, key: Option<&KeyCheck>) -> Result<(), Refusal> {
        let refuse = |reason: &str| Err(Refusal::bad_request(reason));
        match (self, key) {
            (Self::Service(_), None) => Ok(()),
            (Self::Service(_), Some(_)) => refuse("The large file was not started with SSE-C"),
            (Self::Customer(_), None) => {
                refuse("The large file was started with SSE-C: every part needs its key")
            }
            (Self::Customer(stored), Some(key)) if **stored == *key => Ok(()),
            (Self::Customer(_), Some(_)) => refuse("The SSE-C key is not that of the large file"),
        }
    }
}

/// Digests of a customer's key. Everybody who sees the file sees the MD5; the SHA-1 distinguishes
/// keys that were made to have one MD5.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyCheck {
    /// Base64, as the wire has it.
    pub(crate) md5: String,
    sha1: String,
}

impl fmt::Debug for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCheck").finish_non_exhaustive()
    }
}

impl KeyCheck {
    fn parse(algorithm: &str, key: &str, md5: &str) -> Result<Self, Refusal> {
        let refuse = |what: &str| Err(Refusal::bad_request(format!("SSE-C: invalid {what}")));
        if algorithm != ALGORITHM {
            return refuse("algorithm");
        }
        let key = BASE64_STANDARD
            .decode(key)
            .ok()
            .filter(|key| key.len() == KEY_BYTES);
        let Some(key) = key else {
            return refuse("key: it must be the base64 of 32 bytes");
        };
        if BASE64_STANDARD.encode(Md5::digest(&key)) != md5 {
            return refuse("MD5 of the key: it is not that of the key");
        }
        Ok(Self {
            md5: md5.to_owned(),
            sha1: hex::encode(Sha1::digest(&key)),
        })
    }

    /// The key of the three SSE-C headers, which come together or not at all.
    pub(crate) fn of_headers(request: &Request) -> Result<Option<Self>, Refusal> {
        if !CUSTOMER_HEADERS.iter().any(|name| has(request, name)) {
            return Ok(None);
        }
        let [algorithm, key, md5] = CUSTOMER_HEADERS.map(|name| {
            request
                .header(name)
                .ok_or_else(|| Refusal::bad_request(format!("Missing or invalid header: {name}")))
        });
        Self::parse(algorithm?, key?, md5?).map(Some)
    }
}

/// What the headers of an upload ask for; `None` if nothing.
pub(crate) fn of_upload(request: &Request) -> Result<Option<Encryption>, Refusal> {
    let customer = KeyCheck::of_headers(request)?;
    if !has(request, SERVICE_HEADER) {
        return Ok(customer.map(|key| Encryption::Customer(Box::new(key))));
    }
    match (request.header(SERVICE_HEADER), customer) {
        (_, Some(_)) => Err(Refusal::bad_request("Both SSE-B2 and SSE-C are asked for")),
        (Some(ALGORITHM), None) => Ok(Some(Encryption::Service(true))),
        (other, None) => Err(Refusal::bad_request(format!(
            "Invalid X-Bz-Server-Side-Encryption: {}",
            other.unwrap_or_default()
        ))),
    }
}

/// The key that the headers of a part bring; SSE-B2 is not repeated per part (docs/protocol.md, section 2.16).
pub(crate) fn of_part(request: &Request) -> Result<Option<KeyCheck>, Refusal> {
    if has(request, SERVICE_HEADER) {
        let message = "X-Bz-Server-Side-Encryption must not be repeated per part";
        return Err(Refusal::bad_request(message));
    }
    KeyCheck::of_headers(request)
}

/// What the setting in this field of a JSON request asks for; `None` if it is not there.
pub(crate) fn of_field(fields: &Fields, name: &str) -> Result<Option<Encryption>, Refusal> {
    let Some(setting) = fields.object(name)? else {
        return Ok(None);
    };
    let required = |member| setting.string(member)?.ok_or_else(|| missing(member));
    let mode = setting.string("mode")?;
    match mode {
        Some("SSE-B2") if setting.string("algorithm")? == Some(ALGORITHM) => {
            Ok(Some(Encryption::Service(true)))
        }
        Some("SSE-C") => KeyCheck::parse(
            required("algorithm")?,
            required("customerKey")?,
            required("customerKeyMd5")?,
        )
        .map(|key| Some(Encryption::Customer(Box::new(key)))),
        _ => Err(Refusal::bad_request(format!(
            "{name}: invalid mode or algorithm: {}",
            mode.unwrap_or("null")
        ))),
    }
}

/// A setting that can only be SSE-C: of a copy's source, or of a copied part.
pub(crate) fn key_of_field(fields: &Fields, name: &str) -> Result<Option<KeyCheck>, Refusal> {
    match of_field(fields, name)? {
        None => Ok(None),
        Some(Encryption::Customer(key)) => Ok(Some(*key)),
        Some(Encryption::Service(_)) => {
            Err(Refusal::bad_request(format!("{name} is for SSE-C only")))
        }
    }
}

fn has(request: &Request, name: &str) -> bool {
    request.headers.iter().any(|(header, _)| header == name)
}
