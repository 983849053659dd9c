//! What a fleet costs its store: uploads through a warm store, operations a second of many clients, and
//! how long clients wait whose token has expired. Over SQLite, and over real Redis and PostgreSQL
//! servers, which it starts itself (`redis-server`; `postgres`, also where Debian has it).
//!
//! `cargo bench --all-features --bench fleet`; it ends within four minutes. With `-- --clients N` the fleet
//! has N clients instead of 1,000.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measuring program reads the real clock, and cannot go on after a failure"
)]

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/servers/postgres_server.rs"]
mod postgres_server;
#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/servers/redis_server.rs"]
mod redis_server;
#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/servers/server.rs"]
mod server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime};

use b2sdk::account_info::{
    AccountInfo, AuthSnapshot, Identity, PostgresAccountInfo, RedisAccountInfo, UploadTarget,
    UploadUrl,
};
use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation, SqliteAccountInfo};
use tempfile::TempDir;

use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;
use crate::server::Server as _;

const BUCKET: &str = "example-mybucket-b2-1";
/// Rounds of uploads, which alternate among the stores, and uploads in each.
const ROUNDS: usize = 10;
const UPLOADS: usize = 100;
/// How long the operations of a fleet are counted.
const COUNTED: Duration = Duration::from_secs(10);
/// Threads that share the clients while operations are counted.
const THREADS: usize = 32;

/// Where a store is.
enum Place {
    Sqlite(TempDir),
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Place {
    fn all(clients: usize) -> Vec<Self> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let connections = format!("max_connections={}", clients + 50);
        let postgres = PostgresServer::start_with(&[&connections]);
        postgres.sql(PostgresAccountInfo::TABLES);
        vec![
            Self::Sqlite(directory),
            Self::Redis(RedisServer::start_with(&["--maxclients", "20000"])),
            Self::Postgres(postgres),
        ]
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    fn open(&self, account: &str) -> Arc<dyn AccountInfo> {
        match self {
            Self::Sqlite(directory) => {
                Arc::new(SqliteAccountInfo::open(directory.path().join(account)).unwrap())
            }
            Self::Redis(server) => {
                let builder = RedisAccountInfo::builder().account(account);
                Arc::new(builder.open(&server.url()).unwrap())
            }
            Self::Postgres(server) => {
                let builder = PostgresAccountInfo::builder().account(account);
                Arc::new(builder.connections(1).connect(&server.url()).unwrap())
            }
        }
    }
}

fn main() {
    // Cargo adds a word of its own.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let clients = match arguments.as_slice() {
        [.., option, number] if option == "--clients" => number.parse().unwrap(),
        _ => 1000,
    };
    allow_open_files();
    let places = Place::all(clients);
    println!("| store | warm upload of 1 KiB, median | beside SQLite |\n|---|--:|--:|");
    warm_uploads(&places);
    println!(
        "\n{clients} clients in one process\n\n| store | operations a second | median | 99 % | \
         authorized at the start | ready after, median | last | authorized when expired | \
         waiting, median | 99 % | last |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for place in &places {
        let [rate, median, slow] = operations(place, clients);
        let [first, ready, all_ready, second, wait, slow_wait, last] = expired(place, clients);
        println!(
            "| {} | {rate} | {median} | {slow} | {first} | {ready} | {all_ready} | {second} | {wait} | \
             {slow_wait} | {last} |",
            place.name()
        );
    }
}

/// Each client has connections to the store and to the service.
fn allow_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

/// A service for so many clients, each of which has a connection.
fn service(clients: usize) -> Simulator {
    let builder = Simulator::builder().max_connections(clients + 50);
    let service = builder.start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    authorize(&api, &service);
    api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.log().clear();
    service
}

fn authorize(api: &B2Api, service: &Simulator) {
    let (id, key) = (service.application_key_id(), service.application_key());
    api.authorize_account(service.url(), id, key).unwrap();
}

fn at(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() - 1) * percent / 100]
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn warm_uploads(places: &[Place]) {
    let service = service(1);
    let content = vec![7; 1024];
    let buckets: Vec<_> = places
        .iter()
        .map(|place| {
            let api = B2Api::new(place.open("warm"));
            authorize(&api, &service);
            api.get_bucket_by_name(BUCKET).unwrap()
        })
        .collect();
    let mut times = vec![Vec::new(); places.len()];
    for round in 0..=ROUNDS {
        for (bucket, times) in buckets.iter().zip(&mut times) {
            for upload in 0..UPLOADS {
                let started = Instant::now();
                bucket
                    .upload_bytes(&content, &format!("{round}/{upload}"))
                    .unwrap();
                // In the first round the store becomes warm.
                if round > 0 {
                    times.push(started.elapsed());
                }
            }
        }
    }
    let mut sqlite = None;
    for (place, times) in places.iter().zip(&mut times) {
        times.sort();
        let median = at(times, 50).as_secs_f64() * 1e3;
        let more = median - *sqlite.get_or_insert(median);
        println!("| {} | {median:.3} ms | {more:+.3} ms |", place.name());
    }
}

fn auth(place: &Place) -> Identity {
    let stored = r#"{"realm": "production", "accountId": "ada", "applicationKeyId": "key-id",
        "applicationKey": "key", "authorizationToken": "token",
        "apiUrl": "https://api001.backblazeb2.com", "downloadUrl": "https://f001.backblazeb2.com",
        "s3ApiUrl": "", "absoluteMinimumPartSize": 5000000, "recommendedPartSize": 100000000,
        "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    let auth = AuthSnapshot::from_json(stored).unwrap().auth().clone();
    let saved = place.open("operations").save_auth(auth, None).unwrap();
    saved.identity().clone()
}

/// Many clients take and put the upload URLs of one pool. Those of large files are never kept in
/// memory, so each is an exchange with the server.
fn operations(place: &Place, clients: usize) -> [String; 3] {
    let owner = auth(place);
    let stores: Vec<_> = (0..clients).map(|_| place.open("operations")).collect();
    let target = UploadTarget::LargeFile("file".into());
    for number in 0..UploadUrl::POOL_SIZE {
        let url = format!("https://pod-000-1096-17.backblaze.com/b2api/v4/b2_upload_part/{number}");
        let url = UploadUrl::new(url, "token".into(), SystemTime::now().into());
        stores[0].put_upload_url(&owner, &target, url).unwrap();
    }
    // Each makes its connection.
    for store in &stores {
        store.auth().unwrap();
    }
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut times = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let store = &stores[next.fetch_add(1, Ordering::Relaxed) % stores.len()];
            let started = Instant::now();
            let url = store.take_upload_url(&owner, &target).unwrap();
            times.push(started.elapsed());
            if let Some(url) = url {
                let started = Instant::now();
                store.put_upload_url(&owner, &target, url).unwrap();
                times.push(started.elapsed());
            }
        }
        times
    };
    let mut times: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        std::thread::sleep(COUNTED);
        is_over.store(true, Ordering::Relaxed);
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        done.flatten().collect()
    });
    times.sort();
    let rate = times.len() as f64 / COUNTED.as_secs_f64();
    [
        format!("{rate:.0}"),
        millis(at(&times, 50)),
        millis(at(&times, 99)),
    ]
}

/// All clients authorize at once, and later find the token expired at once. How often the service is
/// asked, and how long they wait.
fn expired(place: &Place, clients: usize) -> [String; 7] {
    let service = service(clients);
    let apis: Vec<_> = (0..clients)
        .map(|_| {
            let store = place.open("expired");
            // Its connection is there.
            store.auth().unwrap();
            B2Api::new(store)
        })
        .collect();
    let (start, waits) = (Barrier::new(clients + 1), Barrier::new(clients + 1));
    std::thread::scope(|scope| {
        let threads: Vec<_> = apis
            .iter()
            .map(|api| {
                let (start, waits, service) = (&start, &waits, &service);
                let client = move || {
                    start.wait();
                    let started = Instant::now();
                    authorize(api, service);
                    let ready = started.elapsed();
                    waits.wait();
                    // The token expires.
                    start.wait();
                    let started = Instant::now();
                    api.list_buckets().unwrap();
                    (ready, started.elapsed())
                };
                let builder = std::thread::Builder::new().stack_size(1 << 20);
                builder.spawn_scoped(scope, client).unwrap()
            })
            .collect();
        start.wait();
        waits.wait();
        let first = service.log().count(Operation::AuthorizeAccount);
        service.expire_tokens().unwrap();
        start.wait();
        let (mut ready, mut waiting): (Vec<_>, Vec<_>) = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .unzip();
        let second = service.log().count(Operation::AuthorizeAccount) - first;
        ready.sort();
        waiting.sort();
        [
            first.to_string(),
            millis(at(&ready, 50)),
            millis(at(&ready, 100)),
            second.to_string(),
            millis(at(&waiting, 50)),
            millis(at(&waiting, 99)),
            millis(at(&waiting, 100)),
        ]
    })
}
