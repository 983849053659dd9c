//! Each of the 31 endpoints once, through `call_raw`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use b2sdk::raw::{
    CopyFileRequest, CopyPartRequest, CreateBucketRequest, CreateKeyRequest,
    DownloadAuthorizationRequest, DownloadParameters, ListBucketsRequest, ListFilesRequest,
    ListPartsRequest, ListUnfinishedRequest, Raw, StartLargeFileRequest, UpdateBucketRequest,
    UpdateFileLegalHoldRequest, UpdateFileRetentionRequest, UploadBody, UploadFileRequest,
    UploadPartRequest,
};
use b2sdk::{
    BucketDetails, BucketType, ByteRange, Capability, Encryption, EventNotificationRule,
    EventTarget, EventType, FileAction, FileId, FileInfo, FileRetention, FileVersion, Filtered,
    LegalHold, Operation, Realm, ResponseHeaders, Result, Sha1Digest, SseCustomerKey, Timestamp,
};

use crate::support::{BUCKET, World};

/// Calls endpoints and takes note of which.
struct Calls {
    world: World,
    called: BTreeSet<Operation>,
}

impl Calls {
    fn new() -> Self {
        Self {
            world: World::of_small_parts(1, 5),
            called: BTreeSet::new(),
        }
    }

    /// One call, which is one request.
    #[track_caller]
    fn call<T>(&mut self, operation: Operation, call: impl FnMut(&Raw<'_>) -> Result<T>) -> T {
        let before = self.world.count(operation);
        let answer = self.world.api.call_raw(operation, call);
        let answer = answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        assert_eq!(self.world.count(operation), before + 1, "{operation}");
        self.called.insert(operation);
        answer
    }

    fn upload(&mut self, bucket: &BucketDetails, file_name: &str, content: &[u8]) -> FileVersion {
        let info = FileInfo::new().with("colour", "blue green");
        let url = self.call(Operation::GetUploadUrl, |raw| {
            raw.get_upload_url(&bucket.bucket_id)
        });
        self.call(Operation::UploadFile, |raw| {
            let mut reader = content;
            let mut body = UploadBody::new(&mut reader, content.len() as u64);
            let request = UploadFileRequest::new(file_name, "text/plain", &info);
            let request = request.legal_hold(&LegalHold::Off);
            raw.upload_file(
                &url.upload_url,
                &url.authorization_token,
                &request,
                &mut body,
            )
        })
    }
}

#[test]
fn each_endpoint_answers_once() {
    let mut calls = Calls::new();
    let bucket = buckets(&mut calls);
    let file = calls.upload(&bucket, "a/hello.txt", b"hello");
    assert_eq!(file.action, FileAction::Upload);
    listings(&mut calls, &bucket, &file);
    downloads(&mut calls, &file);
    locks(&mut calls, &file);
    copies_and_deletions(&mut calls, &bucket, &file);
    large_files(&mut calls, &bucket, &file);
    keys_and_sharing(&mut calls, &bucket);
    notifications(&mut calls, &bucket);
    let called: BTreeSet<_> = calls.called;
    assert_eq!(called, Operation::ALL.iter().copied().collect());
}

/// The text above each method of `Raw`, up to its errors.
fn documentation() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raw");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let mut text = String::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            match line.strip_prefix("    /// ") {
                Some(words) => text = text + words + " ",
                None if line.starts_with("    pub fn") => found.push(std::mem::take(&mut text)),
                None if line.trim() == "///" => {}
                None => text.clear(),
            }
        }
    }
    let before_errors = |text: String| text.split("# Errors").next().unwrap().to_owned();
    found.into_iter().map(before_errors).collect()
}

#[test]
fn each_endpoint_is_documented_with_a_link_to_the_protocol_its_capability_and_its_class() {
    let all = documentation();
    for operation in Operation::ALL {
        let name = format!("[`{operation}`](crate::protocol#2");
        let text = all.iter().find(|text| text.starts_with(&name));
        let text = text.unwrap_or_else(|| panic!("{operation} is not documented"));
        let capability = operation.capability().map(|needed| format!("`{needed}`"));
        let class = format!("in class {:?}", operation.billing_class());
        for needed in [capability.unwrap_or_default(), class] {
            assert!(
                text.contains(&needed),
                "{operation}: {needed} is not in {text}"
            );
        }
    }
}

fn buckets(calls: &mut Calls) -> BucketDetails {
    let kind = BucketType::AllPrivate;
    let mut create = |name: &str| {
        calls.call(Operation::CreateBucket, |raw| {
            let request = CreateBucketRequest::new(raw.account_id(), name, &kind);
            raw.create_bucket(&request.file_lock_enabled(true))
        })
    };
    let (bucket, empty) = (create("raw-bucket"), create("empty-bucket"));
    let gone = calls.call(Operation::DeleteBucket, |raw| {
        raw.delete_bucket(&empty.bucket_id)
    });
    assert_eq!(gone.bucket_name, "empty-bucket");
    let info = [("colour".to_owned(), "blue".to_owned())].into();
    let updated = calls.call(Operation::UpdateBucket, |raw| {
        let request = UpdateBucketRequest::new(raw.account_id(), &bucket.bucket_id);
        raw.update_bucket(&request.bucket_info(&info).if_revision_is(bucket.revision))
    });
    assert_eq!(
        (&updated.bucket_info, updated.revision),
        (&info, bucket.revision + 1)
    );
    let listed = calls.call(Operation::ListBuckets, |raw| {
        let types = [kind.as_str()];
        raw.list_buckets(&ListBucketsRequest::new(raw.account_id()).bucket_types(&types))
    });
    let names: Vec<_> = listed
        .buckets
        .iter()
        .map(|details| &*details.bucket_name)
        .collect();
    assert_eq!(names, [BUCKET, "raw-bucket"]);
    updated
}

fn listings(calls: &mut Calls, bucket: &BucketDetails, file: &FileVersion) {
    let request = ListFilesRequest::new(bucket.bucket_id.clone())
        .prefix("a/")
        .max_file_count(1);
    let page = calls.call(Operation::ListFileNames, |raw| {
        raw.list_file_names(&request)
    });
    assert_eq!(
        (page.files[0].file_id.clone(), page.next_file_name),
        (file.file_id.clone(), None)
    );
    let request = request
        .start_file_name("a/hello.txt")
        .start_file_id(file.file_id.clone());
    let page = calls.call(Operation::ListFileVersions, |raw| {
        raw.list_file_versions(&request)
    });
    assert_eq!(page.files.len(), 1);
    let version = calls.call(Operation::GetFileInfo, |raw| {
        raw.get_file_info(&file.file_id)
    });
    assert_eq!(version, page.files[0]);
    assert_eq!(version.legal_hold, Filtered::Readable(LegalHold::Off));
}

fn downloads(calls: &mut Calls, file: &FileVersion) {
    let headers = ResponseHeaders::new()
        .content_type("application/pdf")
        .attachment("a b.pdf");
    let parameters = DownloadParameters::new()
        .range(ByteRange::from(1..=3))
        .response_headers(&headers);
    let mut response = calls.call(Operation::DownloadFileByName, |raw| {
        raw.download_file_by_name("raw-bucket", "a/hello.txt", &parameters)
    });
    let mut text = String::new();
    response.read_to_string(&mut text).unwrap();
    assert_eq!(
        (&*text, response.range.clone(), response.left()),
        ("ell", 1..4, 0)
    );
    assert_eq!(response.version.content_length, 5);
    assert_eq!(
        response.version.content_type.as_deref(),
        Some("application/pdf")
    );
    let info = &response.version.file_info;
    assert_eq!(
        info.get("b2-content-disposition"),
        Some("attachment; filename=\"a b.pdf\"")
    );

    let parameters = parameters
        .response_headers(&headers)
        .range(ByteRange::last(2));
    let mut response = calls.call(Operation::DownloadFileById, |raw| {
        raw.download_file_by_id(&file.file_id, &parameters)
    });
    text.clear();
    response.read_to_string(&mut text).unwrap();
    assert_eq!(text, "lo");

    let whole = DownloadParameters::new();
    let by_name = calls.call(Operation::DownloadFileByName, |raw| {
        raw.head_file_by_name("raw-bucket", "a/hello.txt", &whole)
    });
    let by_id = calls.call(Operation::DownloadFileById, |raw| {
        raw.head_file_by_id(&file.file_id, &parameters)
    });
    assert_eq!(
        (&by_name.file_id, by_name.content_length),
        (&file.file_id, 5)
    );
    assert_eq!(by_name.content_type.as_deref(), Some("text/plain"));
    assert_eq!(
        (by_id.content_length, by_id.content_type.as_deref()),
        (5, Some("application/pdf"))
    );
    let log = calls.world.service.log().entries();
    let heads = log.iter().filter(|entry| entry.method == "HEAD");
    assert!(heads.clone().all(|entry| entry.range.is_none()) && heads.count() == 2);
}

fn locks(calls: &mut Calls, file: &FileVersion) {
    let until = Timestamp::from(calls.world.clock.now() + Duration::from_secs(86_400));
    let retention = FileRetention::governance(until);
    let mut retain = |wanted: Option<&FileRetention>| {
        calls.call(Operation::UpdateFileRetention, |raw| {
            let request = UpdateFileRetentionRequest::new(&file.file_id, &file.file_name, wanted);
            raw.update_file_retention(&request.bypass_governance(wanted.is_none()))
        })
    };
    let set = retain(Some(&retention)).file_retention.unwrap();
    assert_eq!(
        set.readable().map(|stored| &stored.mode),
        Some(&retention.mode)
    );
    assert_eq!(retain(None).file_retention, Some(Filtered::Unset));
    for hold in [LegalHold::On, LegalHold::Off] {
        let answer = calls.call(Operation::UpdateFileLegalHold, |raw| {
            let (id, name) = (&file.file_id, &file.file_name);
            raw.update_file_legal_hold(&UpdateFileLegalHoldRequest::new(id, name, &hold))
        });
        assert_eq!(answer.legal_hold, Some(hold));
    }
}

fn copies_and_deletions(calls: &mut Calls, bucket: &BucketDetails, file: &FileVersion) {
    let info = FileInfo::new();
    let copy = calls.call(Operation::CopyFile, |raw| {
        let request = CopyFileRequest::new(&file.file_id, "copy")
            .range(ByteRange::from(0..=1))
            .metadata_directive("REPLACE")
            .content_type("a/b")
            .file_info(&info)
            .destination_server_side_encryption(&Encryption::SseB2);
        raw.copy_file(&request)
    });
    assert_eq!(
        (copy.content_length, copy.content_type.as_deref()),
        (2, Some("a/b"))
    );
    let marker = calls.call(Operation::HideFile, |raw| {
        raw.hide_file(&bucket.bucket_id, "copy")
    });
    assert_eq!(marker.action, FileAction::Hide);
    for version in [&marker, &copy] {
        let gone = calls.call(Operation::DeleteFileVersion, |raw| {
            raw.delete_file_version(&version.file_id, "copy", false)
        });
        assert_eq!(gone.file_id, version.file_id);
    }
}

fn large_files(calls: &mut Calls, bucket: &BucketDetails, file: &FileVersion) {
    let (info, customers) = (FileInfo::new(), SseCustomerKey::new([7; 32]));
    let encryption = Encryption::SseC(customers.clone());
    let mut start = |encryption: &Encryption| -> FileId {
        let started = calls.call(Operation::StartLargeFile, |raw| {
            let request = StartLargeFileRequest::new(&bucket.bucket_id, "large", "a/b", &info);
            raw.start_large_file(&request.server_side_encryption(encryption))
        });
        started.file_id
    };
    let (large, other) = (start(&encryption), start(&Encryption::SseB2));
    let url = calls.call(Operation::GetUploadPartUrl, |raw| {
        raw.get_upload_part_url(&large)
    });
    assert_eq!(url.file_id.as_ref(), Some(&large));
    let sha1 = Sha1Digest::of(b"first part");
    let part = calls.call(Operation::UploadPart, |raw| {
        let mut content = &b"first part"[..];
        let mut body = UploadBody::with_sha1(&mut content, 10, sha1);
        let request = UploadPartRequest::new(1).customer_key(&customers);
        raw.upload_part(
            &url.upload_url,
            &url.authorization_token,
            &request,
            &mut body,
        )
    });
    assert_eq!(
        (part.part_number, part.content_sha1.digest()),
        (1, Some(sha1))
    );
    let copied = calls.call(Operation::CopyPart, |raw| {
        let request = CopyPartRequest::new(&file.file_id, &large, 2);
        raw.copy_part(&request.destination_server_side_encryption(&customers))
    });
    assert_eq!(copied.content_length, 5);
    let page = calls.call(Operation::ListParts, |raw| {
        raw.list_parts(&ListPartsRequest::new(&large).start_part_number(2))
    });
    assert_eq!((page.parts.len(), page.next_part_number), (1, None));
    let page = calls.call(Operation::ListUnfinishedLargeFiles, |raw| {
        let request = ListUnfinishedRequest::new(bucket.bucket_id.clone());
        raw.list_unfinished_large_files(&request.name_prefix("la"))
    });
    assert_eq!(page.files.len(), 2);
    let cancelled = calls.call(Operation::CancelLargeFile, |raw| {
        raw.cancel_large_file(&other)
    });
    assert_eq!(cancelled.file_name.as_deref(), Some("large"));
    let sha1s = [sha1, copied.content_sha1.digest().unwrap()];
    let made = calls.call(Operation::FinishLargeFile, |raw| {
        raw.finish_large_file(&large, &sha1s)
    });
    assert_eq!((made.action, made.content_length), (FileAction::Upload, 15));
}

fn keys_and_sharing(calls: &mut Calls, bucket: &BucketDetails) {
    let (buckets, capabilities) = ([bucket.bucket_id.clone()], [Capability::ListFiles]);
    let made = calls.call(Operation::CreateKey, |raw| {
        let request = CreateKeyRequest::new(raw.account_id(), "raw-key", &capabilities);
        raw.create_key(&request.bucket_ids(&buckets).name_prefix("a/"))
    });
    let realm = Realm::from(calls.world.service.url());
    let answer = calls.call(Operation::AuthorizeAccount, |raw| {
        raw.authorize_account(
            &realm,
            &made.details.application_key_id,
            &made.application_key,
        )
    });
    let allowed = answer.api_info.storage_api.allowed();
    assert_eq!(allowed.name_prefix.as_deref(), Some("a/"));
    assert!(allowed.has(&Capability::ListFiles) && allowed.capabilities.len() == 1);
    let id = &made.details.application_key_id;
    let page = calls.call(Operation::ListKeys, |raw| raw.list_keys(Some(id), 10));
    assert!(page.keys.contains(&made.details) && page.next_application_key_id.is_none());
    let gone = calls.call(Operation::DeleteKey, |raw| raw.delete_key(id));
    assert_eq!(&gone.application_key_id, id);
    let headers = ResponseHeaders::new().content_type("a/b");
    let shared = calls.call(Operation::GetDownloadAuthorization, |raw| {
        let request = DownloadAuthorizationRequest::new(&bucket.bucket_id, "a/", 60);
        raw.get_download_authorization(&request.overrides(&headers))
    });
    assert_eq!(shared.file_name_prefix.as_deref(), Some("a/"));
}

fn notifications(calls: &mut Calls, bucket: &BucketDetails) {
    let target = EventTarget::webhook("https://example.com/b2");
    let rules = [EventNotificationRule::new(
        "all-new",
        [EventType::ObjectCreatedAny],
        target,
    )];
    let id = &bucket.bucket_id;
    let set = calls.call(Operation::SetBucketNotificationRules, |raw| {
        raw.set_bucket_notification_rules(id, &rules)
    });
    let read = calls.call(Operation::GetBucketNotificationRules, |raw| {
        raw.get_bucket_notification_rules(id)
    });
    assert_eq!(read.event_notification_rules, set.event_notification_rules);
    assert_eq!(read.event_notification_rules[0].name, "all-new");
}
