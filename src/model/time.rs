//! Timestamps: milliseconds since the Unix epoch, as everywhere in the API (docs/protocol.md,
//! section 1.6).
//!
//! No crate for dates is used, because all that is needed is RFC 3339 in UTC: the calendar repeats
//! after 400 years, which is twenty lines. A property test writes every time and reads it back.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in whole milliseconds.
///
/// The service sends and receives timestamps as milliseconds since 1970-01-01T00:00:00Z, and so does the
/// `serde` form. `Display` writes a date and time in UTC for people and logs, as RFC 3339 defines it;
/// [`FromStr`](std::str::FromStr) reads that form, with any offset from UTC. A [`SystemTime`] converts in both
/// directions, and options that take a time accept it.
///
/// ```
/// use std::time::SystemTime;
/// use b2sdk::Timestamp;
///
/// let uploaded = Timestamp::from_millis(1_709_972_142_000);
/// assert_eq!(uploaded.to_string(), "2024-03-09T08:15:42.000Z");
/// assert_eq!("2024-03-09T09:15:42+01:00".parse(), Ok(uploaded));
/// assert_eq!(Timestamp::from(SystemTime::from(uploaded)), uploaded);
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time this many milliseconds after 1970-01-01T00:00:00Z; negative is before it.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z, which are negative before it.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The milliseconds in decimal, as headers and file info have them.
    pub(crate) fn to_decimal(self) -> String {
        self.0.to_string()
    }

    /// The time this much earlier, or the earliest that can be represented.
    #[must_use]
    pub(crate) fn earlier(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds to a millisecond, towards the past.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => {
                let nanos = before.duration().as_nanos().div_ceil(1_000_000);
                Self(i64::try_from(nanos).map_or(i64::MIN, |millis| -millis))
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let distance = Duration::from_millis(time.0.unsigned_abs());
        let moved = if time.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        moved.unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    /// Writes the date and time in UTC with milliseconds, such as `2024-03-09T08:15:42.000Z`. Years beyond
    /// 9999 and before 0 have a sign and at least six digits, as in ISO 8601.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        match year {
            0..=9999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+07}")?,
        }
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads a date and time of RFC 3339, with `Z` or an offset from UTC. Digits behind the milliseconds
    /// are dropped; a leap second counts as the second after it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).ok_or(InvalidTimestamp)
    }
}

/// The error for text that is not a date and time of RFC 3339, from parsing a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timestamp is a date and time such as 2024-03-09T08:15:42Z (RFC 3339)")]
pub struct InvalidTimestamp;

/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;
/// After this many days the Gregorian calendar repeats.
const CYCLE_DAYS: i64 = 146_097;
/// The days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is the last
/// day of a year.
const EPOCH: i64 = 719_468;

/// The year, month and day of a day that is counted from 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let since = days + EPOCH;
    let (cycle, day) = (since.div_euclid(CYCLE_DAYS), since.rem_euclid(CYCLE_DAYS));
    let leap_days = day / 1460 - day / 36_524 + day / (CYCLE_DAYS - 1);
    let year = (day - leap_days) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // The months from March on have 31, 30, 31, 30, 31 days, twice and a half: 153 in five months.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 400 * cycle + year;
    match month {
        0..=9 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
    }
}

/// The day, counted from 1970-01-01, of a date; whether the date exists is the caller's to check.
fn days_to(year: i64, month: i64, day: i64) -> Option<i64> {
    let (since_march, year) = match month {
        3..=12 => (month - 3, year),
        _ => (month + 9, year.checked_sub(1)?),
    };
    let (cycle, in_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let before = 365 * in_cycle + in_cycle / 4 - in_cycle / 100;
    let days = cycle.checked_mul(CYCLE_DAYS)? + before + (153 * since_march + 2) / 5 + day - 1;
    Some(days - EPOCH)
}

/// The milliseconds of a date and time of RFC 3339; `None` if it is none, or no such date exists.
fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (sign, unsigned) = match date.as_bytes().first()? {
        b'-' => (-1, &date[1..]),
        b'+' => (1, &date[1..]),
        _ => (1, date),
    };
    let mut fields = unsigned.split('-');
    let year = match (fields.next()?, unsigned.len() == date.len()) {
        (year, true) if year.len() == 4 => number(year)?,
        (year, false) if (6..=9).contains(&year.len()) => sign * number(year)?,
        _ => return None,
    };
    let (month, day) = (two_digits(fields.next()?)?, two_digits(fields.next()?)?);
    let days = days_to(year, month, day)?;
    if fields.next().is_some() || date_of(days) != (year, month, day) {
        return None;
    }
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = time.split_at(at);
    let (clock, fraction) = clock
        .split_once('.')
        .map_or((clock, None), |(clock, digits)| (clock, Some(digits)));
    let of_day = clock_millis(clock)? + fraction.map_or(Some(0), fraction_millis)?;
    let since_midnight = of_day - offset_millis(offset)?;
    // Only the sum has to be in range: the earliest timestamps lie within a day that is not.
    i64::try_from(i128::from(days) * i128::from(DAY) + i128::from(since_midnight)).ok()
}

/// `08:15:42`, in milliseconds.
fn clock_millis(text: &str) -> Option<i64> {
    let mut fields = text.split(':').map(two_digits);
    let (hour, minute, second) = (fields.next()??, fields.next()??, fields.next()??);
    let is_possible = hour < 24 && minute < 60 && second <= 60 && fields.next().is_none();
    is_possible.then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// The digits behind the seconds, in milliseconds.
fn fraction_millis(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let padded = format!("{digits}00");
    number(padded.get(..3)?)
}

/// `Z` or `+01:00`, in milliseconds.
fn offset_millis(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let millis = (hours * 60 + minutes) * 60_000;
    let is_possible = hours < 24 && minutes < 60;
    is_possible.then_some(if text.starts_with('-') {
        -millis
    } else {
        millis
    })
}

/// Exactly two digits.
fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2).then(|| number(text))?
}

/// Digits only, without a sign.
fn number(text: &str) -> Option<i64> {
    let is_decimal = text.bytes().all(|digit| digit.is_ascii_digit());
    is_decimal.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::Timestamp;

    #[test]
    fn times_before_the_epoch_round_towards_the_past() {
        let time = UNIX_EPOCH - Duration::from_micros(1500);
        assert_eq!(Timestamp::from(time), Timestamp::from_millis(-2));
    }

    #[test]
    fn extreme_values_do_not_panic() {
        for millis in [i64::MIN, i64::MAX, 0, -1] {
            let _ = SystemTime::from(Timestamp::from_millis(millis));
        }
    }

    #[test]
    fn display_agrees_with_the_dates_of_http() {
        for days in -3_000..40_000_i64 {
            let millis = days * super::DAY + 12_345_678;
            let text = Timestamp::from_millis(millis).to_string();
            let (year, month, day) = super::date_of(days);
            assert_eq!(text, format!("{year:04}-{month:02}-{day:02}T03:25:45.678Z"));
            if days >= 0 {
                let http = httpdate::fmt_http_date(Timestamp::from_millis(millis).into());
                let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
                let start = usize::try_from((month - 1) * 3).unwrap();
                let expected = format!("{day:02} {} {year:04}", &months[start..start + 3]);
                assert_eq!(&http[5..16], expected);
            }
        }
    }

    #[test]
    fn text_of_rfc_3339_is_read_whatever_its_offset() {
        let millis = |text: &str| text.parse().map(Timestamp::as_millis);
        assert_eq!(millis("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(millis("1970-01-01t00:00:00.5z"), Ok(500));
        assert_eq!(millis("1970-01-01 01:00:00.0019+01:00"), Ok(1));
        assert_eq!(millis("1969-12-31T16:00:00-08:00"), Ok(0));
        assert_eq!(millis("2024-02-29T00:00:00Z"), Ok(1_709_164_800_000));
        assert_eq!(millis("2016-12-31T23:59:60Z"), Ok(1_483_228_800_000));
        for wrong in [
            "",
            "0",
            "1709972142000",
            "2024-03-09",
            "2024-03-09T08:15:42",
            "2024-03-09T08:15Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-03-09T24:00:00Z",
            "2024-03-09T08:60:00Z",
            "2024-03-09T08:15:42.Z",
            "2024-03-09T08:15:42+1:00",
            "2024-03-09T08:15:42+24:00",
            "2024-03-09T08:15:42+01:00x",
            "+2024-03-09T08:15:42Z",
            "24-03-09T08:15:42Z",
            "2024-3-9T08:15:42Z",
            "+999999999-01-01T00:00:00Z",
            "2024-03-09T08:15:42Zz",
            "T",
            "é",
            "2024-03-09T-8:15:42Z",
            "--2024-03-09T08:15:42Z",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_display_writes_is_read_back(millis: i64) {
            let time = Timestamp::from_millis(millis);
            proptest::prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9TtZz:. é]{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
