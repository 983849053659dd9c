//! Composing a file of local pieces and of what the service has already.

use std::path::Path;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::id::BucketId;
use crate::transfer::compose::Compose;
use crate::transfer::compose::incremental::Append;
use crate::transfer::compose::piece::Piece;
use crate::transfer::growing::GrowingFile;
use crate::transfer::options::{ComposeOptions, UploadOptions};
use crate::transfer::uploaded::Uploaded;

/// # Composing
///
/// A composed file is made of local content and of ranges of stored files, which the service copies, so that
/// their bytes are neither downloaded nor uploaded. Copied parts are billed in class C; the description of
/// each stored file, and the download of a piece that is too small to be copied, in class B. The other
/// requests are free.
impl Bucket {
    /// Creates a file from pieces, one after the other.
    ///
    /// The service copies the pieces that are ranges of stored files, as parts of a large file;
    /// local pieces are uploaded. Every part but the last has at least 5 MB, so a smaller stored
    /// piece is downloaded and uploaded together with its neighbours. If everything fits into one
    /// part, a single upload or copy is enough. A composition that fails is cancelled, or can be
    /// resumed with [`ComposeOptions::resume`].
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::compose::Piece;
    ///
    /// let stored = bucket.upload_bytes(b"Hello, ", "greeting.txt")?;
    /// let pieces = [Piece::remote(&stored.version().file_id), Piece::bytes(b"world!")];
    /// bucket.concatenate(&pieces, "letter.txt")?;
    /// assert_eq!(bucket.download_file_by_name("letter.txt")?.read_to_vec()?, b"Hello, world!");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). Mistakes that can be found without a request are reported before
    /// anything is sent. If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn concatenate(&self, pieces: &[Piece<'_>], file_name: &str) -> Result<Uploaded> {
        self.concatenate_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Creates a file from pieces, one after the other, with options.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range, or
    /// the file that [`ComposeOptions::resume`] names does not match;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). Mistakes that can be found without a request are reported before
    /// anything is sent. If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn concatenate_with(
        &self,
        pieces: &[Piece<'_>],
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let pieces = || pieces.iter().map(|piece| (None, piece.clone()));
        self.compose(file_name, options, |compose| compose.run(pieces()))
    }

    /// Creates a file from pieces, each at its own offset in the result.
    ///
    /// The pieces may be in any order and may overlap; [`ComposeOptions::overlap`] says which one
    /// is used there. They must not leave a gap. Stored pieces are copied and local ones uploaded,
    /// as by [`concatenate`](Self::concatenate).
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::compose::Piece;
    ///
    /// // A new version of a disk image of which one block has changed.
    /// let old = bucket.upload_bytes(b"aaaabbbbcccc", "disk.img")?;
    /// let old = Piece::remote(&old.version().file_id);
    /// let pieces = [
    ///     (0, old.clone().range(0..4)),
    ///     (4, Piece::bytes(b"BBBB")),
    ///     (8, old.range(8..)),
    /// ];
    /// bucket.create_file(&pieces, "disk.img")?;
    /// assert_eq!(bucket.download_file_by_name("disk.img")?.read_to_vec()?, b"aaaaBBBBcccc");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range, or
    /// the pieces leave a gap; [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). Mistakes that can be found without a request are reported before
    /// anything is sent. If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn create_file(&self, pieces: &[(u64, Piece<'_>)], file_name: &str) -> Result<Uploaded> {
        self.create_file_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Creates a file from pieces at their offsets, with options.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range, the
    /// pieces leave a gap, or the file that [`ComposeOptions::resume`] names does not match;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). Mistakes that can be found without a request are reported before
    /// anything is sent. If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn create_file_with(
        &self,
        pieces: &[(u64, Piece<'_>)],
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let placed = || {
            pieces
                .iter()
                .map(|(offset, piece)| (Some(*offset), piece.clone()))
        };
        self.compose(file_name, options, |compose| compose.run(placed()))
    }

    /// Creates a file from any number of pieces, one after the other, as the iterator yields them.
    ///
    /// The iterator is advanced only as far as the next part needs. Parts double in size every
    /// 1,000 parts, and with them the smallest stored piece that is copied and not downloaded.
    ///
    /// Use this where the pieces do not fit into memory as a list, or become known one by one. A failed
    /// composition of this kind is cancelled and cannot be resumed, because the iterator is used up.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). A piece that cannot be used ends the composition after it has
    /// begun; the unfinished file is cancelled. If one is left all the same, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn concatenate_stream<'p>(
        &self,
        pieces: impl IntoIterator<Item = Piece<'p>>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.concatenate_stream_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Creates a file from a stream of pieces, with options.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range, for
    /// [`ComposeOptions::resume`], because the iterator can be read only once;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). A piece that cannot be used ends the composition after it has
    /// begun; the unfinished file is cancelled. If one is left all the same, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn concatenate_stream_with<'p>(
        &self,
        pieces: impl IntoIterator<Item = Piece<'p>>,
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let pieces = pieces.into_iter().map(|piece| (None, piece));
        self.compose_once(file_name, options, pieces)
    }

    /// Creates a file from any number of pieces at their offsets, which must not decrease. The iterator is
    /// advanced only as far as the next part needs. Where pieces overlap,
    /// [`Overlap::Remote`](crate::compose::Overlap::Remote) applies.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range,
    /// offsets decrease or the pieces leave a gap; [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). A piece that cannot be used ends the composition after it has
    /// begun; the unfinished file is cancelled. If one is left all the same, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn create_file_stream<'p>(
        &self,
        pieces: impl IntoIterator<Item = (u64, Piece<'p>)>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.create_file_stream_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Creates a file from a stream of pieces at their offsets, with options.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece does not have all bytes of its range,
    /// offsets decrease or the pieces leave a gap, for [`ComposeOptions::resume`], because the iterator can be
    /// read only once; [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file that does not exist;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and [`Error::SourceChanged`](crate::Error::SourceChanged)
    /// for a local file that cannot be read, or changes; [`Error::EncryptionKey`](crate::Error::EncryptionKey)
    /// if a stored file is encrypted with a customer's key and its piece has no key or another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not read a stored file or write the new
    /// one; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). A piece that cannot be used ends the composition after it has
    /// begun; the unfinished file is cancelled. If one is left all the same, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn create_file_stream_with<'p>(
        &self,
        pieces: impl IntoIterator<Item = (u64, Piece<'p>)>,
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let pieces = pieces.into_iter();
        let pieces = pieces.map(|(offset, piece)| (Some(offset), piece));
        self.compose_once(file_name, options, pieces)
    }

    /// Uploads a new version of a local file that only grows, such as a log. The service copies the
    /// content of the latest version, and only the appended bytes are uploaded.
    ///
    /// A file that has not changed creates no version, unless settings are asked for that its latest version
    /// does not have; [`Uploaded::is_unchanged`] tells. While it has less than 5 MB, a file is uploaded whole after
    /// each change, because the service could not copy it as a part.
    ///
    /// The description of the latest version is one request of class B. Each new version is billed with its
    /// whole length, although only the end of it is sent.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let log = directory.path().join("app.log");
    /// # std::fs::write(&log, vec![b'x'; 6_000_000]).unwrap();
    /// # let append = || {
    /// #     use std::io::Write;
    /// #     std::fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"another line\n").unwrap();
    /// # };
    /// bucket.upload_appended_file(&log, "app.log")?; // 6 MB, the whole file
    /// append(); // the program that owns the log writes "another line\n"
    /// let uploaded = bucket.upload_appended_file(&log, "app.log")?;
    /// assert!(uploaded.bytes_sent() < 6_000_000);
    /// assert!(bucket.upload_appended_file(&log, "app.log")?.is_unchanged());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// The local file is read to verify that it starts with the latest version. The whole file is
    /// uploaded, as by [`upload_local_file`](Self::upload_local_file), if it does not; if the
    /// version has no known SHA-1 or less than 5 MB; if the key may not read it; or if it is
    /// encrypted with another customer's key than the new version.
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if the local file cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if bytes that it had in the beginning change, or
    /// another file takes its place; [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft). [`Error::Connection`](crate::Error::Connection)
    /// can also mean that it is not known whether a copy was made.
    pub fn upload_appended_file(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.upload_appended_file_with(path, file_name, &UploadOptions::default())
    }

    /// Uploads a new version of a local file that only grows, with options. Encryption, retention,
    /// legal hold and upload time apply to the new version, whatever the latest version has.
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if the local file cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if bytes that it had in the beginning change, or
    /// another file takes its place; [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft). [`Error::Connection`](crate::Error::Connection)
    /// can also mean that it is not known whether a copy was made.
    pub fn upload_appended_file_with(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let source = GrowingFile::new(path.as_ref())?;
        let control = self
            .control("append", Some(file_name), options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        control.in_span(|| {
            self.with_id(&control, |bucket| {
                let append = Append {
                    upload: self.to_bucket(bucket, file_name, options, &control),
                    bucket_name: self.name(),
                };
                append.send(&source)
            })
        })
    }

    fn compose(
        &self,
        file_name: &str,
        options: &ComposeOptions,
        mut run: impl FnMut(Compose<'_>) -> Result<Uploaded>,
    ) -> Result<Uploaded> {
        let control = self.control_of(options, file_name);
        control.in_span(|| {
            self.with_id(&control, |bucket| {
                run(self.composing(bucket, file_name, options, &control))
            })
        })
    }

    /// Composes pieces that can be read only once. If the bucket was deleted and created again, the
    /// composition cannot be repeated with the new id.
    fn compose_once<'p>(
        &self,
        file_name: &str,
        options: &ComposeOptions,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        let control = self.control_of(options, file_name);
        control.in_span(|| {
            self.composing(&self.id(), file_name, options, &control)
                .run_stream(pieces)
        })
    }

    fn control_of(&self, options: &ComposeOptions, file_name: &str) -> Control {
        self.control("compose", Some(file_name), options.cancel.as_ref())
            .watched_by(options.progress.as_ref())
    }

    fn composing<'a>(
        &'a self,
        bucket: &'a BucketId,
        file_name: &'a str,
        options: &'a ComposeOptions,
        control: &'a Control,
    ) -> Compose<'a> {
        Compose {
            transfer: self.client.transfer(control),
            file: options.new_file(bucket, file_name),
            overlap: options.overlap,
            part_size: options.part_size,
            large_file_sha1: options.large_file_sha1,
            resume: &options.resume,
        }
    }
}
