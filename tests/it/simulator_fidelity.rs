//! The fidelity table of `docs/simulator.md`: every row names tests, and they are there.

use std::fs;
use std::path::Path;

/// Where a test of that module is, as the text above the table says.
fn source_of(test: &str) -> (String, &str) {
    let (module, name) = test.rsplit_once("::").unwrap();
    let path = match module.split_once("::").unwrap_or((module, "")) {
        ("contract", "") => "tests/contract.rs".to_owned(),
        ("tests", "") => "src/simulator/api/route/tests.rs".to_owned(),
        ("it", rest) => format!("tests/it/{}.rs", rest.replace("::", "/")),
        _ => format!("src/simulator/api/route/tests/{module}.rs"),
    };
    (path, name)
}

#[test]
fn every_row_of_the_fidelity_table_names_tests_that_exist() {
    let text = include_str!("../../docs/simulator.md");
    let (_, table) = text
        .split_once("| Behaviour | Section | Known | Test |")
        .unwrap();
    let rows: Vec<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.len(), 4, "{row}");
        let known = cells[2];
        let marks = ["sure", "documented", "assumed"];
        assert!(marks.iter().any(|mark| known.contains(mark)), "{row}");
        let tests: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let (path, name) = source_of(test);
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
            let source = fs::read_to_string(source).unwrap_or_default();
            let is_there = source.contains(&format!("#[test]\nfn {name}()"));
            assert!(is_there, "{test} is not in {path}");
        }
    }
}
