//! Cuts a large file into parts: pure arithmetic on the limits of the service (docs/protocol.md,
//! section 7).
//!
//! All sizes are in bytes, and units are decimal: 1 MB is 1,000,000 bytes. An index counts parts
//! from 0, as ranges of the file do; a number counts them from 1, as the service does.
//!
//! | limit | value | what follows beyond it |
//! | --- | --- | --- |
//! | smallest part but the last | what the account says, usually 5 MB | `InvalidInput` for a `part_size` |
//! | largest part | 5 GB | `InvalidInput` for a `part_size` |
//! | number of parts | 10,000 | parts of a known length become larger than asked for |
//! | largest file | 10 TB | `InvalidInput` if the length is known |

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;

/// The largest number of parts that a file may have.
pub(crate) const MAX_PARTS: u64 = 10_000;
/// The largest size of a part, or of a file in one request, in bytes.
pub(crate) const MAX_PART: u64 = 5_000_000_000;
/// The smallest part but the last, and the recommended part, of an account whose own sizes cannot be
/// true, in bytes.
const USUAL_SIZES: (u64, u64) = (5_000_000, 100_000_000);
/// The largest size of a file, in bytes.
pub(crate) const MAX_FILE: u64 = 10_000_000_000_000;
/// The usual size of copied parts, in bytes. Each costs a request but moves no data over the
/// network, so they are large.
pub(crate) const COPY_PART: u64 = 1_000_000_000;
/// The smallest size of parts that are smaller than recommended so that more workers have one, in
/// bytes. Below it the requests would take longer than the content.
const SMALLEST_SHARE: u64 = 16_000_000;

/// The part size to use, and the limits that apply to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartLimits {
    /// The part size that the caller asked for, or that the service recommends.
    wanted: u64,
    /// The smallest size, if the caller leaves the size to us.
    least: Option<u64>,
    /// The largest size that the parts of a stream grow to. It does not apply to
    /// [`cut`](Self::cut).
    most: u64,
}

/// The smallest and the recommended part size of an account, in bytes.
///
/// A smallest size that no part can have, and a recommended one below the smallest or above the
/// largest, cannot be true. The usual sizes take their place, so that uploads do not fail with an
/// error that blames the caller's options.
pub(crate) fn part_sizes(auth: &AccountAuth) -> (u64, u64) {
    let (minimum, recommended) = USUAL_SIZES;
    let minimum = match auth.absolute_minimum_part_size {
        named @ 1..=MAX_PART => named,
        _ => minimum,
    };
    let recommended = match auth.recommended_part_size {
        named if (minimum..=MAX_PART).contains(&named) => named,
        _ => recommended.max(minimum),
    };
    (minimum, recommended)
}

impl PartLimits {
    /// The limits of an account. `wanted` replaces the size that it recommends. Fails with
    /// `InvalidInput` if the account does not allow that size.
    pub(crate) fn new(auth: &AccountAuth, wanted: Option<u64>) -> Result<Self> {
        let (minimum, recommended) = part_sizes(auth);
        let least = wanted.is_none().then_some(minimum);
        let wanted = wanted.unwrap_or(recommended);
        if !(minimum..=MAX_PART).contains(&wanted) {
            let reason = format!("{wanted} bytes are not between {minimum} and {MAX_PART}");
            return Err(Error::invalid_input("part_size", reason));
        }
        Ok(Self {
            wanted,
            least,
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

    /// Cuts a file of known length for an upload that can be resumed: into parts that are small, whatever
    /// the number of workers, since a part that has not arrived completely is lost with the process. A
    /// size that the caller chose is kept.
    pub(crate) fn cut_small(&self, length: u64) -> Result<EqualParts> {
        let small = |least: u64| self.wanted.min(SMALLEST_SHARE.max(least));
        let wanted = self.least.map_or(self.wanted, small);
        Self { wanted, ..*self }.cut(length)
    }

    /// How a file of this length may have been cut if it has these parts, which are numbers and lengths.
    /// `None` if the caller chose a size, or if no size agrees with the parts.
    ///
    /// The recommended size is that of earlier releases. An upload that was not to be resumed is cut for
    /// its workers ([`share_out`](Self::share_out)), which shows by any part but the last.
    pub(crate) fn cut_like(&self, length: u64, listed: &[(u64, u64)]) -> Option<EqualParts> {
        let least = self.least?;
        let largest = listed.iter().map(|(_, length)| *length).max()?;
        let seen = (least..=MAX_PART)
            .contains(&largest)
            .then(|| EqualParts::new(length, largest))
            .filter(|parts| parts.count() <= MAX_PARTS);
        let fits = |parts: &EqualParts| {
            let mut listed = listed.iter();
            listed.all(|(number, length)| parts.has(*number, *length))
        };
        self.cut(length).ok().into_iter().chain(seen).find(fits)
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

impl PartLimits {
    /// Cuts a file of known length so that this many workers finish at the same time: into a multiple
    /// of as many parts, of which there are never more than [`cut`](Self::cut) makes, or into a part for
    /// each worker if there would be fewer. A size that the caller chose is kept.
    pub(crate) fn share_out(&self, length: u64, workers: usize) -> Result<EqualParts> {
        let parts = self.cut(length)?;
        let (Some(least), count) = (self.least, parts.count()) else {
            return Ok(parts);
        };
        let workers = (workers as u64).max(1);
        let shares = match count / workers {
            0 => (length / SMALLEST_SHARE.max(least)).clamp(count, workers),
            rounds => rounds * workers,
        };
        let size = length.div_ceil(shares.max(1));
        Ok(match shares == count || size > MAX_PART {
            true => parts,
            false => EqualParts::new(length, size),
        })
    }
}

/// The parts of one file, all of one size except the last.
///
/// A file without content has no part at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EqualParts {
    /// The length of the file, in bytes.
    length: u64,
    /// The size of every part but the last one, in bytes. It is never 0.
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

    /// The length of the file, in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The number of parts; 0 for a file without content.
    pub(crate) const fn count(&self) -> u64 {
        self.length.div_ceil(self.size)
    }

    /// The bytes of a part, by its index from 0. Beyond the last part the range is empty.
    pub(crate) fn range(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.size).min(self.length);
        start..start.saturating_add(self.size).min(self.length)
    }

    /// The index of the part that contains this byte. A position at or behind the end of the file
    /// may give an index that no part has.
    pub(crate) const fn index_of(&self, position: u64) -> u64 {
        position / self.size
    }

    /// The length of a part, by its number from 1.
    pub(crate) fn length_of(&self, number: u64) -> u64 {
        let range = self.range(number.saturating_sub(1));
        range.end - range.start
    }

    /// Whether there is a part of this number, from 1, with this length.
    pub(crate) fn has(&self, number: u64, length: u64) -> bool {
        (1..=self.count()).contains(&number) && self.length_of(number) == length
    }

    /// The bytes of each part, in order and without gaps.
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
        least: Some(MINIMUM),
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

    proptest! {
        #[test]
        fn shares_keep_to_the_limits_and_leave_no_round_unused(length in lengths(), workers in 1..200_usize) {
            let plain = LIMITS.cut(length).unwrap();
            let parts = LIMITS.share_out(length, workers).unwrap();
            let rounds = |count: u64| count.div_ceil(workers as u64);
            let longest = |parts: &super::EqualParts| rounds(parts.count()) * parts.length_of(1);
            assert_eq!(parts.iter().last().unwrap().end, length);
            assert!(parts.length_of(1) <= MAX_PART && parts.count() <= MAX_PARTS);
            assert!(parts.count() == 1 || parts.length_of(1) >= MINIMUM);
            assert!(parts.count() <= plain.count().max(workers as u64));
            // The time that it takes if each worker moves as fast as the others.
            assert!(longest(&parts) <= longest(&plain));
            let ideal = length.div_ceil(workers as u64).max(super::SMALLEST_SHARE);
            let is_kept = parts == plain;
            assert!(is_kept || longest(&parts) < 2 * ideal, "{parts:?} {plain:?}");
        }
    }

    #[test]
    fn a_gibibyte_by_ten_workers_is_one_round() {
        let parts = |workers| LIMITS.share_out(1 << 30, workers).unwrap().count();
        assert_eq!([1, 4, 10, 64].map(parts), [11, 8, 10, 64]);
        let chosen = PartLimits {
            least: None,
            ..LIMITS
        };
        assert_eq!(chosen.share_out(1 << 30, 10).unwrap().count(), 11);
    }

    proptest! {
        #[test]
        fn any_cut_is_found_again_by_its_parts(length in 2 * WANTED..MAX_FILE, size in MINIMUM..=WANTED, seed in 0..1000_u64) {
            let parts = PartLimits { wanted: size, ..LIMITS }.cut(length).unwrap();
            // Some part but the last, and the last.
            let numbers = [1 + seed % (parts.count() - 1), parts.count()];
            let listed = numbers.map(|number| (number, parts.length_of(number)));
            let found = LIMITS.cut_like(length, &listed).unwrap();
            assert!(listed.iter().all(|(number, length)| found.has(*number, *length)));
            assert_eq!(found, parts);
        }
    }

    #[test]
    fn a_resumable_file_is_cut_small_unless_a_size_is_chosen() {
        let size = |limits: PartLimits, length| limits.cut_small(length).unwrap().length_of(1);
        assert_eq!(size(LIMITS, 1 << 30), 16_000_000);
        assert_eq!(size(LIMITS, 1_000_000_000_000), 100_000_000);
        assert!(LIMITS.cut_small(MAX_FILE).unwrap().count() <= MAX_PARTS);
        let chosen = PartLimits {
            least: None,
            ..LIMITS
        };
        assert_eq!(size(chosen, 1 << 30), WANTED);
        assert_eq!(chosen.cut_like(1 << 30, &[(1, 16_000_000)]), None);
        let large = PartLimits {
            least: Some(50_000_000),
            ..LIMITS
        };
        assert_eq!(size(large, 1 << 30), 50_000_000);
        // Not as long as a part may be, and none of that number.
        assert_eq!(LIMITS.cut_like(1 << 30, &[(1, MINIMUM - 1)]), None);
        assert_eq!(LIMITS.cut_like(1 << 30, &[(400, MINIMUM)]), None);
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
