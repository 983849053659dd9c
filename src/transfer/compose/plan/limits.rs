//! The sizes that parts of a composed file may have.
//!
//! The service fixes a smallest and a largest size, and the number of parts. Of pieces that are all
//! known, `plan` doubles the sizes until the parts are few enough. Of a stream of pieces nobody
//! knows the end, so the sizes double after every 1,000 parts: a small file has small parts, and the
//! largest file, of 10 TB, still fits.

use crate::error::Result;
use crate::model::auth::AccountAuth;
use crate::transfer::parts::{COPY_PART, MAX_PART, MAX_PARTS, PartLimits, part_sizes};

/// The number of parts of a stream that have the same size. After it the size doubles, so that the
/// stream can still become the largest file.
const STEP: u64 = 1000;

/// The sizes of parts, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The smallest size of every part but the last one.
    pub(super) min: u64,
    /// The size of an uploaded part.
    pub(super) upload: u64,
    /// The largest size of a copied part.
    pub(super) copy: u64,
    /// The largest size of any part.
    pub(super) max: u64,
    /// The number of parts that a file may have.
    pub(super) max_parts: u64,
}

impl Limits {
    /// The limits of an account. `wanted` replaces the size that it recommends.
    pub(crate) fn new(auth: &AccountAuth, wanted: Option<u64>) -> Result<Self> {
        let min = part_sizes(auth).0.min(MAX_PART / 4);
        let upload = PartLimits::new(auth, wanted)?.wanted();
        Ok(Self {
            min,
            upload: upload.clamp(min, MAX_PART - min),
            copy: wanted.unwrap_or(COPY_PART).clamp(2 * min, MAX_PART),
            max: MAX_PART,
            max_parts: MAX_PARTS,
        })
    }

    /// Whether this many bytes of a stored file can be a part. The last part may be smaller, but where a
    /// piece ends up is known only when the whole is planned.
    pub(crate) const fn can_be_copied(&self, length: u64) -> bool {
        length >= self.min
    }

    /// The limits with every size doubled this many times, as far as the service allows.
    pub(super) fn doubled(self, times: u64) -> Self {
        let factor = 1_u64 << times.min(40);
        let min = self
            .min
            .saturating_mul(factor)
            .min(self.max / 4)
            .max(self.min);
        Self {
            min,
            upload: self.upload.saturating_mul(factor).min(self.max - min),
            copy: self.copy.saturating_mul(factor).min(self.max),
            ..self
        }
    }
}

/// The sizes of parts. They grow with the number of parts if nobody knows how many there will be.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// The sizes of the first parts.
    pub(super) limits: Limits,
    /// Whether the sizes of parts grow with their number.
    pub(super) grows: bool,
}

impl Sizes {
    /// The limits of the next part after `made` parts.
    pub(super) fn now(self, made: u64) -> Limits {
        if self.grows {
            self.limits.doubled(made / STEP)
        } else {
            self.limits
        }
    }

    /// The limits of the next part if `bytes` are to be cut into parts. They get at most half of
    /// the parts that are left, because nobody knows what follows.
    pub(super) fn of(self, made: u64, bytes: u64) -> Limits {
        let limits = self.now(made);
        if !self.grows {
            return limits;
        }
        let left = limits.max_parts.saturating_sub(made) / 2;
        let least = bytes.div_ceil(left.max(1));
        Limits {
            upload: limits.upload.max(least).min(limits.max - limits.min),
            copy: limits.copy.max(least).min(limits.max),
            ..limits
        }
    }
}
