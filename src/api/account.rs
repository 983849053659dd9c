//! Creating a `B2Api` and authorizing an application key.

use std::sync::Arc;

use crate::account_info::AccountInfo;
use crate::account_info::memory::InMemoryAccountInfo;
use crate::api::{B2Api, B2ApiBuilder};
use crate::error::Result;
use crate::model::auth::Allowed;
use crate::model::id::{AccountId, ApplicationKeyId};
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::session::credentials::{CredentialProvider, Credentials, EnvironmentCredentials};

/// # Creating and authorizing
impl B2Api {
    /// Creates a handle whose authorization, bucket names and upload URLs are kept in `info`. Nothing is
    /// sent; an authorization that the store already holds is used.
    ///
    /// The settings are those of [`builder`](Self::builder) unchanged: 10 workers, no memory limit, no
    /// bandwidth limit, and the retries and time-outs of [`RetryPolicy`](crate::RetryPolicy) and
    /// [`Timeouts`](crate::Timeouts).
    ///
    /// With a store that outlives the process, a program authorizes once and later runs need no
    /// credentials until the key expires:
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")] {
    /// use b2sdk::{B2Api, Error, SqliteAccountInfo};
    ///
    /// let b2_api = B2Api::new(SqliteAccountInfo::open_default()?);
    /// match b2_api.account_id() {
    ///     Ok(account) => println!("logged in to {account}"),
    ///     Err(Error::NotAuthorized) => println!("log in first"),
    ///     Err(error) => return Err(error),
    /// }
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn new(info: impl AccountInfo + 'static) -> Self {
        Self::builder(info)
            .build()
            .expect("the default configuration has nothing that can be wrong")
    }

    /// Creates a handle and authorizes the application key in the environment variables
    /// `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY`, which the tools of Backblaze read too. The
    /// variable `B2_ENVIRONMENT` may name another realm.
    ///
    /// Everything is kept in memory, so each run of the program sends one `b2_authorize_account`, which is
    /// billed in class C. For other stores, use [`new`](Self::new) and
    /// [`authorize_with`](Self::authorize_with) with
    /// [`EnvironmentCredentials`](crate::credentials::EnvironmentCredentials).
    ///
    /// The variables are read again whenever the token no longer works, so that a program that sets them
    /// again continues with the new key.
    ///
    /// ```no_run
    /// use b2sdk::B2Api;
    ///
    /// let b2_api = B2Api::from_env()?;
    /// for bucket in b2_api.list_buckets()? {
    ///     println!("{}", bucket.name());
    /// }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Credentials`](crate::Error::Credentials) if a variable is not set;
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a key, a key id
    /// or a realm that cannot be one; [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if
    /// the service refuses the key, which is not repeated; [`Error::Busy`](crate::Error::Busy) and
    /// [`Error::Connection`](crate::Error::Connection) if all attempts fail.
    pub fn from_env() -> Result<Self> {
        let api = Self::new(InMemoryAccountInfo::new());
        api.authorize_with(EnvironmentCredentials::new())?;
        Ok(api)
    }

    /// Creates a builder for a handle with other settings than [`new`](Self::new) uses: retries, time-outs,
    /// workers, a memory limit, a proxy. Nothing is sent, and nothing of `info` is read.
    #[must_use]
    pub fn builder(info: impl AccountInfo + 'static) -> B2ApiBuilder {
        B2ApiBuilder::new(Box::new(info))
    }

    /// Authorizes an application key.
    ///
    /// If the account info already holds an authorization for the same realm, key id and key, it is used
    /// and nothing is sent, so a program can make this call each time it starts. Otherwise one
    /// `b2_authorize_account` is sent, which is billed in class C. A token that turns out to be too old is
    /// replaced by the first call that notices it. Threads and processes that authorize the same key at the
    /// same time send one request together, if they share the account info.
    ///
    /// `realm` is `"production"` or the URL of another service. From this call on, the `B2Api` serves only
    /// this account, key and realm: if another one is authorized in the same account info, its calls fail
    /// with [`Error::AccountChanged`](crate::Error::AccountChanged).
    ///
    /// An authorization of another account, key or realm replaces the one that the account info holds,
    /// together with its bucket names and upload URLs. After an error, an earlier authorization remains.
    ///
    /// The key is kept in the account info: in memory with
    /// [`InMemoryAccountInfo`](crate::InMemoryAccountInfo), and **unencrypted in a file** with
    /// `SqliteAccountInfo`, as the tools of Backblaze do.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let (realm, key_id, key) = (service.url(), service.application_key_id(), service.application_key());
    /// use b2sdk::{B2Api, Error, InMemoryAccountInfo};
    ///
    /// let b2_api = B2Api::new(InMemoryAccountInfo::new());
    /// let wrong = b2_api.authorize_account(realm, key_id, "not the key");
    /// assert!(matches!(wrong, Err(Error::InvalidInput { .. }))); // white space: nothing was sent
    /// b2_api.authorize_account(realm, key_id, key)?;
    /// b2_api.authorize_account(realm, key_id, key)?; // sends nothing
    /// assert_eq!(b2_api.request_counts().total(), 1);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a realm to which
    /// credentials must not be sent (an unknown name, or `http://` beyond this machine without
    /// [`allow_plain_http`](B2ApiBuilder::allow_plain_http)), and for a key or key id that cannot be one:
    /// empty, with white space or quotes, or the two in each other's place;
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if the service refuses the key, which
    /// is not repeated; [`Error::Busy`](crate::Error::Busy) and
    /// [`Error::Connection`](crate::Error::Connection) if all attempts fail; the errors of the store.
    pub fn authorize_account(
        &self,
        realm: impl Into<Realm>,
        application_key_id: impl Into<ApplicationKeyId>,
        application_key: impl Into<ApplicationKey>,
    ) -> Result<()> {
        let credentials = Credentials::new(application_key_id, application_key);
        let control = self.client.control("authorize_account", None);
        let session = &self.client.session;
        control.in_span(|| session.authorize(credentials.realm(realm), &control))
    }

    /// Authorizes the application key that a provider supplies:
    /// [`EnvironmentCredentials`](crate::credentials::EnvironmentCredentials),
    /// [`CommandCredentials`](crate::credentials::CommandCredentials), or the program's own code. If the
    /// account info already holds the key's authorization, nothing is sent.
    ///
    /// The provider is asked again whenever a token no longer works, until a key is authorized with
    /// [`authorize_account`](Self::authorize_account). A running program therefore picks up a key that
    /// replaced a revoked one, with one request, also in its [`Bucket`](crate::Bucket)s, listings and
    /// transfers. The new key must belong to the same account and realm: a key of another account fails
    /// with [`Error::AccountChanged`](crate::Error::AccountChanged) and is not stored. A key that the
    /// service refused is not sent again for a minute; calls fail with that refusal.
    ///
    /// The key is kept in the account info: in memory with
    /// [`InMemoryAccountInfo`](crate::InMemoryAccountInfo), and **unencrypted in a file** with
    /// `SqliteAccountInfo`, as the tools of Backblaze do.
    ///
    /// # Errors
    /// [`Error::Credentials`](crate::Error::Credentials) if the provider fails;
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, if it returns a key,
    /// a key id or a realm that cannot be one;
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if the service refuses the key,
    /// which is not repeated; [`Error::Busy`](crate::Error::Busy) and
    /// [`Error::Connection`](crate::Error::Connection) if all attempts fail; the errors of the store.
    /// After an error, an earlier authorization remains in use.
    pub fn authorize_with(&self, provider: impl CredentialProvider + 'static) -> Result<()> {
        let control = self.client.control("authorize_with", None);
        let session = &self.client.session;
        control.in_span(|| session.authorize_with(Arc::new(provider), &control))
    }

    /// Requests a new token, with the credentials of the provider or, if there is none, with those in the
    /// account info. Programs rarely need this, because a token that is too old is replaced automatically.
    ///
    /// It is useful after the owner of the account has changed what the key may do, because
    /// [`allowed`](Self::allowed) and the checks before a request go by what the last authorization said.
    /// The request is billed in class C. Threads that call this at the same time send one request together.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized) if there are no credentials;
    /// [`Error::Credentials`](crate::Error::Credentials) if a provider fails;
    /// [`Error::InvalidCredentials`](crate::Error::InvalidCredentials) if the service refuses the key,
    /// which is not repeated; [`Error::Busy`](crate::Error::Busy) and
    /// [`Error::Connection`](crate::Error::Connection) if all attempts fail; the errors of the store.
    pub fn reauthorize(&self) -> Result<()> {
        let control = self.client.control("reauthorize", None);
        control.in_span(|| self.client.session.reauthorize(&control))
    }

    /// Returns the id of the authorized account. Nothing is sent, unless the account info has lost an
    /// authorization that this program made, which is then made again.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized),
    /// [`Error::AccountChanged`](crate::Error::AccountChanged), the errors of the store.
    pub fn account_id(&self) -> Result<AccountId> {
        Ok(self
            .client
            .session
            .current(&self.client.control("account_id", None))?
            .auth()
            .account_id
            .clone())
    }

    /// Returns what the application key is allowed to do, as the last authorization said: at most 24 hours
    /// ago, or since [`reauthorize`](Self::reauthorize). Nothing is sent.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::keys::Capability;
    ///
    /// let allowed = b2_api.allowed()?;
    /// assert!(allowed.has(&Capability::WriteFiles));
    /// assert!(allowed.buckets.is_none()); // every bucket
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized),
    /// [`Error::AccountChanged`](crate::Error::AccountChanged), the errors of the store.
    pub fn allowed(&self) -> Result<Allowed> {
        Ok(self
            .client
            .session
            .current(&self.client.control("allowed", None))?
            .auth()
            .allowed
            .clone())
    }

    /// Returns the account info that this handle and its clones use: the store that was passed to
    /// [`new`](Self::new) or [`builder`](Self::builder).
    ///
    /// Its most frequent use is logging out, which removes the authorization, the bucket names and the
    /// upload URLs. Calls then fail with [`Error::NotAuthorized`](crate::Error::NotAuthorized) until a key
    /// is authorized again; a token that is in use elsewhere remains valid until it expires.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::Error;
    ///
    /// b2_api.account_info().clear()?;
    /// assert!(matches!(b2_api.list_buckets(), Err(Error::NotAuthorized)));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    #[must_use]
    pub fn account_info(&self) -> &dyn AccountInfo {
        self.client.session.account_info()
    }
}
