//! A simulator, a home directory for one client, and the way to run that client in it.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use b2sdk::simulator::{Simulator, SimulatorBuilder};
use b2sdk::{B2Api, Bucket, InMemoryAccountInfo, Timestamp, Verification};
use tempfile::TempDir;

const INSTALL: &str = "install it with `bash tests/scripts/install-clients.sh`";

/// A simulator and a home directory for its clients.
pub(crate) struct World {
    pub(crate) service: Simulator,
    pub(crate) home: Home,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Simulator::builder())
    }

    pub(crate) fn with(builder: SimulatorBuilder) -> Self {
        Self {
            service: builder.start().unwrap(),
            home: Home::new(),
        }
    }

    /// One in which a file of half a megabyte is a large one.
    pub(crate) fn with_small_parts() -> Self {
        Self::with(
            Simulator::builder()
                .minimum_part_size(50_000)
                .recommended_part_size(100_000),
        )
    }

    /// This crate, authorized with the master key.
    pub(crate) fn api(&self) -> B2Api {
        let api = B2Api::new(InMemoryAccountInfo::new());
        api.authorize_account(
            self.service.url(),
            self.service.application_key_id(),
            self.service.application_key(),
        )
        .unwrap();
        api
    }

    /// A bucket that a client has made, seen by this crate.
    pub(crate) fn bucket(&self, name: &str) -> Bucket {
        self.api().get_bucket_by_name(name).unwrap()
    }

    /// The ranges that downloads asked for, in order of arrival.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let entries = self.service.log().entries();
        entries.into_iter().filter_map(|it| it.range).collect()
    }

    /// A time at which retention may end, in milliseconds: an hour from now, in whole seconds.
    pub(crate) fn in_an_hour(&self) -> i64 {
        let later = self.service.now() + Duration::from_secs(3600);
        Timestamp::from(later).as_millis() / 1000 * 1000
    }

    /// A program that finds realm and key in the variables that `b2` and our scripts read.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.home.command(program);
        command
            .env("B2_ENVIRONMENT", self.service.url())
            .env("B2_APPLICATION_KEY_ID", self.service.application_key_id())
            .env("B2_APPLICATION_KEY", self.service.application_key());
        command
    }
}

/// A home directory that is removed in the end.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file below it, with the folders it needs.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A program that lives here and knows nothing of the user: not the credentials, not the
    /// configuration, not the proxy.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.0.path())
            .env("B2_ACCOUNT_INFO", self.path("account_info"))
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }
}

/// Runs a client to its end and returns what it wrote to standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let (succeeded, out, err) = finish(command);
    assert!(succeeded, "{command:?} failed:\n{out}{err}");
    out
}

/// Runs a client that is to fail and returns what it wrote.
pub(crate) fn run_to_failure(command: &mut Command) -> String {
    let (succeeded, out, err) = finish(command);
    assert!(!succeeded, "{command:?} succeeded:\n{out}{err}");
    out + &err
}

fn finish(command: &mut Command) -> (bool, String, String) {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{:?} is missing; {INSTALL}", command.get_program())
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Reads one file with this crate, which compares its checksum.
pub(crate) fn fetch(bucket: &Bucket, name: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy");
    let download = bucket.download_file_by_name(name).unwrap();
    assert_eq!(download.version().file_name, name);
    let saved = download.save_to(&copy).unwrap();
    assert_eq!(saved.verification(), Verification::Verified);
    fs::read(copy).unwrap()
}

/// The lines of a client's output.
pub(crate) fn lines(output: &str) -> Vec<&str> {
    output.lines().map(str::trim_end).collect()
}

/// A program of the virtual environment. The install script looks for it in the same order.
pub(crate) fn in_venv(program: &str) -> PathBuf {
    let venv = match (env::var_os("B2SDK_INTEROP_VENV"), env::var_os("CI_CACHE")) {
        (Some(venv), _) => PathBuf::from(venv),
        (None, Some(cache)) => Path::new(&cache).join("interop-venv"),
        (None, None) => repository().join("target/interop-venv"),
    };
    venv.join("bin").join(program)
}

/// A script of this repository.
pub(crate) fn script(name: &str) -> PathBuf {
    repository().join("tests/scripts").join(name)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Bytes that differ from their neighbours and from those a block further.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0])
        .collect()
}
