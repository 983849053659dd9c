//! Makes a folder of a bucket equal to a local directory, or the other way round.
//!
//! ```sh
//! sync [OPTION]... SOURCE DESTINATION
//! ```
//!
//! A place is `b2://bucket/folder` or the path of a directory. The key comes from `B2_APPLICATION_KEY_ID`
//! and `B2_APPLICATION_KEY`, the realm from `B2_ENVIRONMENT`; the account info is kept in memory, or in the
//! file that `B2_ACCOUNT_INFO` names. Standard output has one line for each step, the same ones with
//! `--dry-run`; standard error has problems and a summary, and a progress bar where it is a terminal. The exit code is 0 if everything was done that was
//! asked for, 1 if something was not, 2 if nothing was changed because the run was refused. Large files that a
//! killed run has begun, up or down, are completed by the next one.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::io::{self, IsTerminal as _, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use b2sdk::credentials::{CredentialProvider as _, Credentials, EnvironmentCredentials};
use b2sdk::listing::Filter;
use b2sdk::sync::{
    Action, Compare, Links, Newer, OldVersions, Orphans, PlaceName, Problem, ProblemKind, Refused,
    RemovalLimit, SyncError, SyncObserver, SyncOptions, SyncPlace, SyncProgress, SyncReport,
    SyncRun, SyncStep, Synchronizer,
};
use b2sdk::{B2Api, DownloadOptions, InMemoryAccountInfo, SqliteAccountInfo};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

const USAGE: &str = "\
usage: sync [OPTION]... SOURCE DESTINATION

  -n, --dry-run             only print what would be done
  --delete                  delete what the source does not have
  --hide                    hide what the source does not have
  --keep-days N             delete versions that were superseded more than N days ago
  --exclude PATTERN         leave out names that match, and what is below such a directory;
                            a name is the whole path below the place, * also matches /, and
                            a / at the end stands for directories alone (may be repeated)
  --compare HOW             size-and-time, time, size, sha1 or name
  --newer WHAT              report, skip or replace what is newer at the destination
  --links WHAT              follow, files-only or skip
  --allow-empty-source      go on if the source has no file
  --removal-limit N|none    how many names may be removed; half of them without this
  --threads N               how many transfers at a time
  -h, --help                print this

SOURCE and DESTINATION are b2://bucket/folder, or a path. The key is that of
B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY.";
const SEE_HELP: &str = "see --help";
/// Without a terminal, how far the run is is printed this often.
const STILL_RUNNING: Duration = Duration::from_secs(30);

const COMPLETE: u8 = 0;
const INCOMPLETE: u8 = 1;
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let account = match EnvironmentCredentials::new().credentials() {
        Ok(credentials) => Ok(Account {
            credentials,
            store: env::var_os("B2_ACCOUNT_INFO").map(PathBuf::from),
        }),
        Err(error) => Err(error.to_string()),
    };
    ExitCode::from(sync(
        &arguments,
        account,
        Console::new(
            Box::new(io::stdout()),
            Box::new(io::stderr()),
            io::stderr().is_terminal(),
        ),
    ))
}

/// Whom to act for, and where what is known of the account is kept.
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    pub(crate) store: Option<PathBuf>,
}

/// The whole program: the exit code.
pub(crate) fn sync(arguments: &[String], account: Result<Account, String>, console: Console) -> u8 {
    let console = Arc::new(console);
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        console.step(&USAGE);
        return COMPLETE;
    }
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => {
            console.message(&format!("{problem}; {SEE_HELP}"));
            return REFUSED;
        }
    };
    let sync = match account.and_then(|account| arguments.synchronizer(&account)) {
        Ok(sync) => sync,
        Err(problem) => {
            console.message(&problem);
            return REFUSED;
        }
    };
    let settings = SyncRun::new().observer(Lines(Arc::clone(&console)));
    let mut planned = arguments.is_dry_run.then(Planned::default);
    let outcome = match &mut planned {
        Some(planned) => dry_run(&sync, &settings, &console, planned),
        None => sync.run_with(&settings),
    };
    console.finish(outcome, planned.as_ref(), &arguments.excluded)
}

/// Prints the plan.
fn dry_run(
    sync: &Synchronizer,
    settings: &SyncRun,
    console: &Console,
    planned: &mut Planned,
) -> Result<SyncReport, SyncError> {
    let mut plan = sync.plan_with(settings)?;
    for step in &mut plan {
        let step = step?;
        planned.count(&step);
        console.step(&step);
    }
    plan.into_report()
}

/// What a run would do.
#[derive(Default)]
struct Planned {
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
    fn count(&mut self, step: &SyncStep) {
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

/// What was asked for.
struct Arguments {
    is_dry_run: bool,
    options: SyncOptions,
    /// The patterns as they were given.
    excluded: Vec<String>,
    links: Links,
    threads: Option<NonZeroUsize>,
    source: PlaceName,
    destination: PlaceName,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = SyncOptions::new().download(DownloadOptions::new().resume(true));
        let mut excluded = Vec::new();
        let (mut is_dry_run, mut links, mut threads) = (false, Links::Follow, None);
        let mut places = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (option, own_value) = match argument.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                let value = own_value.or_else(|| rest.next().map(String::as_str));
                value.ok_or_else(|| format!("{option} takes a value"))
            };
            match option {
                _ if own_value.is_some() && FLAGS.contains(&option) => {
                    return Err(format!("{option} takes no value"));
                }
                "-n" | "--dry-run" => is_dry_run = true,
                "--delete" if options.orphans != Orphans::Hide => {
                    options.orphans = Orphans::Delete;
                }
                "--hide" if options.orphans != Orphans::Delete => {
                    options.orphans = Orphans::Hide;
                }
                "--delete" | "--hide" => {
                    return Err("--delete and --hide exclude each other".to_owned());
                }
                "--keep-days" => options.old_versions = OldVersions::days(number(value()?)?),
                "--exclude" => {
                    let pattern = value()?;
                    options.filters.extend(exclude(pattern));
                    excluded.push(pattern.to_owned());
                }
                "--compare" => options.compare = compare(value()?)?,
                "--newer" => options.newer = newer(value()?)?,
                "--links" => links = links_from(value()?)?,
                "--allow-empty-source" => options.allow_empty_source = true,
                "--removal-limit" => {
                    options.removal_limit = match value()? {
                        "none" => RemovalLimit::None,
                        count => RemovalLimit::Count(number(count)?),
                    };
                }
                "--threads" => {
                    let threads_given = NonZeroUsize::new(number(value()?)?);
                    threads = Some(threads_given.ok_or("at least one thread is needed")?);
                }
                option if option.starts_with('-') && option.len() > 1 => {
                    return Err(format!("there is no option {option}"));
                }
                _ => places.push(argument.parse().map_err(told)?),
            }
        }
        match <[PlaceName; 2]>::try_from(places) {
            Ok([source, destination]) => Ok(Self {
                is_dry_run,
                options,
                excluded,
                links,
                threads,
                source,
                destination,
            }),
            Err(places) => Err(format!(
                "a source and a destination are needed, and {} places were given",
                places.len()
            )),
        }
    }

    fn synchronizer(&self, account: &Account) -> Result<Synchronizer, String> {
        let builder = match &account.store {
            Some(path) => B2Api::builder(
                SqliteAccountInfo::builder()
                    .path(path)
                    .open()
                    .map_err(told)?,
            ),
            None => B2Api::builder(InMemoryAccountInfo::new()),
        };
        let builder = match self.threads {
            Some(threads) => builder.workers(threads.get()),
            None => builder,
        };
        let b2_api = builder.build().map_err(told)?;
        let Credentials {
            realm,
            application_key_id,
            application_key,
            ..
        } = account.credentials.clone();
        b2_api
            .authorize_account(realm, application_key_id, application_key)
            .map_err(told)?;
        let mut source = self.source.open(&b2_api).map_err(told)?;
        if let SyncPlace::Local(folder) = &mut source {
            folder.links = self.links;
        }
        let destination = self.destination.open(&b2_api).map_err(told)?;
        Ok(Synchronizer::new(source, destination).options(self.options.clone()))
    }
}

/// The options that take no value.
const FLAGS: [&str; 4] = ["--dry-run", "--delete", "--hide", "--allow-empty-source"];

/// The filters that leave out what a pattern names, and what is below it.
fn exclude(pattern: &str) -> Vec<Filter> {
    let name = pattern.trim_end_matches('/');
    let below = Filter::exclude(format!("{name}/*"));
    match name == pattern {
        true => vec![Filter::exclude(name), below],
        false => vec![below],
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

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no number that fits here"))
}

fn compare(text: &str) -> Result<Compare, String> {
    Ok(match text {
        "size-and-time" => Compare::SIZE_AND_TIME,
        "time" => Compare::TIME,
        "size" => Compare::SIZE,
        "sha1" => Compare::Sha1,
        "name" => Compare::Name,
        other => return Err(format!("files are not compared by {other:?}")),
    })
}

fn newer(text: &str) -> Result<Newer, String> {
    Ok(match text {
        "report" => Newer::Report,
        "skip" => Newer::Skip,
        "replace" => Newer::Replace,
        other => return Err(format!("{other:?} is none of report, skip, replace")),
    })
}

fn links_from(text: &str) -> Result<Links, String> {
    Ok(match text {
        "follow" => Links::Follow,
        "files-only" => Links::FilesOnly,
        "skip" => Links::Skip,
        other => return Err(format!("{other:?} is none of follow, files-only, skip")),
    })
}

/// An error with its causes, on one line.
fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Where lines go.
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
            ProgressStyle::with_template("{spinner} {msg}, {bytes} at {bytes_per_sec}")
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

    fn step(&self, line: &dyn Display) {
        // Nobody may be reading any more; what was asked for is done all the same.
        self.bar.suspend(|| {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(out, "{line}");
        });
    }

    fn message(&self, line: &dyn Display) {
        self.bar.suspend(|| {
            let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(err, "{line}");
        });
    }

    fn progress(&self, progress: &SyncProgress) {
        let SyncProgress {
            source_files,
            destination_files,
            steps_made,
            steps_planned,
            ..
        } = progress;
        let message = match progress.scan_ended {
            true => format!("{steps_made} of {steps_planned} steps"),
            false => format!(
                "{source_files} files at the source and {destination_files} at the destination, {steps_made} steps"
            ),
        };
        if self.bar.is_hidden() {
            let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
            let elapsed = self.bar.elapsed();
            if elapsed.saturating_sub(*printed) >= STILL_RUNNING {
                *printed = elapsed;
                let bytes = DecimalBytes(progress.bytes_moved);
                self.message(&format!("{message}, {bytes} so far"));
            }
        }
        self.bar.set_message(message);
        self.bar.set_position(progress.bytes_moved);
        self.bar.tick();
    }

    /// Tells how it ended.
    fn finish(
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

/// Prints what a run does.
struct Lines(Arc<Console>);

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
