//! The faults of a simulator in their order, and which of them applies next.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::shaping::{Shaping, SharedRates};
use super::{Fault, Plan, RateLimiter};
use crate::model::operation::Operation;

/// Identifies a fault of a simulator. Faults are numbered from 1 in the order of injection, and
/// numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

impl FaultId {
    /// Returns the number.
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

/// The faults and the speed of one simulator. Clones share them. See [`Fault`] and [`Shaping`].
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
    /// Adds a fault behind the existing ones. At most one fault applies to a request: the first one
    /// that matches and does not skip it.
    #[expect(clippy::must_use_candidate, reason = "most faults are left to happen")]
    pub fn inject(&self, fault: Fault) -> FaultId {
        let mut shared = self.shared();
        shared.injected += 1;
        let id = FaultId(shared.injected);
        shared.list.push((id, fault));
        id
    }

    /// Removes all faults. Connections that already stall continue to stall.
    pub fn clear(&self) {
        self.shared().list.clear();
    }

    /// Removes a fault, and returns whether it was still there.
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

    /// Returns the faults that can still happen. Their counts are what is left of them.
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

    /// Returns how often faults will still happen, without those that happen
    /// [always](Fault::always).
    #[must_use]
    pub fn remaining(&self) -> usize {
        let shared = self.shared();
        shared.list.iter().filter_map(|(_, fault)| fault.left).sum()
    }

    /// Slows every request down in this way, from the next one on, whatever faults apply to it.
    pub fn shape(&self, shaping: Shaping) {
        self.shared().rates = SharedRates::new(shaping);
    }

    /// Returns how slow every request is.
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
