//! Saving files under their names: which names are safe as paths of this machine.
//!
//! A name in a bucket can be anything, also `../../etc/passwd`. [`LocalDirectory`] saves a download below one
//! directory and never outside it; [`LocalNameRules`] decide which names are possible as a path, and
//! [`UnsafeName`] tells why one is not.

pub use crate::model::local_name::{LocalNameRules, UnsafeName, UnsafeNameReason};
pub use crate::transfer::download::directory::LocalDirectory;
