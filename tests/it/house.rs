//! The order of the house: who may use whom, and which crate is named where. `docs/architecture.md`
//! explains it.

use std::fs;
use std::path::{Path, PathBuf};

/// A module may use those to its right.
const LAYERS: [&str; 15] = [
    "replication",
    "notifications",
    "api",
    "bucket",
    "client",
    "transfer",
    "session",
    "raw",
    "http",
    "account_info",
    "control",
    "wire",
    "error",
    "model",
    "setters",
];

/// Words and the only places where they may stand.
const PLACES: [(&str, &[&str]); 7] = [
    ("ureq", &["http.rs", "http/"]),
    (
        "rusqlite",
        &["account_info/sqlite", "simulator/storage/disk.rs"],
    ),
    ("tokio", &["simulator/front", "bin/"]),
    ("hyper", &["simulator/front", "bin/"]),
    ("anyhow", &["bin/"]),
    ("secrecy", &["model/secret.rs"]),
    ("thread::sleep", &["control/clock.rs", "simulator/clock.rs"]),
];

/// Every source file: its path below `src`, and its code without comments.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                let text = fs::read_to_string(&path).unwrap();
                found.push((name, without_comments(&text)));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The layer of a file: the first part of its path.
fn layer(file: &str) -> Option<usize> {
    let first = file.split(['/', '.']).next()?;
    LAYERS.iter().position(|layer| *layer == first)
}

/// What follows each occurrence of `word`, as long as it is part of a name.
fn names_after<'a>(code: &'a str, word: &str) -> Vec<&'a str> {
    code.match_indices(word)
        .map(|(at, _)| {
            let rest = &code[at + word.len()..];
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("")
        })
        .collect()
}

fn is_word_char(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn names_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        !is_word_char(code[..at].chars().next_back())
            && !is_word_char(code[at + word.len()..].chars().next())
    })
}

#[test]
fn no_module_uses_one_to_its_left() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let Some(own) = layer(&file) else { continue };
        for name in names_after(&code, "crate::") {
            match LAYERS.iter().position(|layer| *layer == name) {
                Some(used) if used >= own => {}
                _ => wrong.push(format!("src/{file} uses crate::{name}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_simulator_shares_only_the_names_of_operations_with_the_client() {
    for (file, code) in sources() {
        if file.starts_with("simulator") {
            for (at, _) in code.match_indices("crate::") {
                let path = &code[at..];
                assert!(
                    path.starts_with("crate::simulator")
                        || path.starts_with("crate::model::operation"),
                    "src/{file} uses {}",
                    path.lines().next().unwrap_or("")
                );
            }
        }
    }
}

#[test]
fn foreign_crates_are_named_in_their_places_only() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        for (word, places) in PLACES {
            if names_word(&code, word) && !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("src/{file} names {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn locks_are_those_of_parking_lot() {
    let of_std = ["PoisonError", "Mutex", "MutexGuard", "RwLock", "Condvar"];
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let (mut text, mut named) = (code.as_str(), Vec::new());
        while let Some((_, after)) = text.split_once("std::sync::") {
            let names = after.split(|c: char| !c.is_alphanumeric()).next();
            let list = after
                .strip_prefix('{')
                .and_then(|list| list.split('}').next());
            named.push(list.or(names).unwrap_or(""));
            text = after;
        }
        for word in of_std {
            if named.iter().any(|names| names_word(names, word)) {
                wrong.push(format!("src/{file} uses the {word} of std"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, _) in sources() {
        let text = fs::read_to_string(root.join(&file)).unwrap();
        let opens = text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        assert!(
            opens.is_some_and(|line| line.starts_with("//!")),
            "src/{file}"
        );
    }
}
