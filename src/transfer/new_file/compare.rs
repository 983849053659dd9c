//! Compares versions that the service has with the file that was to be created.
//!
//! It is asked after a lost answer, whether a version is the one that was uploaded or copied, and
//! when resuming, whether an unfinished file would become the wanted one. Settings that the caller
//! leaves to the bucket may have any value that a bucket can give.
//!
//! | what the service tells of a setting | what it counts as |
//! | --- | --- |
//! | the wanted value | equal |
//! | another value | different |
//! | that the key may not see it, and a value is wanted | undecided |
//! | that the key may not see it, and none is wanted | equal |
//! | file info with entries missing | undecided, because a proxy may drop headers |
//! | file info with other entries | different |

use crate::error::{Error, Result};
use crate::model::encryption::{Encryption, EncryptionInfo, EncryptionMode, SSE_C_KEY_ID};
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, SRC_LAST_MODIFIED_MILLIS};
use crate::model::filtered::Filtered;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::transfer::new_file::{CONTENT_TYPE_AUTO, NewFile, PLAN_ID};

/// A second in milliseconds. The service may cut times to whole seconds (docs/protocol.md, section
/// 2.28).
const SECOND: i64 = 1000;
/// A day in milliseconds.
const DAY: i64 = 24 * 3600 * SECOND;

/// The result of comparing a version of the service with the file that was to be created. The
/// variants are ordered: the worst of several results counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transfer) enum Comparison {
    /// Nothing differs.
    Equal,
    /// Nothing differs as far as this key may see, but it may not see everything.
    Undecided,
    /// This differs.
    Different(&'static str),
}

impl Comparison {
    /// `Equal`, or `Different` for this reason.
    const fn of(is_equal: bool, difference: &'static str) -> Self {
        if is_equal {
            Self::Equal
        } else {
            Self::Different(difference)
        }
    }
}

impl NewFile<'_> {
    /// Whether a version has the settings that this file would have. What the crate itself records
    /// is not compared; the content is compared elsewhere.
    ///
    /// What the key may not see counts as a difference here: whoever asks would otherwise leave out a
    /// version that somebody wanted to be locked.
    pub(in crate::transfer) fn is_kept_as(&self, version: &FileVersion) -> bool {
        let (mut wanted, mut found) = (self.clone(), version.clone());
        let mut own = vec![LARGE_FILE_SHA1, PLAN_ID];
        own.extend(self.has_own_time.then_some(SRC_LAST_MODIFIED_MILLIS));
        for name in own {
            wanted.info.remove(name);
            found.file_info.remove(name);
        }
        wanted.compare(&found) == Comparison::Equal
    }

    /// Compares the info that the service says it stored with what was sent, because a proxy may
    /// drop headers whose names it does not accept.
    ///
    /// A lost entry is logged as a warning. The lost id of a customer's key is an error, because
    /// without it the key to the file may not be found again.
    pub(in crate::transfer) fn check_info(
        &self,
        operation: Operation,
        version: &FileVersion,
    ) -> Result<()> {
        let is_lost =
            |(name, value): &(&String, &String)| version.file_info.get(name) != Some(value);
        let lost: Vec<_> = self
            .info
            .iter()
            .filter(is_lost)
            .map(|(name, _)| name)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let (file_name, file_id) = (self.name, &version.file_id);
        tracing::warn!(file_name, %file_id, ?lost, "the service did not store all of the file info");
        if lost.iter().all(|name| *name != SSE_C_KEY_ID) {
            return Ok(());
        }
        let reason = format!(
            "the file is stored as {file_id}, but without the {SSE_C_KEY_ID} that was sent: something in between \
             may drop headers"
        );
        Err(Error::UnexpectedReply {
            operation,
            source: reason.into(),
        })
    }

    /// Compares a version, finished or not, with this file.
    pub(in crate::transfer) fn compare(&self, version: &FileVersion) -> Comparison {
        let Self {
            bucket: _,
            name,
            content_type,
            info,
            has_own_time: _,
            has_file_time: _,
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = self;
        // The service replaces the automatic type at once, so that it never compares equal.
        let wanted_type = content_type
            .as_deref()
            .filter(|text| *text != CONTENT_TYPE_AUTO);
        let has_type = wanted_type.is_none_or(|text| version.content_type.as_deref() == Some(text));
        let has_time = upload_timestamp.is_none_or(|time| version.upload_timestamp == time);
        let comparisons = [
            Comparison::of(version.file_name == *name, "its name is another one"),
            Comparison::of(has_type, "its content type is another one"),
            compare_info(&version.file_info, info),
            compare_encryption(&version.server_side_encryption, *encryption),
            compare_retention(version, *retention),
            compare_legal_hold(&version.legal_hold, *legal_hold),
            Comparison::of(has_time, "its upload time is another one"),
        ];
        let worst = comparisons.into_iter().max();
        worst.unwrap_or(Comparison::Equal)
    }
}

/// Compares infos. Entries that are missing may have been dropped by a proxy, which is undecided.
fn compare_info(actual: &FileInfo, wanted: &FileInfo) -> Comparison {
    if actual == wanted {
        return Comparison::Equal;
    }
    let is_wanted = |(name, value): (&String, &String)| wanted.get(name) == Some(value);
    if actual.iter().all(is_wanted) {
        return Comparison::Undecided;
    }
    Comparison::Different("its file info is another one")
}

/// Compares encryptions. If none was asked for, any default of the bucket is right, but not a key
/// that only a caller has. The service tells the MD5 of a customer's key, and where it does not, the id
/// in the file info stands for the key; without an id it stays undecided.
fn compare_encryption(
    actual: &Filtered<EncryptionInfo>,
    wanted: Option<&Encryption>,
) -> Comparison {
    let is_equal = match (actual, wanted) {
        (Filtered::NotAuthorized, Some(_)) => return Comparison::Undecided,
        (Filtered::Readable(actual), Some(Encryption::SseC(key)))
            if actual.mode == EncryptionMode::SseC
                && actual.customer_key_md5.is_none()
                && key.id().is_none() =>
        {
            return Comparison::Undecided;
        }
        (Filtered::Readable(actual), Some(wanted)) => actual.is(wanted),
        (Filtered::Unset, Some(_)) => false,
        (Filtered::Readable(actual), None) => actual.mode != EncryptionMode::SseC,
        (Filtered::Unset | Filtered::NotAuthorized, None) => true,
    };
    Comparison::of(is_equal, "its encryption is another one, or by another key")
}

/// Compares retentions. If none was asked for, the default of the bucket may have set one, which is
/// a period of whole days from the upload. Ends are compared by the second, because the service may cut
/// them off there.
fn compare_retention(version: &FileVersion, wanted: Option<&FileRetention>) -> Comparison {
    let seconds = |time: Timestamp| time.as_millis().div_euclid(SECOND);
    let is_equal = match (&version.file_retention, wanted) {
        (Filtered::NotAuthorized, Some(_)) => return Comparison::Undecided,
        (Filtered::Readable(actual), Some(wanted)) => {
            actual.mode == wanted.mode && seconds(actual.until) == seconds(wanted.until)
        }
        (Filtered::Unset, Some(_)) => false,
        (Filtered::Readable(actual), None) => {
            let uploaded = version.upload_timestamp.as_millis();
            let period = actual.until.as_millis().saturating_sub(uploaded);
            let beyond = period.rem_euclid(DAY);
            period >= DAY - SECOND && (beyond <= SECOND || beyond >= DAY - SECOND)
        }
        (Filtered::Unset | Filtered::NotAuthorized, None) => true,
    };
    Comparison::of(is_equal, "its retention is another one")
}

/// Compares legal holds. Buckets have no default for them.
fn compare_legal_hold(actual: &Filtered<LegalHold>, wanted: Option<&LegalHold>) -> Comparison {
    let is_on = |hold: &LegalHold| *hold != LegalHold::Off;
    let is_wanted = wanted.is_some_and(is_on);
    let is_equal = match actual {
        Filtered::NotAuthorized if is_wanted => return Comparison::Undecided,
        // No bucket puts its files on hold.
        Filtered::NotAuthorized => true,
        actual => actual.readable().is_some_and(is_on) == is_wanted,
    };
    Comparison::of(is_equal, "its legal hold is another one")
}

#[cfg(test)]
mod tests {
    use super::Comparison;
    use crate::model::encryption::Encryption;
    use crate::model::file::FileVersion;
    use crate::model::file_info::FileInfo;
    use crate::model::id::BucketId;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::secret::SseCustomerKey;
    use crate::model::time::Timestamp;
    use crate::transfer::new_file::NewFile;

    /// A version as the service tells it, uploaded at 500 ms.
    fn version(members: &str) -> FileVersion {
        let json = format!(
            r#"{{"action":"start","fileId":"i","fileName":"x","uploadTimestamp":500{members}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    /// A file that is kept as its bucket says.
    fn plain(bucket: &BucketId) -> NewFile<'_> {
        NewFile {
            bucket,
            name: "x",
            content_type: None,
            info: FileInfo::new(),
            has_own_time: false,
            has_file_time: false,
            encryption: None,
            retention: None,
            legal_hold: None,
            upload_timestamp: None,
        }
    }

    fn fits(members: &str, file: &NewFile<'_>) -> bool {
        file.compare(&version(members)) == Comparison::Equal
    }

    const B2: &str = r#","serverSideEncryption":{"mode":"SSE-B2","algorithm":"AES256"}"#;

    fn customers(md5: &str) -> String {
        format!(
            r#","serverSideEncryption":{{"mode":"SSE-C","algorithm":"AES256","customerKeyMd5":"{md5}"}}"#
        )
    }

    #[test]
    fn encryption_must_be_the_one_that_was_asked_for() {
        let bucket = BucketId::from("b");
        let key = SseCustomerKey::new([1; 32]);
        let (ours, others) = (customers(key.md5()), customers("AAAA"));
        let of = |encryption| NewFile {
            encryption,
            ..plain(&bucket)
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
        let bucket = BucketId::from("b");
        let told = |value: &str| format!(r#","fileRetention":{value}"#);
        let until = |mode: &str, millis: i64| {
            told(&format!(
                r#"{{"isClientAuthorizedToRead":true,"value":{{"mode":"{mode}","retainUntilTimestamp":{millis}}}}}"#
            ))
        };
        let hidden = told(r#"{"isClientAuthorizedToRead":false,"value":null}"#);
        let wanted = FileRetention::governance(Timestamp::from_millis(9_999_999_999));
        let asked = NewFile {
            retention: Some(&wanted),
            ..plain(&bucket)
        };
        assert!(fits(&until("governance", 9_999_999_999), &asked));
        assert!(
            fits(&until("governance", 9_999_999_000), &asked),
            "cut to seconds"
        );
        assert!(!fits(&until("compliance", 9_999_999_999), &asked));
        assert!(!fits(&until("governance", 9_999_998_999), &asked));
        assert!(!fits("", &asked) && !fits(&hidden, &asked));
        let nothing = plain(&bucket);
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
        let bucket = BucketId::from("b");
        let told = |may: bool, hold: &str| {
            format!(r#","legalHold":{{"isClientAuthorizedToRead":{may},"value":{hold}}}"#)
        };
        let (on, off) = (told(true, r#""on""#), told(true, r#""off""#));
        let hidden = told(false, "null");
        let of = |legal_hold| NewFile {
            legal_hold,
            ..plain(&bucket)
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
        let bucket = BucketId::from("b");
        let at = |millis| NewFile {
            upload_timestamp: Some(Timestamp::from_millis(millis)),
            ..plain(&bucket)
        };
        assert!(fits("", &at(500)) && !fits("", &at(501)));
    }

    #[test]
    fn what_the_key_may_not_see_is_undecided_and_not_different() {
        let bucket = BucketId::from("b");
        let until = FileRetention::governance(Timestamp::from_millis(9_999_999_999));
        let file = NewFile {
            encryption: Some(&Encryption::SseB2),
            retention: Some(&until),
            legal_hold: Some(&LegalHold::On),
            ..plain(&bucket)
        };
        let hidden = r#"{"isClientAuthorizedToRead":false,"value":null}"#;
        let members =
            format!(r#"{B2},"fileRetention":{hidden},"legalHold":{hidden},"fileInfo":{{}}"#);
        let compare = |members: &str| file.compare(&version(members));
        assert_eq!(compare(&members), Comparison::Undecided);
        let other = members.replace("{}", r#"{"a":"b"}"#);
        assert!(matches!(compare(&other), Comparison::Different(_)));
    }
}
