//! Random operations, with the store opened again at random, against the in-memory store.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Scratch, auth};
use crate::account_info::memory::InMemoryAccountInfo;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::error::{Error, StoreError};
use crate::model::auth::{AccountAuth, AllowedBucket, Identity};
use crate::model::id::BucketId;
use crate::model::time::Timestamp;

#[derive(Debug, Clone)]
enum Step {
    Reopen,
    /// Minutes. Odd ages of URLs and even steps never meet at the end of a lifetime.
    Wait(u64),
    Save {
        account: u8,
        token: u8,
        allowed: Option<Vec<(u8, u8)>>,
    },
    SaveWithTicket {
        account: u8,
        token: u8,
    },
    Abandon,
    Begin {
        of_now: bool,
    },
    Clear,
    SaveBucket(u8, u8, u8),
    RemoveBucket(u8, u8),
    ReplaceBuckets(u8, Vec<(u8, u8)>),
    Put {
        account: u8,
        target: u8,
        age: u64,
    },
    Take(u8, u8),
    DropUrls(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (account, token, small) = (|| 0..2_u8, || 0..3_u8, || 0..3_u8);
    let buckets = || prop::collection::vec((0..3_u8, 0..3_u8), 0..4);
    let step = prop_oneof![
        1 => Just(Step::Reopen),
        1 => (0..400_u64).prop_map(|wait| Step::Wait(2 * wait)),
        3 => (account(), token(), prop::option::of(buckets()))
            .prop_map(|(account, token, allowed)| Step::Save { account, token, allowed }),
        2 => (account(), token())
            .prop_map(|(account, token)| Step::SaveWithTicket { account, token }),
        1 => Just(Step::Abandon),
        3 => any::<bool>().prop_map(|of_now| Step::Begin { of_now }),
        1 => Just(Step::Clear),
        3 => (account(), small(), small()).prop_map(|(a, n, i)| Step::SaveBucket(a, n, i)),
        1 => (account(), small()).prop_map(|(a, i)| Step::RemoveBucket(a, i)),
        1 => (account(), buckets()).prop_map(|(a, b)| Step::ReplaceBuckets(a, b)),
        4 => (account(), small(), 0..12_u64)
            .prop_map(|(account, target, age)| Step::Put { account, target, age: age * 120 + 1 }),
        3 => (account(), small()).prop_map(|(a, t)| Step::Take(a, t)),
        1 => (account(), small()).prop_map(|(a, t)| Step::DropUrls(a, t)),
    ];
    prop::collection::vec(step, 1..60)
}

/// What a call came to, in a form that two stores can be compared by.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused,
    Done,
    Auth(Arc<AuthSnapshot>),
    Url(Option<UploadUrl>),
    Lease(Option<Identity>),
    Busy,
}

/// A store and the tickets that it gave out.
struct Run<S> {
    store: S,
    tickets: Vec<RefreshTicket>,
}

impl<S: AccountInfo> Run<S> {
    fn step(&mut self, step: &Step, now: Timestamp) -> Outcome {
        match step.clone() {
            Step::Reopen | Step::Wait(_) => Outcome::Done,
            Step::Save {
                account,
                token,
                allowed,
            } => saved(
                self.store
                    .save_auth(authorization(account, token, allowed), None),
            ),
            Step::SaveWithTicket { account, token } => match self.tickets.pop() {
                None => Outcome::Done,
                ticket => saved(
                    self.store
                        .save_auth(authorization(account, token, None), ticket),
                ),
            },
            Step::Abandon => match self.tickets.pop() {
                None => Outcome::Done,
                Some(ticket) => done(self.store.abandon_refresh(ticket)),
            },
            Step::Begin { of_now } => self.begin(of_now),
            Step::Clear => done(self.store.clear()),
            Step::SaveBucket(account, name, id) => done(self.store.save_bucket(
                &owner(account),
                &name_of(name),
                &id_of(id),
            )),
            Step::RemoveBucket(account, id) => {
                done(self.store.remove_bucket(&owner(account), &id_of(id)))
            }
            Step::ReplaceBuckets(account, buckets) => {
                let buckets: Vec<_> = buckets
                    .into_iter()
                    .map(|(name, id)| (name_of(name), id_of(id)))
                    .collect();
                done(self.store.replace_buckets(&owner(account), &buckets))
            }
            Step::Put {
                account,
                target,
                age,
            } => {
                let received = now.earlier(Duration::from_secs(age * 60));
                let url = UploadUrl {
                    url: format!("{age}"),
                    token: "t".into(),
                    received,
                };
                done(
                    self.store
                        .put_upload_url(&owner(account), &target_of(target), url),
                )
            }
            Step::Take(account, target) => match self
                .store
                .take_upload_url(&owner(account), &target_of(target))
            {
                Ok(url) => Outcome::Url(url),
                Err(error) => refused(error),
            },
            Step::DropUrls(account, target) => done(
                self.store
                    .drop_upload_urls(&owner(account), &target_of(target)),
            ),
        }
    }

    fn begin(&mut self, of_now: bool) -> Outcome {
        let stale: Option<Generation> = match of_now {
            true => self
                .store
                .auth()
                .unwrap()
                .map(|snapshot| snapshot.generation()),
            false => None,
        };
        match self
            .store
            .begin_refresh(stale, Duration::from_secs(90))
            .unwrap()
        {
            Refresh::Busy => Outcome::Busy,
            Refresh::Newer(snapshot) => Outcome::Auth(snapshot),
            Refresh::Lease(ticket) => {
                let identity = ticket.identity().cloned();
                self.tickets.push(ticket);
                Outcome::Lease(identity)
            }
        }
    }

    fn visible(&self) -> Visible {
        let buckets = |account| self.store.buckets(&owner(account)).ok();
        let name = |id| self.store.bucket_name(&owner(0), &id_of(id)).ok();
        let id = |name| self.store.bucket_id(&owner(1), &name_of(name)).ok();
        Visible {
            auth: self.store.auth().unwrap(),
            buckets: [0, 1].map(buckets),
            names: [0, 1, 2].map(name),
            ids: [0, 1, 2].map(id),
        }
    }
}

/// Everything that can be asked without changing anything; `None` where it was refused.
#[derive(Debug, PartialEq)]
#[expect(clippy::option_option, reason = "refused is not the same as unknown")]
struct Visible {
    auth: Option<Arc<AuthSnapshot>>,
    buckets: [Option<Vec<(String, BucketId)>>; 2],
    names: [Option<Option<String>>; 3],
    ids: [Option<Option<BucketId>>; 3],
}

fn saved(result: Result<Arc<AuthSnapshot>, StoreError>) -> Outcome {
    match result {
        Ok(snapshot) => Outcome::Auth(snapshot),
        Err(error) => refused(error),
    }
}

fn done(result: Result<(), StoreError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => refused(error),
    }
}

fn refused(error: StoreError) -> Outcome {
    match Error::from(error) {
        Error::AccountChanged => Outcome::Refused,
        other => panic!("{other:?}"),
    }
}

fn account_of(account: u8) -> &'static str {
    ["ada", "bob"][usize::from(account)]
}

fn owner(account: u8) -> Identity {
    auth(account_of(account), "1").identity()
}

fn name_of(name: u8) -> String {
    format!("name-{name}")
}

fn id_of(id: u8) -> BucketId {
    id.to_string().into()
}

fn target_of(target: u8) -> UploadTarget {
    match target {
        2 => UploadTarget::LargeFile("0".into()),
        id => UploadTarget::Bucket(id_of(id)),
    }
}

fn authorization(account: u8, token: u8, allowed: Option<Vec<(u8, u8)>>) -> AccountAuth {
    let mut auth = auth(account_of(account), &token.to_string());
    auth.allowed.buckets = allowed.map(|buckets| {
        let bucket = |(name, id)| AllowedBucket {
            id: id_of(id),
            name: (name > 0).then(|| name_of(name)),
        };
        buckets.into_iter().map(bucket).collect()
    });
    auth
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_one_in_memory_does(steps in steps()) {
        let scratch = Scratch::new();
        let model = InMemoryAccountInfo::with_clock(scratch.clock.clone());
        let mut model = Run { store: model, tickets: Vec::new() };
        let mut tested = Run { store: scratch.open(), tickets: Vec::new() };
        for step in &steps {
            match step {
                Step::Reopen => tested.store = scratch.open(),
                Step::Wait(minutes) => scratch.clock.advance(Duration::from_secs(minutes * 60)),
                _ => {}
            }
            let now = Timestamp::from(scratch.clock.now());
            prop_assert_eq!(model.step(step, now), tested.step(step, now), "{:?}", step);
            prop_assert_eq!(model.visible(), tested.visible(), "after {:?}", step);
        }
    }
}
