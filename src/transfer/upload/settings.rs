//! How the service is to keep a file: what is checked before a byte is sent, and whether a version that
//! is there already is kept like that.

use crate::error::{Error, Result};
use crate::model::auth::{Allowed, Capability};
use crate::model::encryption::{Encryption, EncryptionInfo, EncryptionMode};
use crate::model::file::FileVersion;
use crate::model::filtered::Filtered;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::raw::FileSettings;
use crate::session::needs::Needs;
use crate::transfer::upload::Upload;

/// The service may cut times to whole seconds (docs/protocol.md, section 2.28).
const SECOND: i64 = 1000;
const DAY: i64 = 24 * 3600 * SECOND;

impl Upload<'_> {
    /// What the requests of this upload say about how the file is kept.
    pub(in crate::transfer) fn settings(&self) -> FileSettings<'_> {
        FileSettings {
            encryption: self.options.encryption.as_ref(),
            retention: self.options.retention.as_ref(),
            legal_hold: self.options.legal_hold.as_ref(),
            upload_timestamp: self.options.upload_timestamp,
        }
    }

    /// Refuses what the service would refuse. Whether a retention ends in the future is for the
    /// service's clock to say.
    pub(super) fn check_settings(&self, operation: Operation, allowed: &Allowed) -> Result<()> {
        let FileSettings {
            encryption,
            retention,
            legal_hold,
            upload_timestamp: _,
        } = self.settings();
        encryption
            .map_or(Ok(()), Encryption::check_for_file)
            .map_err(|reason| Error::invalid_input("encryption", reason))?;
        Needs::from(operation)
            .bucket(self.bucket)
            .named(self.file_name)
            .and_if(retention.is_some(), Capability::WriteFileRetentions)
            .and_if(legal_hold.is_some(), Capability::WriteFileLegalHolds)
            .check(allowed)
    }
}

/// Why a version is not kept as these settings ask for, as far as the key can tell.
pub(in crate::transfer) fn settings_mismatch(
    version: &FileVersion,
    settings: &FileSettings<'_>,
) -> Option<&'static str> {
    let FileSettings {
        encryption,
        retention,
        legal_hold,
        upload_timestamp,
    } = *settings;
    if !is_encrypted_so(&version.server_side_encryption, encryption) {
        return Some("its encryption is another one, or by another key");
    }
    if !is_retained_so(version, retention) {
        return Some("its retention is another one");
    }
    if !is_held_so(&version.legal_hold, legal_hold) {
        return Some("its legal hold is another one");
    }
    let is_other_time = |time| time != version.upload_timestamp;
    upload_timestamp
        .is_some_and(is_other_time)
        .then_some("its upload time is another one")
}

/// Whether a version is kept as these settings ask for; nothing if the service does not tell this key
/// enough of it. The upload time does not count: a copy takes none.
pub(in crate::transfer) fn is_kept_so(
    version: &FileVersion,
    settings: &FileSettings<'_>,
) -> Option<bool> {
    let FileSettings {
        encryption,
        retention,
        legal_hold,
        upload_timestamp: _,
    } = *settings;
    let encryption = match (&version.server_side_encryption, encryption) {
        (Filtered::NotAuthorized, Some(_)) => None,
        (Filtered::Readable(actual), Some(Encryption::SseC(key)))
            if actual.mode == EncryptionMode::SseC
                && actual.customer_key_md5.is_none()
                && key.id().is_none() =>
        {
            None
        }
        (actual, wanted) => Some(is_encrypted_so(actual, wanted)),
    };
    let retention = match retention {
        Some(_) if version.file_retention.is_hidden() => None,
        wanted => Some(is_retained_so(version, wanted)),
    };
    let legal_hold = match legal_hold {
        Some(_) if version.legal_hold.is_hidden() => None,
        wanted => Some(is_held_so(&version.legal_hold, wanted)),
    };
    let all = [encryption, retention, legal_hold];
    if all.contains(&Some(false)) {
        return Some(false);
    }
    (!all.contains(&None)).then_some(true)
}

/// Where nothing is asked for, the bucket's default may be anything but a key that only the caller has.
fn is_encrypted_so(actual: &Filtered<EncryptionInfo>, wanted: Option<&Encryption>) -> bool {
    match (actual, wanted) {
        (Filtered::Readable(info), Some(wanted)) => info.is(wanted),
        (_, Some(_)) => false,
        (Filtered::Readable(info), None) => info.mode != EncryptionMode::SseC,
        (_, None) => true,
    }
}

/// Where nothing is asked for, the bucket's default may have given it a period of whole days from its
/// upload on.
fn is_retained_so(version: &FileVersion, wanted: Option<&FileRetention>) -> bool {
    let seconds = |time: Timestamp| time.as_millis().div_euclid(SECOND);
    match (&version.file_retention, wanted) {
        (Filtered::Readable(actual), Some(wanted)) => {
            actual.mode == wanted.mode && seconds(actual.until) == seconds(wanted.until)
        }
        (_, Some(_)) => false,
        (Filtered::Readable(actual), None) => {
            let period = actual
                .until
                .as_millis()
                .saturating_sub(version.upload_timestamp.as_millis());
            let beyond = period.rem_euclid(DAY);
            period >= DAY - SECOND && (beyond <= SECOND || beyond >= DAY - SECOND)
        }
        (_, None) => true,
    }
}

fn is_held_so(actual: &Filtered<LegalHold>, wanted: Option<&LegalHold>) -> bool {
    let is_on = |hold: &LegalHold| *hold != LegalHold::Off;
    match (actual, wanted) {
        (Filtered::NotAuthorized, wanted) => !wanted.is_some_and(is_on),
        (actual, wanted) => actual.readable().is_some_and(is_on) == wanted.is_some_and(is_on),
    }
}

#[cfg(test)]
mod tests {
    use super::settings_mismatch;
    use crate::model::encryption::Encryption;
    use crate::model::file::FileVersion;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::secret::SseCustomerKey;
    use crate::model::time::Timestamp;
    use crate::raw::FileSettings;

    /// A version as the service tells it, uploaded at 500 ms.
    fn version(members: &str) -> FileVersion {
        let json = format!(
            r#"{{"action":"start","fileId":"i","fileName":"x","uploadTimestamp":500{members}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn fits(members: &str, settings: &FileSettings<'_>) -> bool {
        settings_mismatch(&version(members), settings).is_none()
    }

    const B2: &str = r#","serverSideEncryption":{"mode":"SSE-B2","algorithm":"AES256"}"#;

    fn customers(md5: &str) -> String {
        format!(
            r#","serverSideEncryption":{{"mode":"SSE-C","algorithm":"AES256","customerKeyMd5":"{md5}"}}"#
        )
    }

    #[test]
    fn encryption_must_be_the_one_that_was_asked_for() {
        let key = SseCustomerKey::new([1; 32]);
        let (ours, others) = (customers(key.md5()), customers("AAAA"));
        let of = |encryption| FileSettings {
            encryption,
            ..FileSettings::default()
        };
        assert!(fits(B2, &of(None)) && fits("", &of(None)) && !fits(&ours, &of(None)));
        let b2 = of(Some(&Encryption::SseB2));
        assert!(fits(B2, &b2) && !fits("", &b2) && !fits(&ours, &b2));
        let encryption = Encryption::SseC(key);
        let customers = of(Some(&encryption));
        assert!(fits(&ours, &customers) && !fits(&others, &customers) && !fits(B2, &customers));
        let untold = r#","serverSideEncryption":{"mode":"SSE-C","algorithm":"AES256"}"#;
        assert!(!fits(untold, &customers), "whose key it is was not told");
    }

    #[test]
    fn retention_must_be_the_one_that_was_asked_for() {
        let told = |value: &str| format!(r#","fileRetention":{value}"#);
        let until = |mode: &str, millis: i64| {
            told(&format!(
                r#"{{"isClientAuthorizedToRead":true,"value":{{"mode":"{mode}","retainUntilTimestamp":{millis}}}}}"#
            ))
        };
        let hidden = told(r#"{"isClientAuthorizedToRead":false,"value":null}"#);
        let wanted = FileRetention::governance(Timestamp::from_millis(9_999_999_999));
        let asked = FileSettings {
            retention: Some(&wanted),
            ..FileSettings::default()
        };
        assert!(fits(&until("governance", 9_999_999_999), &asked));
        assert!(
            fits(&until("governance", 9_999_999_000), &asked),
            "cut to seconds"
        );
        assert!(!fits(&until("compliance", 9_999_999_999), &asked));
        assert!(!fits(&until("governance", 9_999_998_999), &asked));
        assert!(!fits("", &asked) && !fits(&hidden, &asked));
        let nothing = FileSettings::default();
        assert!(fits("", &nothing) && fits(&hidden, &nothing));
        let week = 500 + 7 * 24 * 3600 * 1000;
        assert!(
            fits(&until("governance", week), &nothing),
            "the bucket's default"
        );
        assert!(!fits(&until("governance", week + 60_000), &nothing));
        assert!(!fits(&until("governance", 500), &nothing));
    }

    #[test]
    fn legal_hold_must_be_the_one_that_was_asked_for() {
        let told = |may: bool, hold: &str| {
            format!(r#","legalHold":{{"isClientAuthorizedToRead":{may},"value":{hold}}}"#)
        };
        let (on, off) = (told(true, r#""on""#), told(true, r#""off""#));
        let hidden = told(false, "null");
        let of = |legal_hold| FileSettings {
            legal_hold,
            ..FileSettings::default()
        };
        let (held, free, nothing) = (
            of(Some(&LegalHold::On)),
            of(Some(&LegalHold::Off)),
            of(None),
        );
        assert!(
            fits(&on, &held) && !fits(&off, &held) && !fits("", &held) && !fits(&hidden, &held)
        );
        for settings in [free, nothing] {
            assert!(fits("", &settings) && fits(&off, &settings) && fits(&hidden, &settings));
            assert!(!fits(&on, &settings));
        }
    }

    #[test]
    fn an_upload_time_must_be_the_one_that_was_asked_for() {
        let at = |millis| FileSettings {
            upload_timestamp: Some(Timestamp::from_millis(millis)),
            ..FileSettings::default()
        };
        assert!(fits("", &at(500)) && !fits("", &at(501)));
    }
}
