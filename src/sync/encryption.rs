//! How each file is encrypted: what b2sdk for Python calls an encryption settings provider.
//!
//! | request | encryption of what is written | key of what is read |
//! |---|---|---|
//! | upload | `write`, else `SyncOptions::upload` | none |
//! | copy | `write`, else `SyncOptions::copy` | `read`, only for SSE-C |
//! | download | none | `read`, only for SSE-C |
//!
//! Without a chooser, the key of `SyncOptions::download` is that of every version that is read, and
//! otherwise that of `SyncOptions::copy`. Which versions are encrypted with a customer's key is
//! known from the listing, so nothing is asked for.

use std::fmt;

use crate::model::encryption::Encryption;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;

/// Chooses the encryption of each file in a synchronization.
///
/// Names are those in the bucket. The methods can be called from several threads at once.
///
/// [`EncryptionPerSide`] is one setting for all files that are written and one key for all that are
/// read.
///
/// ```
/// use b2sdk::encryption::{Encryption, SseCustomerKey};
/// use b2sdk::sync::{SyncEncryption, SyncOptions};
///
/// struct PrivateFolder(SseCustomerKey);
/// impl SyncEncryption for PrivateFolder {
///     fn write(&self, file_name: &str, _size: u64) -> Option<Encryption> {
///         file_name.starts_with("private/").then(|| Encryption::SseC(self.0.clone()))
///     }
///     fn read(&self, _file_name: &str, _file_id: &b2sdk::FileId) -> Option<SseCustomerKey> {
///         Some(self.0.clone())
///     }
/// }
/// let options = SyncOptions::new().encryption(PrivateFolder(SseCustomerKey::new([7; 32])));
/// # let _ = options;
/// ```
///
/// The methods must answer the same for the same arguments during a run. They may be called more
/// than once for a file: while the run is planned, to see whether there is a key, and when the step
/// is made.
pub trait SyncEncryption: Send + Sync {
    /// Returns how a file is encrypted that is uploaded or copied to the destination; `None` for
    /// the default of the bucket, and so does this method unless it is implemented.
    /// `size` is what the plan saw, in bytes.
    fn write(&self, file_name: &str, size: u64) -> Option<Encryption> {
        let _ = (file_name, size);
        None
    }

    /// Returns the customer's key of a version that is downloaded or copied from, or `None` if
    /// there is none, which is [`ProblemKind::NoKey`](crate::sync::ProblemKind::NoKey). It is
    /// called only for versions that are encrypted with such a key.
    fn read(&self, file_name: &str, file_id: &FileId) -> Option<SseCustomerKey> {
        let _ = (file_name, file_id);
        None
    }
}

impl fmt::Debug for dyn SyncEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncEncryption")
    }
}

/// One setting for all files that are written, and one key for all that are read.
///
/// ```
/// use b2sdk::sync::EncryptionPerSide;
/// use b2sdk::encryption::{Encryption, SseCustomerKey};
///
/// let key = SseCustomerKey::new([7; 32]).with_id("2026-11");
/// let encryption = EncryptionPerSide::new().write(Encryption::SseC(key.clone())).read(&key);
/// assert!(encryption.write.is_some());
/// ```
///
/// It holds keys, which neither `Debug` nor a report shows.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EncryptionPerSide {
    /// How files are encrypted that are uploaded or copied to the destination; the default of the
    /// bucket if not set.
    pub write: Option<Encryption>,
    /// The customer's key (SSE-C) of files that are downloaded or copied from the source.
    pub read: Option<SseCustomerKey>,
}

crate::setters::setters! {
    new EncryptionPerSide {}
    into {
        write: Encryption,
    }
    shared {
        read: SseCustomerKey,
    }
}

impl SyncEncryption for EncryptionPerSide {
    fn write(&self, _: &str, _: u64) -> Option<Encryption> {
        self.write.clone()
    }

    fn read(&self, _: &str, _: &FileId) -> Option<SseCustomerKey> {
        self.read.clone()
    }
}
