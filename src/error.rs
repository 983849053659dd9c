//! What an [`Error`] carries, and the errors of single values.
//!
//! Every call returns [`Error`], and its variants are grouped by who can act on them.
//! Most programs print it or pass it on. Those that look closer find here:
//!
//! - what the service answered ([`ServiceError`] with its [`ErrorCode`]), and what a key lacks
//!   ([`NotAllowed`]);
//! - how the network failed and how much of the request was sent ([`TransportError`]);
//! - what a failed large file leaves behind ([`LargeFileLeft`]);
//! - what an [`AccountInfo`](crate::account_info::AccountInfo) reports ([`StoreError`]);
//! - why a text is not a value ([`InvalidSha1`], [`InvalidTimestamp`], [`UnknownName`]).

mod inspect;
pub(crate) mod kinds;
pub(crate) mod left;
pub(crate) mod not_allowed;
pub(crate) mod service;
pub(crate) mod store;
pub(crate) mod transport;
pub(crate) mod words;

pub(crate) use self::kinds::{Error, Result};

pub use self::kinds::KeyProblem;
pub use self::left::{LargeFileLeft, WhyLeft};
pub use self::not_allowed::{KeyRestriction, NotAllowed};
pub use self::service::{ErrorCode, ServiceError};
pub use self::store::{StoreContext, StoreError};
pub use self::transport::{Sent, TransportError, TransportKind};
pub use crate::model::name::NameRule;
pub use crate::model::operation::UnknownName;
pub use crate::model::sha1::InvalidSha1;
pub use crate::model::time::InvalidTimestamp;
