//! Refusals because of what an application key may do.

use std::fmt;

use crate::error::ServiceError;
use crate::model::auth::{Allowed, Capability};
use crate::model::operation::Operation;

/// A call that the application key does not allow, in [`Error::NotAllowed`](crate::Error::NotAllowed): what
/// the call needs, and what the key may do.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let master = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # master.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # master.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use b2sdk::keys::Capability;
/// use b2sdk::{B2Api, Error, InMemoryAccountInfo};
///
/// let reader = master.create_key("reader", [Capability::ListBuckets, Capability::ReadFiles])?;
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_account(service.url(), reader.details.application_key_id, reader.application_key)?;
/// let bucket = b2_api.get_bucket_by_name("example-mybucket-b2-1")?;
/// let Err(Error::NotAllowed(refusal)) = bucket.upload_bytes(b"hello", "hello.txt") else { panic!() };
/// assert_eq!(refusal.missing, [Capability::WriteFiles]);
/// assert!(refusal.service.is_none()); // nothing was sent
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub struct NotAllowed {
    /// The operation that the key does not allow. It tells which of the several requests of a call
    /// was refused.
    pub operation: Operation,
    /// The bucket or file name that the call was about; empty if it was about the account.
    pub subject: Box<str>,
    /// The capabilities that the call needs, or may need, and that the key lacks. Empty if it lacks
    /// none, or if its capabilities are not known.
    pub missing: Vec<Capability>,
    /// The restriction of the key that the call violates: to other buckets, or to other file names.
    /// `None` if it violates none, or if that is not certain.
    pub restriction: Option<KeyRestriction>,
    /// The key's capabilities and restrictions, if they are known.
    pub allowed: Option<Box<Allowed>>,
    /// The service's answer; `None` if the call was refused without a request.
    pub service: Option<Box<ServiceError>>,
}

/// A restriction of an application key other than its capabilities, in [`NotAllowed::restriction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyRestriction {
    /// The key is restricted to other buckets than the one that the call is about.
    Buckets,
    /// The key is restricted to files whose names start with another prefix than the name or prefix of the call.
    NamePrefix,
}

impl fmt::Display for KeyRestriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buckets => "the key is limited to other buckets",
            Self::NamePrefix => "the key is limited to names that begin differently",
        })
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            subject,
            missing,
            restriction,
            allowed,
            service: _,
        } = self;
        write!(f, "the application key may not call {operation}")?;
        if !subject.is_empty() {
            write!(f, " for {subject:?}")?;
        }
        let own = operation.capability();
        let known = allowed
            .as_deref()
            .filter(|allowed| !allowed.capabilities.is_empty());
        match (missing.as_slice(), own) {
            ([], Some(own)) if known.is_none() => write!(f, ", which needs {own}")?,
            ([], _) => {}
            ([only], Some(own)) if only.as_str() == own => write!(f, ", which needs {own}")?,
            (all, _) => write!(f, " like this, which needs {}", list(all))?,
        }
        match (restriction, known) {
            (Some(restriction), _) => write!(f, ": {restriction}")?,
            (None, Some(key))
                if missing.is_empty() && (key.buckets.is_some() || key.name_prefix.is_some()) =>
            {
                f.write_str(": it may be about what the key is not for")?;
            }
            _ => {}
        }
        match allowed {
            Some(allowed) => write!(f, "; {allowed}"),
            None => Ok(()),
        }
    }
}

/// `a, b and c`.
fn list(capabilities: &[Capability]) -> String {
    let names: Vec<_> = capabilities.iter().map(Capability::as_str).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
