//! Object lock (docs/protocol.md, section 3.11): retention and legal hold as requests ask for them
//! and as they are kept, and what they forbid.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::auth::Caller;
use super::decode;
use super::json::{Fields, missing};
use super::message::Request;
use super::records::Bucket;
use super::reply::Refusal;

const MODE_HEADER: &str = "x-bz-file-retention-mode";
const UNTIL_HEADER: &str = "x-bz-file-retention-retain-until-timestamp";
const HOLD_HEADER: &str = "x-bz-file-legal-hold";
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Governance,
    Compliance,
}

impl Mode {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "governance" => Ok(Self::Governance),
            "compliance" => Ok(Self::Compliance),
            other => Err(Refusal::bad_request(format!(
                "Invalid retention mode: {other}"
            ))),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// Until when a version must stay, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retention {
    pub(super) mode: Mode,
    pub(super) until: u64,
}

impl Retention {
    /// Reads `{mode, retainUntilTimestamp}`: both of them, or `None` for two nulls.
    fn of_object(setting: &Fields) -> Result<Option<Self>, Refusal> {
        let mode = setting.string("mode")?.map(Mode::parse).transpose()?;
        let until = setting.integer("retainUntilTimestamp")?;
        Self::of_both(mode, until.and_then(|until| u64::try_from(until).ok()))
    }

    fn of_both(mode: Option<Mode>, until: Option<u64>) -> Result<Option<Self>, Refusal> {
        match (mode, until) {
            (None, None) => Ok(None),
            (Some(mode), Some(until)) => Ok(Some(Self { mode, until })),
            _ => Err(Refusal::bad_request(
                "Retention mode and retainUntilTimestamp must be given together",
            )),
        }
    }

    pub(super) fn check_future(self, now: u64) -> Result<(), Refusal> {
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

/// What a bucket puts on new files that ask for no retention of their own; nothing, at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DefaultRetention(Option<Period>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Period {
    mode: Mode,
    duration: u64,
    in_years: bool,
}

impl DefaultRetention {
    /// Reads the setting of a bucket.
    pub(super) fn of_field(fields: &Fields) -> Result<Option<Self>, Refusal> {
        let Some(setting) = fields.object("defaultRetention")? else {
            return Ok(None);
        };
        let mode = match setting.string("mode")? {
            None | Some("none") => {
                if setting.value("period").is_some() {
                    return Err(Refusal::bad_request("A period needs a retention mode"));
                }
                return Ok(Some(Self(None)));
            }
            Some(mode) => Mode::parse(mode)?,
        };
        let period = setting.object("period")?.ok_or_else(|| missing("period"))?;
        let duration = period.required_integer("duration")?;
        let duration = u64::try_from(duration)
            .ok()
            .filter(|duration| *duration > 0)
            .ok_or_else(|| Refusal::bad_request("period: duration must be positive"))?;
        let in_years = match period.required_string("unit")? {
            "days" => false,
            "years" => true,
            other => {
                return Err(Refusal::bad_request(format!(
                    "period: invalid unit: {other}"
                )));
            }
        };
        Ok(Some(Self(Some(Period {
            mode,
            duration,
            in_years,
        }))))
    }

    pub(super) fn is_none(self) -> bool {
        self.0.is_none()
    }

    pub(super) fn shown(self) -> Value {
        match self.0 {
            None => json!({ "mode": null, "period": null }),
            Some(period) => json!({
                "mode": period.mode.name(),
                "period": {
                    "duration": period.duration,
                    "unit": if period.in_years { "years" } else { "days" },
                },
            }),
        }
    }
}

impl Period {
    fn from(self, now: u64) -> Retention {
        let days_per_unit = if self.in_years { 365 } else { 1 };
        let days = self.duration.saturating_mul(days_per_unit);
        Retention {
            mode: self.mode,
            until: now.saturating_add(days.saturating_mul(DAY_MILLIS)),
        }
    }
}

/// What protects one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) retention: Option<Retention>,
    /// `None`: never set, which is as good as off.
    pub(super) legal_hold: Option<bool>,
}

impl Lock {
    /// What the headers of an upload ask for.
    pub(super) fn of_headers(request: &Request) -> Result<Self, Refusal> {
        let header = |name: &str| {
            let is_there = request.headers.iter().any(|(header, _)| header == name);
            match request.header(name) {
                None if is_there => Err(Refusal::bad_request(format!("Invalid header: {name}"))),
                value => Ok(value),
            }
        };
        let mode = header(MODE_HEADER)?.map(Mode::parse).transpose()?;
        let until = header(UNTIL_HEADER)?
            .map(|until| {
                decode::decimal(until)
                    .ok_or_else(|| Refusal::bad_request(format!("Invalid header: {UNTIL_HEADER}")))
            })
            .transpose()?;
        Ok(Self {
            retention: Retention::of_both(mode, until)?,
            legal_hold: header(HOLD_HEADER)?.map(parse_hold).transpose()?,
        })
    }

    /// What the fields of a call that makes a file ask for.
    pub(super) fn of_fields(fields: &Fields) -> Result<Self, Refusal> {
        let retention = fields.object("fileRetention")?;
        Ok(Self {
            retention: match retention {
                Some(setting) => Retention::of_object(&setting)?,
                None => None,
            },
            legal_hold: fields.string("legalHold")?.map(parse_hold).transpose()?,
        })
    }

    /// What is left of it at this time.
    pub(super) fn still_at(self, now: u64) -> Self {
        Self {
            retention: self.retention.filter(|retention| retention.until > now),
            ..self
        }
    }

    /// Whether this caller may put it on a new file, before it is known where.
    pub(super) fn check_caller(self, caller: &Caller) -> Result<(), Refusal> {
        if self.retention.is_some() {
            caller.require("writeFileRetentions")?;
        }
        if self.legal_hold.is_some() {
            caller.require("writeFileLegalHolds")?;
        }
        Ok(())
    }

    /// What a new file in this bucket gets: this, and the bucket's default retention.
    pub(super) fn on_new_file(self, bucket: &Bucket, now: u64) -> Result<Self, Refusal> {
        if self != Self::default() {
            check_enabled(bucket)?;
        }
        self.retention
            .map_or(Ok(()), |retention| retention.check_future(now))?;
        let default = bucket.default_retention.0.map(|period| period.from(now));
        Ok(Self {
            retention: self.retention.or(default),
            ..self
        })
    }

    /// Whether the version may go. A governed one may, if the caller says so and is allowed to.
    pub(super) fn check_delete(self, now: u64, bypasses: bool) -> Result<(), Refusal> {
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
    pub(super) fn may_become(self, new: Option<Retention>, now: u64, bypasses: bool) -> bool {
        let Some(old) = self.retention.filter(|old| old.until > now) else {
            return true;
        };
        let is_longer = new.is_some_and(|new| new.until >= old.until);
        match old.mode {
            Mode::Compliance => is_longer && new.is_some_and(|new| new.mode == Mode::Compliance),
            Mode::Governance => is_longer || bypasses,
        }
    }

    pub(super) fn shown_hold(self) -> Option<&'static str> {
        self.legal_hold
            .map(|is_on| if is_on { "on" } else { "off" })
    }

    /// The headers of a download: what is set and may be read, and the names of what may not.
    pub(super) fn headers(self, reads_retention: bool, reads_hold: bool) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut hidden = Vec::new();
        let mut put = |is_readable: bool, name: &str, value: Option<String>| {
            if !is_readable {
                hidden.push(name.to_owned());
            } else if let Some(value) = value {
                headers.push((name.to_owned(), value));
            }
        };
        let hold = self.shown_hold().map(str::to_owned);
        put(reads_hold, "X-Bz-File-Legal-Hold", hold);
        let mode = self
            .retention
            .map(|retention| retention.mode.name().to_owned());
        put(reads_retention, "X-Bz-File-Retention-Mode", mode);
        let until = self.retention.map(|retention| retention.until.to_string());
        put(
            reads_retention,
            "X-Bz-File-Retention-Retain-Until-Timestamp",
            until,
        );
        if !hidden.is_empty() {
            let hidden = hidden.join(",");
            headers.push(("X-Bz-Client-Unauthorized-To-Read".to_owned(), hidden));
        }
        headers
    }
}

pub(super) fn shown_retention(retention: Option<Retention>) -> Value {
    json!({
        "mode": retention.map(|retention| retention.mode.name()),
        "retainUntilTimestamp": retention.map(|retention| retention.until),
    })
}

/// The retention that b2_update_file_retention asks for; `None` clears it.
pub(super) fn required_retention(fields: &Fields) -> Result<Option<Retention>, Refusal> {
    let setting = fields.object("fileRetention")?;
    Retention::of_object(&setting.ok_or_else(|| missing("fileRetention"))?)
}

pub(super) fn required_hold(fields: &Fields) -> Result<bool, Refusal> {
    parse_hold(fields.required_string("legalHold")?)
}

fn parse_hold(text: &str) -> Result<bool, Refusal> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Refusal::bad_request(format!("Invalid legalHold: {other}"))),
    }
}

pub(super) fn check_enabled(bucket: &Bucket) -> Result<(), Refusal> {
    if bucket.is_lock_enabled {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "bucket_missing_file_lock",
        "The bucket is not file lock enabled",
    ))
}
