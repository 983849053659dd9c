//! Listings that repeat themselves end with an error after few requests, whatever is listed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use b2sdk::keys::Capability;
use b2sdk::raw::{Raw, StartLargeFileRequest, UploadBody, UploadPartRequest};
use b2sdk::simulator::Fault;
use b2sdk::{Error, FileId, FileInfo, LsOptions, Operation, Versions};
use serde_json::{Value, json};

use crate::support::World;

/// The rows before the first error, and the error.
type Listed = (Vec<String>, Option<Error>);

/// What is listed.
#[derive(Debug, Clone, Copy)]
struct Listing {
    operation: Operation,
    /// The member with the rows, and the one with the start of the next page.
    rows: &'static str,
    next: &'static str,
    /// Lists everything, and returns what identifies the rows, and the error if there is one.
    list: fn(&World, &FileId) -> Listed,
}

const LISTINGS: [Listing; 5] = [
    Listing {
        operation: Operation::ListFileNames,
        rows: "files",
        next: "nextFileName",
        list: |world, _| files(world, Versions::Latest),
    },
    Listing {
        operation: Operation::ListFileVersions,
        rows: "files",
        next: "nextFileName",
        list: |world, _| files(world, Versions::All),
    },
    Listing {
        operation: Operation::ListUnfinishedLargeFiles,
        rows: "files",
        next: "nextFileId",
        list: |world, _| {
            let listed = world.bucket.list_unfinished_large_files("").unwrap();
            split(listed.map(|row| Ok(row?.file_id.to_string())))
        },
    },
    Listing {
        operation: Operation::ListParts,
        rows: "parts",
        next: "nextPartNumber",
        list: |world, id| {
            let listed = world.api.list_parts(id).unwrap();
            split(listed.map(|row| Ok(row?.part_number.to_string())))
        },
    },
    Listing {
        operation: Operation::ListKeys,
        rows: "keys",
        next: "nextApplicationKeyId",
        list: |world, _| {
            let listed = world.api.list_keys().unwrap();
            split(listed.map(|row| Ok(row?.application_key_id.to_string())))
        },
    },
];

fn files(world: &World, versions: Versions) -> Listed {
    let options = LsOptions::new().recursive(true).versions(versions);
    let listed = world.bucket.ls_with("", &options).unwrap();
    split(listed.map(|row| Ok(row?.version.file_id.to_string())))
}

/// The rows before the first error, and the error. After it, the listing has to be at its end.
fn split(mut rows: impl Iterator<Item = Result<String, Error>>) -> Listed {
    let mut good = Vec::new();
    for row in rows.by_ref().take(100_000) {
        match row {
            Ok(row) => good.push(row),
            Err(error) => {
                assert!(rows.next().is_none());
                return (good, Some(error));
            }
        }
    }
    (good, None)
}

/// A world with three of everything, and the unfinished file that has the parts.
fn world() -> (World, FileId) {
    let world = World::of_small_parts(1, 1);
    let (bucket, info) = (world.bucket.id(), FileInfo::new());
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        world.bucket.upload_bytes(b"", name).unwrap();
        world.api.create_key(name, [Capability::ListFiles]).unwrap();
        let request = StartLargeFileRequest::new(&bucket, name, "text/plain", &info);
        let start = |raw: &Raw<'_>| raw.start_large_file(&request);
        ids.push(
            world
                .api
                .call_raw(Operation::StartLargeFile, start)
                .unwrap()
                .file_id,
        );
    }
    for number in 1..=3 {
        let ask = |raw: &Raw<'_>| raw.get_upload_part_url(&ids[0]);
        let url = world
            .api
            .call_raw(Operation::GetUploadPartUrl, ask)
            .unwrap();
        let send = |raw: &Raw<'_>| {
            let (mut content, request) = (&b"x"[..], UploadPartRequest::new(number));
            let mut body = UploadBody::new(&mut content, 1);
            raw.upload_part(
                &url.upload_url,
                &url.authorization_token,
                &request,
                &mut body,
            )
        };
        world.api.call_raw(Operation::UploadPart, send).unwrap();
    }
    (world, ids.remove(0))
}

/// A start of a page for each turn, later than all rows, that nothing has.
fn fresh_start(first: &Value, next: &str, turn: u32) -> Value {
    match next {
        "nextPartNumber" => (1000 + turn).into(),
        "nextFileId" => {
            let id = first["files"][0]["fileId"].as_str().unwrap();
            let (same, _) = id.split_at(id.len() - 8);
            format!("{same}{turn:08}").into()
        }
        _ => format!("zz{turn:08}").into(),
    }
}

/// What a listing does with its answers. It is given their number, the first one, and the present one.
type Lie = fn(u32, &Value, &mut Value, &Listing);

const LIES: [(&str, Lie); 5] = [
    (
        "one page again and again",
        |turn, first, answer, listing| {
            answer[listing.rows] = first[listing.rows].clone();
            answer[listing.next] = fresh_start(first, listing.next, turn);
        },
    ),
    ("two pages in turns", |turn, first, answer, listing| {
        let rows = first[listing.rows].as_array().unwrap();
        let (page, _) = rows.split_at(1 + (turn % 2) as usize);
        answer[listing.rows] = page[page.len() - 1..].into();
        answer[listing.next] = fresh_start(first, listing.next, turn);
    }),
    ("a row twice on a page", |_, _, answer, listing| {
        let rows = answer[listing.rows].as_array_mut().unwrap();
        let row = rows[0].clone();
        rows.insert(1, row);
    }),
    (
        "a page that leads to itself",
        |_, first, answer, listing| {
            answer[listing.rows] = json!([]);
            answer[listing.next] = fresh_start(first, listing.next, 0);
        },
    ),
    (
        "pages that lead to each other",
        |turn, first, answer, listing| {
            answer[listing.rows] = json!([]);
            answer[listing.next] = fresh_start(first, listing.next, turn % 3);
        },
    ),
];

/// Has all answers to a listing changed by a lie.
fn tell(world: &World, listing: Listing, lie: Lie) {
    let turn = AtomicU32::new(0);
    let first: Arc<OnceLock<Value>> = Arc::default();
    let fault = Fault::on(listing.operation).always();
    world.inject(fault.edit_json(move |answer| {
        let first = first.get_or_init(|| answer.clone());
        lie(turn.fetch_add(1, Ordering::SeqCst), first, answer, &listing);
    }));
}

#[test]
fn a_listing_that_repeats_itself_ends_with_an_error() {
    let (world, id) = world();
    for listing in LISTINGS {
        let operation = listing.operation;
        let (all, error) = (listing.list)(&world, &id);
        assert!(error.is_none() && all.len() >= 3, "{operation}: {all:?}");
        for (what, lie) in LIES {
            tell(&world, listing, lie);
            world.service.log().clear();
            let (mut rows, error) = (listing.list)(&world, &id);
            let case = format!("{what}: {operation}: {rows:?} {error:?}");
            let Some(Error::UnexpectedReply { operation: of, .. }) = error else {
                panic!("{case}")
            };
            assert_eq!(of, operation, "{case}");
            assert!(world.total() <= 12, "{case}");
            let count = rows.len();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), count, "a row came twice: {case}");
            world.service.faults().clear();
        }
    }
}

#[test]
fn files_that_go_back_end_with_an_error_that_names_the_row() {
    let (world, id) = world();
    for listing in LISTINGS.into_iter().take(2) {
        tell(&world, listing, |_, _, answer, listing| {
            answer[listing.rows].as_array_mut().unwrap().reverse();
        });
        let (rows, error) = (listing.list)(&world, &id);
        let Some(Error::UnexpectedReply { source, .. }) = error else {
            panic!("{rows:?} {error:?}")
        };
        assert!(source.to_string().contains("\"b\""), "{source}");
        world.service.faults().clear();
    }
}
