//! Moving the content of files. It knows sources and destinations, and asks the session for
//! everything that goes over the network.

pub(crate) mod compose;
pub(crate) mod copy;
pub(crate) mod download;
pub(crate) mod parallel;
pub(crate) mod parts;
pub(crate) mod source;
pub(crate) mod upload;
