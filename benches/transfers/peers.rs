//! The other programs that do the same, as far as they are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::server::{BUCKET, KEY, KEY_ID, LISTED, large_name, small_folder};
use crate::task::{Direction, Task};
use crate::tls;

/// Who does a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Ours,
    Floor,
    /// A program that sends the requests of this crate.
    Bare,
    Python,
    Rclone,
    Curl,
}

/// Where the service is.
pub(crate) struct Service<'a> {
    pub(crate) realm: &'a str,
    /// The file with the certificate authority to trust, if the service has TLS.
    pub(crate) authority: Option<&'a str>,
}

/// What is on this machine.
pub(crate) struct Peers {
    python: Option<PathBuf>,
    rclone: bool,
    curl: bool,
}

impl Peers {
    /// Looks for them; tells on standard error which ones are missing.
    pub(crate) fn find() -> Self {
        let venv = std::env::var_os("B2SDK_INTEROP_VENV").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop-venv"),
            PathBuf::from,
        );
        let python = venv.join("bin/python");
        let runs = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let has_python = runs(&python, &["-c", "import b2sdk.v3"]);
        let peers = Self {
            python: has_python.then_some(python),
            rclone: runs(Path::new("rclone"), &["version"]),
            curl: runs(Path::new("curl"), &["--version"]),
        };
        for (found, name) in [
            (has_python, "Python b2sdk"),
            (peers.rclone, "rclone"),
            (peers.curl, "curl"),
        ] {
            if !found {
                eprintln!(
                    "not compared with {name}: it is not installed (tests/scripts/install-clients.sh)"
                );
            }
        }
        peers
    }

    /// The program that does the task; none if it is not installed, or has no way to do it.
    pub(crate) fn command(
        &self,
        contestant: Contestant,
        task: &Task,
        service: &Service<'_>,
        directory: &Path,
    ) -> Result<Option<Command>> {
        let realm = service.realm;
        let mut command = match contestant {
            Contestant::Ours => Some(own("ours", task, realm, directory)?),
            Contestant::Floor => Some(own("floor", task, realm, directory)?),
            Contestant::Bare => Some(own("bare", task, realm, directory)?),
            Contestant::Python => self.python.as_ref().map(|python| {
                let script = concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/scripts/bench_transfers.py"
                );
                let mut command = Command::new(python);
                command
                    .arg(script)
                    .arg(task.to_string())
                    .arg(directory)
                    .env("B2_ENVIRONMENT", realm);
                command
            }),
            Contestant::Rclone => self.rclone.then(|| rclone(task, realm, directory)),
            Contestant::Curl if self.curl => curl(task, realm, directory),
            Contestant::Curl => None,
        };
        if let (Some(command), Some(authority)) = (&mut command, service.authority) {
            // Each reads its own.
            for name in [
                tls::CA,
                "REQUESTS_CA_BUNDLE",
                "RCLONE_CA_CERT",
                "CURL_CA_BUNDLE",
            ] {
                command.env(name, authority);
            }
        }
        Ok(command)
    }
}

fn own(role: &str, task: &Task, realm: &str, directory: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(role)
        .arg(task.to_string())
        .arg(realm)
        .arg(directory);
    Ok(command)
}

fn rclone(task: &Task, realm: &str, directory: &Path) -> Command {
    let mut command = Command::new("rclone");
    command
        .env("RCLONE_CONFIG", directory.join("rclone.conf"))
        .env("RCLONE_CONFIG_BENCH_TYPE", "b2")
        .env("RCLONE_CONFIG_BENCH_ENDPOINT", realm)
        .env("RCLONE_CONFIG_BENCH_ACCOUNT", KEY_ID)
        .env("RCLONE_CONFIG_BENCH_KEY", KEY)
        .args(["--retries", "1", "--log-level", "ERROR"]);
    let remote = |path: &str| format!("bench:{BUCKET}/{path}");
    if let Task::List { .. } = task {
        command.args(["lsf", "-R"]).arg(remote(LISTED));
        return command;
    }
    let (from, to, parallel) = match task {
        Task::Large {
            direction: Direction::Up,
            workers,
            length,
            ..
        } => (
            directory.join(large_name("large", *length)).into(),
            remote("up/large"),
            *workers,
        ),
        Task::Large {
            workers, length, ..
        } => (
            remote(&large_name("down", *length)).into(),
            directory.join("copy").to_string_lossy().into_owned(),
            *workers,
        ),
        Task::Small {
            direction: Direction::Up,
            threads,
            ..
        }
        | Task::Many {
            direction: Direction::Up,
            workers: threads,
            ..
        } => (
            directory.join("up").into_os_string(),
            remote("up"),
            *threads,
        ),
        Task::Small { files, threads, .. }
        | Task::Many {
            files,
            workers: threads,
            ..
        } => (
            remote(&small_folder(*files)).into(),
            directory.join("copies").to_string_lossy().into_owned(),
            *threads,
        ),
        Task::Start | Task::List { .. } => (directory.join("up/0000").into(), remote("up/one"), 4),
    };
    let verb = match task {
        Task::Small { .. } | Task::Many { .. } => "copy",
        Task::Large { .. } | Task::Start | Task::List { .. } => "copyto",
    };
    let parallel = parallel.to_string();
    command
        .args(["--transfers", &parallel, "--checkers", &parallel])
        .args(["--multi-thread-streams", &parallel])
        .arg(verb)
        .arg(from)
        .arg(to);
    command
}

/// One connection and a SHA-1 tool. It has a large file only.
fn curl(task: &Task, realm: &str, directory: &Path) -> Option<Command> {
    let Task::Large {
        direction, length, ..
    } = task
    else {
        return None;
    };
    let script = match direction {
        Direction::Up => {
            r#"sum=$(sha1sum "$1/$4") && exec curl -sSf -X POST -T "$1/$4" -H "X-Bz-File-Name: up/large" \
               -H "X-Bz-Content-Sha1: ${sum%% *}" "$2/b2api/v4/b2_upload_file/u/b""#
        }
        Direction::Down => r#"curl -sSf -o "$1/copy" "$2/file/$3" && exec sha1sum "$1/copy""#,
    };
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(directory)
        .arg(realm)
        .arg(format!("{BUCKET}/{}", large_name("down", *length)))
        .arg(large_name("large", *length));
    Some(command)
}
