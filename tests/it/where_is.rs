//! The tables of docs/architecture.md name what exists: "Where is ...?" files and items, that of failures tests.

use std::fs;
use std::path::Path;

/// The words that may stand before the name of an item where it is defined.
const KINDS: [&str; 7] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "const",
    "type",
    "macro_rules!",
];

/// Whether a source file defines an item of this name.
fn defines(source: &str, item: &str) -> bool {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    KINDS.iter().any(|kind| {
        let definition = format!("{kind} {item}");
        source
            .match_indices(&definition)
            .any(|(at, _)| source[at + definition.len()..].starts_with(is_end))
    })
}

#[test]
fn each_answer_names_a_file_and_an_item_that_it_defines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let (_, table) = text.split_once("## Where is ...?\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.contains("`src/")) {
        let cells: Vec<_> = line
            .split('|')
            .map(|cell| cell.trim_matches([' ', '`']))
            .collect();
        let [_, question, file, item, _] = cells[..] else {
            panic!("{line}");
        };
        match fs::read_to_string(root.join(file)) {
            Ok(source) if defines(&source, item) => {}
            Ok(_) => wrong.push(format!("{question}: {file} does not define {item}")),
            Err(error) => wrong.push(format!("{question}: {file}: {error}")),
        }
        rows += 1;
    }
    assert!(rows >= 25, "{rows} rows");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_row_of_the_table_of_failures_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let (_, table) = text
        .split_once("| situation | what happens | test in `tests/it` |\n")
        .unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let test = line.trim_end_matches(['|', ' ', '`']);
        let test = test.rsplit('`').next().unwrap();
        let (module, name) = test.rsplit_once("::").unwrap_or(("", test));
        let file = format!("tests/it/{}.rs", module.replace("::", "/"));
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        if !source.contains(&format!("#[test]\nfn {name}()")) {
            wrong.push(line);
        }
    }
    assert!(table.lines().count() > 40);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
