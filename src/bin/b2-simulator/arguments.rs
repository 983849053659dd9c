//! The command line: its help, and how arguments are read.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use b2sdk::simulator::{Caps, Fault, Shaping};

pub(super) const HELP: &str = "\
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
  --max-connections N        serve at most N connections at a time (default: 480)
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

/// What the command line asks for. `None` leaves the simulator's default.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) port: Option<u16>,
    pub(super) listen: Option<IpAddr>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) minimum_part_size: Option<u64>,
    pub(super) recommended_part_size: Option<u64>,
    pub(super) max_single_file: Option<u64>,
    pub(super) max_buckets: Option<usize>,
    pub(super) listing_scan_limit: Option<usize>,
    pub(super) max_rows: Option<usize>,
    pub(super) max_connections: Option<usize>,
    pub(super) custom_timestamps: bool,
    pub(super) no_default_encryption: bool,
    pub(super) tls: bool,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) public_url: Option<String>,
    pub(super) trust_forwarded: bool,
    pub(super) start_time: Option<u64>,
    pub(super) caps: Caps,
    pub(super) test_mode_seed: Option<u64>,
    pub(super) faults: Vec<Fault>,
    pub(super) shaping: Shaping,
    pub(super) chaos: Option<u64>,
    pub(super) milder_chaos: Option<u64>,
    pub(super) admin: Option<bool>,
    pub(super) help: bool,
    pub(super) version: bool,
}

/// Reads the arguments of the command line.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Arguments> {
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
        "--max-connections" => parsed.max_connections = Some(number(name, &value()?)?),
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
