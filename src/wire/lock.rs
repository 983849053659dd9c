//! Retention and legal hold of files (docs/protocol.md, sections 2.28 and 2.29), and the default
//! retention of buckets (docs/protocol.md, section 2.5).
//!
//! Both requests are about one version, whose bucket must have object lock enabled; otherwise the
//! answer is 400 `bucket_missing_file_lock`. Both are billed in class A and have no further effect
//! if they are sent twice.
//!
//! | change of the retention | needs |
//! | --- | --- |
//! | set one, extend it, turn governance into compliance | `writeFileRetentions` |
//! | shorten or remove governance | `writeFileRetentions`, `bypassGovernance`, and the request must say so |
//! | shorten or remove compliance | nothing helps: 403 `access_denied` |

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
    /// The name of the file.
    pub file_name: &'a str,
    /// The id of the version.
    pub file_id: &'a FileId,
    /// The new retention; without one, the retention is removed.
    #[serde(serialize_with = "both_or_nulls")]
    pub file_retention: Option<&'a FileRetention>,
    /// Whether governance retention may be shortened or removed, which needs the capability
    /// `bypassGovernance`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bypass_governance: bool,
}

/// Serializes a retention with both members, or with `null` for both, which removes it.
///
/// Both members have to be there: only two `null` values are known to remove a retention.
fn both_or_nulls<S: Serializer>(
    retention: &Option<&FileRetention>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    RetentionForm::from(*retention).serialize(serializer)
}

impl<'a> UpdateFileRetentionRequest<'a> {
    /// Creates a request that sets the retention of a version, or removes it.
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

/// The answer to [`b2_update_file_retention`](crate::guide::protocol#228-b2_update_file_retention).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileRetentionResponse {
    /// The id of the version.
    #[serde(default)]
    pub file_id: Option<FileId>,
    /// The name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The retention that the service has stored, perhaps truncated to whole seconds. `None` if the
    /// answer does not contain it.
    #[serde(default, deserialize_with = "told")]
    pub file_retention: Option<Filtered<FileRetention>>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Reads a retention that the answer may not contain.
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
    /// The name of the file.
    pub file_name: &'a str,
    /// The id of the version.
    pub file_id: &'a FileId,
    /// The legal hold that the version gets: on or off.
    pub legal_hold: &'a LegalHold,
}

impl<'a> UpdateFileLegalHoldRequest<'a> {
    /// Creates a request that puts a version on legal hold, or releases it.
    #[must_use]
    pub const fn new(file_id: &'a FileId, file_name: &'a str, legal_hold: &'a LegalHold) -> Self {
        Self {
            file_name,
            file_id,
            legal_hold,
        }
    }
}

/// The answer to
/// [`b2_update_file_legal_hold`](crate::guide::protocol#229-b2_update_file_legal_hold).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateFileLegalHoldResponse {
    /// The id of the version.
    pub file_id: FileId,
    /// The name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The legal hold, on or off.
    #[serde(default)]
    pub legal_hold: Option<LegalHold>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The default retention of a bucket in a request, converted from a [`DefaultRetention`].
///
/// It applies to files that are uploaded later; files that exist keep the retention that they have.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct DefaultRetentionSetting<'a>(Form<'a>);

/// The two forms of a default retention in a request.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Form<'a> {
    /// Sets a retention.
    Set(&'a BucketRetention),
    /// Removes the retention: a mode of `null`.
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
