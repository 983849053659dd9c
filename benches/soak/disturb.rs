//! What happens to the client under test from outside: the service dies and comes back, the application
//! key is replaced and the old one deleted, and the disk of the store fills up and is emptied.

use parking_lot::Mutex;
use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use b2sdk::B2Api;
use b2sdk::credentials::{CredentialError, Credentials};
use b2sdk::keys::{Capability, CreatedKey};

use crate::service::Service;

const CAPABILITIES: [Capability; 8] = [
    Capability::ListBuckets,
    Capability::WriteBuckets,
    Capability::ListFiles,
    Capability::ReadFiles,
    Capability::WriteFiles,
    Capability::DeleteFiles,
    Capability::ShareFiles,
    Capability::ReadBuckets,
];

pub(crate) struct Disturber {
    service: Arc<Service>,
    owner: B2Api,
    current: Arc<Mutex<Credentials>>,
    small_disk: Option<PathBuf>,
    keys_replaced: Cell<u64>,
    disks_filled: Cell<u64>,
}

impl Disturber {
    pub(crate) fn new(service: Arc<Service>, small_disk: Option<PathBuf>) -> Result<Self> {
        let owner = service.owner()?;
        let key = create_key(&owner)?;
        let current = Arc::new(Mutex::new(credentials(&service, &key)));
        Ok(Self {
            service,
            owner,
            current,
            small_disk,
            keys_replaced: Cell::new(0),
            disks_filled: Cell::new(0),
        })
    }

    /// The provider of the client under test.
    pub(crate) fn credentials(
        &self,
    ) -> impl Fn() -> Result<Credentials, CredentialError> + Send + Sync + 'static {
        let current = Arc::clone(&self.current);
        move || {
            let current = current.lock();
            Ok(current.clone())
        }
    }

    /// One disturbance every few seconds, in turn.
    pub(crate) fn run_until(&self, end: Instant) -> Result<()> {
        for round in 1_u64.. {
            let pause = Duration::from_secs(7);
            let left = end.saturating_duration_since(Instant::now());
            if left < pause {
                thread::sleep(left);
                break;
            }
            thread::sleep(pause);
            match round % 3 {
                0 => self.replace_key()?,
                1 => self.service.restart(true)?,
                _ => self.fill_disk()?,
            }
        }
        Ok(())
    }

    pub(crate) fn keys_replaced(&self) -> u64 {
        self.keys_replaced.get()
    }

    pub(crate) fn disks_filled(&self) -> u64 {
        self.disks_filled.get()
    }

    fn replace_key(&self) -> Result<()> {
        let key = create_key(&self.owner)?;
        let old = {
            let mut current = self.current.lock();
            std::mem::replace(&mut *current, credentials(&self.service, &key))
        };
        self.owner.delete_key(&old.application_key_id)?;
        self.keys_replaced.set(self.keys_replaced.get() + 1);
        Ok(())
    }

    /// Leaves no byte free for some seconds.
    fn fill_disk(&self) -> Result<()> {
        let Some(disk) = &self.small_disk else {
            return Ok(());
        };
        let path = disk.join("filler");
        let mut filler = File::create(&path)?;
        for size in [64 * 1024, 1024, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        thread::sleep(Duration::from_secs(3));
        fs::remove_file(path)?;
        self.disks_filled.set(self.disks_filled.get() + 1);
        Ok(())
    }
}

fn create_key(owner: &B2Api) -> Result<CreatedKey> {
    Ok(owner.create_key("soak", CAPABILITIES)?)
}

fn credentials(service: &Service, key: &CreatedKey) -> Credentials {
    Credentials::new(
        key.details.application_key_id.clone(),
        key.application_key.clone(),
    )
    .realm(service.realm.as_str())
}
