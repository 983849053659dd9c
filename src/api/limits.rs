//! What bounds all calls of a `B2Api`: threads, memory, bandwidth, requests; and ending them.

use std::num::NonZeroU64;

use crate::api::B2Api;
use crate::control::adaptive::Workers;
use crate::control::cancel::CancelToken;
use crate::control::rate_limit::Bandwidth;
use crate::control::request_counts::{RequestBudget, RequestCounts};

/// # Cancelling
impl B2Api {
    /// Returns a handle of the same account whose calls end when `token` is cancelled, unless a call is
    /// given a token of its own. The buckets that the handle returns inherit the token.
    ///
    /// Calls under different tokens do not share connections, so cancelling breaks only the token's own.
    ///
    /// ```
    /// use b2sdk::{B2Api, CancelToken, Error, InMemoryAccountInfo};
    ///
    /// let token = CancelToken::new();
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new()).with_cancel(&token);
    /// token.cancel();
    /// let outcome = b2_api.authorize_account("http://127.0.0.1:1", "id", "key");
    /// assert!(matches!(outcome, Err(Error::Cancelled)));
    /// ```
    #[must_use]
    pub fn with_cancel(&self, token: &CancelToken) -> Self {
        let mut api = self.clone();
        api.client.cancel = Some(token.clone());
        api
    }

    /// Ends all calls of this `B2Api` and its clones, for a process that wants to exit while threads are
    /// busy. Running calls and all later ones fail with [`Error::Cancelled`](crate::Error::Cancelled), also
    /// those that wait for a worker, for memory, for bandwidth or for the next attempt.
    ///
    /// # Consequences
    /// The connections are closed, so nothing can be cleaned up any more: large files that were being
    /// uploaded remain unfinished at the service, and their parts are billed until they are cancelled.
    pub fn shutdown(&self) {
        self.client.session.http().shutdown();
    }
}

/// # Limits and counts
///
/// All limits apply to this `B2Api`, its clones and its buckets together, and a change applies to calls
/// that are running.
impl B2Api {
    /// Returns how many requests this `B2Api` and its clones have sent, by billing class.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.client.session.http().request_counter().read()
    }

    /// Limits how many requests may be sent, counted from when this `B2Api` was made.
    ///
    /// A request beyond the budget fails with
    /// [`Error::BudgetExceeded`](crate::Error::BudgetExceeded) and is not sent.
    pub fn set_request_budget(&self, budget: RequestBudget) {
        self.client
            .session
            .http()
            .request_counter()
            .set_budget(budget);
    }

    /// Returns the limits on requests.
    #[must_use]
    pub fn request_budget(&self) -> RequestBudget {
        self.client.session.http().request_counter().budget()
    }

    /// Sets how many threads may move data at the same time, at least 1; see
    /// [`B2ApiBuilder::workers`](crate::B2ApiBuilder::workers).
    ///
    /// Parts that are being transferred finish. An upload from a reader keeps as many buffers as there were
    /// workers when it began.
    ///
    /// ```
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// b2_api.set_workers(2);
    /// assert_eq!(b2_api.clone().workers(), 2);
    /// ```
    pub fn set_workers(&self, workers: impl Into<Workers>) {
        self.client.workers.set_limit(workers.into());
    }

    /// Returns how many threads may move data at the same time; with [`Workers::Auto`], at the moment.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.client.workers.limit()
    }

    /// Returns how many bytes of content are held in memory at the moment; see
    /// [`B2ApiBuilder::memory_limit`](crate::B2ApiBuilder::memory_limit).
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.client.workers.memory().lent()
    }

    /// Limits the bytes of file content that all uploads together send in a second; `None` removes the
    /// limit.
    ///
    /// ```
    /// use std::num::NonZeroU64;
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// b2_api.set_upload_limit(NonZeroU64::new(500_000));
    /// assert_eq!(b2_api.upload_limit().map(NonZeroU64::get), Some(500_000));
    /// b2_api.set_upload_limit(None);
    /// ```
    pub fn set_upload_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bandwidth().up.set_limit(bytes_per_second);
    }

    /// Returns the limit on uploads, in bytes per second.
    #[must_use]
    pub fn upload_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().up.limit()
    }

    /// Limits the bytes of file content that all downloads together receive in a second; `None` removes
    /// the limit.
    pub fn set_download_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bandwidth().down.set_limit(bytes_per_second);
    }

    /// Returns the limit on downloads, in bytes per second.
    #[must_use]
    pub fn download_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().down.limit()
    }

    fn bandwidth(&self) -> &Bandwidth {
        self.client.session.http().bandwidth()
    }
}
