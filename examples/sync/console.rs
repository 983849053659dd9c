//! What the program prints.

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use b2sdk::listing::Filter;
use b2sdk::sync::{
    Action, Problem, ProblemKind, Refused, SyncError, SyncObserver, SyncProgress, SyncReport,
    SyncStep,
};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::exclude;

/// How often it is printed how far the run is, if standard error is no terminal.
const STILL_RUNNING: Duration = Duration::from_secs(30);

pub(super) const COMPLETE: u8 = 0;
const INCOMPLETE: u8 = 1;
pub(super) const REFUSED: u8 = 2;

/// What a run would do.
#[derive(Default)]
pub(super) struct Planned {
    uploads: Files,
    downloads: Files,
    copies: Files,
    hides: u64,
    deletes: u64,
}

#[derive(Default)]
struct Files {
    number: u64,
    bytes: u64,
}

impl Planned {
    /// Counts a step.
    pub(super) fn count(&mut self, step: &SyncStep) {
        let files = match step.action {
            Action::Upload | Action::UploadAppended => &mut self.uploads,
            Action::Download => &mut self.downloads,
            Action::Hide => return self.hides += 1,
            _ if step.is_removal() => return self.deletes += 1,
            _ => &mut self.copies,
        };
        files.number += 1;
        files.bytes += step.bytes;
    }
}

impl Display for Planned {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let noun = |number| if number == 1 { "file" } else { "files" };
        let transfers = [
            ("upload", &self.uploads),
            ("download", &self.downloads),
            ("copy or touch", &self.copies),
        ];
        let moved = transfers.into_iter().filter(|(_, files)| files.number > 0);
        let moved = moved.map(|(verb, Files { number, bytes })| {
            let noun = noun(*number);
            format!("{verb} {number} {noun} ({})", DecimalBytes(*bytes))
        });
        let removed = [("hide", self.hides), ("delete", self.deletes)];
        let removed = removed.into_iter().filter(|(_, number)| *number > 0);
        let removed = removed.map(|(verb, number)| format!("{verb} {number}"));
        let all: Vec<_> = moved.chain(removed).collect();
        match all.is_empty() {
            true => f.write_str("would change nothing"),
            false => write!(f, "would {}", all.join(", ")),
        }
    }
}

/// Where lines go, and the line of progress below them.
pub(crate) struct Console {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    bar: ProgressBar,
    /// How long the run had lasted when it was last printed how far it is.
    printed: Mutex<Duration>,
}

impl Console {
    /// A console with a progress bar on the process's standard error, or without one.
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        shows_progress: bool,
    ) -> Self {
        let target = match shows_progress {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {wide_msg} {decimal_bytes_per_sec}")
        {
            bar.set_style(style);
        }
        Self {
            out: Mutex::new(out),
            err: Mutex::new(err),
            bar,
            printed: Mutex::new(Duration::ZERO),
        }
    }

    /// Prints a line to standard output.
    pub(super) fn step(&self, line: &dyn Display) {
        // Nobody may be reading any more; what was asked for is done all the same.
        self.bar.suspend(|| {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(out, "{line}");
        });
    }

    /// Prints a line to standard error.
    pub(super) fn message(&self, line: &dyn Display) {
        self.bar.suspend(|| {
            let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(err, "{line}");
        });
    }

    fn progress(&self, progress: &SyncProgress) {
        let message = message(progress);
        if self.bar.is_hidden() {
            let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
            let elapsed = self.bar.elapsed();
            if elapsed.saturating_sub(*printed) >= STILL_RUNNING {
                *printed = elapsed;
                self.message(&message);
            }
        }
        self.bar.set_message(message);
        self.bar.set_position(progress.bytes_moved);
        self.bar.tick();
    }

    /// Prints how the run ended, and returns the exit code.
    pub(super) fn finish(
        &self,
        outcome: Result<SyncReport, SyncError>,
        planned: Option<&Planned>,
        excluded: &[String],
    ) -> u8 {
        self.bar.finish_and_clear();
        let (code, report) = match outcome {
            Ok(report) => (COMPLETE, report),
            Err(SyncError::Incomplete(report)) => (INCOMPLETE, *report),
            Err(error @ SyncError::Refused(_)) => {
                self.message(&advice(error));
                return REFUSED;
            }
            Err(error) => {
                self.message(&advice(error));
                return INCOMPLETE;
            }
        };
        for pattern in unused(excluded, &report) {
            self.message(&format!("no name matches {pattern:?}"));
        }
        match planned {
            Some(planned) => self.message(&format!("{planned}; {report}")),
            None => self.message(&report),
        }
        code
    }
}

/// How far a run is, the most important first: a narrow terminal shows only the beginning.
fn message(progress: &SyncProgress) -> String {
    let SyncProgress {
        source_files,
        destination_files,
        steps_made,
        steps_planned,
        ..
    } = progress;
    let (moved, planned) = (
        DecimalBytes(progress.bytes_moved),
        DecimalBytes(progress.bytes_planned),
    );
    match progress.scan_ended {
        true => format!("{steps_made} of {steps_planned} steps, {moved} of {planned}"),
        false => format!(
            "{steps_made} steps, {moved}; scanned {source_files} files at the source, {destination_files} at the destination"
        ),
    }
}

/// Prints what a run does.
pub(super) struct Lines(pub(super) Arc<Console>);

impl SyncObserver for Lines {
    fn step(&self, step: &SyncStep) {
        self.0.step(step);
    }

    fn problem(&self, problem: &Problem) {
        match problem.kind {
            ProblemKind::DestinationNewer { .. } => {
                self.0.message(&format!("{problem} (see --newer)"));
            }
            _ => self.0.message(problem),
        }
    }

    fn progress(&self, progress: &SyncProgress) {
        self.0.progress(progress);
    }
}

/// The patterns none of whose filters has left anything out.
fn unused<'a>(excluded: &'a [String], report: &SyncReport) -> Vec<&'a str> {
    let is_unused = |filter: &Filter| match filter {
        Filter::Exclude(pattern) => report.unused_filters.contains(pattern),
        _ => false,
    };
    let patterns = excluded
        .iter()
        .filter(|pattern| exclude(pattern).iter().all(is_unused));
    patterns.map(String::as_str).collect()
}

/// Why a run is refused or failed, and what to do about it.
fn advice(error: SyncError) -> String {
    let option = match &error {
        SyncError::Refused(Refused::SourceEmpty { .. }) => Some("--allow-empty-source"),
        SyncError::Refused(Refused::RemovalLimit { .. }) => Some("--removal-limit"),
        _ => None,
    };
    match option {
        Some(option) => format!("{} (see {option})", told(error)),
        None => told(error),
    }
}

/// An error with its causes, on one line.
pub(super) fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
