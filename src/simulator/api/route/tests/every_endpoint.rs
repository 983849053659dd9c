//! What docs/protocol.md, section 2, says about every JSON endpoint in the same words: which capability
//! it takes, which fields, that `null` is absent, and that GET and all versions are served. The tables
//! are the document's, on purpose not those that the code under test goes by.

use super::*;

/// An endpoint with a request that succeeds, made of its required fields.
struct Endpoint {
    name: &'static str,
    capability: &'static str,
    required: Value,
    optional: &'static [&'static str],
}

const FILTERS: &[&str] = &["startFileName", "maxFileCount", "prefix", "delimiter"];

/// A world with one thing of each kind in it.
struct Scene {
    world: World,
    account: String,
    bucket: String,
    empty_bucket: String,
    file: String,
    large_file: String,
    sha1s: Vec<String>,
    key: String,
}

impl Scene {
    fn new() -> Self {
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

    fn user(&self, capabilities: &[&str]) -> User<'_> {
        User::restricted(&self.world, capabilities, None, None)
    }

    fn endpoints(&self) -> Vec<Endpoint> {
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

    fn endpoint(&self, name: &str) -> Endpoint {
        let mut all = self.endpoints().into_iter();
        all.find(|endpoint| endpoint.name == name).unwrap()
    }

    /// Sections 2.2 to 2.5, 2.30 and 2.31.
    fn of_buckets(&self) -> Vec<Endpoint> {
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
    fn of_files(&self) -> Vec<Endpoint> {
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
    fn of_large_files(&self) -> Vec<Endpoint> {
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
    fn of_keys(&self) -> Vec<Endpoint> {
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

/// What the calls that read a private source need beside their own capability (docs/protocol.md,
/// sections 2.13, 2.17).
fn needed(endpoint: &Endpoint) -> Vec<&'static str> {
    let also = matches!(endpoint.name, "b2_copy_file" | "b2_copy_part").then_some("readFiles");
    [endpoint.capability].into_iter().chain(also).collect()
}

fn names() -> Vec<&'static str> {
    let scene = Scene::new();
    let endpoints = scene.endpoints().into_iter();
    endpoints.map(|endpoint| endpoint.name).collect()
}

#[test]
fn all_endpoints_are_in_the_tables() {
    // The others take no JSON: authorizing, two uploads, two downloads.
    assert_eq!(names().len() + 5, 31);
}

#[test]
fn one_capability_is_enough_and_all_others_are_not() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let all: Vec<&str> = crate::simulator::account::keyring::CAPABILITIES.to_vec();
        for missing in needed(&endpoint) {
            let others: Vec<&str> = all.iter().copied().filter(|c| *c != missing).collect();
            let answer = scene
                .user(&others)
                .call(name, endpoint.required.clone())
                .refused(
                    // docs/protocol.md, section 2.0: 401 `unauthorized` with an empty message; sections 2.28 and 2.29:
                    // 403 `access_denied` for the two that change a lock.
                    if name.starts_with("b2_update_file") {
                        403
                    } else {
                        401
                    },
                    if name.starts_with("b2_update_file") {
                        "access_denied"
                    } else {
                        "unauthorized"
                    },
                );
            assert!(
                answer.is_empty() || name.starts_with("b2_update_file"),
                "{name}: {answer}"
            );
        }
        let enough = scene.user(&needed(&endpoint));
        enough.call(name, endpoint.required.clone()).ok();
    }
}

/// Section 10.2: any call that names a bucket, directly or through a file's id, needs a key that
/// reaches it; a key of version 4 may reach several.
#[test]
fn a_key_for_several_buckets_reaches_each_of_them_and_no_other() {
    for name in names() {
        if name.ends_with("_key") || name == "b2_list_keys" {
            // What only unrestricted keys may do.
            continue;
        }
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let with_buckets = |ids: Vec<String>| {
            let key = scene
                .world
                .create_key("k", &needed(&endpoint), Some(ids), None, None);
            let (id, key) = key.unwrap();
            User::with_key(&scene.world, &id, &key)
        };
        let master = User::master(&scene.world);
        let others = vec![
            master.create_bucket("other-1"),
            master.create_bucket("other-2"),
        ];
        let outside = with_buckets(others.clone()).call(name, endpoint.required.clone());
        assert_eq!(outside.refused(401, "unauthorized"), "", "{name}");
        let own = [scene.bucket.clone(), scene.empty_bucket.clone()];
        let inside = with_buckets(others.into_iter().chain(own).collect());
        let answer = inside.call(name, endpoint.required.clone());
        if matches!(name, "b2_create_bucket" | "b2_list_buckets") {
            // Neither names a bucket that the key could reach (docs/protocol.md, section 12 #26).
            answer.refused(401, "unauthorized");
        } else {
            answer.ok();
        }
    }
}

/// Section 10.2: file names must start with the key's prefix, and so must the prefixes that are asked
/// for; one that is missing is empty and fails.
#[test]
fn a_key_with_a_prefix_is_kept_to_it() {
    for name in names() {
        let is_about_names = match name {
            "b2_get_upload_url" => false,
            _ => !name.ends_with("_key") && !name.contains("bucket") && name != "b2_list_keys",
        };
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let user = User::restricted(&scene.world, &needed(&endpoint), None, Some("z/"));
        let answer = user.call(name, endpoint.required.clone());
        if is_about_names {
            assert_eq!(answer.refused(401, "unauthorized"), "", "{name}");
        } else {
            answer.ok();
        }
    }
}

#[test]
fn null_is_absent_and_unknown_fields_are_passed_over() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let mut body = endpoint.required.clone();
        body["somethingNew"] = json!({ "a": [1] });
        for field in endpoint.optional {
            body[field] = Value::Null;
        }
        User::master(&scene.world).call(name, body).ok();
    }
}

#[test]
fn required_fields_are_required_and_types_are_checked() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let user = User::master(&scene.world);
        let required = endpoint.required.as_object().unwrap();
        for field in required.keys() {
            let mut body = endpoint.required.clone();
            body.as_object_mut().unwrap().remove(field);
            user.call(name, body).refused(400, "bad_request");
            let mut body = endpoint.required.clone();
            body[field] = Value::Null;
            user.call(name, body).refused(400, "bad_request");
        }
        let all = required.keys().map(String::as_str);
        for field in all.chain(endpoint.optional.iter().copied()) {
            // Wrong for text, numbers, truth, objects, and for lists of text or objects.
            let mut body = endpoint.required.clone();
            body[field] = json!([[1]]);
            let message = user.call(name, body).refused(400, "bad_request");
            assert!(message.contains(field), "{name} {field}: {message}");
        }
    }
}

#[test]
fn each_version_of_the_api_has_each_endpoint() {
    for version in 1..=4 {
        for name in names() {
            let scene = Scene::new();
            let user = User::master(&scene.world);
            let body = scene.endpoint(name).required;
            user.call_version(version, name, body).ok();
        }
    }
}

/// Section 1.3: GET with the same parameters in the query; nothing but GET and POST.
#[test]
fn each_endpoint_may_be_a_get() {
    for name in names() {
        let scene = Scene::new();
        let user = User::master(&scene.world);
        let url = format!("/b2api/v4/{name}");
        let headers = [("Authorization", user.token.as_str())];
        for method in ["PUT", "DELETE", "HEAD"] {
            let request = request(method, &url, &headers, None);
            assert_eq!(handle(&scene.world, &request, &mut Untouchable).status, 405);
        }
        let body = scene.endpoint(name).required;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                items
                    .filter(|items| !items.is_empty())
                    .map(|items| items.join(","))
            }
            _ => None,
        };
        let pairs: Option<Vec<String>> = body
            .as_object()
            .unwrap()
            .iter()
            .map(|(field, value)| Some(format!("{field}={}", text(value)?)))
            .collect();
        // Lists of objects have no form in a query.
        if let Some(pairs) = pairs {
            user.get(&format!("{url}?{}", pairs.join("&"))).ok();
        }
    }
}
