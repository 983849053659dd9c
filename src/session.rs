//! The layer that knows the account's token, its upload URLs and its retry policy.
//!
//! The layers above ask for a call and get an answer or a final error; they see neither tokens nor
//! repeated requests. Every call to the service goes through [`Session::call`], and every upload
//! through `with_upload_url`. Both use the one retry loop in `retry`. So does
//! [`Session::call_as_is`], which runs code that a caller of the crate wrote against the endpoints.
//!
//! A call that succeeds at once costs one request. These are its steps:
//!
//! 1. The authorization is read from the store (`store`). If the store holds none, the call fails
//!    with `NotAuthorized`, unless the store lost it and this session has the credentials to
//!    authorize again (`reauth`). If the store holds another identity than the one that the call
//!    belongs to, the call fails with `AccountChanged` and nothing is sent, unless the credential
//!    provider named that key as the successor of the call's own (`credentials`).
//! 2. A key that certainly lacks what the call needs fails with `NotAllowed`, and nothing is sent
//!    (`capabilities`).
//! 3. The request is sent. If it fails, `advice` decides whether to stop, to repeat it after a
//!    pause, or to replace the token or the upload URL first. An answer that was lost is a failure
//!    like others, except that a request that must not take effect twice is then not repeated.
//! 4. A token that no longer works is replaced, once for each call as a rule, by one thread of one
//!    process (`reauth`); then the request is sent again.
//!
//! With a credential provider the token may be replaced twice in one call, because the key itself
//! may have been exchanged between two answers of the provider (`advice`).
//!
//! | what happens to a request | what the caller of the session sees |
//! | --- | --- |
//! | it is refused for good | the error, with the number of attempts and the time they took |
//! | it is refused for a passing reason, or the service is busy | the answer of a later attempt, after pauses |
//! | the connection breaks before all of it was sent | the answer of a later attempt |
//! | its answer is lost | the answer of a later attempt if the request may be repeated, otherwise the error |
//! | the store is away | nothing, for up to an hour: the authorization that was read last is used (`store`) |
//! | the process is killed | the next process finds the store as it was; a lease lapses after 30 seconds |

mod advice;
pub(crate) mod capabilities;
pub(crate) mod credentials;
pub(crate) mod listed_files;
pub(crate) mod paging;
pub(crate) mod reauth;
pub(crate) mod retry;
mod row_order;
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
use crate::session::capabilities::Requirements;
use crate::session::credentials::{Adoption, Credentials, ProviderState};
use crate::session::retry::{Pauses, RetryLoop, RetryPolicy, Step};
use crate::session::store::Store;

/// How long the session remembers that refusals without an error code do not come from the token.
/// After that time the token may have expired, so the next such refusal replaces it again.
const CODELESS_MEMORY: Duration = Duration::from_secs(3600);

/// An account's connection to the service: the store, the HTTP client and the retry policy.
///
/// A `B2Api`, its clones and its `Bucket`s share one session. All methods take `&self` and may be
/// called from any thread. No lock of this type is held while a request is sent or the store is
/// used, with one exception: a [`SingleFlight`] makes the threads that want the same thing wait for
/// the one that is doing it.
#[derive(Debug)]
pub(crate) struct Session {
    /// The owner's store, with what is remembered for the time when it fails.
    store: Store,
    /// Sends the requests, for all threads.
    http: Http,
    /// How often and for how long a call is repeated.
    retry: RetryPolicy,
    /// The pauses that the service asked for, by operation. They hold for all threads.
    pauses: Pauses,
    /// The identity that this session authorized itself. From then on the session serves no other
    /// identity, even if another process logs in to another account in the same store.
    pinned: Mutex<Option<Identity>>,
    /// Replaces expired tokens: one thread at a time, by the generation of the expired
    /// authorization.
    flight: SingleFlight<Generation>,
    /// Authorizes at the caller's request: one thread at a time for the same credentials.
    authorizing: SingleFlight<Credentials>,
    /// The credential provider, if the program gave one, and what is known of its keys.
    provided: ProviderState,
    /// The key that the caller passed to `authorize_account`, if there is no provider.
    by_hand: Mutex<Option<Credentials>>,
    /// The credentials that were refused when a lost authorization was to be restored, the time of
    /// that refusal, and the error. They are not sent again for a while (`reauth`).
    unrestorable: Mutex<Option<(Credentials, Duration, Error)>>,
    /// Asks the provider whether a key in the store is its own: one thread at a time, by
    /// generation.
    adopting: SingleFlight<Generation>,
    /// The authorization that was refused without an error code right after it was renewed, and
    /// when. The next refusals of this kind under it do not cause another authorization.
    codeless: Mutex<Option<(Generation, Duration)>>,
}

impl Session {
    /// Creates a session that uses this store. Neither the store nor the service is asked for
    /// anything.
    pub(crate) fn new(info: Box<dyn AccountInfo>, http: Http, retry: RetryPolicy) -> Self {
        Self {
            store: Store::new(info, http.clock()),
            http,
            retry,
            pauses: Pauses::default(),
            pinned: Mutex::default(),
            flight: SingleFlight::default(),
            authorizing: SingleFlight::default(),
            provided: ProviderState::default(),
            by_hand: Mutex::default(),
            unrestorable: Mutex::default(),
            adopting: SingleFlight::default(),
            codeless: Mutex::default(),
        }
    }

    /// The store as the session uses it: where the service can supply what the store cannot, the
    /// store's failures are survived (`store`).
    pub(crate) fn info(&self) -> &dyn AccountInfo {
        &self.store
    }

    /// The store as its owner passed it in. Its failures are reported as they are.
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

    /// Returns the authorization that a call runs under, without a request in the usual case.
    ///
    /// Fails with `NotAuthorized` if the store holds none and it cannot be restored, and with
    /// `AccountChanged` if it holds another identity than the one that the call is for, or than the
    /// one that this session authorized.
    pub(crate) fn current(&self, control: &Control) -> Result<Arc<AuthSnapshot>> {
        control.in_span(|| self.find_current(control))
    }

    /// Each further round means that the provider named a key that was new to this session, and
    /// that the store was given that key's authorization.
    fn find_current(&self, control: &Control) -> Result<Arc<AuthSnapshot>> {
        loop {
            let snapshot = match self.store.auth()? {
                Some(snapshot) => snapshot,
                None => self.restore(control)?,
            };
            match self.adoption(&snapshot, control)? {
                Adoption::Adopted => return Ok(snapshot),
                Adoption::Foreign => return Err(Error::AccountChanged),
                // Each time the provider named a key that was new to this session.
                Adoption::Replaced => {}
            }
        }
    }

    /// Whether this authorization may be used for a call: it is of the identity that the call is
    /// for and of the one that this session authorized, or of a successor.
    fn adoption(&self, snapshot: &AuthSnapshot, control: &Control) -> Result<Adoption> {
        let is_other = |identity: &&Identity| *identity != snapshot.identity();
        let wanted = control.owner.as_deref().filter(is_other);
        // Copied only where it is needed: every call comes here.
        let pinned = self.pinned.lock().as_ref().filter(is_other).cloned();
        for identity in wanted.into_iter().chain(&pinned) {
            match self.adopts(identity, snapshot, control)? {
                Adoption::Adopted => {}
                other => return Ok(other),
            }
        }
        Ok(Adoption::Adopted)
    }

    /// The identity that this session authorized, if it did.
    fn pinned(&self) -> Option<Identity> {
        self.pinned.lock().clone()
    }

    /// Returns the authorization that a call runs under, after checking that its key may make the
    /// call. What the service would certainly refuse fails here with `NotAllowed`, without a
    /// request.
    pub(crate) fn require(
        &self,
        needs: &Requirements<'_>,
        control: &Control,
    ) -> Result<Arc<AuthSnapshot>> {
        let snapshot = self.current(control)?;
        needs.check(&snapshot.auth().allowed)?;
        Ok(snapshot)
    }

    /// Calls the service, and repeats the request as the retry policy and `advice` say.
    ///
    /// `f` makes one attempt: it may run several times, each time with the token that is valid
    /// then, and must send at most one request each time. A key that certainly lacks what the call
    /// needs fails with `NotAllowed` before the first attempt.
    pub(crate) fn call<'n, T>(
        &self,
        needs: impl Into<Requirements<'n>>,
        control: &Control,
        f: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> Result<T> {
        let needs = needs.into();
        self.call_in(self.attempts(needs.operation(), control), &needs, f)
    }

    /// Calls the service with requests that the caller of the crate wrote.
    ///
    /// Nothing is refused on account of what the key lacks, because the closure may send something
    /// else than `operation` says. An upload is attempted once: its URL belongs to the caller, who
    /// alone can get another one and find out what became of the last upload.
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
        let needs = Requirements::from(operation).for_the_service();
        self.call_in(attempts, &needs, f)
    }

    /// Runs the attempts of one call, and replaces the token between them where `advice` says so.
    /// The authorization is read again for each attempt, because another thread may have replaced
    /// it.
    fn call_in<T>(
        &self,
        attempts: RetryLoop<'_>,
        needs: &Requirements<'_>,
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

    /// The retry loop for one call of this operation, under the session's policy.
    fn attempts<'a>(&'a self, operation: Operation, control: &'a Control) -> RetryLoop<'a> {
        RetryLoop {
            operation,
            bucket: None,
            file_name: None,
            policy: &self.retry,
            key_may_change: self.provided.is_set(),
            clock: self.clock(),
            pauses: &self.pauses,
            control,
            http: &self.http,
        }
    }

    /// Turns a refusal for lack of permission into `NotAllowed`, with what the key lacks and what
    /// it may do. Other errors stay as they are.
    ///
    /// A 401 to a HEAD request has no body and therefore no code. It means either that the token
    /// has expired or that the key lacks a permission. It is taken for a lack of permission if the
    /// key's capabilities say so, or if a new token was refused in the same way a short time ago.
    /// Otherwise each file that a key cannot see would cost one authorization.
    ///
    /// The refusal is described by the endpoint that sent it, which may be another one than the
    /// call's if a caller of the crate wrote the request.
    fn explain(
        &self,
        error: Error,
        needs: &Requirements<'_>,
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
            Requirements::from(service.operation).refusal(allowed, Some((subject, service)))
        };
        Error::NotAllowed(Box::new(refusal))
    }
}

/// Logs that the store failed after the service had answered. The call succeeds all the same,
/// because its caller would otherwise repeat what was already done. Nothing is logged if the store
/// holds another account by now: that is no failure.
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

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::log_store_failure;
    use crate::error::StoreError;

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl tracing::field::Visit for Log {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
            self.0.lock().push_str(&format!("{field}={value:?} "));
        }
    }

    impl tracing::Subscriber for Log {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_failure_of_the_store_is_logged_with_its_reason_and_an_overtaken_write_is_not() {
        let logged = |error: StoreError| {
            let log = Log::default();
            tracing::subscriber::with_default(log.clone(), || {
                log_store_failure("bucket name", Err(error));
            });
            log.0.lock().clone()
        };
        let told = logged(StoreError::from(std::io::Error::other("the disk is full")));
        assert!(told.contains("bucket name"), "{told}");
        assert!(told.contains("the disk is full"), "{told}");
        assert_eq!(logged(StoreError::superseded()), "");
    }
}
