//! One step of a plan: what is done to which name, why, and what has to be true for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::file_info::FileInfo;
use crate::model::id::FileId;
use crate::sync::item::{At, Details, Entry, Stored};
use crate::sync::local_state::LocalState;
use crate::sync::problem::Printable;

/// One step of a plan: what is done with one file, and why.
///
/// A step can be kept as JSON and executed later with
/// [`Synchronizer::execute`](crate::sync::Synchronizer::execute): it carries what the plan saw of both
/// files, and is refused if that is no longer true.
///
/// `Display` is the verb and the name, with control characters escaped: `upload photos/1.jpg`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SyncStep {
    /// The name of the file below the source and the destination.
    pub name: String,
    /// What the step does with the file.
    pub action: Action,
    /// The reason for the step.
    pub reason: Reason,
    /// The number of bytes of content that the step transfers, or copies within the service; 0 for removals.
    pub bytes: u64,
    /// What has to be true when it is done.
    #[serde(default)]
    pub(super) seen: Seen,
}

/// What a [`SyncStep`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
#[non_exhaustive]
pub enum Action {
    /// Uploads a local file, as a new version.
    Upload,
    /// Uploads what a local file has gained, as a new version: what the bucket has of it is copied within the
    /// service.
    UploadAppended,
    /// Gives a file another time: in a bucket by a copy onto itself within the service, which is a new version.
    RefreshTime,
    /// Downloads a file.
    Download,
    /// Copies a file from one bucket or folder to another, within the service.
    Copy,
    /// Copies a file whose content is at the destination already, under another name, from there within the
    /// service.
    CopyRenamed {
        /// The other name.
        from: String,
    },
    /// Hides a file; its versions remain.
    Hide,
    /// Deletes a version permanently.
    DeleteVersion {
        /// The id of the version.
        file_id: FileId,
        /// What the version is: the newest one, an older one, a hide marker.
        version: VersionKind,
    },
    /// Deletes a local file.
    DeleteLocal,
    /// Moves a local file into [`SyncOptions::set_aside`](crate::sync::SyncOptions::set_aside).
    SetAside,
}

/// What a version is that [`Action::DeleteVersion`] deletes: with [`Orphans::Delete`](crate::sync::Orphans) of
/// each kind, with [`OldVersions`](crate::sync::OldVersions) never the newest one of a file that the source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum VersionKind {
    /// The newest version of its name, which is deleted only if the source does not have the file.
    Newest,
    /// A version that a newer one has replaced.
    Old,
    /// A hide marker, which has no content.
    HideMarker,
}

/// The reason for a [`SyncStep`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
#[non_exhaustive]
pub enum Reason {
    /// The destination does not have the file, or has it hidden.
    Absent,
    /// The sizes differ.
    SizeDiffers {
        /// The size at the source, in bytes.
        source: u64,
        /// The size at the destination, in bytes.
        destination: u64,
    },
    /// The times of the last change differ.
    TimeDiffers {
        /// The time at the source, in milliseconds since 1970.
        source: i64,
        /// The time at the destination, in milliseconds since 1970.
        destination: i64,
    },
    /// The SHA-1 checksums differ, and the sizes are the same.
    Sha1Differs,
    /// The source does not have the file, which is therefore removed.
    Orphan,
    /// A newer version has replaced this one, longer ago than [`OldVersions`](crate::sync::OldVersions) keeps.
    OldVersion {
        /// When it was replaced, in milliseconds since 1970 by the service's clock; `None` if the run itself
        /// replaces it.
        since: Option<i64>,
    },
}

/// What the plan saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Seen {
    /// The local file that is read, replaced or deleted; none where there must not be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local: Option<LocalState>,
    /// The version that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<SeenVersion>,
    /// The newest version at the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<FileId>,
    /// Only after the transfer of this name has succeeded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) after_transfer: bool,
    /// Not done: the version is retained, so that newer versions of the name stay too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_held: bool,
}

/// A version that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenVersion {
    pub(super) file_id: FileId,
    /// The time that the copy is to have.
    pub(super) modified: i64,
    /// Type and info that the copy repeats, where it is to have another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<Details>,
    /// Whether it takes a customer's key to read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_sse_c: bool,
}

impl SyncStep {
    pub(super) fn new(name: String, action: Action, reason: Reason, bytes: u64) -> Self {
        Self {
            name,
            action,
            reason,
            bytes,
            seen: Seen::default(),
        }
    }

    /// With what was seen at both sides.
    pub(super) fn seeing(mut self, source: Option<&Entry>, destination: Option<&Entry>) -> Self {
        match source.map(|entry| &entry.at) {
            Some(At::Local(state)) => self.seen.local = Some(state.clone()),
            Some(At::Stored(stored)) => self.seen.source = Some(SeenVersion::of(stored)),
            None => {}
        }
        match destination.map(|entry| &entry.at) {
            Some(At::Local(state)) => self.seen.local = Some(state.clone()),
            Some(At::Stored(stored)) => self.seen.destination = Some(stored.file_id.clone()),
            None => {}
        }
        self
    }

    /// That reads this version at the destination, and gives it this time.
    pub(super) fn reading(mut self, stored: &Stored, modified: i64) -> Self {
        self.seen.source = Some(SeenVersion {
            file_id: stored.file_id.clone(),
            modified,
            details: stored.details.as_deref().cloned(),
            is_sse_c: stored.is_sse_c(),
        });
        self
    }

    /// Returns whether the step takes something away from the destination: it hides, deletes or sets aside.
    /// A transfer that replaces a file is no removal.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        matches!(
            self.action,
            Action::Hide | Action::DeleteVersion { .. } | Action::DeleteLocal | Action::SetAside
        )
    }
}

impl SeenVersion {
    fn of(stored: &Stored) -> Self {
        Self {
            file_id: stored.file_id.clone(),
            modified: stored.modified,
            details: stored
                .details
                .as_deref()
                .filter(|_| !stored.has_time)
                .cloned(),
            is_sse_c: stored.is_sse_c(),
        }
    }
}

impl Details {
    /// The info with this time.
    pub(super) fn info_at(&self, modified: i64) -> FileInfo {
        let mut info = self.info.clone();
        info.insert(
            crate::model::file_info::SRC_LAST_MODIFIED_MILLIS,
            modified.to_string(),
        );
        info
    }
}

impl Action {
    /// The verb of the step's line.
    const fn verb(&self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::UploadAppended => "append",
            Self::RefreshTime => "touch",
            Self::Download => "download",
            Self::Copy | Self::CopyRenamed { .. } => "copy",
            Self::Hide => "hide",
            Self::DeleteVersion { .. } | Self::DeleteLocal => "delete",
            Self::SetAside => "set-aside",
        }
    }
}

impl fmt::Display for SyncStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.verb(), Printable(&self.name))?;
        match &self.action {
            Action::CopyRenamed { from } => write!(f, " (from {})", Printable(from)),
            Action::DeleteVersion { version, .. } => f.write_str(match version {
                VersionKind::Newest => "",
                VersionKind::Old => " (old version)",
                VersionKind::HideMarker => " (hide marker)",
            }),
            _ => Ok(()),
        }
    }
}
