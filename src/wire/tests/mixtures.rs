//! What no service has sent yet: answers with new members in every object, new values where names are
//! expected, nulls and gaps, all at once. None of it may break reading, and what is new is kept where
//! there is room for it (docs/protocol.md, section 1.5).

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::tolerance::{Member, USERS_OWN, members};
use super::{Kind, answers, fixture};

/// Objects of which only what has a name is kept, with all that is inside them: settings, each of which
/// is read as one value ([`Filtered`](crate::model::filtered::Filtered)), and what a key may do.
const ONE_VALUE: [&str; 6] = [
    ".allowed",
    ".defaultServerSideEncryption",
    ".fileLockConfiguration",
    ".fileRetention",
    ".legalHold",
    ".serverSideEncryption",
];

/// The same, but for what is inside them: the wrapper around a configuration, and a pair.
const NO_ROOM: [&str; 2] = [".replicationConfiguration", ".customHeaders[]"];

fn has_room(path: &str) -> bool {
    !ONE_VALUE.iter().any(|name| path.contains(name))
        && !NO_ROOM.iter().any(|name| path.ends_with(name))
}

/// Members whose values are names that the service may add to.
const NAMES: [&str; 12] = [
    "action",
    "algorithm",
    "allowedOperations",
    "bucketType",
    "capabilities",
    "eventTypes",
    "legalHold",
    "mode",
    "options",
    "replicationStatus",
    "targetType",
    "unit",
];

/// Every object of a body: where it stands, as a JSON pointer, and its path without indexes.
fn objects(body: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(members) => {
                found.push((pointer.to_owned(), path.to_owned()));
                for (name, value) in members {
                    if !USERS_OWN.contains(&name.as_str()) {
                        walk(
                            value,
                            &format!("{pointer}/{name}"),
                            &format!("{path}.{name}"),
                            found,
                        );
                    }
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

fn add(body: &mut Value, object: &str, name: &str, value: Value) {
    if let Some(Value::Object(members)) = body.pointer_mut(object) {
        members.insert(name.to_owned(), value);
    }
}

#[test]
fn new_members_are_kept_where_there_is_room() {
    let mut lost = Vec::new();
    for (path, kind) in answers() {
        if kind == Kind::OlderAllowed {
            continue;
        }
        let body = fixture(&path);
        for (object, place) in objects(&body) {
            let mut changed = body.clone();
            add(&mut changed, &object, "notYetInvented", json!(7));
            let shown = kind.parse(&changed).unwrap();
            if shown.contains("notYetInvented") != has_room(&place) {
                lost.push(format!("{path}: {place:?}"));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// The strings below members of these names, as JSON pointers.
fn names(body: &Value) -> Vec<String> {
    fn strings(value: &Value, pointer: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(pointer.to_owned()),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    strings(item, &format!("{pointer}/{n}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for Member { object, name, .. } in members(body) {
        if NAMES.contains(&name.as_str()) {
            let pointer = format!("{object}/{name}");
            strings(body.pointer(&pointer).unwrap(), &pointer, &mut found);
        }
    }
    found
}

#[test]
fn new_names_are_kept_as_they_came() {
    let mut seen = 0;
    for (path, kind) in answers() {
        let body = fixture(&path);
        for pointer in names(&body) {
            seen += 1;
            let mut changed = body.clone();
            *changed.pointer_mut(&pointer).unwrap() = json!("levitated");
            let shown = kind.parse(&changed);
            let shown = shown.unwrap_or_else(|error| panic!("{path}{pointer}: {error}"));
            assert!(
                shown.to_ascii_lowercase().contains("levitated"),
                "{path}{pointer}"
            );
        }
    }
    assert!(seen > 100, "the names were not found: {seen}");
}

/// A change of an answer; the indexes choose the place.
#[derive(Debug, Clone)]
enum Change {
    Null(Index),
    Remove(Index),
    Rename(Index),
    Add(Index, String, Value),
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{0,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        place().prop_map(Change::Null),
        place().prop_map(Change::Remove),
        place().prop_map(Change::Rename),
        (place(), "new[a-zA-Z ]{0,8}", json_value())
            .prop_map(|(at, name, value)| Change::Add(at, name, value)),
    ]
}

impl Change {
    fn apply(&self, body: &mut Value, kind: Kind) {
        let optional = |at: &Index| {
            let required = kind.required();
            let mut members = members(body);
            members.retain(|member| !required.contains(&member.path));
            (!members.is_empty()).then(|| members.swap_remove(at.index(members.len())))
        };
        match self {
            Self::Null(at) => {
                if let Some(member) = optional(at) {
                    *body = member.nulled(body);
                }
            }
            Self::Remove(at) => {
                if let Some(member) = optional(at) {
                    *body = member.removed(body);
                }
            }
            Self::Rename(at) => {
                let names = names(body);
                if !names.is_empty()
                    && let Some(name) = body.pointer_mut(&names[at.index(names.len())])
                {
                    *name = json!("levitated");
                }
            }
            Self::Add(at, name, value) => {
                let objects = objects(body);
                if !objects.is_empty() {
                    add(
                        body,
                        &objects[at.index(objects.len())].0,
                        name,
                        value.clone(),
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_mixture_of_what_is_new_null_and_missing_breaks_reading(
        answer in any::<Index>(),
        changes in vec(change(), 1..30),
    ) {
        let answers = answers();
        let (path, kind) = &answers[answer.index(answers.len())];
        let mut body = fixture(path);
        for change in &changes {
            change.apply(&mut body, *kind);
        }
        if let Err(error) = kind.parse(&body) {
            panic!("{path}: {error}\n{body:#}");
        }
    }
}
