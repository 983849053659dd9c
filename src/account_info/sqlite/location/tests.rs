//! The table of `fixtures/account_info/locations.json`, which `tests/interop_account_info.rs` runs
//! through Python's resolver.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Environment, Location, Named, locate};
use crate::error::Error;

const TABLE: &str = include_str!("../../../../fixtures/account_info/locations.json");
const HOME: &str = "/home/ada";

fn text<'a>(case: &'a Value, field: &str) -> Option<&'a str> {
    case.get(field).and_then(Value::as_str)
}

fn located(case: &Value, home: Option<&str>) -> Result<Location, Error> {
    let variable = |name: &str| {
        let value = case.get("environment").and_then(|known| text(known, name));
        value.map(|value| value.replace("{home}", HOME).into())
    };
    let existing: Vec<PathBuf> = case
        .get("existing")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|name| Path::new(HOME).join(name.as_str().unwrap()))
        .collect();
    let named = Named {
        path: text(case, "path").map(|path| path.replace("{home}", HOME).into()),
        profile: text(case, "profile").map(str::to_owned),
    };
    let environment = Environment {
        variable: &variable,
        home: home.map(PathBuf::from),
        exists: &|path| existing.iter().any(|known| known == path),
        has_xdg: text(case, "platform") != Some("darwin"),
    };
    locate(&named, &environment)
}

#[test]
fn the_table_of_locations_holds() {
    let table: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    assert!(table.len() > 20);
    for case in &table {
        let why = text(case, "case").unwrap();
        match (located(case, Some(HOME)), text(case, "file")) {
            (Ok(location), Some(file)) => {
                assert_eq!(
                    location.file,
                    Path::new(&file.replace("{home}", HOME)),
                    "{why}"
                );
                let directory = text(case, "makes").map(|made| made.replace("{home}", HOME).into());
                assert_eq!(location.directory, directory, "{why}");
            }
            (Err(Error::InvalidInput { what, reason }), None) => {
                assert_eq!(Some(what), text(case, "invalid"), "{why}");
                let hint = text(case, "hint").unwrap();
                assert!(reason.contains(hint), "{why}: {reason}");
            }
            (other, _) => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn without_a_home_directory_the_file_has_to_be_named() {
    let case = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    for (json, what) in [
        ("{}", "B2_ACCOUNT_INFO"),
        (r#"{"profile": "p", "platform": "darwin"}"#, "profile"),
        (r#"{"path": "~/x"}"#, "path"),
    ] {
        let error = located(&case(json), None).unwrap_err().to_string();
        assert!(
            error.contains(what) && error.contains("home directory is not known"),
            "{error}"
        );
    }
    let xdg = case(r#"{"environment": {"XDG_CONFIG_HOME": "/etc/ada"}}"#);
    let location = located(&xdg, None).unwrap();
    assert_eq!(location.file, Path::new("/etc/ada/b2/account_info"));
}
