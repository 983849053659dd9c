//! The certificate authorities of the operating system, which a child process is told by `SSL_CERT_FILE`.

use std::process::Command;

use b2sdk::simulator::{Simulator, Tls};
use b2sdk::{B2Api, Error, InMemoryAccountInfo, RetryPolicy};

/// The variable with what the child is to do.
const ROLE: &str = "B2SDK_TEST_SYSTEM_ROOTS";

fn outcome(builder: b2sdk::B2ApiBuilder, service: &[&str]) -> Result<(), Error> {
    let api = builder.retry(RetryPolicy::none()).build()?;
    api.authorize_account(service[0], service[1], service[2])
}

#[test]
fn authorities_of_the_system_are_trusted_where_that_is_asked_for() {
    let builder = || B2Api::builder(InMemoryAccountInfo::new());
    if let Ok(role) = std::env::var(ROLE) {
        let words: Vec<_> = role.split(' ').collect();
        let with = outcome(builder().system_roots(), &words[1..]);
        match words[0] {
            "some" => {
                with.unwrap();
                let without = outcome(builder(), &words[1..]).unwrap_err();
                assert!(matches!(without, Error::Connection(_)), "{without:?}");
            }
            _ => assert!(matches!(with, Err(Error::InvalidInput { .. })), "{with:?}"),
        }
        return;
    }
    let service = Simulator::builder().tls(Tls::generated()).start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, service.ca_certificate().unwrap()).unwrap();
    for (role, file) in [("some", &file), ("none", &directory.path().join("nothing"))] {
        let role = [
            role,
            service.url(),
            service.application_key_id(),
            service.application_key(),
        ];
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("system_roots::authorities_of_the_system_are_trusted_where_that_is_asked_for")
            .env(ROLE, role.join(" "))
            .env("SSL_CERT_FILE", file)
            .env("SSL_CERT_DIR", directory.path().join("nowhere"))
            .status();
        assert!(child.unwrap().success(), "{}", role[0]);
    }
}
