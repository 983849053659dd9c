//! The threads that make steps: started one by one as there is work for them, and joined by the
//! scope that they belong to.
//!
//! A job is the list of steps of one name, which one thread makes in their order and ends at the
//! first that fails. The queue holds two jobs for each thread, so that planning does not run ahead
//! of the transfers.
//!
//! | what happens | what follows |
//! |---|---|
//! | a thread cannot be started | the others do its work; without any, the run ends with an error |
//! | the limit of workers grows or shrinks | threads are added, or some are left without work |
//! | a step panics | the panic is its result, and the rest of its job is skipped |
//! | the pool is dropped | the queue closes, and each thread ends when it is empty |

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::workers::Workers;
use crate::error::Error;
use crate::sync::act::{Actor, StepOutcome};
use crate::sync::step::SyncStep;

/// How long a result is waited for before the caller reports progress.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The steps of one name.
pub(super) type Job = Vec<SyncStep>;

/// A step that was made or tried. A panic is passed on to the calling thread.
///
/// Each step of a job comes back as one of these, those that were skipped too.
pub(super) struct Done {
    pub(super) step: SyncStep,
    pub(super) outcome: Result<StepOutcome, Box<dyn Any + Send>>,
}

/// The threads, and the channels to and from them.
pub(super) struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    actor: &'env Actor,
    jobs: SyncSender<Job>,
    queue: &'env Mutex<Receiver<Job>>,
    results: Receiver<Done>,
    sender: Sender<Done>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    /// The limit of threads, which may change during the run.
    workers: &'env Workers,
    /// The number of steps that were handed out and have not come back.
    running: usize,
}

impl<'scope, 'env> Pool<'scope, 'env> {
    /// Creates a pool without threads. Dropping it ends the threads once the queue is empty.
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        actor: &'env Actor,
        (jobs, queue): (SyncSender<Job>, &'env Mutex<Receiver<Job>>),
        workers: &'env Workers,
    ) -> Self {
        let (sender, results) = channel();
        Self {
            scope,
            actor,
            jobs,
            queue,
            results,
            sender,
            threads: Vec::new(),
            workers,
            running: 0,
        }
    }

    /// Gives a job to the threads, and starts one more if all are busy. Fails if there is no thread
    /// and none can be started.
    pub(super) fn hand_out(&mut self, job: Job) -> Result<(), Error> {
        if self.threads.len() < self.most() && self.threads.len() <= self.running {
            match self.start() {
                Ok(thread) => self.threads.push(thread),
                // The threads that there are make all steps, more slowly.
                Err(_) if !self.threads.is_empty() => {}
                Err(error) => {
                    return Err(Error::local_file(
                        "start a thread for",
                        std::path::Path::new("synchronizing"),
                        error,
                    ));
                }
            }
        }
        self.running += job.len();
        // Never fails: the receiver lives as long as the scope.
        let _sent = self.jobs.send(job);
        Ok(())
    }

    /// The limit of threads.
    pub(super) fn most(&self) -> usize {
        self.workers.limit().max(1)
    }

    /// How many steps may be running while another one is handed out: two for each thread. If the
    /// limit was lowered below the number of threads, it is fewer than the limit, so that some
    /// threads have nothing to do.
    pub(super) fn room(&self) -> usize {
        let most = self.most();
        match self.threads.len() > most {
            true => most - 1,
            false => most * 2,
        }
    }

    /// How many steps were handed out and have not come back.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Returns a result that has come. If more than `most` steps are running, it waits for one, but
    /// not for long.
    pub(super) fn next(&mut self, most: usize) -> Option<Done> {
        let done = match self.running > most {
            true => self.results.recv_timeout(LOOK_UP).ok(),
            false => self.results.try_recv().ok(),
        };
        self.running -= usize::from(done.is_some());
        done
    }

    /// Starts one more thread, which the scope joins at its end.
    fn start(&self) -> std::io::Result<ScopedJoinHandle<'scope, ()>> {
        let (actor, queue, sender) = (self.actor, self.queue, self.sender.clone());
        Builder::new().spawn_scoped(self.scope, move || work(actor, queue, &sender))
    }
}

/// What each thread does until the queue is closed.
///
/// The lock on the queue is held while a job is waited for, and not while it is made.
fn work(actor: &Actor, queue: &Mutex<Receiver<Job>>, results: &Sender<Done>) {
    loop {
        let job = queue.lock().recv();
        let Ok(steps) = job else {
            return;
        };
        let mut has_failed = false;
        for step in steps {
            let outcome = match has_failed {
                true => Ok(StepOutcome::Skipped),
                false => catch_unwind(AssertUnwindSafe(|| actor.make(&step))),
            };
            has_failed |= !matches!(outcome, Ok(StepOutcome::Made { .. }));
            // The calling thread may be unwinding.
            let _sent = results.send(Done { step, outcome });
        }
    }
}
