//! A local B2 service as a program: for tests in other languages, and for trying things by hand.
//!
//! The program prints on standard output how clients reach it, as settings for a shell. It writes
//! one line per request to standard error, and stops on Ctrl-C and SIGTERM. Its keys are valid for
//! itself only, so printing them reveals nothing. Unless told otherwise it accepts connections from
//! this machine only; otherwise it prints a warning.

mod arguments;
mod descriptors;
mod settings;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use b2sdk::Operation;
use b2sdk::simulator::{LogEntry, Simulator};

use crate::arguments::{Arguments, HELP, parse};

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

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.help {
        io::stdout().write_all(HELP.as_bytes())?;
        return Ok(());
    }
    if arguments.version {
        writeln!(io::stdout(), "b2-simulator {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(());
    }
    if let Some(connections) = arguments.max_connections
        && let Some(possible) = descriptors::allow(connections)
    {
        complain(&format!(
            "b2-simulator: WARNING: the system lets this program open so few files that about {possible} connections \
             can be served at a time; raise its limit (ulimit -n)"
        ));
    }
    let builder = settings::configured(&arguments)?.on_request(report);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        // A signal may arrive as soon as the settings are printed, so its handler is installed
        // before that.
        let stop = stop_signal()?;
        let simulator = builder.start()?;
        for fault in arguments.faults {
            simulator.faults().inject(fault);
        }
        simulator.set_caps(arguments.caps);
        simulator.faults().shape(arguments.shaping);
        if let Some(seed) = arguments.chaos {
            simulator.faults().chaos(seed);
        }
        if let Some(seed) = arguments.milder_chaos {
            simulator.faults().chaos_without_corruption(seed);
        }
        if let (Some(file), Some(certificate)) = (&arguments.tls_ca, simulator.ca_certificate()) {
            fs::write(file, certificate)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        let has_tls = arguments.tls || arguments.tls_ca.is_some() || arguments.tls_cert.is_some();
        if let Some(address) = arguments.listen.filter(|address| !address.is_loopback()) {
            warn(address, has_tls);
        }
        for warning in simulator.warnings() {
            complain(&format!("b2-simulator: WARNING: {warning}"));
        }
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

fn warn(address: IpAddr, has_tls: bool) {
    let secrets = if has_tls {
        ""
    } else {
        ", and keys, tokens and files travel unencrypted"
    };
    complain(&format!(
        "b2-simulator: WARNING: listening on {address}, which other machines can reach. Everybody who reaches it \
         can send requests{secrets}. Use it only in a network of your own, and for data that anybody may see."
    ));
}

fn report(entry: &LogEntry) {
    complain(&line(entry));
}

/// Formats a request as one line. Text from the client cannot break the line.
fn line(entry: &LogEntry) -> String {
    let what = match entry.operation {
        // The path contains the name of the file.
        Some(Operation::DownloadFileByName) | None => {
            let name = entry
                .operation
                .map_or(entry.method.as_str(), |it| it.name());
            format!("{name} {}", entry.path.escape_debug())
        }
        Some(operation) => operation.to_string(),
    };
    let mut status = entry
        .status
        .map_or("no answer".to_owned(), |status| status.to_string());
    if let Some(code) = &entry.error_code {
        let _ = write!(status, " {}", code.escape_debug());
    }
    let mut line = format!("{what} {status} {} ms", entry.elapsed.as_millis());
    // Writing to a String cannot fail.
    if entry.body_bytes > 0 {
        let _ = write!(line, " {} B", entry.body_bytes);
    }
    if let Some(name) = &entry.file_name {
        let _ = write!(line, " {name:?}");
    }
    if let Some(fault) = &entry.fault {
        let _ = write!(line, " fault: {}", fault.escape_debug());
    }
    line
}

/// Writes a line to standard error, which may be closed.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Resolves when the program receives a signal to stop. Signals count from this call on.
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

/// Resolves when the program receives Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
