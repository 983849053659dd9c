//! Object lock in requests and answers (docs/protocol.md, section 3.11): reading it from headers and JSON fields,
//! showing it in both.

use serde_json::{Value, json};

use crate::simulator::account::lock::{
    DefaultRetention, LAST_MILLIS, Lock, MAX_DEFAULT_DAYS, Mode, Period, Retention,
};
use crate::simulator::api::auth::Caller;
use crate::simulator::protocol::decode;
use crate::simulator::protocol::json::{Fields, missing};
use crate::simulator::protocol::message::Request;
use crate::simulator::protocol::reply::Refusal;

const MODE_HEADER: &str = "x-bz-file-retention-mode";
const UNTIL_HEADER: &str = "x-bz-file-retention-retain-until-timestamp";
const HOLD_HEADER: &str = "x-bz-file-legal-hold";

/// The lock that the headers of an upload ask for.
pub(crate) fn of_headers(request: &Request) -> Result<Lock, Refusal> {
    let header = |name: &str| {
        let is_there = request.headers.iter().any(|(header, _)| header == name);
        match request.header(name) {
            None if is_there => Err(Refusal::bad_request(format!("Invalid header: {name}"))),
            value => Ok(value),
        }
    };
    let mode = header(MODE_HEADER)?.map(mode).transpose()?;
    let until = header(UNTIL_HEADER)?
        .map(|until| {
            decode::decimal(until)
                .ok_or_else(|| Refusal::bad_request(format!("Invalid header: {UNTIL_HEADER}")))
        })
        .transpose()?;
    Ok(Lock {
        retention: of_both(mode, until)?,
        legal_hold: header(HOLD_HEADER)?.map(hold).transpose()?,
    })
}

/// The lock that the fields of a call which makes a file ask for.
pub(crate) fn of_fields(fields: &Fields) -> Result<Lock, Refusal> {
    let setting = fields.object("fileRetention")?;
    Ok(Lock {
        retention: match setting {
            Some(setting) => retention(&setting)?,
            None => None,
        },
        legal_hold: fields.string("legalHold")?.map(hold).transpose()?,
    })
}

/// Whether this caller may put the lock on a new file, before it is known in which bucket.
pub(crate) fn check_caller(lock: Lock, caller: &Caller) -> Result<(), Refusal> {
    if lock.retention.is_some() {
        caller.require("writeFileRetentions")?;
    }
    if lock.legal_hold.is_some() {
        caller.require("writeFileLegalHolds")?;
    }
    Ok(())
}

/// The retention that b2_update_file_retention asks for; `None` clears it.
pub(crate) fn required_retention(fields: &Fields) -> Result<Option<Retention>, Refusal> {
    let setting = fields.object("fileRetention")?;
    retention(&setting.ok_or_else(|| missing("fileRetention"))?)
}

/// The legal hold that b2_update_file_legal_hold asks for.
pub(crate) fn required_hold(fields: &Fields) -> Result<bool, Refusal> {
    hold(fields.required_string("legalHold")?)
}

/// The default retention that a bucket is to get, if the call names one.
pub(crate) fn default_retention(fields: &Fields) -> Result<Option<DefaultRetention>, Refusal> {
    let Some(setting) = fields.object("defaultRetention")? else {
        return Ok(None);
    };
    let mode = match setting.string("mode")? {
        None | Some("none") => {
            if setting.value("period").is_some() {
                return Err(Refusal::bad_request("A period needs a retention mode"));
            }
            return Ok(Some(DefaultRetention(None)));
        }
        Some(text) => mode(text)?,
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
    let period = Period {
        mode,
        duration,
        in_years,
    };
    if period.days() > MAX_DEFAULT_DAYS {
        let message = format!("period: duration must be at most {MAX_DEFAULT_DAYS} days");
        return Err(Refusal::bad_request(message));
    }
    Ok(Some(DefaultRetention(Some(period))))
}

/// Reads `{mode, retainUntilTimestamp}`: both of them, or `None` for two nulls.
fn retention(setting: &Fields) -> Result<Option<Retention>, Refusal> {
    let mode = setting.string("mode")?.map(mode).transpose()?;
    let until = setting.integer("retainUntilTimestamp")?;
    of_both(mode, until.and_then(|until| u64::try_from(until).ok()))
}

fn of_both(mode: Option<Mode>, until: Option<u64>) -> Result<Option<Retention>, Refusal> {
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(_), Some(until)) if until > LAST_MILLIS => Err(Refusal::bad_request(format!(
            "retainUntilTimestamp must be at most {LAST_MILLIS}"
        ))),
        (Some(mode), Some(until)) => Ok(Some(Retention { mode, until })),
        _ => Err(Refusal::bad_request(
            "Retention mode and retainUntilTimestamp must be given together",
        )),
    }
}

fn mode(text: &str) -> Result<Mode, Refusal> {
    match text {
        "governance" => Ok(Mode::Governance),
        "compliance" => Ok(Mode::Compliance),
        other => Err(Refusal::bad_request(format!(
            "Invalid retention mode: {other}"
        ))),
    }
}

fn hold(text: &str) -> Result<bool, Refusal> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Refusal::bad_request(format!("Invalid legalHold: {other}"))),
    }
}

pub(crate) fn shown_retention(retention: Option<Retention>) -> Value {
    json!({
        "mode": retention.map(|retention| retention.mode.name()),
        "retainUntilTimestamp": retention.map(|retention| retention.until),
    })
}

pub(crate) fn shown_default(default: DefaultRetention) -> Value {
    match default.0 {
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

pub(crate) fn shown_hold(lock: Lock) -> Option<&'static str> {
    lock.legal_hold
        .map(|is_on| if is_on { "on" } else { "off" })
}

/// The headers of a download: what is set and may be read, and the names of what may not.
pub(crate) fn headers(
    lock: Lock,
    reads_retention: bool,
    reads_hold: bool,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut hidden = Vec::new();
    let mut put = |is_readable: bool, name: &str, value: Option<String>| {
        if !is_readable {
            hidden.push(name.to_owned());
        } else if let Some(value) = value {
            headers.push((name.to_owned(), value));
        }
    };
    let hold = shown_hold(lock).map(str::to_owned);
    put(reads_hold, "X-Bz-File-Legal-Hold", hold);
    let mode = lock
        .retention
        .map(|retention| retention.mode.name().to_owned());
    put(reads_retention, "X-Bz-File-Retention-Mode", mode);
    let until = lock.retention.map(|retention| retention.until.to_string());
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
