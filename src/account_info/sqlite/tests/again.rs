//! Runs a test again in another process: with another umask, or as a user who is not root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

/// Set in a run of one test by another.
const INSIDE: &str = "B2SDK_TEST_INSIDE";

/// Runs one test of that module again, by what `wrapper` makes of the command.
pub(super) fn again(module: &str, test: &str, wrapper: &[&str]) {
    // Another user may not be able to reach the build directory.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let (_, module) = module.split_once("::").unwrap();
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(&program)
        .args(["--exact", &format!("{module}::{test}")])
        .env(INSIDE, "1")
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{output:?}"
    );
}

pub(super) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test again as another user if this one is root, who may write everything. `true`: that
/// was it.
pub(super) fn unprivileged(module: &str, test: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    if is_inside() || fs::metadata(directory.path()).unwrap().uid() != 0 {
        return false;
    }
    let ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let wrapper: Vec<_> = ["setpriv"].into_iter().chain(ids).collect();
    again(module, test, &wrapper);
    true
}
