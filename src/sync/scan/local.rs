//! Scanning a local directory in the order that a bucket lists in.
//!
//! A bucket orders whole names by their bytes, in which `/` is a byte like any other: `a b/x`,
//! `a.txt` and `a-b` come before `a/x`, and `a0` after it. Within a directory, files are therefore
//! sorted by their name and directories by their name with a `/` behind it, and a directory is
//! entered where it stands in that order. Of two such keys that differ at a byte of both,
//! everything below keeps that order; and a key that is the beginning of another one has no `/` at
//! its end, so it is a file, which comes before everything that begins with its name.
//!
//! 1. A directory is read to its end; its names stand in one piece of memory, with eight bytes more
//!    for each.
//! 2. They are sorted.
//! 3. Each is looked at when its turn comes: a file's size and time are read then, a directory is
//!    entered.
//!
//! So memory holds one directory of each depth, whatever the number of files.
//!
//! | entry of a source | what the scan yields |
//! |---|---|
//! | a file | the file |
//! | a file or directory that the filters leave out | nothing: the other side is filtered by the same names |
//! | a file that is left out by size, time or a closure | a marker for its name, unless excluded files are removed |
//! | a directory with the tag file, or on another file system if those are left out | a marker for what is below |
//! | a directory that cannot be read | a problem, and a marker for what is below |
//! | a file that cannot be looked at, or is gone | a problem, and a marker for its name |
//! | a link or something unreadable that the filters leave out, if they do not leave out all that may be below | a marker for what is below |
//! | a link that leads nowhere or is skipped, or something that became another kind | a marker for its name and one for what is below: it may have been a file or a directory at the last run |
//! | a link to a directory that it lies in | a notice, and a marker for what is below |
//! | a pipe, a socket, a device | a notice, and a marker for its name |
//! | a name that the service does not take | a problem, and a marker |
//! | a name that is not UTF-8 | a problem; no name in a bucket corresponds to it |
//! | a file whose name in NFC another entry of the directory has already | a problem, and no marker: the name is there; nothing is removed in the run |
//! | a directory, or a link that is not followed, whose name in NFC another entry has already | a problem, and a marker for what is below, under which the files of the first directory stand |
//! | a temporary file of a download | a notice, and a marker for its name |
//!
//! At a destination nothing is followed, nothing is left out but by names and the tag file, only
//! failures are reported, and what has vanished is absent, so that its place is free.
//!
//! A file that is created, renamed or deleted while the scan runs may be in it or not, which the
//! next run puts right. Below an entry that became another kind, the other side is protected.

mod directory;
mod lookup;
mod loops;

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::error::Error;
use crate::model::name::{MAX_FILE_NAME, check_file_name};
use crate::sync::clean::Cleaner;
use crate::sync::filter::Filters;
use crate::sync::item::{At, Cover, Entry, Item, Marker};
use crate::sync::local_state::{LocalState, identity};
use crate::sync::place::{Links, LocalFolder};
use crate::sync::problem::{Problem, ProblemKind};
use crate::sync::reporter::Reporter;
use crate::sync::scan::local::directory::{Directory, Kind, Reading, Row};
use crate::sync::scan::local::loops::leads_back;

/// A scan of a directory: an iterator over its files and markers, in the order of names. An error
/// is an entry of its own and ends the scan only if it is cancelled.
///
/// `levels` are the directories from the root down to the one at `path`; `name` always belongs to
/// `path`.
#[derive(Debug)]
pub(in crate::sync) struct LocalScan {
    rules: Rules,
    filters: Arc<Filters>,
    cancel: CancelToken,
    levels: Vec<Directory>,
    root: PathBuf,
    /// The directory that is being scanned.
    path: PathBuf,
    /// Its name below the root: empty, or ending with `/`.
    name: String,
    /// What stands for everything below names of which it is not known what they are, for later in
    /// the order.
    pending: BTreeSet<String>,
    ready: VecDeque<Item<Entry>>,
    reporter: Arc<Reporter>,
    /// The device of the root, for leaving out other file systems.
    device: Option<u64>,
    /// Whether names can begin with the prefix that the bucket has before them.
    is_prefix_fit: bool,
    pub(in crate::sync) excluded: u64,
    /// The number of files that are not transferred because another one has their name in NFC.
    pub(in crate::sync) nameless: u64,
}

/// How a directory is scanned.
#[derive(Debug, Clone)]
pub(in crate::sync) struct Rules {
    pub(in crate::sync) links: LinkRule,
    pub(in crate::sync) one_file_system: bool,
    pub(in crate::sync) nfc: bool,
    pub(in crate::sync) exclude_if_present: Option<String>,
    /// What the names in the bucket have before those of the scan, if they must be possible there.
    pub(in crate::sync) prefix: Option<String>,
    /// Removes what killed downloads left, if that is to be removed.
    pub(in crate::sync) cleaner: Option<Arc<Cleaner>>,
}

/// What is done with links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum LinkRule {
    /// To files and to directories.
    Follow,
    /// Links to directories are skipped.
    FilesOnly,
    /// Also at a destination: what a link leads to is not ours to change.
    Skip,
}

impl Rules {
    /// For a source whose files go to names that begin so, if they go to a bucket.
    pub(in crate::sync) fn of_source(folder: &LocalFolder, prefix: &str) -> Self {
        Self {
            links: match folder.links {
                Links::Follow => LinkRule::Follow,
                Links::FilesOnly => LinkRule::FilesOnly,
                Links::Skip => LinkRule::Skip,
            },
            one_file_system: folder.one_file_system,
            nfc: folder.nfc,
            exclude_if_present: folder.exclude_if_present.clone(),
            prefix: Some(prefix.to_owned()),
            cleaner: None,
        }
    }

    /// For a destination: links are skipped, mounted file systems are entered, and directories with
    /// the tag file are left out as at a source.
    pub(in crate::sync) fn of_destination(
        folder: &LocalFolder,
        cleaner: Option<Arc<Cleaner>>,
    ) -> Self {
        Self {
            links: LinkRule::Skip,
            one_file_system: false,
            nfc: folder.nfc,
            exclude_if_present: folder.exclude_if_present.clone(),
            prefix: None,
            cleaner,
        }
    }
}

impl LocalScan {
    /// Begins to scan a directory, and reads its first level. Fails if the root cannot be read:
    /// then nothing is known, and no run may go ahead.
    pub(in crate::sync) fn new(
        root: &Path,
        rules: Rules,
        filters: &Arc<Filters>,
        cancel: &CancelToken,
        reporter: &Arc<Reporter>,
    ) -> io::Result<Self> {
        let metadata = root.metadata()?;
        let is_fit = |prefix: &String| check_file_name(&format!("{prefix}x")).is_ok();
        let mut scan = Self {
            is_prefix_fit: rules.prefix.as_ref().is_none_or(is_fit),
            rules,
            filters: Arc::clone(filters),
            cancel: cancel.clone(),
            levels: Vec::new(),
            root: root.to_owned(),
            path: root.to_owned(),
            name: String::new(),
            pending: BTreeSet::new(),
            ready: VecDeque::new(),
            reporter: Arc::clone(reporter),
            device: identity(&metadata).map(|(device, _)| device),
            excluded: 0,
            nameless: 0,
        };
        let level = scan.read(identity(&metadata), 0)?;
        scan.levels.push(level);
        Ok(scan)
    }

    /// Reads and sorts the directory at `path`.
    fn read(&self, identity: Option<(u64, u64)>, outer_name: usize) -> io::Result<Directory> {
        let reading = Reading {
            rules: &self.rules,
            cancel: &self.cancel,
            reporter: &self.reporter,
            identity,
            depth: self.levels.len(),
        };
        Directory::read(&self.path, &reading, outer_name)
    }

    /// Decides about an entry of the innermost directory. What stands before it in the order and
    /// was pending comes first.
    fn visit(&mut self, row: Row) {
        let Some(level) = self.levels.last() else {
            return;
        };
        let (text, on_disk) = level.name_of(&row);
        let mut name = format!("{}{text}", self.name);
        if row.kind.is_directory() {
            name.push('/');
        }
        self.catch_up(&name);
        let is_filtered = self.is_source() || !self.filters.removes_excluded();
        let may_lead_below = || !self.filters.excludes_all_below(&format!("{name}/"));
        let is_included = match row.kind {
            _ if !is_filtered => true,
            Kind::TwiceBelow => may_lead_below(),
            kind if kind.is_directory() => !self.filters.excludes_all_below(&name),
            // It may have been a directory that was entered at the last run.
            kind if kind.may_be_directory() && !self.filters.excludes(&name) => {
                self.filters.includes(&name) || may_lead_below()
            }
            _ => self.filters.includes(&name),
        };
        if !is_included {
            // The other side leaves it out by the same filters, but not all that was below it.
            self.excluded += 1;
            if row.kind.may_be_directory() && may_lead_below() {
                self.pending.insert(format!("{name}/"));
            }
            return;
        }
        match row.kind {
            Kind::NotUtf8 => {
                let reason = "the name is not UTF-8";
                self.problem(name, ProblemKind::UnfitName(reason.into()));
            }
            Kind::Twice => {
                self.nameless += 1;
                self.problem(name, ProblemKind::Collision);
            }
            Kind::TwiceBelow => {
                // At a destination the files of the first directory are to be replaced as always.
                if self.is_source() {
                    self.pending.insert(format!("{name}/"));
                }
                self.problem(name, ProblemKind::Collision);
            }
            Kind::Temporary => {
                if let Some(cleaner) = &self.rules.cleaner {
                    cleaner.remove(&self.path.join(self.on_disk(&name, &on_disk)));
                }
                // At a destination it is in the way of a file of that name.
                let cover = match self.is_source() {
                    true => Cover::Excluded,
                    false => Cover::Unknown,
                };
                self.mark(name, cover, Some(ProblemKind::Temporary));
            }
            Kind::Special => self.mark(name, Cover::Unknown, Some(ProblemKind::NotRegular)),
            Kind::Link => {
                // Links at a destination are only in the way of what would be written there.
                self.excluded += u64::from(self.is_source());
                self.mark_all(name, None);
            }
            Kind::Dangling => self.mark_all(name, Some(ProblemKind::DanglingLink)),
            Kind::Unknown(kind) if self.is_absent(kind) => {}
            Kind::Unknown(kind) => self.mark_all(name, Some(unreadable(kind.into()))),
            Kind::File => self.visit_file(name, on_disk),
            Kind::Directory | Kind::LinkedDirectory => {
                self.visit_directory(name, on_disk, row.kind);
            }
        }
    }

    /// Looks at a file, whose name the filters have let pass: its size, its time, its identity. It
    /// is not opened.
    fn visit_file(&mut self, name: String, on_disk: Option<OsString>) {
        if let Err(reason) = self.check_name(&name) {
            return self.mark(name, Cover::Unknown, Some(ProblemKind::UnfitName(reason)));
        }
        let Some(level) = self.levels.last() else {
            return;
        };
        let own = self.on_disk(&name, &on_disk);
        let follows = self.rules.links != LinkRule::Skip;
        match level.lookup.file(&self.path, own, follows) {
            Ok(Some(state)) => {
                let entry = entry(state, self.path_of(&name, own));
                if !self.is_source() || self.filters.selects(&name, entry.size, entry.modified) {
                    self.ready.push_back(Item::File(name, entry));
                    return;
                }
                self.excluded += 1;
                if !self.filters.removes_excluded() {
                    self.mark(name, Cover::Excluded, None);
                }
            }
            // It was replaced since the directory was read.
            Ok(None) => self.mark_all(name, Some(ProblemKind::NotRegular)),
            Err(error) if self.is_absent(error.kind()) => {}
            Err(error) => self.mark(name, Cover::Unknown, Some(unreadable(error))),
        }
    }

    /// Whether what could not be looked at counts as absent: at a destination what has vanished
    /// does, because its place is free. At a source it may have been moved to where the scan has
    /// been already.
    fn is_absent(&self, error: io::ErrorKind) -> bool {
        !self.is_source() && error == io::ErrorKind::NotFound
    }

    /// Enters a directory, or marks what is below it. On failure, `path` and `name` are as they
    /// were.
    fn visit_directory(&mut self, name: String, on_disk: Option<OsString>, kind: Kind) {
        let whole = name.trim_end_matches('/');
        if let Err(reason) = self.check_name(whole) {
            return self.mark(name, Cover::Unknown, Some(ProblemKind::UnfitName(reason)));
        }
        let own = self.on_disk(whole, &on_disk).to_owned();
        self.path.push(own);
        let entered = self.enter(&name, kind);
        match entered {
            Ok(Some(level)) => {
                self.levels.push(level);
                self.name = name;
                return;
            }
            Ok(None) => {}
            Err(error) if self.is_absent(error.kind()) => {}
            Err(error) => self.mark(name, Cover::Unknown, Some(unreadable(error))),
        }
        self.path.pop();
    }

    /// The directory at `path`, unless it is left out.
    fn enter(&mut self, name: &str, kind: Kind) -> io::Result<Option<Directory>> {
        let metadata = self.path.metadata()?;
        let own = identity(&metadata);
        let is_ancestor = |level: &Directory| level.identity == own;
        let is_loop = || match own {
            Some(_) => self.levels.iter().any(is_ancestor),
            None => leads_back(&self.path, self.levels.len()),
        };
        if kind == Kind::LinkedDirectory && is_loop() {
            // A marker for the name itself would come too late: it stands where a file would.
            let own_name = name.trim_end_matches('/').to_owned();
            self.problem(own_name, ProblemKind::LinkLoop);
            self.mark(name.to_owned(), Cover::Unknown, None);
            return Ok(None);
        }
        let is_elsewhere = own.map(|(device, _)| device) != self.device;
        let has_tag = |tag: &String| self.path.join(tag).symlink_metadata().is_ok();
        if (self.rules.one_file_system && is_elsewhere)
            || self.rules.exclude_if_present.as_ref().is_some_and(has_tag)
        {
            self.excluded += 1;
            self.mark(name.to_owned(), Cover::Excluded, None);
            return Ok(None);
        }
        self.read(own, self.name.len()).map(Some)
    }

    /// Leaves the innermost directory, which has no entries left.
    fn leave(&mut self) {
        if let Some(level) = self.levels.pop()
            && !self.levels.is_empty()
        {
            self.name.truncate(level.outer_name);
            self.path.pop();
        }
    }

    /// The name that an entry of the directory that is being scanned has on disk.
    fn on_disk<'n>(&self, name: &'n str, other: &'n Option<OsString>) -> &'n OsStr {
        let own = name.get(self.name.len()..).unwrap_or_default();
        other.as_deref().unwrap_or(OsStr::new(own))
    }

    /// The path of a file below the root, if it is not its name.
    fn path_of(&self, name: &str, on_disk: &OsStr) -> Option<Box<Path>> {
        if !self.rules.nfc {
            return None;
        }
        let below = self.path.strip_prefix(&self.root).ok()?.join(on_disk);
        (below != Path::new(name)).then(|| below.into())
    }

    /// Only a source has a prefix, which may be empty.
    const fn is_source(&self) -> bool {
        self.rules.prefix.is_some()
    }

    /// Checks the name of an entry of the directory that is being scanned, whose own name is
    /// checked already.
    fn check_name(&self, name: &str) -> Result<(), Box<str>> {
        let Some(prefix) = &self.rules.prefix else {
            return Ok(());
        };
        let own = name.get(self.name.len()..).unwrap_or_default();
        let is_short = prefix.len() + name.len() <= MAX_FILE_NAME;
        if self.is_prefix_fit && is_short && check_file_name(own).is_ok() {
            return Ok(());
        }
        let checked = check_file_name(&format!("{prefix}{name}"));
        checked.map_err(|rule| rule.to_string().into())
    }

    /// Reports an entry without marking anything.
    fn problem(&mut self, name: String, kind: ProblemKind) {
        // At a destination it stays as it is.
        if self.is_source() {
            self.ready.push_back(Item::Problem(Problem { name, kind }));
        }
    }

    /// Marks a name, or what is below it if it ends with `/`. Notices are left out at a
    /// destination.
    fn mark(&mut self, name: String, cover: Cover, problem: Option<ProblemKind>) {
        let problem = problem.filter(|problem| self.is_source() || problem.is_failure());
        // A name must come once, and one marker for it is enough.
        self.pending.remove(&name);
        self.ready.push_back(Item::Marker(Marker {
            name,
            cover,
            problem,
        }));
    }

    /// Marks a name that was a file at the last run, or a directory.
    fn mark_all(&mut self, name: String, problem: Option<ProblemKind>) {
        self.pending.insert(format!("{name}/"));
        self.mark(name, Cover::Unknown, problem);
    }

    /// Has what stands before this name in the order come first.
    fn catch_up(&mut self, name: &str) {
        while let Some(first) = self.pending.first() {
            if first.as_bytes() >= name.as_bytes() {
                break;
            }
            self.mark_pending();
        }
    }

    /// Marks what is below the first pending name.
    fn mark_pending(&mut self) {
        if let Some(name) = self.pending.pop_first() {
            self.mark(name, Cover::Unknown, None);
        }
    }
}

impl Iterator for LocalScan {
    type Item = Result<Item<Entry>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.cancel.is_cancelled() {
                self.levels.clear();
                return Some(Err(Error::Cancelled));
            }
            match self.levels.last_mut().map(Directory::next) {
                Some(Some(row)) => self.visit(row),
                Some(None) => self.leave(),
                None if self.pending.is_empty() => return None,
                None => self.mark_pending(),
            }
        }
    }
}

/// What it means that an entry cannot be looked at: it is gone, or unreadable.
fn unreadable(error: io::Error) -> ProblemKind {
    match error.kind() {
        io::ErrorKind::NotFound => ProblemKind::Vanished,
        _ => ProblemKind::Unreadable(error),
    }
}

/// The file of a state. Its time is rounded down to the millisecond, and is that of 1970 if it is
/// earlier.
fn entry(state: LocalState, path: Option<Box<Path>>) -> Entry {
    let state = LocalState { path, ..state };
    Entry {
        size: state.size,
        modified: state.modified_nanos.div_euclid(1_000_000).max(0),
        at: At::Local(state),
    }
}
