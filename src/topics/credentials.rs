//! Application keys, where they come from, and the realm they belong to.
//!
//! [`B2Api::authorize_account`](crate::B2Api::authorize_account) takes a key once.
//! [`B2Api::authorize_with`](crate::B2Api::authorize_with) takes a [`CredentialProvider`], which is asked for
//! the key whenever one is needed: [`EnvironmentCredentials`] reads the variables `B2_APPLICATION_KEY_ID`
//! and `B2_APPLICATION_KEY`, and [`CommandCredentials`] runs a program that prints the key.
//!
//! The types that hold a secret never show it in `Debug`.

pub use crate::model::realm::Realm;
pub use crate::model::secret::{ApplicationKey, DownloadToken};
pub use crate::session::credentials::{
    CommandCredentials, CredentialError, CredentialProvider, Credentials, EnvironmentCredentials,
};
