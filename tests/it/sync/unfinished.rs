//! Large files that are unfinished below the folder, more than a run keeps in memory.

use b2sdk::simulator::Fault;
use b2sdk::sync::SyncOptions;
use b2sdk::{FileInfo, Operation};

use super::support::{Places, incomplete, plan, set_time};
use crate::support::World;

/// A file that was touched is not completed with its old time, however many others are unfinished; one that was
/// not is completed.
#[test]
fn c21_a_touched_large_file_gets_its_new_time_among_more_than_a_thousand() {
    let places = Places::of(World::of_small_parts(100, 1000));
    for name in ["same", "touched"] {
        std::fs::write(places.path(name), crate::support::noise(5000)).unwrap();
        set_time(&places.path(name), 1_000_000_000);
    }
    let refused = Fault::on(Operation::FinishLargeFile).status(403, "forbidden", "no");
    places.world.inject(refused.always());
    let sync = places.up(SyncOptions::new());
    incomplete(sync.run());
    places.world.service.faults().clear();
    let (id, info) = (places.world.bucket.id(), FileInfo::new());
    for n in 0..1000 {
        let name = format!("home/others/{n}");
        let request = b2sdk::raw::StartLargeFileRequest::new(&id, &name, "text/plain", &info);
        places
            .world
            .api
            .call_raw(Operation::StartLargeFile, |raw| {
                raw.start_large_file(&request)
            })
            .unwrap();
    }
    set_time(&places.path("touched"), 1_000_000_009);
    places.world.service.log().clear();
    assert_eq!(sync.run().unwrap().uploaded.files, 2);
    assert_eq!(places.world.count(Operation::StartLargeFile), 1);
    assert_eq!(plan(&sync), Vec::<String>::new());
}
