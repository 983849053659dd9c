//! Copying within the service: no data goes through this machine (docs/protocol.md, section 2.13).

use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};
use crate::transfer::copy::Copy;
use crate::transfer::options::{CopyMetadata, CopyOptions};
use crate::transfer::source::StoredFile;
use crate::transfer::uploaded::Uploaded;

/// # Copying
impl Bucket {
    /// Copies a version of this or another bucket of the account to this bucket, under a new name.
    /// The content does not pass through this machine.
    ///
    /// A file of up to 5,000,000,000 bytes takes one request. A larger file is copied in parallel
    /// parts to a large file, which keeps the content type, file info and known SHA-1 of its
    /// source. Requests for copies are billed in class C. Encryption and object lock of the source
    /// are never copied: the copy gets the defaults of this bucket, or what [`CopyOptions`] say.
    ///
    /// The copy is a new version of `new_name`, and the source remains. The service answers when the copy is
    /// complete, which takes minutes for large files
    /// ([`Timeouts::slow_idle`](crate::Timeouts::slow_idle) applies).
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "draft.txt")?;
    /// // Renaming is copying and deleting.
    /// let draft = bucket.get_file_info_by_name("draft.txt")?;
    /// bucket.copy(&draft.file_id, "final.txt")?;
    /// bucket.delete_all_versions("draft.txt")?;
    /// assert!(bucket.exists("final.txt")? && !bucket.exists("draft.txt")?);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if the source is encrypted with a customer's key;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed); the [errors of any
    /// call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// If the answer to a copy is lost, the service is asked whether the copy exists before it is
    /// requested again. If that does not settle it (the key lacks `listFiles` or `readFiles`, or
    /// may not see the lock that it sets; or the copy is of a range, and a similar version has the
    /// name), the call fails with [`Error::Connection`](crate::Error::Connection), and the copy may
    /// exist. A copy that the service is still creating is not found, so there may be two versions
    /// in the end.
    pub fn copy(&self, source: &FileId, new_name: &str) -> Result<FileVersion> {
        self.copy_with(source, new_name, &CopyOptions::default())
    }

    /// Copies a version with options: a range of it, with other metadata, or with other encryption
    /// or lock.
    ///
    /// ```
    /// use b2sdk::encryption::SseCustomerKey;
    /// use b2sdk::{CopyOptions, FileId};
    ///
    /// # fn rotate(bucket: b2sdk::Bucket, file: FileId, old: SseCustomerKey, new: SseCustomerKey) -> b2sdk::Result<()> {
    /// // The same content and info under another key; `sse_c_key_id` becomes that of the new one.
    /// let options = CopyOptions::new().source_encryption_key(&old).encryption(new);
    /// let copy = bucket.copy_with(&file, "secret.txt", &options)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName), and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for an empty range or an option that the service
    /// would refuse, before anything is sent; [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable)
    /// if the range begins behind the end of the source; [`Error::FileNotFound`](crate::Error::FileNotFound) if
    /// the source does not exist; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if the source is
    /// encrypted with a customer's key that was not given, or is another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read the source, write the new file
    /// or set the lock that the options ask for; the [errors of any call](crate::Error#errors-of-any-call). If
    /// an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    ///
    /// # Consequences
    /// A range with [`CopyMetadata::Keep`], and a copy under another customer's key than its
    /// source, take one more request: the source's file info is read, because not all of it applies
    /// to the copy.
    pub fn copy_with(
        &self,
        source: &FileId,
        new_name: &str,
        options: &CopyOptions,
    ) -> Result<FileVersion> {
        let control = self
            .control("copy", Some(new_name), options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        let run = |bucket: &BucketId| {
            let copy = Copy {
                transfer: self.client.transfer(&control),
                file: options.new_file(bucket, new_name),
                keeps_metadata: options.metadata == CopyMetadata::Keep,
                source: StoredFile {
                    file_id: source,
                    key: options.source_encryption_key.as_ref(),
                },
                range: options.range,
                length: None,
                large_file_sha1: None,
                part_size: options.part_size,
                resume: &options.resume,
            };
            copy.run().map(Uploaded::into_version)
        };
        control.in_span(|| self.with_id(&control, run))
    }
}
