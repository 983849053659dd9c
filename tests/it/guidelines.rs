//! The Rust API guidelines, on all that the crate offers: a type without the traits of its kind does not
//! compile here, and one that has no kind fails.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::fs;
use std::hash::Hash;
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use syn::{Attribute, Fields, ImplItem, Item, ReturnType, Type, UseTree, Visibility};

/// What can be asked of every type.
trait Any: Debug + Send + Sync {}
impl<T: Debug + Send + Sync> Any for T {}

/// What is compared, kept and passed on.
trait Value: Any + Clone + PartialEq + Eq {}
impl<T: Any + Clone + PartialEq + Eq> Value for T {}

/// What has a form in text that leads back to it.
trait Text: Value + Hash + Ord + Display + FromStr + Serialize + DeserializeOwned {}
impl<T: Value + Hash + Ord + Display + FromStr + Serialize + DeserializeOwned> Text for T {}

/// The kinds of types there are, and what each must be able to do.
mod kinds {
    use super::*;

    /// Text that the service gave; a map with such keys can be asked by text.
    pub(super) fn id<T>()
    where
        T: Text + AsRef<str> + Borrow<str> + From<String> + for<'a> From<&'a str>,
    {
    }
    /// Values that the service may extend.
    pub(super) fn open_enum<T>()
    where
        T: Text + AsRef<str> + From<String> + for<'a> From<&'a str>,
    {
    }
    pub(super) fn text<T: Text>() {}
    /// What the service says, or is told, as JSON.
    pub(super) fn model<T: Value + Serialize + DeserializeOwned>() {}
    /// A value that is a part of calls or of answers, and has no form of its own.
    pub(super) fn value<T: Value>() {}
    pub(super) fn choice<T: Value + Copy + Hash>() {}
    /// Nothing shows it, and nothing writes it into a file.
    pub(super) fn secret<T: Value + From<String> + for<'a> From<&'a str>>() {}
    pub(super) fn options<T: Any + Clone + Default>() {}
    pub(super) fn error<T: StdError + Send + Sync + 'static>() {}
    pub(super) fn listing<T: Any + FusedIterator>() {}
    /// Cheap to clone, for any thread.
    pub(super) fn handle<T: Any + Clone + 'static>() {}
    /// One of a kind: it may be used up, or hold a file or a connection.
    pub(super) fn single<T: Any>() {}
    /// The same, for one thread at a time.
    pub(super) fn one_thread<T: Debug + Send>() {}
}

/// Declares the kind of each public type.
macro_rules! types {
    ($($kind:ident { $($($segment:ident)::+ $(<$($of:tt),+>)?),* $(,)? })*) => {
        const TYPES: &[(&str, &str)] = &[
            $($((stringify!($kind), stringify!($($segment)::+)),)*)*
        ];

        #[test]
        fn every_type_can_do_what_its_kind_can() {
            $($(kinds::$kind::<b2sdk::$($segment)::+ $(<$($of),+>)?>();)*)*
        }
    };
}

types! {
    id { AccountId, ApplicationKeyId, BucketId, FileId }
    open_enum {
        BucketType, FileAction, encryption::EncryptionAlgorithm, encryption::EncryptionMode,
        error::ErrorCode, keys::Capability, lock::LegalHold, lock::RetentionMode,
        lock::RetentionUnit, notifications::EventType, notifications::TargetType,
        replication::ReplicationStatus, rules::CorsOperation,
    }
    text { Operation, Sha1Digest, Timestamp, limits::BillingClass }
    model {
        BucketDetails, ContentSha1, FileInfo, FileVersion, encryption::EncryptionInfo,
        keys::Allowed, keys::AllowedBucket, keys::KeyDetails, listing::Part, lock::BucketRetention,
        lock::FileRetention, lock::RetentionPeriod, notifications::EventNotification,
        replication::ReplicationConfiguration, replication::ReplicationDestination,
        replication::ReplicationRule, replication::ReplicationSource, rules::CorsRule,
        rules::LifecycleRule, sync::Action, sync::Reason, sync::SyncStep,
    }
    value {
        ByteRange, CopyMetadata, Entry, Filtered<u8>, ResponseHeaders, Resume, RetryPolicy,
        account_info::AccountAuth, account_info::AuthSnapshot, account_info::Generation,
        account_info::Identity, account_info::UploadTarget, account_info::UploadUrl,
        credentials::Credentials, credentials::Realm, delete::Deleted, delete::FileIdAndName,
        encryption::Encryption, encryption::SseCustomerKey, error::ServiceError, keys::CreatedKey,
        limits::RequestBudget, limits::RequestCounts, listing::Filter, local::UnsafeNameReason,
        lock::DefaultRetention, lock::FileLockConfiguration, notifications::CustomHeader,
        notifications::EventNotificationRule, notifications::EventTarget,
        progress::TransferProgress, replication::Count, replication::Pair, replication::PairState,
        replication::Replication, replication::Report, replication::Side, sync::LocalFolder,
        sync::PlaceName, sync::RegexFilters, sync::SourceFile<'static>, sync::SyncProgress,
        sync::Withheld,
    }
    choice {
        LargeFileSha1, Timeouts, Verification, Versions, compose::Overlap, delete::DeleteMode,
        limits::Workers,
        delete::DeleteOutcome, error::KeyProblem, error::KeyRestriction, error::NameRule,
        error::Sent, error::TransportKind, error::WhyLeft, local::LocalNameRules,
        progress::TransferId, progress::TransferStage, sync::Compare, sync::FileCount, sync::Existing,
        sync::Links, sync::Newer, sync::OldVersions, sync::Orphans, sync::RemovalLimit,
        sync::Renames, sync::Touched, sync::VersionKind, sync::WithheldReason, testing::TestMode,
    }
    secret {
        account_info::AuthToken, account_info::UploadToken, credentials::ApplicationKey,
        credentials::DownloadToken, notifications::CustomHeaderValue, notifications::SigningSecret,
    }
    options {
        CopyOptions, CreateBucketOptions, DownloadOptions, LsOptions, UpdateBucketOptions,
        UploadOptions, account_info::PostgresAccountInfoBuilder, account_info::RedisAccountInfoBuilder, account_info::SqliteAccountInfoBuilder, compose::ComposeOptions,
        delete::DeleteFileVersionOptions, delete::DeleteManyOptions, keys::CreateKeyOptions,
        lock::UpdateFileRetentionOptions, many::TransferManyOptions, replication::SetupOptions,
        streams::OpenFileOptions, sync::EncryptionPerSide, sync::SyncOptions, sync::SyncRun,
    }
    error {
        Error, delete::DeleteFailed, error::InvalidSha1, error::InvalidTimestamp,
        error::LargeFileLeft, error::NotAllowed, error::TransportError, error::UnknownName,
        local::UnsafeName, many::TransferFailed, notifications::UnreadableEvent,
        notifications::WebhookError, sync::Refused, sync::SyncError,
    }
    listing {
        delete::ListedVersions, keys::Keys, listing::FileVersions, listing::Ls, listing::Parts,
        listing::UnfinishedLargeFiles, replication::Pairs,
    }
    handle {
        B2Api, Bucket, CancelToken, Saved, Uploaded, compose::Piece<'static>,
        credentials::CommandCredentials, credentials::EnvironmentCredentials,
        many::FileToDownload, many::Transferred<u8>, notifications::WebhookVerifier,
        raw::Connections, replication::Monitor, streams::RemoteFile, sync::BucketFolder,
        sync::FileFilter, sync::SyncPlace, sync::Synchronizer, testing::Clock,
    }
    single {
        streams::UploadWriter,
        B2ApiBuilder, Download, DownloadReader, InMemoryAccountInfo, SqliteAccountInfo,
        account_info::PostgresAccountInfo, account_info::RedisAccountInfo,
        account_info::Refresh, account_info::RefreshTicket, error::StoreError,
        local::LocalDirectory, sync::Problem, sync::ProblemKind, sync::SyncReport,
    }
    one_thread {
        delete::Deletions<u8>, many::FileToUpload, many::Transfers<'static, u8>, sync::SyncPlan
    }
}

/// What is offered and is no type.
const OTHERS: [&str; 9] = [
    "account_info::AccountInfo",
    "credentials::CredentialError",
    "credentials::CredentialProvider",
    // It is generic: what it can do depends on the store in it.
    "account_info::Cached",
    "error::StoreContext",
    "progress::Progress",
    "Result",
    "sync::SyncEncryption",
    "sync::SyncObserver",
];

/// The modules whose types are listed here are all but these. The types of the simulator are for tests
/// only, and those of `raw` are checked with what is sent and answered.
const UNLISTED: [&str; 2] = ["raw", "simulator"];

/// How many names the root of the crate may offer, modules aside: one page to read.
const ROOT: usize = 50;

/// What can never grow without becoming something else, and so can be matched in full.
const COMPLETE: [(&str, &str); 5] = [
    ("BillingClass", "there are these three prices"),
    (
        "Filtered",
        "set, unset or hidden; a wildcard arm would be taken for one of them",
    ),
    (
        "Refresh",
        "a store decides between these, and a caller must handle each",
    ),
    ("Sent", "nothing, a part or all"),
    ("UploadTarget", "the service has these two"),
];

#[test]
fn every_public_type_has_a_kind() {
    let named = TYPES.iter().map(|(_, name)| name.replace(' ', ""));
    let named: BTreeSet<String> = named.collect();
    assert_eq!(named.len(), TYPES.len(), "one stands here twice");
    let mut offered = offered_by(&source("lib.rs"));
    for module in modules() {
        let names = offered_by(&module_source(&module));
        offered.extend(names.into_iter().map(|name| format!("{module}::{name}")));
    }
    let is_known = |name: &str| named.contains(name) || OTHERS.contains(&name);
    let unknown: Vec<_> = offered.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "without a kind: {unknown:#?}");
}

#[test]
fn the_root_offers_what_fits_on_one_page_and_each_name_has_one_place() {
    let root = offered_by(&source("lib.rs"));
    assert!(root.len() <= ROOT, "{} names: {root:#?}", root.len());
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in root {
        places.entry(name).or_default().push("the root".to_owned());
    }
    for module in modules() {
        for name in offered_by(&module_source(&module)) {
            places.entry(name).or_default().push(module.clone());
        }
    }
    places.retain(|_, modules| modules.len() > 1);
    assert!(places.is_empty(), "in several places: {places:#?}");
}

#[test]
fn every_module_says_what_it_is_for_and_links_to_it() {
    let modules = modules();
    assert!(modules.len() > 10, "{modules:?}");
    for module in modules {
        let text = fs::read_to_string(module_source(&module)).unwrap();
        let opening = text.lines().take_while(|line| line.starts_with("//!"));
        let opening: Vec<_> = opening.collect();
        assert!(opening.len() >= 2, "{module} has no description");
        let links = opening.iter().any(|line| line.contains("[`"));
        assert!(links, "{module} links to nothing");
    }
}

#[test]
fn what_may_grow_cannot_be_matched_or_built_in_full() {
    let sources = Sources::read();
    let mut closed = BTreeSet::new();
    for name in type_names() {
        let Some(definition) = sources.types.get(name) else {
            continue;
        };
        if definition.is_open && !has(&definition.attributes, "non_exhaustive") {
            closed.insert(name);
        }
    }
    assert_eq!(closed, COMPLETE.iter().map(|(name, _)| *name).collect());
}

#[test]
fn every_failure_of_a_public_function_is_told_by_its_variants() {
    let sources = Sources::read();
    assert!(sources.fallible.len() > 100, "{}", sources.fallible.len());
    let mut silent = Vec::new();
    for (name, doc) in &sources.fallible {
        let section = doc.split("# Errors").nth(1).unwrap_or_default();
        let section = section.split("\n # ").next().unwrap_or_default();
        let names_some = ["[`", "](", "None"]
            .iter()
            .any(|words| section.contains(words));
        if !names_some {
            silent.push(format!("{name}: {}", section.trim()));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn options_and_main_types_show_how_they_are_used() {
    let sources = Sources::read();
    let options = TYPES.iter().filter(|(kind, _)| *kind == "options");
    let main = [
        "B2Api",
        "Bucket",
        "Download",
        "Error",
        "InMemoryAccountInfo",
        "Piece",
    ];
    let names = options.map(|(_, name)| last(name)).chain(main);
    let without: Vec<_> = names
        .filter(|name| !doc(&sources.types[*name].attributes).contains("```"))
        .collect();
    assert!(without.is_empty(), "{without:?}");
    for module in [
        "account_info",
        "notifications",
        "raw",
        "replication",
        "simulator",
        "sync",
    ] {
        let text = fs::read_to_string(source(&format!("{module}.rs"))).unwrap();
        let shown = text
            .lines()
            .filter(|line| line.starts_with("//") && line.contains("```"));
        assert!(shown.count() >= 2, "{module}");
    }
}

/// The one that a wrong name is told by, and what it says to do.
#[test]
fn text_leads_back_to_what_it_is_of_and_wrong_text_is_told() {
    fn back<T: Text>(value: &T)
    where
        T::Err: Debug,
    {
        let text = value.to_string();
        assert_eq!(&text.parse::<T>().unwrap(), value, "{text}");
        let json = serde_json::to_value(value).unwrap();
        assert_eq!(&serde_json::from_value::<T>(json).unwrap(), value, "{text}");
    }
    fn all<T: Text + AsRef<str>>(known: &[T])
    where
        T::Err: Debug,
    {
        known.iter().for_each(back);
        known
            .iter()
            .for_each(|value| assert_eq!(value.as_ref(), value.to_string()));
    }
    all(b2sdk::BucketType::KNOWN);
    all(b2sdk::keys::Capability::KNOWN);
    all(b2sdk::rules::CorsOperation::KNOWN);
    all(b2sdk::encryption::EncryptionAlgorithm::KNOWN);
    all(b2sdk::encryption::EncryptionMode::KNOWN);
    all(b2sdk::error::ErrorCode::KNOWN);
    all(b2sdk::notifications::EventType::KNOWN);
    all(b2sdk::FileAction::KNOWN);
    all(b2sdk::lock::LegalHold::KNOWN);
    all(b2sdk::replication::ReplicationStatus::KNOWN);
    all(b2sdk::lock::RetentionMode::KNOWN);
    all(b2sdk::lock::RetentionUnit::KNOWN);
    all(b2sdk::notifications::TargetType::KNOWN);
    all(&[
        b2sdk::keys::Capability::from("flyFiles"),
        b2sdk::keys::Capability::from(""),
    ]);
    for id in ["", "4_z", "é/\u{0}"] {
        all(&[b2sdk::FileId::from(id)]);
        all(&[b2sdk::BucketId::from(id)]);
        all(&[b2sdk::AccountId::from(id)]);
        all(&[b2sdk::ApplicationKeyId::from(id)]);
    }
    b2sdk::Operation::ALL.iter().for_each(back);
    [
        b2sdk::limits::BillingClass::A,
        b2sdk::limits::BillingClass::B,
        b2sdk::limits::BillingClass::C,
    ]
    .iter()
    .for_each(back);
    for millis in [i64::MIN, -1, 0, 1, i64::MAX] {
        back(&b2sdk::Timestamp::from_millis(millis));
    }
    back(&b2sdk::Sha1Digest::of(b"x"));

    let told = |error: &dyn Display, words: &str| {
        assert!(error.to_string().contains(words), "{error}");
    };
    told(
        &"b2_fly".parse::<b2sdk::Operation>().unwrap_err(),
        "\"b2_fly\" is no operation",
    );
    told(
        &"D".parse::<b2sdk::limits::BillingClass>().unwrap_err(),
        "there are A, B and C",
    );
    told(
        &"today".parse::<b2sdk::Timestamp>().unwrap_err(),
        "such as 2024-03-09T08:15:42Z",
    );
    told(
        &"ab".parse::<b2sdk::Sha1Digest>().unwrap_err(),
        "40 hexadecimal digits",
    );
    assert!(serde_json::from_str::<b2sdk::Operation>("\"b2_fly\"").is_err());
    assert!(serde_json::from_str::<b2sdk::Sha1Digest>("\"ab\"").is_err());
}

#[test]
fn ids_are_found_by_their_text() {
    let names = BTreeMap::from([(b2sdk::BucketId::from("b1"), "photos")]);
    assert_eq!(names.get("b1"), Some(&"photos"));
    let names = std::collections::HashMap::from([(b2sdk::FileId::from("f1"), 1)]);
    assert_eq!(names.get("f1"), Some(&1));
}

/// Every model comes back as it was, with what it does not name: from the recorded answers.
#[test]
fn models_come_back_from_json_as_they_were() {
    fn back<T: Value + Serialize + DeserializeOwned>(json: serde_json::Value) {
        let value: T = serde_json::from_value(json).unwrap();
        let written = serde_json::to_value(&value).unwrap();
        let read: T = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(read, value);
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
    }
    use serde_json::json;
    let retention = json!({"mode": "governance", "retainUntilTimestamp": 1_796_371_200_000_u64});
    let wrapped =
        |value: serde_json::Value| json!({"isClientAuthorizedToRead": true, "value": value});
    let file = json!({
        "accountId": "a", "action": "upload", "bucketId": "b", "contentLength": 3, "contentMd5": null,
        "contentSha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "contentType": "text/plain",
        "fileId": "f", "fileInfo": {"author": "Åsa"}, "fileName": "é/x", "uploadTimestamp": 5,
        "fileRetention": wrapped(retention.clone()), "legalHold": wrapped(json!("on")),
        "serverSideEncryption": {"mode": "SSE-C", "algorithm": "AES256", "customerKeyMd5": "m"},
        "replicationStatus": "PENDING", "addedLater": {"a": [1, null]},
    });
    back::<b2sdk::FileVersion>(file.clone());
    let mut hidden = file;
    hidden["fileRetention"] = json!({"isClientAuthorizedToRead": false, "value": null});
    hidden["contentSha1"] = json!(null);
    hidden["legalHold"] = json!(null);
    back::<b2sdk::FileVersion>(hidden);
    let replication = json!({
        "asReplicationSource": {"sourceApplicationKeyId": "k", "replicationRules": [{
            "destinationBucketId": "d", "fileNamePrefix": "", "includeExistingFiles": true,
            "isEnabled": true, "priority": 1, "replicationRuleName": "all-files", "later": 1,
        }]},
        "asReplicationDestination": {"sourceToDestinationKeyMapping": {"k": "l"}},
    });
    let lifecycle = json!({"daysFromHidingToDeleting": 1, "daysFromUploadingToHiding": null,
        "daysFromStartingToCancelingUnfinishedLargeFiles": 7, "fileNamePrefix": "a/", "later": true});
    let cors = json!({"corsRuleName": "downloads", "allowedOrigins": ["*"], "allowedOperations": ["s3_get"],
        "allowedHeaders": null, "exposeHeaders": ["x-bz-content-sha1"], "maxAgeSeconds": 60, "later": {}});
    let default = json!({"mode": "compliance", "period": {"duration": 7, "unit": "days"}});
    back::<b2sdk::BucketDetails>(json!({
        "accountId": "a", "bucketId": "b", "bucketInfo": {"k": "v"}, "bucketName": "photos",
        "bucketType": "somethingNew", "corsRules": [cors.clone()], "lifecycleRules": [lifecycle.clone()],
        "replicationConfiguration": wrapped(replication.clone()),
        "defaultServerSideEncryption": wrapped(json!({"mode": "SSE-B2", "algorithm": "AES256"})),
        "fileLockConfiguration": wrapped(json!({"isFileLockEnabled": true, "defaultRetention": default.clone()})),
        "revision": 7, "options": ["s3"], "later": [1],
    }));
    back::<b2sdk::rules::CorsRule>(cors);
    back::<b2sdk::rules::LifecycleRule>(lifecycle);
    back::<b2sdk::replication::ReplicationConfiguration>(replication.clone());
    back::<b2sdk::replication::ReplicationSource>(replication["asReplicationSource"].clone());
    back::<b2sdk::replication::ReplicationDestination>(
        replication["asReplicationDestination"].clone(),
    );
    back::<b2sdk::replication::ReplicationRule>(
        replication["asReplicationSource"]["replicationRules"][0].clone(),
    );
    back::<b2sdk::keys::KeyDetails>(json!({
        "accountId": "a", "applicationKeyId": "k", "keyName": "n", "capabilities": ["listFiles", "flyFiles"],
        "bucketIds": ["b"], "namePrefix": "p/", "expirationTimestamp": 5, "options": ["s3"],
    }));
    back::<b2sdk::keys::Allowed>(json!({
        "buckets": [{"id": "b", "name": null}], "capabilities": ["listFiles"], "namePrefix": "p/",
    }));
    back::<b2sdk::keys::AllowedBucket>(json!({"id": "b", "name": "photos"}));
    back::<b2sdk::listing::Part>(json!({
        "contentLength": 5, "contentMd5": "m", "contentSha1": "none", "fileId": "f", "partNumber": 1,
        "uploadTimestamp": 5, "serverSideEncryption": {"mode": null, "algorithm": null}, "later": 1,
    }));
    back::<b2sdk::encryption::EncryptionInfo>(json!({"mode": "SSE-B2", "algorithm": "AES256"}));
    back::<b2sdk::FileInfo>(json!({"a": "b"}));
    back::<b2sdk::ContentSha1>(json!("unverified:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"));
    let until = b2sdk::Timestamp::from_millis(5);
    back::<b2sdk::lock::FileRetention>(
        serde_json::to_value(b2sdk::lock::FileRetention::governance(until)).unwrap(),
    );
    let period = b2sdk::lock::RetentionPeriod::days(7);
    back::<b2sdk::lock::RetentionPeriod>(serde_json::to_value(&period).unwrap());
    let retention = b2sdk::lock::BucketRetention::compliance(period);
    back::<b2sdk::lock::BucketRetention>(serde_json::to_value(retention).unwrap());
    back::<b2sdk::notifications::EventNotification>(json!({
        "accountId": "a", "bucketId": "b", "bucketName": "photos", "eventId": "e", "eventTimestamp": 5,
        "eventType": "b2:ObjectCreated:Upload", "eventVersion": 1, "matchedRuleName": "r",
        "objectName": "x", "objectSize": 3, "objectVersionId": "f", "later": null,
    }));
}

/// The types of `TYPES` without their modules.
fn type_names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(_, name)| last(name))
}

fn last(name: &'static str) -> &'static str {
    name.rsplit("::").next().unwrap().trim()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

/// The public modules of the root, but for those that are listed elsewhere.
fn modules() -> Vec<String> {
    let mut modules: Vec<_> = public_modules("lib.rs");
    modules.extend(public_modules("topics.rs"));
    modules.retain(|module| !UNLISTED.contains(&&**module));
    modules
}

/// The public modules that a file declares, without the pages of documentation, which are inline.
fn public_modules(name: &str) -> Vec<String> {
    let file = syn::parse_file(&fs::read_to_string(source(name)).unwrap()).unwrap();
    let declared = file.items.iter().filter_map(|item| match item {
        Item::Mod(item) if is_public(&item.vis) && item.content.is_none() => {
            Some(item.ident.to_string())
        }
        _ => None,
    });
    declared.collect()
}

/// The file of a public module.
fn module_source(module: &str) -> PathBuf {
    let topic = source(&format!("topics/{module}.rs"));
    if topic.exists() {
        topic
    } else {
        source(&format!("{module}.rs"))
    }
}

/// The names that a file offers: re-exported, or its own.
fn offered_by(path: &Path) -> BTreeSet<String> {
    fn named(tree: &UseTree, names: &mut BTreeSet<String>) {
        match tree {
            UseTree::Path(path) => named(&path.tree, names),
            UseTree::Name(name) => _ = names.insert(name.ident.to_string()),
            UseTree::Rename(name) => _ = names.insert(name.rename.to_string()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| named(tree, names)),
            UseTree::Glob(_) => panic!("a glob hides what is offered"),
        }
    }
    let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    for item in &file.items {
        match item {
            Item::Use(item) if is_public(&item.vis) => named(&item.tree, &mut names),
            Item::Struct(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            Item::Enum(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            Item::Trait(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            _ => {}
        }
    }
    names.retain(|name| name.starts_with(char::is_uppercase));
    names
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident(name))
}

/// The documentation of an item, a line each.
fn doc(attributes: &[Attribute]) -> String {
    let mut lines = String::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(text) = &pair.value
            && let syn::Lit::Str(text) = &text.lit
        {
            lines.push_str(&text.value());
            lines.push('\n');
        }
    }
    lines
}

struct Definition {
    attributes: Vec<Attribute>,
    /// Others can build it, or match it in full.
    is_open: bool,
}

/// What the sources of the client say of public types and functions.
#[derive(Default)]
struct Sources {
    types: BTreeMap<String, Definition>,
    /// Public methods that return a `Result`, and their documentation.
    fallible: Vec<(String, String)>,
}

impl Sources {
    fn read() -> Self {
        let mut sources = Self::default();
        let mut folders = vec![source("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if matches!(&*name, "simulator" | "bin") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = fs::read_to_string(&path).unwrap();
                    let file = syn::parse_file(&text).unwrap();
                    file.items.iter().for_each(|item| sources.note(item));
                }
            }
        }
        sources
    }

    fn note(&mut self, item: &Item) {
        match item {
            Item::Struct(item) if is_public(&item.vis) => {
                let is_open = match &item.fields {
                    Fields::Named(fields) => {
                        !fields.named.is_empty()
                            && fields.named.iter().all(|field| is_public(&field.vis))
                    }
                    Fields::Unnamed(_) | Fields::Unit => false,
                };
                self.define(&item.ident, &item.attrs, is_open);
            }
            Item::Enum(item) if is_public(&item.vis) => self.define(&item.ident, &item.attrs, true),
            Item::Impl(item) if item.trait_.is_none() => {
                let Type::Path(owner) = &*item.self_ty else {
                    return;
                };
                let owner = &owner.path.segments.last().unwrap().ident;
                for item in &item.items {
                    if let ImplItem::Fn(method) = item
                        && is_public(&method.vis)
                        && returns_result(&method.sig.output)
                    {
                        let name = format!("{owner}::{}", method.sig.ident);
                        self.fallible.push((name, doc(&method.attrs)));
                    }
                }
            }
            _ => {}
        }
    }

    fn define(&mut self, name: &syn::Ident, attributes: &[Attribute], is_open: bool) {
        let attributes = attributes.to_vec();
        let definition = Definition {
            attributes,
            is_open,
        };
        self.types.insert(name.to_string(), definition);
    }
}

fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else {
        return false;
    };
    let Type::Path(path) = &**returned else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Result")
}
