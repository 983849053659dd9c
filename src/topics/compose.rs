//! Creating files from pieces: local content, and ranges of stored files.
//!
//! [`Bucket::concatenate`](crate::Bucket::concatenate) puts [`Piece`]s one after the other, and
//! [`Bucket::create_file`](crate::Bucket::create_file) gives each piece its offset. Ranges of files in B2 are
//! copied within the service, so their bytes do not pass through this machine.

pub use crate::transfer::compose::piece::Piece;
pub use crate::transfer::options::{ComposeOptions, Overlap};
