//! The layer that knows the token: every call to the service goes through [`Session::call`], and
//! every upload through `with_upload_url`. Both run in the one retry loop of `retry`; so does what a
//! caller wrote on top of the endpoints ([`Session::call_as_is`]).
//!
//! A call, when all goes well, is one request. Otherwise:
//!
//! 1. the store's authorization is read; none: `NotAuthorized`, unless the store lost it and this
//!    session has the credentials to authorize again (`reauth`); another identity than the call is
//!    for: `AccountChanged`, and nothing is sent, unless the provider named that key as the successor
//!    (`credentials`);
//! 2. a key that lacks what the call needs for certain: `NotAllowed`, and nothing is sent (`capabilities`);
//! 3. the request is sent; `advice` says what a failure calls for;
//! 4. a token that no longer works is replaced once (`reauth`), and the request sent again.

mod advice;
pub(crate) mod capabilities;
pub(crate) mod credentials;
pub(crate) mod listed_files;
pub(crate) mod paging;
pub(crate) mod reauth;
pub(crate) mod retry;
pub(crate) mod shared_calls;
pub(crate) mod store;
mod store_policy;
pub(crate) mod upload_url;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::account_info::{AccountInfo, AuthSnapshot, Generation};
use crate::control::Control;
use crate::control::clock::Clock;
use crate::control::single_flight::SingleFlight;
use crate::error::{Error, NotAllowed, Result, StoreError};
use crate::http::Http;
use crate::model::auth::Identity;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::session::capabilities::Needs;
use crate::session::credentials::{Credentials, Provided};
use crate::session::retry::{Pauses, RetryLoop, RetryPolicy, Step};
use crate::session::store::Store;

/// How long a refusal without a code is remembered: the token may have become too old since.
const CODELESS_MEMORY: Duration = Duration::from_secs(3600);

/// An account's connection to the service.
#[derive(Debug)]
pub(crate) struct Session {
    store: Store,
    http: Http,
    retry: RetryPolicy,
    pauses: Pauses,
    /// Whom this session authorized itself; it serves nobody else from then on.
    pinned: Mutex<Option<Identity>>,
    flight: SingleFlight<Generation>,
    authorizing: SingleFlight<Credentials>,
    /// Where the key comes from, if not from the caller's hand.
    provided: Provided,
    /// The key from the caller's hand.
    by_hand: Mutex<Option<Credentials>>,
    /// What was refused when a lost authorization was to be restored, when, and how.
    unrestorable: Mutex<Option<(Credentials, Duration, Error)>>,
    adopting: SingleFlight<Generation>,
    /// The authorization under which a refusal without a code came although it was new: such
    /// refusals are no reason to ask for yet another one.
    codeless: Mutex<Option<(Generation, Duration)>>,
}

impl Session {
    pub(crate) fn new(info: Box<dyn AccountInfo>, http: Http, retry: RetryPolicy) -> Self {
        Self {
            store: Store::new(info, http.clock()),
            http,
            retry,
            pauses: Pauses::default(),
            pinned: Mutex::default(),
            flight: SingleFlight::default(),
            authorizing: SingleFlight::default(),
            provided: Provided::default(),
            by_hand: Mutex::default(),
            unrestorable: Mutex::default(),
            adopting: SingleFlight::default(),
            codeless: Mutex::default(),
        }
    }

    /// The store, whose failures are survived where they can be.
    pub(crate) fn info(&self) -> &dyn AccountInfo {
        &self.store
    }

    /// The store as its owner gave it.
    pub(crate) fn account_info(&self) -> &dyn AccountInfo {
        self.store.account_info()
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
        let snapshot = match self.store.auth()? {
            Some(snapshot) => snapshot,
            None => self.restore(control)?,
        };
        let pinned = self.pinned();
        let wanted = [control.owner.as_deref(), pinned.as_ref()];
        for identity in wanted.into_iter().flatten() {
            if identity != snapshot.identity() && !self.adopts(identity, &snapshot, control)? {
                return Err(Error::AccountChanged);
            }
        }
        Ok(snapshot)
    }

    fn pinned(&self) -> Option<Identity> {
        self.pinned.lock().clone()
    }

    /// The authorization that this call runs under, if its key may make it: what is certain to be
    /// refused is refused here.
    pub(crate) fn require(
        &self,
        needs: &Needs<'_>,
        control: &Control,
    ) -> Result<Arc<AuthSnapshot>> {
        let snapshot = self.current(control)?;
        needs.check(&snapshot.auth().allowed)?;
        Ok(snapshot)
    }

    /// Calls the service, as often as it takes and makes sense; not at all if the key lacks what the
    /// call needs.
    pub(crate) fn call<'n, T>(
        &self,
        needs: impl Into<Needs<'n>>,
        control: &Control,
        f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let needs = needs.into();
        self.call_in(self.attempts(needs.operation(), control), &needs, f)
    }

    /// Calls the service with what the caller wrote, whatever is known of the key. An upload's URL is the caller's, who alone can get
    /// another one and look what became of the last upload: it is sent once.
    pub(crate) fn call_as_is<T>(
        &self,
        operation: Operation,
        control: &Control,
        f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let once = RetryPolicy::none();
        let mut attempts = self.attempts(operation, control);
        if attempts.moves_data() {
            attempts.policy = &once;
        }
        let needs = Needs::from(operation).for_the_service();
        self.call_in(attempts, &needs, f)
    }

    fn call_in<T>(
        &self,
        attempts: RetryLoop<'_>,
        needs: &Needs<'_>,
        mut f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let control = attempts.control;
        let attempts = RetryLoop {
            bucket: needs.bucket_id(),
            file_name: needs.file_name(),
            ..attempts
        };
        let mut used: Option<Arc<AuthSnapshot>> = None;
        attempts.run(|step| {
            if let (Step::Reauthorize, Some(used)) = (step, &used) {
                self.refresh(used, control)?;
            }
            let snapshot = used.insert(self.require(needs, control)?);
            let outcome = f(&Raw::new(&self.http, control, snapshot.auth()));
            outcome.map_err(|error| self.explain(error, needs, snapshot, step))
        })
    }

    fn attempts<'a>(&'a self, operation: Operation, control: &'a Control) -> RetryLoop<'a> {
        RetryLoop {
            operation,
            bucket: None,
            file_name: None,
            policy: &self.retry,
            clock: self.clock(),
            pauses: &self.pauses,
            control,
        }
    }

    /// Adds to a refusal what the key lacks and what it may do.
    ///
    /// A 401 to HEAD has no body and so no code: it means an old token, or a key that may not. Where
    /// the key's capabilities say the latter, or a new token was refused in the same way before, it is
    /// taken for that: one authorization for every file that may not be seen would be a storm.
    fn explain(
        &self,
        error: Error,
        needs: &Needs<'_>,
        snapshot: &AuthSnapshot,
        step: Step,
    ) -> Error {
        let allowed = &snapshot.auth().allowed;
        let (subject, service) = match error {
            Error::NotAllowed(refusal) => match *refusal {
                NotAllowed {
                    subject,
                    service: Some(service),
                    ..
                } => (subject, service),
                refusal => return Error::NotAllowed(Box::new(refusal)),
            },
            Error::Service(service)
                if service.status == 401 && service.code.as_str().is_empty() =>
            {
                let mut codeless = self.codeless.lock();
                if step == Step::Reauthorize {
                    *codeless = Some((snapshot.generation(), self.clock().elapsed()));
                }
                let is_known = codeless.is_some_and(|(generation, noted)| {
                    generation == snapshot.generation()
                        && self.clock().elapsed().saturating_sub(noted) < CODELESS_MEMORY
                });
                if !is_known && !needs.lacks(allowed) {
                    return Error::Service(service);
                }
                (Box::default(), service)
            }
            other => return other,
        };
        // What the caller wrote may have been another call than it said.
        let refusal = if service.operation == needs.operation() {
            needs.refusal(allowed, Some((subject, service)))
        } else {
            Needs::from(service.operation).refusal(allowed, Some((subject, service)))
        };
        Error::NotAllowed(Box::new(refusal))
    }
}

/// Logs that the store failed after the service had answered. Its failure must not fail the call: the
/// caller would repeat what was done already. A store that holds another account by now did not fail.
pub(crate) fn log_store_failure(what: &str, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome
        && !error.is_superseded()
    {
        tracing::warn!(
            what,
            error = &error as &(dyn std::error::Error + 'static),
            "the account-info store failed; this will be asked from the service again"
        );
    }
}
