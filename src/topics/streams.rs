//! Stored files as readers, and files that are written as streams.
//!
//! [`Bucket::open_file`](crate::Bucket::open_file) returns a [`RemoteFile`], which implements `Read` and `Seek`
//! and can be read from several threads. [`Bucket::upload_writer`](crate::Bucket::upload_writer) returns an
//! [`UploadWriter`], which implements `Write`.

pub use crate::transfer::download::remote_file::{OpenFileOptions, RemoteFile};
pub use crate::transfer::upload::writer::UploadWriter;
