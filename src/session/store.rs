//! The account-info store as a session uses it. Where the service can supply what the store cannot,
//! the session continues without the store; `store_policy` says for each kind of call and failure
//! what happens.
//!
//! A token that the store did not accept is kept in this process. From then on each reading of the
//! authorization decides:
//!
//! 1. If the store still holds what the token replaced, or nothing although nobody logged out, the
//!    kept token counts. It is offered to the store again, at most every 10 seconds.
//! 2. If the store holds something else, or somebody logged out, that counts, and the kept token is
//!    dropped.
//!
//! The first failure of each kind of call is logged with its reason, and so is the first success
//! after it. Failures in between are silent, because a store that is down would fill the log.
//!
//! This type implements [`AccountInfo`] around the owner's store, so the rest of the session does
//! not know which of the two answers.
//!
//! What a session may do without its store, and for how long:
//!
//! | the store is away while | the session | until |
//! | --- | --- | --- |
//! | a call begins | uses the authorization that was read last | an hour has passed since it was read |
//! | a token expires | asks for the lease once more after a pause, then authorizes without one, and keeps the token | the store takes it |
//! | a process starts, and has credentials | authorizes and keeps the token | the store takes it |
//! | a process starts, and has none | fails with the store's error | the store answers |
//! | somebody wants to log out | fails with the store's error | the store answers |
//! | a bucket's name is looked up | asks the service, each time | the store answers |
//! | an upload needs a URL | asks the service, each time | the store answers |
//!
//! The price of an absent store is requests to the service. A logout, or a login to another
//! account, is noticed when the store answers again.
//!
//! A process that is killed loses its kept token; the next one finds in the store what the token
//! would have replaced, and replaces that itself.

mod kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use self::kept::{KeptToken, Replaced};

use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;
use crate::session::store_policy::{StoreCall, StoreFailure, Survival, survive};

/// How long the authorization that was read last is used while the store cannot be read. For so
/// long a logout, or a login to another account, goes unnoticed.
const GRACE: Duration = Duration::from_secs(3600);
/// The least time between two attempts to store a kept token.
const OFFER_PAUSE: Duration = Duration::from_secs(10);
/// The number of the ticket under which this process authorizes while the store gives out no
/// leases.
const NO_LEASE: u64 = 0;

/// The owner's store, and what is remembered for the time when it fails.
///
/// Any thread may call it. The lock of `kept` may be held while the owner's store is called, so
/// that two threads do not offer the token at the same time; the lock of `last` never is.
#[derive(Debug)]
pub(crate) struct Store {
    /// The owner's store.
    info: Box<dyn AccountInfo>,
    /// By which `GRACE` and `OFFER_PAUSE` are measured.
    clock: Clock,
    /// The authorization that was read last, and when.
    last: Mutex<Option<(Arc<AuthSnapshot>, Duration)>>,
    /// Whether there is a kept token. It spares every reading of the authorization a lock.
    keeps: AtomicBool,
    /// The token that the store did not accept, if there is one.
    kept: Mutex<Option<KeptToken>>,
    /// The kinds of calls that fail at present, one bit for each [`StoreCall`].
    failing: AtomicU32,
}

/// What became of asking the store for the lease to authorize.
#[derive(Debug)]
pub(super) enum LeaseAnswer {
    /// The store answered.
    Given(Refresh),
    /// The store is away or too busy, and may answer in a moment. The ticket is for authorizing
    /// without a lease.
    Away(RefreshTicket),
    /// The store is broken, and asking it again does not help. The ticket is for authorizing without a
    /// lease.
    Broken(RefreshTicket),
}

impl Store {
    /// Wraps a store. It is not asked for anything yet.
    pub(crate) fn new(info: Box<dyn AccountInfo>, clock: &Clock) -> Self {
        Self {
            info,
            clock: clock.clone(),
            last: Mutex::default(),
            keeps: AtomicBool::new(false),
            kept: Mutex::default(),
            failing: AtomicU32::new(0),
        }
    }

    /// The store itself, without this policy, for its owner.
    pub(crate) fn account_info(&self) -> &dyn AccountInfo {
        &*self.info
    }

    /// Applies the policy to the outcome of a call: `Ok(Ok(..))` is a success, `Ok(Err(..))` a
    /// failure that is survived in this way, `Err(..)` one that fails the call. Logs where the
    /// calls of this kind begin or cease to fail.
    ///
    /// The error of a survived failure is dropped here, so a caller that may need it after all has
    /// to keep a copy.
    fn judge<T>(
        &self,
        call: StoreCall,
        outcome: Result<T, StoreError>,
    ) -> Result<Result<T, Survival>, StoreError> {
        let bit = 1 << call as u32;
        let error = match outcome {
            Ok(value) => {
                if self.failing.load(Ordering::Relaxed) & bit != 0 {
                    self.failing.fetch_and(!bit, Ordering::Relaxed);
                    tracing::info!(?call, "the account-info store works again");
                }
                return Ok(Ok(value));
            }
            Err(error) => error,
        };
        let failure = StoreFailure::of(&error);
        let survival = survive(call, failure);
        if survival == Survival::Fail {
            return Err(error);
        }
        // The store works; it merely has another owner.
        if failure == StoreFailure::Superseded {
            return Ok(Err(survival));
        }
        let is_new = self.failing.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if is_new {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(
                ?call,
                ?survival,
                %error,
                reason = reason.as_deref(),
                "the account-info store failed; this process goes on without it"
            );
        }
        Ok(Err(survival))
    }

    /// Returns the outcome of a call, or `otherwise` if its failure is survived.
    ///
    /// Fails only with failures that the policy passes on.
    fn survive<T>(
        &self,
        call: StoreCall,
        outcome: Result<T, StoreError>,
        otherwise: T,
    ) -> Result<T, StoreError> {
        Ok(self.judge(call, outcome)?.unwrap_or(otherwise))
    }

    /// Survives a failure of the store for data that belongs to an identity. A store that did not
    /// accept this identity's token, or has lost it, refuses the identity; that is no reason to
    /// fail.
    fn survive_of<T>(
        &self,
        call: StoreCall,
        owner: &Identity,
        outcome: Result<T, StoreError>,
        otherwise: T,
    ) -> Result<T, StoreError> {
        match outcome {
            Err(error) if error.is_superseded() && self.is_only_lost(owner) => Ok(otherwise),
            outcome => self.survive(call, outcome, otherwise),
        }
    }

    /// Whether the store merely lacks this identity's token: nobody else has taken its place, and
    /// nobody has logged out.
    ///
    /// It asks the store, so it is called only after the store has refused. If the store cannot
    /// say, the refusal stands.
    fn is_only_lost(&self, owner: &Identity) -> bool {
        let is_kept = |kept: Arc<AuthSnapshot>| kept.identity() == owner;
        self.kept_snapshot().is_some_and(is_kept)
            || match self.info.auth() {
                Ok(Some(stored)) => stored.identity() == owner,
                Ok(None) => matches!(self.info.is_logged_out(), Ok(false)),
                Err(_) => false,
            }
    }

    /// Asks for the lease. The caller may hold the kept token, of which the store knows nothing. The
    /// store is then asked by the generation of what the token replaced.
    ///
    /// If the store fails, the answer says whether it may be asked again, and has a ticket without a
    /// lease. `renew_lease` and `abandon_refresh` with that ticket find no lease of its number in the
    /// store.
    pub(super) fn ask_for_lease(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<LeaseAnswer, StoreError> {
        let kept = self.kept.lock();
        let stored = match &*kept {
            Some(KeptToken {
                snapshot,
                replaces: Replaced::Known(generation),
                ..
            }) if Some(snapshot.generation()) == stale => *generation,
            _ => stale,
        };
        drop(kept);
        let outcome = self.info.begin_refresh(stored, lease);
        let is_away = outcome.as_ref().is_err_and(StoreError::is_unavailable);
        if let Ok(refresh) = self.judge(StoreCall::BeginRefresh, outcome)? {
            if let Refresh::Newer(newer) = &refresh {
                self.note_read(Some(newer));
            }
            return Ok(LeaseAnswer::Given(refresh));
        }
        let known = self.kept_snapshot().or_else(|| self.last_snapshot());
        if stale.is_none()
            && let Some(known) = &known
            && self.info.is_logged_out().is_err()
        {
            // The store was empty and went away before it gave a lease. A memory in front of it may still
            // answer for what it holds, but not for whether somebody logged out. What was read before serves
            // until the store answers, or each process of a fleet would authorize by itself.
            return Ok(LeaseAnswer::Given(Refresh::Newer(Arc::clone(known))));
        }
        let identity = known.map(|snapshot| snapshot.identity().clone());
        let ticket = RefreshTicket::new(NO_LEASE, identity);
        Ok(if is_away {
            LeaseAnswer::Away(ticket)
        } else {
            LeaseAnswer::Broken(ticket)
        })
    }
}

impl AccountInfo for Store {
    /// In this order: what the store holds, merged with a kept token; if the store is away, the
    /// kept token, or what was read last within the hour; otherwise the store's error.
    ///
    /// A store that holds nothing although something was read before is asked whether somebody
    /// logged out. If it was emptied instead, what was read last is kept for the time when it is
    /// away, and the session authorizes again (`reauth`).
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        let outcome = self.info.auth();
        // The error is returned after all if there is nothing to continue with.
        let failure = outcome.as_ref().err().cloned();
        match (self.judge(StoreCall::Auth, outcome)?, failure) {
            (Ok(stored), _) => {
                if stored.is_none()
                    && let Some(last) = self.last_snapshot()
                {
                    match self.info.is_logged_out() {
                        // It went away just now, and may have been logged out of or not.
                        Err(error) if error.is_unavailable() => {
                            return Ok(Some(self.kept_snapshot().unwrap_or(last)));
                        }
                        // What was lost still serves while the store is away.
                        Ok(false) => {}
                        _ => self.note_read(None),
                    }
                } else {
                    self.note_read(stored.as_ref());
                }
                self.merge(stored)
            }
            (Err(_), failure) => match self.kept_snapshot().or_else(|| self.last_snapshot()) {
                Some(snapshot) => Ok(Some(snapshot)),
                None => failure.map_or(Ok(None), Err),
            },
        }
    }

    /// Fails if the store cannot say: a logout must not be overlooked.
    fn is_logged_out(&self) -> Result<bool, StoreError> {
        let outcome = self.info.is_logged_out();
        self.survive(StoreCall::IsLoggedOut, outcome, true)
    }

    /// As `ask_for_lease`. Who is not answered gets a ticket without a lease.
    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        Ok(match self.ask_for_lease(stale, lease)? {
            LeaseAnswer::Given(refresh) => refresh,
            LeaseAnswer::Away(ticket) | LeaseAnswer::Broken(ticket) => Refresh::Lease(ticket),
        })
    }

    /// As the owner's store says. The hour for which a store may be away is not part of it.
    fn max_staleness(&self) -> Duration {
        self.info.max_staleness()
    }

    /// As the owner's store says.
    fn pool_size(&self) -> usize {
        self.info.pool_size()
    }

    /// A lease that could not be renewed lapses; another process may then authorize as well, which
    /// does no harm.
    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let outcome = self.info.renew_lease(ticket, lease);
        self.survive(StoreCall::RenewLease, outcome, ())
    }

    /// Never fails because the store is away or broken: the token is then kept. It fails with
    /// `superseded` if somebody else has logged in since the ticket was drawn.
    ///
    /// A store that still holds what a kept token replaces refuses the ticket, which names the kept
    /// token's identity. That is recognized, and the token is stored without a ticket.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let outcome = match self.info.save_auth(auth.clone(), ticket) {
            Err(error) if error.is_superseded() && self.is_behind_kept() => {
                self.info.save_auth(auth.clone(), None)
            }
            outcome => outcome,
        };
        Ok(match self.judge(StoreCall::SaveAuth, outcome)? {
            Ok(saved) => {
                self.forget_kept(&mut self.kept.lock());
                self.note_read(Some(&saved));
                saved
            }
            Err(_) => {
                let snapshot = Arc::new(AuthSnapshot::new(auth));
                self.keep(&snapshot);
                snapshot
            }
        })
    }

    /// A lease that could not be given up lapses after its 30 seconds.
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let outcome = self.info.abandon_refresh(ticket);
        self.survive(StoreCall::AbandonRefresh, outcome, ())
    }

    /// Fails with the store's error, because the caller must know that others are still logged in.
    /// The kept token goes with the next reading, which finds the logout.
    fn clear(&self) -> Result<(), StoreError> {
        let outcome = self.info.clear();
        self.survive(StoreCall::Clear, outcome, ())
    }

    /// `None` if the store does not know the bucket, or cannot say: the caller asks the service in
    /// both cases.
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        let outcome = self.info.bucket_id(owner, name);
        self.survive_of(StoreCall::ReadBuckets, owner, outcome, None)
    }

    /// As for `bucket_id`: the caller asks the service if there is no answer.
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        let outcome = self.info.bucket_name(owner, id);
        self.survive_of(StoreCall::ReadBuckets, owner, outcome, None)
    }

    /// An empty list if the store cannot say. A caller that needs all buckets asks the service.
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        let outcome = self.info.buckets(owner);
        self.survive_of(StoreCall::ReadBuckets, owner, outcome, Vec::new())
    }

    /// What is not stored is looked up again by the next process, at the price of one
    /// `b2_list_buckets` (class C).
    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        let outcome = self.info.save_bucket(owner, name, id);
        self.survive_of(StoreCall::WriteBuckets, owner, outcome, ())
    }

    /// A name that stays because the store is away leads to an id that the service refuses.
    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        let outcome = self.info.remove_bucket(owner, id);
        self.survive_of(StoreCall::WriteBuckets, owner, outcome, ())
    }

    /// As for `save_bucket`: what is not stored is looked up again.
    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        let outcome = self.info.replace_buckets(owner, buckets);
        self.survive_of(StoreCall::WriteBuckets, owner, outcome, ())
    }

    /// `None` if the pool is empty or the store is away. A store of another identity gives nothing
    /// either.
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        let outcome = self.info.take_upload_url(owner, target);
        self.survive_of(StoreCall::TakeUploadUrl, owner, outcome, None)
    }

    /// A URL that is not stored is lost, and another one is requested when it is needed.
    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        let outcome = self.info.put_upload_url(owner, target, url);
        self.survive_of(StoreCall::PutUploadUrl, owner, outcome, ())
    }

    /// URLs that stay because the store is away are refused by the service if their target is gone,
    /// and expire within a day.
    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        let outcome = self.info.drop_upload_urls(owner, target);
        self.survive_of(StoreCall::DropUploadUrls, owner, outcome, ())
    }
}
