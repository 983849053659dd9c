//! Tasks on threads of their own, whose outcomes are taken in the order in which the tasks end.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle, ThreadId};

use parking_lot::Mutex;

use crate::control::cancel::CancelToken;

/// The tasks that run. Dropping it cancels them, and returns when no thread is left.
pub(super) struct Tasks<T> {
    stop: CancelToken,
    running: usize,
    threads: Vec<JoinHandle<()>>,
    ended: (Sender<Ended<T>>, Receiver<Ended<T>>),
}

struct Ended<T> {
    by: ThreadId,
    outcome: Result<T, Box<dyn Any + Send>>,
}

impl<T: Send + 'static> Tasks<T> {
    /// Tasks that end with this token, too.
    pub(super) fn new(cancel: Option<&CancelToken>) -> Self {
        Self {
            stop: cancel.map_or_else(CancelToken::new, CancelToken::child),
            running: 0,
            threads: Vec::new(),
            ended: channel(),
        }
    }

    /// The token that the tasks have to run under.
    pub(super) const fn stop(&self) -> &CancelToken {
        &self.stop
    }

    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Starts a task. Where the system has no thread for it, it is done at once, on this one.
    pub(super) fn start(&mut self, task: impl FnOnce() -> T + Send + 'static) {
        self.running += 1;
        let task = Arc::new(Mutex::new(Some(task)));
        let ended = self.ended.0.clone();
        let run = move |task: &Mutex<Option<_>>| {
            let Some(task) = task.lock().take() else {
                return;
            };
            let outcome = catch_unwind(AssertUnwindSafe(task));
            let by = thread::current().id();
            // Whoever waited may be gone.
            let _sent = ended.send(Ended { by, outcome });
        };
        let (own, handed) = (run.clone(), Arc::clone(&task));
        match thread::Builder::new().spawn(move || run(&handed)) {
            Ok(thread) => self.threads.push(thread),
            Err(_) => own(&task),
        }
    }

    /// Waits for the next outcome; none if nothing runs. A task that panicked panics here.
    pub(super) fn wait(&mut self) -> Option<T> {
        if self.running == 0 {
            return None;
        }
        // Never fails: this side holds a sender too.
        let Ended { by, outcome } = self.ended.1.recv().ok()?;
        self.running -= 1;
        if let Some(at) = self.threads.iter().position(|own| own.thread().id() == by) {
            join(self.threads.swap_remove(at));
        }
        Some(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<T> Drop for Tasks<T> {
    fn drop(&mut self) {
        if self.running > 0 {
            self.stop.cancel();
        }
        self.threads.drain(..).for_each(join);
    }
}

/// A panic of the thread came with its outcome.
fn join(thread: JoinHandle<()>) {
    let _ended = thread.join();
}

impl<T> fmt::Debug for Tasks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
