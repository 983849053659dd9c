//! The endpoints as such, lent what the calls of this crate have: tokens, retries, limits.

use std::sync::Arc;

use crate::api::B2Api;
use crate::error::Result;
use crate::model::operation::Operation;
use crate::raw::{Connections, Raw};

/// # Endpoints
impl B2Api {
    /// Calls an endpoint directly, for what the other methods do not offer. `call` gets access to
    /// the endpoints of this account and is repeated like every other call of this `B2Api`: an
    /// expired token is replaced once, passing failures are repeated as
    /// [`RetryPolicy`](crate::RetryPolicy) says, and [`with_cancel`](Self::with_cancel),
    /// [`shutdown`](Self::shutdown) and [`set_request_budget`](Self::set_request_budget) apply. All
    /// attempts are made for one account, key and realm.
    ///
    /// `operation` names the endpoint that `call` uses. Only failures of this operation are
    /// repeated, and not if the answer was lost and a second request could do harm
    /// ([`Operation::is_repeatable`]). All other errors of `call` are returned unchanged. So `call`
    /// should send a single request, and create the request each time it is called.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # for name in ["2026-01/a", "2026-01/b", "2026-02/c"] { bucket.upload_bytes(b"..", name)?; }
    /// use b2sdk::Operation;
    /// use b2sdk::raw::ListFilesRequest;
    ///
    /// // A delimiter of one's own: `ls` knows folders only.
    /// let request = ListFilesRequest::new(bucket.id()).delimiter("-");
    /// let page = b2_api.call_raw(Operation::ListFileNames, |raw| raw.list_file_names(&request))?;
    /// let names: Vec<_> = page.files.iter().map(|row| row.file_name.as_str()).collect();
    /// assert_eq!(names, ["2026-"]);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Uploads
    /// [`Raw::upload_file`] and [`Raw::upload_part`] go to a URL that the caller has asked for and keeps, so
    /// under [`Operation::UploadFile`] and [`Operation::UploadPart`] **`call` is called once**. After an
    /// error the URL is not to be used again, and its token is no reason to authorize again: ask for another
    /// URL, with a `call_raw` of its own, which does that where it is needed.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::{UploadBody, UploadFileRequest};
    /// use b2sdk::{FileInfo, Operation, Sha1Digest};
    ///
    /// let (content, info) = (b"hello", FileInfo::new());
    /// let url = b2_api.call_raw(Operation::GetUploadUrl, |raw| raw.get_upload_url(&bucket.id()))?;
    /// let version = b2_api.call_raw(Operation::UploadFile, |raw| {
    ///     let (mut reader, sha1) = (&content[..], Sha1Digest::of(content));
    ///     let mut body = UploadBody::with_sha1(&mut reader, content.len() as u64, sha1);
    ///     let request = UploadFileRequest::new("hello.txt", "text/plain", &info);
    ///     raw.upload_file(&url.upload_url, &url.authorization_token, &request, &mut body)
    /// })?;
    /// assert_eq!(version.content_length, 5);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized);
    /// [`Error::AccountChanged`](crate::Error::AccountChanged); what `call` returns, an
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) with what the key may do; the errors of the store.
    pub fn call_raw<T>(
        &self,
        operation: Operation,
        call: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let (session, control) = (&self.client.session, self.client.control("call_raw", None));
        // What `call` names belongs to one account: no attempt may run under another's token.
        let owner = Arc::new(session.current(&control)?.identity().clone());
        session.call_as_is(operation, &control.owned_by(&owner), call)
    }

    /// Returns the connections of this `B2Api`, for single requests under an authorization that the
    /// caller keeps. They use no store and repeat nothing. This `B2Api` need not be authorized.
    ///
    /// Their requests count in [`request_counts`](Self::request_counts) and obey
    /// [`shutdown`](Self::shutdown), the request budget and the bandwidth limits. See
    /// [`raw`](crate::raw) for an example.
    #[must_use]
    pub fn raw_connections(&self) -> Connections {
        let control = self.client.control("raw_connections", None);
        Connections::new(self.client.session.http().clone(), control)
    }
}
