//! The caps of an account: what it may store, and what it may download and call in a day
//! (docs/protocol.md, sections 2.0 and 11). A day is one of the service's clock, and begins at
//! midnight UTC.

use parking_lot::{Mutex, MutexGuard};

use crate::model::operation::{BillingClass, Operation};
use crate::simulator::protocol::reply::Refusal;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Limits for what an account may store, and for what it may do in a day. A limit without a value
/// does not apply. See [`Simulator::set_caps`](crate::simulator::Simulator::set_caps).
///
/// ```
/// use b2sdk::simulator::{Caps, Simulator};
///
/// let simulator = Simulator::start()?;
/// simulator.set_caps(Caps::new().storage(1_000_000).class_c(2_500));
/// assert_eq!(simulator.caps().storage, Some(1_000_000));
/// assert_eq!(simulator.usage().class_c, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The most bytes that may be stored, in all versions and in the parts of unfinished files.
    /// Beyond it, uploads, copies and the calls that prepare them are answered with 403
    /// `storage_cap_exceeded`. The cap is never exceeded: of uploads that run at the same time,
    /// those that no longer fit when their content has arrived are refused.
    pub storage: Option<u64>,
    /// The most bytes that may be downloaded in a day. Beyond it, downloads are answered with 403
    /// `download_cap_exceeded`.
    pub download: Option<u64>,
    /// The most calls of class B in a day. Beyond it, downloads are answered with 403
    /// `download_cap_exceeded`, and `b2_get_file_info` with 403 `transaction_cap_exceeded`.
    pub class_b: Option<u64>,
    /// The most calls of class C in a day. Beyond it, they are answered with 403
    /// `transaction_cap_exceeded`.
    pub class_c: Option<u64>,
}

impl Caps {
    /// Returns a value without any cap.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes stored.
    #[must_use]
    pub fn storage(mut self, bytes: u64) -> Self {
        self.storage = Some(bytes);
        self
    }

    /// The bytes downloaded in a day.
    #[must_use]
    pub fn download(mut self, bytes: u64) -> Self {
        self.download = Some(bytes);
        self
    }

    /// The calls of class B in a day.
    #[must_use]
    pub fn class_b(mut self, calls: u64) -> Self {
        self.class_b = Some(calls);
        self
    }

    /// The calls of class C in a day.
    #[must_use]
    pub fn class_c(mut self, calls: u64) -> Self {
        self.class_c = Some(calls);
        self
    }
}

/// What an account stores, and what it has done since the day began. Refused calls are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes stored.
    pub storage: u64,
    /// The bytes downloaded today.
    pub download: u64,
    /// The calls of class B today.
    pub class_b: u64,
    /// The calls of class C today.
    pub class_c: u64,
}

/// The caps, and the day's usage.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    state: Mutex<Day>,
}

#[derive(Debug, Default)]
struct Day {
    caps: Caps,
    day: u64,
    /// `storage` is not counted here.
    used: Usage,
}

impl Day {
    fn count(&mut self, operation: Operation) -> Result<(), Refusal> {
        let (cap, calls) = match operation.billing_class() {
            BillingClass::A => return Ok(()),
            BillingClass::B => (self.caps.class_b, &mut self.used.class_b),
            BillingClass::C => (self.caps.class_c, &mut self.used.class_c),
        };
        if cap.is_some_and(|cap| *calls >= cap) {
            return Err(match operation {
                Operation::DownloadFileById | Operation::DownloadFileByName => download_exceeded(),
                _ => Refusal::new(
                    403,
                    "transaction_cap_exceeded",
                    "Cannot perform the operation, transaction cap exceeded.",
                ),
            });
        }
        *calls += 1;
        Ok(())
    }
}

impl Meter {
    pub(crate) fn caps(&self) -> Caps {
        self.state().caps
    }

    pub(crate) fn set_caps(&self, caps: Caps) {
        self.state().caps = caps;
    }

    /// The day's usage, without what is stored.
    pub(crate) fn used(&self, now_millis: u64) -> Usage {
        self.today(now_millis).used
    }

    /// Counts a call, unless it would exceed the cap of its class.
    pub(crate) fn count(&self, operation: Operation, now_millis: u64) -> Result<(), Refusal> {
        self.today(now_millis).count(operation)
    }

    /// Counts a download of so many bytes, unless the call or its bytes would exceed a cap. Both are
    /// judged and counted under one lock, so parallel downloads cannot exceed a cap together.
    pub(crate) fn count_download(
        &self,
        operation: Operation,
        bytes: u64,
        now_millis: u64,
    ) -> Result<(), Refusal> {
        let mut today = self.today(now_millis);
        let after = today.used.download.saturating_add(bytes);
        if today.caps.download.is_some_and(|cap| after > cap) {
            return Err(download_exceeded());
        }
        today.count(operation)?;
        today.used.download = after;
        Ok(())
    }

    /// Whether so many bytes may be added to those stored. An account that has reached its cap
    /// cannot even store an empty file.
    pub(crate) fn check_storage(&self, bytes: u64, stored: u64) -> Result<(), Refusal> {
        let Some(cap) = self.caps().storage else {
            return Ok(());
        };
        if stored < cap && stored.saturating_add(bytes) <= cap {
            return Ok(());
        }
        Err(Refusal::new(
            403,
            "storage_cap_exceeded",
            "Cannot upload or copy files, storage cap exceeded.",
        ))
    }

    fn today(&self, now_millis: u64) -> MutexGuard<'_, Day> {
        let mut state = self.state();
        let day = now_millis / DAY_MILLIS;
        if state.day != day {
            state.day = day;
            state.used = Usage::default();
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, Day> {
        self.state.lock()
    }
}

/// Whether the call prepares something that an account without free storage cannot finish.
pub(crate) fn prepares_storing(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::GetUploadUrl
            | Operation::GetUploadPartUrl
            | Operation::StartLargeFile
            | Operation::CopyFile
            | Operation::CopyPart
    )
}

fn download_exceeded() -> Refusal {
    let message = "Cannot download file, download bandwidth or transaction (Class B) cap exceeded. See the Caps & \
                   Alerts page to increase your cap.";
    Refusal::new(403, "download_cap_exceeded", message)
}
