//! Cuts a large file into parts: pure arithmetic on the limits of the service (docs/protocol.md,
//! section 7).

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;

/// The largest number of parts that a file may have.
pub(crate) const MAX_PARTS: u64 = 10_000;
/// The largest size of a part, or of a file in one request, in bytes.
pub(crate) const MAX_PART: u64 = 5_000_000_000;
/// The largest size of a file, in bytes.
pub(crate) const MAX_FILE: u64 = 10_000_000_000_000;
/// The usual size of copied parts, in bytes. Each costs a request but moves no data over the
/// network, so they are large.
pub(crate) const COPY_PART: u64 = 1_000_000_000;

/// The part size to use, and the limits that apply to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartLimits {
    /// The part size that the caller asked for, or that the service recommends.
    wanted: u64,
    /// The largest size that the parts of a stream grow to.
    most: u64,
}

impl PartLimits {
    /// The limits of an account. `wanted` replaces the size that it recommends. Fails with
    /// `InvalidInput` if the account does not allow that size.
    pub(crate) fn new(auth: &AccountAuth, wanted: Option<u64>) -> Result<Self> {
        let minimum = auth.absolute_minimum_part_size.clamp(1, MAX_PART);
        let wanted = wanted.unwrap_or(auth.recommended_part_size);
        if !(minimum..=MAX_PART).contains(&wanted) {
            let reason = format!("{wanted} bytes are not between {minimum} and {MAX_PART}");
            return Err(Error::invalid_input("part_size", reason));
        }
        Ok(Self {
            wanted,
            most: MAX_PART,
        })
    }

    /// Caps the growth of a stream's parts at this much memory.
    pub(crate) fn in_memory(self, limit: Option<u64>) -> Self {
        let most = limit.map_or(self.most, |limit| limit.min(self.most));
        Self { most, ..self }
    }

    /// The size of a part.
    pub(crate) const fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Whether a file of this length is uploaded in one request.
    pub(crate) const fn fits_one_request(&self, length: u64) -> bool {
        length <= self.wanted
    }

    /// The size of a part of a stream whose length nobody knows. It doubles every thousand parts,
    /// so that a small beginning can still become the largest file.
    pub(crate) const fn of_stream(&self, index: u64) -> u64 {
        let doubled = self.wanted.saturating_mul(1 << (index / 1000));
        if doubled > self.most {
            self.most
        } else {
            doubled
        }
    }

    /// Cuts a file of known length into equal parts; the last one has what is left. Fails with
    /// `InvalidInput` if the file is larger than the service allows.
    pub(crate) fn cut(&self, length: u64) -> Result<EqualParts> {
        if length > MAX_FILE {
            let reason =
                format!("{length} bytes are more than the {MAX_FILE} that a file may have");
            return Err(Error::invalid_input("length", reason));
        }
        Ok(EqualParts {
            length,
            size: self.wanted.max(length.div_ceil(MAX_PARTS)),
        })
    }
}

/// The parts of one file, all of one size except the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EqualParts {
    length: u64,
    size: u64,
}

impl EqualParts {
    /// Parts of this size, which is taken to be at least one byte.
    pub(crate) const fn new(length: u64, size: u64) -> Self {
        Self {
            length,
            size: if size == 0 { 1 } else { size },
        }
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    pub(crate) const fn count(&self) -> u64 {
        self.length.div_ceil(self.size)
    }

    /// The bytes of a part, by its index from 0.
    pub(crate) fn range(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.size).min(self.length);
        start..start.saturating_add(self.size).min(self.length)
    }

    /// The length of a part, by its number from 1.
    pub(crate) fn length_of(&self, number: u64) -> u64 {
        let range = self.range(number.saturating_sub(1));
        range.end - range.start
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        (0..self.count()).map(|index| self.range(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

    use super::{MAX_FILE, MAX_PART, MAX_PARTS, PartLimits};

    const MINIMUM: u64 = 5_000_000;
    const WANTED: u64 = 100_000_000;
    const LIMITS: PartLimits = PartLimits {
        wanted: WANTED,
        most: MAX_PART,
    };

    fn lengths() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(1),
            Just(MINIMUM),
            Just(WANTED),
            Just(WANTED + 1),
            Just(1_000_000_000_001),
            Just(MAX_FILE),
            (1..1000_u64).prop_map(|n| n * WANTED),
            1..=MAX_FILE,
        ]
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_exactly_within_the_limits(length in lengths(), wanted in MINIMUM..=WANTED) {
            let parts = PartLimits { wanted, ..LIMITS }.cut(length).unwrap();
            assert!(parts.count() <= MAX_PARTS);
            let mut end = 0;
            for (n, range) in parts.iter().enumerate() {
                assert_eq!(range.start, end);
                assert!(range.end > range.start);
                assert!(range.end - range.start >= MINIMUM || n as u64 + 1 == parts.count());
                end = range.end;
            }
            assert_eq!(end, length);
        }
    }

    #[test]
    fn a_stream_can_become_the_largest_file() {
        let limits = PartLimits {
            wanted: 16_000_000,
            ..LIMITS
        };
        let most: u64 = (0..MAX_PARTS).map(|index| limits.of_stream(index)).sum();
        assert!(most >= MAX_FILE, "{most}");
        assert_eq!(limits.of_stream(999), 16_000_000);
    }

    #[test]
    fn a_stream_grows_to_what_fits_into_memory() {
        let limits = LIMITS.in_memory(Some(3 * WANTED));
        let sizes = [0, 1000, 2000, 9999].map(|index| limits.of_stream(index));
        assert_eq!(sizes, [WANTED, 2 * WANTED, 3 * WANTED, 3 * WANTED]);
    }

    #[test]
    fn a_file_beyond_the_largest_is_refused() {
        assert!(LIMITS.cut(MAX_FILE + 1).is_err());
        assert_eq!(LIMITS.cut(0).unwrap().count(), 0);
    }
}
