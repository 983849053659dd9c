//! The requests about files: listings, versions, large files, copies.

use super::*;

fn first_page() -> ListFilesRequest {
    ListFilesRequest {
        bucket_id: bucket(),
        start_file_name: None,
        start_file_id: None,
        max_file_count: 1000,
        prefix: String::new(),
        delimiter: None,
    }
}

#[test]
fn the_first_page_of_a_listing_names_no_start() {
    assert_sent(&first_page(), "b2_list_file_names/request_minimal");
    assert_sent(&first_page(), "b2_list_file_versions/request_minimal");
}

#[test]
fn a_listing_of_names_goes_on_inside_a_folder() {
    let request = ListFilesRequest {
        start_file_name: Some("2026/März/".to_owned()),
        max_file_count: 2,
        prefix: "2026/".to_owned(),
        delimiter: Some("/".to_owned()),
        ..first_page()
    };
    assert_sent(&request, "b2_list_file_names/request_full");
}

#[test]
fn a_listing_of_versions_goes_on_at_a_version() {
    let request = ListFilesRequest {
        start_file_name: Some("2026/notes.txt".to_owned()),
        start_file_id: Some(FileId::from(HIDE_MARKER)),
        max_file_count: 4,
        prefix: "2026/".to_owned(),
        delimiter: Some("/".to_owned()),
        ..first_page()
    };
    assert_sent(&request, "b2_list_file_versions/request_full");
}

#[test]
fn a_version_is_asked_about_by_its_id() {
    let request = FileIdRequest {
        file_id: &FileId::from(HIDE_MARKER),
    };
    assert_sent(&request, "b2_get_file_info/request");
}

#[test]
fn a_file_is_hidden_by_its_name() {
    let request = HideFileRequest {
        bucket_id: &bucket(),
        file_name: "2026/notes.txt",
    };
    assert_sent(&request, "b2_hide_file/request");
}

#[test]
fn a_version_is_deleted_by_name_and_id() {
    let request = DeleteFileVersionRequest {
        file_name: "2026/notes.txt",
        file_id: &FileId::from(HIDE_MARKER),
        bypass_governance: false,
    };
    assert_sent(&request, "b2_delete_file_version/request");
    let request = DeleteFileVersionRequest {
        bypass_governance: true,
        ..request
    };
    assert_sent(&request, "b2_delete_file_version/request_bypass");
}

const LARGE_FILE: &str = "4_ze50ba23e791f80c74c619dd4_f221b4c7e80d95a36_d20261106_m101112_c003_v0301045_t0040_u01793959872000";

#[test]
fn large_files_are_started_finished_and_cancelled() {
    let file_info = FileInfo::new().with(
        "large_file_sha1",
        "a07bdcbcbb025d14688be45f90b3b7128d4f9170",
    );
    let request = StartLargeFileRequest {
        bucket_id: &bucket(),
        file_name: "disk.img",
        content_type: "b2/x-auto",
        file_info: &file_info,
        server_side_encryption: None,
        file_retention: None,
        legal_hold: None,
        custom_upload_timestamp: None,
    };
    assert_sent(&request, "b2_start_large_file/request");
    let key = Encryption::SseC(SseCustomerKey::new([0; 32]));
    let retention = FileRetention::governance(UNTIL);
    let request = StartLargeFileRequest {
        server_side_encryption: Some((&key).into()),
        file_retention: Some(&retention),
        legal_hold: Some(&LegalHold::On),
        custom_upload_timestamp: Some(Timestamp::from_millis(1_793_692_800_456)),
        ..request
    };
    assert_sent(&request, "b2_start_large_file/request_sse_c_locked");
    let file_id = &FileId::from(LARGE_FILE);
    let part_sha1_array = vec!["3fc88b83767af036ec64f408a5c22693db6e3b76".to_owned(); 2];
    assert_sent(
        &FinishLargeFileRequest {
            file_id,
            part_sha1_array,
        },
        "b2_finish_large_file/request",
    );
    assert_sent(&FileIdRequest { file_id }, "b2_cancel_large_file/request");
    assert_sent(&FileIdRequest { file_id }, "b2_get_upload_part_url/request");
}

#[test]
fn unfinished_files_and_parts_are_listed_by_page() {
    let file_id = &FileId::from(LARGE_FILE);
    let request = ListPartsRequest {
        file_id,
        start_part_number: Some(1),
        max_part_count: 2,
    };
    assert_sent(&request, "b2_list_parts/request");
    let request = ListUnfinishedRequest {
        bucket_id: bucket(),
        name_prefix: Some("disk".to_owned()),
        start_file_id: None,
        max_file_count: 1,
    };
    assert_sent(&request, "b2_list_unfinished_large_files/request");
}

#[test]
fn a_copy_names_its_source() {
    let request = CopyFileRequest {
        source_file_id: &FileId::from(
            "4_ze50ba23e791f80c74c619dd4_f12c9d04a7e6b3f58_d20261104_m080000_c003_v0301043_t0021_u01793779200123",
        ),
        file_name: "2026/copy.jpg",
        destination_bucket_id: None,
        range: None,
        metadata_directive: "COPY",
        content_type: None,
        file_info: None,
        file_retention: None,
        legal_hold: None,
        source_server_side_encryption: None,
        destination_server_side_encryption: None,
    };
    assert_sent(&request, "b2_copy_file/request");
    let [zero, seven] = [0, 7].map(|byte| SseCustomerKey::new([byte; 32]));
    let file_info = &FileInfo::new().with("sse_c_key_id", "zero");
    let retention = FileRetention::compliance(Timestamp::from_millis(1_893_456_000_000));
    let full = CopyFileRequest {
        destination_bucket_id: Some(&bucket()),
        range: Some(ByteRange::from(0..=99)),
        metadata_directive: "REPLACE",
        content_type: Some("image/jpeg"),
        file_info: Some(file_info),
        file_retention: Some(&retention),
        legal_hold: Some(&LegalHold::On),
        source_server_side_encryption: Some((&seven).into()),
        destination_server_side_encryption: Some((&zero).into()),
        ..request
    };
    assert_sent(&full, "b2_copy_file/request_sse_c_locked");
    let request = CopyFileRequest {
        source_file_id: full.source_file_id,
        file_name: full.file_name,
        destination_bucket_id: None,
        range: None,
        metadata_directive: "COPY",
        content_type: None,
        file_info: None,
        file_retention: None,
        legal_hold: None,
        source_server_side_encryption: None,
        destination_server_side_encryption: Some((&Encryption::SseB2).into()),
    };
    assert_sent(&request, "b2_copy_file/request_sse_b2");
}

#[test]
fn a_copied_part_names_its_source_and_its_bytes() {
    let request = CopyPartRequest {
        source_file_id: &FileId::from(
            "4_ze50ba23e791f80c74c619dd4_f12c9d04a7e6b3f58_d20261104_m080000_c003_v0301043_t0021_u01793779200123",
        ),
        large_file_id: &FileId::from(
            "4_ze50ba23e791f80c74c619dd4_f221b4c7e80d95a36_d20261106_m101112_c003_v0301045_t0040_u01793959872000",
        ),
        part_number: 1,
        range: Some(ByteRange::from(0..=4_999_999)),
        source_server_side_encryption: None,
        destination_server_side_encryption: None,
    };
    assert_sent(&request, "b2_copy_part/request");
    let [zero, seven] = [0, 7].map(|byte| SseCustomerKey::new([byte; 32]));
    let request = CopyPartRequest {
        source_server_side_encryption: Some((&seven).into()),
        destination_server_side_encryption: Some((&zero).into()),
        ..request
    };
    assert_sent(&request, "b2_copy_part/request_sse_c");
}
