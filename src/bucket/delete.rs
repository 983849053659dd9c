//! Hiding files and deleting versions.

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::session::capabilities::Needs;

/// What may be said about the deletion of a version.
///
/// ```
/// use b2sdk::delete::DeleteFileVersionOptions;
///
/// assert!(DeleteFileVersionOptions::new().bypass_governance().bypass_governance);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeleteFileVersionOptions {
    /// Delete it although it is retained in the mode `governance`. Needs `bypassGovernance`.
    pub bypass_governance: bool,
}

impl DeleteFileVersionOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Delete it although it is retained in the mode `governance`.
    #[must_use]
    pub const fn bypass_governance(mut self) -> Self {
        self.bypass_governance = true;
        self
    }
}

impl Bucket {
    /// Hides a file: from now on its name is not found. Its versions remain, below the hide marker
    /// that is returned.
    ///
    /// # Errors
    /// [`Error::FileNotFound`]; [`Error::Service`] with the code `already_hidden`;
    /// [`Error::NotAllowed`]; the errors of any call.
    pub fn hide_file(&self, file_name: &str) -> Result<FileVersion> {
        self.hide_file_under(&self.control(None), file_name)
    }

    pub(super) fn hide_file_under(
        &self,
        control: &Control,
        file_name: &str,
    ) -> Result<FileVersion> {
        let hidden = self.with_id(control, |id| {
            let needs = Needs::from(Operation::HideFile).bucket(id).named(file_name);
            self.client
                .session
                .call(needs, control, |raw| raw.hide_file(id, file_name))
        });
        match hidden {
            // Its answer may be lost: the file is hidden, or it is not.
            Err(error) if error.is_answer_lost() || error.is_after_lost_answer() => {
                match self.latest(control, file_name) {
                    Ok(Some(latest)) if latest.action == FileAction::Hide => Ok(latest),
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }

    /// Shows a hidden file again by deleting its hide marker, which is returned.
    ///
    /// # Errors
    /// [`Error::FileNotFound`]; [`Error::InvalidInput`] if the file is not hidden;
    /// [`Error::NotAllowed`]; the errors of any call.
    pub fn unhide_file(&self, file_name: &str) -> Result<FileVersion> {
        let latest = self.latest(&self.control(None), file_name)?;
        let latest = latest.ok_or_else(|| Error::FileNotFound {
            file: file_name.into(),
            service: None,
        })?;
        if latest.action != FileAction::Hide {
            return Err(Error::invalid_input(
                "file_name",
                format!("{file_name:?} is not hidden"),
            ));
        }
        self.delete_file_version(&latest.file_id, file_name)?;
        Ok(latest)
    }

    /// The newest version of a file; an unfinished upload is none.
    fn latest(&self, control: &Control, file_name: &str) -> Result<Option<FileVersion>> {
        let is_there = |version: &FileVersion| version.action != FileAction::Start;
        let session = &self.client.session;
        self.with_id(control, |id| {
            session.find_version(control, id, file_name, is_there, |_| false)
        })
    }

    /// Deletes a version for good. The version before it, if there is one, appears in its place.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], also if the id belongs to another name; [`Error::Locked`] by a retention
    /// that has not ended, or a legal hold; [`Error::NotAllowed`]; the errors of any call.
    pub fn delete_file_version(&self, file_id: &FileId, file_name: &str) -> Result<()> {
        self.delete_file_version_with(file_id, file_name, &DeleteFileVersionOptions::default())
    }

    /// Deletes a version for good, with settings.
    ///
    /// # Errors
    /// As [`delete_file_version`](Self::delete_file_version).
    pub fn delete_file_version_with(
        &self,
        file_id: &FileId,
        file_name: &str,
        options: &DeleteFileVersionOptions,
    ) -> Result<()> {
        let DeleteFileVersionOptions { bypass_governance } = *options;
        self.client.session.delete_file_version(
            &self.control(None),
            file_id,
            file_name,
            bypass_governance,
        )
    }
}
