//! The simulator as a process that speaks TLS: killed and started again at the same port, with everything
//! that it acknowledged.

use parking_lot::Mutex;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use b2sdk::account_info::AccountInfo;
use b2sdk::{B2Api, B2ApiBuilder, InMemoryAccountInfo, RetryPolicy};

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

pub(crate) struct Service {
    child: Mutex<Child>,
    dir: PathBuf,
    port: u16,
    seed: u64,
    /// Where the service tells of its requests.
    log: Option<File>,
    /// What clients have to trust, in PEM form.
    certificate: String,
    restarts: AtomicU64,
    pub(crate) realm: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
}

impl Service {
    pub(crate) fn start(scratch: &Path, seed: u64, log: Option<&Path>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let dir = scratch.to_owned();
        let certificate = make_certificate(&dir)?;
        let log = log.map(File::create).transpose()?;
        let (child, [realm, key_id, key]) = launch(&dir, port, Some(seed), log.as_ref())?;
        Ok(Self {
            child: Mutex::new(child),
            dir,
            port,
            seed,
            log,
            certificate,
            restarts: AtomicU64::new(0),
            realm,
            key_id,
            key,
        })
    }

    /// Kills the process in the middle of whatever it is doing, and starts it again.
    pub(crate) fn restart(&self, with_chaos: bool) -> Result<()> {
        let mut child = self.child.lock();
        child.kill()?;
        child.wait()?;
        let round = self.restarts.fetch_add(1, Ordering::Relaxed) + 1;
        let chaos = with_chaos.then_some(self.seed + round);
        *child = launch(&self.dir, self.port, chaos, self.log.as_ref())?.0;
        Ok(())
    }

    /// What is resident of its process, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        crate::check::resident_kib(&self.child.lock().id().to_string())
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn builder(&self, info: impl AccountInfo + 'static) -> B2ApiBuilder {
        let retry = RetryPolicy::default().total_time(Duration::from_secs(300));
        B2Api::builder(info)
            .retry(retry)
            .root_certificates(self.certificate.as_bytes())
    }

    /// A client with the master key that shares nothing with the one under test.
    pub(crate) fn owner(&self) -> Result<B2Api> {
        let api = self.builder(InMemoryAccountInfo::new()).build()?;
        api.authorize_account(self.realm.as_str(), self.key_id.as_str(), self.key.as_str())?;
        Ok(api)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Writes a certificate for this machine and its key, and returns the certificate.
fn make_certificate(dir: &Path) -> Result<String> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    let certificate = made.cert.pem();
    fs::write(dir.join(CERTIFICATE), &certificate)?;
    fs::write(dir.join(KEY), made.signing_key.serialize_pem())?;
    Ok(certificate)
}

fn launch(
    dir: &Path,
    port: u16,
    chaos: Option<u64>,
    log: Option<&File>,
) -> Result<(Child, [String; 3])> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_b2-simulator"));
    command
        .arg("--data-dir")
        .arg(dir.join("service"))
        .arg("--tls-cert")
        .arg(dir.join(CERTIFICATE))
        .arg("--tls-key")
        .arg(dir.join(KEY))
        .args(["--port", &port.to_string()])
        .args(["--minimum-part-size", "100000"])
        .args(["--recommended-part-size", "200000"]);
    if let Some(seed) = chaos {
        command.args(["--chaos", &seed.to_string()]);
    }
    let log = match log {
        Some(file) => Stdio::from(file.try_clone()?),
        None => Stdio::null(),
    };
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
    let output = child.stdout.take().context("standard output")?;
    let mut lines = BufReader::new(output).lines();
    let mut setting = || -> Result<String> {
        let line = lines.next().context("the simulator did not start")??;
        let (_, value) = line.split_once('=').context("a setting")?;
        Ok(value.to_owned())
    };
    let settings = [setting()?, setting()?, setting()?];
    Ok((child, settings))
}
