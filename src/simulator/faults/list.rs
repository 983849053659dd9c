//! The faults that are there, in order, and whose turn it is.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::shaping::{Shaping, SharedRates};
use super::{Fault, Plan, RateLimiter};
use crate::model::operation::Operation;

/// Which of the faults of one simulator: they are numbered from 1 in the order of injection, and no
/// number comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

impl FaultId {
    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The faults of one simulator, and how fast it is; clones share them. See [`Fault`] and [`Shaping`].
#[derive(Debug, Clone, Default)]
pub struct Faults {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    list: Vec<(FaultId, Fault)>,
    injected: u64,
    rates: SharedRates,
}

impl Faults {
    /// Adds a fault behind those that are there. A request meets at most one: the first that
    /// matches and is not skipping.
    #[expect(clippy::must_use_candidate, reason = "most faults are left to happen")]
    pub fn inject(&self, fault: Fault) -> FaultId {
        let mut shared = self.shared();
        shared.injected += 1;
        let id = FaultId(shared.injected);
        shared.list.push((id, fault));
        id
    }

    /// Forgets all faults. Connections that already stall go on stalling.
    pub fn clear(&self) {
        self.shared().list.clear();
    }

    /// Forgets one fault; says whether it was still there.
    #[expect(clippy::must_use_candidate, reason = "gone is gone, whoever did it")]
    pub fn remove(&self, id: FaultId) -> bool {
        self.remove_number(id.0)
    }

    pub(crate) fn remove_number(&self, number: u64) -> bool {
        let mut shared = self.shared();
        let before = shared.list.len();
        shared.list.retain(|(id, _)| id.0 != number);
        shared.list.len() < before
    }

    /// The faults that can still happen, as they are now: what they have skipped and how often they
    /// happened is counted off.
    ///
    /// ```
    /// use b2sdk::simulator::Simulator;
    ///
    /// let faults = Simulator::start()?.faults();
    /// let id = faults.inject("b2_list_buckets status=503".parse().unwrap());
    /// let listed: Vec<String> = faults.list().iter().map(|(_, fault)| fault.to_string()).collect();
    /// assert!(listed[0].starts_with("b2_list_buckets:1 times=1 status=503"));
    /// assert!(faults.remove(id) && faults.list().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn list(&self) -> Vec<(FaultId, Fault)> {
        self.shared().list.clone()
    }

    /// How often faults will still happen, those that happen [always](Fault::always) not counted.
    #[must_use]
    pub fn remaining(&self) -> usize {
        let shared = self.shared();
        shared.list.iter().filter_map(|(_, fault)| fault.left).sum()
    }

    /// Makes every request slow in this way, whatever faults it meets, from the next one on.
    pub fn shape(&self, shaping: Shaping) {
        self.shared().rates = SharedRates::new(shaping);
    }

    /// How slow every request is.
    #[must_use]
    pub fn shaping(&self) -> Shaping {
        self.shared().rates.shaping().clone()
    }

    /// The limiters that all requests share: of bodies that arrive, and of answers.
    pub(crate) fn limiters(&self) -> (Option<RateLimiter>, Option<RateLimiter>) {
        self.shared().rates.limiters()
    }

    /// The plan for this request, if it meets a fault.
    pub(crate) fn take(
        &self,
        operation: Option<Operation>,
        method: &str,
        file_name: Option<&str>,
    ) -> Option<Plan> {
        let mut shared = self.shared();
        let list = &mut shared.list;
        let turn = list.iter_mut().map(|(_, fault)| fault).find_map(|fault| {
            let meets = fault.meets(operation, method, file_name) && fault.fires();
            meets.then_some(fault)
        })?;
        let plan = turn.plan.clone();
        list.retain(|(_, fault)| fault.left != Some(0));
        Some(plan)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;
    use crate::model::operation::Operation::{ListBuckets, ListKeys};
    use crate::simulator::faults::Fault;

    fn taken(faults: &Faults, count: usize) -> Vec<Option<String>> {
        (0..count)
            .map(|_| {
                faults
                    .take(Some(ListBuckets), "POST", None)
                    .map(|plan| plan.describe())
            })
            .collect()
    }

    #[test]
    fn faults_happen_in_order_and_as_often_as_asked() {
        let faults = Faults::default();
        faults.inject(
            Fault::on(ListBuckets)
                .after(1)
                .times(2)
                .status(503, "a", ""),
        );
        faults.inject(Fault::on(ListKeys).status(500, "b", ""));
        faults.inject(Fault::on_any().drop_connection());
        assert_eq!(faults.remaining(), 4);

        let answer = Some("answer 503".to_owned());
        let closed = Some("closed".to_owned());
        assert_eq!(taken(&faults, 4), [closed, answer.clone(), answer, None]);
        assert_eq!(faults.remaining(), 1);
        faults.clear();
        assert_eq!(faults.remaining(), 0);
    }

    #[test]
    fn a_method_and_an_unknown_operation_are_told_apart() {
        let faults = Faults::default();
        faults.inject(Fault::on_any().method("head").always().stall());
        assert!(faults.take(None, "GET", None).is_none());
        assert!(faults.take(None, "HEAD", None).is_some());
        assert!(faults.take(Some(ListKeys), "HEAD", None).is_some());
        assert_eq!(faults.remaining(), 0);
    }
}
