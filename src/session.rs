//! The layer that knows the token: every call to the service goes through [`Session::call`], and
//! every upload through `with_upload_url`. Both run in the one retry loop of `retry`.
//!
//! A call, when all goes well, is one request. Otherwise:
//!
//! 1. the store's authorization is read; none: `NotAuthorized`; another identity than the call is
//!    for: `AccountChanged`, and nothing is sent;
//! 2. the request is sent; `advice` says what a failure calls for;
//! 3. a token that no longer works is replaced once (`reauth`), and the request sent again.

mod advice;
mod files;
pub(crate) mod reauth;
pub(crate) mod retry;
pub(crate) mod upload_url;

use std::sync::{Arc, Mutex, PoisonError};

use crate::account_info::{AccountInfo, AuthSnapshot};
use crate::control::Control;
use crate::control::clock::Clock;
use crate::error::{Error, Result, StoreError};
use crate::http::Http;
use crate::model::auth::Identity;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::session::reauth::SingleFlight;
use crate::session::retry::{Loop, Pauses, RetryPolicy, Step};

/// An account's connection to the service.
#[derive(Debug)]
pub(crate) struct Session {
    info: Box<dyn AccountInfo>,
    http: Http,
    retry: RetryPolicy,
    pauses: Pauses,
    /// Whom this session authorized itself; it serves nobody else from then on.
    pinned: Mutex<Option<Identity>>,
    flight: SingleFlight,
    authorizing: Mutex<()>,
}

impl Session {
    pub(crate) fn new(info: Box<dyn AccountInfo>, http: Http, retry: RetryPolicy) -> Self {
        Self {
            info,
            http,
            retry,
            pauses: Pauses::default(),
            pinned: Mutex::default(),
            flight: SingleFlight::default(),
            authorizing: Mutex::default(),
        }
    }

    pub(crate) fn info(&self) -> &dyn AccountInfo {
        &*self.info
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.http.clock()
    }

    pub(crate) fn retry_policy(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The authorization that this call runs under.
    pub(crate) fn current(&self, control: &Control) -> Result<Arc<AuthSnapshot>> {
        let snapshot = self.info.auth()?.ok_or(Error::NotAuthorized)?;
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = [control.owner.as_deref(), pinned.as_ref()];
        if wanted
            .into_iter()
            .flatten()
            .any(|identity| identity != snapshot.identity())
        {
            return Err(Error::AccountChanged);
        }
        Ok(snapshot)
    }

    /// Calls the service, as often as it takes and makes sense.
    pub(crate) fn call<T>(
        &self,
        operation: Operation,
        control: &Control,
        mut f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut used: Option<Arc<AuthSnapshot>> = None;
        self.attempts(operation, control).run(|step| {
            if let (Step::Reauthorize, Some(used)) = (step, &used) {
                self.refresh(used, control)?;
            }
            let snapshot = used.insert(self.current(control)?);
            f(&Raw::new(&self.http, control, snapshot.auth()))
                .map_err(|error| explain(error, snapshot))
        })
    }

    fn attempts<'a>(&'a self, operation: Operation, control: &'a Control) -> Loop<'a> {
        Loop {
            operation,
            policy: &self.retry,
            clock: self.clock(),
            pauses: &self.pauses,
            control,
        }
    }
}

/// Adds to a refusal what the key may do.
fn explain(mut error: Error, snapshot: &AuthSnapshot) -> Error {
    if let Error::NotAllowed(refusal) = &mut error {
        refusal.allowed = Some(Box::new(snapshot.auth().allowed.clone()));
    }
    error
}

/// Takes note of how the store fared after the service had answered. Its failure must not fail the
/// call: the caller would repeat what was done already.
pub(crate) fn remember(what: &str, outcome: Result<(), StoreError>) {
    if outcome.is_err() {
        tracing::warn!(
            what,
            "the account-info store failed; this will be asked from the service again"
        );
    }
}
