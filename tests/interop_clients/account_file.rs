//! One account-info file for `b2` and this crate: whoever authorizes first, the other one works on
//! with the same token.

use std::process::Command;

use b2sdk::{B2Api, BucketType, Operation, SqliteAccountInfo};

use crate::support::{World, in_venv, run};

const BUCKET: &str = "account-file-bucket-1";

/// `b2` with nothing but the file of its home directory.
fn b2(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.home.command(in_venv("b2"));
    command.args(arguments);
    command
}

/// This crate, on the same file.
fn api(world: &World) -> B2Api {
    B2Api::new(SqliteAccountInfo::open(world.home.path("account_info")).unwrap())
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn this_crate_goes_on_where_b2_authorized() {
    let world = World::new();
    let service = &world.service;
    let mut authorize = b2(&world, &["account", "authorize"]);
    authorize
        .arg(service.application_key_id())
        .arg(service.application_key())
        .env("B2_ENVIRONMENT", service.url());
    run(&mut authorize);
    run(&mut b2(&world, &["bucket", "create", BUCKET, "allPrivate"]));
    service.log().clear();

    let api = api(&world);
    assert_eq!(api.account_id().unwrap().as_str(), service.account_id());
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_bytes(b"hello", "hello.txt").unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
    let cat = ["file", "cat", &format!("b2://{BUCKET}/hello.txt")];
    assert_eq!(run(&mut b2(&world, &cat)), "hello");
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn b2_goes_on_where_this_crate_authorized() {
    let world = World::new();
    let service = &world.service;
    let api = api(&world);
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"hello", "hello.txt").unwrap();
    service.log().clear();

    let cat = ["file", "cat", &format!("b2://{BUCKET}/hello.txt")];
    assert_eq!(run(&mut b2(&world, &cat)), "hello");
    world.home.write("b.txt", b"b");
    run(&mut b2(
        &world,
        &["file", "upload", BUCKET, "b.txt", "b.txt"],
    ));
    let download = bucket.download_file_by_name("b.txt").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), b"b");
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
}

#[test]
#[ignore = "needs b2: tests/scripts/install-clients.sh"]
fn a_token_that_b2_renewed_is_taken_up_by_this_crate() {
    let world = World::new();
    let service = &world.service;
    let api = api(&world);
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();

    run(&mut b2(&world, &["ls", &format!("b2://{BUCKET}")]));
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    bucket.upload_bytes(b"hello", "hello.txt").unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}
