//! Wall time, CPU time and memory of a program. A process of its own starts it, waits for it and
//! tells what the system says of its only child: the figures of one's children cannot be told apart.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The argument that makes this program the measuring process.
pub(crate) const ROLE: &str = "measure";

/// What a program used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of CPU time, user and system.
    pub(crate) cpu: f64,
    /// The most memory that was resident, in MiB.
    pub(crate) rss: f64,
}

/// Runs a command through a measuring process.
pub(crate) fn run(command: &Command) -> Result<Used> {
    let mut measuring = Command::new(std::env::current_exe()?);
    measuring
        .arg(ROLE)
        .arg(command.get_program())
        .args(command.get_args())
        .stderr(Stdio::inherit());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            measuring.env(name, value);
        }
    }
    let output = measuring.output()?;
    ensure!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [wall, cpu, rss] = <[f64; 3]>::try_from(figures)
        .ok()
        .context("not three figures")?;
    Ok(Used { wall, cpu, rss })
}

/// What the measuring process does.
pub(crate) fn measure(mut command: impl Iterator<Item = OsString>) -> Result<()> {
    let program = command.next().context("no program")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let wall = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{status}");
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = (used.user_time() + used.system_time()).num_microseconds() as f64 / 1e6;
    let rss = used.max_rss() as f64 / 1024.0;
    writeln!(io::stdout(), "{wall} {cpu} {rss}")?;
    Ok(())
}
