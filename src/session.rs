//! The layer that knows the token: every call to the service goes through [`Session::call`], and
//! every upload through `with_upload_url`. Both run in the one retry loop of `retry`.
//!
//! A call, when all goes well, is one request. Otherwise:
//!
//! 1. the store's authorization is read; none: `NotAuthorized`; another identity than the call is
//!    for: `AccountChanged`, and nothing is sent, unless the provider named that key as the successor
//!    (`credentials`);
//! 2. the request is sent; `advice` says what a failure calls for;
//! 3. a token that no longer works is replaced once (`reauth`), and the request sent again.

mod advice;
pub(crate) mod credentials;
pub(crate) mod files;
pub(crate) mod paging;
pub(crate) mod reauth;
pub(crate) mod retry;
pub(crate) mod upload_url;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::account_info::{AccountInfo, AuthSnapshot, Generation};
use crate::control::Control;
use crate::control::clock::Clock;
use crate::error::{Error, NotAllowed, Result, ServiceError, StoreError};
use crate::http::Http;
use crate::model::auth::{Capability, Identity};
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::session::credentials::{Credentials, Provided};
use crate::session::reauth::SingleFlight;
use crate::session::retry::{Loop, Pauses, RetryPolicy, Step};

/// How long a refusal without a code is remembered: the token may have become too old since.
const CODELESS_MEMORY: Duration = Duration::from_secs(3600);

/// An account's connection to the service.
#[derive(Debug)]
pub(crate) struct Session {
    info: Box<dyn AccountInfo>,
    http: Http,
    retry: RetryPolicy,
    pauses: Pauses,
    /// Whom this session authorized itself; it serves nobody else from then on.
    pinned: Mutex<Option<Identity>>,
    flight: SingleFlight<Generation>,
    authorizing: SingleFlight<Credentials>,
    /// Where the key comes from, if not from the caller's hand.
    provided: Provided,
    adopting: SingleFlight<Generation>,
    /// The authorization under which a refusal without a code came although it was new: such
    /// refusals are no reason to ask for yet another one.
    codeless: Mutex<Option<(Generation, Duration)>>,
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
            authorizing: SingleFlight::default(),
            provided: Provided::default(),
            adopting: SingleFlight::default(),
            codeless: Mutex::default(),
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
        self.pinned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The authorization that this call runs under, if its key may make such a call at all: one whose
    /// capabilities are known to lack the needed one would be refused for certain.
    pub(crate) fn require(
        &self,
        operation: Operation,
        subject: &str,
        control: &Control,
    ) -> Result<Arc<AuthSnapshot>> {
        let snapshot = self.current(control)?;
        let allowed = &snapshot.auth().allowed;
        let needed = operation.capability().map(Capability::from);
        // What an older program stored may name none; no key has none.
        let lacks = needed.is_some_and(|needed| !allowed.has(&needed));
        if lacks && !allowed.capabilities.is_empty() {
            return Err(Error::NotAllowed(Box::new(NotAllowed {
                operation,
                subject: subject.into(),
                needed: None,
                allowed: Some(Box::new(allowed.clone())),
                service: None,
            })));
        }
        Ok(snapshot)
    }

    /// The same for a call that needs another capability than its operation's own, because of what it
    /// asks for.
    pub(crate) fn require_capability(
        &self,
        control: &Control,
        operation: Operation,
        subject: &str,
        needed: Capability,
    ) -> Result<()> {
        let snapshot = self.current(control)?;
        let allowed = &snapshot.auth().allowed;
        if allowed.has(&needed) || allowed.capabilities.is_empty() {
            return Ok(());
        }
        Err(Error::NotAllowed(Box::new(NotAllowed {
            operation,
            subject: subject.into(),
            needed: Some(needed),
            allowed: Some(Box::new(allowed.clone())),
            service: None,
        })))
    }

    /// Calls the service, as often as it takes and makes sense.
    pub(crate) fn call<T>(
        &self,
        operation: Operation,
        control: &Control,
        f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        self.call_in(self.attempts(operation, control), f)
    }

    /// Calls the service with what the caller wrote. An upload's URL is the caller's, who alone can get
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
        self.call_in(attempts, f)
    }

    fn call_in<T>(
        &self,
        attempts: Loop<'_>,
        mut f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let control = attempts.control;
        let mut used: Option<Arc<AuthSnapshot>> = None;
        attempts.run(|step| {
            if let (Step::Reauthorize, Some(used)) = (step, &used) {
                self.refresh(used, control)?;
            }
            let snapshot = used.insert(self.current(control)?);
            let outcome = f(&Raw::new(&self.http, control, snapshot.auth()));
            outcome.map_err(|error| self.explain(error, snapshot, step))
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

    /// Adds to a refusal what the key may do.
    ///
    /// A 401 to HEAD has no body and so no code: it means an old token, or a key that may not. Where
    /// the key's own limits say the latter, or a new token was refused in the same way before, it is
    /// taken for that: one authorization for every file that may not be seen would be a storm.
    fn explain(&self, error: Error, snapshot: &AuthSnapshot, step: Step) -> Error {
        let allowed = || Some(Box::new(snapshot.auth().allowed.clone()));
        match error {
            Error::NotAllowed(refusal) => Error::NotAllowed(Box::new(NotAllowed {
                allowed: allowed(),
                ..*refusal
            })),
            Error::Service(service)
                if service.status == 401 && service.code.as_str().is_empty() =>
            {
                let mut codeless = self.codeless.lock().unwrap_or_else(PoisonError::into_inner);
                if step == Step::Reauthorize {
                    *codeless = Some((snapshot.generation(), self.clock().elapsed()));
                }
                let is_known = codeless.is_some_and(|(generation, noted)| {
                    generation == snapshot.generation()
                        && self.clock().elapsed().saturating_sub(noted) < CODELESS_MEMORY
                });
                if is_known || lacks_capability(&service, snapshot) {
                    let (operation, subject) = (service.operation, Box::default());
                    let refusal = NotAllowed {
                        operation,
                        subject,
                        needed: None,
                        allowed: allowed(),
                        service: Some(service),
                    };
                    return Error::NotAllowed(Box::new(refusal));
                }
                Error::Service(service)
            }
            other => other,
        }
    }
}

fn lacks_capability(service: &ServiceError, snapshot: &AuthSnapshot) -> bool {
    let needed = service.operation.capability().map(Capability::from);
    needed.is_some_and(|needed| !snapshot.auth().allowed.has(&needed))
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
