//! The first program of README.md, word for word. It needs an account with the bucket `my-backups`.

use b2sdk::B2Api;

fn main() -> anyhow::Result<()> {
    let b2_api = B2Api::from_env()?;
    let bucket = b2_api.get_bucket_by_name("my-backups")?;
    bucket.upload_local_file("notes.txt", "2026/notes.txt")?;
    let download = bucket.download_file_by_name("2026/notes.txt")?;
    download.save_to("copy.txt")?;
    Ok(())
}
