//! The caps of an account: what it may store, and what it may download and call in a day
//! (docs/protocol.md, sections 2.0 and 11). A day is one of the service's clock, and begins at
//! midnight UTC.

use parking_lot::{Mutex, MutexGuard};

use super::message::{Reply, ReplyBody};
use super::reply::Refusal;
use super::world::World;
use crate::model::operation::{BillingClass, Operation};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// What an account may store, and what it may do in a day; without a value, as much as it likes. See
/// [`Simulator::set_caps`](super::Simulator::set_caps).
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
    /// Bytes stored, all versions and the parts of unfinished files together. Uploads, copies and
    /// what prepares them are then 403 `storage_cap_exceeded`.
    pub storage: Option<u64>,
    /// Bytes downloaded in a day. Downloads are then 403 `download_cap_exceeded`.
    pub download: Option<u64>,
    /// Calls of class B in a day: downloads, which are then 403 `download_cap_exceeded`, and
    /// `b2_get_file_info`, which is then 403 `transaction_cap_exceeded`.
    pub class_b: Option<u64>,
    /// Calls of class C in a day, which are then 403 `transaction_cap_exceeded`.
    pub class_c: Option<u64>,
}

impl Caps {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes stored.
    #[must_use]
    pub fn storage(mut self, bytes: u64) -> Self {
        self.storage = Some(bytes);
        self
    }

    /// Bytes downloaded in a day.
    #[must_use]
    pub fn download(mut self, bytes: u64) -> Self {
        self.download = Some(bytes);
        self
    }

    /// Calls of class B in a day.
    #[must_use]
    pub fn class_b(mut self, calls: u64) -> Self {
        self.class_b = Some(calls);
        self
    }

    /// Calls of class C in a day.
    #[must_use]
    pub fn class_c(mut self, calls: u64) -> Self {
        self.class_c = Some(calls);
        self
    }
}

/// What the caps are held against: what is stored, and what the day has seen so far. Calls that
/// were refused are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes stored.
    pub storage: u64,
    /// Bytes downloaded today.
    pub download: u64,
    /// Calls of class B today.
    pub class_b: u64,
    /// Calls of class C today.
    pub class_c: u64,
}

/// The caps, and the day's usage.
#[derive(Debug, Default)]
pub(super) struct Meter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    caps: Caps,
    day: u64,
    /// `storage` is not counted here.
    used: Usage,
}

impl Meter {
    pub(super) fn caps(&self) -> Caps {
        self.state().caps
    }

    pub(super) fn set_caps(&self, caps: Caps) {
        self.state().caps = caps;
    }

    /// The day's usage, without what is stored.
    pub(super) fn used(&self, now_millis: u64) -> Usage {
        self.today(now_millis).used
    }

    fn today(&self, now_millis: u64) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let day = now_millis / DAY_MILLIS;
        if state.day != day {
            state.day = day;
            state.used = Usage::default();
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Counts a call, if there may be one more of its class today.
pub(super) fn count(world: &World, operation: Operation) -> Result<(), Refusal> {
    let mut today = world.meter().today(world.clock().now_millis());
    let State { caps, used, .. } = &mut *today;
    let (cap, calls) = match operation.billing_class() {
        BillingClass::A => return Ok(()),
        BillingClass::B => (caps.class_b, &mut used.class_b),
        BillingClass::C => (caps.class_c, &mut used.class_c),
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

/// Counts a download that would be answered so, if there may be one more and if its bytes may leave.
pub(super) fn count_download(
    world: &World,
    operation: Operation,
    method: &str,
    reply: Reply,
) -> Result<Reply, Refusal> {
    let bytes = match &reply.body {
        ReplyBody::Stream(_, length) if method != "HEAD" => *length,
        _ => 0,
    };
    let now = world.clock().now_millis();
    let is_too_much = |state: &State| {
        let after = state.used.download.saturating_add(bytes);
        state.caps.download.is_some_and(|cap| after > cap)
    };
    if is_too_much(&world.meter().today(now)) {
        return Err(download_exceeded());
    }
    count(world, operation)?;
    world.meter().today(now).used.download += bytes;
    Ok(reply)
}

/// Whether so many bytes more may be stored. An account that has reached its cap stores nothing
/// more, not even nothing.
pub(super) fn check_storage(world: &World, bytes: u64) -> Result<(), Refusal> {
    let Some(cap) = world.meter().caps().storage else {
        return Ok(());
    };
    let stored = world.state().stored_bytes();
    if stored < cap && stored.saturating_add(bytes) <= cap {
        return Ok(());
    }
    Err(Refusal::new(
        403,
        "storage_cap_exceeded",
        "Cannot upload or copy files, storage cap exceeded.",
    ))
}

/// Whether the call is one that is of no use to an account that may store nothing more.
pub(super) fn prepares_storing(operation: Operation) -> bool {
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
