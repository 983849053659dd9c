//! Listing: folders, versions, pages.

use b2sdk::simulator::Fault;
use b2sdk::{Error, FileAction, LsOptions, Operation, Versions};

use crate::support::World;

const NAMES: [&str; 8] = [
    "a.txt",
    "photos-old/1.jpg",
    "photos/2025/a.jpg",
    "photos/2025/b.jpg",
    "photos/2026/c.jpg",
    "photos/cover.jpg",
    "z/y/x.txt",
    "é.txt",
];

fn world() -> World {
    let world = World::new();
    for name in NAMES {
        world.bucket.upload_bytes(name.as_bytes(), name).unwrap();
    }
    world.service.log().clear();
    world
}

fn names(world: &World, folder: &str, options: &LsOptions) -> Vec<String> {
    world
        .bucket
        .ls_with(folder, options)
        .unwrap()
        .map(|entry| entry.unwrap().version.file_name)
        .collect()
}

#[test]
fn a_folder_shows_its_files_and_the_folders_in_it() {
    let world = world();
    let plain = LsOptions::new();
    assert_eq!(
        names(&world, "", &plain),
        ["a.txt", "photos-old/", "photos/", "z/", "é.txt"]
    );
    assert_eq!(
        names(&world, "photos", &plain),
        ["photos/2025/", "photos/2026/", "photos/cover.jpg"]
    );
    assert_eq!(
        names(&world, "photos/", &plain),
        names(&world, "photos", &plain)
    );
    assert_eq!(
        names(&world, "photos/2025", &plain),
        ["photos/2025/a.jpg", "photos/2025/b.jpg"]
    );
    assert_eq!(names(&world, "nowhere", &plain), [""; 0]);
    let folders: Vec<_> = world
        .bucket
        .ls("photos")
        .unwrap()
        .filter_map(|entry| entry.unwrap().folder)
        .collect();
    assert_eq!(folders, ["photos/2025/", "photos/2026/"]);
}

#[test]
fn a_recursive_listing_shows_all_files_in_the_order_of_the_service() {
    let world = world();
    let mut sorted = NAMES;
    sorted.sort_unstable();
    assert_eq!(names(&world, "", &LsOptions::new().recursive(true)), sorted);
    assert_eq!(
        names(&world, "photos", &LsOptions::new().recursive(true)).len(),
        4
    );
}

#[test]
fn pages_come_when_they_are_needed_and_not_before() {
    let world = world();
    let mut listing = world
        .bucket
        .ls_with("", &LsOptions::new().recursive(true).page_size(3))
        .unwrap();
    assert_eq!(world.total(), 0, "nothing is asked before the first entry");
    assert_eq!(listing.next().unwrap().unwrap().version.file_name, "a.txt");
    listing.next();
    listing.next();
    assert_eq!(world.count(Operation::ListFileNames), 1);
    listing.next();
    assert_eq!(world.count(Operation::ListFileNames), 2);
    assert_eq!(listing.count(), 4);
    assert_eq!(
        world.count(Operation::ListFileNames),
        3,
        "8 files in pages of 3"
    );
}

#[test]
fn an_empty_page_in_the_middle_is_not_the_end() {
    let world = world();
    world.inject(
        Fault::on(Operation::ListFileNames)
            .after(1)
            .times(2)
            .edit_json(|json| {
                // What a service does that gives up looking for something to show.
                let first = json["files"][0]["fileName"].clone();
                json["files"] = serde_json::json!([]);
                json["nextFileName"] = first;
            }),
    );
    let options = LsOptions::new().recursive(true).page_size(3);
    let error = world
        .bucket
        .ls_with("", &options)
        .unwrap()
        .last()
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, Error::UnexpectedReply { .. }),
        "a page that leads to itself would never end: {error:?}"
    );
    world.service.faults().clear();
    world.inject(
        Fault::on(Operation::ListFileNames)
            .after(1)
            .edit_json(|json| json["files"] = serde_json::json!([])),
    );
    assert_eq!(
        names(&world, "", &options).len(),
        5,
        "the third page is still fetched"
    );
}

#[test]
fn hidden_files_are_not_shown_and_all_versions_are() {
    let world = world();
    world.bucket.upload_bytes(b"newer", "a.txt").unwrap();
    let marker = world.bucket.hide_file("a.txt").unwrap();
    assert_eq!(marker.action, FileAction::Hide);
    assert!(!names(&world, "", &LsOptions::new()).contains(&"a.txt".to_owned()));
    let actions: Vec<_> = world
        .versions("a.txt")
        .into_iter()
        .map(|version| version.action)
        .collect();
    assert_eq!(
        actions,
        [FileAction::Hide, FileAction::Upload, FileAction::Upload]
    );
    let all = names(&world, "", &LsOptions::new().versions(Versions::All));
    assert_eq!(all.iter().filter(|name| *name == "a.txt").count(), 3);
    let error = world.bucket.hide_file("a.txt").unwrap_err();
    assert_eq!(error.code().unwrap().as_str(), "already_hidden");

    assert_eq!(
        world.bucket.unhide_file("a.txt").unwrap().file_id,
        marker.file_id
    );
    assert_eq!(
        world
            .bucket
            .download_file_by_name("a.txt")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        b"newer"
    );
    assert!(matches!(
        world.bucket.unhide_file("a.txt").unwrap_err(),
        Error::InvalidInput { .. }
    ));
    assert!(
        world
            .bucket
            .unhide_file("nowhere")
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn the_versions_of_a_file_are_its_own_and_not_those_of_longer_names() {
    let world = World::new();
    for name in ["x", "x.txt", "x/y"] {
        world.bucket.upload_bytes(b"1", name).unwrap();
    }
    let first = world.versions("x");
    world.bucket.upload_bytes(b"2", "x").unwrap();
    let both = world.versions("x");
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    world
        .bucket
        .delete_file_version(&both[0].file_id, "x")
        .unwrap();
    assert_eq!(world.versions("x"), first);
    let wrong_name = world
        .bucket
        .delete_file_version(&first[0].file_id, "x.txt")
        .unwrap_err();
    assert!(wrong_name.is_not_found(), "{wrong_name:?}");
}

#[test]
fn many_versions_are_paged_through_without_loss() {
    let world = World::new();
    for n in 0..25 {
        world.bucket.upload_bytes(&[n], "x").unwrap();
    }
    let options = LsOptions::new().versions(Versions::All).page_size(4);
    let sizes: Vec<_> = world
        .bucket
        .ls_with("", &options)
        .unwrap()
        .map(|entry| entry.unwrap().version.file_id)
        .collect();
    let distinct: std::collections::BTreeSet<_> = sizes.iter().collect();
    assert_eq!((sizes.len(), distinct.len()), (25, 25));
}

#[test]
fn a_listing_ends_with_the_error_that_stopped_it() {
    let world = world();
    world.inject(
        Fault::on(Operation::ListFileNames)
            .after(1)
            .status(400, "bad_request", "")
            .always(),
    );
    let options = LsOptions::new().recursive(true).page_size(3);
    let entries: Vec<_> = world.bucket.ls_with("", &options).unwrap().collect();
    assert_eq!(
        (
            entries.len(),
            entries.iter().filter(|entry| entry.is_ok()).count()
        ),
        (4, 3)
    );
    assert_eq!(
        world.count(Operation::ListFileNames),
        2,
        "it does not go on by itself"
    );
}

#[test]
fn a_listing_goes_on_from_its_page_after_a_pause() {
    let world = world();
    world.inject(
        Fault::on(Operation::ListFileNames)
            .after(1)
            .status(429, "too_many_requests", "")
            .retry_after(5),
    );
    assert_eq!(
        names(&world, "", &LsOptions::new().recursive(true).page_size(3)).len(),
        8
    );
    assert_eq!(world.count(Operation::ListFileNames), 4);
}

#[test]
fn a_page_size_that_the_service_does_not_have_is_refused() {
    let world = world();
    for size in [0, 10_001] {
        let error = world
            .bucket
            .ls_with("", &LsOptions::new().page_size(size))
            .unwrap_err();
        assert!(matches!(
            error,
            Error::InvalidInput {
                what: "page_size",
                ..
            }
        ));
    }
    assert_eq!(world.total(), 0);
}
