//! Backblaze's Python library.

use std::process::Command;

use b2sdk::Operation;
use b2sdk::simulator::Simulator;

use crate::support::{World, in_venv, noise, run, script};

/// Our script for the library, about to be told what to do.
pub(crate) fn python_client(world: &World) -> Command {
    let mut command = world.command(in_venv("python"));
    command.arg(script("python_client.py"));
    command
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_does_the_tutorial_with_one_authorization() {
    let world = World::new();
    world.home.write("photo.jpg", &noise(100_000));
    run(python_client(&world).args(["tutorial", "photo.jpg"]));
    let log = world.service.log();
    assert_eq!(log.count(Operation::AuthorizeAccount), 1);
    assert_eq!(log.count(Operation::DeleteBucket), 1);
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_recognizes_the_errors_of_the_service() {
    let world = World::new();
    run(python_client(&world).arg("errors"));
}

#[test]
#[ignore = "needs Python's b2sdk: tests/scripts/install-clients.sh"]
fn python_uploads_and_copies_a_large_file_in_parts_and_downloads_it_in_ranges() {
    let world = World::with(
        Simulator::builder()
            .minimum_part_size(50_000)
            .recommended_part_size(100_000),
    );
    world.home.write("large.bin", &noise(450_000));
    run(python_client(&world).args(["large", "large.bin"]));
    let log = world.service.log();
    assert!(log.count(Operation::UploadPart) > 1);
    assert!(log.count(Operation::CopyPart) > 1);
}
