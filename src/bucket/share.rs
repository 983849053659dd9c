//! Letting others download: URLs, and tokens that go with them.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::model::secret::DownloadToken;
use crate::raw::encoding::{encode, encode_query};

/// The longest that a download token may be valid: a week (reference section 2.25).
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Bucket {
    /// The URL of a file by its name. From a public bucket anybody may download it; from a private one
    /// who has a token for it.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`], [`Error::AccountChanged`], the errors of the store; nothing is sent.
    pub fn get_download_url(&self, file_name: &str) -> Result<String> {
        let snapshot = self.client.session.current(&self.control(None))?;
        let base = snapshot.auth().download_url.trim_end_matches('/');
        Ok(format!(
            "{base}/file/{}/{}",
            encode(&self.name),
            encode(file_name)
        ))
    }

    /// A token with which anybody may download the files whose names start so, for that long: 1 second
    /// to a week, in whole seconds.
    ///
    /// # Errors
    /// [`Error::InvalidInput`]; [`Error::NotAllowed`]; the errors of any call.
    pub fn get_download_authorization(
        &self,
        file_name_prefix: &str,
        valid_for: Duration,
    ) -> Result<DownloadToken> {
        if valid_for < Duration::from_secs(1) || valid_for > LONGEST {
            return Err(Error::invalid_input(
                "valid_for",
                "it is 1 second to 7 days",
            ));
        }
        let control = self.control(None);
        let seconds = valid_for.as_secs();
        let answer = self.with_id(&control, |id| {
            self.client
                .session
                .call(Operation::GetDownloadAuthorization, &control, |raw| {
                    raw.get_download_authorization(id, file_name_prefix, seconds)
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
        let token = self.get_download_authorization(file_name, valid_for)?;
        let url = self.get_download_url(file_name)?;
        Ok(format!(
            "{url}?Authorization={}",
            encode_query(token.expose())
        ))
    }
}
