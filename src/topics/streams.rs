//! Stored files that are read as a stream.
//!
//! [`Bucket::open_file`](crate::Bucket::open_file) returns a [`RemoteFile`], which implements `Read` and `Seek`
//! and can be read from several threads.

pub use crate::transfer::download::remote_file::{OpenFileOptions, RemoteFile};
