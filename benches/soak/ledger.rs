//! What the calls of a soak reported: for each file name the versions that are certainly there, and those
//! that a failed call may have made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use b2sdk::{Error, FileVersion};

/// A version that a call said to have made.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) sha1: String,
    pub(crate) length: u64,
    /// The kind of call.
    pub(crate) made_by: &'static str,
    /// Whether deleting it failed, so that it may be gone.
    pub(crate) may_be_gone: bool,
}

/// One file name.
#[derive(Debug, Default)]
pub(crate) struct Name {
    pub(crate) versions: Vec<Known>,
    /// The SHA-1 of what failed uploads and copies may have stored.
    pub(crate) perhaps: Vec<String>,
    /// The ids of versions that were deleted for certain.
    pub(crate) deleted: Vec<String>,
}

/// All names of some workers, and how their calls ended.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) names: BTreeMap<String, Name>,
    /// Unfinished large files that an error named.
    pub(crate) left: BTreeSet<String>,
    /// Calls that succeeded, by kind.
    done: BTreeMap<&'static str, u64>,
    /// Calls that failed in a way that the disturbances explain, by kind and error.
    failed: BTreeMap<(&'static str, String), u64>,
    /// What no disturbance explains.
    surprises: Vec<String>,
}

impl Ledger {
    pub(crate) fn name(&mut self, name: &str) -> &mut Name {
        self.names.entry(name.to_owned()).or_default()
    }

    pub(crate) fn succeeded(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(crate) fn failed(&mut self, what: &'static str, error: &Error) {
        if let Error::LargeFileLeft(left) = error {
            self.left.insert(left.file_id.as_str().to_owned());
        }
        if is_explained(error) {
            let kind = kind(error);
            *self.failed.entry((what, kind)).or_default() += 1;
        } else {
            self.surprise(format!("{what}: {error} ({error:?})"));
        }
    }

    pub(crate) fn surprise(&mut self, text: String) {
        self.surprises.push(text);
    }

    pub(crate) const fn has_surprises(&self) -> bool {
        !self.surprises.is_empty()
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.left.extend(other.left);
        for (what, count) in other.done {
            *self.done.entry(what).or_default() += count;
        }
        for (what, count) in other.failed {
            *self.failed.entry(what).or_default() += count;
        }
        self.surprises.extend(other.surprises);
        self
    }

    /// The number of versions that it knows of, deleted ones too.
    pub(crate) fn versions(&self) -> usize {
        let of = |name: &Name| name.versions.len() + name.deleted.len();
        self.names.values().map(of).sum()
    }

    /// The bytes that it has allocated, but for a few thousand of its maps.
    pub(crate) fn bytes(&self) -> usize {
        let texts = |texts: &Vec<String>| {
            let own: usize = texts.iter().map(String::capacity).sum();
            own + texts.capacity() * size_of::<String>()
        };
        let of_name = |(key, name): (&String, &Name)| {
            let known = name.versions.iter();
            let known: usize = known
                .map(|known| known.id.capacity() + known.sha1.capacity())
                .sum();
            known
                + name.versions.capacity() * size_of::<Known>()
                + texts(&name.perhaps)
                + texts(&name.deleted)
                + key.capacity()
                + size_of::<(String, Name)>()
        };
        let left: usize = self
            .left
            .iter()
            .map(|id| id.capacity() + size_of_val(id))
            .sum();
        self.names.iter().map(of_name).sum::<usize>() + left + texts(&self.surprises)
    }

    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.done {
            let _ = writeln!(text, "{what}: {count} succeeded");
        }
        for ((what, error), count) in &self.failed {
            let _ = writeln!(text, "{what}: {count} failed: {error}");
        }
        for surprise in self.surprises.iter().take(20) {
            let _ = writeln!(text, "UNEXPLAINED {surprise}");
        }
        let _ = write!(text, "unexplained failures: {}", self.surprises.len());
        text
    }
}

/// The version that an upload or a copy made.
pub(crate) fn known(version: &FileVersion, sha1: &str, made_by: &'static str) -> Known {
    Known {
        id: version.file_id.as_str().to_owned(),
        sha1: sha1.to_owned(),
        length: version.content_length,
        made_by,
        may_be_gone: false,
    }
}

/// Whether a service that breaks off, refuses and restarts explains the failure.
fn is_explained(error: &Error) -> bool {
    error.failure().is_retryable() || matches!(error.failure(), Error::ChecksumMismatch { .. })
}

/// The first words of the message, so that like failures are counted together.
fn kind(error: &Error) -> String {
    let text = format!("{:?}", error.failure());
    text.split(['(', '{', ' ']).next().unwrap_or("").to_owned()
}
