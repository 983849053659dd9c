//! The recipe for Rust in `docs/simulator.md`, word for word.

use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation};

#[test]
fn an_upload_outlives_its_token() -> anyhow::Result<()> {
    let simulator = Simulator::start()?;
    let api = B2Api::new(InMemoryAccountInfo::new());
    api.authorize_account(
        simulator.url(),
        simulator.application_key_id(),
        simulator.application_key(),
    )?;
    let bucket = api.create_bucket("my-photos", BucketType::AllPrivate)?;

    simulator.expire_tokens()?;
    let cut = "b2_download_file_by_name truncate=2";
    simulator.faults().inject(cut.parse()?);
    bucket.upload_bytes(b"hello", "hello.txt")?;
    let download = bucket.download_file_by_name("hello.txt")?;
    assert_eq!(download.read_to_vec()?, b"hello");

    // Once at the beginning and once more; and the rest of that version by its id.
    let log = simulator.log();
    assert_eq!(log.count(Operation::AuthorizeAccount), 2);
    assert_eq!(log.count(Operation::DownloadFileById), 1);
    Ok(())
}
