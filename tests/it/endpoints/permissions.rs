//! Keys that lack something: what our client says of it, held against what the service does.

mod cases;

use std::collections::BTreeSet;

use b2sdk::error::{KeyRestriction, NotAllowed};
use b2sdk::keys::Capability;
use b2sdk::simulator::KeyRequest;
use b2sdk::{B2Api, Error, Operation};

use self::cases::{CASES, Case};
use super::{LOCKABLE, Scene, rows};
use crate::support::BUCKET;

fn cases() -> impl Iterator<Item = Case> {
    // Any key may authorize.
    let rows = rows().filter(|row| row.operation != Operation::AuthorizeAccount);
    let own = rows.map(|row| {
        let operation = row.operation;
        (operation.name(), operation, row.call, row.needs)
    });
    own.chain(CASES.iter().copied())
}

/// The call that is refused where the one of the row is not reached.
fn refused(operation: Operation, missing: &str) -> Operation {
    match operation {
        Operation::GetUploadUrl
        | Operation::StartLargeFile
        | Operation::GetUploadPartUrl
        | Operation::UploadPart
        | Operation::FinishLargeFile => Operation::UploadFile,
        Operation::CopyPart if missing == "readFiles" => Operation::GetFileInfo,
        Operation::CopyPart => Operation::CopyFile,
        other => other,
    }
}

/// Whether only the service can tell that this is missing: nothing is needed to read what is public,
/// and not all of the sources of docs/protocol.md agree.
fn is_for_the_service(operation: Operation, missing: &str) -> bool {
    match operation {
        Operation::DownloadFileById | Operation::DownloadFileByName | Operation::ListParts => true,
        Operation::CopyFile => missing == "readFiles",
        // What a new key may do, its maker must be able to do; that is not certain.
        Operation::CreateKey => missing != "writeKeys",
        _ => false,
    }
}

#[track_caller]
fn not_allowed(what: &str, result: Result<(), Error>) -> NotAllowed {
    match result {
        Err(Error::NotAllowed(refusal)) => *refusal,
        other => panic!("{what}: {other:?}"),
    }
}

/// A key that can do everything but this, in the scene's buckets.
fn all_but(scene: &Scene, missing: &str, operation: Operation) -> KeyRequest {
    let all = Capability::KNOWN.iter().map(Capability::as_str);
    let key = KeyRequest::new(all.filter(|capability| *capability != missing));
    let is_about_account = matches!(
        operation,
        Operation::CreateBucket | Operation::ListBuckets | Operation::CreateKey
    );
    if missing == "listBuckets" && !is_about_account {
        // Then the authorization tells the names of its buckets.
        return key.bucket(LOCKABLE).bucket(scene.empty.name());
    }
    key
}

#[test]
fn what_a_key_lacks_is_named_and_the_service_agrees() {
    for (what, operation, call, needed) in cases() {
        let mut scene = Scene::new();
        for capability in Capability::KNOWN.iter().map(Capability::as_str) {
            let what = format!("{what} without {capability}");
            scene.renew();
            let api = scene
                .world
                .restricted(all_but(&scene, capability, operation));
            let outcome = call(&scene, &api);
            if !needed.contains(&capability) {
                assert!(outcome.is_ok(), "{what}: {outcome:?}");
                continue;
            }
            let refusal = not_allowed(&what, outcome);
            let operation = refused(operation, capability);
            let missing: Vec<_> = refusal.missing.iter().map(Capability::as_str).collect();
            assert_eq!(
                (refusal.operation, missing),
                (operation, vec![capability]),
                "{what}"
            );
            assert_eq!(refusal.restriction, None, "{what}");
            let sent = scene.world.count(operation);
            let asks = is_for_the_service(operation, capability);
            assert_eq!(
                (sent, refusal.service.is_some()),
                (usize::from(asks), asks),
                "{what}"
            );
            let text = Error::NotAllowed(Box::new(refusal)).to_string();
            for word in [
                operation.name(),
                &format!("needs {capability}"),
                "the key has ",
            ] {
                assert!(text.contains(word), "{what}: {text}");
            }

            let api = scene
                .world
                .overestimated(all_but(&scene, capability, operation));
            let error = call(&scene, &api).unwrap_err();
            assert!(
                matches!(error.status(), Some(401 | 403)),
                "{what}: {error:?}"
            );
        }
    }
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    for (what, operation, call, needed) in cases() {
        let scene = Scene::new();
        let api = scene
            .world
            .restricted(KeyRequest::new(["readBuckets"]).bucket(LOCKABLE));
        if matches!(operation, Operation::DeleteBucket | Operation::CopyPart) {
            // The bucket is another one; the source is described first.
            continue;
        }
        let refusal = not_allowed(what, call(&scene, &api));
        let missing: BTreeSet<_> = refusal.missing.iter().map(Capability::as_str).collect();
        assert_eq!(missing, needed.iter().copied().collect(), "{what}");
    }
}

/// What comes of a call that the key's limits forbid.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It is refused before it is sent.
    Known(KeyRestriction),
    /// The service refuses it, and why is known.
    Explained(KeyRestriction),
    /// The service refuses it; it knows a file by its id, and the client does not.
    Unexplained,
}

/// The outcome of one call, and the message if it was refused.
fn outcome(scene: &Scene, api: &B2Api, call: super::Call, what: &str) -> (Outcome, String) {
    let result = call(scene, api);
    if result.is_ok() {
        return (Outcome::Done, String::new());
    }
    let refusal = not_allowed(what, result);
    assert_eq!(refusal.missing, [], "{what}");
    let outcome = match (refusal.restriction, &refusal.service) {
        (Some(restriction), None) => Outcome::Known(restriction),
        (Some(restriction), Some(_)) => Outcome::Explained(restriction),
        (None, Some(_)) => Outcome::Unexplained,
        (None, None) => panic!("{what}: {refusal}"),
    };
    let sent = scene.world.count(refusal.operation);
    assert_eq!(sent > 0, refusal.service.is_some(), "{what}");
    (outcome, refusal.to_string())
}

#[test]
fn names_that_a_key_is_not_for_are_told() {
    let all = || KeyRequest::new(Capability::KNOWN.iter().map(Capability::as_str));
    for row in rows() {
        let scene = Scene::new();
        let api = scene.world.restricted(all().name_prefix("yours/"));
        let what = row.operation.name();
        let expected = match row.operation {
            Operation::AuthorizeAccount
            | Operation::CreateBucket
            | Operation::DeleteBucket
            | Operation::ListBuckets
            | Operation::UpdateBucket
            | Operation::CreateKey
            | Operation::ListKeys
            | Operation::DeleteKey
            | Operation::GetBucketNotificationRules
            | Operation::SetBucketNotificationRules => Outcome::Done,
            Operation::GetFileInfo
            | Operation::DownloadFileById
            | Operation::CancelLargeFile
            | Operation::ListParts => Outcome::Unexplained,
            // The file may be public.
            Operation::DownloadFileByName => Outcome::Explained(KeyRestriction::NamePrefix),
            _ => Outcome::Known(KeyRestriction::NamePrefix),
        };
        let (outcome, text) = outcome(&scene, &api, row.call, what);
        assert_eq!(outcome, expected, "{what}: {text}");
        if outcome == Outcome::Done {
            continue;
        }
        assert!(
            text.contains("only names starting with \"yours/\""),
            "{text}"
        );
        let why = match outcome {
            Outcome::Unexplained => ": it may be about what the key is not for",
            _ => ": the key is limited to names that begin differently",
        };
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn buckets_that_a_key_is_not_for_are_told() {
    let all = || KeyRequest::new(Capability::KNOWN.iter().map(Capability::as_str));
    for row in rows() {
        let scene = Scene::new();
        let api = scene.world.restricted(all().bucket(BUCKET));
        let what = row.operation.name();
        let expected = match row.operation {
            // It lists only its own.
            Operation::ListBuckets => continue,
            Operation::AuthorizeAccount
            | Operation::CreateKey
            | Operation::ListKeys
            | Operation::DeleteKey => Outcome::Done,
            Operation::GetFileInfo
            | Operation::DeleteFileVersion
            | Operation::DownloadFileById
            | Operation::CancelLargeFile
            | Operation::ListParts
            | Operation::UpdateFileRetention
            | Operation::UpdateFileLegalHold => Outcome::Unexplained,
            _ => Outcome::Known(KeyRestriction::Buckets),
        };
        let (outcome, text) = outcome(&scene, &api, row.call, what);
        assert_eq!(outcome, expected, "{what}: {text}");
        if outcome != Outcome::Done {
            assert!(
                text.contains(&format!("for the buckets {BUCKET}")),
                "{text}"
            );
        }
    }
}
