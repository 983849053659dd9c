//! How a store on a server keeps secrets: with or without the application key, in clear text or
//! encrypted with a secret that the machines share.
//!
//! The encryption is XChaCha20-Poly1305. The nonce is derived from the text itself with
//! HMAC-SHA-256, so one text always has one encrypted form, and an upload URL that is put twice is
//! recognized. What a text belongs to is authenticated with it, so nobody can exchange two
//! encrypted texts.
//!
//! | what is stored | clear text (default) | after `seal_with` |
//! | --- | --- | --- |
//! | ids of account and key, the realm, bucket names and ids | readable | readable |
//! | what the key may do, the URLs of the cluster | readable | encrypted with the token |
//! | token of the account, tokens of upload URLs | readable | encrypted |
//! | application key | absent, or readable if it is stored at all | absent, or encrypted |
//!
//! Two equal texts at one place have equal encrypted forms. That tells a reader of the store that a
//! token has not changed, and nothing more. A store whose secret was replaced cannot be read any
//! more: calls fail with the reason, the client authorizes with its own credentials, and the next
//! save uses the new secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::account_info::AuthSnapshot;
use crate::error::{Error, Result, StoreError};

/// The length of a nonce, in bytes. XChaCha20 takes one that is long enough to be derived from a
/// hash without a risk of two texts having the same.
const NONCE: usize = 24;
/// The shortest secret, in bytes. Keys are derived from it by a single HMAC, so it has to be random
/// already; a password that people remember is too weak.
const SHORTEST_SECRET: usize = 16;

/// How a store keeps secrets. The default is clear text without the application key.
#[derive(Clone, Default)]
pub(super) struct Sealing {
    keys: Option<DerivedKeys>,
    /// Whether the application key is stored.
    pub(super) stores_application_key: bool,
}

/// The keys that are derived from the shared secret.
#[derive(Clone)]
struct DerivedKeys {
    /// Encrypts the texts.
    cipher: XChaCha20Poly1305,
    /// The key from which nonces are derived.
    nonces: [u8; 32],
}

/// Tells whether there is a secret, and nothing of it.
impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing")
            .field("is_sealed", &self.keys.is_some())
            .field("stores_application_key", &self.stores_application_key)
            .finish()
    }
}

impl Sealing {
    /// Encrypts from now on, with keys derived from this secret. Fails with `InvalidInput` if the
    /// secret is too short.
    pub(super) fn seal_with(&mut self, secret: &[u8]) -> Result<()> {
        if secret.len() < SHORTEST_SECRET {
            return Err(Error::invalid_input(
                "sealing secret",
                format!(
                    "it has {} bytes; use at least {SHORTEST_SECRET}",
                    secret.len()
                ),
            ));
        }
        self.keys = Some(DerivedKeys {
            cipher: XChaCha20Poly1305::new(&digest(secret, &[b"b2sdk account info, key"]).into()),
            nonces: digest(secret, &[b"b2sdk account info, nonces"]),
        });
        Ok(())
    }

    /// The JSON of an authorization, before it is encrypted. It has no application key unless the
    /// caller wants that.
    pub(super) fn json(&self, snapshot: &AuthSnapshot) -> Result<String, StoreError> {
        if self.stores_application_key {
            snapshot.expose_json()
        } else {
            snapshot.expose_json_without_key()
        }
    }

    /// The form in which a text is stored: the text itself, or base64 of the nonce and the
    /// encrypted text with its authentication. `about` names what the text belongs to (`auth`, or
    /// the URL of a token); it is authenticated and not stored, so that a token that is moved to
    /// another URL cannot be opened.
    pub(super) fn seal(&self, about: &str, text: &str) -> Result<String, StoreError> {
        let Some(keys) = &self.keys else {
            return Ok(text.to_owned());
        };
        let made = digest(&keys.nonces, &[about.as_bytes(), &[0], text.as_bytes()]);
        let nonce = XNonce::from_slice(&made[..NONCE]);
        let payload = Payload {
            msg: text.as_bytes(),
            aad: about.as_bytes(),
        };
        let sealed = keys
            .cipher
            .encrypt(nonce, payload)
            .map_err(|_| StoreError::new("a secret cannot be encrypted"))?;
        Ok(STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Reads what [`seal`](Self::seal) wrote. Fails if the secret is another one, the text was
    /// changed, or it belongs to something else; the three cannot be told apart, and the error
    /// quotes nothing.
    pub(super) fn open(&self, about: &str, stored: &str) -> Result<String, StoreError> {
        let Some(keys) = &self.keys else {
            return Ok(stored.to_owned());
        };
        let opened = STANDARD_NO_PAD.decode(stored).ok().and_then(|stored| {
            let (nonce, sealed) = stored.split_at_checked(NONCE)?;
            let payload = Payload {
                msg: sealed,
                aad: about.as_bytes(),
            };
            let text = keys
                .cipher
                .decrypt(XNonce::from_slice(nonce), payload)
                .ok()?;
            String::from_utf8(text).ok()
        });
        opened.ok_or_else(|| {
            StoreError::new(
                "the account info in the store is not encrypted under this secret; every machine \
                 needs the same one",
            )
        })
    }
}

/// The HMAC-SHA-256 of the parts, one after the other. Callers separate them where that matters.
///
/// It never fails in practice: HMAC takes a key of any length.
fn digest(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length does.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::Sealing;

    fn sealing(secret: &[u8]) -> Sealing {
        let mut sealing = Sealing::default();
        sealing.seal_with(secret).unwrap();
        sealing
    }

    #[test]
    fn what_is_sealed_is_opened_only_with_the_secret_and_in_its_place() {
        let own = sealing(b"a secret of the fleet");
        let sealed = own.seal("auth", "token").unwrap();
        assert!(!sealed.contains("token"));
        assert_eq!(own.open("auth", &sealed).unwrap(), "token");
        assert_eq!(own.seal("auth", "token").unwrap(), sealed, "one form");
        assert_ne!(own.seal("auth", "other").unwrap(), sealed);
        own.open("url", &sealed).unwrap_err();
        sealing(b"a secret of another fleet")
            .open("auth", &sealed)
            .unwrap_err();
        own.open("auth", "token").unwrap_err();
        let damaged = sealed.replace(&sealed[40..42], "xx");
        own.open("auth", &damaged).unwrap_err();
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        let mut sealing = Sealing::default();
        let error = sealing.seal_with(b"hunter2").unwrap_err().to_string();
        assert!(
            error.contains("16") && !error.contains("hunter2"),
            "{error}"
        );
        sealing.seal_with(b"a secret of the fleet").unwrap();
        assert!(!format!("{sealing:?}").contains("secret of"));
    }
}
