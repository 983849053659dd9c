//! `RedisAccountInfo` over a real server: the contract, what the server holds, and its failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use b2sdk::account_info::{
    AccountInfo, RedisAccountInfo, RedisAccountInfoBuilder, UploadTarget, conformance,
};
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{B2Api, BucketType, Error, Operation};

use crate::certificates::Certificates;
use crate::connections::{self, auth, upload_url};
use crate::proxy::{self, Proxy};
use crate::redis_server::{RedisGroup, RedisServer, free_port};
use crate::server::Server as _;

const BUCKET: &str = "example-mybucket-b2-1";

/// Another account info on the server for each place.
fn keeps_the_contract(
    url: &str,
    settings: impl Fn(RedisAccountInfoBuilder) -> RedisAccountInfoBuilder,
) {
    let places = AtomicUsize::new(0);
    conformance::check_persistent(
        || places.fetch_add(1, Ordering::Relaxed),
        |place, clock| {
            let builder = RedisAccountInfo::builder()
                .account(format!("place-{place}"))
                .store_application_key(true)
                .pool_size(100)
                .clock(&clock);
            Box::new(settings(builder).open(url).unwrap())
        },
    );
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract() {
    keeps_the_contract(&RedisServer::start().url(), |builder| builder);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_without_its_memory_and_sealed() {
    keeps_the_contract(&RedisServer::start().url(), |builder| {
        builder
            .staleness(Duration::ZERO)
            .seal_with("a secret of the whole fleet")
    });
}

/// The command for the user's rights is taken from the guide.
#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_user_with_the_rights_of_the_guide_can_do_everything() {
    let guide = include_str!("../../docs/account-info.md");
    let after = guide.split("`ACL SETUSER fleet").nth(1).unwrap();
    let rights = after.split('`').next().unwrap();
    let rights = rights.replace("PASSWORD", "secret");
    let server = RedisServer::start();
    let answer = server.command(&format!("ACL SETUSER fleet{rights}"));
    assert!(answer.contains("OK"), "{answer}");
    let url = format!("redis://fleet:secret@127.0.0.1:{}", server.port());
    keeps_the_contract(&url, |builder| builder);
}

fn authorize(api: &B2Api, service: &Simulator) {
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
}

fn open(server: &RedisServer, clock: &Clock) -> B2Api {
    let store = RedisAccountInfo::builder().clock(clock);
    let store = store.open(&server.url()).unwrap();
    B2Api::builder(store).clock(clock).build().unwrap()
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn without_the_key_in_the_store_a_second_machine_authorizes_nothing() {
    let (service, server, clock) = (
        Simulator::start().unwrap(),
        RedisServer::start(),
        Clock::manual(),
    );
    let first = open(&server, &clock);
    authorize(&first, &service);
    let bucket = first.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    drop((bucket, first));
    assert!(
        !server
            .command("HGET b2:{default}:auth json")
            .contains(service.application_key())
    );

    service.log().clear();
    let second = open(&server, &clock);
    authorize(&second, &service);
    let bucket = second.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_bytes(b"y", "y").unwrap();
    assert_eq!(service.log().total(), 1, "the upload alone");

    // An expired token is replaced by means of the key that this machine has.
    service.expire_tokens().unwrap();
    second.list_buckets().unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    // A machine without a key uses the token as long as it is good.
    let keyless = open(&server, &clock);
    keyless.list_buckets().unwrap();
    service.expire_tokens().unwrap();
    let error = keyless.list_buckets().unwrap_err();
    assert!(matches!(error, Error::NotAuthorized), "{error:?}");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_sealed_store_holds_no_secret_and_opens_only_with_its_secret() {
    let (server, clock) = (RedisServer::start(), Clock::manual());
    let open = |secret: &str| {
        let builder = RedisAccountInfo::builder().store_application_key(true);
        builder
            .seal_with(secret)
            .clock(&clock)
            .open(&server.url())
            .unwrap()
    };
    let store = open("a secret of the whole fleet");
    let saved = store.save_auth(auth(), None).unwrap();
    let target = UploadTarget::Bucket("b".into());
    store
        .put_upload_url(saved.identity(), &target, upload_url(&clock))
        .unwrap();
    let held = server.command("HGETALL b2:{default}:auth")
        + &server.command("ZRANGE b2:{default}:pool:b:b 0 -1");
    assert!(held.contains("https://pod/u"), "{held}");
    for secret in ["the-secret-key", "the-account-token", "the-upload-token"] {
        assert!(!held.contains(secret), "{secret}");
    }
    let second = open("a secret of the whole fleet");
    assert_eq!(second.auth().unwrap(), Some(saved));
    let error = open("another secret than that").auth().unwrap_err();
    assert!(error.to_string().contains("the same one"), "{error}");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_server_that_fails_is_named_with_what_to_do_and_without_a_secret() {
    let mut server = RedisServer::start_with(&["--requirepass", "the-password"]);
    let name = format!("127.0.0.1:{}", server.port());
    let refused = |url: &str| {
        let store = RedisAccountInfo::open(url).unwrap();
        let error = store.auth().unwrap_err();
        let shown = format!("{error} {error:?} {store:?}");
        assert!(shown.contains(&name), "{shown}");
        assert!(
            !shown.contains("the-password") && !shown.contains("a-guess"),
            "{shown}"
        );
        (error.is_unavailable(), error.to_string())
    };
    let (is_away, text) = refused(&server.url());
    assert!(!is_away && text.contains("check the user"), "{text}");
    let (is_away, text) = refused(&format!("redis://:a-guess@{name}"));
    assert!(!is_away && text.contains("check the user"), "{text}");

    let good = format!("redis://:the-password@{name}");
    let store = RedisAccountInfo::open(&good).unwrap();
    assert_eq!(store.auth().unwrap(), None);
    let provided = RedisAccountInfo::builder()
        .password_with(|| Ok::<_, std::io::Error>("the-password".to_owned()))
        .open(&server.url())
        .unwrap();
    assert_eq!(provided.auth().unwrap(), None);

    server.kill();
    let (is_away, text) = refused(&good);
    assert!(is_away && text.contains("cannot be reached"), "{text}");
    for url in ["http://host", "redis://", "nonsense:the-password"] {
        let error = RedisAccountInfo::open(url).map(drop).unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { .. }),
            "{url}: {error:?}"
        );
        assert!(!error.to_string().contains("the-password"));
    }
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_server_that_is_full_read_only_or_silent_is_away() {
    let server = RedisServer::start();
    let store = RedisAccountInfo::builder()
        .timeout(Duration::from_millis(200))
        .open(&server.url())
        .unwrap();
    let saved = store.save_auth(auth(), None).unwrap();
    let target = UploadTarget::Bucket("b".into());
    let put = || {
        let put = store.put_upload_url(saved.identity(), &target, upload_url(&Clock::manual()));
        put.unwrap_err()
    };
    server.command("CONFIG SET maxmemory 1");
    let error = put();
    assert!(
        error.is_unavailable() && error.to_string().contains("is full"),
        "{error}"
    );
    server.command("CONFIG SET maxmemory 0");

    server.command("REPLICAOF 127.0.0.1 1");
    let error = put();
    assert!(
        error.is_unavailable() && error.to_string().contains("replica"),
        "{error}"
    );
    server.command("REPLICAOF NO ONE");

    server.signal("STOP");
    let error = put();
    assert!(
        error.is_unavailable() && error.to_string().contains("reached"),
        "{error}"
    );
    server.signal("CONT");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_flush_costs_one_authorization_and_a_logout_stays_one() {
    let (service, server) = (Simulator::start().unwrap(), RedisServer::start());
    // On a manual clock, whoever waits for the lease would let it run out.
    let apis = [(); 4].map(|()| {
        let store = RedisAccountInfo::builder().staleness(Duration::ZERO);
        B2Api::new(store.open(&server.url()).unwrap())
    });
    for api in &apis {
        authorize(api, &service);
    }
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    server.command("FLUSHALL");
    let apis = Arc::new(apis);
    std::thread::scope(|scope| {
        for api in apis.iter() {
            scope.spawn(|| api.list_buckets().unwrap());
        }
    });
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 2);

    apis[0].account_info().clear().unwrap();
    service.log().clear();
    for api in apis.iter() {
        let error = api.list_buckets().unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{error:?}");
    }
    assert_eq!(service.log().total(), 0);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_when_answers_are_lost_and_the_server_is_away() {
    let server = RedisServer::start();
    // From now on the server has all scripts, so that what is lost is always an effect.
    keeps_the_contract(&server.url(), |builder| builder);
    let places = AtomicUsize::new(0);
    conformance::check_server_faults(|clock| {
        let proxy = Proxy::start(server.port(), proxy::redis_requests);
        let place = places.fetch_add(1, Ordering::Relaxed);
        let builder = RedisAccountInfo::builder()
            .account(format!("fault-{place}"))
            .store_application_key(true)
            .clock(&clock);
        let store = builder.open(&format!("redis://127.0.0.1:{}", proxy.port()));
        (Box::new(store.unwrap()), Box::new(proxy))
    });
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_over_tls_with_the_named_roots_only() {
    let directory = tempfile::tempdir().unwrap();
    let files = Certificates::create(directory.path());
    let port = free_port().to_string();
    let _server = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        files.certificate.to_str().unwrap(),
        "--tls-key-file",
        files.key.to_str().unwrap(),
        "--tls-ca-cert-file",
        files.authority_file.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    keeps_the_contract(&url, |builder| builder.tls_roots(files.authority.clone()));
    let error = RedisAccountInfo::open(&url).unwrap().auth().unwrap_err();
    assert!(error.to_string().contains("localhost"), "{error}");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_in_a_cluster() {
    // The port of the nodes among themselves is 10,000 higher, unless it is named.
    let nodes = [(); 2].map(|()| {
        let bus = free_port().to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        (RedisServer::start_with(&arguments), bus)
    });
    let [(first, _), (second, bus)] = &nodes;
    first.command("CLUSTER ADDSLOTSRANGE 0 8191");
    second.command("CLUSTER ADDSLOTSRANGE 8192 16383");
    first.command(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", second.port()));
    for (node, _) in &nodes {
        while !node.command("CLUSTER INFO").contains("cluster_state:ok") {}
    }
    // Some accounts are on one node, some on the other, and none on both.
    keeps_the_contract(&first.url(), |builder| builder);
    for (node, _) in &nodes {
        assert!(
            !node.command("DBSIZE").starts_with(":0"),
            "a node is not used"
        );
    }
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn a_replica_that_takes_over_hands_out_no_url_that_was_taken() {
    let (mut group, clock) = (RedisGroup::start(), Clock::default());
    let store = RedisAccountInfo::builder()
        .staleness(Duration::ZERO)
        .open(&group.url())
        .unwrap();
    let saved = store.save_auth(auth(), None).unwrap();
    let target = UploadTarget::Bucket("b".into());
    let put = |store: &RedisAccountInfo| {
        store.put_upload_url(saved.identity(), &target, upload_url(&clock))
    };
    let take = || store.take_upload_url(saved.identity(), &target);
    put(&store).unwrap();
    while group.replica_command("EXISTS b2:{default}:pool:b:b") != ":1\r\n" {}
    group.fail_over(|| assert!(take().unwrap().is_some()));
    // The first calls may still meet the primary that is gone.
    let seen = loop {
        match store.auth() {
            Err(error) => assert!(error.is_unavailable(), "{error}"),
            Ok(seen) => break seen,
        }
    };
    assert_eq!(seen.map(|seen| seen.generation()), Some(saved.generation()));
    assert_eq!(take().unwrap(), None, "it is in somebody's hand");
    put(&store).unwrap();
    assert!(take().unwrap().is_some(), "it works as before");
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn an_idle_connection_that_was_forgotten_costs_neither_a_call_nor_a_pause() {
    let (server, clock) = (RedisServer::start(), Clock::manual());
    let proxy = Proxy::start(server.port(), proxy::redis_requests);
    let store = RedisAccountInfo::builder()
        .staleness(Duration::ZERO)
        .clock(&clock)
        .open(&format!("redis://127.0.0.1:{}", proxy.port()))
        .unwrap();
    connections::forgotten_connections_cost_nothing(&store, &proxy, &clock);
}

#[test]
#[ignore = "needs redis-server: run tests/scripts/test-servers.sh"]
fn asking_whether_somebody_logged_out_brings_no_secret() {
    let (server, clock) = (RedisServer::start(), Clock::manual());
    let proxy = Proxy::start(server.port(), proxy::redis_requests);
    let store = RedisAccountInfo::builder()
        .staleness(Duration::ZERO)
        .clock(&clock)
        .open(&format!("redis://127.0.0.1:{}", proxy.port()))
        .unwrap();
    connections::a_logout_is_asked_for_without_secrets(&store, &proxy);
}
