//! What keeps a call that hangs from holding up the tests.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Longer than any call here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs it. If that takes as long as something that nobody wakes, the process ends, and says which test it
/// was: the thread that hangs can neither be ended nor, if it borrows from the test, be left behind.
pub(crate) fn in_time<T>(act: impl FnOnce() -> T) -> T {
    within(LIMIT, act)
}

fn within<T>(limit: Duration, act: impl FnOnce() -> T) -> T {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (done, ended) = channel::<()>();
    let watching = thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which is captured.
            let told = format!("\n{test}: still waiting after {limit:?}; the tests end here\n");
            let _written = std::io::stderr().write_all(told.as_bytes());
            std::process::abort();
        }
    });
    let outcome = act();
    drop(done);
    watching.join().unwrap();
    outcome
}

const ROLE: &str = "B2SDK_TEST_HANGS";

#[test]
fn a_test_that_hangs_ends_with_its_name() {
    let me = "support::watchdog::role_that_hangs";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([me, "--exact"])
        .env(ROLE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains(me), "{told}");
}

/// What the child process does, and no other one.
#[test]
fn role_that_hangs() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let nobody_wakes = || thread::scope(|scope| _ = scope.spawn(thread::park).join());
    within(Duration::from_millis(50), nobody_wakes);
}
