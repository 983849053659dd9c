//! Encryption at rest: what is asked for, and what the service reports (docs/protocol.md, section
//! 3.9).
//!
//! | what is asked for | in the request | on a download | in a copy |
//! | --- | --- | --- | --- |
//! | nothing | nothing: the bucket's default applies | nothing | nothing |
//! | SSE-B2 | mode and algorithm | nothing | nothing |
//! | SSE-C | mode, algorithm, the key and its MD5 | the key and its MD5 | the source's key, and the copy's own |
//! | `None` | mode `null`, for a bucket's default only | | |
//!
//! The key of SSE-C travels with each request over TLS and is not kept by the service, which stores
//! only its MD5.

use serde::{Deserialize, Serialize};

use crate::model::file_info::FileInfo;
use crate::model::filtered::{Filtered, Setting};
use crate::model::open_enum::open_enum;
use crate::model::secret::SseCustomerKey;

/// The id of the customer's key, in file info. Other tools of Backblaze write and read it too.
pub(crate) const SSE_C_KEY_ID: &str = "sse_c_key_id";

/// How the service encrypts a file at rest, or by default the files of a bucket. If a call does not choose,
/// the bucket's default is used, which since September 2026 is SSE-B2 unless it was set
/// ([section 3.9](crate::guide::protocol#39-server-side-encryption)).
///
/// Encryption of a version cannot be changed; copying it creates a version with another one.
///
/// ```
/// use b2sdk::encryption::{Encryption, SseCustomerKey};
///
/// let key = SseCustomerKey::new([7; 32]).with_id("2026-11");
/// assert_eq!(format!("{:?}", Encryption::SseC(key)), "SseC(SseCustomerKey(***))");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// Resets the default of a bucket. Since September 2026 the service then encrypts with SSE-B2.
    /// It cannot be asked for when a file is uploaded or copied.
    None,
    /// The service encrypts with keys of its own (SSE-B2). Downloads need nothing special.
    SseB2,
    /// The service encrypts with this key of yours and does not keep it (SSE-C). **If the key is
    /// lost, nobody can read the file again.** It cannot be the default of a bucket.
    SseC(SseCustomerKey),
}

impl From<SseCustomerKey> for Encryption {
    fn from(key: SseCustomerKey) -> Self {
        Self::SseC(key)
    }
}

impl Encryption {
    /// Returns the customer's key of [`SseC`](Self::SseC), and `None` for the others.
    #[must_use]
    pub const fn customer_key(&self) -> Option<&SseCustomerKey> {
        match self {
            Self::SseC(key) => Some(key),
            Self::None | Self::SseB2 => None,
        }
    }

    /// Checks what the service would refuse for a file; the reason is a sentence for the caller.
    pub(crate) fn check_for_file(&self) -> Result<(), String> {
        match self {
            Self::None => Err(
                "a file cannot be asked to be stored unencrypted; leave it out for the bucket's default"
                    .to_owned(),
            ),
            Self::SseB2 | Self::SseC(_) => Ok(()),
        }
    }

    /// Checks what the service would refuse as a bucket's default.
    pub(crate) fn check_as_default(&self) -> Result<(), String> {
        match self {
            Self::SseC(_) => Err(
                "a bucket keeps no key of its customer; give it to each upload instead".to_owned(),
            ),
            Self::None | Self::SseB2 => Ok(()),
        }
    }

    /// Records the id of the customer's key in the info of a file. One that says otherwise would name
    /// the wrong key to whoever wants to read the file.
    pub(crate) fn record_key_id(&self, info: &mut FileInfo) -> Result<(), String> {
        let Some(id) = self.customer_key().and_then(SseCustomerKey::id) else {
            return Ok(());
        };
        match info.get(SSE_C_KEY_ID) {
            Some(other) if other != id => Err(format!(
                "{SSE_C_KEY_ID} is {other:?}, but the id of the key is {id:?}"
            )),
            _ => {
                info.insert(SSE_C_KEY_ID, id);
                Ok(())
            }
        }
    }
}

open_enum! {
    /// Who holds the encryption key of a file, as the service reports it in [`EncryptionInfo`].
    EncryptionMode {
        /// The service holds the key; downloads need nothing special.
        SseB2 = "SSE-B2",
        /// The customer holds the key; each download has to send it.
        SseC = "SSE-C",
    }
}

open_enum! {
    /// The algorithm that a file is encrypted with, as the service reports it. There is one so far.
    EncryptionAlgorithm {
        /// AES with 256 bits.
        Aes256 = "AES256",
    }
}

/// The service's report of how a file is encrypted, or the new files of a bucket.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use b2sdk::UploadOptions;
/// use b2sdk::encryption::{Encryption, EncryptionMode};
///
/// let options = UploadOptions::new().encryption(Encryption::SseB2);
/// let version = bucket.upload_bytes_with(b"hello", "hello.txt", &options)?.into_version();
/// let reported = version.server_side_encryption.readable().expect("it is encrypted");
/// assert_eq!(reported.mode, EncryptionMode::SseB2);
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EncryptionInfo {
    /// Who holds the encryption key: the service, or the customer.
    pub mode: EncryptionMode,
    /// The algorithm that the file is encrypted with, if the service reports it.
    #[serde(default)]
    pub algorithm: Option<EncryptionAlgorithm>,
    /// The MD5 of the customer's key in base64, which [`SseCustomerKey::md5`] can be compared with.
    /// Listings may omit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key_md5: Option<String>,
}

impl EncryptionInfo {
    /// Whether a file that is reported so is encrypted as was asked for. Where the service does not tell
    /// the MD5 of a customer's key, only its id in the file info can tell, if it has one.
    pub(crate) fn is(&self, wanted: &Encryption) -> bool {
        match wanted {
            Encryption::None => false,
            Encryption::SseB2 => self.mode == EncryptionMode::SseB2,
            Encryption::SseC(key) => {
                let md5 = self.customer_key_md5.as_deref();
                let is_same = md5.map_or(key.id().is_some(), |md5| md5 == key.md5());
                self.mode == EncryptionMode::SseC && is_same
            }
        }
    }
}

/// [`EncryptionInfo`] with the nulls that say that there is none.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EncryptionForm {
    mode: Option<EncryptionMode>,
    algorithm: Option<EncryptionAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_key_md5: Option<String>,
    /// Where the key may not read it, as some other settings say it.
    #[serde(skip_serializing)]
    is_client_authorized_to_read: Option<bool>,
}

impl Setting for EncryptionInfo {
    type Form = EncryptionForm;

    fn from_form(form: EncryptionForm) -> Filtered<Self> {
        match form.mode {
            _ if form.is_client_authorized_to_read == Some(false) => Filtered::NotAuthorized,
            None => Filtered::Unset,
            Some(EncryptionMode::Other(mode)) if &*mode == "none" => Filtered::Unset,
            Some(mode) => Filtered::Readable(Self {
                mode,
                algorithm: form.algorithm,
                customer_key_md5: form.customer_key_md5,
            }),
        }
    }

    fn to_form(setting: Option<&Self>) -> EncryptionForm {
        EncryptionForm {
            mode: setting.map(|setting| setting.mode.clone()),
            algorithm: setting.and_then(|setting| setting.algorithm.clone()),
            customer_key_md5: setting.and_then(|setting| setting.customer_key_md5.clone()),
            is_client_authorized_to_read: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Encryption, EncryptionForm, EncryptionInfo, EncryptionMode, SSE_C_KEY_ID};
    use crate::model::file_info::FileInfo;
    use crate::model::filtered::{Filtered, Setting};
    use crate::model::secret::SseCustomerKey;

    fn info(form: serde_json::Value) -> Filtered<EncryptionInfo> {
        let form: EncryptionForm = serde_json::from_value(form).unwrap();
        EncryptionInfo::from_form(form)
    }

    #[test]
    fn both_spellings_of_no_encryption_are_read() {
        assert_eq!(
            info(json!({"algorithm": null, "mode": null})),
            Filtered::Unset
        );
        assert_eq!(info(json!({"mode": "none"})), Filtered::Unset);
        let b2 = info(json!({"algorithm": "AES256", "mode": "SSE-B2"}));
        let b2 = b2.readable().unwrap();
        assert_eq!(b2.mode, EncryptionMode::SseB2);
        assert!(b2.is(&Encryption::SseB2) && !b2.is(&Encryption::SseC(key(1))));
    }

    fn key(byte: u8) -> SseCustomerKey {
        SseCustomerKey::new([byte; 32])
    }

    #[test]
    fn a_reported_key_is_told_from_another_one_by_its_md5() {
        let reported = |md5: Option<&str>| {
            let form = json!({"algorithm": "AES256", "mode": "SSE-C", "customerKeyMd5": md5});
            info(form).readable().unwrap().clone()
        };
        let ours = Encryption::SseC(key(1));
        assert!(reported(Some(key(1).md5())).is(&ours));
        assert!(!reported(Some(key(2).md5())).is(&ours));
        assert!(!reported(None).is(&ours));
        assert!(reported(None).is(&Encryption::SseC(key(1).with_id("k1"))));
        assert!(!reported(None).is(&Encryption::SseB2));
    }

    #[test]
    fn the_id_of_a_key_is_recorded_and_never_contradicted() {
        let encryption = Encryption::SseC(key(1).with_id("k1"));
        let mut info = FileInfo::new();
        assert_eq!(encryption.record_key_id(&mut info), Ok(()));
        assert_eq!(info.get(SSE_C_KEY_ID), Some("k1"));
        assert_eq!(encryption.record_key_id(&mut info), Ok(()));
        info.insert(SSE_C_KEY_ID, "k2");
        assert!(encryption.record_key_id(&mut info).is_err());
        assert_eq!(Encryption::SseB2.record_key_id(&mut info), Ok(()));
    }
}
