//! Reads the `Retry-After` header: how long the service asks its callers to wait.
//!
//! | header | result |
//! | --- | --- |
//! | `30` | 30 seconds |
//! | `Wed, 21 Oct 2026 07:28:00 GMT` | the time until then, by the `Date` of the answer; zero if it is past |
//! | `-1`, `soon`, empty, missing | none: the usual growing pause applies |
//! | more than a day | a day, which no call waits for |

use std::time::Duration;

use ureq::http::HeaderMap;

use crate::control::clock::Clock;

/// The longest wait that is returned. A call gives up long before a day is over.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The time to wait, given in seconds or as a date (RFC 9110, section 10.2.3); `None` if the header
/// is missing or unreadable. A date is compared with the `Date` of the same answer, because the
/// clock of this machine may be wrong.
pub(super) fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let value = header("retry-after")?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let answered = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
            let answered = answered.unwrap_or_else(|| clock.now());
            let until = httpdate::parse_http_date(value).ok()?;
            until.duration_since(answered).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, retry_after};
    use crate::control::clock::Clock;

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("99999999", Some(LONGEST.as_secs())),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            (date, Some(0)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = [("retry-after", value), ("date", date)];
            let headers =
                headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let wait = retry_after(&headers.into_iter().collect(), &Clock::manual());
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
