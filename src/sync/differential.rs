//! Our plans beside those of b2sdk for Python, from the same listings.
//!
//! `fixtures/sync/python_plans.jsonl` is what `tests/scripts/sync_plans.py` printed. Every
//! difference is one of those that are meant, and each kind is counted, so that none hides a
//! mistake. Other cases are read from the file that `B2SDK_SYNC_PLANS` names.
//!
//! What is meant to differ, with the number under which the test counts it:
//!
//! - A1, A2: a hidden file counts as absent, at the destination and at the source.
//! - A3: a file that is newer at the destination is one problem; Python ends there, so names behind
//!   it are not compared.
//! - A4: the age of a version counts from when it was superseded, and not from its modification
//!   time.
//! - A5: what the filters leave out stays at the destination.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::control::cancel::CancelToken;
use crate::model::id::FileId;
use crate::model::pattern::Filter;
use crate::sync::content::ContentReader;
use crate::sync::filter::Filters;
use crate::sync::item::{At, Entry, Item, Stored};
use crate::sync::local_state::LocalState;
use crate::sync::options::{
    Compare, Newer, OldVersions, Orphans, RemovalLimit, Renames, SyncOptions, Touched,
};
use crate::sync::place::Direction;
use crate::sync::plan::{Now, PlanContext, Planned, Planner};
use crate::sync::problem::ProblemKind;
use crate::sync::scan::Scan;
use crate::sync::step::{Action, SyncStep};

const CASES: &str = include_str!("../../fixtures/sync/python_plans.jsonl");
/// The time in the script.
const NOW: i64 = 1_700_000_000_000;

/// An action's class, its name, and the id of the version that it reads or deletes.
type PythonStep = (String, String, Option<String>);

/// A line of the file: what was listed, and the plan that Python made of it.
#[derive(Deserialize)]
struct Recorded {
    case: Case,
    plan: Vec<PythonStep>,
}

/// What both programs are given.
#[derive(Deserialize)]
struct Case {
    source: Side,
    dest: Side,
    options: Options,
}

/// A bucket, if the kind is `b2`, or a local directory, with its files.
#[derive(Deserialize)]
struct Side {
    kind: String,
    files: Vec<Row>,
}

/// A name: of a local file with size and time, of a bucket with its versions, newest first.
#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    mtime: i64,
    #[serde(default)]
    versions: Vec<Version>,
}

/// A version: `up` is the time of its upload, `src` the recorded one, both in milliseconds since
/// 1970.
#[derive(Deserialize)]
struct Version {
    id: String,
    action: String,
    size: u64,
    up: i64,
    src: Option<i64>,
}

/// The settings, as Python names them.
#[derive(Deserialize)]
struct Options {
    keep: String,
    days: Option<u32>,
    newer: String,
    compare: String,
    threshold: Option<u64>,
    excludes: bool,
}

impl Options {
    /// The options that ask for the same. What Python does not have is off.
    fn ours(&self) -> SyncOptions {
        let (orphans, old_versions) = match (self.keep.as_str(), self.days) {
            ("DELETE", _) => (Orphans::Delete, OldVersions::Delete),
            ("KEEP_BEFORE_DELETE", Some(days)) => (Orphans::Hide, OldVersions::days(days)),
            _ => (Orphans::Keep, OldVersions::Keep),
        };
        let threshold = self.threshold.unwrap_or(0);
        SyncOptions::new()
            .orphans(orphans)
            .old_versions(old_versions)
            .newer(match self.newer.as_str() {
                "SKIP" => Newer::Skip,
                "REPLACE" => Newer::Replace,
                _ => Newer::Report,
            })
            .compare(match self.compare.as_str() {
                "MODTIME" => Compare::Time {
                    tolerance: Duration::from_millis(threshold),
                },
                "SIZE" => Compare::Size {
                    tolerance: threshold,
                },
                _ => Compare::Name,
            })
            .renames(Renames::Off)
            .touched(Touched::Transfer)
            .removal_limit(RemovalLimit::None)
            .allow_empty_source(true)
            .filters(self.excludes.then(|| Filter::exclude("x*")))
    }
}

impl Row {
    /// Whether the newest version is a hide marker.
    fn is_hidden(&self) -> bool {
        self.versions
            .first()
            .is_some_and(|version| version.action == "hide")
    }
}

impl Side {
    fn hidden(&self) -> BTreeSet<&str> {
        let hidden = self.files.iter().filter(|row| row.is_hidden());
        hidden.map(|row| row.name.as_str()).collect()
    }

    fn is_bucket(&self) -> bool {
        self.kind == "b2"
    }

    /// What a scan of this side would yield.
    fn items(&self, filters: &Filters) -> Vec<Item<Entry>> {
        let mut rows: Vec<_> = self.files.iter().collect();
        rows.sort_by_key(|row| row.name.as_bytes());
        rows.retain(|row| filters.includes(&row.name));
        let of_row = |row: &&Row| match self.is_bucket() {
            false => vec![Item::File(row.name.clone(), local(row))],
            true => {
                let stored = row.versions.iter().map(stored);
                let item = |(at, stored): (usize, Stored)| match at {
                    0 => Item::File(row.name.clone(), entry(stored)),
                    _ => Item::Older(stored),
                };
                stored.enumerate().map(item).collect()
            }
        };
        rows.iter().flat_map(of_row).collect()
    }

    fn scan(&self, filters: &Filters) -> Scan {
        Scan::Listed(self.items(filters).into_iter())
    }
}

fn local(row: &Row) -> Entry {
    Entry {
        size: row.size,
        modified: row.mtime,
        at: At::Local(LocalState {
            size: row.size,
            modified_nanos: row.mtime * 1_000_000 + 500_000,
            identity: None,
            path: None,
        }),
    }
}

fn stored(version: &Version) -> Stored {
    Stored {
        file_id: FileId::from(version.id.as_str()),
        size: version.size,
        is_marker: version.action == "hide",
        modified: version.src.unwrap_or(version.up),
        has_time: version.src.is_some(),
        uploaded: version.up,
        sha1: None,
        encryption: None,
        is_held: false,
        details: None,
    }
}

fn entry(stored: Stored) -> Entry {
    Entry {
        size: stored.size,
        modified: stored.modified,
        at: At::Stored(Box::new(stored)),
    }
}

/// What our plan has in Python's words, and the names that are newer at the destination.
fn ours(case: &Case) -> (Vec<PythonStep>, BTreeSet<String>) {
    let options = case.options.ours();
    let filters = Arc::new(Filters::new(&options, case.source.is_bucket()).unwrap());
    let direction = match (case.source.is_bucket(), case.dest.is_bucket()) {
        (false, _) => Direction::Up { root: "/".into() },
        (true, false) => Direction::Down { root: "/".into() },
        (true, true) => Direction::Copy,
    };
    let context = PlanContext {
        direction,
        options: Arc::new(options),
        filters: Arc::clone(&filters),
        prefix: case.dest.is_bucket().then(String::new),
        now: Now::Fixed(NOW),
        source_prefix: case.source.is_bucket().then(String::new),
        content: ContentReader {
            root: None,
            cancel: CancelToken::new(),
            reporter: Arc::default(),
        },
        reporter: Arc::default(),
    };
    let mut planner = Planner::new(
        case.source.scan(&filters),
        case.dest.scan(&filters),
        context,
    );
    let (mut steps, mut newer) = (Vec::new(), BTreeSet::new());
    while let Some(planned) = planner.next().unwrap() {
        match planned {
            Planned::Step(step) => steps.push(in_python(step)),
            Planned::Problem(problem) => {
                assert!(matches!(problem.kind, ProblemKind::DestinationNewer { .. }));
                newer.insert(problem.name);
            }
            Planned::Barrier(_) | Planned::Tick => {}
        }
    }
    (steps, newer)
}

fn in_python(step: SyncStep) -> PythonStep {
    let source = || {
        step.seen
            .source
            .as_ref()
            .map(|source| source.file_id.to_string())
    };
    let (kind, id) = match &step.action {
        Action::Upload => ("B2UploadAction", None),
        Action::Download => ("B2DownloadAction", source()),
        Action::Copy => ("B2CopyAction", source()),
        Action::Hide => ("B2HideAction", None),
        Action::DeleteVersion { file_id, .. } => ("B2DeleteAction", Some(file_id.to_string())),
        Action::DeleteLocal => ("LocalDeleteAction", None),
        other => panic!("{other:?}"),
    };
    (kind.to_owned(), step.name, id)
}

type Steps<'a> = BTreeMap<&'a str, BTreeSet<(&'a str, Option<&'a str>)>>;

fn by_name(steps: &[PythonStep]) -> Steps<'_> {
    let mut by_name = Steps::new();
    for (kind, name, id) in steps {
        let steps = by_name.entry(name).or_default();
        steps.insert((kind.as_str(), id.as_deref()));
    }
    by_name
}

/// Why a name may have other steps here than in Python.
fn meant(case: &Case, name: &str) -> Option<&'static str> {
    let row = case.dest.files.iter().find(|row| row.name == name);
    let has_source = case.source.files.iter().any(|row| row.name == name);
    let with_time = |row: &Row| row.versions.iter().any(|version| version.src.is_some());
    if case.options.excludes && name.starts_with('x') {
        Some("A5: what is excluded stays at the destination")
    } else if case.dest.hidden().contains(name) && has_source {
        Some("A1: hidden at the destination is absent")
    } else if case.source.hidden().contains(name) {
        Some("A2: hidden at the source is absent")
    } else if case.options.keep == "KEEP_BEFORE_DELETE" && row.is_some_and(with_time) {
        Some("A4: age counts from when a version was superseded")
    } else {
        None
    }
}

#[test]
fn plans_differ_from_pythons_only_where_that_is_meant() {
    let other = std::env::var_os("B2SDK_SYNC_PLANS").map(std::fs::read_to_string);
    let cases = other.map(Result::unwrap);
    let cases = cases.as_deref().unwrap_or(CASES);
    let (mut equal, mut differences) = (0, BTreeMap::<&str, usize>::new());
    for (at, line) in cases.lines().enumerate() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let case = &recorded.case;
        let (steps, newer) = ours(case);
        let (own, python) = (by_name(&steps), by_name(&recorded.plan));
        let raised = recorded.plan.iter().any(|(kind, ..)| kind == "raise");
        let names: BTreeSet<&str> = own.keys().chain(python.keys()).copied().collect();
        // Where Python ends: at a name that is newer at the destination, or hidden there.
        let hidden = case.dest.hidden();
        let ends = newer
            .iter()
            .map(String::as_str)
            .chain(hidden.iter().copied());
        let end = ends.min_by_key(|name| name.as_bytes()).filter(|_| raised);
        for name in names.into_iter().filter(|name| *name != "DestFileNewer") {
            if own.get(name) == python.get(name) {
                equal += 1;
                continue;
            }
            let is_behind = end.is_some_and(|end| name.as_bytes() >= end.as_bytes());
            let kind = match meant(case, name) {
                Some(kind) => kind,
                None if is_behind => "A3: a newer file is one problem, and not the end",
                None => panic!(
                    "case {at}, {name:?}: ours {:?}, Python {:?}\n{line}",
                    own.get(name),
                    python.get(name)
                ),
            };
            *differences.entry(kind).or_default() += 1;
        }
        assert!(raised || newer.is_empty(), "case {at}: {newer:?}");
    }
    let differing: usize = differences.values().sum();
    assert!(equal > 3 * differing, "{equal} {differences:?}");
    assert_eq!(differences.len(), 5, "{differences:?}");
}
