//! CORS rules of a bucket (reference section 3.6).

use serde::{Deserialize, Serialize};

/// Lets web pages of some origins access the bucket from a browser.
///
/// ```
/// use b2sdk::CorsRule;
///
/// let rule = CorsRule::new("downloads", ["https://example.com"], ["b2_download_file_by_name"], 3600);
/// assert_eq!(rule.max_age_seconds, 3600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CorsRule {
    /// 6 to 50 letters, digits and `-`; unique in the bucket.
    pub cors_rule_name: String,
    /// Origins such as `https://example.com`, `https://*.example.com`, or `*`.
    pub allowed_origins: Vec<String>,
    /// Operations such as `b2_download_file_by_name` or `s3_get`.
    pub allowed_operations: Vec<String>,
    /// Request headers that a page may send: a name, a beginning ending in `*`, or `*`.
    #[serde(default)]
    pub allowed_headers: Option<Vec<String>>,
    /// Response headers that a page may read.
    #[serde(default)]
    pub expose_headers: Option<Vec<String>>,
    /// How long a browser may remember the rule: 1 to 86400 seconds.
    pub max_age_seconds: u32,
}

impl CorsRule {
    /// A rule that allows these operations from these origins.
    #[must_use]
    pub fn new<O: Into<String>, P: Into<String>>(
        name: impl Into<String>,
        origins: impl IntoIterator<Item = O>,
        operations: impl IntoIterator<Item = P>,
        max_age_seconds: u32,
    ) -> Self {
        Self {
            cors_rule_name: name.into(),
            allowed_origins: origins.into_iter().map(Into::into).collect(),
            allowed_operations: operations.into_iter().map(Into::into).collect(),
            allowed_headers: None,
            expose_headers: None,
            max_age_seconds,
        }
    }

    /// The request headers that a page may send.
    #[must_use]
    pub fn allowed_headers<H: Into<String>>(
        mut self,
        headers: impl IntoIterator<Item = H>,
    ) -> Self {
        self.allowed_headers = Some(headers.into_iter().map(Into::into).collect());
        self
    }

    /// The response headers that a page may read.
    #[must_use]
    pub fn expose_headers<H: Into<String>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        self.expose_headers = Some(headers.into_iter().map(Into::into).collect());
        self
    }
}
