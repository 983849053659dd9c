//! Listings that request the next page while the caller takes the entries of one.

use b2sdk::delete::DeleteManyOptions;
use b2sdk::listing::Filter;
use b2sdk::simulator::Fault;
use b2sdk::{CancelToken, Error, LsOptions, Operation, Versions};
use proptest::prelude::{Just, ProptestConfig, any, prop_assert_eq, prop_oneof, proptest};

use super::{NAMES, names, world};
use crate::support::{World, in_time};

fn ahead(page_size: u32) -> LsOptions {
    let options = LsOptions::new().recursive(true).read_ahead(true);
    options.page_size(page_size)
}

fn pages(world: &World) -> usize {
    world.count(Operation::ListFileNames)
}

/// Waits until so many pages were requested and answered.
fn wait_for_pages(world: &World, count: usize) {
    in_time(|| {
        while pages(world) < count {
            std::thread::yield_now();
        }
    });
}

#[test]
fn one_page_is_requested_ahead_and_no_more() {
    let world = world();
    let mut listing = world.bucket.ls_with("", &ahead(2)).unwrap();
    assert_eq!(world.total(), 0, "nothing is asked before the first entry");
    for (taken, requested) in [(1, 2), (2, 2), (3, 3), (4, 3)] {
        listing.next().unwrap().unwrap();
        wait_for_pages(&world, requested);
        assert_eq!(pages(&world), requested, "after {taken} entries");
    }
    drop(listing);
    assert_eq!(pages(&world), 3, "8 files in pages of 2");
}

#[test]
fn a_listing_that_is_read_to_its_end_costs_the_requests_that_it_costs_without() {
    let world = world();
    for size in [1, 3, 8, 1000] {
        world.service.log().clear();
        let plain = names(&world, "", &ahead(size).read_ahead(false));
        let requests = world.total();
        assert_eq!(names(&world, "", &ahead(size)), plain);
        assert_eq!(world.total(), 2 * requests, "pages of {size}");
    }
}

#[test]
fn a_listing_that_has_ended_keeps_its_connection_for_the_next_one() {
    let world = world();
    for _ in 0..3 {
        assert_eq!(names(&world, "", &ahead(3)).len(), NAMES.len());
    }
    let mut connections: Vec<_> = world
        .service
        .log()
        .entries()
        .iter()
        .filter(|entry| entry.operation == Some(Operation::ListFileNames))
        .map(|entry| entry.connection)
        .collect();
    connections.dedup();
    assert_eq!(connections.len(), 1);
}

#[test]
fn pages_without_an_entry_that_passes_are_requested_only_when_they_are_wanted() {
    let world = world();
    let only = ahead(2).filters([Filter::include(NAMES[0])]);
    let mut listing = world.bucket.ls_with("", &only).unwrap();
    assert_eq!(listing.next().unwrap().unwrap().version.file_name, NAMES[0]);
    wait_for_pages(&world, 2);
    drop(listing);
    assert_eq!(pages(&world), 2);
    assert_eq!(names(&world, "", &only), [NAMES[0]]);
}

#[test]
fn the_entries_before_a_page_that_fails_come_before_its_error() {
    let world = world();
    let refusal = Fault::on(Operation::ListFileNames).after(1);
    world.inject(refusal.status(400, "bad_request", "").always());
    let mut listing = world.bucket.ls_with("", &ahead(3)).unwrap();
    let entries: Vec<_> = listing.by_ref().collect();
    assert_eq!(entries.len(), 4);
    assert!(entries[..3].iter().all(Result::is_ok) && entries[3].is_err());
    assert!(listing.next().is_none());
    assert_eq!(pages(&world), 2, "nothing follows the error");
}

#[test]
fn a_listing_that_is_dropped_ends_the_request_that_is_under_way() {
    let world = world();
    world.inject(Fault::on(Operation::ListFileNames).after(1).stall());
    let mut listing = world.bucket.ls_with("", &ahead(2)).unwrap();
    listing.next().unwrap().unwrap();
    in_time(|| {
        while world.service.faults().remaining() > 0 {
            std::thread::yield_now();
        }
        drop(listing);
    });
    assert_eq!(pages(&world), 2, "nothing is requested a second time");
    assert_eq!(names(&world, "", &ahead(2)).len(), NAMES.len());
}

#[test]
fn cancelling_ends_a_listing_that_waits_for_a_page() {
    let world = world();
    world.inject(Fault::on(Operation::ListFileNames).after(1).stall());
    let token = CancelToken::new();
    let options = ahead(2).cancel(&token);
    let mut listing = world.bucket.ls_with("", &options).unwrap();
    listing.next().unwrap().unwrap();
    listing.next().unwrap().unwrap();
    let last = in_time(|| {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| listing.next());
            while world.service.faults().remaining() > 0 {
                std::thread::yield_now();
            }
            token.cancel();
            waiting.join().unwrap()
        })
    });
    assert!(matches!(last, Some(Err(Error::Cancelled))), "{last:?}");
    assert!(listing.next().is_none());
}

#[test]
fn what_is_listed_ahead_can_be_deleted() {
    let world = world();
    let options = DeleteManyOptions::new();
    let deleted = world.bucket.delete_many("", &ahead(2), &options).unwrap();
    assert_eq!(deleted.map(Result::unwrap).count(), NAMES.len());
    assert_eq!(names(&world, "", &ahead(2)), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_entries_are_those_of_a_listing_on_demand(
        size in 1..9_u32,
        folder in prop_oneof![Just(""), Just("photos"), Just("z/y"), Just("nowhere")],
        is_recursive in any::<bool>(),
        shows_all in any::<bool>(),
        excluded in prop_oneof![Just(None), Just(Some("*a.*")), Just(Some("photos/*")), Just(Some("*"))],
    ) {
        thread_local! {
            static WORLD: World = world();
        }
        WORLD.with(|world| {
            let mut options = ahead(size).recursive(is_recursive);
            if shows_all {
                options = options.versions(Versions::All);
            }
            let options = options.filters(excluded.map(Filter::exclude));
            let on_demand = names(world, folder, &options.clone().read_ahead(false));
            prop_assert_eq!(names(world, folder, &options), on_demand);
            Ok(())
        })?;
    }
}
