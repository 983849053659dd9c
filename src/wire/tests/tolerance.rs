//! How much of an answer may be missing, null or new before it cannot be read: everything but a few
//! members that are named here. The service may add fields at any time, and clients "tolerate
//! missing optional ones" (docs/protocol.md, section 1.5).

use serde_json::{Value, json};

use super::{Kind, answers, fixture};

/// A rule that cannot be read is kept as it came, so no member of one is required.
const BUCKET: [&str; 2] = ["bucketId", "bucketName"];

/// Not even an id: a folder has none.
const FILE: [&str; 1] = ["fileName"];

const PART: [&str; 3] = ["fileId", "partNumber", "contentLength"];

const KEY: [&str; 1] = ["applicationKeyId"];

/// These hold names and values of users, not members that the API defines.
pub(super) const USERS_OWN: [&str; 3] = ["bucketInfo", "fileInfo", "sourceToDestinationKeyMapping"];

impl Kind {
    /// The members without which there is nothing to work with. A list of files or buckets is one:
    /// an answer without it must not look like an empty listing. In a list, no member of a row is: one odd
    /// row must not take the others along (tests/it/odd_rows.rs).
    pub(super) fn required(self) -> Vec<String> {
        let plain = |members: &[&str]| members.iter().map(|&member| member.to_owned()).collect();
        match self {
            Self::Authorization => plain(&[
                "accountId",
                "authorizationToken",
                "apiInfo",
                "apiInfo.storageApi",
                "apiInfo.storageApi.absoluteMinimumPartSize",
                "apiInfo.storageApi.recommendedPartSize",
                "apiInfo.storageApi.apiUrl",
                "apiInfo.storageApi.downloadUrl",
                "apiInfo.storageApi.allowed.buckets[].id",
            ]),
            Self::OlderAllowed => plain(&["allowed"]),
            Self::Bucket => plain(&BUCKET),
            Self::Buckets => plain(&["buckets"]),
            Self::UploadUrl => plain(&["uploadUrl", "authorizationToken"]),
            Self::File => plain(&FILE),
            Self::Files | Self::Unfinished => plain(&["files"]),
            Self::Deleted | Self::Cancelled | Self::LegalHold => plain(&["fileId"]),
            Self::Part => plain(&PART),
            Self::Parts => plain(&["parts"]),
            Self::Key => plain(&KEY),
            Self::NewKey => plain(&[&KEY[..], &["applicationKey"]].concat()),
            Self::Keys => plain(&["keys"]),
            Self::NotificationRules => plain(&["eventNotificationRules"]),
            Self::Retention => plain(&[]),
            Self::DownloadAuthorization => plain(&["authorizationToken"]),
        }
    }
}

/// A member of an answer: where it stands, as a JSON pointer, and its path without indexes.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) object: String,
    pub(super) name: String,
    pub(super) path: String,
}

impl Member {
    fn change(
        &self,
        body: &Value,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Value {
        let mut changed = body.clone();
        let object = changed.pointer_mut(&self.object).unwrap();
        change(object.as_object_mut().unwrap());
        changed
    }

    pub(super) fn nulled(&self, body: &Value) -> Value {
        self.change(body, |object| {
            object.insert(self.name.clone(), Value::Null);
        })
    }

    pub(super) fn removed(&self, body: &Value) -> Value {
        self.change(body, |object| {
            object.remove(&self.name);
        })
    }
}

/// Every member of every object in the body.
pub(super) fn members(body: &Value) -> Vec<Member> {
    fn walk(value: &Value, pointer: &str, path: &str, found: &mut Vec<Member>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{name}");
                    if !USERS_OWN.contains(&name.as_str()) {
                        walk(value, &format!("{pointer}/{name}"), &path, found);
                    }
                    found.push(Member {
                        object: pointer.to_owned(),
                        name: name.clone(),
                        path,
                    });
                }
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    walk(item, &format!("{pointer}/{n}"), &format!("{path}[]"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(body, "", "", &mut found);
    found
}

#[test]
fn members_that_are_not_required_may_be_null_or_missing() {
    let mut wrong = Vec::new();
    for (fixture_path, kind) in answers() {
        let body = fixture(&fixture_path);
        let required = kind.required();
        for member in members(&body) {
            if required.contains(&member.path) {
                continue;
            }
            for (how, body) in [
                ("null", member.nulled(&body)),
                ("missing", member.removed(&body)),
            ] {
                if let Err(error) = kind.parse(&body) {
                    wrong.push(format!("{fixture_path}: {} {how}: {error}", member.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn members_that_are_required_really_are() {
    let mut lenient = Vec::new();
    for (fixture_path, kind) in answers() {
        let body = fixture(&fixture_path);
        let required = kind.required();
        for member in members(&body) {
            if required.contains(&member.path) && kind.parse(&member.removed(&body)).is_ok() {
                lenient.push(format!("{fixture_path}: {}", member.path));
            }
        }
    }
    assert!(lenient.is_empty(), "{lenient:#?}");
}

#[test]
fn each_required_member_is_in_a_fixture() {
    let answers = answers();
    for (_, kind) in &answers {
        let seen: Vec<String> = answers
            .iter()
            .filter(|(_, other)| other == kind)
            .flat_map(|(path, _)| members(&fixture(path)))
            .map(|member| member.path)
            .collect();
        for required in kind.required() {
            assert!(seen.contains(&required), "{kind:?}: {required}");
        }
    }
}

#[test]
fn unknown_members_at_any_level_are_no_obstacle() {
    let mut wrong = Vec::new();
    for (fixture_path, kind) in answers() {
        let body = fixture(&fixture_path);
        for member in members(&body) {
            for new in [json!(null), json!("x"), json!(-1.5), json!({"a": [{}, 1]})] {
                let changed = member.change(&body, |object| {
                    object.insert("notYetInvented".to_owned(), new);
                });
                if let Err(error) = kind.parse(&changed) {
                    wrong.push(format!("{fixture_path}: beside {}: {error}", member.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
