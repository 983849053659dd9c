//! Retention and legal hold of files (reference sections 2.28 and 2.29), and the default retention of
//! buckets (section 2.5).

use serde::{Deserialize, Serialize};

use crate::model::id::FileId;
use crate::model::lock::{BucketRetention, DefaultRetention, LegalHold, RetentionForm};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateFileRetentionRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_id: &'a FileId,
    /// Both nulls clear it.
    pub(crate) file_retention: RetentionForm,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bypass_governance: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateFileRetentionResponse {
    /// The service may have cut it to whole seconds.
    #[serde(default)]
    pub(crate) file_retention: Option<RetentionForm>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateFileLegalHoldRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_id: &'a FileId,
    pub(crate) legal_hold: &'a LegalHold,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateFileLegalHoldResponse {
    #[serde(rename = "fileId")]
    pub(crate) _file_id: FileId,
}

/// A bucket's default retention as a request sets it; a null mode clears it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum DefaultRetentionSetting<'a> {
    Set(&'a BucketRetention),
    Cleared { mode: Option<()> },
}

impl<'a> From<&'a DefaultRetention> for DefaultRetentionSetting<'a> {
    fn from(retention: &'a DefaultRetention) -> Self {
        match retention {
            DefaultRetention::Set(retention) => Self::Set(retention),
            DefaultRetention::Cleared => Self::Cleared { mode: None },
        }
    }
}
