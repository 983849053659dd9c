//! The endpoints without an account info: the caller keeps the authorization.

use crate::control::Control;
use crate::error::Result;
use crate::http::Http;
use crate::model::auth::AccountAuth;
use crate::model::id::ApplicationKeyId;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::raw::{Raw, auth};

/// The connections of a [`B2Api`](crate::B2Api), for requests under an authorization that the
/// caller keeps. [`B2Api::raw_connections`](crate::B2Api::raw_connections) returns one.
///
/// Nothing is repeated, no token is replaced, and no store is read or written. Time limits, proxy,
/// budget and shutdown are those of the `B2Api`. Its own authorization does not matter here, and
/// may be missing.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let (realm, key_id, key) = (service.url(), service.application_key_id(), service.application_key());
/// use b2sdk::raw::ListBucketsRequest;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let connections = B2Api::new(InMemoryAccountInfo::new()).raw_connections();
/// let auth = connections.authorize_account(realm, key_id, key)?;
/// let raw = connections.endpoints(&auth);
/// let answer = raw.list_buckets(&ListBucketsRequest::new(raw.account_id()))?;
/// assert_eq!(answer.buckets.len(), 0);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connections {
    http: Http,
    control: Control,
}

impl Connections {
    pub(crate) const fn new(http: Http, control: Control) -> Self {
        Self { http, control }
    }

    /// Requests a token from a realm, with one request. The authorization is returned and stored
    /// nowhere.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a realm to which credentials must not be
    /// sent, with nothing sent; [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if the
    /// service does not accept the key; otherwise [those of every call](Raw#errors).
    pub fn authorize_account(
        &self,
        realm: impl Into<Realm>,
        application_key_id: impl Into<ApplicationKeyId>,
        application_key: impl Into<ApplicationKey>,
    ) -> Result<AccountAuth> {
        auth::authorize(
            &self.http,
            &self.control,
            &realm.into(),
            &application_key_id.into(),
            &application_key.into(),
        )
    }

    /// Returns the endpoints under this authorization, which may also come from a store.
    #[must_use]
    pub fn endpoints<'a>(&'a self, auth: &'a AccountAuth) -> Raw<'a> {
        Raw::new(&self.http, &self.control, auth)
    }
}
