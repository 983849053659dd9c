//! How many requests each kind of action costs, by operation. The tables of `docs/performance.md` count the
//! same requests: a change here changes them, and what users pay.

use std::collections::BTreeMap;

use b2sdk::simulator::Simulator;
use b2sdk::{
    B2Api, Bucket, DownloadOptions, InMemoryAccountInfo, LsOptions, Operation, UploadOptions,
};

use crate::support::{BUCKET, World, authorize, noise};

/// The requests since the log was emptied, without those that were none.
fn costs(world: &World) -> BTreeMap<Operation, usize> {
    let all = Operation::ALL.iter().copied();
    let counts = all.map(|operation| (operation, world.count(operation)));
    let costs: BTreeMap<_, _> = counts.filter(|(_, count)| *count > 0).collect();
    assert_eq!(costs.values().sum::<usize>(), world.total());
    costs
}

/// Fails unless the call costs exactly these requests.
#[track_caller]
fn expect(world: &World, what: &str, act: impl FnOnce(), expected: &[(Operation, usize)]) {
    world.service.log().clear();
    act();
    assert_eq!(costs(world), expected.iter().copied().collect(), "{what}");
}

/// A new process with an empty store.
fn new_process(world: &World) -> (B2Api, Bucket) {
    let api = B2Api::builder(InMemoryAccountInfo::new())
        .workers(4)
        .build()
        .unwrap();
    authorize(&api, &world.service);
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    (api, bucket)
}

#[test]
fn small_files_cost_one_request_each_and_a_new_process_three_more() {
    use Operation as O;
    let world = World::new();
    let start = [(O::AuthorizeAccount, 1), (O::ListBuckets, 1)];
    let upload = || drop(new_process(&world).1.upload_bytes(b"x", "x").unwrap());
    let cold = [start[0], start[1], (O::GetUploadUrl, 1), (O::UploadFile, 1)];
    expect(&world, "one file, cold", upload, &cold);

    let (_api, bucket) = new_process(&world);
    let some = |name: &str, files: usize| {
        for number in 0..files {
            bucket
                .upload_bytes(b"x", &format!("{name}{number}"))
                .unwrap();
        }
    };
    expect(
        &world,
        "the first of a process",
        || some("a", 1),
        &cold[2..],
    );
    expect(&world, "one file, warm", || some("b", 1), &cold[3..]);
    expect(
        &world,
        "files, warm",
        || some("c", 50),
        &[(O::UploadFile, 50)],
    );

    let load = |files: usize| {
        for number in 0..files {
            let download = bucket.download_file_by_name(&format!("c{number}")).unwrap();
            assert_eq!(download.read_to_vec().unwrap(), b"x");
        }
    };
    expect(
        &world,
        "files down",
        || load(50),
        &[(O::DownloadFileByName, 50)],
    );
    let cold_load = || {
        let download = new_process(&world).1.download_file_by_name("x").unwrap();
        drop(download.read_to_vec().unwrap());
    };
    let cold = [start[0], start[1], (O::DownloadFileByName, 1)];
    expect(&world, "one file down, cold", cold_load, &cold);
}

#[test]
fn ten_threads_ask_for_no_more_upload_urls_than_they_are() {
    let world = World::new();
    let (_api, bucket) = new_process(&world);
    world.service.log().clear();
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let bucket = &bucket;
            scope.spawn(move || {
                for number in 0..20 {
                    let name = format!("{thread}/{number}");
                    bucket.upload_bytes(b"x", &name).unwrap();
                }
            });
        }
    });
    assert_eq!(world.count(Operation::UploadFile), 200);
    assert!((1..=10).contains(&world.count(Operation::GetUploadUrl)));
    assert_eq!(
        world.total(),
        200 + world.count(Operation::GetUploadUrl),
        "files and workers"
    );
}

#[test]
fn a_large_file_costs_a_request_for_each_part_and_a_url_for_each_worker() {
    use Operation as O;
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder.workers(1));
    let data = noise(100_000);
    // What the store has of upload URLs belongs to a bucket: each large file has its own.
    let parts = [
        (O::StartLargeFile, 1),
        (O::GetUploadPartUrl, 1),
        (O::UploadPart, 10),
        (O::FinishLargeFile, 1),
    ];
    let sized = UploadOptions::new().part_size(10_000);
    let up = || drop(world.bucket.upload_bytes_with(&data, "x", &sized).unwrap());
    expect(&world, "a large file, one worker", up, &parts);
    let stream = || {
        drop(
            world
                .bucket
                .upload_stream_with(&data[..], "y", &sized)
                .unwrap(),
        )
    };
    expect(&world, "a stream, one worker", stream, &parts);

    world.api.set_workers(4);
    world.service.log().clear();
    world.bucket.upload_bytes_with(&data, "x", &sized).unwrap();
    let urls = world.count(O::GetUploadPartUrl);
    assert!((1..=4).contains(&urls), "{urls}");
    assert_eq!(world.total(), 1 + urls + 10 + 1, "four workers");

    let down = |options: &DownloadOptions| {
        let directory = tempfile::tempdir().unwrap();
        let download = world
            .bucket
            .download_file_by_name_with("x", options)
            .unwrap();
        download.save_to(directory.path().join("x")).unwrap();
    };
    // The first range is the rest of the response that the download was opened with.
    let ranges = DownloadOptions::new().part_size(10_000);
    let expected = [(O::DownloadFileByName, 1), (O::DownloadFileById, 9)];
    expect(
        &world,
        "a large file down in ranges",
        || down(&ranges),
        &expected,
    );
    let to_memory = || {
        let download = world.bucket.download_file_by_name("y").unwrap();
        assert!(download.read_to_vec().unwrap() == data);
    };
    let whole = [(O::DownloadFileByName, 1)];
    expect(&world, "a large file down into memory", to_memory, &whole);
}

#[test]
fn listing_costs_a_request_for_each_page_and_the_rest_one_request() {
    use Operation as O;
    let world = World::new();
    for number in 0..7 {
        world
            .bucket
            .upload_bytes(b"x", &format!("{number}"))
            .unwrap();
    }
    let list = |options: &LsOptions| {
        let listed = world.bucket.ls_with("", options).unwrap();
        assert_eq!(listed.map(Result::unwrap).count(), 7);
    };
    let all = LsOptions::new().recursive(true);
    let pages = all.clone().page_size(3);
    expect(&world, "a listing", || list(&all), &[(O::ListFileNames, 1)]);
    expect(
        &world,
        "three pages",
        || list(&pages),
        &[(O::ListFileNames, 3)],
    );
    let version = world.versions("0").remove(0);
    let one: [(&str, &dyn Fn(), Operation); 5] = [
        (
            "exists",
            &|| assert!(world.bucket.exists("0").unwrap()),
            O::ListFileNames,
        ),
        (
            "info",
            &|| drop(world.api.get_file_info(&version.file_id).unwrap()),
            O::GetFileInfo,
        ),
        (
            "copy",
            &|| drop(world.bucket.copy(&version.file_id, "copy").unwrap()),
            O::CopyFile,
        ),
        (
            "hide",
            &|| drop(world.bucket.hide_file("1").unwrap()),
            O::HideFile,
        ),
        (
            "delete",
            &|| {
                world
                    .bucket
                    .delete_file_version(&version.file_id, "0")
                    .unwrap()
            },
            O::DeleteFileVersion,
        ),
    ];
    for (what, act, operation) in one {
        expect(&world, what, act, &[(operation, 1)]);
    }
}
