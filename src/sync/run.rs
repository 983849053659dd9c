//! Making the steps of a plan: transfers side by side, then a barrier, then removals.
//!
//! The calling thread scans, plans and hands out steps; as many threads as the `B2Api` has workers make
//! them. The steps of one name are made by one thread, one after the other, and end at the first that
//! fails.

use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::clock::Clock;
use crate::control::workers::Workers;
use crate::error::{Error, TransportKind};
use crate::sync::act::{Actor, Outcome};
use crate::sync::error::SyncError;
use crate::sync::observe::SyncRun;
use crate::sync::options::Orphans;
use crate::sync::plan::Planned;
use crate::sync::problem::{Problem, ProblemKind};
use crate::sync::report::{SyncReport, Withheld, WithheldReason};
use crate::sync::source::SourceGuard;
use crate::sync::step::{Action, Reason, SyncStep};
use crate::sync::steps::Steps;

/// How many names are remembered whose transfer did not succeed. With more of them, no version is deleted
/// that waits for a transfer.
const REMEMBERED: usize = 10_000;
/// How long nothing is heard of while a result is waited for.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How many steps of one name a thread is given at a time.
const STEPS_OF_A_NAME: usize = 100;

/// What came of a step. A panic is passed on to the caller's thread.
struct Done {
    step: SyncStep,
    outcome: Result<Outcome, Box<dyn Any + Send>>,
}

/// A run.
pub(super) struct Run<'a> {
    pub(super) steps: Steps<'a>,
    pub(super) actor: &'a Actor,
    pub(super) source: &'a SourceGuard,
    pub(super) settings: &'a SyncRun,
    pub(super) workers: Arc<Workers>,
    pub(super) clock: Clock,
}

/// The threads, and what goes to them and comes back.
struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    actor: &'env Actor,
    jobs: SyncSender<Vec<SyncStep>>,
    queue: &'env Mutex<Receiver<Vec<SyncStep>>>,
    results: Receiver<Done>,
    sender: Sender<Done>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    /// How many threads there may be, which may change while the run goes on.
    workers: &'env Workers,
    /// Steps that were handed out and have not come back.
    running: usize,
}

/// What the calling thread keeps.
#[derive(Default)]
struct State {
    /// Transfers that did not succeed.
    failed_transfers: u64,
    /// Uploads whose file was gone when its turn came. It may have been moved to a name that was scanned
    /// before, so that what is removed may be its only copy.
    vanished: u64,
    /// Removals that were left out because of that.
    left_out: u64,
    /// How many steps in a row failed because no connection could be made.
    unreachable: usize,
    /// The names of transfers that were not made, whatever the reason.
    not_transferred: HashSet<String>,
    forgets: bool,
    /// Uploads whose source changed.
    again: Vec<SyncStep>,
    is_second_round: bool,
    /// The removals of one name that are gathered.
    batch: Vec<SyncStep>,
    /// Downloads whose place is taken until removals have been made.
    in_the_way: Vec<SyncStep>,
    has_removed: bool,
    /// Whether the directory of a local destination is there: it is made for the first file.
    has_root: bool,
    is_removing: bool,
    removals_left: u64,
    /// When the run began.
    began: Duration,
    /// The bytes of the transfers that were handed out.
    handed_out: u64,
}

impl State {
    /// Notes that a step was not made, so that nothing is removed that depends on it.
    fn log_store_failure(&mut self, step: &SyncStep) {
        if self.not_transferred.len() >= REMEMBERED {
            self.forgets = true;
            return;
        }
        if let Action::CopyRenamed { from } = &step.action {
            self.not_transferred.insert(from.clone());
        }
        self.not_transferred.insert(step.name.clone());
    }
}

impl Run<'_> {
    pub(super) fn go(mut self) -> Result<SyncReport, SyncError> {
        let (jobs, queue) = sync_channel(self.workers.most().saturating_mul(2));
        let queue = Mutex::new(queue);
        let workers = Arc::clone(&self.workers);
        let refused = std::thread::scope(|scope| {
            let (sender, results) = channel();
            let mut pool = Pool {
                scope,
                actor: self.actor,
                jobs,
                queue: &queue,
                results,
                sender,
                threads: Vec::new(),
                workers: &workers,
                running: 0,
            };
            let mut state = State {
                began: self.clock.elapsed(),
                ..State::default()
            };
            let refused = self.make(&mut pool, &mut state);
            self.drain(&mut pool, &mut state, 0);
            self.actor.reporter.report();
            refused
        });
        refused?;
        SyncError::judge(self.steps.into_report())
    }

    /// Hands out all steps; fails if the run is refused before the first one.
    fn make(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) -> Result<(), SyncError> {
        loop {
            self.drain(pool, state, usize::MAX);
            self.actor.reporter.tick();
            if self.steps.report().fatal.is_some() {
                let left = match state.is_removing {
                    true => state.removals_left + state.batch.len() as u64 + state.left_out,
                    false => self.steps.waiting_removals(),
                };
                self.leave(state, left, WithheldReason::EndedEarly);
                return Ok(());
            }
            match self.steps.next() {
                Err(SyncError::Scan(error)) => {
                    self.steps.report().fatal = Some(*error);
                }
                Err(refused) => return Err(refused),
                Ok(None) => {
                    self.hand_out_batch(pool, state);
                    self.third_round(pool, state);
                    self.leave(state, state.left_out, WithheldReason::SourceVanished);
                    return Ok(());
                }
                Ok(Some(Planned::Tick)) => {}
                Ok(Some(Planned::Problem(problem))) => self.note(problem),
                Ok(Some(Planned::Barrier(removals))) => {
                    self.second_round(pool, state);
                    if let Some(reason) = self.obstacle(state) {
                        self.leave(state, removals, reason);
                        return Ok(());
                    }
                    state.is_removing = true;
                    state.removals_left = removals;
                }
                Ok(Some(Planned::Step(step))) if state.is_removing => {
                    state.removals_left = state.removals_left.saturating_sub(1);
                    self.remove(pool, state, step);
                }
                Ok(Some(Planned::Step(step))) => {
                    if self.is_at_limit(state) {
                        self.steps.report().stopped = true;
                        let left = self.steps.waiting_removals();
                        self.second_round(pool, state);
                        self.leave(state, left, WithheldReason::Stopped);
                        return Ok(());
                    }
                    self.transfer(pool, state, step);
                }
            }
        }
    }

    fn transfer(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, step: SyncStep) {
        if !self.settings.approves(&step) {
            self.steps.report().declined += 1;
            state.log_store_failure(&step);
            return;
        }
        if let Some(tree) = self.actor.tree.as_ref().filter(|_| !state.has_root) {
            if let Err(error) = tree.make_root() {
                self.steps.report().fatal = Some(error);
                return;
            }
            state.has_root = true;
        }
        state.handed_out = state.handed_out.saturating_add(step.bytes);
        self.settings.step(&step);
        self.hand_out(pool, state, vec![step]);
    }

    /// Whether no more transfers may start.
    fn is_at_limit(&self, state: &State) -> bool {
        let SyncRun {
            stop_after,
            stop_after_bytes,
            ..
        } = self.settings;
        let since = self.clock.elapsed().saturating_sub(state.began);
        stop_after.is_some_and(|limit| since >= limit)
            || stop_after_bytes.is_some_and(|limit| state.handed_out >= limit)
    }

    /// Tries once more what changed while it was read.
    fn second_round(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        self.drain(pool, state, 0);
        state.is_second_round = true;
        for step in std::mem::take(&mut state.again) {
            self.hand_out(pool, state, vec![step]);
        }
        self.drain(pool, state, 0);
    }

    /// Makes what waited for removals.
    fn third_round(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        self.drain(pool, state, 0);
        state.has_removed = true;
        for step in std::mem::take(&mut state.in_the_way) {
            if let Some(tree) = &self.actor.tree {
                tree.clear(&step.name);
            }
            self.hand_out(pool, state, vec![step]);
        }
        self.drain(pool, state, 0);
    }

    fn may_make_way(&self, state: &State) -> bool {
        let removes = self.actor.options.orphans != Orphans::Keep;
        removes && !state.has_removed && state.in_the_way.len() < REMEMBERED
    }

    /// Why nothing may be removed.
    fn obstacle(&mut self, state: &State) -> Option<WithheldReason> {
        if self.steps.report().fatal.is_some() {
            return Some(WithheldReason::EndedEarly);
        }
        let has_failed = state.failed_transfers > 0 && !self.actor.options.remove_despite_failures;
        if has_failed || self.steps.withholds() {
            return Some(WithheldReason::TransferFailed);
        }
        self.source.obstacle()
    }

    /// Gathers the removals of one name and hands them out together.
    fn remove(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, step: SyncStep) {
        let is_other = state
            .batch
            .first()
            .is_some_and(|first| first.name != step.name);
        if is_other {
            self.hand_out_batch(pool, state);
        } else if state.batch.len() >= STEPS_OF_A_NAME {
            // What follows must not overtake these.
            self.hand_out_batch(pool, state);
            self.drain(pool, state, 0);
        }
        // What was forgotten may be any name.
        if state.forgets || state.not_transferred.contains(&step.name) {
            return;
        }
        let is_kept = state.vanished > 0 && !self.actor.options.remove_despite_failures;
        if is_kept && step.reason == Reason::Orphan {
            state.left_out += 1;
            return;
        }
        if !self.settings.approves(&step) {
            self.steps.report().declined += 1;
            // What is newer must not uncover it.
            state.log_store_failure(&step);
            return;
        }
        self.settings.step(&step);
        state.batch.push(step);
    }

    fn hand_out_batch(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        let batch = std::mem::take(&mut state.batch);
        if !batch.is_empty() {
            self.hand_out(pool, state, batch);
        }
    }

    fn hand_out(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, steps: Vec<SyncStep>) {
        let most = pool.most();
        // Threads that there are too many of get nothing to do.
        let waiting = match pool.threads.len() > most {
            true => most - 1,
            false => most * 2,
        };
        self.drain(pool, state, waiting);
        let outcome = pool.hand_out(steps);
        if let Err(error) = outcome {
            self.steps.report().fatal = Some(error);
        }
    }

    /// Takes results that have come, and waits for more until so few steps are running.
    fn drain(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, most: usize) {
        while pool.running > 0 {
            let done = pool.next(most);
            self.actor.reporter.tick();
            let Some(done) = done else {
                match pool.running > most {
                    true => continue,
                    false => return,
                }
            };
            match done.outcome {
                Ok(outcome) => self.settle(state, done.step, outcome),
                Err(panic) => resume_unwind(panic),
            }
        }
    }

    fn settle(&mut self, state: &mut State, step: SyncStep, outcome: Outcome) {
        let kind = match outcome {
            Outcome::Made { bytes } => {
                state.unreachable = 0;
                self.actor.reporter.steps_made.add(1);
                self.actor.reporter.bytes_made.add(bytes);
                self.steps.report().count(&SyncStep { bytes, ..step });
                return;
            }
            Outcome::Again if !state.is_second_round && state.again.len() < REMEMBERED => {
                state.again.push(step);
                return;
            }
            Outcome::Again => ProblemKind::Changed,
            Outcome::InTheWay if self.may_make_way(state) => {
                state.in_the_way.push(step);
                return;
            }
            Outcome::InTheWay => ProblemKind::InTheWay,
            Outcome::Skipped => {
                state.log_store_failure(&step);
                return;
            }
            Outcome::Fatal(error) => {
                self.steps.report().fatal.get_or_insert(error);
                return;
            }
            Outcome::Problem(ProblemKind::Failed(error)) if self.is_cut_off(state, &error) => {
                // What still runs would fail as well.
                self.actor.cancel.cancel();
                self.steps.report().fatal.get_or_insert(error);
                return;
            }
            Outcome::Problem(kind) => kind,
        };
        if !step.is_removal() {
            match kind {
                ProblemKind::Vanished => state.vanished += 1,
                _ => state.failed_transfers += 1,
            }
        }
        state.log_store_failure(&step);
        if matches!(kind, ProblemKind::Retained) {
            self.steps.report().retained += 1;
        }
        self.note(Problem {
            name: step.name,
            kind,
        });
    }

    /// Whether every thread has failed to make a connection, with all its attempts, and one of them again.
    fn is_cut_off(&self, state: &mut State, error: &Error) -> bool {
        let is_unreachable = matches!(
            error.failure(),
            Error::Connection(transport) if matches!(
                transport.kind,
                TransportKind::Dns | TransportKind::Connect | TransportKind::Proxy
            )
        );
        state.unreachable = match is_unreachable {
            true => state.unreachable + 1,
            false => 0,
        };
        state.unreachable > self.workers.limit().max(1)
    }

    /// Leaves the removals, and what waited for them.
    fn leave(&mut self, state: &mut State, removals: u64, reason: WithheldReason) {
        let removals = removals + self.steps.rest();
        for step in std::mem::take(&mut state.in_the_way) {
            self.note(Problem {
                name: step.name,
                kind: ProblemKind::InTheWay,
            });
        }
        if removals > 0 {
            self.steps.report().withheld = Some(Withheld { removals, reason });
        }
    }

    fn note(&mut self, problem: Problem) {
        self.actor.reporter.problem(&problem);
        self.steps.report().note(problem);
    }
}

impl<'scope, 'env> Pool<'scope, 'env> {
    fn hand_out(&mut self, steps: Vec<SyncStep>) -> Result<(), Error> {
        if self.threads.len() < self.most() && self.threads.len() <= self.running {
            match self.start() {
                Ok(thread) => self.threads.push(thread),
                // Those that there are will do.
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
        self.running += steps.len();
        // Never fails: the receiver lives as long as the scope.
        let _sent = self.jobs.send(steps);
        Ok(())
    }

    fn most(&self) -> usize {
        self.workers.limit().max(1)
    }

    fn start(&self) -> std::io::Result<ScopedJoinHandle<'scope, ()>> {
        let (actor, queue, sender) = (self.actor, self.queue, self.sender.clone());
        Builder::new().spawn_scoped(self.scope, move || work(actor, queue, &sender))
    }

    /// A result, if one has come, or has to be waited for because more steps are running.
    fn next(&mut self, most: usize) -> Option<Done> {
        let done = match self.running > most {
            true => self.results.recv_timeout(LOOK_UP).ok(),
            false => self.results.try_recv().ok(),
        };
        self.running -= usize::from(done.is_some());
        done
    }
}

fn work(actor: &Actor, queue: &Mutex<Receiver<Vec<SyncStep>>>, results: &Sender<Done>) {
    loop {
        let job = queue.lock().recv();
        let Ok(steps) = job else {
            return;
        };
        let mut has_failed = false;
        for step in steps {
            let outcome = match has_failed {
                true => Ok(Outcome::Skipped),
                false => catch_unwind(AssertUnwindSafe(|| actor.make(&step))),
            };
            has_failed |= !matches!(outcome, Ok(Outcome::Made { .. }));
            // The caller's thread may be unwinding.
            let _sent = results.send(Done { step, outcome });
        }
    }
}
