// What stands before every block of tutorial.md when it runs as a test: a simulator, an authorized
// account, a bucket in it, and a directory for files.
{
    let service = b2sdk::simulator::Simulator::start()?;
    let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    b2_api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )?;
    let bucket = b2_api.create_bucket("tutorial-bucket", b2sdk::BucketType::AllPrivate)?;
    let directory = tempfile::tempdir()?;
    (service, b2_api, bucket, directory)
}
