//! The upload URLs that stay in memory in front of a store.

use crate::account_info::url_pools::{Found, LOOKS, Pool, Step, UrlPools};
use crate::account_info::{UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::model::auth::Identity;
use crate::model::secret::UploadToken;
use crate::model::time::Timestamp;

fn url() -> UploadUrl {
    UploadUrl {
        url: "https://example.org/u".to_owned(),
        token: UploadToken::from("token"),
        received: Timestamp::from(Clock::default().now()),
    }
}

fn step(pool: &mut Pool, arrived: u64) -> Step {
    pool.step(arrived, url().received)
}

#[test]
fn a_url_that_is_returned_while_somebody_looks_for_one_stays_for_them() {
    let pools = UrlPools::new(&Clock::manual(), 10);
    let owner = Identity::new("account", "key", "production");
    let target = UploadTarget::Bucket("bucket".into());
    let find = || pools.find(&owner, &target);
    let (Found::Unknown(look), Found::Unknown(other)) = (find(), find()) else {
        panic!("nobody knows what is in the store");
    };
    assert!(pools.put(&owner, &target, url()).is_none());
    assert!(other.end(&Ok(None)).is_some());
    assert!(pools.put(&owner, &target, url()).is_none());
    assert!(matches!(find(), Found::Url(_)));
    assert!(look.end(&Ok(None)).is_none());
    // Nobody looks for one: the store gets them, for other processes.
    let mut returned = pools.put(&owner, &target, url()).unwrap();
    assert_eq!(returned.urls().count(), 1);
}

#[test]
fn no_more_than_a_few_urls_go_to_the_store_at_a_time() {
    let pools = UrlPools::new(&Clock::manual(), 100);
    let owner = Identity::new("account", "key", "production");
    let target = UploadTarget::Bucket("bucket".into());
    pools.with(&owner, &target, |pool| {
        pool.urls.extend((0..40).map(|_| url()));
    });
    for stored in [16, 16, 11, 1] {
        let mut returned = pools.put(&owner, &target, url()).unwrap();
        assert_eq!(returned.urls().count(), stored);
    }
}

#[test]
fn an_empty_store_is_the_answer_to_all_who_came_before_the_look() {
    let mut pool = Pool::default();
    let looks: Vec<_> = (0..LOOKS).map(|_| step(&mut pool, 0)).collect();
    assert!(looks.iter().all(|step| matches!(step, Step::Look(_))));
    assert!(matches!(step(&mut pool, 0), Step::Wait), "enough look");
    // What the first look did not see may have been put there before this thread came.
    (pool.empty, pool.looking) = (1, LOOKS - 1);
    assert!(matches!(step(&mut pool, 0), Step::GiveUp));
    assert!(matches!(step(&mut pool, 1), Step::Look(17)));
    pool.urls.push(url());
    assert!(matches!(step(&mut pool, 0), Step::Take(_)));
}

#[test]
fn nobody_looks_into_the_store_while_a_url_is_on_its_way_there() {
    let pools = UrlPools::new(&Clock::manual(), 10);
    let owner = Identity::new("account", "key", "production");
    let target = UploadTarget::Bucket("bucket".into());
    let returned = pools.put(&owner, &target, url()).unwrap();
    pools.with(&owner, &target, |pool| {
        assert!(matches!(step(pool, pool.looks), Step::Wait));
    });
    drop(returned);
    assert!(matches!(pools.find(&owner, &target), Found::Unknown(_)));
}

#[test]
fn a_logout_drops_the_urls_and_leaves_those_who_look_alone() {
    let pools = UrlPools::new(&Clock::manual(), 10);
    let owner = Identity::new("account", "key", "production");
    let target = UploadTarget::Bucket("bucket".into());
    let found = pools.find(&owner, &target);
    assert!(pools.put(&owner, &target, url()).is_none());
    pools.keep_only(None);
    let Found::Unknown(look) = found else {
        panic!("nobody knows what is in the store");
    };
    assert!(look.end(&Ok(None)).is_none());
    pools.drop_target(&owner, &target);
    assert!(
        pools
            .lock()
            .get(&owner)
            .is_none_or(|pools| pools.is_empty())
    );
}
