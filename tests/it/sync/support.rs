//! A world with a local directory beside the bucket.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::sync::{
    LocalFolder, Problem, SyncError, SyncObserver, SyncOptions, SyncReport, SyncRun, SyncStep,
    Synchronizer,
};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::support::World;

/// A simulator with a bucket, and a local directory.
pub(super) struct Places {
    pub(super) world: World,
    directory: TempDir,
}

/// Everything that a run told.
#[derive(Clone, Default)]
pub(super) struct Told {
    pub(super) steps: Arc<Mutex<Vec<SyncStep>>>,
    pub(super) problems: Arc<Mutex<Vec<String>>>,
}

impl SyncObserver for Told {
    fn step(&self, step: &SyncStep) {
        self.steps.lock().push(step.clone());
    }

    fn problem(&self, problem: &Problem) {
        self.problems.lock().push(problem.to_string());
    }
}

impl Told {
    pub(super) fn lines(&self) -> Vec<String> {
        self.steps.lock().iter().map(ToString::to_string).collect()
    }
}

impl Places {
    pub(super) fn new() -> Self {
        Self::of(World::new())
    }

    pub(super) fn of(world: World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { world, directory }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(super) fn local(&self) -> LocalFolder {
        LocalFolder::new(self.root())
    }

    /// Writes a local file that was changed at that second.
    pub(super) fn write(&self, name: &str, content: &str, seconds: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_time(&path, seconds);
    }

    /// From the directory to the bucket's folder `home`.
    pub(super) fn up(&self, options: SyncOptions) -> Synchronizer {
        Synchronizer::new(self.local(), self.world.bucket.folder("home")).options(options)
    }

    /// From the bucket's folder `home` to the directory.
    pub(super) fn down(&self, options: SyncOptions) -> Synchronizer {
        Synchronizer::new(self.world.bucket.folder("home"), self.local()).options(options)
    }

    /// The visible files of the bucket's folder `home`, and their content.
    pub(super) fn stored(&self) -> BTreeMap<String, String> {
        let options = b2sdk::LsOptions::new().recursive(true);
        let files = self.world.bucket.ls_with("home", &options).unwrap();
        let names = files.map(|entry| entry.unwrap().version.file_name);
        names
            .map(|name| {
                let content = String::from_utf8(self.world.content(&name)).unwrap();
                (name["home/".len()..].to_owned(), content)
            })
            .collect()
    }

    /// All versions in the bucket, newest first: name, action, content length.
    pub(super) fn versions(&self) -> Vec<(String, String, u64)> {
        let options = b2sdk::LsOptions::new()
            .recursive(true)
            .versions(b2sdk::Versions::All);
        let versions = self.world.bucket.ls_with("", &options).unwrap();
        versions
            .map(|entry| {
                let version = entry.unwrap().version;
                (
                    version.file_name,
                    version.action.to_string(),
                    version.content_length,
                )
            })
            .collect()
    }

    /// The local files and their content.
    pub(super) fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(&self.root(), "", &mut found);
        found
    }
}

fn collect(directory: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

pub(super) fn set_time(path: &Path, seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let times = FileTimes::new().set_modified(time);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

/// The lines of a plan.
pub(super) fn plan(sync: &Synchronizer) -> Vec<String> {
    sync.plan()
        .unwrap()
        .map(|step| step.unwrap().to_string())
        .collect()
}

/// Runs, and tells what happened.
pub(super) fn run(sync: &Synchronizer) -> (Result<SyncReport, SyncError>, Told) {
    let told = Told::default();
    let outcome = sync.run_with(&SyncRun::new().observer(told.clone()));
    (outcome, told)
}

/// The report of a run that was not complete.
pub(super) fn incomplete(outcome: Result<SyncReport, SyncError>) -> SyncReport {
    match outcome {
        Err(SyncError::Incomplete(report)) => *report,
        other => panic!("{other:?}"),
    }
}
