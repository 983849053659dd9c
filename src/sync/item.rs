//! What a scan finds, in the order of names: files, and markers for what it passes over.
//!
//! A marker stands where a name, or everything below a directory, would stand. Whatever the other
//! side has there is left alone, because nobody knows what this side has. Absence is thus never
//! concluded from a failure to look: a name is absent only if the scan has passed its place and
//! said nothing.
//!
//! | item | has a key | may be followed by |
//! |---|---|---|
//! | a file | its name | older versions of it, then a later key |
//! | a marker | its name, or its directory with a `/` | a later key |
//! | an older version | none | another one, or a later key |
//! | a problem | none | anything |
//!
//! Keys of one scan are strictly ascending by bytes. A key lies below a directory that the scan has
//! marked only if two local directories have one name in NFC: the files of one are known then.

use crate::model::encryption::EncryptionMode;
use crate::model::file_info::FileInfo;
use crate::model::id::FileId;
use crate::model::sha1::Sha1Digest;
use crate::sync::local_state::LocalState;
use crate::sync::problem::{Problem, ProblemKind};

/// One item of a scan.
///
/// It is generic over what a file is, so that the merge can be tested with plain numbers.
#[derive(Debug)]
pub(super) enum Item<E> {
    /// A file, by its name below the place.
    File(String, E),
    /// An older version of the file before it: only of a bucket whose versions are listed.
    Older(Stored),
    /// Something that the scan passes over.
    Marker(Marker),
    /// Something to be reported, which no name at the other side can correspond to.
    Problem(Problem),
}

/// A name, or a directory with everything below it, that a scan passes over.
///
/// A marker does not say that there is anything. The report counts what the other side has under
/// it.
#[derive(Debug)]
pub(super) struct Marker {
    /// The name; with a `/` at its end it stands for everything below.
    pub(super) name: String,
    pub(super) cover: Cover,
    /// What the report says of it, if anything.
    pub(super) problem: Option<ProblemKind>,
}

/// Why a scan passes over something.
///
/// The difference is in the report alone: `protected` or `excluded`. Neither is changed at the
/// destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// It could not be read, or is nothing that is synchronized.
    Unknown,
    /// The filters leave it out.
    Excluded,
}

impl<E> Item<E> {
    /// Where it stands in the order.
    ///
    /// An item without one belongs to what came before it.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::File(name, _) => Some(name),
            Self::Marker(marker) => Some(&marker.name),
            Self::Older(_) | Self::Problem(_) => None,
        }
    }
}

/// A file on either side.
///
/// Sizes and times stand here for both kinds, because the comparison needs nothing else.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The size in bytes; 0 for a hide marker.
    pub(super) size: u64,
    /// The time of the last change in milliseconds since 1970, never less than 0.
    pub(super) modified: i64,
    pub(super) at: At,
}

/// What one side alone knows of a file.
///
/// `Stored` is in a box, because a local file would otherwise take the room of a version.
#[derive(Debug, Clone)]
pub(super) enum At {
    Local(LocalState),
    Stored(Box<Stored>),
}

/// A version in a bucket, without what synchronizing does not ask for.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// By which the version is read, copied and deleted.
    pub(super) file_id: FileId,
    pub(super) size: u64,
    /// Whether it is a hide marker, which has no content.
    pub(super) is_marker: bool,
    /// The recorded time of the last change, or else that of the upload, in milliseconds since
    /// 1970.
    pub(super) modified: i64,
    /// Whether the modification time was recorded by whoever uploaded the file.
    pub(super) has_time: bool,
    /// When the service made the version, in milliseconds since 1970 by its own clock.
    pub(super) uploaded: i64,
    /// The SHA-1 that the service has of the content, or that the uploader of a large file
    /// recorded. What the uploader recorded is believed.
    pub(super) sha1: Option<Sha1Digest>,
    /// The mode, if the key may see it. A version whose mode is hidden counts as readable without a
    /// customer's key.
    pub(super) encryption: Option<EncryptionMode>,
    /// Retained or on legal hold, as far as the key may see that.
    pub(super) is_held: bool,
    /// Content type and info, where a copy may have to repeat them.
    pub(super) details: Option<Box<Details>>,
}

/// What a copy with another time repeats of its source.
///
/// It is a part of saved plans, so its JSON form must stay readable.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Details {
    pub(super) content_type: String,
    pub(super) info: FileInfo,
}

impl Stored {
    /// Whether it takes a customer's key to read it.
    pub(super) fn is_sse_c(&self) -> bool {
        self.encryption == Some(EncryptionMode::SseC)
    }
}

impl Entry {
    /// The version, if the file is in a bucket.
    pub(super) fn stored(&self) -> Option<&Stored> {
        match &self.at {
            At::Stored(stored) => Some(stored),
            At::Local(_) => None,
        }
    }

    /// What the scan saw of the file, if it is a local one.
    pub(super) fn local(&self) -> Option<&LocalState> {
        match &self.at {
            At::Local(state) => Some(state),
            At::Stored(_) => None,
        }
    }

    /// A hide marker: there is no such file.
    pub(super) fn is_hidden(&self) -> bool {
        self.stored().is_some_and(|stored| stored.is_marker)
    }
}
