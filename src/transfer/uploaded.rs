//! The result of an upload or a composition.

use crate::model::file::FileVersion;

/// The result of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    pub(in crate::transfer) version: FileVersion,
    pub(in crate::transfer) parts: u32,
    pub(in crate::transfer) resumed_parts: u32,
    pub(in crate::transfer) retries: u32,
    pub(in crate::transfer) bytes_sent: u64,
    pub(in crate::transfer) is_unchanged: bool,
}

impl Uploaded {
    /// A file that one request made, without content from here.
    pub(in crate::transfer) const fn copied(version: FileVersion, retries: u32) -> Self {
        Self {
            version,
            parts: 1,
            resumed_parts: 0,
            retries,
            bytes_sent: 0,
            is_unchanged: false,
        }
    }

    /// A version that was there already.
    pub(in crate::transfer) const fn unchanged(version: FileVersion) -> Self {
        Self {
            version,
            parts: 0,
            resumed_parts: 0,
            retries: 0,
            bytes_sent: 0,
            is_unchanged: true,
        }
    }

    /// Returns whether nothing was uploaded, because the latest version of the file has this content and
    /// these settings already: [`version`](Self::version) is that one then. Only
    /// [`Bucket::upload_appended_file`](crate::Bucket::upload_appended_file) looks for that.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.is_unchanged
    }

    /// Returns the version that was created.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// Returns the version that was created, by value.
    #[must_use]
    pub fn into_version(self) -> FileVersion {
        self.version
    }

    /// Returns the number of parts that the file was made of; 1 if a single request made it.
    #[must_use]
    pub const fn parts(&self) -> u32 {
        self.parts
    }

    /// Returns how many of the parts an earlier, unfinished upload had left at the service.
    #[must_use]
    pub const fn resumed_parts(&self) -> u32 {
        self.resumed_parts
    }

    /// Returns the number of failed attempts, of all parts together.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns the number of bytes of content that were sent. Failed attempts are included, with what they
    /// handed to the connection; resumed and copied parts are not.
    #[must_use]
    pub const fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }
}
