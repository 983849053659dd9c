//! `PostgresAccountInfo` over a real server: the contract, what the server holds, and its failures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use b2sdk::account_info::{
    AccountInfo as _, PostgresAccountInfo, PostgresAccountInfoBuilder, UploadTarget, conformance,
};
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{B2Api, BucketType, Error, Operation};

use crate::certificates::Certificates;
use crate::connections::{self, auth, upload_url};
use crate::postgres_server::{self, PostgresServer};
use crate::proxy::{self, Proxy};
use crate::server::{self, Server as _};

/// Another account info on the server for each place.
fn keeps_the_contract(
    url: &str,
    settings: impl Fn(PostgresAccountInfoBuilder) -> PostgresAccountInfoBuilder,
) {
    let places = AtomicUsize::new(0);
    conformance::check_persistent(
        || places.fetch_add(1, Ordering::Relaxed),
        |place, clock| {
            let builder = PostgresAccountInfo::builder()
                .account(format!("place-{place}"))
                .store_application_key(true)
                .pool_size(100)
                .migrate(true)
                .clock(&clock);
            Box::new(settings(builder).connect(url).unwrap())
        },
    );
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract() {
    keeps_the_contract(&PostgresServer::start().url(), |builder| builder);
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_without_its_memory_and_sealed() {
    keeps_the_contract(&PostgresServer::start().url(), |builder| {
        builder
            .staleness(Duration::ZERO)
            .seal_with("a secret of the whole fleet")
    });
}

/// The rights are taken from the guide.
#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_role_with_the_rights_of_the_guide_can_do_everything() {
    let guide = include_str!("../../docs/account-info.md");
    let after = guide.split("`SELECT, INSERT").nth(1).unwrap();
    let rights = after.split('`').next().unwrap();
    let server = PostgresServer::start();
    server.sql(PostgresAccountInfo::TABLES);
    server.sql("CREATE ROLE fleet LOGIN");
    server.sql(&format!("GRANT SELECT, INSERT{rights} TO fleet"));
    let url = server.url().replace("postgres@", "fleet@");
    keeps_the_contract(&url, |builder| builder.migrate(false));
}

fn connect(url: &str) -> PostgresAccountInfo {
    let builder = PostgresAccountInfo::builder().migrate(true);
    builder
        .timeout(Duration::from_secs(1))
        .connect(url)
        .unwrap()
}

fn authorize(api: &B2Api, service: &Simulator) {
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
}

fn target() -> UploadTarget {
    UploadTarget::Bucket("b".into())
}

/// What the store stores, as text.
fn dump(server: &PostgresServer) -> String {
    server.sql("SELECT * FROM b2_account, b2_upload_url")
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_key_is_not_stored_and_what_is_sealed_opens_only_with_its_secret() {
    let server = PostgresServer::start();
    let store = connect(&server.url());
    let saved = store.save_auth(auth(), None).unwrap();
    store
        .put_upload_url(saved.identity(), &target(), upload_url(&Clock::default()))
        .unwrap();
    let held = dump(&server);
    assert!(held.contains("the-account-token") && held.contains("the-upload-token"));
    assert!(!held.contains("the-secret-key"), "{held}");
    store.clear().unwrap();
    assert_eq!(dump(&server), "");

    let open = |secret: &str| {
        let builder = PostgresAccountInfo::builder().store_application_key(true);
        builder.seal_with(secret).connect(&server.url()).unwrap()
    };
    let store = open("a secret of the whole fleet");
    let saved = store.save_auth(auth(), None).unwrap();
    store
        .put_upload_url(saved.identity(), &target(), upload_url(&Clock::default()))
        .unwrap();
    let held = dump(&server);
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
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn tables_are_created_only_on_request_and_by_many_at_once() {
    let server = PostgresServer::start();
    let error = PostgresAccountInfo::connect(&server.url())
        .unwrap()
        .auth()
        .unwrap_err();
    assert!(
        !error.is_unavailable() && error.to_string().contains("migrate(true)"),
        "{error}"
    );
    let stores = [(); 8].map(|()| connect(&server.url()));
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| assert_eq!(store.auth().unwrap(), None));
        }
    });
    // As an administrator does it, also again.
    server.sql(PostgresAccountInfo::TABLES);
    server.sql("DROP TABLE b2_account, b2_bucket, b2_upload_url");
    server.sql(PostgresAccountInfo::TABLES);
    server.sql(
        "CREATE ROLE fleet LOGIN; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON b2_account, b2_bucket, b2_upload_url TO fleet; \
         CREATE ROLE reader LOGIN; GRANT SELECT ON b2_account TO reader",
    );
    let as_user = |user: &str| {
        let url = server.url().replace("postgres@", &format!("{user}@"));
        PostgresAccountInfo::connect(&url).unwrap()
    };
    let store = as_user("fleet");
    let saved = store.save_auth(auth(), None).unwrap();
    store
        .put_upload_url(saved.identity(), &target(), upload_url(&Clock::default()))
        .unwrap();
    store.clear().unwrap();
    let error = as_user("reader").clear().unwrap_err();
    assert!(
        !error.is_unavailable() && error.to_string().contains("DELETE"),
        "{error}"
    );
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_server_that_fails_is_named_with_what_to_do_and_without_a_secret() {
    let mut server = PostgresServer::start();
    server.sql(
        "CREATE ROLE fleet LOGIN PASSWORD 'the-password'; GRANT ALL ON SCHEMA public TO fleet",
    );
    std::fs::write(
        server.data().join("pg_hba.conf"),
        "local all all trust\nhost all all all scram-sha-256\n",
    )
    .unwrap();
    server.sql("SELECT pg_reload_conf()");
    let name = format!("127.0.0.1:{}", server.port());
    let refused = |url: &str| {
        let store = connect(url);
        let error = store.auth().unwrap_err();
        let shown = format!("{error} {error:?} {store:?}");
        assert!(shown.contains(&name), "{shown}");
        assert!(
            !shown.contains("the-password") && !shown.contains("a-guess"),
            "{shown}"
        );
        (error.is_unavailable(), error.to_string())
    };
    for login in ["fleet", "fleet:a-guess", "nobody:a-guess"] {
        let (is_away, text) = refused(&format!("postgres://{login}@{name}/postgres"));
        assert!(!is_away && text.contains("check the user"), "{text}");
    }
    let good = format!("postgres://fleet:the-password@{name}/postgres");
    let (is_away, text) = refused(&good.replace("/postgres", "/other"));
    assert!(!is_away && text.contains("no such database"), "{text}");
    let (is_away, text) = refused(&format!("{good}?sslmode=require"));
    assert!(!is_away && text.contains("TLS"), "{text}");

    assert_eq!(connect(&good).auth().unwrap(), None);
    let provided = |password: &'static str| {
        PostgresAccountInfo::builder()
            .password_with(move || match password {
                "" => Err(std::io::Error::other("the vault is locked")),
                password => Ok(password.to_owned()),
            })
            .connect(&format!("postgres://fleet@{name}/postgres"))
            .unwrap()
    };
    assert_eq!(provided("the-password").auth().unwrap(), None);
    let error = provided("").auth().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the vault is locked");
    // By the server's own socket.
    let socket = server.directory().display().to_string().replace('/', "%2F");
    let local = format!("postgres://postgres@{socket}:{}/postgres", server.port());
    assert_eq!(connect(&local).auth().unwrap(), None);

    server.kill();
    let (is_away, text) = refused(&good);
    assert!(is_away && text.contains("cannot be reached"), "{text}");
    for url in [
        "http://host",
        "postgres://",
        "nonsense:the-password",
        "postgres://u:the-password@h/d?sslmode=maybe",
    ] {
        let error = PostgresAccountInfo::connect(url).map(drop).unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { .. }),
            "{url}: {error:?}"
        );
        assert!(!error.to_string().contains("the-password"));
    }
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_server_that_is_locked_read_only_or_silent_is_away() {
    let server =
        PostgresServer::start_with(&["max_connections=4", "superuser_reserved_connections=0"]);
    let store = PostgresAccountInfo::builder()
        .timeout(Duration::from_millis(400))
        .migrate(true)
        .connect(&server.url())
        .unwrap();
    let saved = store.save_auth(auth(), None).unwrap();
    let fails_with = |words: &str| {
        let put = store.put_upload_url(saved.identity(), &target(), upload_url(&Clock::default()));
        let error = put.unwrap_err();
        assert!(
            error.is_unavailable() && error.to_string().contains(words),
            "{words}: {error}"
        );
    };
    let locked = server.hold("LOCK TABLE b2_account IN ACCESS EXCLUSIVE MODE");
    fails_with("too slow");
    drop(locked);
    server.set("default_transaction_read_only", "on");
    fails_with("read-only");
    server.set("default_transaction_read_only", "off");
    store
        .put_upload_url(saved.identity(), &target(), upload_url(&Clock::default()))
        .unwrap();

    let others = [(); 3].map(|()| server.hold("SELECT"));
    let late = connect(&server.url());
    let error = late.auth().unwrap_err();
    assert!(
        error.is_unavailable() && error.to_string().contains("max_connections"),
        "{error}"
    );
    drop(others);

    server.freeze();
    fails_with("does not answer in time");
    fails_with("does not answer in time");
    server.thaw();
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_loss_costs_one_authorization_and_a_logout_stays_one() {
    let (service, server) = (Simulator::start().unwrap(), PostgresServer::start());
    // On a manual clock, whoever waits for the lease would let it run out.
    let apis = [(); 4].map(|()| {
        B2Api::new(server::open(
            &server.url(),
            Duration::ZERO,
            &Clock::default(),
        ))
    });
    for api in &apis {
        authorize(api, &service);
    }
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    server.empty();
    std::thread::scope(|scope| {
        for api in &apis {
            scope.spawn(|| api.list_buckets().unwrap());
        }
    });
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 2);

    apis[0].account_info().clear().unwrap();
    service.log().clear();
    for api in &apis {
        let error = api.list_buckets().unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{error:?}");
    }
    assert_eq!(service.log().total(), 0);
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_store_works_on_a_thread_of_an_async_runtime() {
    let (service, server) = (Simulator::start().unwrap(), PostgresServer::start());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let task = runtime.spawn(async move {
        let api = B2Api::new(connect(&server.url()));
        authorize(&api, &service);
        let bucket = api
            .create_bucket("example-bucket", BucketType::AllPrivate)
            .unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();
        // Made and dropped here as well.
        drop((bucket, api));
        connect(&server.url()).auth().unwrap().is_some()
    });
    assert!(runtime.block_on(task).unwrap());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_when_answers_are_lost_and_the_server_is_away() {
    let server = PostgresServer::start();
    server.sql(PostgresAccountInfo::TABLES);
    let places = AtomicUsize::new(0);
    conformance::check_server_faults(|clock| {
        let proxy = Proxy::start(server.port(), proxy::postgres_requests);
        let place = places.fetch_add(1, Ordering::Relaxed);
        let builder = PostgresAccountInfo::builder()
            .account(format!("fault-{place}"))
            .store_application_key(true)
            .clock(&clock);
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
        (Box::new(builder.connect(&url).unwrap()), Box::new(proxy))
    });
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn the_store_keeps_the_contract_over_tls_with_the_named_roots_only() {
    let directory = tempfile::tempdir().unwrap();
    let files = Certificates::create(directory.path());
    for path in [directory.path(), &files.certificate, &files.key] {
        postgres_server::give(path);
    }
    let server = PostgresServer::start_with(&[
        "ssl=on",
        &format!("ssl_cert_file={}", files.certificate.display()),
        &format!("ssl_key_file={}", files.key.display()),
    ]);
    let url = server.url().replace("127.0.0.1", "localhost") + "?sslmode=verify-full";
    keeps_the_contract(&url, |builder| builder.tls_roots(files.authority.clone()));
    let error = connect(&url).auth().unwrap_err();
    assert!(
        !error.is_unavailable() && error.to_string().contains("tls_roots"),
        "{error}"
    );
    // Also where the URL does not insist on it.
    let error = connect(&url.replace("?sslmode=verify-full", ""))
        .auth()
        .unwrap_err();
    assert!(error.to_string().contains("sslmode=disable"), "{error}");
    let plain = url.replace("verify-full", "disable");
    assert!(connect(&plain).auth().unwrap().is_none());
    let builder = PostgresAccountInfo::builder().tls_roots("no certificate");
    let error = builder.connect(&url).map(drop).unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn a_standby_that_takes_over_has_the_login_and_no_upload_urls() {
    let mut primary = PostgresServer::start();
    primary.sql(PostgresAccountInfo::TABLES);
    let standby = primary.standby();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    let url = format!("postgres://postgres@{hosts}/postgres");
    let store = PostgresAccountInfo::builder().staleness(Duration::ZERO);
    let store = store.connect(&url).unwrap();
    let saved = store.save_auth(auth(), None).unwrap();
    let target = target();
    store
        .put_upload_url(saved.identity(), &target, upload_url(&Clock::default()))
        .unwrap();
    while standby
        .sql("SELECT generation FROM b2_account")
        .trim()
        .is_empty()
    {}
    primary.kill();
    standby.sql("SELECT pg_promote()");
    let seen = loop {
        match store.auth() {
            Err(error) => assert!(error.is_unavailable(), "{error}"),
            Ok(seen) => break seen,
        }
    };
    assert_eq!(seen.map(|seen| seen.generation()), Some(saved.generation()));
    let take = || store.take_upload_url(saved.identity(), &target).unwrap();
    assert_eq!(take(), None);
    store
        .put_upload_url(saved.identity(), &target, upload_url(&Clock::default()))
        .unwrap();
    assert!(take().is_some());
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn an_idle_connection_that_was_forgotten_costs_neither_a_call_nor_a_pause() {
    let (server, clock) = (PostgresServer::start(), Clock::manual());
    let proxy = Proxy::start(server.port(), proxy::postgres_requests);
    let store = PostgresAccountInfo::builder()
        .staleness(Duration::ZERO)
        .migrate(true)
        .clock(&clock)
        .connect(&format!(
            "postgres://postgres@127.0.0.1:{}/postgres",
            proxy.port()
        ))
        .unwrap();
    connections::forgotten_connections_cost_nothing(&store, &proxy, &clock);
}

#[test]
#[ignore = "needs a PostgreSQL server: run tests/scripts/test-servers.sh"]
fn asking_whether_somebody_logged_out_brings_no_secret() {
    let (server, clock) = (PostgresServer::start(), Clock::manual());
    let proxy = Proxy::start(server.port(), proxy::postgres_requests);
    let store = PostgresAccountInfo::builder()
        .staleness(Duration::ZERO)
        .migrate(true)
        .clock(&clock)
        .connect(&format!(
            "postgres://postgres@127.0.0.1:{}/postgres",
            proxy.port()
        ))
        .unwrap();
    connections::a_logout_is_asked_for_without_secrets(&store, &proxy);
}
