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

/// Rows that no request of a contract run can settle, and why.
const NOT_ASKED: [(&str, &str); 19] = [
    (
        "`X-Bz-Content-Sha1: unverified:...`",
        "nobody sends it: what answers show is no request",
    ),
    (
        "lists in a query are separated by commas",
        "asked by GET, which Backblaze advises against",
    ),
    (
        "unfiltered `b2_list_buckets` with such a key",
        "needs two buckets for one key",
    ),
    ("the marker of a file that a rule deletes", "takes days"),
    (
        "versions of one time are listed by their id",
        "needs custom timestamps",
    ),
    (
        "a copy of a large file gets the checksum",
        "transfers 10 MB: see contract::a_large_file_is_its_parts",
    ),
    (
        "public buckets need no token",
        "needs a verified e-mail address",
    ),
    (
        "object lock: modes, bypass",
        "compliance cannot be taken back",
    ),
    (
        "no retention ends after the year 9999",
        "what is kept so long cannot be deleted",
    ),
    ("public files carry `X-Content-Type-Options", "ours alone"),
    (
        "nobody makes a key that may more",
        "needs a key that makes keys",
    ),
    (
        "files whose name and info take more than 2048",
        "needs replication",
    ),
    ("existing files of a rule that includes them", "takes a day"),
    (
        "what failed is tried again in the next round",
        "takes a day",
    ),
    ("`X-Bz-Test-Mode`", "comes by chance"),
    ("an orphan hide marker", "takes days"),
    (
        "files under a customer's key never have",
        "needs replication",
    ),
    ("replication: pending, completed", "takes minutes"),
    ("SSE-C: no key 400", "is asked by the contract"),
];

#[test]
fn every_row_that_is_assumed_has_a_question_for_the_service_or_a_reason_why_not() {
    let table = include_str!("../../docs/simulator.md");
    let (_, table) = table
        .split_once("| Behaviour | Section | Known | Test |")
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows: Vec<(&str, &str)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_start_matches("| ").split(" | ").collect();
            (cells[0], cells[2])
        })
        .collect();
    let questions = include_str!("../contract/questions.rs");
    let asked = questions
        .split("row: \"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'));
    let asked: Vec<&str> = asked.map(|(row, _)| row).collect();
    for row in &asked {
        assert!(
            rows.iter().any(|(behaviour, _)| behaviour.starts_with(row)),
            "{row}"
        );
    }
    for (behaviour, known) in rows {
        let is_known = |start: &&str| behaviour.starts_with(*start);
        let has_reason = NOT_ASKED
            .iter()
            .any(|(start, _)| behaviour.starts_with(start));
        assert!(
            !known.contains("assumed") || asked.iter().any(is_known) || has_reason,
            "{behaviour}"
        );
    }
}
