//! Counts the requests that were sent, by operation.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::operation::{BillingClass, Operation};

/// Counts requests. A request is counted when it is sent, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct Meter(Box<[AtomicU64]>);

impl Default for Meter {
    fn default() -> Self {
        Self(Operation::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Meter {
    pub(crate) fn count(&self, operation: Operation) {
        if let Some(counter) = self.0.get(operation as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> RequestCounts {
        RequestCounts(
            self.0
                .iter()
                .map(|counter| counter.load(Ordering::Relaxed))
                .collect(),
        )
    }
}

/// How many requests were sent, by operation; see [`B2Api::request_counts`](crate::B2Api::request_counts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCounts(Box<[u64]>);

impl RequestCounts {
    /// The requests of one operation.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.0.get(operation as usize).copied().unwrap_or(0)
    }

    /// The operations that were called, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, u64)> + '_ {
        Operation::ALL
            .iter()
            .map(|op| (*op, self.of(*op)))
            .filter(|(_, count)| *count > 0)
    }

    /// The requests of one billing class.
    #[must_use]
    pub fn of_class(&self, class: BillingClass) -> u64 {
        self.iter()
            .filter(|(op, _)| op.billing_class() == class)
            .map(|(_, count)| count)
            .sum()
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use crate::model::operation::{BillingClass, Operation};

    #[test]
    fn requests_are_counted_by_operation_and_class() {
        let meter = Meter::default();
        meter.count(Operation::UploadFile);
        meter.count(Operation::UploadFile);
        meter.count(Operation::SetBucketNotificationRules);
        let counts = meter.read();
        assert_eq!(
            (
                counts.of(Operation::UploadFile),
                counts.of(Operation::ListKeys)
            ),
            (2, 0)
        );
        assert_eq!(
            (
                counts.of_class(BillingClass::A),
                counts.of_class(BillingClass::C),
                counts.total()
            ),
            (2, 1, 3)
        );
    }
}
