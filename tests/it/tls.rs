//! TLS that breaks: what is final, what is tried again, and that no damage on the way reaches anybody.

use b2sdk::error::TransportKind;
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, Bucket, BucketType, CancelToken, Error, FileAction, InMemoryAccountInfo, Operation,
    UploadOptions,
};

use crate::support::BUCKET;
use crate::support::tls::{Shown, TlsFront, Trouble};

/// A service that speaks TLS, and a client that trusts it.
struct Secure {
    service: Simulator,
    front: TlsFront,
    bucket: Bucket,
    /// Kept, so that each call that asks for them gets connections of its own.
    tokens: Vec<CancelToken>,
}

impl Secure {
    fn new() -> Self {
        let service = Simulator::builder()
            .minimum_part_size(100_000)
            .recommended_part_size(100_000)
            .start()
            .unwrap();
        let front = TlsFront::new(&service, Shown::Good);
        let api = client(&front);
        authorize(&api, &service, &front).unwrap();
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        service.log().clear();
        Self {
            service,
            front,
            bucket,
            tokens: Vec::new(),
        }
    }

    /// The bucket over connections that nobody used before.
    fn afresh(&mut self) -> Bucket {
        self.tokens.push(CancelToken::new());
        self.bucket.with_cancel(self.tokens.last().unwrap())
    }
}

fn client(front: &TlsFront) -> B2Api {
    let clock = Clock::manual();
    let builder = B2Api::builder(InMemoryAccountInfo::with_clock(clock.clone())).clock(&clock);
    front.trusted(builder).build().unwrap()
}

fn authorize(api: &B2Api, service: &Simulator, front: &TlsFront) -> Result<(), Error> {
    let (id, key) = (service.application_key_id(), service.application_key());
    api.authorize_account(front.url(), id, key)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * n % 251) as u8).collect()
}

/// Uploads small and large, downloads and lists over connections of its own, and finds everything as it
/// should be.
fn use_all(secure: &mut Secure, case: &str) {
    let (small, large) = (content(1000), content(350_000));
    let options = UploadOptions::new().part_size(100_000);
    let bucket = secure.afresh();
    bucket
        .upload_bytes(&small, &format!("{case}/small"))
        .expect(case);
    bucket
        .upload_bytes_with(&large, &format!("{case}/large"), &options)
        .expect(case);
    for (name, stored) in [("small", &small), ("large", &large)] {
        let download = bucket
            .download_file_by_name(&format!("{case}/{name}"))
            .expect(case);
        assert!(
            download.read_to_vec().expect(case) == *stored,
            "{case}: other bytes"
        );
    }
    for name in ["small", "large"] {
        let listed = bucket
            .list_file_versions(&format!("{case}/{name}"))
            .unwrap();
        let mut listed: Vec<_> = listed.collect::<Result<_, _>>().expect(case);
        // An answer to starting a large file that was lost leaves an unfinished one, which is no version.
        listed.retain(|version| version.action == FileAction::Upload);
        assert_eq!(listed.len(), 1, "{case}: versions of {name}: {listed:?}");
    }
}

#[test]
fn a_certificate_that_must_not_be_accepted_is_final_and_nothing_is_sent() {
    for shown in [
        Shown::Expired,
        Shown::OfAnotherHost,
        Shown::OfAnotherAuthority,
    ] {
        let service = Simulator::start().unwrap();
        let front = TlsFront::new(&service, shown);
        let failure = authorize(&client(&front), &service, &front);
        let Err(Error::Connection(failure)) = failure else {
            panic!("{shown:?}: {failure:?}")
        };
        assert_eq!(
            (failure.kind, failure.attempts),
            (TransportKind::Tls, 1),
            "{shown:?}"
        );
        assert!(failure.to_string().contains("certificate"), "{failure}");
        assert_eq!(
            (front.connections(), service.log().total()),
            (1, 0),
            "{shown:?}"
        );
    }
}

#[test]
fn a_handshake_that_fails_is_tried_again() {
    let mut secure = Secure::new();
    for trouble in [Trouble::Alert, Trouble::Closed, Trouble::NotTls] {
        let api = client(&secure.front);
        secure.front.make(&[trouble, trouble]);
        authorize(&api, &secure.service, &secure.front).unwrap();
        assert!(secure.front.is_over());
        secure.front.make(&[trouble, trouble]);
        use_all(&mut secure, &format!("{trouble:?}"));
        assert!(secure.front.is_over());
    }
}

#[test]
fn an_upload_whose_handshake_fails_asks_for_another_url() {
    let mut secure = Secure::new();
    // The URL goes into the pool, and the next upload begins with it on a new connection.
    secure.bucket.upload_bytes(b"one", "one").unwrap();
    let bucket = secure.afresh();
    secure.service.log().clear();
    secure.front.make(&[Trouble::Alert]);
    let uploaded = bucket.upload_bytes(b"two", "two").unwrap();
    assert_eq!(uploaded.retries(), 1);
    let counted =
        [Operation::GetUploadUrl, Operation::UploadFile].map(|of| secure.service.log().count(of));
    assert_eq!(counted, [1, 1]);
}

#[test]
fn what_is_not_tls_is_not_asked_for_long() {
    let service = Simulator::start().unwrap();
    let front = TlsFront::new(&service, Shown::Good);
    front.make(&[Trouble::NotTls; 20]);
    let failure = authorize(&client(&front), &service, &front);
    let Err(Error::Connection(failure)) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(
        (failure.kind, failure.attempts),
        (TransportKind::Protocol, 3)
    );
    assert_eq!(front.connections(), 3);
}

#[test]
fn a_bit_that_flips_on_the_way_changes_nothing_that_is_stored_or_read() {
    let mut secure = Secure::new();
    let handshake = [0, 2, 4, 30, 100, 300, 600, 900, 1200];
    let content = [2_000, 20_000, 90_000, 120_000, 250_000];
    for at in handshake.into_iter().chain(content) {
        for trouble in [Trouble::FlipUp(at), Trouble::FlipDown(at)] {
            secure.front.make(&[trouble, trouble]);
            use_all(&mut secure, &format!("{trouble:?}"));
            secure.front.make(&[]);
        }
    }
}

#[test]
fn a_connection_that_ends_without_the_end_of_tls_ends_no_download_early() {
    let mut secure = Secure::new();
    for at in [1_500, 3_000, 50_000, 150_000, 300_000] {
        let trouble = Trouble::CutDown(at);
        secure.front.make(&[trouble, trouble]);
        use_all(&mut secure, &format!("{trouble:?}"));
        secure.front.make(&[]);
    }
}

#[test]
fn another_connection_takes_up_the_tls_session_of_the_first() {
    let mut secure = Secure::new();
    for _ in 0..3 {
        let bucket = secure.afresh();
        bucket.upload_bytes(b"x", "x").unwrap();
    }
    assert_eq!(
        secure.front.connections() - secure.front.resumed(),
        1,
        "full handshakes"
    );
}

#[test]
fn added_roots_must_be_certificates() {
    let block = |base64: &str| {
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    };
    for pem in [
        String::new(),
        block("AAAA"),
        block("!!!"),
        "text".to_owned(),
    ] {
        let built = B2Api::builder(InMemoryAccountInfo::new())
            .root_certificates(pem)
            .build();
        let what = matches!(
            built,
            Err(Error::InvalidInput {
                what: "root certificates",
                ..
            })
        );
        assert!(what, "{built:?}");
    }
}
