//! The files of `upload_many` and `download_many`, each with its options.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Job, ended_by};
use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::transfer::download::Download;
use crate::transfer::download::directory::LocalDirectory;
use crate::transfer::download::file::Saved;
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::options::UploadOptions;
use crate::transfer::uploaded::Uploaded;

/// A file for [`Bucket::upload_many`]: where its content comes from, its name in the bucket, and options.
///
/// Nothing is opened or read before the upload of the file starts. A pair of a path and a name becomes one
/// with `into()`.
///
/// ```
/// use b2sdk::UploadOptions;
/// use b2sdk::many::FileToUpload;
///
/// let files = [
///     FileToUpload::local("/photos/1.jpg", "photos/1.jpg"),
///     FileToUpload::bytes("[1]", "index.json")
///         .options(UploadOptions::new().content_type("application/json")),
///     ("/photos/2.jpg", "photos/2.jpg").into(),
/// ];
/// assert_eq!(files[1].file_name(), "index.json");
/// ```
pub struct FileToUpload {
    content: Content,
    file_name: String,
    options: UploadOptions,
}

enum Content {
    Local(PathBuf),
    Bytes(Vec<u8>),
    Stream(Box<dyn Read + Send>),
}

impl FileToUpload {
    fn new(content: Content, file_name: impl Into<String>) -> Self {
        Self {
            content,
            file_name: file_name.into(),
            options: UploadOptions::default(),
        }
    }

    /// Creates an entry for [`Bucket::upload_many`]: a local file and the name that it gets in the
    /// bucket. It is uploaded as [`Bucket::upload_local_file`] does, in parts if it is large. A
    /// path that cannot be read is a failure of this file alone, and the others are transferred.
    #[must_use]
    pub fn local(path: impl Into<PathBuf>, file_name: impl Into<String>) -> Self {
        Self::new(Content::Local(path.into()), file_name)
    }

    /// Creates an entry for bytes in memory, which are uploaded as [`Bucket::upload_bytes`] does. They are
    /// held until the file is uploaded.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>, file_name: impl Into<String>) -> Self {
        Self::new(Content::Bytes(bytes.into()), file_name)
    }

    /// Creates an entry for a reader, which is read to its end and uploaded as [`Bucket::upload_stream`]
    /// does. Each such upload holds parts in memory.
    #[must_use]
    pub fn stream(reader: impl Read + Send + 'static, file_name: impl Into<String>) -> Self {
        Self::new(Content::Stream(Box::new(reader)), file_name)
    }

    /// Sets the options for this file, in place of the defaults. A cancel token in them cancels this file
    /// alone; the others are transferred.
    #[must_use]
    pub fn options(mut self, options: UploadOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the name that the file gets in the bucket.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    pub(super) fn into_job(self) -> Job<Uploaded> {
        Job {
            name: self.file_name.clone(),
            act: Box::new(|bucket, stop| self.upload(bucket, stop)),
        }
    }

    fn upload(self, bucket: &Bucket, stop: &CancelToken) -> Result<Uploaded> {
        let Self {
            content,
            file_name,
            mut options,
        } = self;
        options.cancel = Some(ended_by(options.cancel.as_ref(), stop));
        match content {
            Content::Local(path) => bucket.upload_local_file_with(path, &file_name, &options),
            Content::Bytes(bytes) => bucket.upload_bytes_with(&bytes, &file_name, &options),
            Content::Stream(reader) => bucket.upload_stream_with(reader, &file_name, &options),
        }
    }
}

/// A local file, and its name in the bucket.
impl<P: Into<PathBuf>, N: Into<String>> From<(P, N)> for FileToUpload {
    fn from((path, file_name): (P, N)) -> Self {
        Self::local(path, file_name)
    }
}

impl fmt::Debug for FileToUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileToUpload")
            .field("file_name", &self.file_name)
            .finish_non_exhaustive()
    }
}

/// A file for [`Bucket::download_many`]: which version, where to, and options.
///
/// A pair of a name in the bucket and a path becomes one with `into()`.
///
/// ```
/// use b2sdk::DownloadOptions;
/// use b2sdk::many::FileToDownload;
///
/// let files = [
///     FileToDownload::by_name("photos/1.jpg", "/photos/1.jpg"),
///     FileToDownload::by_name("backup.tar", "/tmp/backup.tar")
///         .options(DownloadOptions::new().resume(true)),
///     ("photos/2.jpg", "/photos/2.jpg").into(),
/// ];
/// # let _ = files;
/// ```
#[derive(Debug, Clone)]
pub struct FileToDownload {
    source: Source,
    target: Target,
    options: DownloadOptions,
}

#[derive(Debug, Clone)]
enum Source {
    Name(String),
    Id(FileId),
    /// A version whose name is known, for errors.
    Version(FileId, String),
}

#[derive(Debug, Clone)]
enum Target {
    Path(PathBuf),
    Directory(Arc<LocalDirectory>),
}

impl FileToDownload {
    fn new(source: Source, target: Target) -> Self {
        Self {
            source,
            target,
            options: DownloadOptions::default(),
        }
    }

    /// Creates an entry for the latest version of a name, which is saved to a path as
    /// [`Download::save_to`] does.
    #[must_use]
    pub fn by_name(file_name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(Source::Name(file_name.into()), Target::Path(path.into()))
    }

    /// Creates an entry for a version, which is saved to a path as [`Download::save_to`] does. It need not
    /// be the latest version.
    #[must_use]
    pub fn by_id(file_id: impl Into<FileId>, path: impl Into<PathBuf>) -> Self {
        Self::new(Source::Id(file_id.into()), Target::Path(path.into()))
    }

    /// Creates an entry for a version, which is saved below a directory under its own name as
    /// [`Download::save_under`] does. A name that is unsafe as a path fails, and the other files are not
    /// affected.
    #[must_use]
    pub fn under(version: &FileVersion, directory: &Arc<LocalDirectory>) -> Self {
        let source = Source::Version(version.file_id.clone(), version.file_name.clone());
        Self::new(source, Target::Directory(Arc::clone(directory)))
    }

    /// Sets the options for this file, in place of the defaults. A cancel token in them cancels this file
    /// alone; the others are transferred.
    #[must_use]
    pub fn options(mut self, options: DownloadOptions) -> Self {
        self.options = options;
        self
    }

    pub(super) fn into_job(self) -> Job<Saved> {
        let name = match &self.source {
            Source::Name(name) | Source::Version(_, name) => name.clone(),
            Source::Id(id) => id.to_string(),
        };
        Job {
            name,
            act: Box::new(|bucket, stop| self.download(bucket, stop)),
        }
    }

    fn download(self, bucket: &Bucket, stop: &CancelToken) -> Result<Saved> {
        let Self {
            source,
            target,
            mut options,
        } = self;
        options.cancel = Some(ended_by(options.cancel.as_ref(), stop));
        let download: Download = match source {
            Source::Name(name) => bucket.download_file_by_name_with(&name, &options),
            Source::Id(id) | Source::Version(id, _) => {
                bucket.download_file_by_id_with(id, &options)
            }
        }?;
        match target {
            Target::Path(path) => download.save_to(path),
            Target::Directory(directory) => download.save_under(&directory),
        }
    }
}

/// The latest version of a name, and the path to save it to.
impl<N: Into<String>, P: Into<PathBuf>> From<(N, P)> for FileToDownload {
    fn from((file_name, path): (N, P)) -> Self {
        Self::by_name(file_name, path)
    }
}
