//! The table of the endpoints, each with a request that succeeds in a world that has one thing of each
//! kind.

use super::*;

/// An endpoint with a request that succeeds, made of its required fields.
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) capability: &'static str,
    pub(super) required: Value,
    pub(super) optional: &'static [&'static str],
}

const FILTERS: &[&str] = &["startFileName", "maxFileCount", "prefix", "delimiter"];

/// A world with one thing of each kind in it.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) account: String,
    pub(super) bucket: String,
    pub(super) empty_bucket: String,
    pub(super) file: String,
    pub(super) large_file: String,
    pub(super) sha1s: Vec<String>,
    pub(super) key: String,
}

impl Scene {
    pub(super) fn new() -> Self {
        let world = World::in_memory(Settings {
            absolute_minimum_part_size: 1,
            ..Settings::default()
        });
        let user = User::master(&world);
        let locked = json!({ "bucketName": "bucket-1", "bucketType": "allPrivate",
            "fileLockEnabled": true });
        let bucket = id_of(
            &user.account_call("b2_create_bucket", locked).ok(),
            "bucketId",
        );
        let empty_bucket = user.create_bucket("bucket-2");
        let file = id_of(&user.upload(&bucket, "a", b"x"), "fileId");
        let start = json!({ "bucketId": bucket, "fileName": "large", "contentType": "a/b" });
        let large_file = id_of(&user.call("b2_start_large_file", start).ok(), "fileId");
        let url = user
            .call("b2_get_upload_part_url", json!({ "fileId": large_file }))
            .ok();
        let url = UploadUrl::of(&world, &url);
        let sha1s = ["1", "2"].map(|number| {
            let sha1 = sha1_of(number.as_bytes());
            let headers = [("X-Bz-Part-Number", number), ("X-Bz-Content-Sha1", &sha1)];
            url.send(&headers, 1, &mut number.as_bytes()).ok();
            sha1
        });
        let (key, _) = world
            .create_key("k", &["listFiles"], None, None, None)
            .unwrap();
        Self {
            account: world.account_id().to_owned(),
            bucket,
            empty_bucket,
            file,
            large_file,
            sha1s: sha1s.to_vec(),
            key,
            world,
        }
    }

    pub(super) fn user(&self, capabilities: &[&str]) -> User<'_> {
        User::restricted(&self.world, capabilities, None, None)
    }

    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        [
            self.of_buckets(),
            self.of_files(),
            self.of_large_files(),
            self.of_keys(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn endpoint(&self, name: &str) -> Endpoint {
        let mut all = self.endpoints().into_iter();
        all.find(|endpoint| endpoint.name == name).unwrap()
    }

    /// Sections 2.2 to 2.5, 2.30 and 2.31.
    pub(super) fn of_buckets(&self) -> Vec<Endpoint> {
        let (account, bucket) = (&self.account, &self.bucket);
        vec![
            Endpoint {
                name: "b2_create_bucket",
                capability: "writeBuckets",
                required: json!({ "accountId": account, "bucketName": "bucket-3",
                    "bucketType": "allPublic" }),
                optional: &[
                    "bucketInfo",
                    "corsRules",
                    "lifecycleRules",
                    "fileLockEnabled",
                    "defaultServerSideEncryption",
                    "replicationConfiguration",
                    "defaultRetention",
                ],
            },
            Endpoint {
                name: "b2_delete_bucket",
                capability: "deleteBuckets",
                required: json!({ "accountId": account, "bucketId": self.empty_bucket }),
                optional: &[],
            },
            Endpoint {
                name: "b2_list_buckets",
                capability: "listBuckets",
                required: json!({ "accountId": account }),
                optional: &["bucketId", "bucketName", "bucketTypes"],
            },
            Endpoint {
                name: "b2_update_bucket",
                capability: "writeBuckets",
                required: json!({ "accountId": account, "bucketId": bucket,
                    "bucketType": "allPublic" }),
                optional: &[
                    "bucketInfo",
                    "corsRules",
                    "lifecycleRules",
                    "fileLockEnabled",
                    "defaultServerSideEncryption",
                    "replicationConfiguration",
                    "defaultRetention",
                    "ifRevisionIs",
                ],
            },
            Endpoint {
                name: "b2_get_bucket_notification_rules",
                capability: "readBucketNotifications",
                required: json!({ "bucketId": bucket }),
                optional: &[],
            },
            Endpoint {
                name: "b2_set_bucket_notification_rules",
                capability: "writeBucketNotifications",
                required: json!({ "bucketId": bucket, "eventNotificationRules": [] }),
                optional: &[],
            },
        ]
    }

    /// Sections 2.6, 2.8 to 2.13, 2.25, 2.28 and 2.29.
    pub(super) fn of_files(&self) -> Vec<Endpoint> {
        let (bucket, file) = (&self.bucket, &self.file);
        let named = json!({ "fileId": file, "fileName": "a" });
        let with = |field: &str, value: Value| {
            let mut body = named.clone();
            body[field] = value;
            body
        };
        vec![
            Endpoint {
                name: "b2_get_upload_url",
                capability: "writeFiles",
                required: json!({ "bucketId": bucket }),
                optional: &[],
            },
            Endpoint {
                name: "b2_list_file_names",
                capability: "listFiles",
                required: json!({ "bucketId": bucket }),
                optional: FILTERS,
            },
            Endpoint {
                name: "b2_list_file_versions",
                capability: "listFiles",
                required: json!({ "bucketId": bucket }),
                optional: &[
                    "startFileId",
                    "startFileName",
                    "maxFileCount",
                    "prefix",
                    "delimiter",
                ],
            },
            Endpoint {
                name: "b2_get_file_info",
                capability: "readFiles",
                required: json!({ "fileId": file }),
                optional: &[],
            },
            Endpoint {
                name: "b2_hide_file",
                capability: "writeFiles",
                required: json!({ "bucketId": bucket, "fileName": "a" }),
                optional: &[],
            },
            Endpoint {
                name: "b2_delete_file_version",
                capability: "deleteFiles",
                required: named.clone(),
                optional: &["bypassGovernance"],
            },
            Endpoint {
                name: "b2_copy_file",
                capability: "writeFiles",
                required: json!({ "sourceFileId": file, "fileName": "b" }),
                optional: &[
                    "destinationBucketId",
                    "range",
                    "metadataDirective",
                    "contentType",
                    "fileInfo",
                    "fileRetention",
                    "legalHold",
                    "sourceServerSideEncryption",
                    "destinationServerSideEncryption",
                ],
            },
            Endpoint {
                name: "b2_get_download_authorization",
                capability: "shareFiles",
                required: json!({ "bucketId": bucket, "fileNamePrefix": "",
                    "validDurationInSeconds": 1 }),
                optional: &[
                    "b2ContentDisposition",
                    "b2ContentLanguage",
                    "b2Expires",
                    "b2CacheControl",
                    "b2ContentEncoding",
                    "b2ContentType",
                ],
            },
            Endpoint {
                name: "b2_update_file_retention",
                capability: "writeFileRetentions",
                required: with(
                    "fileRetention",
                    json!({ "mode": null, "retainUntilTimestamp": null }),
                ),
                optional: &["bypassGovernance"],
            },
            Endpoint {
                name: "b2_update_file_legal_hold",
                capability: "writeFileLegalHolds",
                required: with("legalHold", json!("off")),
                optional: &[],
            },
        ]
    }

    /// Sections 2.14, 2.15 and 2.17 to 2.21.
    pub(super) fn of_large_files(&self) -> Vec<Endpoint> {
        let (bucket, large_file) = (&self.bucket, &self.large_file);
        vec![
            Endpoint {
                name: "b2_start_large_file",
                capability: "writeFiles",
                required: json!({ "bucketId": bucket, "fileName": "b", "contentType": "a/b" }),
                optional: &[
                    "fileInfo",
                    "fileRetention",
                    "legalHold",
                    "serverSideEncryption",
                    "customUploadTimestamp",
                ],
            },
            Endpoint {
                name: "b2_get_upload_part_url",
                capability: "writeFiles",
                required: json!({ "fileId": large_file }),
                optional: &[],
            },
            Endpoint {
                name: "b2_copy_part",
                capability: "writeFiles",
                required: json!({ "sourceFileId": self.file, "largeFileId": large_file,
                    "partNumber": 3 }),
                optional: &[
                    "range",
                    "sourceServerSideEncryption",
                    "destinationServerSideEncryption",
                ],
            },
            Endpoint {
                name: "b2_finish_large_file",
                capability: "writeFiles",
                required: json!({ "fileId": large_file, "partSha1Array": self.sha1s }),
                optional: &[],
            },
            Endpoint {
                name: "b2_cancel_large_file",
                capability: "writeFiles",
                required: json!({ "fileId": large_file }),
                optional: &[],
            },
            Endpoint {
                name: "b2_list_unfinished_large_files",
                capability: "listFiles",
                required: json!({ "bucketId": bucket }),
                optional: &["namePrefix", "startFileId", "maxFileCount"],
            },
            Endpoint {
                name: "b2_list_parts",
                capability: "writeFiles",
                required: json!({ "fileId": large_file }),
                optional: &["startPartNumber", "maxPartCount"],
            },
        ]
    }

    /// Sections 2.22 to 2.24.
    pub(super) fn of_keys(&self) -> Vec<Endpoint> {
        let account = &self.account;
        vec![
            Endpoint {
                name: "b2_create_key",
                capability: "writeKeys",
                required: json!({ "accountId": account, "capabilities": ["writeKeys"],
                    "keyName": "key-1" }),
                optional: &["validDurationInSeconds", "bucketIds", "namePrefix"],
            },
            Endpoint {
                name: "b2_list_keys",
                capability: "listKeys",
                required: json!({ "accountId": account }),
                optional: &["maxKeyCount", "startApplicationKeyId"],
            },
            Endpoint {
                name: "b2_delete_key",
                capability: "deleteKeys",
                required: json!({ "applicationKeyId": self.key }),
                optional: &[],
            },
        ]
    }
}
