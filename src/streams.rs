//! Stored files as readers and writers: [`RemoteFile`].

pub use crate::transfer::download::remote_file::{OpenFileOptions, RemoteFile};
