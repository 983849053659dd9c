//! Whose the memory is: the client's, the ledger's, or that of the service, which is another process.

use std::fmt;

use crate::HEAP;
use crate::service::Service;
use crate::work::Worker;

/// What was allocated at a moment at which no call was running.
pub(crate) struct Memory {
    allocated: usize,
    ledger: usize,
    versions: usize,
    /// What is resident of the service's process, in KiB; 0 where the system does not say.
    service_kib: u64,
}

impl Memory {
    pub(crate) fn now(workers: &[Worker], service: &Service) -> Self {
        let ledgers = || workers.iter().map(Worker::ledger);
        Self {
            allocated: HEAP.current_usage(),
            ledger: ledgers().map(|ledger| ledger.bytes()).sum(),
            versions: ledgers().map(|ledger| ledger.versions()).sum(),
            service_kib: service.resident_kib(),
        }
    }

    /// What the client holds, in bytes: all that is not the ledger's.
    pub(crate) const fn client(&self) -> usize {
        self.allocated.saturating_sub(self.ledger)
    }

    pub(crate) const fn versions(&self) -> usize {
        self.versions
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} versions, {} bytes allocated, {} of the ledger, {} of the client; the service has {} KiB resident",
            self.versions,
            self.allocated,
            self.ledger,
            self.client(),
            self.service_kib
        )
    }
}
