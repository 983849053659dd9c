//! The layers of the crate: which module may use which, that no files use each other in a loop, and
//! which dependency is named where. `docs/architecture.md` explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module of the client may use those to its right.
const LAYERS: [&str; 16] = [
    "sync",
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

/// A module of the simulator may use those to its right.
const SIMULATOR_LAYERS: [&str; 14] = [
    "fuzz",
    "builder",
    "key_request",
    "front",
    "tls",
    "admin",
    "maintenance",
    "api",
    "account",
    "log",
    "faults",
    "protocol",
    "clock",
    "random",
];

/// Folders in which files still use each other in a loop. Remove an entry with its last loop.
const FOLDERS_WITH_LOOPS: &[&str] = &[];

/// Words and the only places where they may stand.
const PLACES: [(&str, &[&str]); 12] = [
    ("ureq", &["http.rs", "http/"]),
    (
        "rusqlite",
        &["account_info/sqlite", "simulator/account/storage/disk.rs"],
    ),
    (
        "tokio",
        &["account_info/postgres", "simulator/front", "bin/"],
    ),
    ("tokio_postgres", &["account_info/postgres"]),
    ("tokio_postgres_rustls", &["account_info/postgres"]),
    ("hyper", &["simulator/front", "bin/"]),
    ("anyhow", &["bin/"]),
    ("rcgen", &["simulator/tls.rs"]),
    ("tokio_rustls", &["simulator/front", "simulator/tls.rs"]),
    ("secrecy", &["model/secret.rs"]),
    ("chacha20poly1305", &["account_info/sealing.rs"]),
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

/// For each file of `src` that is no test, the other files whose items it names by a path that
/// begins with `crate`, `super` or `self`.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let sources: BTreeMap<String, String> = sources()
        .into_iter()
        .filter(|(file, _)| {
            !file
                .split(['/', '.'])
                .any(|part| part == "tests" || part == "bin")
        })
        .collect();
    let files: BTreeMap<Vec<&str>, &str> = sources
        .keys()
        .map(|file| (module_of(file), file.as_str()))
        .collect();
    let mut uses = BTreeMap::new();
    for (file, code) in &sources {
        let own = module_of(file);
        let code = code
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let mut used = BTreeSet::new();
        for path in paths(code) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            used.extend(file_of(&own, &path, &files));
        }
        used.remove(file);
        uses.insert(file.clone(), used);
    }
    uses
}

/// `a/b.rs` is the module `a::b`, `lib.rs` the root.
fn module_of(file: &str) -> Vec<&str> {
    match file.strip_suffix(".rs").unwrap_or(file) {
        "lib" => Vec::new(),
        path => path.split('/').collect(),
    }
}

/// The file of the innermost module on a path that is used in module `own`.
fn file_of(own: &[&str], path: &[&str], files: &BTreeMap<Vec<&str>, &str>) -> Option<String> {
    let mut module = own.to_vec();
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match *first {
            "crate" => module.clear(),
            "super" => drop(module.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    let mut file = files.get(&module)?;
    for name in rest {
        module.push(name);
        match files.get(&module) {
            Some(inner) => file = inner,
            None => break,
        }
    }
    Some((*file).to_owned())
}

/// Each path in the code that begins with `crate`, `super` or `self`; those in braces one by one.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !is_word_char(before) && before != Some(':') {
                path_tree(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Reads `a::b` or `a::{b, c::d}` behind this prefix; returns what follows it.
fn path_tree<'c>(mut code: &'c str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'c str {
    let mut path = prefix.to_vec();
    loop {
        code = code.trim_start();
        if let Some(mut inner) = code.strip_prefix('{') {
            loop {
                inner = path_tree(inner, &path, found).trim_start();
                match inner.strip_prefix(',') {
                    Some(next) if !next.trim_start().starts_with('}') => inner = next,
                    next => return next.unwrap_or(inner).trim_start().trim_start_matches('}'),
                }
            }
        }
        let end = code.find(|c| !is_word_char(Some(c))).unwrap_or(code.len());
        if end > 0 {
            path.push(code[..end].to_owned());
        }
        code = &code[end..];
        match code.strip_prefix("::") {
            Some(rest) => code = rest,
            None => {
                found.push(path);
                return code;
            }
        }
    }
}

/// Whether one module contains the other.
fn are_related(one: &str, other: &str) -> bool {
    let (one, other) = (module_of(one), module_of(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// The largest sets of files of which each uses each other one, directly or through others. What a
/// module and its child modules use of each other does not count.
fn loops(uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reached_from = |start: &String| {
        let mut reached = BTreeSet::new();
        let mut left = vec![start];
        while let Some(file) = left.pop() {
            for used in uses.get(file).into_iter().flatten() {
                if !are_related(file, used) && reached.insert(used.clone()) {
                    left.push(used);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        uses.keys().map(|file| (file, reached_from(file))).collect();
    let loop_of = |file: &String| -> BTreeSet<String> {
        let others = reached[file].iter();
        others
            .filter(|other| reached[other].contains(file))
            .cloned()
            .collect()
    };
    uses.keys()
        .map(loop_of)
        .filter(|files| !files.is_empty())
        .collect()
}

#[test]
fn no_files_use_each_other_in_a_loop() {
    let mut left: BTreeSet<&str> = FOLDERS_WITH_LOOPS.iter().copied().collect();
    let mut wrong = Vec::new();
    for files in loops(&uses()) {
        let folder = FOLDERS_WITH_LOOPS
            .iter()
            .find(|folder| files.iter().all(|file| file.starts_with(*folder)));
        match folder {
            Some(folder) => drop(left.remove(*folder)),
            None => wrong.push(files),
        }
    }
    assert!(
        wrong.is_empty(),
        "these files use each other in a loop: {wrong:#?}"
    );
    assert!(
        left.is_empty(),
        "no loop is left here, remove the entry: {left:?}"
    );
}

#[test]
fn loops_are_found_whatever_their_length() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, used) in pairs {
            uses.entry((*used).to_owned()).or_default();
            uses.entry((*file).to_owned())
                .or_default()
                .insert((*used).to_owned());
        }
        loops(&uses)
    };
    let three = [
        ("a.rs", "b.rs"),
        ("b.rs", "c/d.rs"),
        ("c/d.rs", "a.rs"),
        ("a.rs", "e.rs"),
    ];
    let found: Vec<String> = uses(&three).into_iter().flatten().collect();
    assert_eq!(found, ["a.rs", "b.rs", "c/d.rs"]);
    assert!(uses(&three[1..]).is_empty());
    // A parent and its child.
    assert!(uses(&[("c.rs", "c/d.rs"), ("c/d.rs", "c.rs")]).is_empty());
}

#[test]
fn paths_are_read_with_what_stands_in_braces() {
    let code =
        "use crate::a::{self, b::{C, d::E}, F as G,};\nfn x() { super::super::h(self::i::J::k()) }";
    let found: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::a::self",
        "crate::a::b::C",
        "crate::a::b::d::E",
        "crate::a::F",
        "super::super::h",
        "self::i::J::k",
    ];
    assert_eq!(found, expected);
    let files = ["lib.rs", "a.rs", "a/b.rs", "c.rs"].map(|file| (module_of(file), file));
    let files = BTreeMap::from(files);
    let file =
        |own: &[&str], path: &str| file_of(own, &path.split("::").collect::<Vec<_>>(), &files);
    assert_eq!(file(&["c"], "crate::a::b::C").as_deref(), Some("a/b.rs"));
    assert_eq!(file(&["c"], "super::a::B").as_deref(), Some("a.rs"));
    assert_eq!(
        file(&["a", "b"], "super::super::c").as_deref(),
        Some("c.rs")
    );
    assert_eq!(file(&["a"], "self::b::X").as_deref(), Some("a/b.rs"));
}

/// The layer of a file of the simulator; `None` for `simulator.rs`, which holds them together.
fn simulator_layer(file: &str) -> Option<usize> {
    let inside = file.strip_prefix("simulator/")?;
    let first = inside.split(['/', '.']).next()?;
    let layer = SIMULATOR_LAYERS.iter().position(|layer| *layer == first);
    assert!(layer.is_some(), "src/{file} is in no layer");
    layer
}

#[test]
fn no_module_of_the_simulator_uses_one_to_its_left() {
    let mut wrong = Vec::new();
    for (file, used) in uses() {
        let Some(own) = simulator_layer(&file) else {
            continue;
        };
        for used in used {
            let is_right = match simulator_layer(&used) {
                Some(layer) => layer >= own,
                None => {
                    matches!(SIMULATOR_LAYERS[own], "fuzz" | "builder")
                        || used == "model/operation.rs"
                }
            };
            if !is_right {
                wrong.push(format!("src/{file} uses src/{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
