//! A fleet on one account info while its server fails: no upload fails, no upload URL is in two hands,
//! and nobody authorizes who need not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation};

use crate::redis_server::RedisServer;
use crate::worker;

pub(crate) const BUCKET: &str = "example-mybucket-b2-1";

fn rounds(full: usize, reduced: usize) -> usize {
    match std::env::var_os("B2SDK_FULL_ROUNDS") {
        Some(_) => full,
        None => reduced,
    }
}

/// A service with a bucket.
fn service() -> Simulator {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
    api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.log().clear();
    service
}

/// Runs a fleet of 3 clocks that are 90 s apart, while `disturb` does something to the server again and
/// again. Returns how often somebody authorized.
fn run(server: &mut RedisServer, mut disturb: impl FnMut(&mut RedisServer)) -> usize {
    let service = service();
    let processes = rounds(8, 2);
    let uploads = rounds(1000, 60);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"a small file").unwrap();
    let url = server.url();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3 * processes)
            .map(|number| {
                let worker = worker::start(&url, &service, 90 * (number as u64 % 3));
                let lines: Vec<String> = (0..uploads)
                    .map(|upload| format!("{}\t{number}/{upload}", file.display()))
                    .collect();
                scope.spawn(move || worker::finish(worker, &lines))
            })
            .collect();
        let watch = scope.spawn(|| {
            for worker in workers {
                let told = worker.join().unwrap();
                let failed: Vec<_> = told
                    .iter()
                    .filter(|line| !line.starts_with("ok "))
                    .collect();
                assert!(failed.is_empty(), "{failed:?}");
                assert_eq!(told.len(), uploads);
            }
            is_done.store(true, Ordering::SeqCst);
        });
        while !is_done.load(Ordering::SeqCst) && !watch.is_finished() {
            disturb(server);
        }
        watch.join().unwrap();
    });
    // A URL in two hands is refused by the service: an earlier upload is still running.
    let entries = service.log().entries();
    let doubled = entries
        .iter()
        .filter(|entry| entry.operation == Some(Operation::UploadFile))
        .filter(|entry| entry.status == Some(400))
        .count();
    assert_eq!(doubled, 0, "an upload URL was in two hands");
    assert_eq!(
        service.log().count(Operation::UploadFile),
        3 * processes * uploads
    );
    service.log().count(Operation::AuthorizeAccount)
}

/// Waits for something that another process does.
fn linger(time: Duration) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_authorizes_once() {
    let mut server = RedisServer::start();
    let authorized = run(&mut server, |_| linger(Duration::from_millis(20)));
    assert_eq!(authorized, 1);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_server_that_is_killed_and_loses_everything() {
    let mut server = RedisServer::start();
    let mut losses = 0;
    let authorized = run(&mut server, |server| {
        linger(Duration::from_millis(700));
        server.kill();
        linger(Duration::from_millis(300));
        server.launch();
        losses += 1;
    });
    assert!(
        losses > 0 && authorized <= 1 + 2 * losses,
        "{authorized} after {losses} losses"
    );
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_being_flushed() {
    let mut server = RedisServer::start();
    let mut losses = 0;
    let authorized = run(&mut server, |server| {
        linger(Duration::from_millis(500));
        server.command("FLUSHALL");
        losses += 1;
    });
    assert!(
        losses > 0 && authorized <= 1 + losses,
        "{authorized} after {losses} losses"
    );
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_server_that_is_stopped() {
    let mut server = RedisServer::start();
    let mut is_first = true;
    let authorized = run(&mut server, |server| {
        linger(Duration::from_millis(500));
        if std::mem::take(&mut is_first) {
            server.signal("STOP");
            linger(Duration::from_secs(5));
            server.signal("CONT");
        }
    });
    assert_eq!(authorized, 1, "nothing was lost");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_whose_token_has_expired_authorizes_once() {
    let (server, service) = (RedisServer::start(), service());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"a small file").unwrap();
    let mut workers: Vec<_> = (0..rounds(64, 12))
        .map(|_| worker::start(&server.url(), &service, 0))
        .collect();
    for worker in &mut workers {
        worker.wait_until_ready();
    }
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    service.expire_tokens().unwrap();
    let line = [format!("{}\tx", file.display())];
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| assert_eq!(worker::finish(worker, &line), ["ok x"]));
        }
    });
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 2);
}
