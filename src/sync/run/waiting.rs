//! Downloads that wait for removals to free their places (`staged`).
//!
//! | when | what is done with those that wait |
//! |---|---|
//! | at the barrier, and before each removal of what is in their way | those whose temporary files have gone become failed transfers |
//! | after a removal | those whose places it has freed are put there |
//! | after the last removal | the others are put there, or become problems |

use crate::sync::act::StepOutcome;
use crate::sync::problem::ProblemKind;
use crate::sync::run::Run;
use crate::sync::run::pool::Pool;
use crate::sync::run::state::{REMEMBERED, State};
use crate::sync::staged::Staged;
use crate::sync::step::SyncStep;

impl Run<'_> {
    /// Puts the downloads into their places that still wait, now that all removals are made.
    pub(super) fn place_staged(&mut self, pool: &mut Pool<'_, '_>, state: &mut State) {
        self.drain(pool, state, 0);
        for (_, (step, staged)) in std::mem::take(&mut state.staged) {
            self.place(state, step, staged);
        }
    }

    /// Puts the downloads into their places that this removal has freed.
    pub(super) fn place_freed(&mut self, state: &mut State, removed: &str) {
        for name in state.waiting_for(removed) {
            if self.actor.is_free(&name)
                && let Some((step, staged)) = state.staged.remove(&name)
            {
                self.place(state, step, staged);
            }
        }
    }

    /// Makes those of the downloads that wait for their place failed transfers whose temporary files
    /// have gone: another run may have taken them for what a killed one left. What is in their way
    /// stays.
    pub(super) fn give_up_lost(&mut self, state: &mut State, waiting: Vec<String>) {
        for name in waiting {
            let is_lost = |(_, staged): &(SyncStep, Staged)| !staged.is_there();
            if state.staged.get(&name).is_some_and(is_lost)
                && let Some((step, staged)) = state.staged.remove(&name)
            {
                self.place(state, step, staged);
            }
        }
    }

    /// Puts a download into its place.
    ///
    /// It is done on the calling thread, since it is only a rename. A place that is not free makes
    /// a problem, and the download is dropped.
    fn place(&mut self, state: &mut State, step: SyncStep, staged: Staged) {
        match self.actor.place(&step, staged) {
            StepOutcome::Made { bytes } => {
                // Its bytes were counted when they came.
                self.actor.reporter.steps_made.add(1);
                self.steps.report().count(&SyncStep { bytes, ..step });
            }
            other => self.settle(state, step, other),
        }
    }

    /// Keeps a download until its place is free, unless too many are waiting.
    ///
    /// Its bytes count as moved from now on, and its step as made when it is in its place.
    pub(super) fn wait_for_place(&mut self, state: &mut State, step: SyncStep, staged: Staged) {
        if state.staged.len() < REMEMBERED {
            self.actor.reporter.bytes_made.add(staged.bytes);
            state.staged.insert(step.name.clone(), (step, staged));
            return;
        }
        drop(staged);
        self.settle(state, step, StepOutcome::Problem(ProblemKind::InTheWay));
    }
}
