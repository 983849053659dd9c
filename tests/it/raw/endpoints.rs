//! What the documentation of each endpoint of `Raw` says.

use std::fs;
use std::path::Path;

use b2sdk::Operation;

/// The text above each method of `Raw`, up to its errors.
fn documentation() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raw");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let mut text = String::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            match line.strip_prefix("    /// ") {
                Some(words) => text = text + words + " ",
                None if line.starts_with("    pub fn") => found.push(std::mem::take(&mut text)),
                None if line.trim() == "///" => {}
                None => text.clear(),
            }
        }
    }
    let before_errors = |text: String| text.split("# Errors").next().unwrap().to_owned();
    found.into_iter().map(before_errors).collect()
}

#[test]
fn each_endpoint_is_documented_with_a_link_to_the_protocol_its_capability_and_its_class() {
    let all = documentation();
    for operation in Operation::ALL {
        let name = format!("[`{operation}`](crate::guide::protocol#2");
        let text = all.iter().find(|text| text.starts_with(&name));
        let text = text.unwrap_or_else(|| panic!("{operation} is not documented"));
        let capability = operation.capability().map(|needed| format!("`{needed}`"));
        let class = format!("in class {:?}", operation.billing_class());
        for needed in [capability.unwrap_or_default(), class] {
            assert!(
                text.contains(&needed),
                "{operation}: {needed} is not in {text}"
            );
        }
    }
}
