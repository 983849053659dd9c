//! How each file is encrypted: what b2sdk for Python calls an encryption settings provider.

use std::fmt;

use crate::model::encryption::Encryption;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;

/// Says for each file how it is encrypted. Names are those in the bucket.
///
/// [`EncryptionPerSide`] is one setting for all files that are written and one key for all that are read.
pub trait SyncEncryption: Send + Sync {
    /// How a file is encrypted that is uploaded or copied to the destination. The bucket's default holds
    /// for `None`.
    fn write(&self, file_name: &str, size: u64) -> Option<Encryption> {
        let _ = (file_name, size);
        None
    }

    /// The customer's key of a version that is downloaded or copied from. It is asked for those alone that
    /// are encrypted with one.
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
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EncryptionPerSide {
    /// How files are encrypted that are uploaded or copied to the destination.
    pub write: Option<Encryption>,
    /// The customer's key of files that are read.
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
