//! Counts the requests of a `B2Api` by operation, and stops those that exceed its budget.
//!
//! A request is counted when it is about to be sent: one that finds no connection counts, one that
//! is refused by the budget does not, and each repeated request counts again. Redirects do not
//! exist, so a request counts once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::model::operation::{BillingClass, Operation};
use crate::setters::setters;

/// Counts requests. A request is counted just before it is sent, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct RequestCounter {
    /// The number of requests of each operation, in the order of `Operation::ALL`.
    counts: Box<[AtomicU64]>,
    /// The budget. The lock is held while the counts are compared with it and raised, so that
    /// threads cannot exceed it together.
    budget: Mutex<RequestBudget>,
}

impl Default for RequestCounter {
    fn default() -> Self {
        Self {
            counts: Operation::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            budget: Mutex::default(),
        }
    }
}

impl RequestCounter {
    /// Counts a request that is about to be sent. Fails with `BudgetExceeded`, without counting it,
    /// if the budget of its billing class is used up.
    pub(crate) fn count(&self, operation: Operation) -> Result<()> {
        let budget = self.lock();
        let class = operation.billing_class();
        if let Some(limit) = budget.of(class)
            && self.read().of_class(class) >= limit
        {
            return Err(Error::BudgetExceeded {
                operation,
                class,
                limit,
            });
        }
        if let Some(counter) = self.counts.get(operation as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The counts at this moment.
    pub(crate) fn read(&self) -> RequestCounts {
        RequestCounts(
            self.counts
                .iter()
                .map(|counter| counter.load(Ordering::Relaxed))
                .collect(),
        )
    }

    /// The budget now.
    pub(crate) fn budget(&self) -> RequestBudget {
        *self.lock()
    }

    /// Replaces the budget. What was counted before counts towards it.
    pub(crate) fn set_budget(&self, budget: RequestBudget) {
        *self.lock() = budget;
    }

    /// Locks the budget, and so keeps other threads from counting.
    fn lock(&self) -> MutexGuard<'_, RequestBudget> {
        self.budget.lock()
    }
}

/// A budget: the largest number of requests of each billing class that a `B2Api` and its clones may
/// send, counted since the `B2Api` was created and including repeated requests.
///
/// A request beyond the budget is not sent, and its call fails with
/// [`Error::BudgetExceeded`](crate::Error::BudgetExceeded). A budget of class A also stops uploads,
/// so that large files may stay unfinished and their parts are billed.
///
/// ```
/// use b2sdk::limits::RequestBudget;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.set_request_budget(RequestBudget::new().class_b(10_000).class_c(500));
/// assert_eq!(b2_api.request_budget().class_c, Some(500));
/// ```
///
/// | used up | what still works |
/// | --- | --- |
/// | class A | listings, downloads, copies in one request; no upload, no deletion, no cancelling of a large file |
/// | class B | everything but downloads and descriptions of files |
/// | class C | uploads through upload URLs, deletions, downloads; no listing, and **no replacing of a token that expires** |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RequestBudget {
    /// The requests of class A, which are free of charge: uploads, deletions, hiding. A limit
    /// guards against a program that runs wild, not against costs. `None` means no limit.
    pub class_a: Option<u64>,
    /// The requests of class B: downloads, and descriptions of files by id. `None` means no limit.
    pub class_b: Option<u64>,
    /// The requests of class C: listings, copies, and everything about buckets and keys. Replacing
    /// a token is one of them too, so leave room for one a day. `None` means no limit.
    pub class_c: Option<u64>,
}

setters! {
    RequestBudget {
        class_a: u64,
        class_b: u64,
        class_c: u64,
    }
}

impl RequestBudget {
    /// Creates a budget without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The limit of a billing class.
    const fn of(&self, class: BillingClass) -> Option<u64> {
        match class {
            BillingClass::A => self.class_a,
            BillingClass::B => self.class_b,
            BillingClass::C => self.class_c,
        }
    }
}

/// The numbers of requests that were sent, by operation, from
/// [`B2Api::request_counts`](crate::B2Api::request_counts).
///
/// Each request counts once, whether or not it succeeded. The service bills a page of more than
/// 1,000 rows as several requests ([`LsOptions::page_size`](crate::LsOptions::page_size)), so its
/// bill may be higher.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// use b2sdk::Operation;
///
/// b2_api.list_buckets()?;
/// let counts = b2_api.request_counts();
/// let called: Vec<Operation> = counts.iter().map(|(operation, _)| operation).collect();
/// assert_eq!(called, [Operation::AuthorizeAccount, Operation::ListBuckets]);
/// assert_eq!(counts.total(), 2);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RequestCounts(Box<[u64]>);

impl fmt::Debug for RequestCounts {
    /// Shows the operations that were called, by their names, with their numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let called = self
            .iter()
            .map(|(operation, count)| (operation.name(), count));
        f.debug_map().entries(called).finish()
    }
}

impl RequestCounts {
    /// Returns the number of requests of an operation, repeated ones included.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.0.get(operation as usize).copied().unwrap_or(0)
    }

    /// Returns an iterator over the operations that were called, with the number of requests.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, u64)> + '_ {
        Operation::ALL
            .iter()
            .map(|op| (*op, self.of(*op)))
            .filter(|(_, count)| *count > 0)
    }

    /// Returns the number of requests of a billing class, repeated ones included. It is what a
    /// [`RequestBudget`] is compared with.
    #[must_use]
    pub fn of_class(&self, class: BillingClass) -> u64 {
        self.iter()
            .filter(|(op, _)| op.billing_class() == class)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns the number of all requests, repeated ones included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestBudget, RequestCounter};
    use crate::error::Error;
    use crate::model::operation::{BillingClass, Operation};

    #[test]
    fn debug_names_the_operations_that_were_called() {
        let request_counter = RequestCounter::default();
        request_counter.count(Operation::UploadFile).unwrap();
        let shown = format!("{:?}", request_counter.read());
        assert_eq!(shown, r#"{"b2_upload_file": 1}"#);
    }

    #[test]
    fn requests_are_counted_by_operation_and_class() {
        let request_counter = RequestCounter::default();
        for operation in [
            Operation::UploadFile,
            Operation::UploadFile,
            Operation::SetBucketNotificationRules,
        ] {
            request_counter.count(operation).unwrap();
        }
        let counts = request_counter.read();
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

    #[test]
    fn many_threads_never_send_more_than_the_budget() {
        let request_counter = RequestCounter::default();
        request_counter.set_budget(RequestBudget::new().class_b(100));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let outcome = request_counter.count(Operation::GetFileInfo);
                        assert!(matches!(
                            outcome,
                            Ok(()) | Err(Error::BudgetExceeded { .. })
                        ));
                    }
                });
            }
        });
        assert_eq!(request_counter.read().of_class(BillingClass::B), 100);
        request_counter.count(Operation::ListKeys).unwrap();
    }
}
