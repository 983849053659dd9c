//! A local B2 service as a program: for tests in other languages, and to look at by hand.
//!
//! It says on standard output how to reach it, as settings for a shell, writes one line per request
//! to standard error, and stops on Ctrl-C and SIGTERM. Its keys open nothing but itself, so it
//! prints them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use b2sdk::simulator::{LogEntry, Simulator};

const HELP: &str = "\
A local B2 service to develop and test against.

Usage: b2-simulator [--port N] [--data-dir DIR]

  --port N        listen on this port of 127.0.0.1 (otherwise a free one)
  --data-dir DIR  keep account, files and port in DIR (otherwise nothing is kept)
  --help          print this

Standard output gets the realm, the key id and the application key; standard error gets one line
per request. Ctrl-C and SIGTERM stop it.

Exit status: 0 stopped, 1 port or directory not usable, 2 wrong arguments.
";

#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    port: Option<u16>,
    data_dir: Option<PathBuf>,
    help: bool,
}

fn main() -> ExitCode {
    let (outcome, failure) = match parse(std::env::args_os().skip(1)) {
        Ok(arguments) => (run(arguments), 1),
        Err(error) => (Err(error), 2),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("b2-simulator: {error:#}"));
            ExitCode::from(failure)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument
            .to_str()
            .with_context(|| format!("unknown argument {argument:?}"))?;
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        let mut value = || {
            let given = inline.clone().or_else(|| arguments.next());
            given.with_context(|| format!("{name} needs a value"))
        };
        match name {
            "--port" => parsed.port = Some(port(&value()?)?),
            "--data-dir" => parsed.data_dir = Some(value()?.into()),
            "--help" | "-h" => parsed.help = true,
            _ => anyhow::bail!("unknown argument {text:?}; try --help"),
        }
    }
    Ok(parsed)
}

fn port(value: &OsString) -> anyhow::Result<u16> {
    let port = value.to_str().and_then(|text| text.parse().ok());
    port.with_context(|| format!("--port needs a number up to 65535, not {value:?}"))
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.help {
        io::stdout().write_all(HELP.as_bytes())?;
        return Ok(());
    }
    let mut builder = Simulator::builder().on_request(report);
    if let Some(port) = arguments.port {
        builder = builder.port(port);
    }
    if let Some(dir) = arguments.data_dir {
        builder = builder.data_dir(dir);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        // Before anybody can know that we run, and so tell us to stop.
        let stop = stop_signal()?;
        let simulator = builder.start()?;
        introduce(&simulator)?;
        stop.await;
        simulator.stop();
        Ok(())
    })
}

fn introduce(simulator: &Simulator) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "B2_ENVIRONMENT={}", simulator.url())?;
    writeln!(
        out,
        "B2_APPLICATION_KEY_ID={}",
        simulator.application_key_id()
    )?;
    writeln!(out, "B2_APPLICATION_KEY={}", simulator.application_key())?;
    out.flush()
}

fn report(entry: &LogEntry) {
    let what = match entry.operation {
        Some(operation) => operation.to_string(),
        None => format!("{} {}", entry.method, entry.path),
    };
    let status = entry
        .status
        .map_or("no answer".to_owned(), |status| status.to_string());
    complain(&format!("{what} {status} {} ms", entry.elapsed.as_millis()));
}

/// Writes a line to standard error, which may be closed.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Resolves when the program is asked to stop; asking is noticed from this call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(std::future::poll_fn(move |context| {
        let interrupted = interrupt.poll_recv(context).is_ready();
        match interrupted || terminate.poll_recv(context).is_ready() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    }))
}

/// Resolves when the program is asked to stop.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

#[cfg(test)]
mod tests {
    use super::{Arguments, parse};

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(Into::into)).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_understood_in_both_spellings() {
        let wanted = Arguments {
            port: Some(8080),
            data_dir: Some("d".into()),
            help: false,
        };
        assert_eq!(parsed("--port 8080 --data-dir d"), Ok(wanted));
        assert_eq!(
            parsed("--data-dir=d --port=8080"),
            parsed("--port 8080 --data-dir d")
        );
        assert_eq!(parsed(""), Ok(Arguments::default()));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, name) in [
            ("--port", "--port"),
            ("--port 65536", "65536"),
            ("--port x", "\"x\""),
            ("--verbose", "--verbose"),
            ("dir", "\"dir\""),
        ] {
            assert!(parsed(line).unwrap_err().contains(name), "{line}");
        }
    }
}
