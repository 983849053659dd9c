//! Where a run gets its steps: from a plan that is made as it goes, or from one that was made
//! earlier.
//!
//! Both have transfers first, a barrier, and then removals. A saved plan in another order ends the
//! run at the first transfer that comes after a removal. The steps before it have been made by
//! then, because they are not read ahead: there may be millions.
//!
//! | | a plan that is made | a saved plan |
//! |---|---|---|
//! | items | steps, problems, ticks | steps alone |
//! | the barrier | has the number of removals | has 0 |
//! | removals that are left at an early end | counted from the spool | counted by reading the rest |
//! | what a limit or an empty source refuses | is refused | was checked when it was planned |

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::Error;
use crate::sync::error::SyncError;
use crate::sync::plan::{Planned, Planner};
use crate::sync::report::SyncReport;
use crate::sync::reporter::Reporter;
use crate::sync::step::SyncStep;

/// The steps of a run.
///
/// The run does not know which of the two it has, but for the number of removals that are left.
pub(super) enum Steps<'a> {
    /// A plan that is made while the run goes on.
    Plan(Box<Planner>),
    Saved(Box<Saved<'a>>),
}

/// The steps of a plan that was made earlier: transfers, then removals.
pub(super) struct Saved<'a> {
    steps: &'a mut dyn Iterator<Item = SyncStep>,
    /// The first removal, until the barrier is behind.
    first_removal: Option<SyncStep>,
    is_removing: bool,
    report: SyncReport,
    reporter: Arc<Reporter>,
}

impl<'a> Saved<'a> {
    /// Takes the steps of a plan that was made earlier. Progress says from the beginning that
    /// nothing is scanned.
    pub(super) fn new(
        steps: &'a mut dyn Iterator<Item = SyncStep>,
        reporter: &Arc<Reporter>,
    ) -> Self {
        reporter.scan_ended.store(true, Ordering::Relaxed);
        Self {
            steps,
            first_removal: None,
            is_removing: false,
            report: SyncReport::default(),
            reporter: Arc::clone(reporter),
        }
    }

    /// Reads one step, and puts the barrier before the first removal. Fails at a transfer that
    /// comes after one.
    fn next(&mut self) -> Result<Option<Planned>, SyncError> {
        if let Some(step) = self.first_removal.take() {
            self.is_removing = true;
            return Ok(Some(Planned::Step(step)));
        }
        let next = self.steps.next();
        if let Some(step) = &next {
            self.reporter.steps_planned.add(1);
            let moves = if step.is_removal() { 0 } else { step.bytes };
            self.reporter.bytes_planned.add(moves);
        }
        match next {
            Some(step) if step.is_removal() && !self.is_removing => {
                self.first_removal = Some(step);
                // How many more there are is not known without reading them.
                Ok(Some(Planned::Barrier(0)))
            }
            Some(step) if !step.is_removal() && self.is_removing => {
                let error = Error::invalid_input("steps", "a transfer comes after a removal");
                Err(SyncError::Scan(Box::new(error)))
            }
            Some(step) => Ok(Some(Planned::Step(step))),
            None => Ok(None),
        }
    }
}

impl Steps<'_> {
    /// Returns what comes next; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Planned>, SyncError> {
        match self {
            Self::Plan(planner) => planner.next(),
            Self::Saved(saved) => saved.next(),
        }
    }

    /// The report of the run, to which the run adds what it does.
    pub(super) const fn report(&mut self) -> &mut SyncReport {
        match self {
            Self::Plan(planner) => &mut planner.report,
            Self::Saved(saved) => &mut saved.report,
        }
    }

    /// The report, at the end of the run.
    pub(super) fn into_report(self) -> SyncReport {
        match self {
            Self::Plan(planner) => planner.report,
            Self::Saved(saved) => saved.report,
        }
    }

    /// Takes the removals of a saved plan that are left, none of which is made, and returns their
    /// number.
    pub(super) fn rest(&mut self) -> u64 {
        match self {
            Self::Plan(_) => 0,
            Self::Saved(saved) => {
                let first = saved.first_removal.take().into_iter();
                let rest = first.chain(&mut *saved.steps).filter(SyncStep::is_removal);
                u64::try_from(rest.count()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whether the plan has a file that cannot be transferred, so that nothing may be removed.
    pub(super) fn withholds(&self) -> bool {
        match self {
            Self::Plan(planner) => planner.withholds(),
            Self::Saved(_) => false,
        }
    }

    /// Returns how many removals wait for the barrier, as far as it is known: a saved plan does not
    /// tell.
    pub(super) const fn waiting_removals(&self) -> u64 {
        match self {
            Self::Plan(planner) => planner.waiting_removals(),
            Self::Saved(_) => 0,
        }
    }
}
