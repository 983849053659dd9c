//! The error of an account-info store: any error, with what was being done, and whether the store is
//! only away for a while.
//!
//! It is a [`std::error::Error`], so that `?` works for those who call a store. That rules out a
//! conversion from every error for those who write one; they have [`StoreContext`] instead.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// An error from an [`AccountInfo`](crate::account_info::AccountInfo).
///
/// It wraps the error that the store met. [`downcast_ref`](Self::downcast_ref) finds that error
/// again, and clones share it.
///
/// A function that calls a store can return it as any other error:
///
/// ```
/// use b2sdk::account_info::AccountInfo;
/// use b2sdk::InMemoryAccountInfo;
///
/// fn is_authorized(info: &dyn AccountInfo) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
///     Ok(info.auth()?.is_some())
/// }
/// assert!(!is_authorized(&InMemoryAccountInfo::new())?);
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// A store turns any error into a `StoreError` with [`StoreContext::context`]; `?` alone converts an
/// [`std::io::Error`] and a boxed error.
#[derive(Clone)]
pub struct StoreError(Arc<Link>);

/// One link of the chain.
enum Link {
    Cause {
        error: Box<dyn StdError + Send + Sync>,
        is_unavailable: bool,
    },
    Context {
        doing: Box<str>,
        cause: StoreError,
    },
}

impl StoreError {
    /// Wraps an error, or makes one from a message. A `StoreError` is returned as it is. The result is not
    /// [unavailable](Self::is_unavailable), so calls that need the store fail for good.
    ///
    /// ```
    /// use b2sdk::error::StoreError;
    ///
    /// let error = StoreError::new("the lease has a negative number");
    /// assert_eq!(error.to_string(), "the lease has a negative number");
    /// ```
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        // A `StoreError` stays itself, so that context can be added to any result.
        error.into().downcast::<Self>().map_or_else(
            |error| {
                Self::from_link(Link::Cause {
                    error,
                    is_unavailable: false,
                })
            },
            |own| *own,
        )
    }

    /// Reports that the store cannot be reached, or is too busy, at the moment.
    ///
    /// The client then goes on without the store where it can, and otherwise fails with an
    /// [`Error::Store`] that is [retryable](Error::is_retryable). Use it for refused and broken
    /// connections, time-outs, servers that are starting or failing over, and locks that were not
    /// released in time.
    ///
    /// ```
    /// use b2sdk::error::StoreError;
    /// use b2sdk::Error;
    ///
    /// let timed_out = std::io::Error::from(std::io::ErrorKind::TimedOut);
    /// let error = StoreError::unavailable(timed_out).context("reading the token");
    /// assert!(error.is_unavailable());
    /// assert!(Error::from(error).is_retryable());
    /// ```
    pub fn unavailable(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::from_link(Link::Cause {
            error: error.into(),
            is_unavailable: true,
        })
    }

    /// Refuses a call on behalf of an identity that the store does not hold, because another account
    /// was authorized or the store was emptied. Nothing of the old identity may overwrite the new one.
    #[must_use]
    pub fn superseded() -> Self {
        Self::from(Error::AccountChanged)
    }

    /// Adds what the store was doing when the error occurred. That becomes the message, and this
    /// error its source.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self::from_link(Link::Context {
            doing: doing.to_string().into(),
            cause: self,
        })
    }

    /// Returns whether the store was [unavailable](Self::unavailable), so that the same call may
    /// succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match &*self.0 {
            Link::Cause { is_unavailable, .. } => *is_unavailable,
            Link::Context { cause, .. } => cause.is_unavailable(),
        }
    }

    /// Returns whether the store refused the call because it holds another identity, which is what
    /// [`superseded`](Self::superseded) creates. A wrapper around a store uses it to forget what it
    /// remembers; the client then reads the authorization again.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        matches!(self.downcast_ref(), Some(Error::AccountChanged))
    }

    /// Returns the error of this type in the chain of causes, if there is one.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        let mut next: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<E>() {
                return Some(found);
            }
            next = match error.downcast_ref::<Self>().map(|own| &*own.0) {
                // A cause is shown as the `StoreError` itself, so it is none of its sources.
                Some(Link::Cause { error, .. }) => Some(&**error),
                _ => error.source(),
            };
        }
        None
    }

    /// The crate's own error that a store returned.
    pub(crate) fn into_crate_error(self) -> Result<Error, Self> {
        let Some(own) = self.downcast_ref::<Error>() else {
            return Err(self);
        };
        if let Some(same) = own.duplicate() {
            return Ok(same);
        }
        let link = Arc::try_unwrap(self.0).map_err(Self)?;
        match link {
            Link::Context { cause, .. } => cause.into_crate_error(),
            Link::Cause {
                error,
                is_unavailable,
            } => match error.downcast::<Error>() {
                Ok(own) => Ok(*own),
                Err(error) => Err(Self::from_link(Link::Cause {
                    error,
                    is_unavailable,
                })),
            },
        }
    }

    fn from_link(link: Link) -> Self {
        Self(Arc::new(link))
    }
}

/// Turns the error of any result into a [`StoreError`] that says what the store was doing.
///
/// ```
/// use b2sdk::error::{StoreContext as _, StoreError};
///
/// fn read_number(path: &str) -> Result<u64, StoreError> {
///     let text = std::fs::read_to_string(path)?; // `?` alone is enough for an I/O error.
///     text.trim().parse::<u64>().context("reading the number of the lease")
/// }
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("lease");
/// # std::fs::write(&path, "seven").unwrap();
/// let error = read_number(path.to_str().unwrap()).unwrap_err();
/// assert_eq!(error.to_string(), "reading the number of the lease");
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// ```
pub trait StoreContext<T> {
    /// Converts the error and adds what the store was doing when it occurred.
    ///
    /// # Errors
    /// The error of the result, converted.
    fn context(self, doing: impl fmt::Display) -> Result<T, StoreError>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> StoreContext<T> for Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::new(error).context(doing))
    }
}

impl From<Error> for StoreError {
    /// A local file that is locked, on a full disk or on a drive that is away makes a store
    /// unavailable.
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error {
            Error::Store(own) => own,
            Error::LocalFile { ref source, .. }
                if matches!(
                    source.kind(),
                    Kind::ResourceBusy | Kind::StorageFull | Kind::QuotaExceeded | Kind::Other
                ) =>
            {
                Self::unavailable(error)
            }
            other => Self::new(other),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

impl From<Box<dyn StdError + Send + Sync>> for StoreError {
    fn from(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self::new(error)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Link::Cause { error, .. } => error.source(),
            // Its cause without the wrapper, so that a walk along the chain meets the original error.
            Link::Context { cause, .. } => match &*cause.0 {
                Link::Cause { error, .. } => Some(&**error),
                Link::Context { .. } => Some(cause),
            },
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Link::Cause { error, .. } => error.fmt(f),
            Link::Context { doing, .. } => f.write_str(doing),
        }
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Link::Cause { error, .. } => error.fmt(f),
            Link::Context { doing, cause } => f
                .debug_struct("StoreError")
                .field("doing", doing)
                .field("cause", cause)
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::{Error, StoreContext as _, StoreError};

    fn broken() -> Result<(), io::Error> {
        Err(io::Error::other("disk on fire"))
    }

    #[test]
    fn an_error_keeps_what_it_is_through_context_and_clones() {
        let error = broken()
            .context("reading")
            .context("authorizing")
            .unwrap_err();
        let shared = error.clone();
        assert_eq!(error.to_string(), "authorizing");
        let told: Vec<String> = std::iter::successors(error.source(), |cause| (*cause).source())
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["reading", "disk on fire"]);
        assert!(shared.downcast_ref::<io::Error>().is_some() && !shared.is_unavailable());
        assert!(shared.downcast_ref::<std::fmt::Error>().is_none());
    }

    #[test]
    fn whether_a_store_is_away_survives_context() {
        let away = StoreError::unavailable(broken().unwrap_err());
        assert!(away.clone().context("reading").is_unavailable());
        assert!(StoreError::new(away).is_unavailable(), "wrapped once more");
    }

    #[test]
    fn our_own_error_comes_out_also_of_a_clone() {
        let superseded = StoreError::superseded().context("taking an upload URL");
        assert!(superseded.is_superseded());
        for error in [superseded.clone(), superseded] {
            assert!(matches!(
                error.into_crate_error(),
                Ok(Error::AccountChanged)
            ));
        }
    }

    #[test]
    fn an_own_error_that_cannot_be_told_twice_comes_out_of_the_last_clone() {
        let error = StoreError::from(Error::Cancelled);
        let first = error.clone().into_crate_error().unwrap_err();
        drop(first);
        assert!(matches!(error.into_crate_error(), Ok(Error::Cancelled)));
    }
}
