//! One step of a plan: what is done to which name, why, and what has to be true for it.
//!
//! A step carries what the plan saw (`Seen`), so that whoever makes it can refuse if that is no
//! longer so. What is checked when:
//!
//! | | a run that plans itself | a saved plan |
//! |---|---|---|
//! | a local file to be replaced or deleted | before the change | before the change |
//! | a local file to be uploaded | while it is read, by the upload | before the step, and while it is read |
//! | versions in a bucket | by their id: a read or a deletion is of that version | before the step, by a listing |
//!
//! The JSON form is part of what users keep. Fields are added with a default and left out where
//! they have it, so that a plan of an older version of this crate can still be read.

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
/// [`Synchronizer::execute`](crate::sync::Synchronizer::execute): it carries what the plan saw of
/// both files, and is refused if that is no longer true.
///
/// `Display` is the verb and the name, with control characters escaped: `upload photos/1.jpg`.
///
/// The JSON has names and file ids, sizes, times, and for some copies the content type and file
/// info. It has no key and no token. It does not name the places: the steps must be executed by a
/// synchronizer of the same source and destination. Only places of another kind are noticed.
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
    /// The number of bytes of content that the step transfers, or copies within the service; 0 for
    /// removals.
    /// For [`Action::UploadAppended`] and [`Action::RefreshTime`] this is the size of the whole
    /// file, so that fewer bytes may be sent.
    pub bytes: u64,
    /// What has to be true when it is done.
    #[serde(default)]
    pub(super) seen: Seen,
}

/// What a [`SyncStep`] does.
///
/// | action | direction | request | class |
/// |---|---|---|---|
/// | `Upload` | to a bucket | an upload, in parts if it is large | A |
/// | `UploadAppended` | to a bucket | copies and uploads of parts | C and A |
/// | `RefreshTime` | to a bucket | a copy | C |
/// | `RefreshTime` | to a directory | none | |
/// | `Download` | to a directory | a download | B |
/// | `Copy`, `CopyRenamed` | to a bucket | a copy | C |
/// | `Hide`, `DeleteVersion` | to a bucket | the call of that name | A |
/// | `DeleteLocal`, `SetAside` | to a directory | none | |
///
/// `Download` replaces the local file after the new one is complete, and `Upload` leaves the old
/// content as an older version.
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
    /// Uploads what a local file has gained, as a new version: what the bucket has of it is copied
    /// within the service.
    UploadAppended,
    /// Gives a file another time: in a bucket by a copy onto itself within the service, which is a
    /// new version.
    RefreshTime,
    /// Downloads a file.
    Download,
    /// Copies a file from one bucket or folder to another, within the service.
    Copy,
    /// Copies a file whose content is at the destination already, under another name, from there
    /// within the service.
    ///
    /// [`Renames`](crate::sync::Renames) says when this is planned. The file under the other name
    /// stays, unless another step removes it.
    CopyRenamed {
        /// The other name.
        from: String,
    },
    /// Hides a file; its versions remain.
    /// A name that is hidden already, or gone, counts as hidden.
    Hide,
    /// Deletes a version permanently.
    /// A version that is gone already counts as deleted.
    DeleteVersion {
        /// The id of the version.
        file_id: FileId,
        /// What the version is: the newest one, an older one, a hide marker.
        version: VersionKind,
    },
    /// Deletes a local file.
    /// Directories that this leaves empty are removed as well, up to the root.
    DeleteLocal,
    /// Moves a local file into [`SyncOptions::set_aside`](crate::sync::SyncOptions::set_aside).
    /// Directories that this leaves empty are removed.
    SetAside,
}

/// What a version is that [`Action::DeleteVersion`] deletes: with
/// [`Orphans::Delete`](crate::sync::Orphans) of each kind, with
/// [`OldVersions`](crate::sync::OldVersions) never the newest one of a file that the source has.
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
///
/// It is what the plan found, and is not looked up again when the step is made. `Display` of a step
/// does not include it.
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
    /// A newer version has replaced this one, longer ago than
    /// [`OldVersions`](crate::sync::OldVersions) keeps.
    OldVersion {
        /// When it was replaced, in milliseconds since 1970 by the service's clock; `None` if the
        /// run itself replaces it.
        since: Option<i64>,
    },
}

/// What the plan saw.
///
/// | step | `local` | `source` | `destination` |
/// |---|---|---|---|
/// | upload | the file that is read | | the newest version, hide marker included |
/// | renamed file, new time in a bucket | the file that was compared | the version that is copied | as above |
/// | download, new time of a local file | the file that is replaced, if any | the version that is read | |
/// | copy | | the version that is read | as above |
/// | hiding, deleting a version | | | the newest version |
/// | deleting or setting aside a local file | that file | | |
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
///
/// It is all that the thread that makes the step has of the listing.
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
    /// Creates a step that has seen nothing yet. The caller adds that with `seeing`, or by its
    /// fields.
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
    ///
    /// At most one of the two is local, so that `local` is never written twice.
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
    ///
    /// For copies within the destination. Type and info are repeated if the listing kept them,
    /// because a copy with another time replaces both.
    pub(super) fn reading(mut self, stored: &Stored, modified: i64) -> Self {
        self.seen.source = Some(SeenVersion {
            file_id: stored.file_id.clone(),
            modified,
            details: stored.details.as_deref().cloned(),
            is_sse_c: stored.is_sse_c(),
        });
        self
    }

    /// Returns whether the step takes something away from the destination: it hides, deletes or
    /// sets aside. A transfer that replaces a file is no removal.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        matches!(
            self.action,
            Action::Hide | Action::DeleteVersion { .. } | Action::DeleteLocal | Action::SetAside
        )
    }
}

impl SeenVersion {
    /// What a download or a copy needs of the version it reads. Details are kept only without a
    /// recorded time: a copy then adds the time of the upload as one, and otherwise keeps the
    /// metadata as it is.
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
    ///
    /// The entry `src_last_modified_millis` is set or replaced; the others are as they were.
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
