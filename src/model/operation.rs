//! The 31 operations of the native API: their names on the wire, how they are billed, what a key
//! needs to call them, and whether a request whose answer was lost may be sent again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The class in which Backblaze bills a request. What a class costs is on Backblaze's web site; the storage
/// itself and downloaded bytes are billed apart from it.
///
/// Which operation is in which class is known from documentation of several years
/// ([section 9.4](crate::guide::protocol#94-limits-and-billing)), so use it for estimates.
///
/// ```
/// use b2sdk::Operation;
/// use b2sdk::limits::BillingClass;
///
/// assert_eq!(Operation::UploadFile.billing_class(), BillingClass::A);
/// assert_eq!(Operation::DownloadFileByName.billing_class(), BillingClass::B);
/// assert_eq!(Operation::ListFileNames.billing_class(), BillingClass::C);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BillingClass {
    /// Free of charge: uploads and upload URLs, starting, finishing and cancelling large files, hiding,
    /// deleting.
    A,
    /// Downloads, and descriptions of files.
    B,
    /// Everything else: listings, authorizing, copies, creating and updating buckets and keys.
    C,
}

impl fmt::Display for BillingClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        })
    }
}

impl FromStr for BillingClass {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            "C" => Ok(Self::C),
            _ => Err(UnknownName::new(
                name,
                "billing class; there are A, B and C",
            )),
        }
    }
}

/// The error for text that is no name of an [`Operation`] or a [`BillingClass`]. Its message quotes the text
/// and says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no {what}")]
pub struct UnknownName {
    name: Box<str>,
    what: &'static str,
}

impl UnknownName {
    fn new(name: &str, what: &'static str) -> Self {
        Self {
            name: name.into(),
            what,
        }
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident $name:literal $class:ident $repeatable:literal $capability:expr;)*) => {
        /// An endpoint of the B2 native API.
        ///
        /// Errors, request counts and [`B2Api::call_raw`](crate::B2Api::call_raw) name one, and each is a method
        /// of [`Raw`](crate::raw::Raw). Its text form is the name in the service's documentation.
        ///
        /// ```
        /// use b2sdk::Operation;
        ///
        /// assert_eq!(Operation::UploadFile.to_string(), "b2_upload_file");
        /// assert_eq!(Operation::from_name("b2_list_buckets"), Some(Operation::ListBuckets));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* #[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Operation {
            /// All operations, in the order of [section 2](crate::guide::protocol#2-endpoints).
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the endpoint's name in URLs and in the service's documentation, such as
            /// `"b2_upload_file"`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the class in which a request is billed. Listings of more than 1,000 rows are billed as
            /// several requests.
            #[must_use]
            pub const fn billing_class(self) -> BillingClass {
                match self { $(Self::$variant => BillingClass::$class,)* }
            }

            /// Returns whether sending the request twice leaves the service as sending it once does, so that a
            /// request whose answer was lost may simply be sent again
            /// ([section 6](crate::guide::protocol#6-upload-urls)).
            ///
            /// Uploads, for example, are not: a second request creates a second version. After a lost answer
            /// this crate looks for the first one instead.
            #[must_use]
            pub const fn is_repeatable(self) -> bool {
                match self { $(Self::$variant => $repeatable,)* }
            }

            /// Returns the capability that a key needs for this operation, as the service spells it, or `None`
            /// where any key may call. Some calls need more than one, depending on their settings.
            #[must_use]
            pub const fn capability(self) -> Option<&'static str> {
                match self { $(Self::$variant => $capability,)* }
            }
        }
    };
}

operations! {
    /// Exchanges an application key for a token and the URLs of the account.
    AuthorizeAccount "b2_authorize_account" C true None;
    /// Creates a bucket.
    CreateBucket "b2_create_bucket" C false Some("writeBuckets");
    /// Deletes an empty bucket.
    DeleteBucket "b2_delete_bucket" A true Some("deleteBuckets");
    /// Lists buckets with their settings, all of them or one.
    ListBuckets "b2_list_buckets" C true Some("listBuckets");
    /// Changes the settings of a bucket.
    UpdateBucket "b2_update_bucket" C false Some("writeBuckets");
    /// Returns a URL that files are uploaded to, one at a time.
    GetUploadUrl "b2_get_upload_url" A true Some("writeFiles");
    /// Uploads a file in one request, as a new version.
    UploadFile "b2_upload_file" A false Some("writeFiles");
    /// Lists the latest version of each file that is not hidden.
    ListFileNames "b2_list_file_names" C true Some("listFiles");
    /// Lists all versions of all files, with hide markers and unfinished large files.
    ListFileVersions "b2_list_file_versions" C true Some("listFiles");
    /// Describes a version by its id.
    GetFileInfo "b2_get_file_info" B true Some("readFiles");
    /// Hides a file by adding a hide marker to its versions.
    HideFile "b2_hide_file" A false Some("writeFiles");
    /// Deletes a version permanently.
    DeleteFileVersion "b2_delete_file_version" A true Some("deleteFiles");
    /// Copies a version, or a range of it, within the service in one request.
    CopyFile "b2_copy_file" C false Some("writeFiles");
    /// Starts a file that is uploaded or copied in parts.
    StartLargeFile "b2_start_large_file" A false Some("writeFiles");
    /// Returns a URL that parts of a large file are uploaded to, one at a time.
    GetUploadPartUrl "b2_get_upload_part_url" A true Some("writeFiles");
    /// Uploads a part of a large file.
    UploadPart "b2_upload_part" A true Some("writeFiles");
    /// Copies a range of a version, as a part of a large file, within the service.
    CopyPart "b2_copy_part" C true Some("writeFiles");
    /// Makes a large file of its parts.
    FinishLargeFile "b2_finish_large_file" A false Some("writeFiles");
    /// Cancels an unfinished large file and deletes its parts.
    CancelLargeFile "b2_cancel_large_file" A true Some("writeFiles");
    /// Lists the unfinished large files of a bucket.
    ListUnfinishedLargeFiles "b2_list_unfinished_large_files" C true Some("listFiles");
    /// Lists the parts of an unfinished large file.
    ListParts "b2_list_parts" C true Some("writeFiles");
    /// Creates an application key.
    CreateKey "b2_create_key" C false Some("writeKeys");
    /// Lists the application keys of the account.
    ListKeys "b2_list_keys" C true Some("listKeys");
    /// Deletes an application key.
    DeleteKey "b2_delete_key" A true Some("deleteKeys");
    /// Returns a token with which others can download.
    GetDownloadAuthorization "b2_get_download_authorization" C true Some("shareFiles");
    /// Downloads a version by its id.
    DownloadFileById "b2_download_file_by_id" B true Some("readFiles");
    /// Downloads the latest version of a file, or with HEAD describes it.
    DownloadFileByName "b2_download_file_by_name" B true Some("readFiles");
    /// Sets, extends or removes the retention of a version.
    UpdateFileRetention "b2_update_file_retention" A true Some("writeFileRetentions");
    /// Puts a version on legal hold, or releases it.
    UpdateFileLegalHold "b2_update_file_legal_hold" A true Some("writeFileLegalHolds");
    /// Returns the event notification rules of a bucket.
    GetBucketNotificationRules "b2_get_bucket_notification_rules" C true Some("readBucketNotifications");
    /// Replaces the event notification rules of a bucket.
    SetBucketNotificationRules "b2_set_bucket_notification_rules" C true Some("writeBucketNotifications");
}

impl Operation {
    /// Whether it leaves everything as it is.
    pub(crate) const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::AuthorizeAccount
                | Self::ListBuckets
                | Self::GetUploadUrl
                | Self::ListFileNames
                | Self::ListFileVersions
                | Self::GetFileInfo
                | Self::GetUploadPartUrl
                | Self::ListUnfinishedLargeFiles
                | Self::ListParts
                | Self::ListKeys
                | Self::GetDownloadAuthorization
                | Self::DownloadFileById
                | Self::DownloadFileByName
                | Self::GetBucketNotificationRules
        )
    }

    /// Returns the operation with this name, such as `"b2_list_buckets"`, or `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.name() == name)
    }
}

impl FromStr for Operation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let what = "operation; one is named like \"b2_list_buckets\"";
        Self::from_name(name).ok_or_else(|| UnknownName::new(name, what))
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn every_name_leads_back_to_its_operation() {
        assert_eq!(Operation::ALL.len(), 31);
        for op in Operation::ALL {
            assert_eq!(Operation::from_name(op.name()), Some(*op));
        }
    }
}
