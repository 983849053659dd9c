//! Composing a file of local pieces and of what the service has already.

use std::path::Path;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::id::BucketId;
use crate::transfer::compose::Compose;
use crate::transfer::compose::incremental::Append;
use crate::transfer::compose::piece::Piece;
use crate::transfer::options::{ComposeOptions, UploadOptions};
use crate::transfer::source::FileSource;
use crate::transfer::uploaded::Uploaded;

/// # Composing
impl Bucket {
    /// Makes a file of pieces, one after the other.
    ///
    /// Ranges of stored files are copied by the service, in parts of a large file; local pieces are
    /// uploaded. A part other than the last has at least 5 MB: a smaller stored piece is downloaded and
    /// goes up together with its neighbours. If everything fits into one part, it is one upload or one
    /// copy. What is left of a file in parts whose making failed can be gone on with:
    /// [`ComposeOptions::resume`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if a piece has not all bytes of its range;
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) for a stored file;
    /// [`Error::LocalFile`](crate::Error::LocalFile) and
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) for a local one;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if a stored file is encrypted with a
    /// customer's key that was not given with its piece, or with another one; otherwise as
    /// [`upload_bytes`](Self::upload_bytes). What can be told to be wrong without asking the service is
    /// told before anything is sent. The large file is cancelled, unless it may be resumed.
    pub fn concatenate(&self, pieces: &[Piece<'_>], file_name: &str) -> Result<Uploaded> {
        self.concatenate_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Makes a file of pieces with settings.
    ///
    /// # Errors
    /// As [`concatenate`](Self::concatenate).
    pub fn concatenate_with(
        &self,
        pieces: &[Piece<'_>],
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let pieces = || pieces.iter().map(|piece| (None, piece.clone()));
        self.compose(file_name, options, |compose| compose.run(pieces()))
    }

    /// Makes a file of pieces, each at its offset in the result.
    ///
    /// Pieces may come in any order and may overlap: [`ComposeOptions::overlap`] says which one is used
    /// there. They must not leave a hole. Otherwise as [`concatenate`](Self::concatenate).
    ///
    /// # Errors
    /// As [`concatenate`](Self::concatenate); [`Error::InvalidInput`](crate::Error::InvalidInput) if no
    /// piece has some of the bytes.
    pub fn create_file(&self, pieces: &[(u64, Piece<'_>)], file_name: &str) -> Result<Uploaded> {
        self.create_file_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Makes a file of pieces at their offsets with settings.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file).
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

    /// Makes a file of any number of pieces, one after the other, as the iterator yields them.
    ///
    /// No more of them are taken than it takes to make the next part. Parts double in size every 1,000
    /// parts, and so does what is copied and not downloaded.
    ///
    /// # Errors
    /// As [`concatenate`](Self::concatenate); a piece that cannot be used ends what has begun.
    pub fn concatenate_stream<'p>(
        &self,
        pieces: impl IntoIterator<Item = Piece<'p>>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.concatenate_stream_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Makes a file of a stream of pieces with settings.
    ///
    /// # Errors
    /// As [`concatenate_stream`](Self::concatenate_stream).
    pub fn concatenate_stream_with<'p>(
        &self,
        pieces: impl IntoIterator<Item = Piece<'p>>,
        file_name: &str,
        options: &ComposeOptions,
    ) -> Result<Uploaded> {
        let pieces = pieces.into_iter().map(|piece| (None, piece));
        self.compose_once(file_name, options, pieces)
    }

    /// Makes a file of any number of pieces at their offsets, which must not go back.
    ///
    /// # Errors
    /// As [`concatenate_stream`](Self::concatenate_stream) and [`create_file`](Self::create_file).
    pub fn create_file_stream<'p>(
        &self,
        pieces: impl IntoIterator<Item = (u64, Piece<'p>)>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.create_file_stream_with(pieces, file_name, &ComposeOptions::default())
    }

    /// Makes a file of a stream of pieces at their offsets with settings.
    ///
    /// # Errors
    /// As [`create_file_stream`](Self::create_file_stream).
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

    /// Uploads a new version of a local file that only grows, such as a log: what the latest version has
    /// is copied within the service, and only what was appended is uploaded.
    ///
    /// A file that has not changed makes no version, unless settings are asked for that its latest version does
    /// not have; [`Uploaded::is_unchanged`] tells.
    ///
    /// The file is read to see that it begins with that version: its SHA-1 must be known, and it must
    /// have at least 5 MB. Otherwise, and for a key that may not read, the whole file is uploaded as by
    /// [`upload_local_file`](Self::upload_local_file); so it is if the version is encrypted with a customer's
    /// key, and not with the one that the new version is to have.
    ///
    /// # Errors
    /// As [`upload_local_file`](Self::upload_local_file) and [`copy`](Self::copy).
    pub fn upload_appended_file(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.upload_appended_file_with(path, file_name, &UploadOptions::default())
    }

    /// Uploads a new version of a file that only grows, with settings. Encryption, retention, legal hold
    /// and upload time are those of the new version, whatever the latest one has.
    ///
    /// # Errors
    /// As [`upload_appended_file`](Self::upload_appended_file).
    pub fn upload_appended_file_with(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let source = FileSource::new(path.as_ref())?;
        let control = self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        self.with_id(&control, |bucket| {
            let append = Append {
                upload: self.to_bucket(bucket, file_name, options, &control),
                bucket_name: self.name(),
            };
            append.send(&source)
        })
    }

    fn compose(
        &self,
        file_name: &str,
        options: &ComposeOptions,
        mut run: impl FnMut(Compose<'_>) -> Result<Uploaded>,
    ) -> Result<Uploaded> {
        let control = self.control_of(options);
        self.with_id(&control, |bucket| {
            run(self.composing(bucket, file_name, options, &control))
        })
    }

    /// Composes of pieces that come only once, so that a bucket that was made anew cannot be found by
    /// trying.
    fn compose_once<'p>(
        &self,
        file_name: &str,
        options: &ComposeOptions,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        let control = self.control_of(options);
        self.composing(&self.id(), file_name, options, &control)
            .run_stream(pieces)
    }

    fn control_of(&self, options: &ComposeOptions) -> Control {
        self.control(options.cancel.as_ref())
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
