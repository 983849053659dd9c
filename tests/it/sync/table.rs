//! The table of complaints in `docs/sync.md` names a test for each of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names between backquotes in the last column of a row.
fn tests_of(row: &str) -> Vec<(&str, &str)> {
    let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
    let names = column.split('`').skip(1).step_by(2);
    names.map(|name| name.split_once("::").unwrap()).collect()
}

#[test]
fn each_complaint_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/sync.md")).unwrap();
    let is_row = |line: &&str| line.starts_with("| C") || line.starts_with("| P");
    let mut numbers = BTreeSet::new();
    for row in guide.lines().filter(is_row) {
        let own = row.trim_start_matches("| ").split(" | ").next().unwrap();
        let own: Vec<_> = own.split(", ").collect();
        // From another table.
        if !own.iter().all(|number| number[1..].parse::<u8>().is_ok()) {
            continue;
        }
        let tests = tests_of(row);
        // That one is a limit, not a promise.
        assert_eq!(tests.is_empty(), own == ["C40"], "{row}");
        for (module, name) in tests {
            let file = root.join(format!("tests/it/sync/{module}.rs"));
            let source = fs::read_to_string(file).unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{module}::{name}");
        }
        numbers.extend(own.into_iter().map(str::to_owned));
    }
    let expected = (1..=42).map(|number| format!("C{number}"));
    let expected = expected.chain((1..=12).map(|number| format!("P{number}")));
    assert_eq!(numbers, expected.collect());
}
