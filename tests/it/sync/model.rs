//! Synchronizing against a naive model: what both sides have afterwards, written as what each name
//! becomes, without any order, merge or step.

use std::collections::{BTreeMap, BTreeSet};

use b2sdk::listing::Filter;
use b2sdk::simulator::LogEntry;
use b2sdk::sync::{Newer, OldVersions, Orphans, RemovalLimit, SyncOptions, Synchronizer};
use b2sdk::{FileInfo, LsOptions, Operation, UploadOptions, Versions};
use proptest::prelude::*;

use super::support::{Places, plan, run, set_time};
use crate::support::World;

/// Names in which every byte stands beside `/` that sorts close to it. None is below another one.
const NAMES: [&str; 16] = [
    "a b",
    "a!/x",
    "a-",
    "a.txt",
    "a/b",
    "a/b c/d",
    "a/c",
    "a0",
    "a~",
    "dir/sub/deep",
    "dir0",
    "e\u{301}",
    "é",
    "\u{e000}",
    "\u{fffd}",
    "\u{1f600}",
];

/// A version: content and time, or a hide marker.
type Version = Option<(String, u64)>;

/// The versions of each name in the bucket, newest first.
type Stored = BTreeMap<&'static str, Vec<Version>>;
type Files = BTreeMap<&'static str, (String, u64)>;

#[derive(Debug, Clone, Copy)]
struct Rules {
    orphans: Orphans,
    deletes_old: bool,
    replaces_newer: bool,
    excludes: bool,
    workers: usize,
}

impl Rules {
    fn options(self) -> SyncOptions {
        let old_versions = match self.deletes_old {
            true => OldVersions::Delete,
            false => OldVersions::Keep,
        };
        let newer = if self.replaces_newer {
            Newer::Replace
        } else {
            Newer::Skip
        };
        let excluded = self.excludes.then(|| Filter::exclude("a*"));
        SyncOptions::new()
            .orphans(self.orphans)
            .old_versions(old_versions)
            .newer(newer)
            .filters(excluded)
            .removal_limit(RemovalLimit::None)
            .allow_empty_source(true)
    }

    fn excludes(self, name: &str) -> bool {
        self.excludes && name.starts_with('a')
    }

    /// Whether a file takes the place of another one.
    fn replaces(self, (content, time): &(String, u64), (there, then): &(String, u64)) -> bool {
        let differs = content.len() != there.len() || time != then;
        differs && (time >= then || self.replaces_newer)
    }
}

fn rules(hides: bool) -> impl Strategy<Value = Rules> {
    let orphans = match hides {
        true => vec![Orphans::Keep, Orphans::Hide, Orphans::Delete],
        false => vec![Orphans::Keep, Orphans::Delete],
    };
    let orphans = proptest::sample::select(orphans);
    let flags = (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.3));
    let workers = proptest::sample::select(vec![1, 2, 16]);
    (orphans, flags, workers).prop_map(move |(orphans, flags, workers)| Rules {
        orphans,
        // Hiding and this exclude each other.
        deletes_old: flags.0 && hides && orphans != Orphans::Hide,
        replaces_newer: flags.1,
        excludes: flags.2,
        workers,
    })
}

fn file() -> impl Strategy<Value = (String, u64)> {
    (0..3_usize, 0..3_u64).prop_map(|(length, time)| ("x".repeat(length), 1_000_000_000 + time))
}

fn files() -> impl Strategy<Value = Files> {
    proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), file(), 0..12)
}

fn stored() -> impl Strategy<Value = Stored> {
    let version = proptest::option::weighted(0.8, file());
    let versions = proptest::collection::vec(version, 1..4);
    let names = proptest::sample::select(&NAMES[..]);
    proptest::collection::btree_map(names, versions, 0..12).prop_map(|mut stored| {
        for versions in stored.values_mut() {
            // A file is hidden only if it is there: no marker is the oldest, or follows another one.
            while matches!(versions.last(), Some(None)) {
                versions.pop();
            }
            versions.dedup_by(|one, other| one.is_none() && other.is_none());
        }
        stored.retain(|_, versions| !versions.is_empty());
        stored
    })
}

fn fill(places: &Places, folder: &str, stored: &Stored) {
    let bucket = &places.world.bucket;
    for (name, versions) in stored {
        let name = format!("{folder}/{name}");
        for version in versions.iter().rev() {
            match version {
                None => drop(bucket.hide_file(&name).unwrap()),
                Some((content, seconds)) => {
                    let millis = (seconds * 1000).to_string();
                    let info = FileInfo::new().with("src_last_modified_millis", millis);
                    let options = UploadOptions::new().file_info(info);
                    bucket
                        .upload_bytes_with(content.as_bytes(), &name, &options)
                        .unwrap();
                }
            }
        }
    }
}

fn read(places: &Places, folder: &str) -> BTreeMap<String, Vec<Version>> {
    let options = LsOptions::new().recursive(true).versions(Versions::All);
    let mut found: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for entry in places.world.bucket.ls_with(folder, &options).unwrap() {
        let version = entry.unwrap().version;
        let name = version.file_name[folder.len() + 1..].to_owned();
        let seconds = version.modified().as_millis() as u64 / 1000;
        let content = "x".repeat(version.content_length as usize);
        let is_file = version.action != b2sdk::FileAction::Hide;
        found
            .entry(name)
            .or_default()
            .push(is_file.then_some((content, seconds)));
    }
    found
}

/// What the bucket has after files have gone into it.
fn expected_stored(
    source: &BTreeMap<&str, (String, u64)>,
    before: &Stored,
    rules: Rules,
) -> BTreeMap<String, Vec<Version>> {
    let names: BTreeSet<&str> = source
        .keys()
        .copied()
        .chain(before.keys().copied())
        .collect();
    let mut after = BTreeMap::new();
    for name in names {
        let old = before.get(name).cloned().unwrap_or_default();
        let visible = old.first().cloned().flatten();
        let versions = match source.get(name) {
            _ if rules.excludes(name) => old,
            None => match rules.orphans {
                Orphans::Delete => Vec::new(),
                Orphans::Hide if visible.is_some() => [vec![None], old].concat(),
                _ => old,
            },
            Some(file) => {
                let transfers = visible.is_none_or(|there| rules.replaces(file, &there));
                let new = transfers.then(|| Some(file.clone()));
                let all: Vec<_> = new.into_iter().chain(old).collect();
                let kept = if rules.deletes_old { 1 } else { all.len() };
                all.into_iter().take(kept).collect()
            }
        };
        if !versions.is_empty() {
            after.insert(name.to_owned(), versions);
        }
    }
    after
}

/// No removal is sent before the last transfer has ended.
fn removals_come_last(log: &[LogEntry]) -> bool {
    let is_removal = |entry: &LogEntry| {
        matches!(
            entry.operation,
            Some(Operation::HideFile | Operation::DeleteFileVersion)
        )
    };
    let is_transfer = |entry: &LogEntry| {
        matches!(
            entry.operation,
            Some(Operation::UploadFile | Operation::CopyFile)
        )
    };
    let first_removal = log.iter().position(is_removal);
    let last_transfer = log.iter().rposition(is_transfer);
    first_removal.is_none_or(|first| last_transfer.is_none_or(|last| last < first))
}

fn check(sync: &Synchronizer, places: &Places, rules: Rules) -> Result<(), TestCaseError> {
    places.world.service.log().clear();
    let planned = plan(sync);
    let lists = [Operation::ListFileNames, Operation::ListFileVersions];
    let listed: usize = lists.map(|list| places.world.count(list)).iter().sum();
    prop_assert_eq!(listed, places.world.total(), "a plan only lists");
    let (outcome, told) = run(sync);
    prop_assert!(outcome.is_ok(), "{:?}", outcome);
    prop_assert_eq!(&told.lines(), &planned);
    let excluded = told
        .steps
        .lock()
        .iter()
        .any(|step| rules.excludes(&step.name));
    prop_assert!(!excluded, "{:?}", planned);
    prop_assert!(removals_come_last(&places.world.service.log().entries()));
    prop_assert_eq!(
        plan(sync),
        Vec::<String>::new(),
        "a second run plans nothing"
    );
    Ok(())
}

fn places_with(rules: Rules) -> Places {
    Places::of(World::with(|builder| builder.workers(rules.workers)))
}

fn write(places: &Places, files: &Files) {
    for (name, (content, seconds)) in files {
        places.write(name, content, *seconds);
        set_time(&places.path(name), *seconds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(super::cases(40)))]

    #[test]
    fn up(files in files(), before in stored(), rules in rules(true)) {
        let places = places_with(rules);
        write(&places, &files);
        fill(&places, "home", &before);
        check(&places.up(rules.options()), &places, rules)?;
        prop_assert_eq!(read(&places, "home"), expected_stored(&files, &before, rules));
    }

    #[test]
    fn copy(source in stored(), before in stored(), rules in rules(true)) {
        let places = places_with(rules);
        fill(&places, "from", &source);
        fill(&places, "home", &before);
        let bucket = &places.world.bucket;
        let sync = Synchronizer::new(bucket.folder("from"), bucket.folder("home"));
        check(&sync.options(rules.options()), &places, rules)?;
        let visible: BTreeMap<_, _> = source
            .iter()
            .filter_map(|(name, versions)| Some((*name, versions[0].clone()?)))
            .collect();
        prop_assert_eq!(read(&places, "home"), expected_stored(&visible, &before, rules));
    }

    #[test]
    fn down(source in stored(), before in files(), rules in rules(false)) {
        let places = places_with(rules);
        write(&places, &before);
        fill(&places, "home", &source);
        check(&places.down(rules.options()), &places, rules)?;
        let mut after: BTreeMap<String, String> = BTreeMap::new();
        for name in NAMES {
            let own = before.get(name);
            let theirs = source.get(name).and_then(|versions| versions[0].as_ref());
            let kept = match (own, theirs) {
                _ if rules.excludes(name) => own,
                (Some(own), None) if rules.orphans == Orphans::Keep => Some(own),
                (_, None) => None,
                (Some(own), Some(theirs)) if !rules.replaces(theirs, own) => Some(own),
                (_, Some(theirs)) => Some(theirs),
            };
            after.extend(kept.map(|(content, _)| (name.to_owned(), content.clone())));
        }
        prop_assert_eq!(places.files(), after);
    }
}
