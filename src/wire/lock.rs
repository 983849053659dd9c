//! Retention and legal hold of files (docs/protocol.md, sections 2.28 and 2.29), and the default
//! retention of buckets (docs/protocol.md, section 2.5).

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::filtered::{self, Filtered};
use crate::model::id::FileId;
use crate::model::lock::{
    BucketRetention, DefaultRetention, FileRetention, LegalHold, RetentionForm,
};
use crate::setters::setters;

/// The body of [`b2_update_file_retention`](crate::guide::protocol#228-b2_update_file_retention).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileRetentionRequest<'a> {
    /// The name of the version.
    pub file_name: &'a str,
    /// The version.
    pub file_id: &'a FileId,
    /// The retention, or none: that clears it, both members being null.
    #[serde(serialize_with = "both_or_nulls")]
    pub file_retention: Option<&'a FileRetention>,
    /// Also shortens or clears governance retention; needs the capability of that name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bypass_governance: bool,
}

fn both_or_nulls<S: Serializer>(
    retention: &Option<&FileRetention>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    RetentionForm::from(*retention).serialize(serializer)
}

impl<'a> UpdateFileRetentionRequest<'a> {
    /// Sets the retention of a version, or clears it.
    #[must_use]
    pub const fn new(
        file_id: &'a FileId,
        file_name: &'a str,
        file_retention: Option<&'a FileRetention>,
    ) -> Self {
        Self {
            file_name,
            file_id,
            file_retention,
            bypass_governance: false,
        }
    }
}

setters! {
    UpdateFileRetentionRequest<'a> {
        bypass_governance: bool,
    }
}

/// What `b2_update_file_retention` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileRetentionResponse {
    /// The version.
    #[serde(default)]
    pub file_id: Option<FileId>,
    /// Its name.
    #[serde(default)]
    pub file_name: Option<String>,
    /// What the service stored: it may have cut it to whole seconds. `None` if it does not say.
    #[serde(default, deserialize_with = "told")]
    pub file_retention: Option<Filtered<FileRetention>>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn told<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Filtered<FileRetention>>, D::Error> {
    let form = Option::<RetentionForm>::deserialize(deserializer)?;
    Ok(form.map(<FileRetention as filtered::Setting>::from_form))
}

/// The body of [`b2_update_file_legal_hold`](crate::guide::protocol#229-b2_update_file_legal_hold).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileLegalHoldRequest<'a> {
    /// The name of the version.
    pub file_name: &'a str,
    /// The version.
    pub file_id: &'a FileId,
    /// On or off.
    pub legal_hold: &'a LegalHold,
}

impl<'a> UpdateFileLegalHoldRequest<'a> {
    /// Puts a version on legal hold, or takes it off.
    #[must_use]
    pub const fn new(file_id: &'a FileId, file_name: &'a str, legal_hold: &'a LegalHold) -> Self {
        Self {
            file_name,
            file_id,
            legal_hold,
        }
    }
}

/// What `b2_update_file_legal_hold` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileLegalHoldResponse {
    /// The version.
    pub file_id: FileId,
    /// Its name.
    #[serde(default)]
    pub file_name: Option<String>,
    /// On or off.
    #[serde(default)]
    pub legal_hold: Option<LegalHold>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A bucket's default retention as a request sets it: made from a [`DefaultRetention`]. A null mode
/// clears it.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct DefaultRetentionSetting<'a>(Form<'a>);

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Form<'a> {
    Set(&'a BucketRetention),
    Cleared { mode: Option<()> },
}

impl<'a> From<&'a DefaultRetention> for DefaultRetentionSetting<'a> {
    fn from(retention: &'a DefaultRetention) -> Self {
        Self(match retention {
            DefaultRetention::Set(retention) => Form::Set(retention),
            DefaultRetention::Cleared => Form::Cleared { mode: None },
        })
    }
}
