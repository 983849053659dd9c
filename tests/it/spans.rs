//! What is logged of each public call stands in a span that names the call, its bucket and its file, and what
//! whoever runs a daemon wants to know is told at the level `info`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use b2sdk::compose::Piece;
use b2sdk::credentials::Credentials;
use b2sdk::delete::DeleteManyOptions;
use b2sdk::keys::Capability;
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::streams::OpenFileOptions;
use b2sdk::{
    B2Api, BucketType, FileId, InMemoryAccountInfo, LsOptions, Operation, UpdateBucketOptions,
};
use syn::{ImplItem, Item, Visibility};

use crate::support::{BUCKET, Lines, World};

/// The public methods that make no call of their own.
const SILENT: [&str; 21] = [
    "new",
    "from_env",
    "builder",
    "account_info",
    "with_cancel",
    "shutdown",
    "request_counts",
    "set_request_budget",
    "request_budget",
    "set_workers",
    "workers",
    "memory_in_use",
    "set_upload_limit",
    "upload_limit",
    "set_download_limit",
    "download_limit",
    "name",
    "id",
    // Calls of other methods, each with its own span.
    "get_or_create_bucket",
    "set_type",
    "set_info",
];

/// What a call is made on.
struct Stage {
    world: World,
    /// A file "x", and its id.
    id: FileId,
    /// A local file.
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let id = world.bucket.upload_bytes(b"x", "x").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local");
        fs::write(&path, b"local").unwrap();
        Self {
            id: id.version().file_id.clone(),
            world,
            path,
            _directory: directory,
        }
    }
}

/// A method, the name of its call in the log, the file that it is about, and the call itself. Calls that the
/// service refuses count as well.
type Row = (&'static str, &'static str, Option<&'static str>, fn(&Stage));

fn year() -> FileRetention {
    FileRetention::governance(
        b2sdk::testing::Clock::manual().now() + Duration::from_secs(365 * 86_400),
    )
}

const OF_THE_API: &[Row] = &[
    ("authorize_account", "authorize_account", None, |s| {
        let api = B2Api::new(InMemoryAccountInfo::new());
        let service = &s.world.service;
        let (id, key) = (service.application_key_id(), service.application_key());
        _ = api.authorize_account(service.url(), id, key);
    }),
    ("authorize_with", "authorize_with", None, |s| {
        let service = &s.world.service;
        let named = Credentials::new(service.application_key_id(), service.application_key());
        let named = named.realm(service.url());
        let provider = move || -> Result<_, std::io::Error> { Ok(named.clone()) };
        _ = B2Api::new(InMemoryAccountInfo::new()).authorize_with(provider);
    }),
    ("reauthorize", "reauthorize", None, |s| {
        _ = s.world.api.reauthorize()
    }),
    ("account_id", "account_id", None, |s| {
        _ = s.world.api.account_id()
    }),
    ("allowed", "allowed", None, |s| _ = s.world.api.allowed()),
    ("create_bucket", "create_bucket", None, |s| {
        _ = s
            .world
            .api
            .create_bucket("another-bucket", BucketType::AllPrivate);
    }),
    ("get_bucket_by_name", "get_bucket_by_name", None, |s| {
        _ = s.world.api.get_bucket_by_name("unknown-bucket");
    }),
    ("get_bucket_by_id", "get_bucket_by_id", None, |s| {
        _ = s.world.api.get_bucket_by_id("unknown");
    }),
    ("list_buckets", "list_buckets", None, |s| {
        _ = s.world.api.list_buckets()
    }),
    ("delete_bucket", "delete_bucket", None, |s| {
        _ = s.world.api.delete_bucket(&s.world.bucket)
    }),
    ("download_file_by_id", "download", None, |s| {
        _ = s.world.api.download_file_by_id(&s.id)
    }),
    ("open_file_by_id", "open_file", None, |s| {
        _ = s.world.api.open_file_by_id(&s.id, &OpenFileOptions::new());
    }),
    ("get_file_info", "get_file_info", None, |s| {
        _ = s.world.api.get_file_info(&s.id)
    }),
    ("delete_file_version", "delete_file_version", None, |s| {
        _ = s.world.api.delete_file_version(&s.id, "x");
    }),
    (
        "update_file_retention",
        "update_file_retention",
        None,
        |s| {
            _ = s.world.api.update_file_retention(&s.id, "x", Some(&year()));
        },
    ),
    (
        "update_file_legal_hold",
        "update_file_legal_hold",
        None,
        |s| {
            _ = s
                .world
                .api
                .update_file_legal_hold(&s.id, "x", &LegalHold::On);
        },
    ),
    ("cancel_large_file", "cancel_large_file", None, |s| {
        _ = s.world.api.cancel_large_file(&s.id)
    }),
    ("list_parts", "list_parts", None, |s| {
        _ = s.world.api.list_parts(&s.id).unwrap().next();
    }),
    (
        "get_download_url_by_name",
        "get_download_url_by_name",
        None,
        |s| {
            _ = s.world.api.get_download_url_by_name(BUCKET, "x");
        },
    ),
    (
        "get_download_url_by_id",
        "get_download_url_by_id",
        None,
        |s| {
            _ = s.world.api.get_download_url_by_id(&s.id);
        },
    ),
    ("create_key", "create_key", None, |s| {
        _ = s.world.api.create_key("key", [Capability::ListFiles]);
    }),
    ("list_keys", "list_keys", None, |s| {
        _ = s.world.api.list_keys().unwrap().next()
    }),
    ("get_key", "get_key", None, |s| {
        _ = s.world.api.get_key(&"unknown".into())
    }),
    ("delete_key", "delete_key", None, |s| {
        _ = s.world.api.delete_key(&"unknown".into())
    }),
    ("call_raw", "call_raw", None, |s| {
        let of_bucket = |raw: &b2sdk::raw::Raw<'_>| raw.get_file_info(&s.id);
        _ = s.world.api.call_raw(Operation::GetFileInfo, of_bucket);
    }),
    ("raw_connections", "raw_connections", None, |s| {
        _ = s.world.api.raw_connections()
    }),
];

const OF_A_BUCKET: &[Row] = &[
    ("upload_bytes", "upload", Some("y"), |s| {
        _ = s.world.bucket.upload_bytes(b"y", "y")
    }),
    ("upload_local_file", "upload", Some("y"), |s| {
        _ = s.world.bucket.upload_local_file(&s.path, "y");
    }),
    ("upload_reader", "upload", Some("y"), |s| {
        _ = s.world.bucket.upload_reader(&b"y"[..], 1, "y");
    }),
    ("upload_stream", "upload", Some("y"), |s| {
        _ = s.world.bucket.upload_stream(&b"y"[..], "y")
    }),
    ("upload_writer", "upload", Some("y"), |s| {
        _ = s.world.bucket.upload_writer("y").unwrap().finish();
    }),
    ("upload_many", "transfer_many", None, |s| {
        let files = vec![(s.path.clone(), "y".to_owned())];
        s.world.bucket.upload_many(files).for_each(drop);
    }),
    ("download_many", "transfer_many", None, |s| {
        let files = [Ok(("x".to_owned(), s.path.clone()))];
        s.world.bucket.download_many(files).for_each(drop);
    }),
    ("upload_appended_file", "append", Some("y"), |s| {
        _ = s.world.bucket.upload_appended_file(&s.path, "y");
    }),
    ("concatenate", "compose", Some("y"), |s| {
        _ = s.world.bucket.concatenate(&[Piece::remote(&s.id)], "y");
    }),
    ("concatenate_stream", "compose", Some("y"), |s| {
        _ = s
            .world
            .bucket
            .concatenate_stream([Piece::remote(&s.id)], "y");
    }),
    ("create_file", "compose", Some("y"), |s| {
        _ = s
            .world
            .bucket
            .create_file(&[(0, Piece::remote(&s.id))], "y");
    }),
    ("create_file_stream", "compose", Some("y"), |s| {
        _ = s
            .world
            .bucket
            .create_file_stream([(0, Piece::remote(&s.id))], "y");
    }),
    ("copy", "copy", Some("y"), |s| {
        _ = s.world.bucket.copy(&s.id, "y")
    }),
    ("hide_file", "hide_file", Some("x"), |s| {
        _ = s.world.bucket.hide_file("x")
    }),
    ("unhide_file", "unhide_file", Some("x"), |s| {
        _ = s.world.bucket.unhide_file("x")
    }),
    (
        "delete_file_version",
        "delete_file_version",
        Some("x"),
        |s| {
            _ = s.world.bucket.delete_file_version(&s.id, "x");
        },
    ),
    (
        "delete_all_versions",
        "list_file_versions",
        Some("x"),
        |s| {
            _ = s.world.bucket.delete_all_versions("x");
        },
    ),
    ("delete_many", "delete_versions", None, |s| {
        let options = DeleteManyOptions::new();
        let deleted = s.world.bucket.delete_many("", &LsOptions::new(), &options);
        deleted.unwrap().for_each(drop);
    }),
    ("delete_versions", "delete_versions", None, |s| {
        let version = s.world.bucket.get_file_info_by_name("x");
        let deleted = s
            .world
            .bucket
            .delete_versions([version], &DeleteManyOptions::new());
        deleted.unwrap().for_each(drop);
    }),
    ("download_file_by_name", "download", Some("x"), |s| {
        _ = s.world.bucket.download_file_by_name("x");
    }),
    ("download_file_by_id", "download", None, |s| {
        _ = s.world.bucket.download_file_by_id(&s.id);
    }),
    (
        "get_file_info_by_name",
        "get_file_info_by_name",
        Some("x"),
        |s| {
            _ = s.world.bucket.get_file_info_by_name("x");
        },
    ),
    ("open_file", "open_file", Some("x"), |s| {
        _ = s.world.bucket.open_file("x")
    }),
    ("open_file_by_id", "open_file", None, |s| {
        _ = s.world.bucket.open_file_by_id(&s.id)
    }),
    ("open_version", "open_file", Some("x"), |s| {
        let version = s.world.bucket.get_file_info_by_name("x").unwrap();
        _ = s
            .world
            .bucket
            .open_version(&version, &OpenFileOptions::new());
    }),
    ("ls", "ls", None, |s| {
        _ = s.world.bucket.ls("").unwrap().next()
    }),
    ("list_file_versions", "list_file_versions", Some("x"), |s| {
        _ = s.world.bucket.list_file_versions("x").unwrap().next();
    }),
    ("exists", "list_file_versions", Some("x"), |s| {
        _ = s.world.bucket.exists("x")
    }),
    (
        "update_file_retention",
        "update_file_retention",
        Some("x"),
        |s| {
            _ = s
                .world
                .bucket
                .update_file_retention(&s.id, "x", Some(&year()));
        },
    ),
    (
        "update_file_legal_hold",
        "update_file_legal_hold",
        Some("x"),
        |s| {
            _ = s
                .world
                .bucket
                .update_file_legal_hold(&s.id, "x", &LegalHold::On);
        },
    ),
    (
        "get_notification_rules",
        "get_notification_rules",
        None,
        |s| {
            _ = s.world.bucket.get_notification_rules();
        },
    ),
    (
        "set_notification_rules",
        "set_notification_rules",
        None,
        |s| {
            _ = s.world.bucket.set_notification_rules(&[]);
        },
    ),
    ("details", "details", None, |s| _ = s.world.bucket.details()),
    ("update", "update", None, |s| {
        let public = UpdateBucketOptions::new().bucket_type(BucketType::AllPrivate);
        _ = s.world.bucket.update(&public);
    }),
    ("modify", "update", None, |s| {
        let public = UpdateBucketOptions::new().bucket_type(BucketType::AllPrivate);
        _ = s.world.bucket.modify(|_| Ok(public.clone()));
    }),
    ("get_download_url", "get_download_url", Some("x"), |s| {
        _ = s.world.bucket.get_download_url("x");
    }),
    (
        "get_download_authorization",
        "get_download_authorization",
        Some("x"),
        |s| {
            let hour = Duration::from_secs(3600);
            _ = s.world.bucket.get_download_authorization("x", hour);
        },
    ),
    (
        "get_signed_download_url",
        "get_download_authorization",
        Some("x"),
        |s| {
            let hour = Duration::from_secs(3600);
            _ = s.world.bucket.get_signed_download_url("x", hour);
        },
    ),
    (
        "list_unfinished_large_files",
        "list_unfinished_large_files",
        None,
        |s| {
            _ = s
                .world
                .bucket
                .list_unfinished_large_files("")
                .unwrap()
                .next();
        },
    ),
    (
        "cancel_unfinished_large_files",
        "list_unfinished_large_files",
        None,
        |s| {
            _ = s.world.bucket.cancel_unfinished_large_files(Duration::ZERO);
        },
    ),
];

#[test]
fn each_public_call_opens_a_span_that_names_it_its_bucket_and_its_file() {
    for (rows, bucket) in [(OF_THE_API, None), (OF_A_BUCKET, Some(BUCKET))] {
        for (method, call, file, act) in rows {
            let (stage, lines) = (Stage::new(), Lines::default());
            tracing::subscriber::with_default(lines.clone(), || act(&stage));
            let mut wanted = format!("span call={call:?}");
            // A bucket that is deleted by the account's handle is named, too.
            let bucket = bucket.or((*method == "delete_bucket").then_some(BUCKET));
            bucket.inspect(|bucket| wanted.push_str(&format!(" bucket={bucket:?}")));
            file.inspect(|file| wanted.push_str(&format!(" file_name={file:?}")));
            let told = lines.told();
            assert!(
                told.contains(&wanted),
                "{method}: {wanted} is not in\n{told}"
            );
        }
    }
}

#[test]
fn no_public_call_is_missing_here() {
    for (folder, owner, rows) in [
        ("api", "B2Api", OF_THE_API),
        ("bucket", "Bucket", OF_A_BUCKET),
    ] {
        let known: BTreeSet<_> = rows.iter().map(|row| row.0).chain(SILENT).collect();
        let mut found = BTreeSet::new();
        for method in public_methods(folder, owner) {
            let name = method
                .strip_suffix("_with")
                .filter(|name| *name != "authorize");
            let name = name.unwrap_or(&method);
            assert!(known.contains(name), "{owner}::{name} has no row");
            found.insert(name.to_owned());
        }
        for row in rows {
            assert!(found.contains(row.0), "there is no {owner}::{}", row.0);
        }
    }
}

/// The public methods of a type, as the files of its folder define them.
fn public_methods(folder: &str, owner: &str) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join(format!("{folder}.rs"))];
    let inside = fs::read_dir(source.join(folder)).unwrap();
    files.extend(inside.map(|entry| entry.unwrap().path()));
    let mut methods = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some()) {
        for item in syn::parse_file(&fs::read_to_string(file).unwrap())
            .unwrap()
            .items
        {
            let Item::Impl(item) = item else { continue };
            let is_of =
                matches!(&*item.self_ty, syn::Type::Path(path) if path.path.is_ident(owner));
            if item.trait_.is_some() || !is_of {
                continue;
            }
            for member in item.items {
                if let ImplItem::Fn(member) = member
                    && matches!(member.vis, Visibility::Public(_))
                {
                    methods.push(member.sig.ident.to_string());
                }
            }
        }
    }
    methods
}

#[test]
fn whoever_runs_a_daemon_is_told_what_changed() {
    let world = World::new();
    let key = || {
        let all = ["listBuckets", "listFiles", "readFiles", "writeFiles"];
        let key = world.service.create_key(KeyRequest::new(all)).unwrap();
        Credentials::new(key.application_key_id(), key.application_key()).realm(world.service.url())
    };
    let (old, new) = (key(), key());
    let named = std::sync::Arc::new(std::sync::Mutex::new(old.clone()));
    let provider = {
        let named = std::sync::Arc::clone(&named);
        move || -> Result<_, std::io::Error> { Ok(named.lock().unwrap().clone()) }
    };
    let api = B2Api::builder(InMemoryAccountInfo::new()).clock(&world.clock);
    let api = api.build().unwrap();
    let told = |act: &dyn Fn()| {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), act);
        lines.told()
    };
    let authorized = told(&|| api.authorize_with(provider.clone()).unwrap());
    assert!(authorized.contains("authorized"), "{authorized}");
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();

    world.inject(
        Fault::on(Operation::HideFile)
            .status(429, "too_many_requests", "")
            .retry_after(7),
    );
    bucket.upload_bytes(b"x", "x").unwrap();
    let throttled = told(&|| drop(bucket.hide_file("x").unwrap()));
    assert!(throttled.contains("seconds=7"), "{throttled}");

    world.inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
    let given_up = told(&|| drop(bucket.upload_bytes(b"x", "x").unwrap()));
    assert!(given_up.contains("an upload URL is given up"), "{given_up}");

    *named.lock().unwrap() = new.clone();
    world.api.delete_key(&old.application_key_id).unwrap();
    let replaced = told(&|| drop(bucket.upload_bytes(b"x", "x").unwrap()));
    assert!(
        replaced.contains("names another application key"),
        "{replaced}"
    );
    for log in [authorized, throttled, given_up, replaced] {
        for secret in [&old, &new] {
            assert!(!log.contains(secret.application_key.expose()), "{log}");
        }
        assert!(
            !log.contains("http://") && !log.contains("b2_upload_file/"),
            "{log}"
        );
    }
}

#[test]
fn a_request_has_its_span_inside_that_of_the_call() {
    let (world, lines) = (World::new(), Lines::default());
    tracing::subscriber::with_default(lines.clone(), || {
        let api = &world.api;
        api.create_bucket("another-bucket", BucketType::AllPrivate)
            .unwrap();
    });
    let told = lines.told();
    let at = |words: &str| {
        told.find(words)
            .unwrap_or_else(|| panic!("{words}: {told}"))
    };
    assert!(at("call=\"create_bucket\"") < at("operation=b2_create_bucket"));
}
