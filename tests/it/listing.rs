//! Listing: folders, versions, pages.

mod large_pages;
mod reading_ahead;

use b2sdk::listing::Filter;
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

fn pattern() -> LsOptions {
    LsOptions::new().recursive(true).with_wildcard(true)
}

#[test]
fn a_pattern_lists_the_names_it_matches_and_asks_for_no_others() {
    let world = world();
    // In pages of one name, the requests tell how many names were listed.
    let pattern = pattern().page_size(1);
    for (wanted, found, listed) in [
        (
            "photos/*/?.jpg",
            &[
                "photos/2025/a.jpg",
                "photos/2025/b.jpg",
                "photos/2026/c.jpg",
            ][..],
            4,
        ),
        (
            "photos/202[!6]/*",
            &["photos/2025/a.jpg", "photos/2025/b.jpg"],
            3,
        ),
        ("photos*cover*", &["photos/cover.jpg"], 5),
        ("photos/cover.jpg", &["photos/cover.jpg"], 1),
        ("photos", &[], 5),
        ("*.txt", &["a.txt", "z/y/x.txt", "é.txt"], 8),
    ] {
        world.service.log().clear();
        assert_eq!(names(&world, wanted, &pattern), found, "{wanted}");
        assert_eq!(world.count(Operation::ListFileNames), listed, "{wanted}");
    }
}

#[test]
fn a_pattern_without_recursive_is_refused_because_a_star_does_not_stop_at_folders() {
    let world = world();
    let options = LsOptions::new().with_wildcard(true);
    assert!(matches!(
        world.bucket.ls_with("*", &options).unwrap_err(),
        Error::InvalidInput {
            what: "with_wildcard",
            ..
        }
    ));
    assert_eq!(world.total(), 0);
}

#[test]
fn filters_choose_files_and_the_last_that_matches_decides() {
    let world = world();
    let recursive = LsOptions::new().recursive(true);
    let filters = [Filter::exclude("photos/*"), Filter::include("*/c.jpg")];
    assert_eq!(
        names(&world, "", &recursive.clone().filters(filters)),
        [
            "a.txt",
            "photos-old/1.jpg",
            "photos/2026/c.jpg",
            "z/y/x.txt",
            "é.txt"
        ]
    );
    let only = [Filter::include("*b.jpg")];
    assert_eq!(
        names(&world, "photos", &recursive.filters(only)),
        ["photos/2025/b.jpg"]
    );
    let both = pattern().filters([Filter::exclude("*2025*")]);
    assert_eq!(
        names(&world, "photos/*.jpg", &both),
        ["photos/2026/c.jpg", "photos/cover.jpg"]
    );
}

#[test]
fn a_filtered_folder_shows_the_folders_that_hold_something_that_passes() {
    let world = world();
    for name in ["photos/2025-b/z.jpg", "photos/2025/c.txt"] {
        world.bucket.upload_bytes(b"", name).unwrap();
    }
    for size in 1..8 {
        for versions in [Versions::Latest, Versions::All] {
            let options = LsOptions::new().page_size(size).versions(versions);
            let all = names(&world, "photos", &options);
            let every = options.clone().filters([Filter::include("*")]);
            assert_eq!(
                names(&world, "photos", &every),
                all,
                "a filter that passes everything changes nothing, pages of {size}"
            );
            let jpg = options.filters([Filter::include("*/c.*"), Filter::include("a.*")]);
            assert_eq!(
                names(&world, "photos", &jpg),
                ["photos/2025/", "photos/2026/"]
            );
            assert_eq!(names(&world, "", &jpg), ["a.txt", "photos/"]);
        }
    }
}

#[test]
fn a_filtered_listing_goes_on_behind_a_folder_that_it_shows() {
    let world = World::new();
    for n in 0..40 {
        let name = format!("full/{n:02}");
        world.bucket.upload_bytes(b"", &name).unwrap();
    }
    world.bucket.upload_bytes(b"", "full0").unwrap();
    world.service.log().clear();
    let options = LsOptions::new()
        .page_size(4)
        .filters([Filter::exclude("nothing")]);
    assert_eq!(names(&world, "", &options), ["full/", "full0"]);
    assert_eq!(world.count(Operation::ListFileNames), 2);
}

#[test]
fn pages_that_lead_back_to_an_earlier_one_end_the_listing_with_an_error() {
    let world = world();
    // From the third page on, every page leads to "a.txt" again.
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .after(2)
            .always()
            .edit_json(|json| {
                let files = json["files"].as_array().unwrap();
                let is_first = files[0]["fileName"] == "a.txt";
                let next = if is_first { "photos/" } else { "a.txt" };
                json["nextFileName"] = next.into();
                json["nextFileId"] = serde_json::Value::Null;
            }),
    );
    let options = LsOptions::new()
        .recursive(true)
        .versions(Versions::All)
        .page_size(2);
    let entries: Vec<_> = world.bucket.ls_with("", &options).unwrap().collect();
    let error = entries.last().unwrap().as_ref().unwrap_err();
    assert!(
        matches!(
            error,
            Error::UnexpectedReply {
                operation: Operation::ListFileVersions,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(world.total() < 12, "{}", world.total());
}

#[test]
fn unfinished_files_and_their_parts_are_listed_lazily() {
    let world = World::new();
    let mut unfinished = world.bucket.list_unfinished_large_files("").unwrap();
    let id = b2sdk::FileId::from("4_z0_f0_d20260101_m000000_c001_v0001_t0000");
    let mut parts = world.api.list_parts(&id).unwrap();
    assert_eq!(world.total(), 0);
    assert!(unfinished.next().is_none());
    assert!(parts.next().unwrap().is_err());
    assert!(parts.next().is_none(), "after an error it is at its end");
    assert_eq!(world.total(), 2);
}

#[test]
fn unfinished_files_that_go_round_in_circles_end_with_an_error() {
    let world = World::new();
    let id = world.bucket.upload_bytes(b"", "x").unwrap();
    let id = id.version().file_id.clone();
    world.inject(
        Fault::on(Operation::ListUnfinishedLargeFiles)
            .always()
            .edit_json(move |json| json["nextFileId"] = id.as_str().into()),
    );
    let listed: Vec<_> = world
        .bucket
        .list_unfinished_large_files("")
        .unwrap()
        .collect();
    assert!(
        matches!(listed.as_slice(), [Err(Error::UnexpectedReply { .. })]),
        "{listed:?}"
    );
}

/// The most memory that this process ever used, in bytes.
#[cfg(target_os = "linux")]
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// `cargo test --release --all-features --test it a_million -- --ignored --test-threads 1`
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes a minute, and measures the process, so it has to run alone"]
fn a_million_versions_take_no_more_memory_than_a_page() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let page = std::sync::atomic::AtomicUsize::new(0);
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .always()
            .edit_json(move |json| {
                let page = page.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let row = json["files"][0].clone();
                let rows = (0..1000).map(|n| {
                    let mut row = row.clone();
                    row["fileName"] = format!("{:07}", page * 1000 + n).into();
                    row
                });
                json["files"] = rows.collect();
                if page < 999 {
                    json["nextFileName"] = format!("{:07}", (page + 1) * 1000).into();
                    json["nextFileId"] = row["fileId"].clone();
                }
            }),
    );
    let options = LsOptions::new().recursive(true).versions(Versions::All);
    let mut after_a_tenth = 0;
    let mut count = 0_usize;
    for entry in world.bucket.ls_with("", &options).unwrap() {
        assert_eq!(entry.unwrap().version.file_name, format!("{count:07}"));
        count += 1;
        if count == 100_000 {
            after_a_tenth = most_memory();
        }
    }
    assert_eq!(count, 1_000_000);
    let growth = most_memory() - after_a_tenth;
    // A page is about 0.7 MB of JSON, on both sides of the connection.
    assert!(
        growth < 16 << 20,
        "{growth} bytes more for 900,000 versions"
    );
}
