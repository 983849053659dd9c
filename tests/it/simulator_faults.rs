//! Faults by file name, as words, and by chance.

use b2sdk::Operation;

use crate::support::{World, noise};

#[test]
fn a_fault_for_a_file_name_leaves_other_files_alone() {
    let world = World::new();
    for name in ["a/é 1.txt", "b/1.txt"] {
        world.bucket.upload_bytes(b"content", name).unwrap();
    }
    world.inject(
        "b2_download_file_by_name file=a/* status=404 code=no_such_file"
            .parse()
            .unwrap(),
    );
    assert_eq!(world.content("b/1.txt"), b"content");
    assert!(world.bucket.download_file_by_name("a/é 1.txt").is_err());
    assert_eq!(world.content("a/é 1.txt"), b"content");

    world.inject("b2_upload_file file=*2.txt status=503".parse().unwrap());
    world.service.log().clear();
    for name in ["3.txt", "2.txt"] {
        world.bucket.upload_bytes(b"content", name).unwrap();
    }
    assert_eq!(world.count(Operation::UploadFile), 3);
}

#[test]
fn in_chaos_what_succeeds_is_right() {
    let world = World::new();
    for seed in 0..4 {
        world.service.faults().chaos(seed);
        let mut stored = Vec::new();
        for number in 0..25 {
            let (name, content) = (format!("{seed}/{number}"), noise(5000 + number));
            if world.bucket.upload_bytes(&content, &name).is_err() {
                continue;
            }
            let read = world.bucket.download_file_by_name(&name);
            if let Ok(read) = read.and_then(|file| file.read_to_vec()) {
                assert_eq!(read, content, "{name}");
            }
            stored.push((name, content));
        }
        assert!(stored.len() > 12, "seed {seed}: {}", stored.len());
        world.service.faults().clear();
        for (name, content) in stored {
            assert_eq!(world.content(&name), content, "{name}");
        }
    }
    let entries = world.service.log().entries();
    assert!(entries.iter().filter(|entry| entry.fault.is_some()).count() > 5);
}

#[test]
fn the_faults_that_the_documentation_shows_are_understood() {
    let text = include_str!("../../docs/simulator.md");
    let (_, table) = text.split_once("| Misbehaviour | Words |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut shown = 0;
    for words in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        // The first column has code in it, too.
        if words.starts_with(['*', 'b']) {
            let fault = words.parse::<b2sdk::simulator::Fault>();
            assert!(fault.is_ok(), "{words}: {fault:?}");
            shown += 1;
        }
    }
    assert!(shown >= 17, "{shown}");
}
