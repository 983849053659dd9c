//! Sharing files: download URLs, and the tokens that authorize them.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::operation::Operation;
use crate::model::response_headers::ResponseHeaders;
use crate::model::secret::DownloadToken;
use crate::raw::encoding::{encode, encode_query};
use crate::wire::share::DownloadAuthorizationRequest;

/// The longest that a download token may be valid: a week (docs/protocol.md, section 2.25).
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// # Sharing
///
/// A public bucket needs no token: [`get_download_url`](Bucket::get_download_url) is enough. For a private
/// one, a token lets others download without an application key. Making one needs the capability
/// `shareFiles` and is billed in class C; the downloads are billed to the account.
impl Bucket {
    /// Returns the URL of a file by its name. Anybody can download it from a public bucket; from a private
    /// one, a token is needed. Nothing is sent, and the file need not exist. The name is percent-encoded in
    /// the URL, which leads to the latest version at the time of each download.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPublic)?;
    /// let url = bucket.get_download_url("photos/summer 2026.jpg")?;
    /// assert!(url.ends_with("/file/example-mybucket-b2-1/photos/summer%202026.jpg"));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// Browsers and curl shorten a path in which a segment is `.` or `..`. A file with such a name, such as
    /// `a/../b`, is downloaded by its id
    /// ([`B2Api::get_download_url_by_id`](crate::B2Api::get_download_url_by_id)), by this crate, or with
    /// `curl --path-as-is`.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`], [`Error::AccountChanged`], the errors of the store; nothing is sent.
    pub fn get_download_url(&self, file_name: &str) -> Result<String> {
        let control = self.control("get_download_url", Some(file_name), None);
        let snapshot = self.client.session.current(&control)?;
        Ok(download_url(snapshot.auth(), &self.name, file_name))
    }

    /// Returns a token with which anybody can download the files whose names begin with the prefix. It is
    /// valid for 1 second to 7 days, in whole seconds, and for downloads by name only. An empty prefix
    /// stands for all files of the bucket. The files need not exist yet.
    ///
    /// A download passes the token in the header `Authorization`, or in the URL's query, as
    /// `?Authorization=TOKEN`. Each call returns another token, and all of them work side by side.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a time outside these limits; [`Error::NotAllowed`], without a request if the
    /// key lacks the capability `shareFiles` or is restricted to other names; [`Error::BucketNotFound`]; the
    /// [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// A token cannot be revoked before it ends. It stops working when the application key that it was made
    /// with is deleted.
    pub fn get_download_authorization(
        &self,
        file_name_prefix: &str,
        valid_for: Duration,
    ) -> Result<DownloadToken> {
        self.get_download_authorization_with(
            file_name_prefix,
            valid_for,
            &ResponseHeaders::default(),
        )
    }

    /// Returns a token for downloads that answer with these headers. Each download must ask for exactly
    /// these headers in its query, as the URLs of
    /// [`get_signed_download_url_with`](Self::get_signed_download_url_with) do.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a time outside 1 second to 7 days and for headers that are not printable
    /// ASCII; [`Error::NotAllowed`], without a request if the key lacks the capability `shareFiles` or is
    /// restricted to other names; [`Error::BucketNotFound`]; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn get_download_authorization_with(
        &self,
        file_name_prefix: &str,
        valid_for: Duration,
        headers: &ResponseHeaders,
    ) -> Result<DownloadToken> {
        if valid_for < Duration::from_secs(1) || valid_for > LONGEST {
            return Err(Error::invalid_input(
                "valid_for",
                "it is 1 second to 7 days",
            ));
        }
        if let Some(name) = headers.impossible() {
            return Err(Error::invalid_input(
                "headers",
                format!("{name} is empty or not printable ASCII"),
            ));
        }
        let (session, control) = (
            &self.client.session,
            self.control("get_download_authorization", Some(file_name_prefix), None),
        );
        let answer = self.with_id(&control, |id| {
            let seconds = valid_for.as_secs();
            let request =
                DownloadAuthorizationRequest::new(id, file_name_prefix, seconds).overrides(headers);
            let needs = self
                .needs(Operation::GetDownloadAuthorization)
                .bucket(id)
                .named(file_name_prefix);
            session.call(needs, &control, |raw| {
                raw.get_download_authorization(&request)
            })
        })?;
        Ok(answer.authorization_token)
    }

    /// Returns a URL with which anybody can download this file for 1 second to 7 days. It works in a browser
    /// and for any HTTP client, with ranges as well.
    ///
    /// **The URL contains a token**: whoever sees it can use it, also for other files whose names begin with
    /// the name of this file.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use std::time::Duration;
    ///
    /// bucket.upload_bytes(b"hello", "reports/july.txt")?;
    /// let link = bucket.get_signed_download_url("reports/july.txt", Duration::from_secs(3600))?;
    /// assert!(link.contains("/file/example-mybucket-b2-1/reports/july.txt?Authorization="));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a time outside 1 second to 7 days, and for an empty name, whose token would
    /// open the whole bucket; [`Error::NotAllowed`], without a request if the key lacks the capability
    /// `shareFiles` or is restricted to other names; [`Error::BucketNotFound`]; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn get_signed_download_url(&self, file_name: &str, valid_for: Duration) -> Result<String> {
        self.get_signed_download_url_with(file_name, valid_for, &ResponseHeaders::default())
    }

    /// Returns a URL with which anybody can download this file, and the download answers with these headers.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use std::time::Duration;
    /// use b2sdk::ResponseHeaders;
    ///
    /// let save = ResponseHeaders::new().attachment("report.pdf");
    /// let hour = Duration::from_secs(3600);
    /// let url = bucket.get_signed_download_url_with("2026/07.pdf", hour, &save)?;
    /// assert!(url.contains("/2026/07.pdf?Authorization="));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a time outside 1 second to 7 days, for an empty name, whose token would open
    /// the whole bucket, and for headers that are not printable ASCII; [`Error::NotAllowed`], without a request
    /// if the key lacks the capability `shareFiles` or is restricted to other names; [`Error::BucketNotFound`];
    /// the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_signed_download_url_with(
        &self,
        file_name: &str,
        valid_for: Duration,
        headers: &ResponseHeaders,
    ) -> Result<String> {
        if file_name.is_empty() {
            return Err(Error::invalid_input(
                "file_name",
                "it is empty, and a token for the empty name opens the whole bucket",
            ));
        }
        let token = self.get_download_authorization_with(file_name, valid_for, headers)?;
        let mut url = self.get_download_url(file_name)?;
        url.push_str("?Authorization=");
        url.push_str(&encode_query(token.expose()));
        for (name, value) in headers.parameters() {
            url.push('&');
            url.push_str(name);
            url.push('=');
            url.push_str(&encode_query(value));
        }
        Ok(url)
    }
}

/// The URL of a file by its name.
pub(crate) fn download_url(auth: &AccountAuth, bucket: &str, file_name: &str) -> String {
    let base = auth.download_url.trim_end_matches('/');
    format!("{base}/file/{}/{}", encode(bucket), encode(file_name))
}
