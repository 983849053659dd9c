//! The result of an upload, a copy or a composition.

use crate::model::file::FileVersion;
use crate::model::id::FileId;

/// The result of an upload, a copy or a composition: the version that was created, and what it
/// took.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// let uploaded = bucket.upload_bytes(b"hello", "hello.txt")?;
/// assert_eq!((uploaded.parts(), uploaded.retries(), uploaded.bytes_sent()), (1, 0, 5));
/// let file_id = uploaded.into_version().file_id;
/// assert_eq!(b2_api.get_file_info(&file_id)?.file_name, "hello.txt");
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The version that exists now; of an upload that was not necessary, the one that existed.
    pub(in crate::transfer) version: FileVersion,
    /// All parts of the file, also those that were resumed.
    pub(in crate::transfer) parts: u32,
    /// The parts that an earlier run had made.
    pub(in crate::transfer) resumed_parts: u32,
    /// The failed attempts, of all parts together.
    pub(in crate::transfer) retries: u32,
    /// The bytes that were handed to connections, also by attempts that failed.
    pub(in crate::transfer) bytes_sent: u64,
    /// Whether no version was created.
    pub(in crate::transfer) is_unchanged: bool,
    /// The unfinished files of the name that were not completed.
    pub(in crate::transfer) passed_over: Vec<FileId>,
}

impl Uploaded {
    /// The result of a copy in one request, which sends no content from here.
    pub(in crate::transfer) const fn copied(version: FileVersion, retries: u32) -> Self {
        Self {
            version,
            parts: 1,
            resumed_parts: 0,
            retries,
            bytes_sent: 0,
            is_unchanged: false,
            passed_over: Vec::new(),
        }
    }

    /// The result of an upload that was not necessary.
    pub(in crate::transfer) const fn unchanged(version: FileVersion) -> Self {
        Self {
            version,
            parts: 0,
            resumed_parts: 0,
            retries: 0,
            bytes_sent: 0,
            is_unchanged: true,
            passed_over: Vec::new(),
        }
    }

    /// Returns whether nothing was uploaded, because the latest version of the file already has
    /// this content and these settings. In this case [`version`](Self::version) is that version.
    /// Only [`Bucket::upload_appended_file`](crate::Bucket::upload_appended_file) checks for it.
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

    /// Returns the number of parts that the file was made of. It is 1 if a single request created
    /// the file, and 0 if nothing was uploaded.
    #[must_use]
    pub const fn parts(&self) -> u32 {
        self.parts
    }

    /// Returns how many of the parts an earlier, unfinished upload had left at the service.
    ///
    /// They are included in [`parts`](Self::parts). The number is 0 unless the upload may
    /// [resume](crate::Resume).
    #[must_use]
    pub const fn resumed_parts(&self) -> u32 {
        self.resumed_parts
    }

    /// Returns the ids of the unfinished large files of this name that were not completed, because they have
    /// other settings or other content, or because another one was completed.
    ///
    /// They are looked for only if the upload may [resume](crate::Resume). Their parts are billed until the
    /// files are cancelled; one of them may be an upload that is running, and one that the service no longer found
    /// was completed or cancelled by somebody else.
    #[must_use]
    pub fn passed_over(&self) -> &[FileId] {
        &self.passed_over
    }

    /// Returns the number of attempts that failed and were repeated, of all parts together. It is 0 if
    /// everything succeeded at once; a large number points to a bad connection or an overloaded service.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns the number of bytes of content that were sent. Failed attempts count with what they
    /// handed to the connection; resumed and copied parts do not count.
    #[must_use]
    pub const fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }
}
