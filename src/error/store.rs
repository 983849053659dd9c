//! The error of an account-info store: any error, with context. The only user of `anyhow`.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use crate::error::Error;

/// Whatever went wrong in an account-info store. An implementation writes `?` on any error.
///
/// ```
/// use b2sdk::error::StoreError;
///
/// fn read_token(path: &str) -> Result<String, StoreError> {
///     Ok(std::fs::read_to_string(path)?)
/// }
///
/// let error = read_token("/nowhere/at/all").unwrap_err().context("reading the token");
/// assert!(error.downcast_ref::<std::io::Error>().is_some());
/// ```
pub struct StoreError(anyhow::Error);

impl StoreError {
    /// An error from a message or from another error.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(anyhow::Error::from_boxed(error.into()))
    }

    /// What a store answers when a write belongs to an identity that it no longer holds: someone
    /// authorized another account, and nothing of the old one may overwrite it.
    #[must_use]
    pub fn superseded() -> Self {
        Self::from(Error::AccountChanged)
    }

    /// The same error, with what was being done when it happened.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self(self.0.context(doing))
    }

    /// The error of this type in the chain of causes, if there is one.
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        self.0
            .downcast_ref::<E>()
            .or_else(|| self.0.chain().find_map(|cause| cause.downcast_ref::<E>()))
    }

    pub(crate) fn into_crate_error(self) -> Result<Error, Self> {
        self.0.downcast::<Error>().map_err(Self)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self(anyhow::Error::new(error))
    }
}

impl Deref for StoreError {
    type Target = dyn StdError + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
