//! Byte ranges of a file, as a caller asks for them (docs/protocol.md, section 8.2).

use std::fmt;
use std::ops::{Range, RangeFrom, RangeInclusive};

/// A range of a file's bytes, made from a Rust range of positions, or the end of a file.
///
/// Positions are counted from 0. A range that ends behind the end of the file is cut there, and the
/// answer is shorter than what was asked for;
/// [`Download::length`](crate::Download::length) tells. A range that begins at or
/// behind the end fails with [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable), and
/// so does every range of an empty file. An empty range (`5..5`) is
/// [`Error::InvalidInput`](crate::Error::InvalidInput), and nothing is sent.
///
/// | file of 10 bytes | what arrives |
/// | --- | --- |
/// | `0..4` | 4 bytes |
/// | `8..100` | 2 bytes |
/// | `10..20` | an error |
/// | `5..` | 5 bytes |
/// | `ByteRange::last(3)` | 3 bytes |
/// | `ByteRange::last(100)` | 10 bytes |
///
/// ```
/// use b2sdk::ByteRange;
///
/// assert_eq!(ByteRange::from(0..100).to_string(), "bytes=0-99");
/// assert_eq!(ByteRange::from(0..=99).to_string(), "bytes=0-99");
/// assert_eq!(ByteRange::from(100..).to_string(), "bytes=100-");
/// assert_eq!(ByteRange::last(10).to_string(), "bytes=-10");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange(Form);

/// The three forms that a `Range` header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Bounded { first: u64, last: u64 },
    From { first: u64 },
    Last { length: u64 },
}

impl ByteRange {
    /// Selects the last `length` bytes, or the whole file if it is shorter.
    #[must_use]
    pub const fn last(length: u64) -> Self {
        Self(Form::Last { length })
    }

    /// Whether it has a beginning and an end.
    pub(crate) const fn is_bounded(self) -> bool {
        matches!(self.0, Form::Bounded { .. })
    }

    /// The range with a beginning and an end that selects the same bytes of a file of `total` bytes. If there
    /// are none, it lies behind the end of the file.
    pub(crate) fn bounded(self, total: u64) -> Self {
        let behind = match self.0 {
            Form::Bounded { first, .. } | Form::From { first } => first.max(total),
            Form::Last { .. } => total,
        };
        let range = self.within(total);
        Self::from(range.unwrap_or_else(|| behind..behind.saturating_add(1)))
    }

    /// Whether no byte can be in it, whatever the file.
    pub(crate) const fn is_empty(self) -> bool {
        match self.0 {
            Form::Bounded { first, last } => first > last,
            Form::From { .. } => false,
            Form::Last { length } => length == 0,
        }
    }

    /// The half-open range of bytes that this selects from a file of `total` bytes; `None` if it
    /// selects nothing.
    pub(crate) fn within(self, total: u64) -> Option<Range<u64>> {
        let range = match self.0 {
            Form::Bounded { first, last } => first..last.saturating_add(1).min(total),
            Form::From { first } => first..total,
            Form::Last { length } => total.saturating_sub(length)..total,
        };
        (range.start < range.end).then_some(range)
    }

    /// The half-open range of bytes that this selects from a file of `total` bytes, if the file has all
    /// of them.
    pub(crate) fn inside(self, total: u64) -> Option<Range<u64>> {
        let has_all = match self.0 {
            Form::Bounded { last, .. } => last < total,
            Form::From { first } => first < total,
            Form::Last { length } => length <= total,
        };
        self.within(total).filter(|_| has_all)
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        match range.end.checked_sub(1) {
            Some(last) => Self::from(range.start..=last),
            // No byte is before the first one.
            None => Self::last(0),
        }
    }
}

impl From<RangeInclusive<u64>> for ByteRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self(Form::Bounded {
            first: *range.start(),
            last: *range.end(),
        })
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self(Form::From { first: range.start })
    }
}

impl fmt::Display for ByteRange {
    /// Writes the value of a `Range` header, such as `bytes=0-99`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Bounded { first, last } => write!(f, "bytes={first}-{last}"),
            Form::From { first } => write!(f, "bytes={first}-"),
            Form::Last { length } => write!(f, "bytes=-{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ByteRange;

    #[test]
    fn a_range_selects_what_its_header_means() {
        assert_eq!(ByteRange::from(2..=4).within(10), Some(2..5));
        assert_eq!(ByteRange::from(2..5).within(10), Some(2..5));
        assert_eq!(ByteRange::from(2..5), ByteRange::from(2..=4));
        assert_eq!(ByteRange::from(2..=99).within(10), Some(2..10));
        assert_eq!(ByteRange::from(0..=u64::MAX).within(10), Some(0..10));
        assert_eq!(ByteRange::from(9..).within(10), Some(9..10));
        assert_eq!(ByteRange::from(10..).within(10), None);
        assert_eq!(ByteRange::last(3).within(10), Some(7..10));
        assert_eq!(ByteRange::last(30).within(10), Some(0..10));
        assert_eq!(ByteRange::last(3).within(0), None);
        assert_eq!(ByteRange::from(2..=9).inside(10), Some(2..10));
        assert_eq!(ByteRange::from(2..=10).inside(10), None);
        assert_eq!(ByteRange::last(30).inside(10), None);
        assert_eq!(ByteRange::from(10..).inside(10), None);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "callers may pass such")]
    fn a_range_without_bytes_is_empty_whatever_its_form() {
        for range in [
            ByteRange::from(0..0),
            ByteRange::from(5..5),
            ByteRange::from(5..4),
            ByteRange::from(5..=4),
            ByteRange::from(5..0),
            ByteRange::last(0),
        ] {
            assert!(range.is_empty(), "{range:?}");
            assert_eq!(range.within(10), None);
        }
        assert!(!ByteRange::from(0..1).is_empty());
    }
}
