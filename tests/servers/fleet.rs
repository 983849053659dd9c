//! A fleet on one account info while its server fails: no upload fails, no upload URL is in two hands,
//! and nobody authorizes who need not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation};

use crate::postgres_server::PostgresServer;
use crate::redis_server::{RedisGroup, RedisServer};
use crate::server::Server;
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
fn run<S: Send>(url: &str, server: &mut S, mut disturb: impl FnMut(&mut S)) -> usize {
    let service = service();
    let processes = rounds(8, 2);
    let uploads = rounds(1000, 60);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"a small file").unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut workers: Vec<_> = (0..3 * processes)
            .map(|number| worker::start(url, &service, 90 * (number as u64 % 3)))
            .collect();
        // Who starts while the server is away authorizes without the others.
        for worker in &mut workers {
            worker.wait_until_ready();
        }
        let workers: Vec<_> = workers
            .into_iter()
            .enumerate()
            .map(|(number, worker)| {
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
                    .take(3)
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
    let log = service.log();
    assert_eq!(log.count(Operation::UploadFile), 3 * processes * uploads);
    let authorized = log.count(Operation::AuthorizeAccount);
    println!(
        "{} uploads, {} upload URLs, {authorized} authorizations",
        log.count(Operation::UploadFile),
        log.count(Operation::GetUploadUrl),
    );
    authorized
}

/// Waits for something that another process does.
pub(crate) fn linger(millis: u64) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(Duration::from_millis(millis));
}

fn in_peace<S: Server>(mut server: S) {
    assert_eq!(run(&server.url(), &mut server, |_| linger(20)), 1);
}

/// `loses` says whether the server loses its data with the processes.
fn killed<S: Server>(mut server: S, loses: bool) {
    let mut losses = 0;
    let authorized = run(&server.url(), &mut server, |server| {
        linger(700);
        server.kill();
        linger(300);
        server.launch();
        losses += usize::from(loses);
    });
    let most = 1 + losses;
    assert!(authorized <= most, "{authorized} after {losses} losses");
}

fn restarted<S: Server>(mut server: S, loses: bool) {
    let mut losses = 0;
    let authorized = run(&server.url(), &mut server, |server| {
        linger(700);
        server.stop();
        server.launch();
        losses += usize::from(loses);
    });
    let most = 1 + losses;
    assert!(authorized <= most, "{authorized} after {losses} losses");
}

fn emptied<S: Server>(mut server: S) {
    let mut losses = 0;
    let authorized = run(&server.url(), &mut server, |server| {
        linger(500);
        server.empty();
        losses += 1;
    });
    let most = 1 + losses;
    assert!(
        losses > 0 && authorized <= most,
        "{authorized} after {losses} losses"
    );
}

fn frozen<S: Server>(mut server: S) {
    let mut is_first = true;
    let authorized = run(&server.url(), &mut server, |server| {
        linger(500);
        if std::mem::take(&mut is_first) {
            server.freeze();
            linger(5000);
            server.thaw();
        }
    });
    assert_eq!(authorized, 1, "nothing was lost");
}

/// As many processes as that, all of which find the token expired at the same time.
fn expired<S: Server>(server: &S) {
    let service = service();
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

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_authorizes_once() {
    in_peace(RedisServer::start());
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_server_that_is_killed_and_loses_everything() {
    killed(RedisServer::start(), true);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_server_that_is_restarted() {
    restarted(RedisServer::start_with(&["--appendonly", "yes"]), false);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_being_flushed() {
    emptied(RedisServer::start());
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_server_that_is_stopped() {
    frozen(RedisServer::start());
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_redis_survives_a_failover_to_a_stale_replica() {
    let mut group = RedisGroup::start();
    let mut is_first = true;
    let authorized = run(&group.url(), &mut group, |group| {
        linger(500);
        if std::mem::take(&mut is_first) {
            group.fail_over(|| linger(300));
        }
    });
    assert!(authorized <= 2, "{authorized} after one loss");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_fleet_whose_token_has_expired_authorizes_once() {
    expired(&RedisServer::start());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_authorizes_once() {
    in_peace(PostgresServer::start());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_survives_a_server_that_is_killed() {
    killed(PostgresServer::start(), false);
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_survives_a_server_that_is_restarted() {
    restarted(PostgresServer::start(), false);
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_survives_being_emptied() {
    emptied(PostgresServer::start());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_survives_a_server_that_is_stopped() {
    frozen(PostgresServer::start());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_fleet_on_postgres_whose_token_has_expired_authorizes_once() {
    expired(&PostgresServer::start_with(&["max_connections=200"]));
}
