//! Makes a folder of a bucket equal to a local directory, or the other way round.
//!
//! ```sh
//! sync [OPTION]... SOURCE DESTINATION
//! ```
//!
//! A place is `b2://bucket/folder` or the path of a directory. The key comes from `B2_APPLICATION_KEY_ID`
//! and `B2_APPLICATION_KEY`, the realm from `B2_ENVIRONMENT`; the account info is kept in memory, or in the
//! file that `B2_ACCOUNT_INFO` names. Standard output has one line for each step, the same ones with
//! `--dry-run`; standard error has problems and a summary, and one line of progress where it is a terminal, or
//! a line every 30 seconds where it is not. The exit code is 0 if everything was done that was asked for, 1 if
//! something was not, 2 if nothing was changed because the run was refused. Large files that a killed run has begun,
//! up or down, are completed by the next one.

#[path = "sync/arguments.rs"]
mod arguments;
#[path = "sync/console.rs"]
mod console;

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use b2sdk::credentials::{CredentialProvider as _, Credentials, EnvironmentCredentials};
use b2sdk::sync::{SyncError, SyncReport, SyncRun, Synchronizer};

use arguments::{Arguments, SEE_HELP, USAGE};
pub(crate) use console::Console;
use console::{COMPLETE, Lines, Planned, REFUSED};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let account = match EnvironmentCredentials::new().credentials() {
        Ok(credentials) => Ok(Account {
            credentials,
            store: env::var_os("B2_ACCOUNT_INFO").map(PathBuf::from),
        }),
        Err(error) => Err(error.to_string()),
    };
    ExitCode::from(sync(
        &arguments,
        account,
        Console::new(
            Box::new(io::stdout()),
            Box::new(io::stderr()),
            io::stderr().is_terminal(),
        ),
    ))
}

/// Whom to act for, and where what is known of the account is kept.
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    pub(crate) store: Option<PathBuf>,
}

/// The whole program: the exit code.
pub(crate) fn sync(arguments: &[String], account: Result<Account, String>, console: Console) -> u8 {
    let console = Arc::new(console);
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        console.step(&USAGE);
        return COMPLETE;
    }
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => {
            console.message(&format!("{problem}; {SEE_HELP}"));
            return REFUSED;
        }
    };
    let sync = match account.and_then(|account| arguments.synchronizer(&account)) {
        Ok(sync) => sync,
        Err(problem) => {
            console.message(&problem);
            return REFUSED;
        }
    };
    let settings = SyncRun::new().observer(Lines(Arc::clone(&console)));
    let mut planned = arguments.is_dry_run.then(Planned::default);
    let outcome = match &mut planned {
        Some(planned) => dry_run(&sync, &settings, &console, planned),
        None => sync.run_with(&settings),
    };
    console.finish(outcome, planned.as_ref(), &arguments.excluded)
}

/// Prints the plan.
fn dry_run(
    sync: &Synchronizer,
    settings: &SyncRun,
    console: &Console,
    planned: &mut Planned,
) -> Result<SyncReport, SyncError> {
    let mut plan = sync.plan_with(settings)?;
    for step in &mut plan {
        let step = step?;
        planned.count(&step);
        console.step(&step);
    }
    plan.into_report()
}
