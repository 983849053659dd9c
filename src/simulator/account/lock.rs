//! Object lock (docs/protocol.md, section 3.11) as it is kept: retention, legal hold, the default retention of a
//! bucket, and what they forbid. `api::lock_fields` has its form in requests and answers.

use serde::{Deserialize, Serialize};

use crate::simulator::protocol::reply::Refusal;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// The end of the year 9999. No retention ends later: clients could not show the date.
pub(crate) const LAST_MILLIS: u64 = 253_402_300_799_999;
/// 3000 years: whenever a file is made, its retention then ends before [`LAST_MILLIS`].
pub(crate) const MAX_DEFAULT_DAYS: u64 = 3000 * 365;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Governance,
    Compliance,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// Until when a version must stay, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retention {
    pub(crate) mode: Mode,
    pub(crate) until: u64,
}

impl Retention {
    pub(crate) fn check_future(self, now: u64) -> Result<(), Refusal> {
        if self.until > now {
            return Ok(());
        }
        Err(Refusal::new(
            400,
            "retain_until_timestamp_must_be_in_future",
            "The retainUntilTimestamp must be in future",
        ))
    }
}

/// The retention that a bucket puts on new files which ask for none of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DefaultRetention(pub(crate) Option<Period>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Period {
    pub(crate) mode: Mode,
    pub(crate) duration: u64,
    pub(crate) in_years: bool,
}

impl DefaultRetention {
    pub(crate) fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// The retention of a file that is made at this time.
    pub(crate) fn from(self, now: u64) -> Option<Retention> {
        self.0.map(|period| period.from(now))
    }
}

impl Period {
    /// How long it lasts; a year has 365 days.
    pub(crate) fn days(self) -> u64 {
        let days_per_unit = if self.in_years { 365 } else { 1 };
        self.duration.saturating_mul(days_per_unit)
    }

    fn from(self, now: u64) -> Retention {
        Retention {
            mode: self.mode,
            until: now
                .saturating_add(self.days().saturating_mul(DAY_MILLIS))
                .min(LAST_MILLIS),
        }
    }
}

/// What protects one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) retention: Option<Retention>,
    /// `None`: never set, which protects as little as off.
    pub(crate) legal_hold: Option<bool>,
}

impl Lock {
    /// What is left of it at this time.
    pub(crate) fn still_at(self, now: u64) -> Self {
        Self {
            retention: self.retention.filter(|retention| retention.until > now),
            ..self
        }
    }

    /// Whether the version may be deleted. A governed one may, if the caller bypasses governance
    /// and is allowed to.
    pub(crate) fn check_delete(self, now: u64, bypasses: bool) -> Result<(), Refusal> {
        let is_retained = self.retention.is_some_and(|retention| {
            let can_bypass = retention.mode == Mode::Governance && bypasses;
            retention.until > now && !can_bypass
        });
        if is_retained || self.legal_hold == Some(true) {
            return Err(Refusal::new(401, "access_denied", "Access Denied"));
        }
        Ok(())
    }

    /// Whether the retention may become this one: it may always be made stricter; a governed one
    /// may be weakened by those who bypass it.
    pub(crate) fn may_become(self, new: Option<Retention>, now: u64, bypasses: bool) -> bool {
        let Some(old) = self.retention.filter(|old| old.until > now) else {
            return true;
        };
        let is_longer = new.is_some_and(|new| new.until >= old.until);
        match old.mode {
            Mode::Compliance => is_longer && new.is_some_and(|new| new.mode == Mode::Compliance),
            Mode::Governance => is_longer || bypasses,
        }
    }
}
