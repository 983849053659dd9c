//! A local B2 service as a program: for tests in other languages, and for trying things by hand.
//!
//! The program prints on standard output how clients reach it, as settings for a shell. It writes
//! one line per request to standard error, and stops on Ctrl-C and SIGTERM. Its keys are valid for
//! itself only, so printing them reveals nothing. Unless told otherwise it accepts connections from
//! this machine only; otherwise it prints a warning.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use b2sdk::Operation;
use b2sdk::simulator::{Caps, Fault, LogEntry, Shaping, Simulator, SimulatorBuilder, Tls};

const HELP: &str = "\
A local B2 service for tests and development.

Usage: b2-simulator [OPTION...]

  --port N                   listen on this port (default: a free port)
  --listen ADDRESS           listen on this IP address (default: 127.0.0.1). Everybody who can reach
                             another address can send requests; without --tls nothing is encrypted
  --tls                      speak TLS with a new certificate for localhost, 127.0.0.1 and ::1
  --tls-ca FILE              write the certificate that clients have to trust to FILE; implies --tls
  --tls-cert FILE            speak TLS with the certificate chain in FILE (PEM); needs --tls-key
  --tls-key FILE             the private key of that certificate (PEM)
  --public-url URL           use this address in answers, instead of the one that the client used
  --trust-forwarded          use the address in X-Forwarded-Proto and X-Forwarded-Host in answers;
                             only for a simulator that clients reach through a proxy
  --data-dir DIR             store account, files and port in DIR (default: everything in memory)
  --minimum-part-size N      smallest part that is not the last one, in bytes (default: 5000000)
  --recommended-part-size N  part size that the account recommends, in bytes (default: 100000000)
  --max-single-file N        largest upload, part or copy in one request, in bytes
                             (default: 5000000000)
  --max-buckets N            how many buckets the account may have (default: 100)
  --listing-scan-limit N     end a page of names after N hidden names (default: 100000)
  --max-rows N               return at most N rows of a listing in one answer (default: 10000)
  --custom-timestamps        let uploads choose their timestamp, which the service allows to few accounts
  --no-default-encryption    create buckets without SSE-B2 by default, as before September 2026
  --storage-cap N            store at most N bytes
  --download-cap N           allow N downloaded bytes in a day
  --class-b-cap N            allow N calls of class B in a day
  --class-c-cap N            allow N calls of class C in a day
  --start-time MILLISECONDS  start the clock at this time since 1970 (default: now)
  --test-mode-seed N         seed of the failures that X-Bz-Test-Mode causes (default: 0)
  --fault FAULT              inject a fault; can be repeated
  --latency MILLISECONDS     delay every request
  --upload-rate N            read the bodies of all requests together at N bytes per second
  --download-rate N          send the bodies of all answers together at N bytes per second
  --chaos SEED               inject many faults at random; equal seeds give equal faults. One byte of a
                             download may be wrong, which no client can detect in a range
  --chaos-without-corruption SEED  as --chaos, but no download is wrong
  --admin                    accept admin calls from this machine at /.simulator, even if other machines
                             can connect
  --no-admin                 accept no admin calls
  --help, --version          print this help, or the version

A FAULT is a line of words: an endpoint or *, with :N from its N-th request on, followed by
  which requests   method=HEAD file=PATTERN times=N always chance=PERCENT seed=N
  what instead     status=N [code=C message=M | type=T body=B], close, half-close, reset, stall,
                   before it: continue, read=BYTES, after-effect
  the answer       retry-after=SECONDS header=NAME:VALUE corrupt=OFFSET no-length chunked
                   surplus=BYTES truncate=BYTES half-close-at=BYTES reset-at=BYTES stall-at=BYTES
  how slow         delay=MILLISECONDS read-rate=N rate=N (bytes per second)
A fault happens once by default. In PATTERN, * stands for any characters. In values, %20 stands for a
space. Example: --fault 'b2_upload_file:3 status=503 retry-after=2'

Standard output shows the realm, the key id and the application key. Standard error shows one line
per request: endpoint, status and error code, milliseconds, bytes of the body, and the name of the file
and the fault if there is one. In a browser on this machine, the realm shows buckets, files and
requests. Ctrl-C and SIGTERM stop the program.

Exit status: 0 stopped, 1 port or directory not usable, 2 wrong arguments.
";

#[derive(Debug, Default)]
struct Arguments {
    port: Option<u16>,
    listen: Option<IpAddr>,
    data_dir: Option<PathBuf>,
    minimum_part_size: Option<u64>,
    recommended_part_size: Option<u64>,
    max_single_file: Option<u64>,
    max_buckets: Option<usize>,
    listing_scan_limit: Option<usize>,
    max_rows: Option<usize>,
    custom_timestamps: bool,
    no_default_encryption: bool,
    tls: bool,
    tls_ca: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_url: Option<String>,
    trust_forwarded: bool,
    start_time: Option<u64>,
    caps: Caps,
    test_mode_seed: Option<u64>,
    faults: Vec<Fault>,
    shaping: Shaping,
    chaos: Option<u64>,
    milder_chaos: Option<u64>,
    admin: Option<bool>,
    help: bool,
    version: bool,
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
        let is_flag = inline.is_none() && flag(&mut parsed, name);
        if !is_flag && !option(&mut parsed, name, &mut value)? {
            anyhow::bail!("unknown argument {text:?}; try --help");
        }
    }
    if parsed.tls_cert.is_some() != parsed.tls_key.is_some() {
        anyhow::bail!("--tls-cert and --tls-key belong together");
    }
    if parsed.tls_cert.is_some() && (parsed.tls || parsed.tls_ca.is_some()) {
        anyhow::bail!("--tls and --tls-ca make a certificate: they exclude --tls-cert");
    }
    Ok(parsed)
}

/// Applies an argument that has no value; returns `false` if there is no such argument.
fn flag(parsed: &mut Arguments, name: &str) -> bool {
    match name {
        "--no-default-encryption" => parsed.no_default_encryption = true,
        "--custom-timestamps" => parsed.custom_timestamps = true,
        "--tls" => parsed.tls = true,
        "--trust-forwarded" => parsed.trust_forwarded = true,
        "--admin" => parsed.admin = Some(true),
        "--no-admin" => parsed.admin = Some(false),
        "--help" | "-h" => parsed.help = true,
        "--version" | "-V" => parsed.version = true,
        _ => return false,
    }
    true
}

/// Applies an argument that has a value; returns `false` if there is no such argument.
fn option(
    parsed: &mut Arguments,
    name: &str,
    value: &mut dyn FnMut() -> anyhow::Result<OsString>,
) -> anyhow::Result<bool> {
    match name {
        "--port" => parsed.port = Some(number(name, &value()?)?),
        "--listen" => parsed.listen = Some(address(&value()?)?),
        "--tls-ca" => parsed.tls_ca = Some(value()?.into()),
        "--tls-cert" => parsed.tls_cert = Some(value()?.into()),
        "--tls-key" => parsed.tls_key = Some(value()?.into()),
        "--public-url" => parsed.public_url = Some(text(name, &value()?)?),
        "--data-dir" => parsed.data_dir = Some(value()?.into()),
        "--minimum-part-size" => parsed.minimum_part_size = Some(number(name, &value()?)?),
        "--recommended-part-size" => parsed.recommended_part_size = Some(number(name, &value()?)?),
        "--max-single-file" => parsed.max_single_file = Some(number(name, &value()?)?),
        "--max-buckets" => parsed.max_buckets = Some(number(name, &value()?)?),
        "--listing-scan-limit" => parsed.listing_scan_limit = Some(number(name, &value()?)?),
        "--max-rows" => parsed.max_rows = Some(number(name, &value()?)?),
        "--storage-cap" => parsed.caps.storage = Some(number(name, &value()?)?),
        "--download-cap" => parsed.caps.download = Some(number(name, &value()?)?),
        "--class-b-cap" => parsed.caps.class_b = Some(number(name, &value()?)?),
        "--class-c-cap" => parsed.caps.class_c = Some(number(name, &value()?)?),
        "--start-time" => parsed.start_time = Some(number(name, &value()?)?),
        "--test-mode-seed" => parsed.test_mode_seed = Some(number(name, &value()?)?),
        "--fault" => parsed.faults.push(fault(&value()?)?),
        "--latency" => parsed.shaping.latency = Duration::from_millis(number(name, &value()?)?),
        "--upload-rate" => parsed.shaping.upload_rate = Some(number(name, &value()?)?),
        "--download-rate" => parsed.shaping.download_rate = Some(number(name, &value()?)?),
        "--chaos" => parsed.chaos = Some(number(name, &value()?)?),
        "--chaos-without-corruption" => parsed.milder_chaos = Some(number(name, &value()?)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn text(name: &str, value: &OsStr) -> anyhow::Result<String> {
    let text = value.to_str().map(str::to_owned);
    text.with_context(|| format!("{name} is not UTF-8"))
}

fn number<N: FromStr>(name: &str, value: &OsStr) -> anyhow::Result<N> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("{name} needs a number that fits, not {value:?}"))
}

fn address(value: &OsStr) -> anyhow::Result<IpAddr> {
    let address = value.to_str().and_then(|text| text.parse().ok());
    address.with_context(|| format!("--listen needs an IP address, not {value:?}"))
}

fn fault(value: &OsStr) -> anyhow::Result<Fault> {
    let text = value.to_str().context("--fault is not UTF-8")?;
    text.parse()
        .with_context(|| format!("--fault {text:?} is not understood"))
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
    let builder = configured(&arguments)?;
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

/// Returns a builder with the settings that have to be known before the start.
fn configured(arguments: &Arguments) -> anyhow::Result<SimulatorBuilder> {
    fn set<T>(
        builder: SimulatorBuilder,
        value: Option<T>,
        setter: fn(SimulatorBuilder, T) -> SimulatorBuilder,
    ) -> SimulatorBuilder {
        match value {
            Some(value) => setter(builder, value),
            None => builder,
        }
    }
    let builder = Simulator::builder()
        .on_request(report)
        .custom_timestamps(arguments.custom_timestamps)
        .encrypt_by_default(!arguments.no_default_encryption)
        .trust_forwarded_headers(arguments.trust_forwarded);
    let builder = set(builder, arguments.port, SimulatorBuilder::port);
    let builder = set(builder, arguments.listen, SimulatorBuilder::listen);
    let builder = set(
        builder,
        arguments.data_dir.clone(),
        SimulatorBuilder::data_dir,
    );
    let builder = set(builder, tls(arguments)?, SimulatorBuilder::tls);
    let builder = set(
        builder,
        arguments.public_url.clone(),
        SimulatorBuilder::public_url,
    );
    let builder = set(
        builder,
        arguments.minimum_part_size,
        SimulatorBuilder::minimum_part_size,
    );
    let builder = set(
        builder,
        arguments.recommended_part_size,
        SimulatorBuilder::recommended_part_size,
    );
    let builder = set(
        builder,
        arguments.max_single_file,
        SimulatorBuilder::max_single_file,
    );
    let builder = set(
        builder,
        arguments.max_buckets,
        SimulatorBuilder::max_buckets,
    );
    let builder = set(
        builder,
        arguments.listing_scan_limit,
        SimulatorBuilder::listing_scan_limit,
    );
    let builder = set(builder, arguments.max_rows, SimulatorBuilder::max_rows);
    let builder = set(builder, arguments.admin, SimulatorBuilder::admin);
    let builder = set(
        builder,
        arguments.test_mode_seed,
        SimulatorBuilder::test_mode_seed,
    );
    let start = arguments.start_time.map(|millis| {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
        time.context("--start-time is too far in the future")
    });
    Ok(set(
        builder,
        start.transpose()?,
        SimulatorBuilder::start_time,
    ))
}

fn tls(arguments: &Arguments) -> anyhow::Result<Option<Tls>> {
    let read =
        |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    if let (Some(certificates), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        return Ok(Some(Tls::from_pem(read(certificates)?, read(key)?)));
    }
    let is_asked = arguments.tls || arguments.tls_ca.is_some();
    Ok(is_asked.then(Tls::generated))
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

#[cfg(test)]
mod tests {
    use super::{HELP, parse};

    fn parsed(line: &[&str]) -> Result<String, String> {
        match parse(line.iter().map(Into::into)) {
            Ok(arguments) => Ok(format!("{arguments:?}")),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn arguments_are_understood_in_both_spellings() {
        let arguments = parse(["--port", "8080", "--data-dir", "d"].map(Into::into)).unwrap();
        assert_eq!(arguments.port, Some(8080));
        assert_eq!(arguments.data_dir, Some("d".into()));
        let apart = parsed(&["--chaos", "7", "--fault", "* status=500 code=x"]);
        assert_eq!(parsed(&["--chaos=7", "--fault=* status=500 code=x"]), apart);
        assert!(apart.unwrap().contains("chaos: Some(7)"));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, name) in [
            (&["--port"][..], "--port"),
            (&["--port", "65536"], "65536"),
            (&["--port", "x"], "\"x\""),
            (&["--chaos", "-1"], "--chaos"),
            (&["--latency", "soon"], "--latency"),
            (&["--storage-cap", "much"], "--storage-cap"),
            (&["--upload-rate", "0"], "--upload-rate"),
            (&["--download-rate", ""], "--download-rate"),
            (&["--listen", "localhost"], "IP address"),
            (&["--listen", "127.0.0.1:80"], "127.0.0.1:80"),
            (&["--fault", "* sparkle"], "sparkle"),
            (&["--verbose"], "--verbose"),
            (
                &["--no-default-encryption=yes"],
                "--no-default-encryption=yes",
            ),
            (&["dir"], "\"dir\""),
        ] {
            assert!(parsed(line).unwrap_err().contains(name), "{line:?}");
        }
    }

    #[test]
    fn the_fault_that_the_help_shows_is_understood() {
        let (_, example) = HELP.split_once("--fault '").unwrap();
        let (example, _) = example.split_once('\'').unwrap();
        assert!(parsed(&["--fault", example]).is_ok());
    }
}
