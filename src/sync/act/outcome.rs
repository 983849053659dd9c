//! What a failure of one step means for the run: for its file alone, or for all of them.

use std::io;

use crate::error::Error;
use crate::sync::act::StepOutcome;
use crate::sync::problem::ProblemKind;
use crate::sync::write::Obstacle;

/// What an obstacle at a local destination means for the run.
pub(super) fn of_obstacle(obstacle: Obstacle) -> StepOutcome {
    match obstacle {
        Obstacle::InTheWay => StepOutcome::Problem(ProblemKind::InTheWay),
        Obstacle::Problem(kind) => StepOutcome::Problem(kind),
        Obstacle::Failed(error) => outcome(error),
    }
}

/// Sorts an error, by the table of the module. Only an error that nothing else matches is `Failed`.
///
/// A large file that was left because of its source is judged by that cause; the parts that are
/// left are then no news.
pub(super) fn outcome(error: Error) -> StepOutcome {
    if concerns_all(error.failure()) {
        return StepOutcome::Fatal(error);
    }
    match error {
        Error::LargeFileLeft(left)
            if matches!(
                left.failure,
                Error::LocalFile { .. } | Error::SourceChanged { .. }
            ) =>
        {
            outcome(left.failure)
        }
        Error::LocalFile {
            action: "read",
            source,
            ..
        } => match source.kind() {
            io::ErrorKind::NotFound => StepOutcome::Problem(ProblemKind::Vanished),
            _ => StepOutcome::Problem(ProblemKind::Unreadable(source)),
        },
        Error::SourceChanged {
            change: "it is gone",
            ..
        } => StepOutcome::Problem(ProblemKind::Vanished),
        Error::SourceChanged { .. } => StepOutcome::Again,
        Error::Locked { .. } => StepOutcome::Problem(ProblemKind::Retained),
        other => StepOutcome::Problem(ProblemKind::Failed(other)),
    }
}

/// Whether every other file would meet the same, also because of the local disk.
fn concerns_all(error: &Error) -> bool {
    let is_of_the_disk = matches!(error, Error::LocalFile { source, .. } if matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    ));
    is_of_the_disk || error.concerns_all_files()
}
