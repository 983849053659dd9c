//! Hiding files, and deleting one version or all versions of a name.

use crate::bucket::Bucket;
use crate::bucket::delete_many::DeleteManyOptions;
use crate::bucket::delete_many::outcome::{DeleteOutcome, FileIdAndName};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::{BucketId, FileId};
use crate::model::operation::Operation;
use crate::session::capabilities::Requirements;
use crate::setters::setters;

/// Options for deleting a version.
///
/// ```
/// use b2sdk::delete::DeleteFileVersionOptions;
///
/// let options = DeleteFileVersionOptions::new().bypass_governance(true);
/// assert!(options.bypass_governance);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeleteFileVersionOptions {
    /// Whether to delete a version that is retained in governance mode. This requires the capability
    /// `bypassGovernance`. Off by default.
    pub bypass_governance: bool,
}

setters! {
    new DeleteFileVersionOptions {
        bypass_governance: bool,
    }
}

/// # Hiding and deleting
///
/// The requests are free (class A). Hiding needs the capability `writeFiles`, deleting `deleteFiles`.
impl Bucket {
    /// Hides a file, so that its name is no longer found, and returns the hide marker. Its versions remain
    /// stored and billed below the hide marker.
    ///
    /// A later upload under the name is visible again, and so is the file after
    /// [`unhide_file`](Self::unhide_file). Object lock does not prevent hiding.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// bucket.hide_file("hello.txt")?;
    /// assert!(!bucket.exists("hello.txt")?);
    /// bucket.unhide_file("hello.txt")?;
    /// assert!(bucket.exists("hello.txt")?);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`] if the name has no version; [`Error::Service`] with the code `already_hidden` on
    /// the second call; [`Error::NotAllowed`]; the [errors of any call](crate::Error#errors-of-any-call). If
    /// the answer is lost, the service is asked whether the file is hidden.
    pub fn hide_file(&self, file_name: &str) -> Result<FileVersion> {
        self.hide_file_under(&self.control("hide_file", Some(file_name), None), file_name)
    }

    pub(super) fn hide_file_under(
        &self,
        control: &Control,
        file_name: &str,
    ) -> Result<FileVersion> {
        let hidden = self.with_id(control, |id| {
            let needs = Requirements::from(Operation::HideFile)
                .bucket(id)
                .named(file_name);
            self.client
                .session
                .call(needs, control, |raw| raw.hide_file(id, file_name))
        });
        match hidden {
            // The answer may be lost although the file is hidden.
            Err(error) if error.is_answer_lost() || error.is_after_lost_answer() => {
                match self.latest(control, file_name) {
                    Ok(Some(latest)) if latest.action == FileAction::Hide => Ok(latest),
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }

    /// Makes a hidden file visible again by deleting its hide marker, and returns the hide marker.
    ///
    /// This takes a listing of the name, billed in class C, and a deletion, and so the capabilities
    /// `listFiles` and `deleteFiles`.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// bucket.upload_bytes(b"hello", "hello.txt")?;
    /// bucket.hide_file("hello.txt")?;
    /// bucket.unhide_file("hello.txt")?;
    /// assert_eq!(bucket.download_file_by_name("hello.txt")?.read_to_vec()?, b"hello");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`] if the name has no version; [`Error::InvalidInput`] if the file is not hidden,
    /// also on the second call; [`Error::NotAllowed`]; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn unhide_file(&self, file_name: &str) -> Result<FileVersion> {
        let latest = self.latest(
            &self.control("unhide_file", Some(file_name), None),
            file_name,
        )?;
        let latest = latest.ok_or_else(|| Error::FileNotFound {
            bucket: Some(self.name().into()),
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

    /// The newest version of a file, unfinished uploads aside.
    fn latest(&self, control: &Control, file_name: &str) -> Result<Option<FileVersion>> {
        let is_there = |version: &FileVersion| version.action != FileAction::Start;
        let session = &self.client.session;
        self.with_id(control, |id| {
            session.find_version(control, id, file_name, is_there, |_| false)
        })
    }

    /// Deletes a version permanently. If it was the latest version of its file, the version before it
    /// becomes the latest; [`delete_all_versions`](Self::delete_all_versions) deletes all of them.
    ///
    /// The name must be that of the version, as a protection against mistakes. An unfinished large file is
    /// cancelled.
    ///
    /// The service deletes a version of any bucket by these two. Ids contain the id of their bucket today. If
    /// that is another bucket than this one, the version is looked up first, which is a call of class B, and a
    /// version of another bucket is not deleted.
    ///
    /// # Errors
    /// [`Error::FileNotFound`] if there is no such version, as on the second call, or if the id belongs to
    /// another name; [`Error::InvalidInput`] if the version is in another bucket, or seems to be and the key
    /// may not look it up; [`Error::Locked`] if a retention has not ended or a legal hold is on;
    /// [`Error::NotAllowed`]; the [errors of any call](crate::Error#errors-of-any-call). If the answer is lost,
    /// the call is repeated, and a version that is then gone counts as deleted.
    pub fn delete_file_version(&self, file_id: &FileId, file_name: &str) -> Result<()> {
        self.delete_file_version_with(file_id, file_name, &DeleteFileVersionOptions::default())
    }

    /// Deletes a version permanently, with options: one that is retained in governance mode as well.
    ///
    /// # Errors
    /// [`Error::FileNotFound`] if there is no such version, as on the second call, or if the id belongs to
    /// another name; [`Error::InvalidInput`] if the version is in another bucket, or seems to be and the key
    /// may not look it up; [`Error::Locked`] if a retention has not ended or is not bypassed, or a legal hold
    /// is on; [`Error::NotAllowed`] if the key lacks `deleteFiles`, or `bypassGovernance` where the options ask
    /// for that; the [errors of any call](crate::Error#errors-of-any-call). If the answer is lost, the call is
    /// repeated, and a version that is then gone counts as deleted.
    pub fn delete_file_version_with(
        &self,
        file_id: &FileId,
        file_name: &str,
        options: &DeleteFileVersionOptions,
    ) -> Result<()> {
        let DeleteFileVersionOptions { bypass_governance } = *options;
        let control = self.control("delete_file_version", Some(file_name), None);
        self.check_is_here(&control, &FileIdAndName::new(file_id, file_name))?;
        self.client
            .session
            .delete_file_version(&control, file_id, file_name, bypass_governance)
    }

    /// Fails with `InvalidInput` if a version is in another bucket, because the service deletes by id and
    /// name, whichever bucket the version is in.
    ///
    /// The form of an id that comes without a bucket is only a reason to ask the service. If the key may not
    /// ask, the version is left alone.
    pub(super) fn check_is_here(&self, control: &Control, version: &FileIdAndName) -> Result<()> {
        let here = self.id();
        let FileIdAndName {
            file_id,
            file_name,
            bucket_id,
        } = version;
        let (named, is_certain) = match (bucket_id, file_id.bucket_by_form()) {
            (Some(id), _) => (id.clone(), false),
            (None, Some(id)) if id != here.as_str() => {
                let asked = self
                    .client
                    .session
                    .call(Operation::GetFileInfo, control, |raw| {
                        raw.get_file_info(file_id)
                    });
                match asked {
                    Ok(found) => (found.bucket_id.unwrap_or_else(|| here.clone()), true),
                    Err(Error::NotAllowed(_)) => (BucketId::from(id), false),
                    // Deleting it will show the same.
                    Err(error) if error.is_not_found() => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            _ => return Ok(()),
        };
        if named == here {
            return Ok(());
        }
        // The bucket may have been deleted and created again since this handle was opened.
        if is_certain && self.look_up(control, &here)?.as_ref() == Some(&named) {
            return Ok(());
        }
        let reason = format!(
            "{file_name:?} ({file_id}) is in the bucket {named}, not in {:?}; it was not deleted",
            self.name()
        );
        Err(Error::invalid_input("file version", reason))
    }

    /// Deletes all versions of a file permanently, hide markers and unfinished large files of that name
    /// included, and returns how many there were. A name without versions is no error, so the call can be
    /// repeated.
    ///
    /// The latest version is deleted last, and only if all others are gone: at no time does an older
    /// version appear under the name. The versions are listed first, one call of class C for each 100 of
    /// them, and then deleted several at a time, one free request each.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// bucket.upload_bytes(b"draft", "letter.txt")?;
    /// bucket.upload_bytes(b"final", "letter.txt")?;
    /// assert_eq!(bucket.delete_all_versions("letter.txt")?, 2);
    /// assert_eq!(bucket.delete_all_versions("letter.txt")?, 0);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Locked`] if a version is retained or on legal hold; [`Error::NotAllowed`] if the key may not
    /// list and delete files of this name; the [errors of any call](crate::Error#errors-of-any-call). After an
    /// error the latest version is still there, and some of the others may be deleted; the call can be
    /// repeated.
    ///
    /// # Consequences
    /// An upload of a large file to this name that is running at the same time fails, because its
    /// unfinished file is deleted. Versions that are uploaded while the call runs remain.
    pub fn delete_all_versions(&self, file_name: &str) -> Result<u64> {
        self.delete_all_versions_with(file_name, &DeleteFileVersionOptions::default())
    }

    /// Deletes all versions of a file permanently, with options: those that are retained in governance mode
    /// as well.
    ///
    /// # Errors
    /// [`Error::Locked`] if a version is retained without a bypass, or on legal hold; [`Error::NotAllowed`] if
    /// the key may not list and delete files of this name, or lacks `bypassGovernance` where the options ask
    /// for that; the [errors of any call](crate::Error#errors-of-any-call). After an error the latest version
    /// is still there, and some of the others may be deleted; the call can be repeated.
    pub fn delete_all_versions_with(
        &self,
        file_name: &str,
        options: &DeleteFileVersionOptions,
    ) -> Result<u64> {
        let versions = self.list_file_versions(file_name)?;
        let mut versions: Vec<_> = versions.collect::<Result<_>>()?;
        let latest = versions
            .iter()
            .position(|version| version.action != FileAction::Start)
            .map(|at| versions.remove(at));
        let many = DeleteManyOptions::new().bypass_governance(options.bypass_governance);
        let (mut deleted, mut failure) = (0, None);
        for result in self.delete_versions(versions.into_iter().map(Ok), &many)? {
            match result {
                Ok(one) => deleted += u64::from(one.outcome == DeleteOutcome::Deleted),
                Err(failed) => _ = failure.get_or_insert(failed.error),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let Some(latest) = latest else {
            return Ok(deleted);
        };
        match self.delete_file_version_with(&latest.file_id, file_name, options) {
            Ok(()) => Ok(deleted + 1),
            Err(error) if error.is_not_found() => Ok(deleted),
            Err(error) => Err(error),
        }
    }
}
