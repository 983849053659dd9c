//! A file that is written piece by piece, like a local file.
//!
//! 1. `write` puts bytes into a pipe (`pipe`). A thread at its other end uploads them like any
//!    stream: in one request if they fit into one part, otherwise as a large file whose parts are
//!    sent at the same time.
//! 2. If the upload fails, the pipe is closed at once, and the next `write` returns the error.
//! 3. `finish` ends the pipe and waits for the upload. If the writer is dropped instead, the pipe
//!    breaks: what the upload has started is cancelled, and nothing is stored.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the upload fails while the caller does not write | the next `write`, `flush` or `finish` returns the error |
//! | the caller drops the writer | the pipe breaks, the upload is cancelled, and the drop waits until that is done |
//! | the caller's thread panics | as dropping |
//! | the process is killed | a large file that was started remains unfinished |
//! | the caller's token is cancelled | `write` fails with `Cancelled`; nothing is stored |

mod pipe;

use std::fmt;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

pub(crate) use self::pipe::PipeReader;
use self::pipe::{PipeWriter, pipe};
use crate::control::cancel::CancelToken;
use crate::control::memory::Reservation;
use crate::error::{Error, Result};
use crate::transfer::upload::{STREAM_PART, Upload};
use crate::transfer::uploaded::Uploaded;

/// A file in a bucket that is written piece by piece, from
/// [`Bucket::upload_writer`](crate::Bucket::upload_writer).
///
/// Whatever writes to a [`Write`] can write to a bucket without a local file in between: archives,
/// compressors, serializers. Content that fits into one part (16 MB unless
/// [`part_size`](crate::UploadOptions::part_size) says otherwise) is uploaded with one request when
/// the file is finished. The parts of longer content are uploaded at the same time, while the next
/// ones are written; `write` waits if they are slower than the writer.
///
/// **The file exists once [`finish`](Self::finish) has returned.** A writer that is dropped without
/// it stores nothing: what was uploaded is cancelled before the drop returns.
///
/// If the upload fails, the next `write` returns the reason, an [`Error`] inside the `io::Error`,
/// which `io::Error::downcast` extracts. `flush` returns such an error as well, and has no other
/// effect: the service stores no part of a file before it has all of it, so nothing can be flushed.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use std::io::Write;
///
/// let mut file = bucket.upload_writer("report.csv")?;
/// for row in 0..3 {
///     writeln!(file, "{row},{}", row * row)?;
/// }
/// let uploaded = file.finish()?;
/// assert_eq!(uploaded.version().content_length, 12);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[must_use = "a writer that is dropped without `finish` stores nothing"]
pub struct UploadWriter {
    /// The end of the pipe that is written to; `None` once the file is finished or has failed.
    pipe: Option<PipeWriter>,
    /// The thread that uploads. It runs until the pipe ends, and is joined once.
    thread: Option<JoinHandle<Result<Uploaded>>>,
    /// Cancels the upload if the writer is dropped.
    stop: CancelToken,
    written: u64,
    /// Room in the memory limit for the part that is being written.
    _memory: Reservation,
}

impl UploadWriter {
    /// Starts the upload of what will be written. `upload` runs on a thread of its own, with the
    /// pipe to read from and the token to run under.
    pub(crate) fn start(
        cancel: Option<&CancelToken>,
        memory: Reservation,
        upload: impl FnOnce(PipeReader, &CancelToken) -> Result<Uploaded> + Send + 'static,
    ) -> Result<Self> {
        let stop = cancel.map_or_else(CancelToken::new, CancelToken::child);
        let (pipe, reader) = pipe();
        let own = stop.clone();
        let thread = thread::Builder::new()
            .spawn(move || upload(reader, &own))
            .map_err(|source| Error::Stream {
                action: "write",
                source,
            })?;
        Ok(Self {
            pipe: Some(pipe),
            thread: Some(thread),
            stop,
            written: 0,
            _memory: memory,
        })
    }

    /// Returns the number of bytes that were written so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Uploads the remaining bytes and creates the file.
    ///
    /// # Errors
    /// [`Error::Stream`] if a `write` has already returned an error; [`Error::InvalidInput`] if there were more
    /// bytes than fit into 10,000 parts; [`Error::NotAllowed`]; [`Error::BucketNotFound`];
    /// [`Error::CapExceeded`]; the [errors of any call](crate::Error#errors-of-any-call). No version is created
    /// then, unless the error says that it is not known. If an unfinished large file is left, the error is
    /// inside [`Error::LargeFileLeft`].
    pub fn finish(mut self) -> Result<Uploaded> {
        if let Some(pipe) = self.pipe.take() {
            pipe.finish();
        }
        self.join().unwrap_or_else(|| Err(failed_before()))
    }

    /// Waits for the upload and returns its outcome, if nobody has it yet. A panic of the upload
    /// continues here.
    fn join(&mut self) -> Option<Result<Uploaded>> {
        let thread = self.thread.take()?;
        Some(
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    }

    /// The reason why the upload ended before it was finished. It is returned once; later calls
    /// return a general error.
    fn failure(&mut self) -> io::Error {
        self.pipe = None;
        match self.join() {
            Some(Err(error)) => error.into(),
            Some(Ok(_)) | None => failed_before().into(),
        }
    }
}

/// The error of a writer whose failure was already reported.
fn failed_before() -> Error {
    Error::Stream {
        action: "write",
        source: io::Error::new(
            io::ErrorKind::BrokenPipe,
            "the upload has failed before, and stored nothing",
        ),
    }
}

impl Write for UploadWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.pipe.as_ref().and_then(|pipe| pipe.write(buffer));
        let Some(written) = written else {
            return Err(self.failure());
        };
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) if !pipe.is_closed() => Ok(()),
            _ => Err(self.failure()),
        }
    }
}

impl Drop for UploadWriter {
    fn drop(&mut self) {
        // A finished one has no thread any more.
        if let Some(thread) = self.thread.take() {
            if let Some(pipe) = self.pipe.take() {
                pipe.break_off();
            }
            self.stop.cancel();
            let _ended = thread.join();
        }
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadWriter")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Upload<'_> {
    /// Checks what can be checked of a file that will be written, and reserves memory for one part
    /// of it.
    pub(crate) fn prepare_writer(&self) -> Result<Reservation> {
        let memory = self.transfer.workers.memory();
        self.options.resume.check_for_stream()?;
        let snapshot = self.transfer.authorization()?;
        let limits = self.limits_in_memory(snapshot.auth(), STREAM_PART)?;
        self.new_file(&snapshot, None)?;
        memory.check(1)?;
        memory.reserve(limits.wanted())
    }

    /// Uploads what is written to a pipe.
    pub(crate) fn send_pipe(&self, mut pipe: PipeReader) -> Result<Uploaded> {
        self.send_input(&mut pipe)
    }
}
