//! One account-info file, used by Python's b2sdk, by the `b2` command-line tool and by this crate in
//! turns.
//!
//! ```text
//! bash tests/scripts/install-clients.sh
//! cargo test --all-features --test interop_account_info -- --ignored
//! ```
//!
//! The script makes a virtual environment with b2sdk 2.13 and b2 5, which the tests look for in
//! `$B2SDK_INTEROP_VENV`, `$CI_CACHE/interop-venv` and `target/interop-venv`.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(feature = "simulator")]
#[path = "interop_account_info/beside_us.rs"]
mod beside_us;

use std::path::{Path, PathBuf};
use std::process::Command;

use b2sdk::SqliteAccountInfo;
use b2sdk::account_info::{AccountAuth, AccountInfo, AuthSnapshot};

const READ: &str = r#"
print(info.get_account_id(), info.get_application_key_id(), info.get_application_key(),
      info.get_account_auth_token(), info.get_api_url(), info.get_download_url(),
      info.get_s3_api_url(), info.get_absolute_minimum_part_size(),
      info.get_recommended_part_size(), info.get_realm(), json.dumps(info.get_allowed()),
      info.get_bucket_id_or_none_from_bucket_name("it's photos"),
      info.list_bucket_names_ids(), sep='\n')
"#;

const WRITE: &str = r#"
info.set_auth_data(
    account_id='bob', auth_token='bob-token', api_url='https://api', download_url='https://f',
    recommended_part_size=200, absolute_minimum_part_size=100, application_key='bob-secret',
    realm='staging', s3_api_url='https://s3', application_key_id='bob-key',
    allowed={'buckets': [{'id': 'b9', 'name': None}], 'capabilities': ['listKeys'],
             'namePrefix': 'x/'})
info.save_bucket(types.SimpleNamespace(name='python', id_='b9'))
"#;

/// A program of the virtual environment.
fn client(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = std::env::var_os("B2SDK_INTEROP_VENV").map_or_else(
        || match std::env::var_os("CI_CACHE") {
            Some(cache) => Path::new(&cache).join("interop-venv"),
            None => root.join("target/interop-venv"),
        },
        PathBuf::from,
    );
    let program = environment.join("bin").join(name);
    assert!(
        program.exists(),
        "there is no {}: install it with `bash tests/scripts/install-clients.sh`",
        program.display()
    );
    Command::new(program)
}

/// What a program printed that must end well.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs this with `info` as Python's account info on the file.
fn python(path: &Path, script: &str) -> String {
    let setup = "import json, sys, types\n\
                 from b2sdk.v3 import SqliteAccountInfo\n\
                 info = SqliteAccountInfo(file_name=sys.argv[1])\n";
    output(
        client("python")
            .args(["-c", &format!("{setup}{script}")])
            .arg(path),
    )
}

fn ada() -> AccountAuth {
    let ada = serde_json::json!({
        "realm": "production",
        "accountId": "ada",
        "applicationKeyId": "ada-key",
        "applicationKey": "ada-secret",
        "authorizationToken": "ada-token",
        "apiUrl": "https://api001.backblazeb2.com",
        "downloadUrl": "https://f001.backblazeb2.com",
        "s3ApiUrl": "https://s3.us-west-001.backblazeb2.com",
        "absoluteMinimumPartSize": 5_000_000,
        "recommendedPartSize": 100_000_000,
        "allowed": {
            "buckets": [{"id": "b1", "name": "it's photos"}],
            "capabilities": ["listFiles"],
            "namePrefix": null,
        },
    });
    AuthSnapshot::from_json(&ada.to_string())
        .unwrap()
        .auth()
        .clone()
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn python_reads_what_we_write_and_we_read_what_python_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    let store = SqliteAccountInfo::open(&path).unwrap();
    let ada = store.save_auth(ada(), None).unwrap();

    let seen = python(&path, READ);
    let expected = "ada\nada-key\nada-secret\nada-token\nhttps://api001.backblazeb2.com\n\
         https://f001.backblazeb2.com\nhttps://s3.us-west-001.backblazeb2.com\n5000000\n\
         100000000\nproduction\n{\"buckets\": [{\"id\": \"b1\", \"name\": \"it's photos\"}], \
         \"capabilities\": [\"listFiles\"], \"namePrefix\": null}\nb1\n[(\"it's photos\", 'b1')]\n";
    assert_eq!(seen, expected);

    python(&path, WRITE);
    let bob = store.auth().unwrap().unwrap();
    let auth = bob.auth();
    assert_eq!(auth.account_id.as_str(), "bob");
    assert_eq!(auth.application_key_id.as_str(), "bob-key");
    assert_eq!(auth.application_key.expose(), "bob-secret");
    assert_eq!(auth.token.expose(), "bob-token");
    assert_eq!((&*auth.realm, &*auth.s3_api_url), ("staging", "https://s3"));
    assert_eq!(
        (auth.absolute_minimum_part_size, auth.recommended_part_size),
        (100, 200)
    );
    assert_eq!(auth.allowed.buckets.as_ref().unwrap()[0].id.as_str(), "b9");
    assert_eq!(auth.allowed.name_prefix.as_deref(), Some("x/"));
    assert!(store.buckets(ada.identity()).is_err());
    let buckets = store.buckets(bob.identity()).unwrap();
    assert_eq!(buckets, [("python".to_owned(), "b9".into())]);

    python(&path, "info.clear()");
    assert!(store.auth().unwrap().is_none());
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn a_file_that_python_made_is_ours_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    python(&path, WRITE);
    let before = python(&path, READ);
    let store = SqliteAccountInfo::open(&path).unwrap();
    let bob = store.auth().unwrap().unwrap();
    assert_eq!(bob.identity().account_id.as_str(), "bob");
    store
        .save_bucket(bob.identity(), "ours", &"b8".into())
        .unwrap();
    let after = python(&path, READ);
    assert_eq!(
        after,
        before.replace("('python', 'b9')", "('python', 'b9'), ('ours', 'b8')")
    );
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn python_resolves_the_table_of_locations_to_the_same_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = output(client("python").arg(root.join("tests/scripts/account_info_locations.py")));
    assert!(said.ends_with(" 0 wrong\n"), "{said}");
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn the_json_file_of_a_very_old_tool_becomes_the_same_as_with_python() {
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| directory.path().join(name));
    for path in [&ours, &theirs] {
        std::fs::write(path, include_str!("../fixtures/account_info/legacy.json")).unwrap();
    }
    drop(SqliteAccountInfo::open(&ours).unwrap());
    let dump = "print(*SqliteAccountInfo._connect(info).iterdump(), sep='\\n')";
    let words = |path| {
        let dump = python(path, dump);
        dump.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        words(&ours).replace("( ", "(").replace(" )", ")"),
        words(&theirs).replace("( ", "(").replace(" )", ")")
    );
}
