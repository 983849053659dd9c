//! Letting others download: URLs, and tokens that go with them.

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
impl Bucket {
    /// The URL of a file by its name. From a public bucket anybody may download it; from a private one
    /// who has a token for it.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`], [`Error::AccountChanged`], the errors of the store; nothing is sent.
    pub fn get_download_url(&self, file_name: &str) -> Result<String> {
        let snapshot = self.client.session.current(&self.control(None))?;
        Ok(download_url(snapshot.auth(), &self.name, file_name))
    }

    /// A token with which anybody may download the files whose names start so, for that long: 1 second
    /// to a week, in whole seconds. It is good for downloads by name only.
    ///
    /// # Errors
    /// [`Error::InvalidInput`]; [`Error::NotAllowed`], without a request if the key lacks the capability
    /// or is restricted to other names; the errors of any call.
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

    /// The same, for downloads that answer with these headers: each must ask for them in its query, as
    /// [`get_signed_download_url_with`](Self::get_signed_download_url_with) does.
    ///
    /// # Errors
    /// As [`get_download_authorization`](Self::get_download_authorization).
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
        let (session, control) = (&self.client.session, self.control(None));
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

    /// A URL with which anybody may download this file, and those whose names begin with its name, for
    /// that long. **It holds a token**: whoever sees it may use it.
    ///
    /// # Errors
    /// As [`get_download_authorization`](Self::get_download_authorization).
    pub fn get_signed_download_url(&self, file_name: &str, valid_for: Duration) -> Result<String> {
        self.get_signed_download_url_with(file_name, valid_for, &ResponseHeaders::default())
    }

    /// The same, and the download answers with these headers.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
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
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get_download_authorization`](Self::get_download_authorization).
    pub fn get_signed_download_url_with(
        &self,
        file_name: &str,
        valid_for: Duration,
        headers: &ResponseHeaders,
    ) -> Result<String> {
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
