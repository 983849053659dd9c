//! A file that is written piece by piece.
//!
//! 1. `write` puts bytes into a pipe (`pipe`). A thread at its other end uploads what comes, as any stream: in
//!    one request if it fits into one part, otherwise as a large file, its parts side by side.
//! 2. When the upload fails, the pipe is closed at once, and the next `write` gets the error.
//! 3. `finish` ends the pipe and waits for the upload. Without it the pipe breaks: what the upload has
//!    started is cancelled, and nothing is stored.

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
/// Whatever writes into a [`Write`] can write into a bucket without a local file in between: archives,
/// compressors, serializers. What fits into one part (16 MB unless
/// [`part_size`](crate::UploadOptions::part_size) says otherwise) is uploaded with one request, when the file
/// is finished. Of a longer file, the parts are uploaded side by side while the next ones are written; `write`
/// waits when they are slower than the writer.
///
/// **The file exists once [`finish`](Self::finish) has returned.** A writer that is dropped without it stores
/// nothing: what was uploaded is cancelled, and dropping returns after that.
///
/// When the upload fails, the next `write` returns the reason: an [`Error`] inside the `io::Error`, which
/// `io::Error::downcast` gives back. `flush` returns such an error too, and does nothing else: the service stores
/// no part of a file before all of it is there, so that nothing can be flushed.
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
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a writer that is dropped without `finish` stores nothing"]
pub struct UploadWriter {
    pipe: Option<PipeWriter>,
    /// Runs until the pipe ends.
    thread: Option<JoinHandle<Result<Uploaded>>>,
    stop: CancelToken,
    written: u64,
    _memory: Reservation,
}

impl UploadWriter {
    /// Starts the upload of what will be written: `upload` is called on a thread of its own with the pipe to
    /// read from and the token to run under.
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

    /// Returns how many bytes were written so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Uploads what is left, and creates the file.
    ///
    /// # Errors
    /// As [`Bucket::upload_stream`](crate::Bucket::upload_stream); [`Error::Stream`] if a `write` has returned
    /// an error already.
    pub fn finish(mut self) -> Result<Uploaded> {
        if let Some(pipe) = self.pipe.take() {
            pipe.finish();
        }
        self.join().unwrap_or_else(|| Err(failed_before()))
    }

    /// The outcome of the upload, if nobody had it yet.
    fn join(&mut self) -> Option<Result<Uploaded>> {
        let thread = self.thread.take()?;
        Some(
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    }

    /// Why the upload ended before it was finished.
    fn failure(&mut self) -> io::Error {
        self.pipe = None;
        match self.join() {
            Some(Err(error)) => error.into(),
            Some(Ok(_)) | None => failed_before().into(),
        }
    }
}

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
    /// Checks what can be checked of a file that will be written, and keeps room in memory for one part of it.
    pub(crate) fn prepare_writer(&self) -> Result<Reservation> {
        let memory = self.transfer.workers.memory();
        self.options.resume.check_for_stream()?;
        let snapshot = self.transfer.authorization()?;
        let limits = self.limits_in_memory(snapshot.auth(), STREAM_PART)?;
        self.new_file(&snapshot, None)?;
        memory.check(1)?;
        memory.reserve(limits.wanted())
    }

    /// Uploads what is written into a pipe.
    pub(crate) fn send_pipe(&self, mut pipe: PipeReader) -> Result<Uploaded> {
        self.send_input(&mut pipe)
    }
}
