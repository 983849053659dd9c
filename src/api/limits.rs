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
    /// A call that is cancelled fails with [`Error::Cancelled`](crate::Error::Cancelled): at once where it
    /// waits or moves data, otherwise before its next request. What it leaves behind is described with the
    /// call; an upload in parts is cancelled at the service too. A token cannot be used again: for the next
    /// calls, take a new one.
    ///
    /// Calls under different tokens do not share connections, so cancelling breaks only the token's own.
    /// Connections are kept for the token and its clones, so give calls that belong together one token.
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
    /// those that wait for a worker, for memory, for bandwidth or for the next attempt. There is no way
    /// back: create another `B2Api` to make calls again.
    ///
    /// ```
    /// use b2sdk::{B2Api, Error, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// let other = b2_api.clone();
    /// b2_api.shutdown();
    /// let outcome = other.authorize_account("http://127.0.0.1:1", "id", "key");
    /// assert!(matches!(outcome, Err(Error::Cancelled)));
    /// ```
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
    /// Returns how many requests this `B2Api`, its clones and its buckets have sent, by operation and by
    /// billing class. Repeated requests count each time; a request counts when it is sent, whatever the
    /// answer.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::Operation;
    /// use b2sdk::limits::BillingClass;
    ///
    /// b2_api.list_buckets()?;
    /// let counts = b2_api.request_counts();
    /// assert_eq!(counts.of(Operation::ListBuckets), 1);
    /// assert_eq!(counts.of_class(BillingClass::C), 2); // authorizing is in class C, too
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.client.session.http().request_counter().read()
    }

    /// Limits how many requests may be sent, counted from when this `B2Api` was made. There is no limit by
    /// default. The budget replaces an earlier one, and requests that were sent before count.
    ///
    /// A request beyond the budget fails with
    /// [`Error::BudgetExceeded`](crate::Error::BudgetExceeded) and is not sent. A larger budget lets later
    /// calls through again.
    ///
    /// # Consequences
    /// A call that needs several requests can fail in the middle. With a limit of class A, an upload in
    /// parts may not be able to cancel its unfinished file, which is then reported as
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn set_request_budget(&self, budget: RequestBudget) {
        self.client
            .session
            .http()
            .request_counter()
            .set_budget(budget);
    }

    /// Returns the limits on requests, which are those that were set last. What is left of them is the
    /// difference to [`request_counts`](Self::request_counts).
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

    /// Returns how many threads may move data at the same time: 10 unless that was set otherwise. With
    /// [`Workers::Auto`], this is the number at the moment.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.client.workers.limit()
    }

    /// Returns how many bytes of content the uploads from readers and the caches of open files hold in
    /// memory at the moment; see [`B2ApiBuilder::memory_limit`](crate::B2ApiBuilder::memory_limit). It is 0
    /// when no transfer runs and neither a writer nor a stored file is open.
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.client.workers.memory().lent()
    }

    /// Limits the bytes of file content that all uploads together send in a second; `None`, which is the
    /// default, removes the limit. It takes effect within a tenth of a second, also for uploads that are
    /// running.
    ///
    /// Threads share the limit in the order in which they come. Headers and other requests are not limited.
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

    /// Returns the limit on uploads, in bytes per second, or `None` if there is none.
    #[must_use]
    pub fn upload_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().up.limit()
    }

    /// Limits the bytes of file content that all downloads together receive in a second; `None`, which is
    /// the default, removes the limit. It takes effect within a tenth of a second, also for downloads that
    /// are running.
    ///
    /// ```
    /// use std::num::NonZeroU64;
    /// use b2sdk::{B2Api, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// b2_api.set_download_limit(NonZeroU64::new(2_000_000));
    /// assert_eq!(b2_api.download_limit().map(NonZeroU64::get), Some(2_000_000));
    /// ```
    pub fn set_download_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bandwidth().down.set_limit(bytes_per_second);
    }

    /// Returns the limit on downloads, in bytes per second, or `None` if there is none.
    #[must_use]
    pub fn download_limit(&self) -> Option<NonZeroU64> {
        self.bandwidth().down.limit()
    }

    fn bandwidth(&self) -> &Bandwidth {
        self.client.session.http().bandwidth()
    }
}
