//! Timestamps: milliseconds since the Unix epoch, as everywhere in the API (docs/protocol.md,
//! section 1.6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use std::time::SystemTime;
/// use b2sdk::Timestamp;
///
/// let uploaded = Timestamp::from_millis(1_709_972_142_000);
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
    /// This many milliseconds after the epoch; negative before it.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds after the epoch; negative before it.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The point this much earlier, or the earliest there is.
    #[must_use]
    pub(crate) fn earlier(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

impl From<SystemTime> for Timestamp {
    /// Cuts off what is below a millisecond, towards the past.
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

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidTimestamp)
    }
}

/// The text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timestamp is a decimal number of milliseconds since 1970")]
pub struct InvalidTimestamp;

impl std::fmt::Display for Timestamp {
    /// Decimal milliseconds, the form of `src_last_modified_millis`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
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
}
