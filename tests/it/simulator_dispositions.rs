//! `Content-Disposition` in the forms that clients use for names beyond ASCII.

use b2sdk::{FileInfo, UploadOptions};

use crate::support::World;

#[test]
fn extended_file_names_are_stored_and_sent_as_they_are() {
    let world = World::new();
    for value in [
        "attachment; filename*=UTF-8''na%C3%AFve%20plan.txt",
        "attachment; filename=\"naive; plan.txt\"; filename*=utf-8''na%C3%AFve%20plan.txt",
    ] {
        let options = UploadOptions::new().file_info(FileInfo::new().content_disposition(value));
        world.bucket.upload_bytes_with(b"x", "a", &options).unwrap();
        let download = world.bucket.download_file_by_name("a").unwrap();
        assert_eq!(
            download.version().file_info.get("b2-content-disposition"),
            Some(value)
        );
    }
    for value in [
        "attachment; filename*0=a",
        "attachment; filename*=UTF-8'en'a",
    ] {
        let options = UploadOptions::new().file_info(FileInfo::new().content_disposition(value));
        let refused = world
            .bucket
            .upload_bytes_with(b"x", "a", &options)
            .unwrap_err();
        assert!(
            refused.to_string().contains("b2-content-disposition"),
            "{refused}"
        );
    }
}
