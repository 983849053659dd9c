//! The iterators of listings, and the filter for names.
//!
//! [`Bucket::ls`](crate::Bucket::ls) and [`Bucket::ls_with`](crate::Bucket::ls_with) list files like a
//! directory; [`Bucket::list_file_versions`](crate::Bucket::list_file_versions) lists the versions of one
//! name. Each iterator requests a page when it needs one. The guide is
//! [`keys_and_listing`](crate::guide::keys_and_listing).

pub use crate::api::files::Parts;
pub use crate::bucket::list::{FileVersions, Ls};
pub use crate::bucket::unfinished::UnfinishedLargeFiles;
pub use crate::model::part::Part;
pub use crate::model::pattern::Filter;
