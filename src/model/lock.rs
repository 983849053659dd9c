//! Object lock: what keeps a version from being deleted (docs/protocol.md, section 3.11).
//!
//! | a version has | who can delete it | who can shorten the protection |
//! | --- | --- | --- |
//! | nothing | keys with `deleteFiles` | |
//! | governance retention, not over | keys with `deleteFiles` and `bypassGovernance`, if they ask for it | keys with `bypassGovernance` |
//! | compliance retention, not over | nobody | nobody |
//! | a legal hold | nobody, until it is released | keys with `writeFileLegalHolds` |
//!
//! Everybody with `writeFileRetentions` may extend a retention. Hiding a file is always possible:
//! it deletes nothing.

use serde::{Deserialize, Serialize};

use crate::model::filtered::{Filtered, Setting};
use crate::model::lenient::null_is_default;
use crate::model::open_enum::open_enum;
use crate::model::time::Timestamp;

open_enum! {
    /// How strictly a version is protected until its retention ends.
    RetentionMode {
        /// A key with `bypassGovernance` may shorten or remove the retention, and may delete the
        /// version.
        Governance = "governance",
        /// Nobody may shorten or remove the retention, not even the account's owner.
        Compliance = "compliance",
    }
}

open_enum! {
    /// The legal hold of a version. While it is on, nobody can delete the version, whatever its
    /// retention.
    LegalHold {
        /// The version is on legal hold.
        On = "on",
        /// The version was released from legal hold.
        Off = "off",
    }
}

open_enum! {
    /// The unit of a retention period.
    RetentionUnit {
        /// The period is counted in days.
        Days = "days",
        /// The period is counted in years.
        Years = "years",
    }
}

/// The retention of a version: until when it cannot be deleted, and how strictly.
///
/// The bucket must have object lock, and setting a retention needs the capability `writeFileRetentions`. The
/// service has no longest retention; a version is stored and billed as long as it is retained.
///
/// ```
/// use b2sdk::lock::{FileRetention, RetentionMode};
/// use b2sdk::Timestamp;
///
/// let retention = FileRetention::governance(Timestamp::from_millis(1_893_456_000_000));
/// assert_eq!(retention.mode, RetentionMode::Governance);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileRetention {
    /// How strictly the version is protected: whether anybody may shorten the retention.
    pub mode: RetentionMode,
    /// The end of the retention. It must be in the future when it is set. The service may truncate
    /// it to whole seconds.
    #[serde(rename = "retainUntilTimestamp")]
    pub until: Timestamp,
}

impl FileRetention {
    /// Creates a retention until this time that a key with `bypassGovernance` can shorten or
    /// remove.
    #[must_use]
    pub fn governance(until: impl Into<Timestamp>) -> Self {
        Self {
            mode: RetentionMode::Governance,
            until: until.into(),
        }
    }

    /// Creates a retention until this time that nobody can shorten or remove. **The version is
    /// stored and billed until then**, whatever happens.
    #[must_use]
    pub fn compliance(until: impl Into<Timestamp>) -> Self {
        Self {
            mode: RetentionMode::Compliance,
            until: until.into(),
        }
    }
}

/// How long the files of a bucket are retained by default: a number of days or years, counted from the upload
/// of each file.
///
/// ```
/// use b2sdk::lock::{RetentionPeriod, RetentionUnit};
///
/// assert_eq!(RetentionPeriod::days(7).unit, RetentionUnit::Days);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetentionPeriod {
    /// The number of units, at least 1.
    pub duration: u32,
    /// The unit that is counted: days or years.
    pub unit: RetentionUnit,
}

impl RetentionPeriod {
    /// Creates a period of this many days.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self {
            duration: days,
            unit: RetentionUnit::Days,
        }
    }

    /// Creates a period of this many years.
    #[must_use]
    pub const fn years(years: u32) -> Self {
        Self {
            duration: years,
            unit: RetentionUnit::Years,
        }
    }
}

/// The default retention of a bucket, which applies to new files that are uploaded or copied
/// without a retention of their own. Changing it does not affect files that exist.
///
/// ```
/// use b2sdk::lock::{BucketRetention, RetentionPeriod};
///
/// let retention = BucketRetention::governance(RetentionPeriod::days(30));
/// assert_eq!(retention.period.duration, 30);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BucketRetention {
    /// How strictly new versions are protected: whether anybody may shorten their retention.
    pub mode: RetentionMode,
    /// How long a file is retained, counted from its upload.
    pub period: RetentionPeriod,
}

impl BucketRetention {
    /// Creates a default retention that a key with `bypassGovernance` can shorten or remove for
    /// each file.
    #[must_use]
    pub const fn governance(period: RetentionPeriod) -> Self {
        Self {
            mode: RetentionMode::Governance,
            period,
        }
    }

    /// Creates a default retention that nobody can shorten or remove once a file has it.
    #[must_use]
    pub const fn compliance(period: RetentionPeriod) -> Self {
        Self {
            mode: RetentionMode::Compliance,
            period,
        }
    }

    /// Checks what the service would refuse; the reason is a sentence for the caller.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.period.duration == 0 {
            return Err("a period has at least one day or year".to_owned());
        }
        Ok(())
    }
}

/// A change to a bucket's default retention, in
/// [`UpdateBucketOptions::default_retention`](crate::UpdateBucketOptions::default_retention). Versions that exist
/// keep the retention that they have.
///
/// ```
/// use b2sdk::UpdateBucketOptions;
/// use b2sdk::lock::{BucketRetention, DefaultRetention, RetentionPeriod};
///
/// let month = BucketRetention::governance(RetentionPeriod::days(30));
/// let on = UpdateBucketOptions::new().default_retention(month);
/// let off = UpdateBucketOptions::new().default_retention(DefaultRetention::Cleared);
/// assert!(on.default_retention != off.default_retention);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefaultRetention {
    /// New files get this retention by default.
    Set(BucketRetention),
    /// New files get no retention by default.
    Cleared,
}

impl From<Option<BucketRetention>> for DefaultRetention {
    fn from(retention: Option<BucketRetention>) -> Self {
        retention.map_or(Self::Cleared, Self::Set)
    }
}

impl From<BucketRetention> for DefaultRetention {
    fn from(retention: BucketRetention) -> Self {
        Self::Set(retention)
    }
}

/// The object lock settings of a bucket, in
/// [`BucketDetails::file_lock_configuration`](crate::BucketDetails::file_lock_configuration).
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// use b2sdk::{BucketType, CreateBucketOptions};
///
/// let options = CreateBucketOptions::new().file_lock(true);
/// let bucket = b2_api.create_bucket_with("example-mybucket-b2-1", BucketType::AllPrivate, &options)?;
/// let details = bucket.details()?;
/// let lock = details.file_lock_configuration.readable().expect("this key may read it");
/// assert!(lock.is_file_lock_enabled && lock.default_retention.is_none());
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLockConfiguration {
    /// Whether object lock is enabled. Once enabled, it cannot be disabled.
    pub is_file_lock_enabled: bool,
    /// The retention of new files that are given none of their own; `None` if there is no default.
    pub default_retention: Option<BucketRetention>,
}

/// [`FileRetention`] with the nulls that say that there is none.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(crate) struct RetentionForm {
    pub(crate) mode: Option<RetentionMode>,
    pub(crate) retain_until_timestamp: Option<Timestamp>,
}

impl From<Option<&FileRetention>> for RetentionForm {
    fn from(retention: Option<&FileRetention>) -> Self {
        Self {
            mode: retention.map(|retention| retention.mode.clone()),
            retain_until_timestamp: retention.map(|retention| retention.until),
        }
    }
}

impl Setting for FileRetention {
    type Form = RetentionForm;

    fn from_form(form: RetentionForm) -> Filtered<Self> {
        match (form.mode, form.retain_until_timestamp) {
            (Some(mode), Some(until)) => Filtered::Readable(Self { mode, until }),
            (None, None) => Filtered::Unset,
            _ => Filtered::NotAuthorized,
        }
    }

    fn to_form(setting: Option<&Self>) -> RetentionForm {
        setting.into()
    }
}

impl Setting for LegalHold {
    type Form = Option<Self>;

    fn from_form(form: Option<Self>) -> Filtered<Self> {
        form.map_or(Filtered::Unset, Filtered::Readable)
    }

    fn to_form(setting: Option<&Self>) -> Option<Self> {
        setting.cloned()
    }
}

/// [`BucketRetention`] with the nulls that say that there is none. The service always wants both.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(crate) struct BucketRetentionForm {
    mode: Option<RetentionMode>,
    period: Option<PeriodForm>,
}

/// [`RetentionPeriod`] with the nulls that say that there is none.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct PeriodForm {
    duration: Option<u32>,
    unit: Option<RetentionUnit>,
}

impl From<Option<&BucketRetention>> for BucketRetentionForm {
    fn from(retention: Option<&BucketRetention>) -> Self {
        Self {
            mode: retention.map(|retention| retention.mode.clone()),
            period: retention.map(|retention| PeriodForm {
                duration: Some(retention.period.duration),
                unit: Some(retention.period.unit.clone()),
            }),
        }
    }
}

impl Setting for BucketRetention {
    type Form = BucketRetentionForm;

    fn from_form(form: BucketRetentionForm) -> Filtered<Self> {
        let period = form.period.unwrap_or_default();
        match (form.mode, period.duration, period.unit) {
            // Some clients clear it with "none", and may be given that back.
            (Some(RetentionMode::Other(mode)), None, None) if &*mode == "none" => Filtered::Unset,
            (Some(mode), Some(duration), Some(unit)) => Filtered::Readable(Self {
                mode,
                period: RetentionPeriod { duration, unit },
            }),
            (None, None, None) => Filtered::Unset,
            _ => Filtered::NotAuthorized,
        }
    }

    fn to_form(setting: Option<&Self>) -> BucketRetentionForm {
        setting.into()
    }
}

/// [`FileLockConfiguration`] as it travels, with the nulls that say that there is no default.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileLockForm {
    #[serde(default)]
    is_file_lock_enabled: Option<bool>,
    #[serde(default, deserialize_with = "null_is_default")]
    default_retention: BucketRetentionForm,
}

impl Setting for FileLockConfiguration {
    type Form = FileLockForm;

    fn from_form(form: FileLockForm) -> Filtered<Self> {
        let default_retention = match BucketRetention::from_form(form.default_retention) {
            Filtered::Readable(retention) => Some(retention),
            Filtered::Unset => None,
            Filtered::NotAuthorized => return Filtered::NotAuthorized,
        };
        match form.is_file_lock_enabled {
            Some(is_file_lock_enabled) => Filtered::Readable(Self {
                is_file_lock_enabled,
                default_retention,
            }),
            None => Filtered::NotAuthorized,
        }
    }

    fn to_form(setting: Option<&Self>) -> FileLockForm {
        FileLockForm {
            is_file_lock_enabled: setting.map(|setting| setting.is_file_lock_enabled),
            default_retention: setting
                .and_then(|setting| setting.default_retention.as_ref())
                .into(),
        }
    }
}
