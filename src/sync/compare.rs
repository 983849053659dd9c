//! Whether a file has to be transferred: pure, by the sizes and the times of both sides.
//!
//! | rule | the file is equal if | otherwise |
//! |---|---|---|
//! | [`Compare::SizeAndTime`] | sizes are equal and times within the tolerance | by [`Newer`]; if the sizes are equal and the destination has no recorded time, or is large enough for [`SyncOptions::touched`], the content decides |
//! | [`Compare::Time`] | times are within the tolerance | by [`Newer`] |
//! | [`Compare::Size`] | sizes are within the tolerance | it is transferred |
//! | [`Compare::Sha1`] | sizes are equal, and then the content | it is transferred |
//! | [`Compare::Name`] | always | |
//!
//! [`Existing`] comes before all of them: `Keep` finds every file equal, and `Immutable` makes a
//! problem of each transfer and of each new time, also where the content decides. Times are milliseconds since 1970 and never before that, because the
//! service refuses negative ones.
//!
//! Nothing here reads or sends anything. Where the content has to decide, the caller learns which
//! decision to take for equal content and which one for other content, and obtains the checksums
//! itself (`plan/names`).
//!
//! | source and destination, which has a recorded time | default options, `Newer::Report` |
//! |---|---|
//! | equal size, times within 1 ms | equal |
//! | equal size, another time, below 5 MB | transferred, or a problem if the destination is newer |
//! | equal size, source later, 5 MB or more | the content decides between a new time and a transfer |
//! | another size | transferred, or a problem if the destination is newer |
//!
//! Reflexive: a file compared with itself is equal by each rule, so that a second run has nothing
//! to do.

use crate::sync::options::{Compare, Existing, Newer, SyncOptions};
use crate::sync::step::Reason;

/// What is compared of a file.
///
/// A rule sees nothing else of a file, so that both kinds of places are compared alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// The size in bytes.
    pub(super) size: u64,
    /// The time of the last change, in milliseconds since 1970.
    pub(super) modified: i64,
    /// Whether the time is that of the content. A file in a bucket without a recorded time has the
    /// time of its upload.
    pub(super) has_time: bool,
}

/// What a comparison leads to.
///
/// It says nothing of how the file is transferred; that depends on the direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The destination has it.
    Same,
    /// It is to be transferred.
    Transfer(Reason),
    /// Only its time is wrong.
    RefreshTime(Reason),
    /// The destination is newer, and the caller wants that reported.
    ReportNewer { source: i64, destination: i64 },
    /// The destination is newer, or may not be changed, and the caller wants that left alone.
    ///
    /// It counts as `newer_skipped`.
    Skip,
    /// The caller forbids to change existing files.
    Immutable(Reason),
    /// The sizes are equal, and only the content can tell. If it differs, or cannot be had, the
    /// other decision counts.
    ///
    /// `otherwise` is never itself `Content`.
    Content {
        otherwise: Box<Decision>,
        equal: Equal,
    },
}

/// What equal content calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Equal {
    /// The file is the same.
    Nothing,
    /// Only the time is wrong.
    RefreshTime,
}

/// Compares a file that both sides have.
///
/// Both files must be visible: a hidden one is absent, and is not compared.
pub(super) fn compare(source: Facts, destination: Facts, options: &SyncOptions) -> Decision {
    if options.existing == Existing::Keep {
        return Decision::Same;
    }
    let decision = by_rule(source, destination, options);
    match options.existing {
        Existing::Immutable => immutable(decision),
        _ => decision,
    }
}

/// The decision for a file that may not be changed. If the content would only decide between a new
/// time and a transfer, it is not asked for, because both are changes.
fn immutable(decision: Decision) -> Decision {
    match decision {
        Decision::Transfer(reason) | Decision::RefreshTime(reason) => Decision::Immutable(reason),
        Decision::Content { otherwise, equal } => match (immutable(*otherwise), equal) {
            (Decision::Immutable(reason), Equal::RefreshTime) => Decision::Immutable(reason),
            (otherwise, equal) => content(otherwise, equal),
        },
        other => other,
    }
}

/// The decision by [`Compare`] and [`Newer`], for files that may be changed.
fn by_rule(source: Facts, destination: Facts, options: &SyncOptions) -> Decision {
    let sizes = Reason::SizeDiffers {
        source: source.size,
        destination: destination.size,
    };
    let differ_in_size = source.size != destination.size;
    match options.compare {
        Compare::Name => Decision::Same,
        Compare::Size { tolerance } => {
            if source.size.abs_diff(destination.size) > tolerance {
                Decision::Transfer(sizes)
            } else {
                Decision::Same
            }
        }
        Compare::Time { tolerance } => by_time(source, destination, millis(tolerance), options),
        Compare::SizeAndTime { tolerance } => {
            let tolerance = millis(tolerance);
            if differ_in_size {
                return newer_rule(source, destination, tolerance, options, sizes);
            }
            let by_time = by_time(source, destination, tolerance, options);
            match by_time {
                Decision::Same => Decision::Same,
                // Uploaded by something that records no times: the time tells nothing of the content.
                otherwise if !destination.has_time => content(otherwise, Equal::Nothing),
                Decision::Transfer(reason) if refreshes(source, options) => {
                    content(Decision::Transfer(reason), Equal::RefreshTime)
                }
                otherwise => otherwise,
            }
        }
        Compare::Sha1 => {
            if differ_in_size {
                Decision::Transfer(sizes)
            } else {
                content(Decision::Transfer(Reason::Sha1Differs), Equal::Nothing)
            }
        }
    }
}

/// Has the content decide: `equal` if it is the same, `otherwise` if it differs or cannot be had.
fn content(otherwise: Decision, equal: Equal) -> Decision {
    Decision::Content {
        otherwise: Box::new(otherwise),
        equal,
    }
}

/// Whether the file is large enough for its time alone to be renewed.
const fn refreshes(source: Facts, options: &SyncOptions) -> bool {
    matches!(options.touched.from(), Some(from) if source.size >= from)
}

/// The decision by times alone. The distance is unsigned, so that no pair of times overflows.
fn by_time(source: Facts, destination: Facts, tolerance: i64, options: &SyncOptions) -> Decision {
    let reason = Reason::TimeDiffers {
        source: source.modified,
        destination: destination.modified,
    };
    let distance = source.modified.abs_diff(destination.modified);
    if distance <= tolerance.unsigned_abs() {
        return Decision::Same;
    }
    newer_rule(source, destination, tolerance, options, reason)
}

/// A transfer for this reason, unless the destination is newer.
fn newer_rule(
    source: Facts,
    destination: Facts,
    tolerance: i64,
    options: &SyncOptions,
    reason: Reason,
) -> Decision {
    let is_newer = destination.modified.saturating_sub(source.modified) > tolerance;
    match options.newer {
        Newer::Report if is_newer => Decision::ReportNewer {
            source: source.modified,
            destination: destination.modified,
        },
        Newer::Skip if is_newer => Decision::Skip,
        _ => Decision::Transfer(reason),
    }
}

/// A tolerance in milliseconds, the largest one if it is longer than 292 million years.
fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Decision, Facts, compare};
    use crate::sync::options::{Compare, Newer, SyncOptions};

    fn facts(size: u64, modified: i64) -> Facts {
        Facts {
            size,
            modified,
            has_time: true,
        }
    }

    /// Times and sizes that differ by the tolerance are equal, on either side; one more, and they are not.
    #[test]
    fn what_differs_by_the_tolerance_is_equal() {
        let tolerance = Duration::from_millis(2);
        for (rule, differs) in [
            (Compare::SizeAndTime { tolerance }, (0, 1)),
            (Compare::Time { tolerance }, (0, 1)),
            (Compare::Size { tolerance: 2 }, (1, 0)),
        ] {
            let options = SyncOptions::new().compare(rule).newer(Newer::Replace);
            for distance in 0..4_i64 {
                let (sizes, times) = (differs.0 * distance.unsigned_abs(), differs.1 * distance);
                let (one, other) = (facts(10, 10), facts(10 + sizes, 10 + times));
                for (source, destination) in [(one, other), (other, one)] {
                    let decision = compare(source, destination, &options);
                    let is_same = decision == Decision::Same;
                    assert_eq!(is_same, distance <= 2, "{rule:?} {distance}");
                }
            }
        }
    }

    /// A file at the destination is newer if its time is later by more than the tolerance.
    #[test]
    fn newer_is_what_is_later_by_more_than_the_tolerance() {
        for (later, is_newer) in [(-5, false), (1, false), (2, true)] {
            let decision = compare(facts(1, 10), facts(2, 10 + later), &SyncOptions::new());
            let reports = matches!(decision, Decision::ReportNewer { .. });
            assert_eq!(reports, is_newer, "{later}");
        }
    }
}
