//! What `docs/simulator.md` says of tests, recipes and options, beside what there is.

use std::fs;
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../docs/simulator.md");

/// The rows of the table whose first line starts so, each as its cells.
fn table(start: &str) -> Vec<Vec<&'static str>> {
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(start));
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// Where the tests of a column of the table of clients are.
fn source_of(module: &str, test: &str) -> (String, String) {
    match test.rsplit_once("::") {
        Some((topic, name)) if module == "it" => {
            let topic = topic.replace("::", "/");
            (format!("tests/it/{topic}.rs"), name.to_owned())
        }
        Some((other, name)) => (format!("tests/interop_clients/{other}.rs"), name.to_owned()),
        None => (
            format!("tests/interop_clients/{module}.rs"),
            test.to_owned(),
        ),
    }
}

#[test]
fn every_cell_of_the_table_of_clients_names_tests_that_exist_or_says_that_there_is_no_such_thing() {
    let table = table("| Topic |");
    let modules = ["command_line", "python", "rclone", "curl", "it"];
    assert_eq!(table.len(), 2 + 13, "a heading and the topics");
    for row in &table[2..] {
        assert_eq!(row.len(), 1 + modules.len(), "{row:?}");
        for (cell, module) in row[1..].iter().zip(modules) {
            if cell.starts_with("none") {
                continue;
            }
            let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
            assert!(!tests.is_empty(), "{row:?}");
            for test in tests {
                let (path, name) = source_of(module, test);
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
                let source = fs::read_to_string(source).unwrap_or_default();
                let found = source.contains(&format!("fn {name}()"));
                assert!(found, "{test} is not in {path}");
            }
        }
    }
}

#[test]
fn the_recipe_for_rust_is_the_test_that_runs() {
    let (_, recipe) = DOCUMENT.split_once("```rust\n").unwrap();
    let (recipe, _) = recipe.split_once("```").unwrap();
    assert!(include_str!("simulator_recipe.rs").ends_with(recipe));
}

#[test]
fn the_document_names_every_option_of_the_help_and_no_other() {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let options = |text: &str| -> Vec<String> {
        let words = text.split(|letter: char| !is_word(letter));
        let options = words.filter(|word| word.starts_with("--") && word.len() > 4);
        options.map(str::to_owned).collect()
    };
    let printed = Command::new(env!("CARGO_BIN_EXE_b2-simulator"))
        .arg("--help")
        .output()
        .unwrap();
    let help = options(&String::from_utf8(printed.stdout).unwrap());
    assert!(help.len() > 15, "{help:?}");
    let named = options(DOCUMENT);
    for option in &help {
        assert!(named.contains(option), "{option} is not described");
    }
    // In running text: what stands in blocks is other programs' as well.
    let prose: String = DOCUMENT.split("\n```").step_by(2).collect();
    for named in prose.split('`').skip(1).step_by(2) {
        let first = options(named).into_iter().next();
        if let Some(option) = first.filter(|option| named.starts_with(option.as_str())) {
            assert!(help.contains(&option), "{option} is no option");
        }
    }
}
