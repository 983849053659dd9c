//! Making the steps of a plan: transfers side by side, then a barrier, then removals.
//!
//! The calling thread scans, plans and hands out steps; as many threads as the `B2Api` has workers
//! make them (`pool`). The steps of one name are made by one thread, one after the other, and end
//! at the first that fails.
//!
//! 1. Transfers are handed out in the order of the plan. A file that changes while it is read is
//!    tried again when all others have ended.
//! 2. At the barrier nothing is running. Removals are withheld if a transfer failed, the run was
//!    cancelled or has come to its limit, or the source is not the directory that it was at the
//!    start ([`WithheldReason`]).
//! 3. Removals are handed out, those of one name together.
//! 4. Downloads whose place was taken are put there as soon as removals have freed it (`staged`).
//! 5. At the end, however it came, what killed downloads have left is removed, if a lock kept the scan from it
//!    (`clean`).
//!
//! | what happens | what the run does |
//! |---|---|
//! | a transfer fails | the others go on; no removal unless `remove_despite_failures`, and even then none of this name, nor of what is in the place of the file |
//! | another program removes a download that waits for its place | as a transfer that fails |
//! | a local file is gone when its turn comes | the others go on; no orphan is removed, as the file may have been renamed to a name that was scanned before |
//! | a removal fails | newer versions of the name stay; other names go on |
//! | no connection can be made, by as many steps in a row as there are workers and one more | running transfers are cancelled, and the run ends |
//! | a failure that concerns all steps | no further step is handed out; running ones end |
//! | the plan is refused at the end of the scans | nothing was changed, because transfers wait for that if a limit on removals is set |
//! | a thread panics | the others end, and the panic is passed on to the caller |
//!
//! Bounds: twice as many steps as there are workers are handed out at a time. At most 10,000 files
//! wait for a second attempt, and as many for their place. The names of 10,000 transfers that were
//! not made are remembered; with more of them, nothing is removed, and what is left is withheld.

mod pool;
mod state;
mod waiting;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use parking_lot::Mutex;

use crate::control::clock::Clock;
use crate::control::workers::Workers;
use crate::error::{Error, TransportKind};
use crate::sync::act::{Actor, StepOutcome};
use crate::sync::error::SyncError;
use crate::sync::observe::SyncRun;
use crate::sync::plan::Planned;
use crate::sync::problem::{Problem, ProblemKind};
use crate::sync::report::{SyncReport, Withheld, WithheldReason};
use crate::sync::run::pool::{Job, Pool};
use crate::sync::run::state::{Lacks, REMEMBERED, State};
use crate::sync::source::SourceGuard;
use crate::sync::step::{Reason, SyncStep};
use crate::sync::steps::Steps;

/// The most removals of one name that a thread is given at a time.
const STEPS_OF_A_NAME: usize = 100;

/// A run: where its steps come from, who makes them, and what it was told by its caller.
///
/// `source` looks at the directory once more before the first removal.
pub(super) struct Run<'a> {
    pub(super) steps: Steps<'a>,
    pub(super) actor: &'a Actor,
    pub(super) source: &'a SourceGuard,
    pub(super) settings: &'a SyncRun,
    pub(super) workers: Arc<Workers>,
    pub(super) clock: Clock,
}

impl Run<'_> {
    /// Makes all steps, and judges the report. Fails with [`SyncError::Refused`] if the plan was
    /// refused.
    ///
    /// All threads have ended when it returns, because they belong to its scope. An observer gets
    /// its last report before that.
    pub(super) fn go(mut self) -> Result<SyncReport, SyncError> {
        let (jobs, queue) = sync_channel(self.workers.most().saturating_mul(2));
        let queue = Mutex::new(queue);
        let workers = Arc::clone(&self.workers);
        let refused = std::thread::scope(|scope| {
            let mut pool = Pool::new(scope, self.actor, (jobs, &queue), &workers);
            let mut state = State::new(self.clock.elapsed());
            let refused = self.make(&mut pool, &mut state);
            self.drain(&mut pool, &mut state, 0);
            // The last files that waited for their places go with it.
            drop(state);
            self.actor.clean();
            self.actor.reporter.report();
            refused
        });
        refused?;
        SyncError::judge(self.steps.into_report())
    }

    /// Hands out all steps. Fails if the plan is refused.
    ///
    /// Each turn takes results that have come, reports progress, and then takes one item of the
    /// plan. What ends it:
    ///
    /// - the end of the plan, after the last removals and the downloads that waited for them;
    /// - an error that concerns all steps, which leaves the removals that are left;
    /// - a reason at the barrier not to remove anything (`obstacle`);
    /// - a limit of the caller, at the next transfer;
    /// - a refusal, when both scans have ended: nothing was handed out then.
    ///
    /// When it returns, steps may still be running; `go` waits for them.
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
                    self.place_staged(pool, state);
                    let reason = match state.unknown {
                        0 => WithheldReason::SourceVanished,
                        _ => WithheldReason::TooManyNotMade,
                    };
                    self.leave(state, state.left_out, reason);
                    return Ok(());
                }
                Ok(Some(Planned::Tick)) => {}
                Ok(Some(Planned::Problem(problem))) => self.note(problem),
                Ok(Some(Planned::Barrier(removals))) => {
                    self.second_round(pool, state);
                    let waiting = state.staged.keys().cloned().collect();
                    self.give_up_lost(state, waiting);
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

    /// Hands out a transfer, if the observer approves of it. The root of a local destination is
    /// created before the first one; if that fails, the run ends.
    fn transfer(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, step: SyncStep) {
        if !self.settings.approves(&step) {
            self.steps.report().declined += 1;
            state.note_not_made(&step);
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
    /// Time is that of a clock that never goes back, so a change of the computer's clock has no
    /// effect.
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
    ///
    /// Nothing else is running then. A file that changes once more becomes a problem. After an error
    /// that concerns all steps, and at a limit of the caller, nothing more is sent.
    fn second_round(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        self.drain(pool, state, 0);
        state.is_second_round = true;
        for step in std::mem::take(&mut state.again) {
            // This waits for a thread to have room, and takes the results that have come by then.
            self.drain(pool, state, pool.room());
            if self.steps.report().fatal.is_some() {
                break;
            }
            if self.is_at_limit(state) {
                self.steps.report().stopped = true;
                break;
            }
            state.handed_out = state.handed_out.saturating_add(step.bytes);
            self.hand_out(pool, state, vec![step]);
        }
        self.drain(pool, state, 0);
    }

    /// Why nothing may be removed.
    ///
    /// It is asked once, at the barrier, when no transfer is running.
    fn obstacle(&mut self, state: &State) -> Option<WithheldReason> {
        if self.steps.report().fatal.is_some() {
            return Some(WithheldReason::EndedEarly);
        }
        if self.steps.report().stopped {
            return Some(WithheldReason::Stopped);
        }
        let has_failed = state.failed_transfers > 0 && !self.actor.options.remove_despite_failures;
        if has_failed || self.steps.withholds() {
            return Some(WithheldReason::TransferFailed);
        }
        self.source.obstacle()
    }

    /// Gathers the removals of one name and hands them out together.
    ///
    /// | removal | what is done with it |
    /// |---|---|
    /// | under the name of a step that was not made, or of a file that was to be copied from and was not | it is left out |
    /// | of a local file in the place of one that was not downloaded, or of one of its directories | it is left out |
    /// | any, after more steps were not made than are remembered | it is left out and counted as withheld |
    /// | of an orphan, after a file vanished | it is left out and counted as withheld |
    /// | declined by the observer | it is counted, and newer removals of its name are left out |
    /// | any other | it is gathered with those of its name |
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
        self.give_up_lost(state, state.waiting_for(&step.name));
        match state.lacks(&step) {
            Lacks::Made => {}
            Lacks::NotMade => return,
            Lacks::Unknown => {
                state.unknown += 1;
                state.left_out += 1;
                return;
            }
        }
        let is_kept = state.vanished > 0 && !self.actor.options.remove_despite_failures;
        if is_kept && step.reason == Reason::Orphan {
            state.left_out += 1;
            return;
        }
        if !self.settings.approves(&step) {
            self.steps.report().declined += 1;
            // What is newer must not uncover it.
            state.note_not_made(&step);
            return;
        }
        self.settings.step(&step);
        state.batch.push(step);
    }

    /// Hands out the removals of a name that were gathered, if there are any.
    fn hand_out_batch(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        let batch = std::mem::take(&mut state.batch);
        if !batch.is_empty() {
            self.hand_out(pool, state, batch);
        }
    }

    /// Hands out a job once fewer steps are running than the threads can take. That no thread can
    /// be started at all ends the run.
    fn hand_out(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, job: Job) {
        self.drain(pool, state, pool.room());
        if let Err(error) = pool.hand_out(job) {
            self.steps.report().fatal = Some(error);
        }
    }

    /// Takes results that have come, and waits for more until so few steps are running.
    ///
    /// With 0 it waits for all of them, with the largest number for none. Progress is reported
    /// while it waits. A panic of a thread is passed on from here.
    fn drain(&mut self, pool: &mut Pool<'_, '_>, state: &mut State, most: usize) {
        while pool.running() > 0 {
            let done = pool.next(most);
            self.actor.reporter.tick();
            let Some(done) = done else {
                match pool.running() > most {
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

    /// Takes the outcome of a step into the report and the state. It is called once for each step
    /// that comes back.
    fn settle(&mut self, state: &mut State, step: SyncStep, outcome: StepOutcome) {
        let kind = match outcome {
            StepOutcome::Made { bytes } => {
                state.unreachable = 0;
                self.actor.reporter.steps_made.add(1);
                self.actor.reporter.bytes_made.add(bytes);
                if step.is_removal() {
                    self.place_freed(state, &step.name);
                }
                self.steps.report().count(&SyncStep { bytes, ..step });
                return;
            }
            StepOutcome::Again if !state.is_second_round && state.again.len() < REMEMBERED => {
                state.again.push(step);
                return;
            }
            StepOutcome::Again => ProblemKind::Changed,
            StepOutcome::Staged(staged) => return self.wait_for_place(state, step, staged),
            StepOutcome::Skipped => {
                state.note_not_made(&step);
                return;
            }
            StepOutcome::Fatal(error) => {
                self.steps.report().fatal.get_or_insert(error);
                return;
            }
            StepOutcome::Problem(ProblemKind::Failed(error)) if self.is_cut_off(state, &error) => {
                // What still runs would fail as well.
                self.actor.cancel.cancel();
                self.steps.report().fatal.get_or_insert(error);
                return;
            }
            StepOutcome::Problem(kind) => kind,
        };
        if !step.is_removal() {
            match kind {
                ProblemKind::Vanished => state.vanished += 1,
                _ => state.failed_transfers += 1,
            }
        }
        state.note_not_made(&step);
        if matches!(kind, ProblemKind::Retained) {
            self.steps.report().retained += 1;
        }
        self.note(Problem {
            name: step.name,
            kind,
        });
    }

    /// Whether every thread has failed to make a connection, with all its attempts, and one of them
    /// again.
    ///
    /// Failures count that come before a connection: the name cannot be resolved, the host or the
    /// proxy cannot be reached. A step that is made, or that fails with another error,
    /// starts the count again.
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
    ///
    /// Downloads that waited for their place are dropped, and each is a problem. With no removal
    /// left, nothing is noted as withheld.
    fn leave(&mut self, state: &mut State, removals: u64, reason: WithheldReason) {
        let removals = removals + self.steps.rest();
        for (_, (step, _)) in std::mem::take(&mut state.staged) {
            self.note(Problem {
                name: step.name,
                kind: ProblemKind::InTheWay,
            });
        }
        if removals > 0 {
            self.steps.report().withheld = Some(Withheld { removals, reason });
        }
    }

    /// Reports a problem to the observer and notes it in the report.
    fn note(&mut self, problem: Problem) {
        self.actor.reporter.problem(&problem);
        self.steps.report().note(problem);
    }
}
