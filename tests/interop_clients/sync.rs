//! Synchronizing beside `b2 sync` and `rclone sync`: what one of them made equal, the others find equal.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::sync::{LocalFolder, SyncOptions, Synchronizer};

use crate::rclone::rclone;
use crate::support::{World, in_venv, run};

const BUCKET: &str = "synchronizing-bucket-1";

/// Names in which every byte stands beside `/` that sorts close to it, and times with any nanoseconds.
fn awkward_tree(world: &World) -> PathBuf {
    let names = [
        "a b",
        "a!/x",
        "a-",
        "a.txt",
        "a/b",
        "a/b c/d",
        "a0",
        "a~",
        "dir/sub/deep",
        "dir0",
        "e\u{301}/x",
        "é",
        "\u{e000}",
        "\u{1f600}",
        "sp ace /x",
        "%41",
        "+",
        "q?*",
        "2004",
    ];
    for (at, name) in names.iter().enumerate() {
        let path = world.home.write(&format!("tree/{name}"), &vec![b'x'; at]);
        // Half a millisecond on, as b2sdk saves files: it reads times as floating point, and would take
        // whole milliseconds of 2004 for the one before.
        let nanos = 1_000_000 * at as u32 + 500_000;
        let time = UNIX_EPOCH + Duration::new(1_079_999_999 + at as u64, nanos);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    world.home.path("tree")
}

fn b2(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(in_venv("b2"));
    command.args(arguments);
    command
}

/// The steps of our plan.
fn plan(sync: &Synchronizer) -> Vec<String> {
    let steps = sync.plan().unwrap();
    steps.map(|step| step.unwrap().to_string()).collect()
}

fn prepare() -> (World, PathBuf) {
    let world = World::new();
    let tree = awkward_tree(&world);
    world
        .api()
        .create_bucket(BUCKET, b2sdk::BucketType::AllPrivate)
        .unwrap();
    run(&mut b2(&world, &["account", "authorize"]));
    (world, tree)
}

fn up(world: &World, tree: &PathBuf) -> Synchronizer {
    Synchronizer::new(LocalFolder::new(tree), world.bucket(BUCKET).folder("tree"))
}

fn down(world: &World, tree: &PathBuf) -> Synchronizer {
    Synchronizer::new(world.bucket(BUCKET).folder("tree"), LocalFolder::new(tree))
        .options(SyncOptions::new())
}

#[test]
#[ignore = "needs b2 and rclone: tests/scripts/install-clients.sh"]
fn what_we_synchronized_the_others_find_equal() {
    let (world, tree) = prepare();
    up(&world, &tree).run().unwrap();
    let restored = world.home.path("restored");
    down(&world, &restored).run().unwrap();
    let (remote, at) = (format!("b2://{BUCKET}/tree"), format!("sim:{BUCKET}/tree"));
    for local in ["tree", "restored"] {
        for (source, destination) in [(local, remote.as_str()), (remote.as_str(), local)] {
            let told = run(&mut b2(
                &world,
                &["sync", "--no-progress", "--delete", source, destination],
            ));
            assert_eq!(told.trim(), "", "{source} {destination}");
        }
        world.service.log().clear();
        for (source, destination) in [(local, at.as_str()), (at.as_str(), local)] {
            let arguments = [
                "sync",
                "--fast-list",
                // Both forms of a letter are in the tree: they are two names, not one.
                "--no-unicode-normalization",
                "--stats-one-line",
                "-v",
                source,
                destination,
            ];
            run(&mut rclone(&world, &arguments));
        }
        let log = world.service.log();
        let changes = [
            b2sdk::Operation::UploadFile,
            b2sdk::Operation::CopyFile,
            b2sdk::Operation::HideFile,
            b2sdk::Operation::DeleteFileVersion,
            b2sdk::Operation::DownloadFileById,
        ];
        // Each run asks once whether the folder is a file.
        assert_eq!(log.count(b2sdk::Operation::DownloadFileByName), 2);
        assert!(
            changes.into_iter().all(|change| log.count(change) == 0),
            "{:?}",
            log.counts()
        );
    }
}

#[test]
#[ignore = "needs b2 and rclone: tests/scripts/install-clients.sh"]
fn what_the_others_synchronized_we_find_equal() {
    for client in ["b2", "rclone"] {
        let (world, tree) = prepare();
        let (remote, at) = (format!("b2://{BUCKET}/tree"), format!("sim:{BUCKET}/tree"));
        match client {
            "b2" => {
                run(&mut b2(&world, &["sync", "--no-progress", "tree", &remote]));
                run(&mut b2(
                    &world,
                    &["sync", "--no-progress", &remote, "theirs"],
                ));
            }
            _ => {
                run(&mut rclone(&world, &["sync", "tree", &at]));
                run(&mut rclone(&world, &["sync", &at, "theirs"]));
            }
        }
        let theirs = world.home.path("theirs");
        assert_eq!(plan(&up(&world, &tree)), Vec::<String>::new(), "{client}");
        assert_eq!(plan(&down(&world, &tree)), Vec::<String>::new(), "{client}");
        assert_eq!(plan(&up(&world, &theirs)), Vec::<String>::new(), "{client}");
        assert_eq!(
            plan(&down(&world, &theirs)),
            Vec::<String>::new(),
            "{client}"
        );
    }
}
